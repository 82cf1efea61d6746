import type { Entry, FileEntry } from "../../core/entry.ts";
import type { Precondition } from "../../core/backend.ts";
import { describeMismatch } from "../shared/preconditions.ts";
import { list } from "./list.ts";
import type { ControlConnection } from "./control_connection.ts";
import { parseMlst } from "./mlsd_parser.ts";
import { mayBeUnread, parseTime, type UnreadLines } from "./listing_parser.ts";
import { opaqueLink } from "./formats/line.ts";
import { isAbsent, isDenied, toSyncError } from "./errors.ts";
import { UNKNOWN_COMMAND } from "./profile.ts";
import type { Reply } from "./replies.ts";
import { encodePath, type FtpSession, type PathContext, serverNameOf, serverParentOf } from "./session.ts";
import { escapeForDisplay, nameOf, parentOf, root } from "../../core/path.ts";
import { SyncError } from "../../core/errors.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

/** Returns the stat commands for a path; parseStat() parses their replies. Without SIZE there are none, but listings. */
export function statCommands(session: FtpSession, context: PathContext): readonly string[] {
  if (!session.hasMlst && !session.profile.features.has("SIZE")) return [];
  const path = encodePath(session, context);
  if (!session.hasMlst) {
    return ["SIZE", "MDTM"].filter((one) => session.profile.features.has(one)).map((one) => `${one} ${path}`);
  }
  return needsMdtm(session) ? [`MLST ${path}`, `MDTM ${path}`] : [`MLST ${path}`];
}

/** Whether times come from MDTM although the server has MLST, whose replies lack them. */
function needsMdtm({ learned, profile }: FtpSession): boolean {
  return learned.mlstLacksTimes && !learned.mdtmUnreliable && profile.features.has("MDTM");
}

/** Returns the commands that check, after all bytes came, whether a file is unchanged; recheck() parses the replies. */
export function recheckCommands(session: FtpSession, context: PathContext): readonly string[] {
  const commands = statCommands(session, context);
  return session.hasMlst ? commands : commands.slice(-1);
}

/**
 * Returns the current state of a file. The caller must prove `size` by the bytes received. If the reply lacks the time,
 * another stat follows.
 */
export async function recheck(
  control: ControlConnection,
  session: FtpSession,
  { replies, size, ...context }: PathContext & { readonly size: number; readonly replies: readonly Reply[] },
): Promise<Entry | undefined> {
  const [reply] = replies;
  if (reply === undefined || reply.code >= 300) return await stat(control, session, context);
  const given = { code: 213, text: `213 ${size}` };
  return parseStat(session, context, session.hasMlst ? replies : [given, reply]);
}

/** Returns the command that checks whether a path exists; parseStat() parses its reply. */
export function existsCommands(session: FtpSession, context: PathContext): readonly string[] {
  return statCommands(session, context).slice(0, 1);
}

/** Parses the replies to statCommands(). Without MLST they report files only, and everything else seems absent. */
export function parseStat(session: FtpSession, context: PathContext, replies: readonly Reply[]): Entry | undefined {
  const [first, second] = replies;
  if (first === undefined) return undefined;
  if (first.code === 421) throw toSyncError(context, first);
  if (!session.hasMlst) {
    const size = first.code === 213 ? /^213 (\d{1,16})/.exec(first.text)?.[1] : undefined;
    if (size === undefined) return undefined;
    return withMdtm(session, { kind: "file", path: context.path, size: Number(size) }, second);
  }
  if (first.code < 300) {
    if (session.learned.linkedFolders.isLink(context.serverPath)) return opaqueLink(context.path);
    const found = parseMlst(first.text, context.path);
    if (found?.kind === "file" && found.modified === undefined) return withMdtm(session, found, second);
    if (found !== undefined) return found;
    throw operationError(context, "unexpected", { why: "the server's reply to MLST cannot be parsed" });
  }
  if (isDenied(first.text) && !isAbsent(first.text)) throw toSyncError(context, first);
  if (first.code === 550 || first.code === 501 || first.code === 553) return undefined;
  throw toSyncError(context, first);
}

/** Whether replies to stat commands leave the size open: there is no SIZE, or it tells none (ftp-srv, of empty files). */
export function needsListing({ hasMlst }: Pick<FtpSession, "hasMlst">, [first]: readonly Reply[]): boolean {
  return !hasMlst && (first === undefined || (first.code === 213 && !/^213 \d/.test(first.text)));
}

/** Returns the file with the time in a reply to MDTM, if there is one that can be believed. */
function withMdtm({ learned }: FtpSession, file: FileEntry, reply: Reply | undefined): FileEntry {
  const isTold = reply?.code === 213 && !learned.mdtmUnreliable;
  const modified = isTold ? parseTime(reply.text.slice(4).trim()) : undefined;
  return modified === undefined ? file : { ...file, modified };
}

/**
 * Returns the current entry, or undefined if there is none. `precise`: distinguishes folders and links, even if that
 * costs a listing.
 */
export async function stat(
  control: ControlConnection,
  session: FtpSession,
  context: PathContext & { readonly precise?: boolean },
): Promise<Entry | undefined> {
  const replies = await control.sendCommands(statCommands(session, context));
  if (session.hasMlst && UNKNOWN_COMMAND.has(replies[0]?.code ?? 0)) {
    session.learned.lacksMlst = true;
    return await stat(control, session, context);
  }
  const found = await fillTime(control, session, { context, found: parseStat(session, context, replies), replies });
  if (context.precise !== true && !needsListing(session, replies)) return found;
  const precise = !session.hasMlst
    ? await statWithoutMlst(control, session, { context, found, replies })
    : found === undefined
    ? undefined
    : await detectLink(control, session, { context, found });
  if (precise === undefined) await assertNotTrimmed(control, session, context);
  return precise;
}

