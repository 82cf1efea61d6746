import { parentOf, root } from "../../core/path.ts";
import type { DirEntry, Entry } from "../../core/entry.ts";
import type { Precondition } from "../../core/backend.ts";
import type { ControlConnection } from "./control_connection.ts";
import { assertUnchanged, stat } from "./stat.ts";
import { toSyncError } from "./errors.ts";
import { encodePath, type FtpSession, type PathContext, serverParentOf, withConnection } from "./session.ts";
import { timeCommand, tryOtherSetters } from "./times.ts";
import { renameOnServer } from "./rename.ts";
import { assertKeepsName } from "./write.ts";
import { operationError } from "../../core/operation.ts";

/**
 * Creates a folder, for the root its parents too. An existing folder is fine; for anything else that exists there it rejects with exists.
 */
export async function makeDir(session: FtpSession, context: PathContext): Promise<DirEntry> {
  assertKeepsName(session, context);
  return await withConnection(session, context, async (control) => {
    const found = await makeOneDir(control, session, context);
    if (found.kind === "dir") return found;
    throw operationError(context, "exists", { why: "something that is not a folder exists there" });
  });
}

/** Removes a file or an empty folder if it still matches the entry. An absent one is fine. */
export async function remove(session: FtpSession, entry: Entry, context: PathContext): Promise<void> {
  if (entry.kind === "opaque" || entry.kind === "link") {
    throw operationError(context, "refused", {
      why: entry.kind === "opaque" ? entry.why : "it is a link, and links are left alone",
    });
  }
  await withConnection(session, context, async (control) => {
    const isFolder = entry.kind === "dir";
    await session.learned.linkedFolders.assertNoLinkAbove({ control, session, context, isFolder });
    const found = await stat(control, session, { ...context, precise: isFolder });
    if (found === undefined && session.hasMlst) return;
    // Without MLST only a listing distinguishes an absent path from another kind.
    const there = found ?? await stat(control, session, { ...context, precise: true });
    if (there === undefined) return;
    assertUnchanged(there, { ...context, expect: entry });
    const reply = await control.sendCommand(`${isFolder ? "RMD" : "DELE"} ${encodePath(session, context)}`);
    if (reply.code < 300) return;
    const after = await stat(control, session, { ...context, precise: true });
    if (after === undefined) return;
    const refused = toSyncError(context, reply);
    if (isFolder && (refused.kind === "unexpected" || refused.kind === "changed")) {
      throw operationError(context, "changed", { why: "the folder is not empty", cause: refused });
    }
    throw refused;
  });
}

/**
 * Removes a link that listings show as a folder, never its target. Returns false for a folder: DELE removes links and
 * refuses folders. Rejects with refused if LIST shows that it is a link.
 */
export async function removeLink(session: FtpSession, context: PathContext): Promise<boolean> {
  return await withConnection(session, context, async (control) => {
    await session.learned.linkedFolders.assertNoLinkAbove({ control, session, context, isFolder: true });
    if ((await control.sendCommand(`DELE ${encodePath(session, context)}`)).code >= 300) return false;
    return await stat(control, session, { ...context, precise: true }) === undefined;
  });
}

/**
 * Renames a file or folder, in one step if the server can. Rejects with notFound when the source is absent, and with
 * changed when the target is not as expected.
 */
export async function rename(session: FtpSession, from: PathContext, to: PathContext & Precondition): Promise<void> {
  assertKeepsName(session, to);
  await withConnection(session, from, async (control) => {
    await session.learned.linkedFolders.assertNoLinkAbove({ control, session, context: from, isFolder: false });
    const source = await stat(control, session, { ...from, precise: true });
    if (source === undefined) throw operationError(from, "notFound", { why: "there is no such file or folder" });
    const target = await stat(control, session, { ...to, precise: true });
    assertUnchanged(target, to);
    if (target !== undefined && target.kind !== "file") {
      throw operationError(to, "exists", { why: "something exists there already" });
    }
    const refused = await renameOnServer(control, session, { from, to });
    if (refused !== undefined) throw toSyncError(to, refused.reply, refused.command);
  });
}

/** Sets the time of a file or folder, never through a link. */
export async function setModified(session: FtpSession, modified: number, context: PathContext): Promise<void> {
  await withConnection(session, context, async (control) => {
    await assertFileOrDir(control, session, context);
    const command = timeCommand(session, context, modified);
    const reply = command === undefined ? undefined : await control.sendCommand(command);
    if (reply !== undefined && reply.code < 300) {
      return await assertTimeKept(control, session, { ...context, modified });
    }
    if (await tryOtherSetters(control, session, { context, modified })) return;
    throw reply === undefined
      ? operationError(context, "unsupported", { why: "the server cannot set this time" })
      : toSyncError(context, reply);
  });
}

/** Rejects if the server accepted the time but kept another one, as some do. */
async function assertTimeKept(
  control: ControlConnection,
  session: FtpSession,
  context: PathContext & { readonly modified: number },
): Promise<void> {
  if (session.learned.keepsTimes) return;
  const found = await stat(control, session, context);
  if (found?.kind !== "file" || found.modified === undefined) return;
  if (Math.abs(found.modified - context.modified) > COARSEST_STEP_MS) {
    throw operationError(context, "unsupported", { why: "the server accepted the time, but shows another one" });
  }
  session.learned.keepsTimes = Math.floor(context.modified / 1000) * 1000 === found.modified;
}

/** The time step of FAT, the coarsest of all file systems. */
const COARSEST_STEP_MS = 2000;

/** Sets the rwx bits of a file or folder, never through a link. */
export async function setMode(session: FtpSession, mode: number, context: PathContext): Promise<void> {
  await withConnection(session, context, async (control) => {
    await assertFileOrDir(control, session, context);
    const reply = await control.sendCommand(
      `SITE CHMOD ${(mode & 0o777).toString(8).padStart(3, "0")} ${encodePath(session, context)}`,
    );
    if (reply.code >= 300) throw toSyncError(context, reply);
  });
}

async function assertFileOrDir(control: ControlConnection, session: FtpSession, context: PathContext): Promise<void> {
  const found = await stat(control, session, { ...context, precise: true });
  if (found === undefined) throw operationError(context, "notFound", { why: "there is no such file or folder" });
  if (found.kind !== "file" && found.kind !== "dir") {
    throw operationError(context, "refused", { why: "it is not a file or folder" });
  }
}

/** Creates one folder and returns the entry that exists afterwards, even after a refusal, whose text proves little. */
async function makeOneDir(control: ControlConnection, session: FtpSession, context: PathContext): Promise<Entry> {
  const reply = await control.sendCommand(`MKD ${encodePath(session, context)}`);
  if (reply.code < 300) return await stat(control, session, { ...context, precise: true }) ?? removedAtOnce(context);
  const found = await stat(control, session, { ...context, precise: true });
  if (found !== undefined) return found;
  const above = {
    ...context,
    path: context.path === root ? root : parentOf(context.path),
    serverPath: serverParentOf(context.serverPath),
  };
  const parent = await stat(control, session, { ...above, precise: true });
  if (parent === undefined && context.path === root && context.serverPath !== "/") {
    const made = await makeOneDir(control, session, above);
    if (made.kind === "dir") return await makeOneDir(control, session, context);
  }
  if (parent === undefined) {
    throw operationError(context, "notFound", { why: "its parent folder does not exist" });
  }
  throw parent.kind === "dir"
    ? toSyncError(context, reply)
    : operationError(context, "exists", { why: "its parent is not a folder" });
}

function removedAtOnce(context: PathContext): never {
  throw operationError(context, "changed", { why: "it was removed right after it was created" });
}
