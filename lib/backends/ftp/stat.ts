import type { Entry } from "../../core/entry.ts";
import type { Precondition } from "../../core/backend.ts";
import { describeMismatch } from "../shared/preconditions.ts";
import { list } from "./linked_folders.ts";
import type { ControlConnection } from "./control_connection.ts";
import { parseMlst } from "./mlsd_parser.ts";
import { opaqueLink, parseTime } from "./listing_parser.ts";
import { isAbsent, isDenied, type Reply, toSyncError } from "./reply.ts";
import { encodePath, type FtpSession, type PathContext, serverNameOf, serverParentOf } from "./session.ts";
import { root } from "../../core/path.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

/** Returns the stat commands for a path; lookedAt() parses their replies. */
export function statCommands(site: FtpSession, doing: PathContext): readonly string[] {
  const path = encodePath(site, doing);
  return site.hasMlst ? [`MLST ${path}`] : [`SIZE ${path}`, `MDTM ${path}`];
}

/** Returns the command that checks, after all bytes came, whether a file is unchanged; stillAt() parses its reply. */
export function recheckCommands(site: FtpSession, doing: PathContext): readonly string[] {
  return statCommands(site, doing).slice(-1);
}

/**
 * Returns the current state of a file. The caller must prove `size` by the bytes received. If the reply lacks the time,
 * another stat follows.
 */
export async function recheck(
  link: ControlConnection,
  site: FtpSession,
  { replies, size, ...doing }: PathContext & { readonly size: number; readonly replies: readonly Reply[] },
): Promise<Entry | undefined> {
  const [reply] = replies;
  if (reply === undefined || reply.code >= 300) return await stat(link, site, doing);
  const given = { code: 213, text: `213 ${size}` };
  return parseStat(site, doing, site.hasMlst ? replies : [given, reply]);
}

/** Returns the command that checks whether a path exists; lookedAt() parses its reply. */
export function existsCommands(site: FtpSession, doing: PathContext): readonly string[] {
  return statCommands(site, doing).slice(0, 1);
}

/** Parses the replies to lookCommands(). Without MLST they report files only, and everything else seems absent. */
export function parseStat(site: FtpSession, doing: PathContext, replies: readonly Reply[]): Entry | undefined {
  const [first, second] = replies;
  if (first === undefined) return undefined;
  if (first.code === 421) throw toSyncError(doing, first);
  if (!site.hasMlst) {
    const size = first.code === 213 ? /^213 (\d{1,16})/.exec(first.text)?.[1] : undefined;
    if (size === undefined) return undefined;
    const isTold = second?.code === 213 && !site.learned.mdtmLies;
    const modified = isTold ? parseTime(second.text.slice(4).trim()) : undefined;
    return { kind: "file", path: doing.path, size: Number(size), ...(modified === undefined ? {} : { modified }) };
  }
  if (first.code < 300) {
    if (site.learned.linkedFolders.isLink(doing.at)) return opaqueLink(doing.path);
    const found = parseMlst(first.text, doing.path);
    if (found !== undefined) return found;
    throw operationError(doing, "unexpected", { why: "the server's answer to MLST cannot be understood" });
  }
  if (isDenied(first.text) && !isAbsent(first.text)) throw toSyncError(doing, first);
  if (first.code === 550 || first.code === 501 || first.code === 553) return undefined;
  throw toSyncError(doing, first);
}

/**
 * Returns the current entry, or undefined if there is none. `precise`: tells folders and links apart, even if that
 * costs a listing.
 */
export async function stat(
  link: ControlConnection,
  site: FtpSession,
  doing: PathContext & { readonly precise?: boolean },
): Promise<Entry | undefined> {
  const replies = await link.sendCommands(statCommands(site, doing));
  const found = parseStat(site, doing, replies);
  if (doing.precise !== true) return found;
  if (site.hasMlst) return found === undefined ? undefined : await detectLink(link, site, { doing, found });
  return await statWithoutMlst(link, site, { context: doing, found, replies });
}

interface StatResult {
  readonly context: PathContext;
  readonly found: Entry | undefined;
  readonly replies: readonly Reply[];
}

/**
 * Finds the entry's kind in the listing of its folder, for servers without MLST. A name missing from the listing still
 * exists if the server reports its size or CWD enters it: a listing that lost a name must not make it absent.
 */
async function statWithoutMlst(
  link: ControlConnection,
  site: FtpSession,
  { context: doing, found, replies }: StatResult,
): Promise<Entry | undefined> {
  const isEntered = found === undefined && await isFolder(link, site, doing);
  const shown: Entry | undefined = isEntered ? { kind: "dir", path: doing.path } : found;
  if (found === undefined && (doing.at === "/" || doing.path === root)) return shown;
  const above = { ...doing, path: root, at: serverParentOf(doing.at) };
  if (shown === undefined && !(await isFolder(link, site, above))) return undefined;
  const { entries, unread } = await list(link, site, above);
  const listed = entries.find((one) => one.path === serverNameOf(doing.at));
  if (listed?.kind === "file" && found?.kind === "file") return found;
  if (listed !== undefined) return { ...listed, path: doing.path };
  if (shown !== undefined) return shown;
  if (unread > 0) {
    throw operationError(doing, "unexpected", {
      why: "the listing of its folder has lines that cannot be read, so that it may be there",
    });
  }
  assertAbsent(site, doing, replies);
  return undefined;
}

/**
 * Rejects if the replies to SIZE and MDTM leave open whether the path exists: "450 Try again", "550 Permission denied",
 * a time without a size, or "500" from a server that announced SIZE.
 */
function assertAbsent({ abilities }: FtpSession, doing: PathContext, [size, time]: readonly Reply[]): void {
  if (size === undefined) return;
  const isFault = size.code < 510 && (size.code < 500 || abilities.features.has("SIZE"));
  const isOpen = (isFault && size.code !== 501) || (isDenied(size.text) && !isAbsent(size.text));
  if (isOpen) throw toSyncError(doing, size);
  if (time?.code === 213) {
    throw operationError(doing, "unexpected", { why: "the server tells its time, and yet no size" });
  }
}

/** Returns a link if the folder's listing shows one: for MLST some servers report the link's target. */
async function detectLink(
  link: ControlConnection,
  site: FtpSession,
  { doing, found }: { readonly doing: PathContext; readonly found: Entry },
): Promise<Entry> {
  const { linkedFolders: folders } = site.learned;
  const holder = serverParentOf(doing.at);
  if (doing.path === root || found.kind === "opaque" || folders.isListed(holder)) return found;
  await list(link, site, { ...doing, path: root, at: holder });
  return folders.isLink(doing.at) ? opaqueLink(doing.path) : found;
}

async function isFolder(link: ControlConnection, site: FtpSession, doing: PathContext): Promise<boolean> {
  return (await link.sendCommand(`CWD ${encodePath(site, doing)}`)).code < 300;
}

/** Rejects with kind "changed" unless `found` is as expected. */
export function assertUnchanged(found: Entry | undefined, ask: OperationContext & Precondition): void {
  const why = ask.expect === undefined ? undefined : describeMismatch(ask.expect, found);
  if (why !== undefined) throw operationError(ask, "changed", { why });
}
