import type { Pace } from "./disk.ts";
import type { Flavour } from "./names.ts";

/**
 * The options of a local backend. `home`: the user's home folder, which is never emptied by accident. `durable`: every
 * file is flushed to the disk before it gets its final name (the default), so that a power cut leaves no empty file
 * under that name. `handles`: folders are held open while an operation works in them (the default on Linux), otherwise
 * compared before and after.
 */
export interface LocalOptions {
  readonly home?: string | undefined;
  readonly durable?: boolean;
  readonly handles?: boolean;
}

/** The state that all roots of one opening share. */
export interface Opening extends LocalOptions {
  readonly flavour: Flavour;
  readonly pace: Pace;
  /** The umask: mode bits that new files of this process do not get. */
  readonly umask: number;
  readonly proofKey: string;
  /** Aborted by dispose. */
  readonly life: AbortController;
}
