import type { Pace } from "./disk.ts";
import type { Flavour } from "./names.ts";

/**
 * `home`: the user's home folder, which is never emptied by accident. `durable`: every file is on the disk itself before it gets its name
 * (the default), so that a power cut leaves no empty file under a good name. `handles`: folders are held open while an operation works in
 * them (the default on Linux), else compared before and after.
 */
export interface LocalOptions {
  readonly home?: string | undefined;
  readonly durable?: boolean;
  readonly handles?: boolean;
}

/** What all the roots of one opening share. */
export interface Opening extends LocalOptions {
  readonly flavour: Flavour;
  readonly pace: Pace;
  /** Bits that new files of this process do not get. */
  readonly umask: number;
  readonly proofKey: string;
  /** Aborted by dispose. */
  readonly life: AbortController;
}
