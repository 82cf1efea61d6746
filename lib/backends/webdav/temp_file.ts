import { randomBytes } from "node:crypto";
import { toSyncError } from "../../core/errors.ts";
import { failureReason } from "../../core/operation.ts";
import { escapeForDisplay, parentOf } from "../../core/path.ts";
import { tempPath, undottedTempPath } from "../../core/temp_name.ts";
import { statusOf } from "../../http/errors.ts";
import type { DavClient } from "./client.ts";
import { toSyncError as refusalToSyncError } from "./errors.ts";
import { encodePath } from "./href.ts";
import type { PendingWrite } from "./put.ts";
import { stat } from "./stat.ts";

/** Returns the path of the temporary file as names from the server's root on. */
export function tempServerPath({ serverPath, path, options, profile, observed }: PendingWrite): readonly string[] {
  const { tag = randomBytes(8).toString("hex") } = options;
  const toTemp = observed.refusesDotNames === true ? undottedTempPath : tempPath;
  const name = toTemp(path, tag, profile.maxNameBytes).slice(parentOf(path).length).replace(/^\//, "");
  return [...serverPath.slice(0, -1), name];
}

/** Whether an upload was refused in a way that may concern names that begin with a dot. */
export function mayRefuseDotNames({ observed }: PendingWrite, error: unknown): boolean {
  return observed.refusesDotNames === undefined && DOT_REFUSALS.includes(statusOf(error) ?? 0);
}

const DOT_REFUSALS: readonly number[] = [400, 403, 404, 405, 406, 409, 415, 422];

/**
 * Removes the temporary file after a failure, the cause. Warns if that fails. A server that writes while it receives may
 * still be writing when the upload is broken off, and refuse to remove the file or create it again, so the path is
 * checked repeatedly.
 */
export async function removeTemp(
  client: DavClient,
  pending: PendingWrite,
  { serverPath, cause }: { readonly serverPath: readonly string[]; readonly cause?: unknown },
): Promise<void> {
  const { signal } = new AbortController();
  const refusal = statusOf(cause);
  // A server that refuses the name refuses to remove it too: it was never made.
  const acceptedStatuses = [404, 409, 410, ...(refusal === undefined || refusal >= 500 ? [] : [refusal])];
  const target = { ...pending, serverPath, signal, acceptedStatuses };
  let left: unknown;
  for (const wait of pending.profile.atomic || refusal !== undefined ? [0] : RECHECK_DELAYS_MS) {
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    try {
      left = undefined;
      if (wait > 0 && await stat(client, target) === undefined) continue;
      const response = await client.http.sendOk({ method: "DELETE", uri: encodePath(serverPath) }, target);
      await response.discard();
      if (response.status !== refusal || await stat(client, target).catch(() => undefined) === undefined) continue;
      left = refusalToSyncError(target, response);
    } catch (error) {
      left = error;
      if (statusOf(error) === undefined) break;
    }
  }
  if (left === undefined) return;
  const reason = failureReason(toSyncError(left, pending.operation));
  pending.options.onWarning?.(
    `The temporary file of "${escapeForDisplay(pending.path)}" could not be removed: ${reason}`,
  );
}

const RECHECK_DELAYS_MS: readonly number[] = [0, 50, 200, 500];
