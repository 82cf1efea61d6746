import { nameOf, type RelPath } from "../../core/path.ts";
import { SyncError } from "../../core/errors.ts";
import type { Entry, FileEntry } from "../../core/entry.ts";
import { type Fetching, fetchInto } from "./data_transfer.ts";
import { mlsdLines } from "./mlsd_parser.ts";
import { Lines } from "./line_splitter.ts";
import type { FtpLink } from "./control_connection.ts";
import { DAY, type Listed, listLines, MINUTE, parseTime } from "./listing_parser.ts";
import { isAbsent, refusal, type Reply, said } from "./reply.ts";
import { childOf, type Doing, type Site, wired } from "./session.ts";
import { MOST_ZONE } from "./times.ts";
import type { Wire } from "../../net/transport.ts";
import { operationError } from "../../core/operation.ts";

export interface Found extends Listed {
  /** The UNIQUE facts of the folder and of the folders in it. */
  readonly uniques: ReadonlyMap<RelPath, string>;
}

/**
 * Lists one folder. Rejects when the listing ends early, with notFound when the folder is absent, and with denied when
 * it cannot be read.
 */
export async function readFolder(link: FtpLink, site: Site, doing: Doing): Promise<Found> {
  if (!site.hasMlst) return await readPlainly(link, site, doing);
  return await listed(link, site, { doing, command: `MLSD ${wired(site, doing)}` });
}

