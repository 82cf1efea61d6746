import type { RelPath } from "./path.ts";
import type { ErrorKind, SyncError } from "./errors.ts";

/** The two sides of a run: this machine's folder, and the directory the session opens. */
export type Side = "local" | "remote";
export const sides: readonly Side[] = ["local", "remote"];

/** Returns the opposite side. */
export function otherSide(side: Side): Side {
  return side === "local" ? "remote" : "local";
}

/** One entry of a listing. */
export type Entry = FileEntry | DirEntry | LinkEntry | OpaqueEntry;

/**
 * `size` in bytes. `modified` in ms since the epoch (with fractions if the server reports them), absent if the server
 * reports none; `timeStep` in ms if this listing is coarser than the backend's; `isArrival`: the time is that of the
 * upload, not of the last edit, although the server could store that too; `revision`: ETag, generation or version:
 * equal values mean equal bytes; `checksum` only if the listing contains it at no cost, otherwise by checksum();
 * `mode`: the rwx bits; `fileId`: device and inode.
 */
export interface FileEntry {
  readonly kind: "file";
  readonly path: RelPath;
  readonly size: number;
  readonly modified?: number;
  readonly timeStep?: number;
  readonly isUploadTime?: true;
  readonly revision?: string;
  readonly checksum?: Checksum;
  readonly mode?: number;
  readonly fileId?: string;
}

/** A folder. `fileId`: only for a root on a disk; distinguishes it from another folder at the same path. */
export interface DirEntry {
  readonly kind: "dir";
  readonly path: RelPath;
  readonly modified?: number;
  readonly mode?: number;
  readonly fileId?: string;
}

/** A symbolic link as an entry of its own: only under -Links Keep; otherwise a link is opaque. */
export interface LinkEntry {
  readonly kind: "link";
  readonly path: RelPath;
  readonly target: string;
}

/**
 * An entry that must not be touched. `cause` decides the report: link, special and hidden are notes, unreadable and
 * name are failures; "hidden" means that something may exist there although no listing shows it. The path of cause
 * "name" is for reports only and must never be opened.
 */
export interface OpaqueEntry {
  readonly kind: "opaque";
  readonly path: RelPath;
  readonly cause: "link" | "special" | "hidden" | "unreadable" | "name";
  readonly why: string;
}

/** Algorithm and lower-case hex: "sha256:9f86…". */
export type Checksum = `${string}:${string}`;

/**
 * All entries of one side below its root (the root itself is not an entry), in path order with "/" below every other
 * character, so parents come first. Entries must stay small: the design load is a million per side.
 */
export interface Snapshot extends Iterable<Entry> {
  readonly size: number;
  get(path: RelPath): Entry | undefined;
}

/** One side of a path as it was when both sides were last known equal. */
export interface SideStamp {
  readonly size: number;
  readonly modified?: number;
  readonly revision?: string;
  readonly fileId?: string;
}

/**
 * The history of one path. `begun` names the side on which an in-place replacement of the content had started when this
 * was recorded: the content there may be half old, half new, unless the file still matches its mark. `provisional`
 * names the side whose mark was too recent to be trusted when it was written. Marks of a folder hold only its time
 * (their size is 0), and only if that was old enough to reveal a later deletion in the folder.
 */
export interface BaseEntry {
  readonly path: RelPath;
  readonly kind: "file" | "dir" | "link";
  readonly local?: SideStamp;
  readonly remote?: SideStamp;
  readonly provisional?: Side | "both";
  readonly checksum?: Checksum;
  readonly target?: string;
  readonly begun?: Side;
}

/** The paths that were equal on both sides after the last successful run, in path order. */
export interface History extends Iterable<BaseEntry> {
  readonly size: number;
  get(path: RelPath): BaseEntry | undefined;
}

export type Reason = "new" | "newer" | "size" | "checksum" | "gone" | "moved" | "conflict" | "restored";

interface ActionBase {
  readonly to: Side;
  readonly path: RelPath;
  readonly why: Reason;
}

/**
 * One change on side `to`. `path` is the path on that side; `source.path` the one on the other side (they may differ in
 * spelling); `replaces` the entry that exists there now and is the precondition of the change; `keep` the path to which
 * the discarded version is moved first.
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
}

/** A history update without a transfer: a pair adopted as equal, or a record dropped. */
export interface HistoryUpdate {
  readonly path: RelPath;
  readonly base: BaseEntry | undefined;
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
