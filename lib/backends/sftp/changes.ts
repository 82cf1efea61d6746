import type { Entry } from "../../core/entry.ts";
import type { Precondition } from "../../core/backend.ts";
import { assertUnchanged, type ResolvedPath, stat } from "./stat.ts";
import type { Pool } from "./pool.ts";
import { FAILURE, NO_SUCH_FILE, statusOf } from "./errors.ts";
import { commit } from "./temp_file.ts";
import type { SftpClient } from "./client.ts";
import { MAX_SECONDS } from "./write.ts";
import type { RawAttributes } from "../../ssh/channels.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

type Changing = OperationContext & ResolvedPath & { checkParent(wire: SftpClient): Promise<void> };

/** Removes a file, a link or an empty folder if it still matches the entry. An absent one is fine. */
export async function removeEntry(pool: Pool, entry: Entry, context: Changing): Promise<void> {
  const client = await pool.client(context);
  if (entry.kind === "opaque") throw operationError(context, "refused", { why: entry.why });
  const [hasFolder, found] = await Promise.all([hasParent(client, context), stat(client, context.serverPath, context)]);
  if (!hasFolder || found === undefined) return;
  assertUnchanged(found, { ...context, expect: entry });
  try {
    if (entry.kind === "dir") await client.rmdir(context.serverPath, context);
    else await client.unlink(context.serverPath, context);
  } catch (error) {
    if (statusOf(error) === NO_SUCH_FILE) return;
    if (entry.kind !== "dir" || statusOf(error) !== FAILURE) throw error;
    throw operationError(context, "changed", { why: "the folder is not empty", cause: error });
  }
}

/**
 * Renames a file or folder, in one step if the server can. Rejects with notFound when the source is absent, and with
 * changed when the target is not as expected.
 */
export async function renameEntry(pool: Pool, from: Changing, to: Changing & Precondition): Promise<void> {
  const client = await pool.client(from);
  await Promise.all([from.checkParent(client), to.checkParent(client)]);
  if (await stat(client, from.serverPath, from) === undefined) {
    throw operationError(from, "notFound", { why: "there is no such file or folder" });
  }
  const { signal, expect } = to;
  const options = { signal, size: 0, ...(expect === undefined ? {} : { expect }) };
  await commit(client, { ...to, temp: from.serverPath, options, mode: undefined });
}

/**
 * Sets the time of a file or folder, never through a link. Rejects with unsupported for a time before 1970 or after
 * 2106.
 */
export async function setEntryTime(pool: Pool, modified: number, context: Changing): Promise<void> {
  const mtime = Math.floor(modified / 1000);
  if (mtime < 0 || mtime > MAX_SECONDS) {
    throw operationError(context, "unsupported", { why: "SFTP carries times from 1970 to 2106 only" });
  }
  await setPathAttributes(pool, { atime: mtime, mtime }, context);
}

/** Sets the rwx bits of a file or folder, never through a link. */
export async function setEntryMode(pool: Pool, mode: number, context: Changing): Promise<void> {
  await setPathAttributes(pool, { mode }, context);
}

/** Whether the parent folder exists. It may be gone together with the entry. */
async function hasParent(client: SftpClient, context: Changing): Promise<boolean> {
  try {
    await context.checkParent(client);
    return true;
  } catch (error) {
    if (error instanceof Error && "kind" in error && error.kind === "notFound") return false;
    throw error;
  }
}

async function setPathAttributes(pool: Pool, attributes: RawAttributes, context: Changing): Promise<void> {
  const client = await pool.client(context);
  await context.checkParent(client);
  const found = await stat(client, context.serverPath, context);
  if (found === undefined) throw operationError(context, "notFound", { why: "there is no such file or folder" });
  if (found.kind !== "file" && found.kind !== "dir") {
    throw operationError(context, "refused", { why: "it is no file or folder" });
  }
  if (attributes.mode === undefined && client.supports(LSETSTAT)) {
    return await client.lsetstat(context.serverPath, attributes, context);
  }
  await client.setstat(context.serverPath, attributes, context);
}

/** The extension that sets times without following a link. Linux cannot set modes that way. */
const LSETSTAT = "lsetstat@openssh.com";
