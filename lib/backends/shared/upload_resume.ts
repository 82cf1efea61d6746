import type { ErrorKind } from "../../core/errors.ts";

/**
 * The size in bytes from which a broken upload to a server is kept for the next write of the same tag. A smaller one is
 * sent again sooner than its leftover is checked. A disk keeps any size, because its block codes prove every block.
 */
export const MIN_RESUME_BYTES = 24 << 20;

/** The end of a leftover that is sent again, because a server may have written it only in part. */
const RESUME_OVERLAP = 1 << 20;

/** Whether a write that failed in this way may be resumed: what was sent is still right. */
export function isResumableFailure(kind: ErrorKind): boolean {
  return RESUMABLE.has(kind);
}

const RESUMABLE: ReadonlySet<ErrorKind> = new Set(["connection", "timeout", "busy", "cancelled"]);

/** Returns the byte from which an upload of `size` bytes resumes a leftover; undefined if that must be removed. */
export function resumeOffset(leftover: number, size: number): number | undefined {
  return leftover >= MIN_RESUME_BYTES && leftover <= size ? leftover - RESUME_OVERLAP : undefined;
}
