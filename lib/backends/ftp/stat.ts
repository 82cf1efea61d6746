import type { Entry } from "../../core/entry.ts";
import type { Expecting } from "../../core/backend.ts";
import { mismatch } from "../shared/preconditions.ts";
import { listFolder } from "./linked_folders.ts";
import type { FtpLink } from "./control_connection.ts";
import { parseMlst } from "./mlsd_parser.ts";
import { aLink, parseTime } from "./listing_parser.ts";
import { isAbsent, isDenied, refusal, type Reply } from "./reply.ts";
import { type Doing, nameAt, parentAt, type Site, wired } from "./session.ts";
import { root } from "../../core/path.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

/** Returns the stat commands for a path; lookedAt() parses their replies. */
export function lookCommands(site: Site, doing: Doing): readonly string[] {
  const path = wired(site, doing);
  return site.hasMlst ? [`MLST ${path}`] : [`SIZE ${path}`, `MDTM ${path}`];
}

/** Returns the command that checks, after all bytes came, whether a file is unchanged; stillAt() parses its reply. */
export function stillCommands(site: Site, doing: Doing): readonly string[] {
  return lookCommands(site, doing).slice(-1);
}

/**
 * Returns the current state of a file. The caller must prove `size` by the bytes received. If the reply lacks the time,
 * another stat follows.
 */
export async function stillAt(
  link: FtpLink,
  site: Site,
  { replies, size, ...doing }: Doing & { readonly size: number; readonly replies: readonly Reply[] },
): Promise<Entry | undefined> {
  const [reply] = replies;
  if (reply === undefined || reply.code >= 300) return await look(link, site, doing);
  const given = { code: 213, text: `213 ${size}` };
  return lookedAt(site, doing, site.hasMlst ? replies : [given, reply]);
}

/** Returns the command that checks whether a path exists; lookedAt() parses its reply. */
export function presenceCommands(site: Site, doing: Doing): readonly string[] {
  return lookCommands(site, doing).slice(0, 1);
}

/** Parses the replies to lookCommands(). Without MLST they report files only, and everything else seems absent. */
export function lookedAt(site: Site, doing: Doing, replies: readonly Reply[]): Entry | undefined {
  const [first, second] = replies;
  if (first === undefined) return undefined;
  if (first.code === 421) throw refusal(doing, first);
  if (!site.hasMlst) {
    const size = first.code === 213 ? /^213 (\d{1,16})/.exec(first.text)?.[1] : undefined;
    if (size === undefined) return undefined;
    const isTold = second?.code === 213 && !site.learned.mdtmLies;
    const modified = isTold ? parseTime(second.text.slice(4).trim()) : undefined;
    return { kind: "file", path: doing.path, size: Number(size), ...(modified === undefined ? {} : { modified }) };
  }
  if (first.code < 300) {
    if (site.learned.folders.isLink(doing.at)) return aLink(doing.path);
    const found = parseMlst(first.text, doing.path);
    if (found !== undefined) return found;
    throw operationError(doing, "unexpected", { why: "the server's answer to MLST cannot be understood" });
  }
  if (isDenied(first.text) && !isAbsent(first.text)) throw refusal(doing, first);
  if (first.code === 550 || first.code === 501 || first.code === 553) return undefined;
  throw refusal(doing, first);
}

/**
 * Returns the current entry, or undefined if there is none. `precise`: tells folders and links apart, even if that
 * costs a listing.
 */
export async function look(
  link: FtpLink,
  site: Site,
  doing: Doing & { readonly precise?: boolean },
): Promise<Entry | undefined> {
  const replies = await link.batch(lookCommands(site, doing));
  const found = lookedAt(site, doing, replies);
  if (doing.precise !== true) return found;
  if (site.hasMlst) return found === undefined ? undefined : await unlessLink(link, site, { doing, found });
  return await lookWithoutMlst(link, site, { doing, found, replies });
}

interface Looked {
  readonly doing: Doing;
  readonly found: Entry | undefined;
  readonly replies: readonly Reply[];
}

/**
 * Finds the entry's kind in the listing of its folder, for servers without MLST. A name missing from the listing still
 * exists if the server reports its size or CWD enters it: a listing that lost a name must not make it absent.
 */
async function lookWithoutMlst(
  link: FtpLink,
  site: Site,
  { doing, found, replies }: Looked,
): Promise<Entry | undefined> {
  const isEntered = found === undefined && await isFolder(link, site, doing);
  const shown: Entry | undefined = isEntered ? { kind: "dir", path: doing.path } : found;
  if (found === undefined && (doing.at === "/" || doing.path === root)) return shown;
  const above = { ...doing, path: root, at: parentAt(doing.at) };
  if (shown === undefined && !(await isFolder(link, site, above))) return undefined;
  const { entries, unread } = await listFolder(link, site, above);
  const listed = entries.find((one) => one.path === nameAt(doing.at));
  if (listed?.kind === "file" && found?.kind === "file") return found;
  if (listed !== undefined) return { ...listed, path: doing.path };
  if (shown !== undefined) return shown;
  if (unread > 0) {
    throw operationError(doing, "unexpected", {
      why: "the listing of its folder has lines that cannot be read, so that it may be there",
    });
  }
  mustSayAbsent(site, doing, replies);
  return undefined;
}

/**
 * Rejects if the replies to SIZE and MDTM leave open whether the path exists: "450 Try again", "550 Permission denied",
 * a time without a size, or "500" from a server that announced SIZE.
 */
function mustSayAbsent({ abilities }: Site, doing: Doing, [size, time]: readonly Reply[]): void {
  if (size === undefined) return;
  const isFault = size.code < 510 && (size.code < 500 || abilities.features.has("SIZE"));
  const isOpen = (isFault && size.code !== 501) || (isDenied(size.text) && !isAbsent(size.text));
  if (isOpen) throw refusal(doing, size);
  if (time?.code === 213) {
    throw operationError(doing, "unexpected", { why: "the server tells its time, and yet no size" });
  }
}

/** Returns a link if the folder's listing shows one: for MLST some servers report the link's target. */
async function unlessLink(
  link: FtpLink,
  site: Site,
  { doing, found }: { readonly doing: Doing; readonly found: Entry },
): Promise<Entry> {
  const { folders } = site.learned;
  const holder = parentAt(doing.at);
  if (doing.path === root || found.kind === "opaque" || folders.isListed(holder)) return found;
  await listFolder(link, site, { ...doing, path: root, at: holder });
  return folders.isLink(doing.at) ? aLink(doing.path) : found;
}

async function isFolder(link: FtpLink, site: Site, doing: Doing): Promise<boolean> {
  return (await link.ask(`CWD ${wired(site, doing)}`)).code < 300;
}

/** Rejects with kind "changed" unless `found` is as expected. */
export function mustMatch(found: Entry | undefined, ask: OperationContext & Expecting): void {
  const why = ask.expect === undefined ? undefined : mismatch(ask.expect, found);
  if (why !== undefined) throw operationError(ask, "changed", { why });
}
