import type { CallOptions } from "../core/backend.ts";
import type { Side } from "../core/entry.ts";
import type { ApplyOptions } from "./apply/executor.ts";
import type { PairHistory } from "./history/file.ts";
import type { PlanOptions, SafetyIssue, SafetyLimits } from "./common/options.ts";
import type { ScanOptions } from "./scan/scan.ts";
import type { PairTrash, Trash } from "./trash/trash.ts";
import type { Plan } from "../core/plan.ts";

type PlanChoices = Pick<
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

/** The options of a run. */
export interface RunOptions extends PlanChoices, CallOptions {
  readonly links: ScanOptions["links"];
  readonly includeForeign?: boolean;
  /** The keys of guards that the user allowed. */
  readonly allow: SafetyLimits["allow"];
  /** The limit for the guard against too many removals. */
  readonly maxRemove?: SafetyLimits["maxRemove"];
  /** The paths of files that must exist below both roots. */
  readonly markers?: readonly string[];
  /** The sides whose root the user did not name. */
  readonly defaulted?: readonly Side[];
  /** Whether reading a remote file to compare it is forbidden. */
  readonly noReadBack: boolean;
  /** One-way: whether content is written into the existing files. */
  readonly inPlace?: boolean;
  readonly stopOnError: boolean;
  /** Whether to stop after the plan and write nothing. */
  readonly planOnly: boolean;
  readonly concurrency?: number;
  /** Maximum memory of each side's listing, in bytes. */
  readonly maxListing?: number;
  /** A secret of this machine's user, any string. */
  readonly owner: string;
  /** This machine's name, for conflict copies. */
  readonly host: string;
  /** The history of this pair. It is read for the plan and written after the plan was carried out. */
  readonly pairHistory?: PairHistory;
  /** The trash for discarded versions. In mode Both a conflict can only have a winner if there is a trash. */
  readonly trash?: Trash & Pick<PairTrash, "prune">;
  /**
   * The number of days that discarded versions stay in the trash, those of conflicts excepted; unlimited if not given.
   */
  readonly trashDays?: number;
  isLockOwner?: ApplyOptions["isLockOwner"];
  /** See ApplyOptions. */
  readonly abandon?: AbortSignal;
  /**
   * Whether the plan may run in spite of these dangers. Not called for dangers that no key allows, nor under planOnly.
   */
  allowIssues?(issues: readonly SafetyIssue[]): Promise<boolean>;
  /** Whether the whole plan may be carried out; called before anything is changed (-Confirm). */
  approve?(plan: Plan): Promise<boolean>;
  /** Returns the current time in ms since the epoch. */
  now(): number;
}
