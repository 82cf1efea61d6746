import { parentOf, root } from "../../core/path.ts";
import type { DirEntry, Entry } from "../../core/entry.ts";
import type { Expecting } from "../../core/backend.ts";
import type { FtpLink } from "./control_connection.ts";
import { look, mustMatch } from "./stat.ts";
import { refusal } from "./reply.ts";
import { type Doing, onLink, parentAt, type Site, wired } from "./session.ts";
import { setTime, timeCommand } from "./times.ts";
import { rename } from "./commit.ts";
import { mustKeepName } from "./write.ts";
import { operationError } from "../../core/operation.ts";

/**
 * Creates a folder, for the root its parents too. An existing folder is fine; anything else there rejects with exists.
 */
export async function makeFolder(site: Site, doing: Doing): Promise<DirEntry> {
  mustKeepName(site, doing);
  return await onLink(site, doing, async (link) => {
    const found = await makeOne(link, site, doing);
    if (found.kind === "dir") return found;
    throw operationError(doing, "exists", { why: "something that is no folder is there" });
  });
}

/** Removes a file or an empty folder if it still matches the entry. An absent one is fine. */
export async function removeEntry(site: Site, entry: Entry, doing: Doing): Promise<void> {
  if (entry.kind === "opaque" || entry.kind === "link") {
    throw operationError(doing, "refused", { why: entry.kind === "opaque" ? entry.why : "it is a link" });
  }
  await onLink(site, doing, async (link) => {
    await site.learned.folders.mustBeReal({ link, site, doing, isFolder: entry.kind === "dir" });
    const found = await look(link, site, { ...doing, precise: entry.kind === "dir" });
    if (found === undefined && site.hasMlst) return;
    // Without MLST only a listing distinguishes an absent path from another kind.
    const there = found ?? await look(link, site, { ...doing, precise: true });
    if (there === undefined) return;
    mustMatch(there, { ...doing, expect: entry });
    const reply = await link.ask(`${entry.kind === "dir" ? "RMD" : "DELE"} ${wired(site, doing)}`);
    if (reply.code < 300) return;
    const after = await look(link, site, { ...doing, precise: true });
    if (after === undefined) return;
    const refused = refusal(doing, reply);
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
export async function removeLink(site: Site, doing: Doing): Promise<boolean> {
  return await onLink(site, doing, async (link) => {
    await site.learned.folders.mustBeReal({ link, site, doing, isFolder: true });
    if ((await link.ask(`DELE ${wired(site, doing)}`)).code >= 300) return false;
    return await look(link, site, { ...doing, precise: true }) === undefined;
  });
}

/**
 * Renames a file or folder, in one step if the server can. Rejects with notFound when the source is absent, and with
 * changed when the target is not as expected.
 */
export async function renameEntry(site: Site, from: Doing, to: Doing & Expecting): Promise<void> {
  mustKeepName(site, to);
  await onLink(site, from, async (link) => {
    await site.learned.folders.mustBeReal({ link, site, doing: from, isFolder: false });
    const source = await look(link, site, { ...from, precise: true });
    if (source === undefined) throw operationError(from, "notFound", { why: "there is no such file or folder" });
    const target = await look(link, site, { ...to, precise: true });
    mustMatch(target, to);
    if (target !== undefined && target.kind !== "file") {
      throw operationError(to, "exists", { why: "something is there" });
    }
    const reply = await rename(link, site, { from, to });
    if (reply.code >= 300) throw refusal(to, reply);
  });
}

/** Sets the time of a file or folder, never through a link. */
export async function setEntryTime(site: Site, modified: number, doing: Doing): Promise<void> {
  await onLink(site, doing, async (link) => {
    await mustBeFile(link, site, doing);
    const command = timeCommand(site, doing, modified);
    const reply = command === undefined ? undefined : await link.ask(command);
    if (reply !== undefined && reply.code < 300) return await mustBeKept(link, site, { ...doing, modified });
    if (await setTime(link, site, { doing, modified })) return;
    throw reply === undefined
      ? operationError(doing, "unsupported", { why: "the server sets no such times" })
      : refusal(doing, reply);
  });
}

/** Rejects if the server accepted the time but kept another one, as some do. */
async function mustBeKept(link: FtpLink, site: Site, doing: Doing & { readonly modified: number }): Promise<void> {
  if (site.learned.keepsTimes) return;
  const found = await look(link, site, doing);
  if (found?.kind !== "file" || found.modified === undefined) return;
  if (Math.abs(found.modified - doing.modified) > COARSEST_MS) {
    throw operationError(doing, "unsupported", { why: "the server took the time and keeps another one" });
  }
  site.learned.keepsTimes = Math.floor(doing.modified / 1000) * 1000 === found.modified;
}

/** The time step of FAT, the coarsest of all file systems. */
const COARSEST_MS = 2000;

/** Sets the rwx bits of a file or folder, never through a link. */
export async function setEntryMode(site: Site, mode: number, doing: Doing): Promise<void> {
  await onLink(site, doing, async (link) => {
    await mustBeFile(link, site, doing);
    const reply = await link.ask(`SITE CHMOD ${(mode & 0o777).toString(8).padStart(3, "0")} ${wired(site, doing)}`);
    if (reply.code >= 300) throw refusal(doing, reply);
  });
}

async function mustBeFile(link: FtpLink, site: Site, doing: Doing): Promise<void> {
  const found = await look(link, site, { ...doing, precise: true });
  if (found === undefined) throw operationError(doing, "notFound", { why: "there is no such file or folder" });
  if (found.kind !== "file" && found.kind !== "dir") {
    throw operationError(doing, "refused", { why: "it is no file or folder" });
  }
}

/** Creates one folder and returns the entry that exists afterwards, even after a refusal, whose text proves little. */
async function makeOne(link: FtpLink, site: Site, doing: Doing): Promise<Entry> {
  const reply = await link.ask(`MKD ${wired(site, doing)}`);
  if (reply.code < 300) return await look(link, site, { ...doing, precise: true }) ?? vanished(doing);
  const found = await look(link, site, { ...doing, precise: true });
  if (found !== undefined) return found;
  const above = { ...doing, path: doing.path === root ? root : parentOf(doing.path), at: parentAt(doing.at) };
  const parent = await look(link, site, { ...above, precise: true });
  if (parent === undefined && doing.path === root && doing.at !== "/") {
    const made = await makeOne(link, site, above);
    if (made.kind === "dir") return await makeOne(link, site, doing);
  }
  if (parent === undefined) throw operationError(doing, "notFound", { why: "the folder that is to hold it is absent" });
  throw parent.kind === "dir"
    ? refusal(doing, reply)
    : operationError(doing, "exists", { why: "what is to hold it is no folder" });
}

function vanished(doing: Doing): never {
  throw operationError(doing, "changed", { why: "it was removed at once" });
}
