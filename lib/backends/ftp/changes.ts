import { parentOf, root } from "../../core/path.ts";
import type { DirEntry, Entry } from "../../core/entry.ts";
import type { Precondition } from "../../core/backend.ts";
import type { ControlConnection } from "./control_connection.ts";
import { assertUnchanged, stat } from "./stat.ts";
import { toSyncError } from "./reply.ts";
import { encodePath, type FtpSession, type PathContext, serverParentOf, withConnection } from "./session.ts";
import { timeCommand, tryOtherSetters } from "./times.ts";
import { renameOnServer } from "./commit.ts";
import { assertKeepsName } from "./write.ts";
import { operationError } from "../../core/operation.ts";

/**
 * Creates a folder, for the root its parents too. An existing folder is fine; anything else there rejects with exists.
 */
export async function makeDir(site: FtpSession, doing: PathContext): Promise<DirEntry> {
  assertKeepsName(site, doing);
  return await withConnection(site, doing, async (link) => {
    const found = await makeOneDir(link, site, doing);
    if (found.kind === "dir") return found;
    throw operationError(doing, "exists", { why: "something that is no folder is there" });
  });
}

/** Removes a file or an empty folder if it still matches the entry. An absent one is fine. */
export async function remove(site: FtpSession, entry: Entry, doing: PathContext): Promise<void> {
  if (entry.kind === "opaque" || entry.kind === "link") {
    throw operationError(doing, "refused", { why: entry.kind === "opaque" ? entry.why : "it is a link" });
  }
  await withConnection(site, doing, async (link) => {
    await site.learned.linkedFolders.assertNoLinkAbove({
      control: link,
      session: site,
      context: doing,
      isFolder: entry.kind === "dir",
    });
    const found = await stat(link, site, { ...doing, precise: entry.kind === "dir" });
    if (found === undefined && site.hasMlst) return;
    // Without MLST only a listing distinguishes an absent path from another kind.
    const there = found ?? await stat(link, site, { ...doing, precise: true });
    if (there === undefined) return;
    assertUnchanged(there, { ...doing, expect: entry });
    const reply = await link.sendCommand(`${entry.kind === "dir" ? "RMD" : "DELE"} ${encodePath(site, doing)}`);
    if (reply.code < 300) return;
    const after = await stat(link, site, { ...doing, precise: true });
    if (after === undefined) return;
    const refused = toSyncError(doing, reply);
    if (entry.kind === "dir" && (refused.kind === "unexpected" || refused.kind === "changed")) {
      throw operationError(doing, "changed", { why: "the folder is not empty", cause: refused });
    }
    throw refused;
  });
}

/**
 * Removes a link that listings show as a folder, never its target. Returns false for a folder: DELE removes links and
 * refuses folders. Rejects with refused when LIST shows that it is a link.
 */
export async function removeLink(site: FtpSession, doing: PathContext): Promise<boolean> {
  return await withConnection(site, doing, async (link) => {
    await site.learned.linkedFolders.assertNoLinkAbove({
      control: link,
      session: site,
      context: doing,
      isFolder: true,
    });
    if ((await link.sendCommand(`DELE ${encodePath(site, doing)}`)).code >= 300) return false;
    return await stat(link, site, { ...doing, precise: true }) === undefined;
  });
}

/**
 * Renames a file or folder, in one step if the server can. Rejects with notFound when the source is absent, and with
 * changed when the target is not as expected.
 */
export async function rename(site: FtpSession, from: PathContext, to: PathContext & Precondition): Promise<void> {
  assertKeepsName(site, to);
  await withConnection(site, from, async (link) => {
    await site.learned.linkedFolders.assertNoLinkAbove({
      control: link,
      session: site,
      context: from,
      isFolder: false,
    });
    const source = await stat(link, site, { ...from, precise: true });
    if (source === undefined) throw operationError(from, "notFound", { why: "there is no such file or folder" });
    const target = await stat(link, site, { ...to, precise: true });
    assertUnchanged(target, to);
    if (target !== undefined && target.kind !== "file") {
      throw operationError(to, "exists", { why: "something is there" });
    }
    const reply = await renameOnServer(link, site, { from, to });
    if (reply.code >= 300) throw toSyncError(to, reply);
  });
}

