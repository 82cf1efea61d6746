import type { DiskScheduler } from "./disk.ts";
import type { PathRules } from "./names.ts";

/**
 * The options of a local backend. `home`: the user's home folder, which is never emptied by accident. `durable`: every
 * file is flushed to the disk before it gets its final name (the default), so that a power cut leaves no empty file
 * under that name. `handles`: folders are held open while an operation works in them (the default on Linux), otherwise
 * compared before and after.
 */
export interface LocalOptions {
  readonly home?: string | undefined;
  readonly durable?: boolean;
  readonly holdFolders?: boolean;
}

/** The state that all roots of one opening share. */
export interface DiskSession extends LocalOptions {
  readonly flavour: PathRules;
  readonly schedule: DiskScheduler;
  /** The umask: mode bits that new files of this process do not get. */
  readonly umask: number;
  readonly partialFileKey: string;
  /** Aborted by dispose. */
  readonly lifetime: AbortController;
}