/**
 * Rejects if a path that the server calls absent has a name with outer blanks and the listing shows it without them:
 * some servers trim names, in listings and in commands. A listing that shows other names with such blanks proves that
 * this server does not.
 */
async function assertNotTrimmed(control: ControlConnection, session: FtpSession, context: PathContext): Promise<void> {
  let { path, serverPath } = context;
  for (; path !== root; path = parentOf(path), serverPath = serverParentOf(serverPath)) {
    const name = nameOf(path);
    if (name === name.trim()) continue;
    const above = { ...context, path: root, serverPath: serverParentOf(serverPath) };
    const entries = await list(control, session, above).then(({ entries }) => entries, toNoneIfAbsent);
    const names = entries.map((entry) => nameOf(entry.path));
    if (names.some((one) => keepsBlanksLike(one, name)) || !names.includes(name.trim())) continue;
    const why = `the server lists "${escapeForDisplay(name.trim())}", and may trim blanks of names: it may exist`;
    throw operationError(context, "unexpected", { why });
  }
}

/** Whether a listed name has outer blanks on each side on which `name` has some. */
function keepsBlanksLike(listed: string, name: string): boolean {
  return (!name.startsWith(" ") || listed.startsWith(" ")) && (!name.endsWith(" ") || listed.endsWith(" "));
}

function toNoneIfAbsent(error: unknown): readonly Entry[] {
  if (error instanceof SyncError && error.kind === "notFound") return [];
  throw error;
}

/** Adds the time by MDTM to the first file whose MLST reply lacks it; statCommands() returns both from then on. */
export async function fillTime(
  control: ControlConnection,
  session: FtpSession,
  { context, found, replies }: StatResult,
): Promise<Entry | undefined> {
  if (!session.hasMlst || found?.kind !== "file" || found.modified !== undefined || replies.length > 1) return found;
  session.learned.mlstLacksTimes = true;
  if (!needsMdtm(session)) return found;
  return withMdtm(session, found, await control.sendCommand(`MDTM ${encodePath(session, context)}`));
}

export interface StatResult {
  readonly context: PathContext;
  readonly found: Entry | undefined;
  readonly replies: readonly Reply[];
}

/**
 * Finds the entry's kind in the listing of its folder, for servers without MLST. A name missing from the listing still
 * exists if the server reports its size or CWD enters it: a listing that lost a name must not make it absent.
 */
async function statWithoutMlst(
  control: ControlConnection,
  session: FtpSession,
  { context, found, replies }: StatResult,
): Promise<Entry | undefined> {
  const isEntered = found === undefined && await isFolder(control, session, context);
  const shown: Entry | undefined = isEntered ? { kind: "dir", path: context.path } : found;
  if (found === undefined && (context.serverPath === "/" || context.path === root)) return shown;
  const above = { ...context, path: root, serverPath: serverParentOf(context.serverPath) };
  if (shown === undefined && !(await isFolder(control, session, above))) return undefined;
  const listing = await list(control, session, above);
  const { entries } = listing;
  const listed = entries.find((one) => one.path === serverNameOf(context.serverPath));
  if (listed?.kind === "file" && found?.kind === "file") return found;
  if (listed !== undefined) return { ...listed, path: context.path };
  if (shown !== undefined) return shown;
  assertNotUnread(session, context, listing);
  assertAbsent(session, context, replies);
  return undefined;
}

/** Rejects if a line that cannot be read in the listing of the path's folder may be that of the path. */
export function assertNotUnread(session: FtpSession, context: PathContext, listing: UnreadLines | undefined): void {
  const rawName = session.encoding.encode(serverNameOf(context.serverPath)) ?? "";
  if (listing === undefined || !mayBeUnread(listing, rawName)) return;
  const why = "the listing of its folder has lines that cannot be read: it may exist";
  throw operationError(context, "unexpected", { why });
}

/**
 * Rejects if the replies to SIZE and MDTM leave open whether the path exists: "450 Try again", "550 Permission denied",
 * a time without a size, or "500" from a server that announced SIZE.
 */
function assertAbsent({ profile }: FtpSession, context: PathContext, [size, time]: readonly Reply[]): void {
  if (size === undefined) return;
  const isFault = size.code < 510 && (size.code < 500 || profile.features.has("SIZE"));
  const isOpen = (isFault && size.code !== 501) || (isDenied(size.text) && !isAbsent(size.text));
  if (isOpen) throw toSyncError(context, size);
  if (time?.code === 213) {
    throw operationError(context, "unexpected", { why: "the server reports its time, but no size" });
  }
}

/** Returns a link if the folder's listing shows one: for MLST some servers report the link's target. */
async function detectLink(
  control: ControlConnection,
  session: FtpSession,
  { context, found }: { readonly context: PathContext; readonly found: Entry },
): Promise<Entry> {
  const { linkedFolders: folders } = session.learned;
  const holder = serverParentOf(context.serverPath);
  if (context.path === root || found.kind === "opaque" || folders.isListed(holder)) return found;
  await list(control, session, { ...context, path: root, serverPath: holder });
  return folders.isLink(context.serverPath) ? opaqueLink(context.path) : found;
}

async function isFolder(control: ControlConnection, session: FtpSession, context: PathContext): Promise<boolean> {
  return (await control.sendCommand(`CWD ${encodePath(session, context)}`)).code < 300;
}

/** Rejects with kind "changed" unless `found` is as expected. */
export function assertUnchanged(found: Entry | undefined, context: OperationContext & Precondition): void {
  const why = context.expect === undefined ? undefined : describeMismatch(context.expect, found);
  if (why !== undefined) throw operationError(context, "changed", { why });
}
