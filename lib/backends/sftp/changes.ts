import { root } from "../../core/path.ts";
import type { DirEntry, Entry, LinkEntry } from "../../core/entry.ts";
import type { Precondition } from "../../core/backend.ts";
import { assertUnchanged, childOf, type PathContext, stat, statExpecting } from "./stat.ts";
import type { Pool } from "./pool.ts";
import { FAILURE, isUnknownRequest, NO_SUCH_FILE, statusOf } from "./errors.ts";
import { commit } from "./commit.ts";
import { randomTag, removeTemp } from "./temp_file.ts";
import type { SftpClient } from "./client.ts";
import { MAX_SECONDS } from "./finalize.ts";
import type { RawAttributes } from "../../ssh/channels.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

/** Removes a file, a link or an empty folder if it still matches the entry. An absent one is fine. */
export async function removeEntry(pool: Pool, entry: Entry, context: PathContext): Promise<void> {
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
export async function renameEntry(pool: Pool, from: PathContext, to: PathContext & Precondition): Promise<void> {
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
export async function setEntryTime(pool: Pool, modified: number, context: PathContext): Promise<void> {
  const mtime = Math.floor(modified / 1000);
  if (mtime < 0 || mtime > MAX_SECONDS) {
    throw operationError(context, "unsupported", { why: "SFTP represents times from 1970 to 2106 only" });
  }
  await setPathAttributes(pool, { atime: mtime, mtime }, context);
}

/** Sets the rwx bits of a file or folder, never through a link. */
export async function setEntryMode(pool: Pool, mode: number, context: PathContext): Promise<void> {
  await setPathAttributes(pool, { mode }, context);
}

/** Whether the parent folder exists. It may be gone together with the entry. */
async function hasParent(client: SftpClient, context: PathContext): Promise<boolean> {
  try {
    await context.checkParent(client);
    return true;
  } catch (error) {
    if (error instanceof Error && "kind" in error && error.kind === "notFound") return false;
    throw error;
  }
}

async function setPathAttributes(pool: Pool, attributes: RawAttributes, context: PathContext): Promise<void> {
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

/**
 * Creates a folder, for the root its parents too. An existing folder is fine; anything else there rejects with exists.
 */
export async function makeDir(pool: Pool, context: PathContext): Promise<DirEntry> {
  const client = await pool.client(context);
  await context.checkParent(client);
  if (context.path === root) await makeParents(client, context.serverPath, context);
  return await makeOneDir(client, context.serverPath, context);
}

/**
 * Creates a symbolic link with exactly this target. Rejects with changed if the current entry is not the expected one,
 * and with exists if there is one and no expectation was given.
 */
export async function makeSymlink(
  pool: Pool,
  target: string,
  context: PathContext & Precondition & { readonly dir: string },
): Promise<LinkEntry> {
  const { serverPath: at, path, expect } = context;
  if (target === "" || target.includes("\0")) {
    throw operationError(context, "badInput", { why: "the target of a link must not be empty" });
  }
  const client = await pool.client(context);
  await context.checkParent(client);
  const found = await statExpecting(client, at, context);
  if (found === undefined) await makeNewLink(client, target, context);
  else if (expect === undefined) throw operationError(context, "exists", { why: "an entry of that name exists" });
  else await replaceWithLink(client, target, context);
  return { kind: "link", path, target };
}

/**
 * Creates a hard link to a file. Rejects with changed if the current entry is not the expected one, and with
 * unsupported if the server's disk has no hard links.
 */
export async function makeHardLink(pool: Pool, from: PathContext, to: PathContext & Precondition): Promise<void> {
  const client = await pool.client(from);
  await Promise.all([from.checkParent(client), to.checkParent(client)]);
  const [source, target] = await Promise.all([stat(client, from.serverPath, from), stat(client, to.serverPath, to)]);
  if (source === undefined) throw operationError(from, "notFound", { why: "there is no such file" });
  if (source.kind !== "file") throw operationError(from, "refused", { why: "it is no regular file" });
  assertUnchanged(target, to);
  if (target !== undefined) throw operationError(to, "exists", { why: "an entry of that name exists" });
  try {
    await client.hardlink(from.serverPath, to.serverPath, to);
  } catch (error) {
    if (statusOf(error) !== FAILURE && !isUnknownRequest(error)) throw error;
    throw operationError(to, "unsupported", { why: "the server's disk has no hard links", cause: error });
  }
}

/** The SFTP extension that creates hard links. */
export const HARD_LINK = "hardlink@openssh.com";

async function makeParents(client: SftpClient, serverPath: string, context: OperationContext): Promise<void> {
  const parent = serverPath.slice(0, serverPath.lastIndexOf("/")) || "/";
  if (parent === serverPath || await client.stat(parent, context) !== undefined) return;
  await makeParents(client, parent, context);
  await makeOneDir(client, parent, context);
}

/**
 * Creates one folder. MKDIR and the stat of the result are sent together, because servers report an existing folder
 * only as a failure.
 */
async function makeOneDir(client: SftpClient, serverPath: string, context: OperationContext): Promise<DirEntry> {
  const made = client.mkdir(serverPath, context).then(() => undefined, (error: unknown) => ({ error }));
  // Servers that process requests in parallel may run the stat too early.
  const early = await stat(client, serverPath, context);
  const refused = await made;
  const found = early ?? await stat(client, serverPath, context);
  if (found?.kind === "dir") return found;
  if (found !== undefined) throw operationError(context, "exists", { why: "it exists and is no folder" });
  throw refused?.error ?? operationError(context, "changed", { why: "it was removed while it was created" });
}

async function makeNewLink(client: SftpClient, target: string, context: PathContext & Precondition): Promise<void> {
  try {
    await client.symlink(target, context.serverPath, context);
  } catch (error) {
    const status = statusOf(error);
    if (status === undefined || status === NO_SUCH_FILE) throw error;
    const found: Entry | undefined = await stat(client, context.serverPath, context);
    if (found === undefined) throw error;
    assertUnchanged(found, context);
    throw operationError(context, "exists", { why: "an entry of that name exists", cause: error });
  }
}

async function replaceWithLink(
  client: SftpClient,
  target: string,
  context: PathContext & Precondition & { readonly dir: string },
): Promise<void> {
  const { signal, expect, path, dir } = context;
  const temp = childOf(dir, client.profile.tempName(path, randomTag()));
  const options = { signal, size: 0, ...(expect === undefined ? {} : { expect }) };
  const pending = { ...context, temp, options, mode: undefined };
  await client.symlink(target, temp, context);
  try {
    await commit(client, pending);
  } catch (error) {
    await removeTemp(client, pending);
    throw error;
  }
}
