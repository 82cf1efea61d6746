import type { Entry, FileEntry, LinkEntry, Side } from "./entry.ts";
import type { RelPath } from "./path.ts";
import type { ErrorKind, SyncError } from "./errors.ts";
import type { HistoryUpdate } from "./history.ts";

export type Reason = "new" | "newer" | "size" | "checksum" | "gone" | "moved" | "conflict" | "restored";

interface ActionBase {
  readonly to: Side;
  readonly path: RelPath;
  readonly why: Reason;
}

/**
 * One change on side `to`. `path` is the path on that side; `source.path` the one on the other side (they may differ in
 * spelling); `replaces` the entry that exists there now and is the precondition of the change; `backupPath` the path to
 * which the discarded version is moved first.
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

/**
 * A path that changed on both sides. Open (a failure) without `winner`; otherwise the plan's actions resolve it: `kept`
 * is the path of the discarded version afterwards, relative to its own root.
 */
export interface Conflict {
  readonly path: RelPath;
  readonly local: Entry | undefined;
  readonly remote: Entry | undefined;
  readonly why: string;
  readonly winner?: Side | "both";
  readonly backupPath?: RelPath;
}

/** A path that the run does not handle, with the reason. */
export interface Refusal {
  readonly path: RelPath;
  readonly side?: Side;
  readonly kind: ErrorKind;
  readonly why: string;
}

/**
 * A remark for the user that is not a failure: a skipped link, a file kept because the target's is newer. `count`: the
 * number of cases that it covers.
 */
export interface Note {
  readonly code: string;
  readonly path?: RelPath;
  readonly side?: Side;
  readonly count?: number;
  readonly why: string;
  /** The error behind it, if the run counts as failed for it. */
  readonly error?: SyncError;
}

/**
 * The actions of a run, in path order. `refusals`: paths that fail before the first write; `held`: removals held back;
 * `notes`: for the report; `open`: pairs that only a checksum can decide (hash these and plan again; a pair of two
 * spellings is listed under both); `free`: pairs for which a checksum would save a transfer, worth requesting only if
 * no remote file must be read for it; `doubtful`: pairs of equal size that would be conflicts but may have equal
 * content, worth reading the remote file, since a conflict transfers both; `unsure`: files that look unchanged by marks
 * that could hide an edit, so their content must be compared; `restoring`: paths in the history that one side lacks and
 * gets back. Printable as JSON.
 */
export interface Plan {
  readonly actions: readonly Action[];
  readonly restored?: readonly RelPath[];
  readonly conflicts: readonly Conflict[];
  readonly refusals: readonly Refusal[];
  readonly heldRemovals: readonly Refusal[];
  readonly notes: readonly Note[];
  readonly historyUpdates: readonly HistoryUpdate[];
  readonly undecided: readonly RelPath[];
  readonly hashIfFree?: readonly RelPath[];
  readonly possiblyEqual?: readonly RelPath[];
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

/**
 * An event of a run, reported in the order in which events occur. `bytes` of progress are those moved since the last
 * progress event of that action (a retry may take some back: negative). `warnings` of done: the transfer is good, but
 * e.g. its time could not be set; `isOther`: the source was edited after the plan was made, and that newer version was
 * transferred; `isUntimed`: the target did not store the time; `kept`: the path of the replaced version in the trash,
 * and its id there.
 */
export type SyncEvent =
  | { readonly type: "scanned"; readonly side: Side; readonly entries: number }
  | { readonly type: "planned"; readonly plan: Plan }
  | { readonly type: "started"; readonly action: Action }
  | { readonly type: "progress"; readonly action: Action; readonly bytes: number }
  | {
    readonly type: "done";
    readonly action: Action;
    readonly result?: Entry;
    readonly warnings?: readonly string[];
    readonly isNewerSource?: true;
    readonly isTimeUnset?: true;
    readonly trashed?: TrashedVersion;
  }
  | { readonly type: "failed"; readonly action: Action; readonly error: SyncError }
  | { readonly type: "held"; readonly action: Action; readonly why: string }
  | { readonly type: "noted"; readonly note: Note };
