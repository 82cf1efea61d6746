import { nameOf, type RelPath } from "../../core/path.ts";
import { SyncError } from "../../core/errors.ts";
import type { Entry, FileEntry } from "../../core/entry.ts";
import { openDataConnection } from "./data_connection.ts";
import { download, type DownloadOptions } from "./data_transfer.ts";
import { mlsdParser } from "./mlsd_parser.ts";
import type { ControlConnection } from "./control_connection.ts";
import { LineSplitter, parseTime } from "./listing_parser.ts";
import { DAY, MINUTE } from "./formats/line.ts";
import { listParser } from "./ls_parser.ts";
import { isAbsent, saysNothingFound, serverMessage, toSyncError } from "./errors.ts";
import { fetchByNames, fetchNames } from "./name_list.ts";
import type { Reply } from "./replies.ts";
import { childOf, encodePath, type FetchedListing, type FtpSession, type PathContext } from "./session.ts";
import { MAX_ZONE_MS } from "./times.ts";
import type { Transport } from "../../net/transport.ts";
import { operationError } from "../../core/operation.ts";

/**
 * Lists the children of one folder. Rejects when the listing ends early, with notFound when the folder is absent, and
 * with denied when it cannot be read.
 */
export async function list(
  control: ControlConnection,
  session: FtpSession,
  context: PathContext,
): Promise<FetchedListing> {
  const found = await readListing(control, session, context);
  const { unreadLines } = session.learned;
  if (found.unreadableCount > 0) unreadLines.set(context.serverPath, found);
  else if (unreadLines.size > 0) unreadLines.delete(context.serverPath);
  return {
    ...found,
    entries: await session.learned.linkedFolders.markLinks(found, { control, session, context }),
  };
}

/** Lists one folder as the server shows it: by MLSD if there is MLST, otherwise by LIST. */
export async function readListing(
  control: ControlConnection,
  session: FtpSession,
  context: PathContext,
): Promise<FetchedListing> {
  if (!session.hasMlst) return await readPlainListing(control, session, context);
  try {
    return await fetchListing(control, session, { context, command: `MLSD ${encodePath(session, context)}` });
  } catch (error) {
    if (!(error instanceof SyncError) || error.kind !== "unsupported") throw error;
    session.learned.lacksMlst = true;
    return await readPlainListing(control, session, context);
  }
}

/** Lists one folder by LIST, which shows links even if MLSD shows their targets. */
export async function readPlainListing(
  control: ControlConnection,
  session: FtpSession,
  context: PathContext,
): Promise<FetchedListing> {
  const entering = control.sendCommand(`CWD ${encodePath(session, context)}`);
  // Opened in the same round trip at high latency.
  const data = control.highLatency && control.pipelines ? openDataConnection(control) : undefined;
  data?.catch(() => {});
  const letGo = () => void data?.then((opened) => opened.destroy(), () => {});
  const entered = await entering.catch((error) => {
    letGo();
    throw error;
  });
  if (entered.code >= 300) {
    letGo();
    throw await explainListRefusal(control, session, { context, reply: entered });
  }
  const found = await fetchPlainListing(control, session, { context, data });
  if (session.hasMlst || session.learned.zoneOffset !== undefined || found.lineCount === 0) return found;
  await findZoneOffset(control, session, { context, entries: found.entries });
  const { zoneOffset = 0 } = session.learned;
  if (zoneOffset === 0) return found;
  const entries = found.entries.map((one) => isLocalTime(one) ? { ...one, modified: one.modified - zoneOffset } : one);
  return { ...found, entries };
}

/**
 * Lists with LIST -a, which shows names with a leading dot. Falls back to LIST if the server refuses "-a" or lists
 * nothing at all: it may take "-a" for a name. If it showed such names before, the refusal is one of this folder: a
 * listing without them would make them look absent.
 */
