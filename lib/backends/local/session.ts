import { randomBytes } from "node:crypto";
import { type DiskScheduler, newDiskScheduler } from "./disk.ts";
import type { PathRules } from "./names.ts";
import { Nanoseconds } from "./nanoseconds.ts";

/** The options of a local backend. */
export interface LocalOptions {
  /** The user's home folder, which is never emptied by accident. */
  readonly home?: string | undefined;
  /**
   * Whether every file is flushed to the disk before it gets its final name (the default), so that a power cut leaves no
   * empty file under that name.
   */
  readonly durable?: boolean;
  /**
   * Whether a folder is held open while an operation works in it (the default on Linux). Otherwise it is compared before
   * and after.
   */
  readonly holdFolders?: boolean;
}

/** The state that all roots of one opened backend share. */
export interface DiskSession extends LocalOptions {
  readonly flavour: PathRules;
  readonly schedule: DiskScheduler;
  /** The umask: mode bits that new files of this process do not get. */
  readonly umask: number;
  /** The key of the block codes of this process, for a write without a lasting key. */
  readonly partialFileKey: string;
  /** Aborted by dispose. */
  readonly lifetime: AbortController;
  readonly nanoseconds: Nanoseconds;
}

/** Returns the state of a newly opened backend. */
export function newDiskSession(flavour: PathRules, options: LocalOptions): DiskSession {
  const umask = flavour.sep === "/" ? Deno.umask() : 0;
  const lifetime = new AbortController();
  return {
    ...options,
    flavour,
    umask,
    partialFileKey: randomBytes(32).toString("hex"),
    schedule: newDiskScheduler(),
    lifetime,
    nanoseconds: new Nanoseconds(lifetime.signal),
  };
}
