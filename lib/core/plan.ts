import type { Entry, FileEntry, LinkEntry, Side } from "./entry.ts";
import type { RelPath } from "./path.ts";
import type { ErrorKind, SyncError } from "./errors.ts";
import type { HistoryUpdate } from "./history.ts";

/** The reason of an action. */
export type Reason = "new" | "newer" | "size" | "checksum" | "gone" | "moved" | "conflict" | "restored";

interface ActionBase {
  readonly to: Side;
  readonly path: RelPath;
  readonly why: Reason;
}

/**
 * One change on side `to`. `path` is the path on that side, `source.path` the one on the other side: they may differ in
 * spelling. `replaces` is the entry that exists there now, and the precondition of the change. The discarded version is
 * moved to `backupPath` first.
 */
export type Action =
  & ActionBase
  & (
    | { readonly do: "makeDir"; readonly replaces?: Entry }
    | {
      readonly do: "copy";
      readonly source: FileEntry | LinkEntry;
      readonly replaces?: Entry;
      readonly backupPath?: RelPath;
      /** Writes the new content into the existing file: old and new content mix until the write ends. */
      readonly inPlace?: true;
    }
    | { readonly do: "move"; readonly source: FileEntry }
    | { readonly do: "touch"; readonly target: FileEntry; readonly modified: number }
    | { readonly do: "remove"; readonly target: Entry; readonly backupPath?: RelPath }
  );

/** A path that changed on both sides. */
export interface Conflict {
  readonly path: RelPath;
  readonly local: Entry | undefined;
  readonly remote: Entry | undefined;
  readonly why: string;
  /** Absent if the conflict is open, which is a failure; otherwise the plan's actions resolve it. */
  readonly winner?: Side | "both";
  /** The path of the discarded version afterwards, relative to its own root. */
  readonly backupPath?: RelPath;
}

/** A path that the run does not handle, with the reason. */
export interface Refusal {
  readonly path: RelPath;
  readonly side?: Side;
  readonly kind: ErrorKind;
  readonly why: string;
}

/** A remark for the user that is not a failure: a skipped link, a file kept because the target's is newer. */
export interface Note {
  readonly code: string;
  readonly path?: RelPath;
  readonly side?: Side;
  /** The number of cases that it covers. */
  readonly count?: number;
  readonly why: string;
  /** The error behind it, if the run counts as failed for it. */
  readonly error?: SyncError;
}

/** The decisions of a run, made before its first change. Printable as JSON. */
export interface Plan {
  /** In path order. */
  readonly actions: readonly Action[];
  /** Paths in the history that one side lacks and gets back. */
  readonly restored?: readonly RelPath[];
  readonly conflicts: readonly Conflict[];
  /** Paths that fail before the first write. */
  readonly refusals: readonly Refusal[];
  /** Removals that are postponed. */
  readonly heldRemovals: readonly Refusal[];
  /** Remarks for the report. */
  readonly notes: readonly Note[];
  readonly historyUpdates: readonly HistoryUpdate[];
  /** Pairs that only a checksum can decide: they are hashed and planned again. A pair of two spellings is listed under both. */
  readonly undecided: readonly RelPath[];
  /** Pairs for which a checksum would save a transfer; hashed only if no remote file must be read for it. */
  readonly hashIfFree?: readonly RelPath[];
  /** Pairs of equal size that would be conflicts: a conflict transfers both files, so that reading the remote one is worth it. */
  readonly possiblyEqual?: readonly RelPath[];
  /** Files that look unchanged by stamps that could hide an edit: their content must be compared. */
  readonly unproven?: readonly RelPath[];
}

/** A version in the trash: its id there, and the path of its file. */
export interface TrashedVersion {
  readonly id: string;
  readonly path: string;
}

/** The run that an event or a result belongs to. `session`: the session's label; the paths as users see them. */
export interface Run {
  readonly session: string;
  readonly localPath: string;
  readonly remotePath: string;
  readonly mode: "Local" | "Remote" | "Both";
  readonly whatIf: boolean;
}

/** An event of a run, reported in the order in which events occur. */
export type SyncEvent =
  | { readonly type: "scanned"; readonly side: Side; readonly entries: number }
  | { readonly type: "planned"; readonly plan: Plan }
  | { readonly type: "started"; readonly action: Action }
  /** `bytes` are those moved since the last progress event of that action; negative if a retry discards some. */
  | { readonly type: "progress"; readonly action: Action; readonly bytes: number }
  | {
    readonly type: "done";
    readonly action: Action;
    readonly result?: Entry;
    /** Lesser failures of a good transfer, such as a time that could not be set. */
    readonly warnings?: readonly string[];
    /** The source was edited after the plan was made, and that newer version was transferred. */
    readonly isNewerSource?: true;
    /** The target did not store the time. */
    readonly isTimeUnset?: true;
    /** The replaced or removed version. */
    readonly trashed?: TrashedVersion;
  }
  | { readonly type: "failed"; readonly action: Action; readonly error: SyncError }
  | { readonly type: "held"; readonly action: Action; readonly why: string }
  | { readonly type: "noted"; readonly note: Note };