/** Sets the time of a file or folder, never through a link. */
export async function setModified(site: FtpSession, modified: number, doing: PathContext): Promise<void> {
  await withConnection(site, doing, async (link) => {
    await assertFileOrDir(link, site, doing);
    const command = timeCommand(site, doing, modified);
    const reply = command === undefined ? undefined : await link.sendCommand(command);
    if (reply !== undefined && reply.code < 300) return await assertTimeKept(link, site, { ...doing, modified });
    if (await tryOtherSetters(link, site, { doing, modified })) return;
    throw reply === undefined
      ? operationError(doing, "unsupported", { why: "the server sets no such times" })
      : toSyncError(doing, reply);
  });
}

/** Rejects if the server accepted the time but kept another one, as some do. */
async function assertTimeKept(
  link: ControlConnection,
  site: FtpSession,
  doing: PathContext & { readonly modified: number },
): Promise<void> {
  if (site.learned.keepsTimes) return;
  const found = await stat(link, site, doing);
  if (found?.kind !== "file" || found.modified === undefined) return;
  if (Math.abs(found.modified - doing.modified) > COARSEST_STEP_MS) {
    throw operationError(doing, "unsupported", { why: "the server took the time and keeps another one" });
  }
  site.learned.keepsTimes = Math.floor(doing.modified / 1000) * 1000 === found.modified;
}

/** The time step of FAT, the coarsest of all file systems. */
const COARSEST_STEP_MS = 2000;

/** Sets the rwx bits of a file or folder, never through a link. */
export async function setMode(site: FtpSession, mode: number, doing: PathContext): Promise<void> {
  await withConnection(site, doing, async (link) => {
    await assertFileOrDir(link, site, doing);
    const reply = await link.sendCommand(
      `SITE CHMOD ${(mode & 0o777).toString(8).padStart(3, "0")} ${encodePath(site, doing)}`,
    );
    if (reply.code >= 300) throw toSyncError(doing, reply);
  });
}

async function assertFileOrDir(link: ControlConnection, site: FtpSession, doing: PathContext): Promise<void> {
  const found = await stat(link, site, { ...doing, precise: true });
  if (found === undefined) throw operationError(doing, "notFound", { why: "there is no such file or folder" });
  if (found.kind !== "file" && found.kind !== "dir") {
    throw operationError(doing, "refused", { why: "it is no file or folder" });
  }
}

/** Creates one folder and returns the entry that exists afterwards, even after a refusal, whose text proves little. */
async function makeOneDir(link: ControlConnection, site: FtpSession, doing: PathContext): Promise<Entry> {
  const reply = await link.sendCommand(`MKD ${encodePath(site, doing)}`);
  if (reply.code < 300) return await stat(link, site, { ...doing, precise: true }) ?? removedAtOnce(doing);
  const found = await stat(link, site, { ...doing, precise: true });
  if (found !== undefined) return found;
  const above = { ...doing, path: doing.path === root ? root : parentOf(doing.path), at: serverParentOf(doing.at) };
  const parent = await stat(link, site, { ...above, precise: true });
  if (parent === undefined && doing.path === root && doing.at !== "/") {
    const made = await makeOneDir(link, site, above);
    if (made.kind === "dir") return await makeOneDir(link, site, doing);
  }
  if (parent === undefined) throw operationError(doing, "notFound", { why: "the folder that is to hold it is absent" });
  throw parent.kind === "dir"
    ? toSyncError(doing, reply)
    : operationError(doing, "exists", { why: "what is to hold it is no folder" });
}

function removedAtOnce(doing: PathContext): never {
  throw operationError(doing, "changed", { why: "it was removed at once" });
}
