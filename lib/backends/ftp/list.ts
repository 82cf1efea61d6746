import { nameOf, type RelPath } from "../../core/path.ts";
import { SyncError } from "../../core/errors.ts";
import type { Entry, FileEntry } from "../../core/entry.ts";
import { download, type DownloadOptions } from "./data_transfer.ts";
import { mlsdParser } from "./mlsd_parser.ts";
import { LineSplitter } from "./line_splitter.ts";
import type { ControlConnection } from "./control_connection.ts";
import { DAY, listParser, MINUTE, type ParsedListing, parseTime } from "./listing_parser.ts";
import { isAbsent, type Reply, serverMessage, toSyncError } from "./reply.ts";
import { childOf, encodePath, type FtpSession, type PathContext } from "./session.ts";
import { MAX_ZONE_MS } from "./times.ts";
import type { Transport } from "../../net/transport.ts";
import { operationError } from "../../core/operation.ts";

export interface FetchedListing extends ParsedListing {
  /** The UNIQUE facts of the folder and of the folders in it. */
  readonly uniques: ReadonlyMap<RelPath, string>;
}

/**
 * Lists one folder. Rejects when the listing ends early, with notFound when the folder is absent, and with denied when
 * it cannot be read.
 */
export async function readListing(
  link: ControlConnection,
  site: FtpSession,
  doing: PathContext,
): Promise<FetchedListing> {
  if (!site.hasMlst) return await readPlainListing(link, site, doing);
  return await fetchListing(link, site, { doing, command: `MLSD ${encodePath(site, doing)}` });
}

/** Lists one folder by LIST, which shows links where MLSD may show their targets. */
export async function readPlainListing(
  link: ControlConnection,
  site: FtpSession,
  doing: PathContext,
): Promise<FetchedListing> {
  const entering = link.sendCommand(`CWD ${encodePath(site, doing)}`);
  // Opened in the same round trip where that saves one.
  const data = link.highLatency && link.pipelines ? link.openData() : undefined;
  data?.catch(() => {});
  const letGo = () => void data?.then((opened) => opened.destroy(), () => {});
  const entered = await entering.catch((error) => {
    letGo();
    throw error;
  });
  if (entered.code >= 300) {
    letGo();
    throw await explainListRefusal(link, site, { doing, reply: entered });
  }
  const found = await fetchPlainListing(link, site, { doing, data });
  if (site.hasMlst || site.learned.zoneOffset !== undefined || found.lines === 0) return found;
  await findZoneOffset(link, site, { doing, entries: found.entries });
  const { zoneOffset: zone = 0 } = site.learned;
  if (zone === 0) return found;
  const entries = found.entries.map((one) =>
    one.kind === "file" && one.modified !== undefined ? { ...one, modified: one.modified - zone } : one
  );
  return { ...found, entries };
}

/**
 * Lists with LIST -a, which shows names with a leading dot. Falls back to LIST if the server refuses "-a" or lists
 * nothing at all: it may take "-a" for a name.
 */
async function fetchPlainListing(
  link: ControlConnection,
  site: FtpSession,
  { doing, data }: { readonly doing: PathContext; readonly data: Promise<Transport> | undefined },
): Promise<FetchedListing> {
  const opened = data === undefined ? {} : { data };
  if (!site.learned.usesListAll) return await fetchListing(link, site, { doing, command: "LIST", ...opened });
  let all: FetchedListing | undefined;
  try {
    all = await fetchListing(link, site, { doing, command: "LIST -a", ...opened });
  } catch (error) {
    if (!(error instanceof SyncError) || error.kind !== "unsupported") throw error;
  }
  if (all?.here === true) {
    if (!site.hasMlst) site.learned.showsDots = true;
    return all;
  }
  const plain = await fetchListing(link, site, { doing, command: "LIST" });
  if (all !== undefined && plain.lines <= all.lines) return all;
  site.learned.usesListAll = false;
  return plain;
}

type ListCommand = Pick<DownloadOptions, "doing" | "command" | "data">;

/** A limit above the listing of any folder that can be synced; it stops a listing that never ends. */
const MAX_LISTING_BYTES = 64 << 20;
const CHUNK = 64 * 1024;

