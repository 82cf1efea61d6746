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
 * What a run is told. `allow`, `maxRemove`: what the guards are told; `marker`: a file that must lie in both roots; `defaulted`: sides
 * whose root no word of the user named; `noReadBack`: no remote file is read to compare it; `inPlace`: one-way, content goes into the
 * files that are there; `planOnly`: stop after the plan, write
 * nothing; `owner`: a secret of this machine's user, in any words; `host`: this machine's name, for conflict copies; `abandon`: see apply().
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
  /** Bytes of memory that each side's listing may take. */
  readonly maxListing?: number;
  readonly owner: string;
  readonly host: string;
  /** What is remembered of this pair; it is read for the plan, and written once the plan is carried out. */
  readonly remembered?: Remembered;
  /** Where versions go that have to go; in Both it is what lets a conflict have a winner. */
  readonly trash?: Trash & Pick<PairTrash, "prune">;
  /** For how many days the trash keeps what lost no conflict; for ever, if not given. */
  readonly trashDays?: number;
  stillHeld?: ApplyOptions["stillHeld"];
  readonly abandon?: AbortSignal;
  /** May the plan run in spite of these? Not asked about what no key allows, nor under planOnly. */
  ask?(dangers: readonly Danger[]): Promise<boolean>;
  /** The plan as a whole, before anything is changed (-Confirm). */
  approve?(plan: Plan): Promise<boolean>;
  /** ms since the epoch. */
  now(): number;
}
