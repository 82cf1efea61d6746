import { SyncError } from "../../core/errors.ts";
import type { Entry } from "../../core/entry.ts";
import { displacedTag } from "../../core/temp_name.ts";
import { failureReason, operationError } from "../../core/operation.ts";
import { isUnknownRequest, statusOf } from "./errors.ts";
import { statExpecting } from "./stat.ts";
import { assertReplaceable, namedRefusal, type PendingWrite, randomTag, uncancellable } from "./temp_file.ts";
import type { SftpClient } from "./client.ts";

/**
 * Renames the temporary file to the target, in one step if the server can. Rejects with changed when the target is not
 * as expected.
 */
export async function commit(client: SftpClient, pending: PendingWrite): Promise<void> {
  const { serverPath: at, temp, options } = pending;
  const { expect } = options;
  // OpenSSH's own rename creates a hard link, which fails if the target exists: there is no gap between check and
  // rename.
  if (expect === "absent" && client.software.startsWith("OpenSSH")) {
    try {
      return await client.rename(temp, at, pending);
    } catch (error) {
      if (statusOf(error) === undefined) throw error;
    }
  }
  const found = await statExpecting(client, at, { ...pending, ...(expect === undefined ? {} : { expect }) });
  assertReplaceable(found, pending);
  let displaced: string | undefined;
  try {
    displaced = await renameOver(client, pending, found);
  } catch (error) {
    throw statusOf(error) === undefined ? error : await explainRename(client, pending, error);
  }
  if (displaced !== undefined) await client.unlink(displaced, uncancellable(pending));
}

/** Renames over what was found. Returns the path of the old file if it had to be moved aside. */
async function renameOver(
  client: SftpClient,
  pending: PendingWrite,
  found: Entry | undefined,
): Promise<string | undefined> {
  const { serverPath: at, temp } = pending;
  if (client.supports(POSIX_RENAME) && client.profile.posixRenames) {
    try {
      await client.posixRename(temp, at, pending);
      return undefined;
    } catch (error) {
      if (!isUnknownRequest(error)) throw error;
      client.profile.posixRenames = false;
    }
  }
  if (found !== undefined) return await replaceInSteps(client, pending);
  await client.rename(temp, at, pending);
  return undefined;
}

/** The extension that renames over an existing file in one step. */
export const POSIX_RENAME = "posix-rename@openssh.com";

/**
 * Returns the error of a refused rename, which names it. If an upload can be renamed to no other name either, the error
 * is retryable, and new files are written under their final names from now on.
 */
async function explainRename(client: SftpClient, pending: PendingWrite, error: unknown): Promise<unknown> {
  const { directWrites } = client.profile;
  const named = namedRefusal(error, pending, "the server refused RENAME");
  const isUpload = pending.order !== undefined;
  if (!isUpload || directWrites === undefined || pending.signal.aborted || !(error instanceof SyncError)) return named;
  if (!directWrites.isOn && await canRename(client, pending)) return named;
  directWrites.turnOn({ operation: "RENAME", serverMessage: failureReason(error) });
  const why = "the server renames no files; the file is sent again under its final name";
  return operationError(pending, "busy", { why, cause: error });
}

/** Whether the temporary file can be renamed at all. */
async function canRename(client: SftpClient, pending: PendingWrite): Promise<boolean> {
  const slash = pending.temp.lastIndexOf("/") + 1;
  const other = pending.temp.slice(0, slash) + client.profile.tempName(pending.path, randomTag());
  try {
    await client.rename(pending.temp, other, pending);
  } catch (error) {
    if (statusOf(error) === undefined) throw error;
    return false;
  }
  await client.rename(other, pending.temp, uncancellable(pending));
  return true;
}

/**
 * Replaces the target on servers without posix-rename: moves the old file away and renames the new one. Moves the old
 * file back if that fails. Returns the path of the old file.
 */
async function replaceInSteps(client: SftpClient, pending: PendingWrite): Promise<string> {
  const { serverPath: at, temp } = pending;
  const slash = at.lastIndexOf("/") + 1;
  const { tag } = pending.options;
  const name = client.profile.tempName(pending.path, tag === undefined ? randomTag() : displacedTag(tag));
  const backup = at.slice(0, slash) + name;
  const uncancelled = uncancellable(pending);
  await client.rename(at, backup, pending);
  try {
    await client.rename(temp, at, uncancelled);
  } catch (error) {
    await client.rename(backup, at, uncancelled).catch((undo) => {
      throw new SyncError(
        "unexpected",
        `Cannot write "${pending.path}": its old content is at "${backup}" and could not be moved back; rename it.`,
        {
          operation: pending.operation,
          path: pending.path,
          cause: undo,
        },
      );
    });
    throw error;
  }
  return backup;
}