async function fetchListing(link: ControlConnection, site: FtpSession, asking: ListCommand): Promise<FetchedListing> {
  const { doing, command } = asking;
  const settings = { dir: doing.path, spelling: site.encoding };
  const uniques = new Map<RelPath, string>();
  const listing = command.startsWith("MLSD")
    ? mlsdParser(settings, (path, unique) => uniques.set(path, unique))
    : listParser({ ...settings, clock: { now: Date.now(), zone: site.learned.zoneOffset ?? 0 } });
  const lines = new LineSplitter((line) => listing.addLine(line));
  const memory = new Uint8Array(CHUNK);
  let size = 0;
  const took = (count: number) => {
    size += count;
    if (size > MAX_LISTING_BYTES) {
      throw new RangeError(`it has more than ${MAX_LISTING_BYTES >> 20} MiB, as no folder has`);
    }
    lines.take(memory.subarray(0, count));
  };
  try {
    const { reply } = await download(link, { ...asking, needsCloseNotify: true }, {
      nextBuffer: () => memory,
      onRead: took,
    });
    if (reply.code >= 500 && command === "LIST -a") {
      throw operationError(doing, "unsupported", { why: serverMessage(reply) });
    }
    if (reply.code >= 300) throw await explainListRefusal(link, site, { doing, reply });
    if (!lines.finish()) throw cutShort(doing, "the listing broke off in the middle of a line");
    const found = listing.result();
    assertComplete(reply, found, doing);
    return { ...found, uniques };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw operationError(doing, "unexpected", { why: `its listing cannot be used: ${error.message}` });
  }
}

/**
 * Rejects a listing that the server cut short, which servers report only in words: "Output truncated", "10000 matches
 * total".
 */
function assertComplete(reply: Reply, found: ParsedListing, doing: PathContext): void {
  const [, told] = /(\d+) matches total/.exec(reply.text) ?? [];
  const isShort = told !== undefined && Number(told) > found.lines;
  if (isShort || /truncated|incomplete|too many (?:files|matches|entries)/i.test(reply.text)) {
    throw cutShort(doing, `the server cut the listing short: ${serverMessage(reply)}`);
  }
}

function cutShort(doing: PathContext, why: string): Error {
  return operationError(doing, "connection", { why });
}

/** Returns the error for a refused listing. "550 Failed" may mean anything, so a stat of the folder decides. */
async function explainListRefusal(
  link: ControlConnection,
  site: FtpSession,
  { doing, reply }: { readonly doing: PathContext; readonly reply: Reply },
): Promise<Error> {
  if (reply.code !== 550 && reply.code !== 553 && reply.code !== 501) return toSyncError(doing, reply);
  if (isAbsent(reply.text) && !/file existence/.test(reply.text)) return toSyncError(doing, reply);
  const found = await site.stat(link, { ...doing, precise: true });
  if (found === undefined) return operationError(doing, "notFound", { why: "there is no such folder" });
  if (found.kind !== "dir") return operationError(doing, "refused", { why: "it is no folder" });
  return operationError(doing, "denied", { why: serverMessage(reply) });
}

/**
 * Finds the time zone of the server's listings: the difference between a listed time and MDTM, which is UTC. If MDTM
 * returns one time for two files whose listed times differ, it is not used at all.
 */
async function findZoneOffset(
  link: ControlConnection,
  site: FtpSession,
  { doing, entries }: { readonly doing: PathContext; readonly entries: readonly Entry[] },
): Promise<void> {
  const { learned, abilities } = site;
  if (learned.mdtmLies || !abilities.features.has("MDTM")) return;
  const isUseful = (one: Entry): one is TimedFile =>
    one.kind === "file" && one.modified !== undefined && one.timeStep === MINUTE && one.modified < Date.now() + DAY;
  const first = entries.find(isUseful);
  if (first === undefined) return;
  const ask = async ({ path }: TimedFile) => {
    const at = childOf(doing.at, nameOf(path));
    const reply = await link.sendCommand(`MDTM ${encodePath(site, { ...doing, at, path })}`);
    return reply.code === 213 ? parseTime(reply.text.slice(4).trim()) : undefined;
  };
  const time = await ask(first);
  if (time === undefined) return;
  const other = entries.find((one) => isUseful(one) && one.modified !== first.modified);
  if (other !== undefined && isUseful(other) && await ask(other) === time) return void (learned.mdtmLies = true);
  const ahead = first.modified - Math.floor(time / MINUTE) * MINUTE;
  // No time zone explains the difference, so one file is enough evidence.
  if (Math.abs(ahead) > MAX_ZONE_MS + MINUTE) return void (learned.mdtmLies = true);
  const zone = Math.round(ahead / QUARTER_HOUR) * QUARTER_HOUR;
  if (Math.abs(ahead - zone) <= MINUTE && Math.abs(zone) <= MAX_ZONE_MS) learned.zoneOffset = zone;
}

type TimedFile = FileEntry & { readonly modified: number };

const QUARTER_HOUR = 15 * MINUTE;
