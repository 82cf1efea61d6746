import type { Traits } from "../../core/backend.ts";
import type { RelPath } from "../../core/path.ts";
import type { Side, Snapshot } from "../../core/entry.ts";
import { chooseCriteria, type Criterion } from "./criteria.ts";

/** Which side changes. */
export type Mode = "Local" | "Remote" | "Both";

/** Who wins where both sides changed; ties and unknown times fall to KeepBoth. Skip leaves the conflict open. */
export type ConflictPolicy = "Newest" | "Local" | "Remote" | "Larger" | "KeepBoth" | "Skip";

/**
 * One scanned side. `hidden`: folders that hold something the masks let nobody see, so they are never removed nor replaced; the folder
 * that holds it is enough, its parents follow.
 */
export interface PlanSide {
  readonly snapshot: Snapshot;
  readonly traits: Traits;
  readonly hidden?: ReadonlySet<RelPath>;
}

export interface PlanOptions {
  readonly mode: Mode;
  readonly criteria: readonly Criterion[];
  /** One-way: what the source lacks goes. Both: deletions travel, where history proves them. */
  readonly remove: boolean;
  /** A newer target is overwritten too; one-way modes only. */
  readonly mirror: boolean;
  readonly skipNew: boolean;
  readonly skipModified: boolean;
  readonly conflict: ConflictPolicy;
  /** A file that is gone here and new there, its content proven, is renamed; only with `remove`. */
  readonly moves: boolean;
  /** One-way: the new content of a file goes into the file that is there. */
  readonly inPlace: boolean;
  /** Removals go on though a folder could not be read, outside of it. */
  readonly removeDespiteFailures: boolean;
  /**
   * Which pairs may be left open for a checksum: "free" those too that only save a transfer, for places where no remote file is read
   * for it, and those that would be conflicts; "needed" those the Checksum criterion must know; "nothing": decide with what the entries carry (the second time).
   */
  readonly ask: "nothing" | "needed" | "free";
  /** When the listings began, in ms since the epoch: a time that is hardly older proves little. */
  readonly listedAt: number;
  /**
   * Mode Both: where a version that loses on `side` is kept, relative to that side's root; undefined where it cannot be. A conflict
   * whose loser cannot be kept is settled as KeepBoth.
   */
  keepLosers(path: RelPath, side: Side): RelPath | undefined;
  /** Why the absence of a path that history knows is no deletion; undefined where it may be one. */
  untraced(path: RelPath, side: Side): Untraced | undefined;
  /** A name for the local version under KeepBoth, in the same folder; `attempt` counts from 0 until a name is free. */
  conflictName(path: RelPath, attempt: number): RelPath;
}

/** Options with everything off but the file comparison that is the default (Either), moves off, nothing kept, nothing asked. */
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
    ask: "nothing",
    listedAt: Infinity,
    keepLosers: () => undefined,
    untraced: () => undefined,
    conflictName: (path, attempt) => `${path} (conflict${attempt === 0 ? "" : ` ${attempt + 1}`})` as RelPath,
    ...given,
  };
}

/** What is known of a root before the plan is made. `broad`: why nobody means to empty it ("the login folder"). */
export interface RootState {
  readonly broad?: string;
  /** No word of the user named this root. */
  readonly defaulted?: boolean;
  readonly missing?: boolean;
  /** A history of this pair exists: the root was there once. */
  readonly known?: boolean;
  /** The root lies on another volume than history remembers. */
  readonly moved?: boolean;
}

/** The words that open a guard, as the user types them. */
export type GuardKey =
  | "-MaxRemove 100%"
  | "-AllowEmptySource"
  | "-AllowRoot"
  | "-AllowMissingRoot"
  | "-AllowAllChanged";

/** What the guards judge a plan by; plain data. `allow`: keys that were given. */
export interface Limits {
  readonly mode: Mode;
  readonly remove: boolean;
  readonly mirror: boolean;
  /** Given by the user: exactly this, on each side. `share` of 1 is all. */
  readonly maxRemove?: { readonly share: number } | { readonly count: number };
  readonly allow: readonly GuardKey[];
  readonly roots: Readonly<Record<Side, RootState>>;
  readonly marker?: { readonly name: string; readonly present: Readonly<Record<Side, boolean>> };
}

/**
 * Why a plan must not run. `side`: where the harm would be done, or whose root is not what it was; `count` files of the `total` that it
 * holds before the run; `sample`: ten of them at most; `allowedBy`: the key that opens it, undefined where none does; `why`: a clause for
 * the message.
 */
export interface Danger {
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
  readonly side: Side;
  readonly count: number;
  readonly total: number;
  readonly sample: readonly RelPath[];
  readonly allowedBy: GuardKey | undefined;
  readonly why: string;
}

/** A deletion leaves a trace: a later time of the folder it was in. Why this is none: a clause, and what to think of. `folder`: the nearest that still exists. */
export interface Untraced {
  readonly folder: RelPath;
  readonly why: string;
}