async function fetchPlainListing(
  control: ControlConnection,
  session: FtpSession,
  { context, data }: { readonly context: PathContext; readonly data: Promise<Transport> | undefined },
): Promise<FetchedListing> {
  const { learned } = session;
  const opened = data === undefined ? {} : { data };
  if (learned.lacksList) {
    data?.then((unused) => unused.destroy(), () => {});
    return await fetchByNames(control, session, context);
  }
  if (!learned.usesListAll) return await fetchList(control, session, { context, ...opened });
  let all: FetchedListing | undefined;
  try {
    all = await fetchListing(control, session, { context, command: "LIST -a", ...opened });
  } catch (error) {
    if (!(error instanceof ListAllRefused)) throw error;
    if (learned.showsDots === true) return await emptyIfConfirmed(control, session, { context, reply: error.reply });
  }
  if (all?.showsSelf === true) {
    if (!session.hasMlst && learned.usesListAll) learned.showsDots = true;
    return all;
  }
  const plain = await fetchList(control, session, { context });
  if (all !== undefined && plain.lineCount <= all.lineCount) return all;
  learned.usesListAll = plain.lineCount === 0 && learned.usesListAll;
  return plain;
}

/** Lists by LIST, or by names if the server has no LIST. */
async function fetchList(
  control: ControlConnection,
  session: FtpSession,
  { context, ...opened }: Omit<ListCommand, "command">,
): Promise<FetchedListing> {
  try {
    return await fetchListing(control, session, { context, command: "LIST", ...opened });
  } catch (error) {
    if (!(error instanceof SyncError) || error.kind !== "unsupported") throw error;
    const found = await fetchByNames(control, session, context);
    session.learned.lacksList = true;
    return found;
  }
}

/** The refusal of LIST -a, which LIST may not get. */
class ListAllRefused extends Error {
  constructor(readonly reply: Reply) {
    super("LIST -a was refused");
  }
}

type ListCommand = Pick<DownloadOptions, "context" | "command" | "data">;

/** A limit above the listing of any folder that can be synced; it stops a listing that never ends. */
const MAX_LISTING_BYTES = 64 << 20;
const CHUNK = 64 * 1024;

async function fetchListing(
  control: ControlConnection,
  session: FtpSession,
  operation: ListCommand,
): Promise<FetchedListing> {
  const { context, command } = operation;
  const settings = { dir: context.path, encoding: session.encoding.name };
  const uniques = new Map<RelPath, string>();
  const listing = command.startsWith("MLSD")
    ? mlsdParser(settings, (path, unique) => uniques.set(path, unique))
    : listParser({ ...settings, clock: { now: Date.now(), zoneOffset: session.learned.zoneOffset ?? 0 } });
  const lines = new LineSplitter((line) => listing.addLine(line));
  const memory = new Uint8Array(CHUNK);
  let size = 0;
  const took = (count: number) => {
    size += count;
    if (size > MAX_LISTING_BYTES) {
      throw new RangeError(`it has more than ${MAX_LISTING_BYTES >> 20} MiB`);
    }
    lines.take(memory.subarray(0, count));
  };
  try {
    const { reply } = await download(control, {
      ...operation,
      firstByteLimit: session.listingTimeout,
      needsCloseNotify: true,
    }, {
      nextBuffer: () => memory,
      onRead: took,
    });
    if ((reply.code >= 500 || reply.code === 450) && command === "LIST -a") throw new ListAllRefused(reply);
    if (reply.code >= 300) return await emptyIfConfirmed(control, session, { context, reply });
    if (!lines.finish()) throw cutShort(context, "the listing ends in the middle of a line");
    const found = listing.result();
    assertComplete(reply, found, context);
    if (command.startsWith("MLSD") && found.entries.some(isUntimed)) session.learned.mlstLacksTimes = true;
    return { ...found, uniques };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw operationError(context, "unexpected", { why: `its listing cannot be used: ${error.message}` });
  }
}

function isUntimed(entry: Entry): boolean {
  return entry.kind === "file" && entry.modified === undefined;
}

/**
 * Rejects a listing that the server cut short, which servers report only in words: "Output truncated", "10000 matches
 * total".
 */
function assertComplete(reply: Reply, found: Pick<FetchedListing, "lineCount">, context: PathContext): void {
  const [, told] = /(\d+) matches total/.exec(reply.text) ?? [];
  const isShort = told !== undefined && Number(told) > found.lineCount;
  if (isShort || /truncated|incomplete|too many (?:files|matches|entries)/i.test(reply.text)) {
    throw cutShort(context, `the server cut the listing short: ${serverMessage(reply)}`);
  }
}

