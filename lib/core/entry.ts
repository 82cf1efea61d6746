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

/**
 * `size` in bytes. `modified` in ms since the epoch (with fractions if the server reports them), absent if the server
 * reports none; `timeStep` in ms if this listing is coarser than the backend's; `isArrival`: the time is that of the
 * upload, not of the last edit, although the server could store that too; `revision`: ETag, generation or version:
 * equal values mean equal bytes; `checksum` only if the listing contains it at no cost, otherwise by checksum();
 * `mode`: the rwx bits; `fileId`: device and inode; `changeTime`: the time of the last change of content, name or
 * metadata (ctime) in ms, which no program can set back; only disks list it.
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
  readonly changeTime?: number;
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
