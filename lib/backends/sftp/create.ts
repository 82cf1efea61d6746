import { nameOf, root } from "../../core/path.ts";
import { tempPath } from "../../core/temp_name.ts";
import type { DirEntry, Entry, LinkEntry } from "../../core/entry.ts";
import type { Expecting } from "../../core/backend.ts";
import { childOf, look, lookFor, mustMatch, type Spot } from "./stat.ts";
import type { Pool } from "./pool.ts";
import { FAILURE, NO_SUCH_FILE, statusOf } from "./errors.ts";
import { placeTemp, randomTag, removeTemp } from "./temp_file.ts";
import type { Wire } from "./client.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

type Making = OperationContext & Spot & { checkParent(wire: Wire): Promise<void> };

/**
 * Creates a folder, for the root its parents too. An existing folder is fine; anything else there rejects with exists.
 */
export async function makeFolder(pool: Pool, making: Making): Promise<DirEntry> {
  const wire = await pool.wire(making);
  await making.checkParent(wire);
  if (making.path === root) await makeParents(wire, making.at, making);
  return await makeOne(wire, making.at, making);
}

/**
 * Creates a symbolic link with exactly this target. Rejects with changed if the current entry is not the expected one,
 * and with exists if there is one and no expectation was given.
 */
export async function makeSymlink(
  pool: Pool,
  target: string,
  making: Making & Expecting & { readonly dir: string },
): Promise<LinkEntry> {
  const { at, path, expect } = making;
  if (target === "" || target.includes("\0")) {
    throw operationError(making, "badInput", { why: "a link needs a target" });
  }
  const wire = await pool.wire(making);
  await making.checkParent(wire);
  const found = await lookFor(wire, at, making);
  if (found === undefined) await makeNewLink(wire, target, making);
  else if (expect === undefined) throw operationError(making, "exists", { why: "something is there" });
  else await replaceByLink(wire, target, making);
  return { kind: "link", path, target };
}

/**
 * Creates a hard link to a file. Rejects with changed if the current entry is not the expected one, and with
 * unsupported if the server's disk has no hard links.
 */
export async function makeHardLink(pool: Pool, from: Making, to: Making & Expecting): Promise<void> {
  const wire = await pool.wire(from);
  await Promise.all([from.checkParent(wire), to.checkParent(wire)]);
  const [source, target] = await Promise.all([look(wire, from.at, from), look(wire, to.at, to)]);
  if (source === undefined) throw operationError(from, "notFound", { why: "there is no such file" });
  if (source.kind !== "file") throw operationError(from, "refused", { why: "it is no regular file" });
  mustMatch(target, to);
  if (target !== undefined) throw operationError(to, "exists", { why: "something is there" });
  try {
    await wire.hardlink(from.at, to.at, to);
  } catch (error) {
    const status = statusOf(error);
    if (status !== FAILURE && status !== OP_UNSUPPORTED) throw error;
    throw operationError(to, "unsupported", { why: "the server's disk gives a file no second name", cause: error });
  }
}

/** The SFTP extension that creates hard links. */
export const HARD_LINK = "hardlink@openssh.com";
const OP_UNSUPPORTED = 8;

async function makeParents(wire: Wire, at: string, ask: OperationContext): Promise<void> {
  const parent = at.slice(0, at.lastIndexOf("/")) || "/";
  if (parent === at || await wire.stat(parent, ask) !== undefined) return;
  await makeParents(wire, parent, ask);
  await makeOne(wire, parent, ask);
}

/**
 * Creates one folder. MKDIR and the stat of the result are sent together, because servers report an existing folder
 * only as a failure.
 */
async function makeOne(wire: Wire, at: string, ask: OperationContext): Promise<DirEntry> {
  const made = wire.mkdir(at, ask).then(() => undefined, (error: unknown) => ({ error }));
  // Servers that process requests in parallel may run the stat too early.
  const early = await look(wire, at, ask);
  const refused = await made;
  const found = early ?? await look(wire, at, ask);
  if (found?.kind === "dir") return found;
  if (found !== undefined) throw operationError(ask, "exists", { why: "something that is no folder is there" });
  throw refused?.error ?? operationError(ask, "changed", { why: "it was removed at once" });
}

async function makeNewLink(wire: Wire, target: string, making: Making & Expecting): Promise<void> {
  try {
    await wire.symlink(target, making.at, making);
  } catch (error) {
    const status = statusOf(error);
    if (status === undefined || status === NO_SUCH_FILE) throw error;
    const found: Entry | undefined = await look(wire, making.at, making);
    if (found === undefined) throw error;
    mustMatch(found, making);
    throw operationError(making, "exists", { why: "something is there", cause: error });
  }
}

async function replaceByLink(
  wire: Wire,
  target: string,
  making: Making & Expecting & { readonly dir: string },
): Promise<void> {
  const { signal, expect, path, dir } = making;
  const temp = childOf(dir, nameOf(tempPath(path, randomTag())));
  const options = { signal, size: 0, ...(expect === undefined ? {} : { expect }) };
  const draft = { ...making, temp, options, mode: undefined };
  await wire.symlink(target, temp, making);
  try {
    await placeTemp(wire, draft);
  } catch (error) {
    await removeTemp(wire, draft);
    throw error;
  }
}
