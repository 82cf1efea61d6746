import type { Call } from "../core/backend.ts";
import type { Plan, Side } from "../core/entry.ts";
import type { ApplyOptions } from "./apply/executor.ts";
import type { Remembered } from "./history/file.ts";
import type { Danger, Limits, PlanOptions } from "./common/options.ts";
import type { ScanOptions } from "./scan/scan.ts";
import type { PairTrash, Trash } from "./trash/trash.ts";

type Choices = Pick<
  PlanOptions,
  | "mode"
  | "criteria"
  | "mirror"
  | "remove"
  | "skipNew"
  | "skipModified"
  | "conflict"
  | "moves"
  | "removeDespiteFailures"
>;

/**
 * The options of a run. `allow`, `maxRemove`: passed to the guards; `marker`: a file that must exist in both roots;
 * `defaulted`: sides whose root the user did not name; `noReadBack`: no remote file is read to compare it; `inPlace`:
 * in one-way modes, content is written into the existing files; `planOnly`: stop after the plan and write nothing;
 * `owner`: a secret of this machine's user, any string; `host`: this machine's name, for conflict copies; `abandon`:
 * see apply().
 */
export interface RunOptions extends Choices, Call {
  readonly links: ScanOptions["links"];
  readonly allow: Limits["allow"];
  readonly maxRemove?: Limits["maxRemove"];
  readonly marker?: string;
  readonly defaulted?: readonly Side[];
  readonly noReadBack: boolean;
  readonly inPlace?: boolean;
  readonly stopOnError: boolean;
  readonly planOnly: boolean;
  readonly concurrency?: number;
  /** Maximum memory of each side's listing, in bytes. */
  readonly maxListing?: number;
  readonly owner: string;
  readonly host: string;
  /** The history of this pair. It is read for the plan and written after the plan was carried out. */
  readonly remembered?: Remembered;
  /** The trash for discarded versions. In mode Both a conflict can only have a winner if there is a trash. */
  readonly trash?: Trash & Pick<PairTrash, "prune">;
  /** The number of days that discarded versions stay in the trash, conflict losers excepted; unlimited if not given. */
  readonly trashDays?: number;
  stillHeld?: ApplyOptions["stillHeld"];
  readonly abandon?: AbortSignal;
  /**
   * Whether the plan may run in spite of these dangers. Not called for dangers that no key allows, nor under planOnly.
   */
  ask?(dangers: readonly Danger[]): Promise<boolean>;
  /** Whether the whole plan may be carried out; called before anything is changed (-Confirm). */
  approve?(plan: Plan): Promise<boolean>;
  /** Returns the current time in ms since the epoch. */
  now(): number;
}
