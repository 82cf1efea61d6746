import { nameOf, root } from "../../core/path.ts";
import { tempPath } from "../../core/temp_name.ts";
import type { DirEntry, Entry, LinkEntry } from "../../core/entry.ts";
import type { Precondition } from "../../core/backend.ts";
import { assertUnchanged, childOf, type ResolvedPath, stat, statExpecting } from "./stat.ts";
import type { Pool } from "./pool.ts";
import { FAILURE, NO_SUCH_FILE, statusOf } from "./errors.ts";
import { commit, randomTag, removeTemp } from "./temp_file.ts";
import type { SftpClient } from "./client.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

type Making = OperationContext & ResolvedPath & { checkParent(wire: SftpClient): Promise<void> };

/**
 * Creates a folder, for the root its parents too. An existing folder is fine; anything else there rejects with exists.
 */
export async function makeDir(pool: Pool, context: Making): Promise<DirEntry> {
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
  context: Making & Precondition & { readonly dir: string },
): Promise<LinkEntry> {
  const { serverPath: at, path, expect } = context;
  if (target === "" || target.includes("\0")) {
    throw operationError(context, "badInput", { why: "a link needs a target" });
  }
  const client = await pool.client(context);
  await context.checkParent(client);
  const found = await statExpecting(client, at, context);
  if (found === undefined) await makeNewLink(client, target, context);
  else if (expect === undefined) throw operationError(context, "exists", { why: "something is there" });
  else await replaceWithLink(client, target, context);
  return { kind: "link", path, target };
}

/**
 * Creates a hard link to a file. Rejects with changed if the current entry is not the expected one, and with
 * unsupported if the server's disk has no hard links.
 */
export async function makeHardLink(pool: Pool, from: Making, to: Making & Precondition): Promise<void> {
  const client = await pool.client(from);
  await Promise.all([from.checkParent(client), to.checkParent(client)]);
  const [source, target] = await Promise.all([stat(client, from.serverPath, from), stat(client, to.serverPath, to)]);
  if (source === undefined) throw operationError(from, "notFound", { why: "there is no such file" });
  if (source.kind !== "file") throw operationError(from, "refused", { why: "it is no regular file" });
  assertUnchanged(target, to);
  if (target !== undefined) throw operationError(to, "exists", { why: "something is there" });
  try {
    await client.hardlink(from.serverPath, to.serverPath, to);
  } catch (error) {
    const status = statusOf(error);
    if (status !== FAILURE && status !== OP_UNSUPPORTED) throw error;
    throw operationError(to, "unsupported", { why: "the server's disk gives a file no second name", cause: error });
  }
}

/** The SFTP extension that creates hard links. */
export const HARD_LINK = "hardlink@openssh.com";
const OP_UNSUPPORTED = 8;

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
  if (found !== undefined) throw operationError(context, "exists", { why: "something that is no folder is there" });
  throw refused?.error ?? operationError(context, "changed", { why: "it was removed at once" });
}

async function makeNewLink(client: SftpClient, target: string, context: Making & Precondition): Promise<void> {
  try {
    await client.symlink(target, context.serverPath, context);
  } catch (error) {
    const status = statusOf(error);
    if (status === undefined || status === NO_SUCH_FILE) throw error;
    const found: Entry | undefined = await stat(client, context.serverPath, context);
    if (found === undefined) throw error;
    assertUnchanged(found, context);
    throw operationError(context, "exists", { why: "something is there", cause: error });
  }
}

async function replaceWithLink(
  client: SftpClient,
  target: string,
  context: Making & Precondition & { readonly dir: string },
): Promise<void> {
  const { signal, expect, path, dir } = context;
  const temp = childOf(dir, nameOf(tempPath(path, randomTag())));
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
