/** How long the end of an upload may take. Virus scans, assembly and slow storage make servers answer minutes later. */
export interface UploadPatience {
  /** ms from the last byte to the reply, for any size. */
  readonly replyMs: number;
  /** ms more for each GiB. */
  readonly replyMsPerGiB: number;
  /** ms from the last byte after which a lost reply was not lost at once: the server may still be at work. */
  readonly slowMs: number;
  /** ms to look for the file after a gateway gave up at once. */
  readonly gatewayMs: number;
  /** ms before each look; the last one repeats. */
  readonly lookDelays: readonly number[];
}

export const UPLOAD_PATIENCE: UploadPatience = {
  replyMs: 300_000,
  replyMsPerGiB: 180_000,
  slowMs: 5_000,
  gatewayMs: 15_000,
  lookDelays: [0, 1_000, 2_000, 4_000, 8_000, 10_000],
};
