import type { Backend, Call } from "../../core/backend.ts";
import { endsAll, SyncError } from "../../core/errors.ts";
import { root } from "../../core/path.ts";

/**
 * Whether an error of one path ends a scan or a run. A lost link does only if the root gives no sign of life either: a server may break
 * off over one path, and all others are none the worse.
 */
export async function endsRun(error: SyncError, backend: Backend, call: Call): Promise<boolean> {
  if (!endsAll(error.kind) || error instanceof ListingTooLarge) return error instanceof ListingTooLarge;
  if (error.kind !== "connection" && error.kind !== "timeout") return true;
  return await backend.stat(root, call).then(() => call.signal.aborted, () => true);
}

/** A side's listing has taken all the memory it may: nothing of it is known, whatever folder was being listed. */
export class ListingTooLarge extends SyncError {}
