import type { Traits } from "../../core/backend.ts";
import type { RelPath } from "../../core/path.ts";
import type { Side, Snapshot } from "../../core/entry.ts";
import { chooseCriteria, type Criterion } from "./criteria.ts";

/** The side to change. */
export type Mode = "Local" | "Remote" | "Both";

/**
 * The policy that selects the winner of a conflict. Ties and unknown times are resolved as KeepBoth. Skip leaves the
 * conflict open.
 */
export type ConflictPolicy = "Newest" | "Oldest" | "Local" | "Remote" | "Larger" | "Smaller" | "KeepBoth" | "Skip";

/**
 * One scanned side. `hidden`: folders that contain something excluded by the masks, so they are never removed or
 * replaced; the containing folder is sufficient, its parents follow.
 */
export interface PlanSide {
  readonly snapshot: Snapshot;
  readonly traits: Traits;
  readonly hidden?: ReadonlySet<RelPath>;
}

export interface PlanOptions {
  readonly mode: Mode;
  readonly criteria: readonly Criterion[];
  /**
   * Whether to remove. One-way: what the source lacks is removed. Both: deletions are propagated if history proves
   * them.
   */
  readonly remove: boolean;
  /** Whether a newer target is overwritten as well; one-way modes only. */
  readonly mirror: boolean;
  readonly skipNew: boolean;
  readonly skipModified: boolean;
  readonly conflict: ConflictPolicy;
  /**
   * Whether a file that is gone at one path and new at another, with proven content, is renamed; only with `remove`.
   */
  readonly moves: boolean;
  /** One-way: whether the new content of a file is written into the existing file. */
  readonly inPlace: boolean;
  /** Whether removals outside of an unreadable folder are carried out. */
  readonly removeDespiteFailures: boolean;
  /**
   * The pairs that may be left open for a checksum. "free": also those for which it only saves a transfer, on backends
   * that read no remote file for it, and those that would be conflicts; "needed": those that the Checksum criterion
   * requires; "nothing": decide by the present facts (the second plan).
   */
  readonly checksumPolicy: "nothing" | "needed" | "free";
  /** The start of the listings, in ms since the epoch: a time that is hardly older proves little. */
  readonly listedAt: number;
  /**
   * Returns where a discarded version of `side` is kept in mode Both, relative to that side's root; undefined if it
   * cannot be kept. A conflict whose discarded version cannot be kept is resolved as KeepBoth.
   */
  keepDiscarded(path: RelPath, side: Side): RelPath | undefined;
  /** Returns why the absence of a path that history knows is no deletion; undefined if it may be one. */
  unprovenAbsence(path: RelPath, side: Side): UnprovenAbsence | undefined;
  /**
   * Returns a name for the local version under KeepBoth, in the same folder; `attempt` counts from 0 until a name is
   * free.
   */
  conflictName(path: RelPath, attempt: number): RelPath;
}

/**
 * Returns complete options. By default everything is off except the default file comparison (Either); nothing is
 * renamed or kept, and no checksums are requested.
 */
export function toPlanOptions(given: Partial<PlanOptions> & Pick<PlanOptions, "mode">): PlanOptions {
  return {
    criteria: chooseCriteria(["Either"]),
    remove: false,
    mirror: false,
    skipNew: false,
    skipModified: false,
    conflict: "Newest",
    moves: false,
    inPlace: false,
    removeDespiteFailures: false,
    checksumPolicy: "nothing",
    listedAt: Infinity,
    keepDiscarded: () => undefined,
    unprovenAbsence: () => undefined,
    conflictName: (path, attempt) => `${path} (conflict${attempt === 0 ? "" : ` ${attempt + 1}`})` as RelPath,
    ...given,
  };
}

/** The facts about a root before the plan is made. `risk`: why emptying it is hardly intended ("the login folder"). */
export interface RootState {
  readonly risk?: string;
  /** Whether the user did not name this root. */
  readonly defaulted?: boolean;
  readonly missing?: boolean;
  /** Whether a history of this pair exists, so that the root existed once. */
  readonly hasHistory?: boolean;
  /** Whether the root is on another volume than history records. */
  readonly moved?: boolean;
}

/** The options that allow what a guard rejects, as the user types them. */
export type GuardKey =
  | "-MaxRemove 100%"
  | "-AllowEmptySource"
  | "-AllowRoot"
  | "-AllowMissingRoot"
  | "-AllowAllChanged";

/** The limits for the guards, as plain data. `allow`: the keys that were given. */
export interface SafetyLimits {
  readonly mode: Mode;
  readonly remove: boolean;
  readonly mirror: boolean;
  /** The limit given by the user, exact and per side. A `share` of 1 is all. */
  readonly maxRemove?: { readonly share: number } | { readonly count: number };
  readonly allow: readonly GuardKey[];
  readonly roots: Readonly<Record<Side, RootState>>;
  readonly markers?: readonly { readonly name: string; readonly present: Readonly<Record<Side, boolean>> }[];
}

/** The reason why a plan must not run. */
export interface SafetyIssue {
  readonly code:
    | "emptySource"
    | "emptiedRoot"
    | "lostRoot"
    | "broadRoot"
    | "defaultedRoot"
    | "tooMany"
    | "wrongFolder"
    | "allChanged"
    | "noMarker";
  /** The side that would be damaged, or whose root is not the former one. */
  readonly side: Side;
  /** The number of files concerned. */
  readonly count: number;
  /** The number of files on the side before the run. */
  readonly total: number;
  /** The paths of at most ten of the files. */
  readonly sample: readonly RelPath[];
  /** The key that allows the plan; undefined if there is none. */
  readonly allowedBy: GuardKey | undefined;
  /** A clause for the message. */
  readonly why: string;
}

/** An absence without evidence of a deletion: a deletion makes the time of its folder later. */
export interface UnprovenAbsence {
  /** The nearest folder that still exists. */
  readonly folder: RelPath;
  /** A clause with the reason and a hint. */
  readonly why: string;
}
