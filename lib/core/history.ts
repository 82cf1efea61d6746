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

/** The history of one path. */
export interface BaseEntry {
  readonly path: RelPath;
  readonly kind: "file" | "dir" | "link";
  /**
   * The stamp of a folder has only its time (the size is 0), and only if that was old enough to reveal a later deletion in
   * the folder.
   */
  readonly local?: SideStamp;
  readonly remote?: SideStamp;
  /** The side whose stamp was too recent to be trusted when it was written. */
  readonly unprovenSide?: Side | "both";
  /** The time in ms, by this machine's clock, from which equal content proves the stamp of a side with another clock. */
  readonly provableFrom?: number;
  readonly checksum?: Checksum;
  /** The target of a link. */
  readonly target?: string;
  /**
   * The side on which a write in place had begun when this was recorded: the content there may be half old, half new,
   * unless the file still matches its stamp.
   */
  readonly partialSide?: Side;
}

/** Whether the entry only records that a new file had been begun: the other side's is the only one that was whole. */
export function isOnlyBegun({ partialSide, local, remote }: BaseEntry): boolean {
  return partialSide !== undefined && local === undefined && remote === undefined;
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