/** Lists one folder by LIST, which shows links where MLSD may show their targets. */
export async function readPlainly(link: FtpLink, site: Site, doing: Doing): Promise<Found> {
  const entering = link.ask(`CWD ${wired(site, doing)}`);
  // Opened in the same round trip where that saves one.
  const data = link.isFar && link.pipelines ? link.openData() : undefined;
  data?.catch(() => {});
  const letGo = () => void data?.then((opened) => opened.destroy(), () => {});
  const entered = await entering.catch((error) => {
    letGo();
    throw error;
  });
  if (entered.code >= 300) {
    letGo();
    throw await whyUnlisted(link, site, { doing, reply: entered });
  }
  const found = await plainListing(link, site, { doing, data });
  if (site.hasMlst || site.learned.zone !== undefined || found.lines === 0) return found;
  await findZone(link, site, { doing, entries: found.entries });
  const { zone = 0 } = site.learned;
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
async function plainListing(
  link: FtpLink,
  site: Site,
  { doing, data }: { readonly doing: Doing; readonly data: Promise<Wire> | undefined },
): Promise<Found> {
  const opened = data === undefined ? {} : { data };
  if (!site.learned.listAll) return await listed(link, site, { doing, command: "LIST", ...opened });
  let all: Found | undefined;
  try {
    all = await listed(link, site, { doing, command: "LIST -a", ...opened });
  } catch (error) {
    if (!(error instanceof SyncError) || error.kind !== "unsupported") throw error;
  }
  if (all?.here === true) {
    if (!site.hasMlst) site.learned.showsDots = true;
    return all;
  }
  const plain = await listed(link, site, { doing, command: "LIST" });
  if (all !== undefined && plain.lines <= all.lines) return all;
  site.learned.listAll = false;
  return plain;
}

type Asking = Pick<Fetching, "doing" | "command" | "data">;

/** A limit above the listing of any folder that can be synced; it stops a listing that never ends. */
const MOST_BYTES = 64 << 20;
const CHUNK = 64 * 1024;

async function listed(link: FtpLink, site: Site, asking: Asking): Promise<Found> {
  const { doing, command } = asking;
  const settings = { dir: doing.path, spelling: site.spelling };
  const uniques = new Map<RelPath, string>();
  const listing = command.startsWith("MLSD")
    ? mlsdLines(settings, (path, unique) => uniques.set(path, unique))
    : listLines({ ...settings, clock: { now: Date.now(), zone: site.learned.zone ?? 0 } });
  const lines = new Lines((line) => listing.take(line));
  const memory = new Uint8Array(CHUNK);
  let size = 0;
  const took = (count: number) => {
    size += count;
    if (size > MOST_BYTES) {
      throw new RangeError(`it has more than ${MOST_BYTES >> 20} MiB, as no folder has`);
    }
    lines.take(memory.subarray(0, count));
  };
  try {
    const { reply } = await fetchInto(link, { ...asking, witnessed: true }, { room: () => memory, took });
    if (reply.code >= 500 && command === "LIST -a") throw operationError(doing, "unsupported", { why: said(reply) });
    if (reply.code >= 300) throw await whyUnlisted(link, site, { doing, reply });
    if (!lines.finish()) throw cut(doing, "the listing broke off in the middle of a line");
    const found = listing.result();
    mustBeWhole(reply, found, doing);
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
function mustBeWhole(reply: Reply, found: Listed, doing: Doing): void {
  const [, told] = /(\d+) matches total/.exec(reply.text) ?? [];
  const isShort = told !== undefined && Number(told) > found.lines;
  if (isShort || /truncated|incomplete|too many (?:files|matches|entries)/i.test(reply.text)) {
    throw cut(doing, `the server cut the listing short: ${said(reply)}`);
  }
}

function cut(doing: Doing, why: string): Error {
  return operationError(doing, "connection", { why });
}

/** Returns the error for a refused listing. "550 Failed" may mean anything, so a stat of the folder decides. */
async function whyUnlisted(
  link: FtpLink,
  site: Site,
  { doing, reply }: { readonly doing: Doing; readonly reply: Reply },
): Promise<Error> {
  if (reply.code !== 550 && reply.code !== 553 && reply.code !== 501) return refusal(doing, reply);
  if (isAbsent(reply.text) && !/file existence/.test(reply.text)) return refusal(doing, reply);
  const found = await site.look(link, { ...doing, precise: true });
  if (found === undefined) return operationError(doing, "notFound", { why: "there is no such folder" });
  if (found.kind !== "dir") return operationError(doing, "refused", { why: "it is no folder" });
  return operationError(doing, "denied", { why: said(reply) });
}

/**
 * Finds the time zone of the server's listings: the difference between a listed time and MDTM, which is UTC. If MDTM
 * returns one time for two files whose listed times differ, it is not used at all.
 */
async function findZone(
  link: FtpLink,
  site: Site,
  { doing, entries }: { readonly doing: Doing; readonly entries: readonly Entry[] },
): Promise<void> {
  const { learned, abilities } = site;
  if (learned.mdtmLies || !abilities.features.has("MDTM")) return;
  const isUseful = (one: Entry): one is Timed =>
    one.kind === "file" && one.modified !== undefined && one.timeStep === MINUTE && one.modified < Date.now() + DAY;
  const first = entries.find(isUseful);
  if (first === undefined) return;
  const ask = async ({ path }: Timed) => {
    const at = childOf(doing.at, nameOf(path));
    const reply = await link.ask(`MDTM ${wired(site, { ...doing, at, path })}`);
    return reply.code === 213 ? parseTime(reply.text.slice(4).trim()) : undefined;
  };
  const time = await ask(first);
  if (time === undefined) return;
  const other = entries.find((one) => isUseful(one) && one.modified !== first.modified);
  if (other !== undefined && isUseful(other) && await ask(other) === time) return void (learned.mdtmLies = true);
  const ahead = first.modified - Math.floor(time / MINUTE) * MINUTE;
  // No time zone explains the difference, so one file is enough evidence.
  if (Math.abs(ahead) > MOST_ZONE + MINUTE) return void (learned.mdtmLies = true);
  const zone = Math.round(ahead / QUARTER) * QUARTER;
  if (Math.abs(ahead - zone) <= MINUTE && Math.abs(zone) <= MOST_ZONE) learned.zone = zone;
}

type Timed = FileEntry & { readonly modified: number };

const QUARTER = 15 * MINUTE;