function cutShort(context: PathContext, why: string): Error {
  return operationError(context, "connection", { why });
}

/**
 * Returns the listing of an empty folder if a refusal may mean that and the folder is confirmed to be one: it can be
 * entered, and NLST shows no name in it either (LIST, if there is no NLST). Otherwise rejects with what the refusal means.
 */
async function emptyIfConfirmed(
  control: ControlConnection,
  session: FtpSession,
  { context, reply }: { readonly context: PathContext; readonly reply: Reply },
): Promise<FetchedListing> {
  if (
    saysNothingFound(reply) && (await control.sendCommand(`CWD ${encodePath(session, context)}`)).code < 300 &&
    (await fetchNames(control, session, { context }) ??
        await fetchNames(control, session, { context, command: "LIST" }))
        ?.length === 0
  ) return { entries: [], uniques: new Map(), fingerprint: "", lineCount: 0, showsSelf: false, unreadableCount: 0 };
  throw await explainListRefusal(control, session, { context, reply });
}

/** Returns the error for a refused listing. "550 Failed" may mean anything, so a stat of the folder decides. */
async function explainListRefusal(
  control: ControlConnection,
  session: FtpSession,
  { context, reply }: { readonly context: PathContext; readonly reply: Reply },
): Promise<Error> {
  if (reply.code !== 550 && reply.code !== 553 && reply.code !== 501) return toSyncError(context, reply);
  if (isAbsent(reply.text) && !/file existence/.test(reply.text)) return toSyncError(context, reply);
  const found = await session.stat(control, { ...context, precise: true });
  if (found === undefined) return operationError(context, "notFound", { why: "there is no such folder" });
  if (found.kind !== "dir") return operationError(context, "refused", { why: "it is not a folder" });
  return operationError(context, "denied", { why: serverMessage(reply) });
}

/**
 * Finds the time zone of the server's listings: the difference between a listed time and MDTM, which is UTC. If MDTM
 * returns one time for two files whose listed times differ, it is not used at all.
 */
async function findZoneOffset(
  control: ControlConnection,
  session: FtpSession,
  { context, entries }: { readonly context: PathContext; readonly entries: readonly Entry[] },
): Promise<void> {
  const { learned, profile } = session;
  if (learned.mdtmUnreliable || !profile.features.has("MDTM")) return;
  const isUseful = (one: Entry): one is TimedFile =>
    isLocalTime(one) && one.timeStep <= MINUTE && one.modified < Date.now() + DAY;
  const first = entries.find(isUseful);
  if (first === undefined) return;
  const readMdtm = async ({ path }: TimedFile) => {
    const serverPath = childOf(context.serverPath, nameOf(path));
    const reply = await control.sendCommand(`MDTM ${encodePath(session, { ...context, serverPath, path })}`);
    return reply.code === 213 ? parseTime(reply.text.slice(4).trim()) : undefined;
  };
  const time = await readMdtm(first);
  if (time === undefined) return;
  const other = entries.find((one) => isUseful(one) && one.modified !== first.modified);
  if (other !== undefined && isUseful(other) && await readMdtm(other) === time) {
    return void (learned.mdtmUnreliable = true);
  }
  const ahead = first.modified - Math.floor(time / MINUTE) * MINUTE;
  // No time zone explains the difference, so one file is enough evidence.
  if (Math.abs(ahead) > MAX_ZONE_MS + MINUTE) return void (learned.mdtmUnreliable = true);
  const zoneOffset = Math.round(ahead / QUARTER_HOUR) * QUARTER_HOUR;
  if (Math.abs(ahead - zoneOffset) <= MINUTE && Math.abs(zoneOffset) <= MAX_ZONE_MS) learned.zoneOffset = zoneOffset;
}

type TimedFile = FileEntry & { readonly modified: number; readonly timeStep: number };

/** Whether the entry's time is one of the server's zone; a time with its zone has no time step of its own. */
function isLocalTime(entry: Entry): entry is TimedFile {
  return entry.kind === "file" && entry.modified !== undefined && entry.timeStep !== undefined;
}

const QUARTER_HOUR = 15 * MINUTE;
