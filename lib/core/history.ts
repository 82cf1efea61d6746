import type { Checksum, Side } from "./entry.ts";
import type { RelPath } from "./path.ts";

/** One side of a path as it was when both sides were last known equal. */
export interface SideStamp {
  readonly size: number;
  readonly modified?: number;
  readonly revision?: string;
  readonly fileId?: string;
  readonly changeTime?: number;
}

/**
 * The history of one path. `partialSide` names the side on which an in-place replacement of the content had started
 * when this was recorded: the content there may be half old, half new, unless the file still matches its stamp.
 * `unprovenSide` names the side whose stamp was too recent to be trusted when it was written; `provableFrom` is the time
 * in ms, by this machine's clock, from which equal content proves the stamp of a side with another clock. Stamps of a
 * folder hold only its time (their size is 0), and only if that was old enough to reveal a later deletion in the folder.
 */
export interface BaseEntry {
  readonly path: RelPath;
  readonly kind: "file" | "dir" | "link";
  readonly local?: SideStamp;
  readonly remote?: SideStamp;
  readonly unprovenSide?: Side | "both";
  readonly provableFrom?: number;
  readonly checksum?: Checksum;
  readonly target?: string;
  readonly partialSide?: Side;
}

/** The paths that were equal on both sides after the last successful run, in path order. */
export interface History extends Iterable<BaseEntry> {
  readonly size: number;
  get(path: RelPath): BaseEntry | undefined;
}

/** A history update without a transfer: a pair adopted as equal, or a record dropped. */
export interface HistoryUpdate {
  readonly path: RelPath;
  readonly base: BaseEntry | undefined;
}
