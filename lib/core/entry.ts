import type { RelPath } from "./path.ts";
import type { ErrorKind, SyncError } from "./errors.ts";

/** The two sides of a run: this machine's folder, and the directory the session opens. */
export type Side = "local" | "remote";
export const sides: readonly Side[] = ["local", "remote"];

/** The side across. */
export function otherSide(side: Side): Side {
  return side === "local" ? "remote" : "local";
}

/** What a listing gives for one name. */
export type Entry = FileEntry | DirEntry | LinkEntry | OpaqueEntry;

/**
 * `size` in bytes. `modified` in ms since the epoch (fractions where the server tells them), absent where the server does not tell;
 * `timeStep` in ms where this listing is coarser than the backend's; `isArrival`: the time tells when the file came there, not when it
 * was edited, though the place could keep that too; `revision`: ETag, generation, version: equal marks mean equal
 * bytes; `checksum` only where it comes free with the listing, else by checksum(); `mode`: the rwx bits; `fileId`: device and inode.
 */
export interface FileEntry {
  readonly kind: "file";
  readonly path: RelPath;
  readonly size: number;
  readonly modified?: number;
  readonly timeStep?: number;
  readonly isArrival?: true;
  readonly revision?: string;
  readonly checksum?: Checksum;
  readonly mode?: number;
  readonly fileId?: string;
}

/** `fileId`: of a root on a disk alone: tells it from another folder at the same place. */
export interface DirEntry {
  readonly kind: "dir";
  readonly path: RelPath;
  readonly modified?: number;
  readonly mode?: number;
  readonly fileId?: string;
}

/** A symbolic link as a thing of its own: only under -Links Keep; else a link is opaque. */
export interface LinkEntry {
  readonly kind: "link";
  readonly path: RelPath;
  readonly target: string;
}

/**
 * Something is there that must not be touched. `cause` decides the report: link, special and hidden are notes, unreadable and name are
 * failures; "hidden" stands for what may be there though no listing shows it. The path of cause "name" is for reports only, it opens nothing.
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
 * What one side holds below its root (the root itself is not an entry), in path order with "/" below every other character, so
 * parents come first. Entries must stay small: a million a side is the design load.
 */
export interface Snapshot extends Iterable<Entry> {
  readonly size: number;
  get(path: RelPath): Entry | undefined;
}

/** One side of a path as it was when both sides were last known equal. */
export interface Mark {
  readonly size: number;
  readonly modified?: number;
  readonly revision?: string;
  readonly fileId?: string;
}

/**
 * What history holds for one path; `begun` names the side on which its content was being replaced in place when last heard of: what
 * stands there may be half old, half new, unless it still looks as its mark says; `provisional` names the side whose mark was too young to be trusted when it was written. Marks of a
 * folder hold its time alone (their size is 0), where that was old enough to tell a later deletion in it.
 */
export interface Known {
  readonly path: RelPath;
  readonly kind: "file" | "dir" | "link";
  readonly local?: Mark;
  readonly remote?: Mark;
  readonly provisional?: Side | "both";
  readonly checksum?: Checksum;
  readonly target?: string;
  readonly begun?: Side;
}

/** What was equal after the last good run, in path order. */
export interface History extends Iterable<Known> {
  readonly size: number;
  get(path: RelPath): Known | undefined;
}

export type Reason = "new" | "newer" | "size" | "checksum" | "gone" | "moved" | "conflict" | "restored";

interface Placed {
  readonly to: Side;
  readonly path: RelPath;
  readonly why: Reason;
}

/**
 * One thing to do on side `to`. `path` is the path on that side; `source.path` the one on the other side (they may differ in
 * spelling); `replaces` what is there now and is expected to be there still; `keep` where the loser is kept before.
 */
export type Action =
  & Placed
  & (
    | { readonly do: "makeDir"; readonly replaces?: Entry }
    | {
      readonly do: "copy";
      readonly source: FileEntry | LinkEntry;
      readonly replaces?: Entry;
      readonly keep?: RelPath;
      /** The new content goes into the file that is there: old and new mix until it is done. */
      readonly inPlace?: true;
    }
    | { readonly do: "move"; readonly source: FileEntry }
    | { readonly do: "touch"; readonly target: FileEntry; readonly modified: number }
    | { readonly do: "remove"; readonly target: Entry; readonly keep?: RelPath }
  );

/**
 * A path that changed on both sides. Open (a failure) without `winner`; else settled by the plan's actions: `kept` is where the loser
 * is found afterwards, relative to the loser's root.
 */
export interface Conflict {
  readonly path: RelPath;
  readonly local: Entry | undefined;
  readonly remote: Entry | undefined;
  readonly why: string;
  readonly winner?: Side | "both";
  readonly kept?: RelPath;
}

/** A path that is not handled, and why. */
export interface Refusal {
  readonly path: RelPath;
  readonly side?: Side;
  readonly kind: ErrorKind;
  readonly why: string;
}

/** Something a person may want to know that is no failure: a skipped link, a file kept because the target's is newer. `count`: how many it stands for. */
export interface Note {
  readonly code: string;
  readonly path?: RelPath;
  readonly side?: Side;
  readonly count?: number;
  readonly why: string;
}

/** What history learns though no bytes move: adopted, dropped. */
export interface Lesson {
  readonly path: RelPath;
  readonly known: Known | undefined;
}

/**
 * What a run will do, in path order. `refusals`: paths that fail before the first write; `held`: removals held back; `notes`: for the
 * report; `open`: pairs only a checksum can settle (digest these, plan once more; a pair of two spellings is listed under both);
 * `free`: pairs where a checksum would save a transfer, worth asking only where no remote file must be read; `doubtful`: pairs of one size
 * that would be conflicts and may be one content, worth reading the remote file, since a conflict carries both; `unsure`: files that look
 * as they were, by marks that could hide an edit: their contents tell; `restoring`: what history knows and one side lacks, and gets
 * back. Printable as JSON.
 */
export interface Plan {
  readonly actions: readonly Action[];
  readonly restoring?: readonly RelPath[];
  readonly conflicts: readonly Conflict[];
  readonly refusals: readonly Refusal[];
  readonly held: readonly Refusal[];
  readonly notes: readonly Note[];
  readonly lessons: readonly Lesson[];
  readonly open: readonly RelPath[];
  readonly free?: readonly RelPath[];
  readonly doubtful?: readonly RelPath[];
  readonly unsure?: readonly RelPath[];
}

/** A version in the trash: its id there, and the path of the file that holds it. */
export interface InTrash {
  readonly id: string;
  readonly at: string;
}

/** Which run an event or a result belongs to. `session`: the session's label; the paths as they are shown to people. */
export interface Run {
  readonly session: string;
  readonly localPath: string;
  readonly remotePath: string;
  readonly mode: "Local" | "Remote" | "Both";
  readonly whatIf: boolean;
}

/**
 * What a run tells while it goes, in order of happening. `bytes` of progress are those moved since the last progress event of that
 * action (a retry may take some back: negative). `warnings` of done: the transfer is good, but e.g. its time could not be set; `isOther`:
 * the source was edited after the plan was made, and went there as it was then; `isUntimed`: the place did not keep the time; `kept`:
 * where the version lies that had to go, and the name by which the trash knows it.
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
    readonly isOther?: true;
    readonly isUntimed?: true;
    readonly kept?: InTrash;
  }
  | { readonly type: "failed"; readonly action: Action; readonly error: SyncError }
  | { readonly type: "held"; readonly action: Action; readonly why: string }
  | { readonly type: "noted"; readonly note: Note };
