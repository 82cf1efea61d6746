import type { RelPath } from "./path.ts";

/** The two sides of a run: this machine's folder, and the directory the session opens. */
export type Side = "local" | "remote";
export const sides: readonly Side[] = ["local", "remote"];

/** Returns the opposite side. */
export function otherSide(side: Side): Side {
  return side === "local" ? "remote" : "local";
}

/** One entry of a listing. */
export type Entry = FileEntry | DirEntry | LinkEntry | OpaqueEntry;

/** A regular file. */
export interface FileEntry {
  readonly kind: "file";
  readonly path: RelPath;
  /** In bytes. */
  readonly size: number;
  /** In ms since the epoch, with fractions if the server reports them; absent if it reports no time. */
  readonly modified?: number;
  /** In ms, if this listing is coarser than the backend's traits say. */
  readonly timeStep?: number;
  /** The time is that of the upload, not of the last edit, although the server could store that too. */
  readonly isUploadTime?: true;
  /** ETag, generation or version: equal values mean equal bytes. */
  readonly revision?: string;
  /** Present only if the listing contains it at no cost; otherwise checksum() returns it. */
  readonly checksum?: Checksum;
  /** The rwx bits. */
  readonly mode?: number;
  /** Device and inode. */
  readonly fileId?: string;
  /**
   * The time of the last change of content, name or metadata (ctime) in ms, which no program can set back. Only disks list
   * it.
   */
  readonly changeTime?: number;
}

/** A folder. */
export interface DirEntry {
  readonly kind: "dir";
  readonly path: RelPath;
  readonly modified?: number;
  readonly mode?: number;
  /** Present only for a root on a disk; distinguishes it from another folder at the same path. */
  readonly fileId?: string;
}

/** A symbolic link as an entry of its own: only under -Links Keep; otherwise a link is opaque. */
export interface LinkEntry {
  readonly kind: "link";
  readonly path: RelPath;
  readonly target: string;
}

/** An entry that must not be touched. */
export interface OpaqueEntry {
  readonly kind: "opaque";
  /** For cause "name" a path that is for reports only and must never be opened. */
  readonly path: RelPath;
  /**
   * Decides the report: link, special, hidden and foreign are notes, unreadable and name are failures. "hidden":
   * something may exist there although no listing shows it; "foreign": a leftover of another program.
   */
  readonly cause: "link" | "special" | "hidden" | "foreign" | "unreadable" | "name";
  readonly why: string;
  /**
   * The entry stands for lines of its folder's listing that cannot be read, so that the folder is known in part only:
   * nothing beside it is removed, on either side.
   */
  readonly incomplete?: true;
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
