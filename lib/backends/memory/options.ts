import type { Traits } from "../../core/backend.ts";

/** The simulated properties of the tree. The defaults are a fast, exact, case-sensitive disk. */
export interface MemoryDials extends Partial<Traits>, TimeDials {
  /** The latency of every call in ms. */
  readonly latency?: number;
  /** The seed of the order of listings. */
  readonly seed?: number;
  /** The clock, in ms since the epoch; by default it advances one second at each read. */
  now?(): number;
  /** The wait of a call's latency; by default a timer. */
  sleep?(ms: number): Promise<void>;
  /** Whether listings report rwx bits; true by default. */
  readonly modes?: boolean;
  /** Whether listings report device and inode; true by default. */
  readonly fileIds?: boolean;
  /** Whether listings contain the time of each file's last change, which no program can set. */
  readonly changeTimes?: boolean;
  /** Whether listings report revisions; false by default. */
  readonly revisions?: Revisions;
  /** Optional methods that this backend lacks. */
  readonly lacks?: readonly OptionalMethod[];
}

/** The optional methods of a backend that can be switched off. */
export type OptionalMethod = "rename" | "copy" | "makeLink" | "setModified" | "setMode" | "checksum" | "walk";

/** The storage of times. */
export interface TimeDials {
  readonly times?: TimeKeeping;
  /** The ms by which the server's clock is ahead. */
  readonly clockOff?: number;
  /** Whether times are rounded up to the time step instead of down. */
  readonly roundsUp?: boolean;
}

/**
 * The handling of a requested file time by the simulated server. "refused": the request fails; "ignored": it succeeds
 * without effect; in both cases the file keeps the time of its last write. "moved": a rename sets the file's time to
 * the current time, also the rename that ends a write.
 */
export type TimeKeeping = "kept" | "refused" | "ignored" | "moved";

/**
 * Whether files have revisions, and how reliable these are: "stale" ones survive a change, "loose" ones differ in each
 * reply.
 */
export type Revisions = boolean | "stale" | "loose";

export const defaultTraits: Traits = {
  timeStep: 1,
  dirTimes: true,
  caseSensitive: true,
  normalizes: false,
  hasDirs: true,
  atomicWrite: true,
  atomicRename: true,
  maxConnections: 16,
  parallelFiles: 16,
  names: "posix",
  maxNameBytes: 255,
  showsDots: true,
};
