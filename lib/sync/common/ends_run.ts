import type { Backend, CallOptions } from "../../core/backend.ts";
import { isFatal, SyncError } from "../../core/errors.ts";
import { root } from "../../core/path.ts";

/**
 * Whether an error of one path ends a scan or a run. A lost connection does so only if the root cannot be reached
 * either: a server may close the connection because of one path, while all others are accessible.
 */
export async function endsRun(error: SyncError, backend: Backend, call: CallOptions): Promise<boolean> {
  if (!isFatal(error.kind) || error instanceof ListingTooLarge) return error instanceof ListingTooLarge;
  if (error.kind !== "connection" && error.kind !== "timeout") return true;
  return await backend.stat(root, call).then(() => call.signal.aborted, () => true);
}

/**
 * The error for a listing that exceeds its memory limit. It invalidates the whole listing, whichever folder was being
 * listed.
 */
export class ListingTooLarge extends SyncError {}
