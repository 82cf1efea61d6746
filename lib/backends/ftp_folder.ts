import { cancelled, SyncError } from "../errors.ts";
import type { Entry, FileEntry } from "../types.ts";
import type { FtpLink } from "./ftp_link.ts";
import { DAY, linesOf, type Listed, MINUTE, parseList, parseMlsd, parseTime } from "./ftp_list.ts";
import { look } from "./ftp_look.ts";
import { failure, isAbsent, refusal, type Reply, said } from "./ftp_reply.ts";
import { childOf, type Doing, type Site, wired } from "./ftp_site.ts";
import { foreignCertificate } from "./ftp_trust.ts";
import { lost, type Wire } from "./wire.ts";
import { nameOf } from "../path.ts";

/** The children of one folder, complete: anything less rejects. With notFound when it is absent, with denied when it cannot be read. */
export async function listFolder(link: FtpLink, site: Site, doing: Doing): Promise<readonly Entry[]> {
  if (site.hasMlst) {
    const { entries } = await listed(link, site, { doing, command: `MLSD ${wired(site, doing)}` });
    learnLinks(site, doing, entries);
    return entries;
  }
  const entering = link.ask(`CWD ${wired(site, doing)}`);
  // In the same turn, where that saves one.
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
  const { entries, lines } = await plainListing(link, site, { doing, data });
  if (site.learned.zone !== undefined || lines === 0) return entries;
  await findZone(link, site, { doing, entries });
  if (site.learned.zone === undefined || site.learned.zone === 0) return entries;
  const zone = site.learned.zone;
  return entries.map((one) =>
    one.kind === "file" && one.modified !== undefined ? { ...one, modified: one.modified - zone } : one
  );
}

function learnLinks({ learned: { links, folders } }: Site, { at }: Doing, entries: readonly Entry[]): void {
  folders.add(at);
  for (const one of entries) {
    const child = childOf(at, nameOf(one.path));
    if (one.kind === "opaque" && one.cause === "link") links.add(child);
    else if (links.size > 0) links.delete(child);
  }
}

/** More than any folder that can be synced: a listing that never ends is no listing. */
const MOST_BYTES = 1 << 30;

/** LIST -a shows names with a leading dot; where it shows nothing at all the server may take "-a" for a name. */
async function plainListing(
  link: FtpLink,
  site: Site,
  { doing, data }: { readonly doing: Doing; readonly data: Promise<Wire> | undefined },
): Promise<Listed> {
  const opened = data === undefined ? {} : { data };
  if (!site.learned.listAll) return await listed(link, site, { doing, command: "LIST", ...opened });
  const all = await listed(link, site, { doing, command: "LIST -a", ...opened });
  if (all.here) {
    site.learned.showsDots = true;
    return all;
  }
  const plain = await listed(link, site, { doing, command: "LIST" });
  if (plain.lines <= all.lines) return all;
  site.learned.listAll = false;
  return plain;
}

type Listing = Pick<Fetching, "doing" | "command" | "data">;

async function listed(link: FtpLink, site: Site, listing: Listing): Promise<Listed> {
  const { doing, command } = listing;
  const { bytes, reply } = await fetchAll(link, { ...listing, witnessed: true });
  if (reply.code >= 300) throw await whyUnlisted(link, site, { doing, reply });
  const lines = linesOf(bytes);
  if (bytes.length > 0 && bytes.at(-1) !== LINE_FEED) throw cut(doing, "the listing broke off in the middle of a line");
  const settings = { dir: doing.path, spelling: site.spelling };
  const clock = { now: Date.now(), zone: site.learned.zone ?? 0 };
  try {
    const found = command.startsWith("MLSD") ? parseMlsd(lines, settings) : parseList(lines, { ...settings, clock });
    mustBeWhole(reply, found, doing);
    return found;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw failure(doing, "unexpected", { why: `its listing cannot be understood: ${error.message}` });
  }
}

const LINE_FEED = 10;

/** Servers cut long listings and say so only in words: "Output truncated", "10000 matches total". */
function mustBeWhole(reply: Reply, found: Listed, doing: Doing): void {
  const [, told] = /(\d+) matches total/.exec(reply.text) ?? [];
  const isShort = told !== undefined && Number(told) > found.lines;
  if (isShort || /truncated|incomplete|too many (?:files|matches|entries)/i.test(reply.text)) {
    throw cut(doing, `the server cut the listing short: ${said(reply)}`);
  }
}

function cut(doing: Doing, why: string): Error {
  return failure(doing, "connection", { why });
}

interface Fetching {
  readonly doing: Doing;
  readonly command: string;
  /** Bytes that will probably come. */
  readonly likely?: number;
  /** More bytes reject. */
  readonly most?: number;
  /** The first byte. */
  readonly from?: number;
  /** What is asked next on this connection. */
  readonly next?: readonly string[];
  /** The data connection, where it is on its way already. */
  readonly data?: Promise<Wire>;
  /** No size proves that all came: over TLS the other side must have told the end. */
  readonly witnessed?: boolean;
}

/** What came on a data connection, the reply behind it, and those to what was asked next; these are of no use after a refusal. */
interface Fetched {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly reply: Reply;
  readonly replies: readonly Reply[];
}

/** The next transfer begins at this byte: the last command before it. */
async function restart(link: FtpLink, { doing, from }: { doing: Doing; from: number }): Promise<void> {
  const reply = await link.ask(`REST ${from}`);
  if (reply.code !== 350) throw refusal(doing, reply);
}

/** A data connection for a transfer that begins at this byte: its command comes next. */
export async function openDataAt(link: FtpLink, start: { doing: Doing; from: number }): Promise<Wire> {
  const data = await link.openData();
  try {
    if (start.from > 0) await restart(link, start);
    return data;
  } catch (error) {
    data.destroy();
    throw error;
  }
}

/** Everything that a command gives on a data connection, and the reply after it. The reply decides over a broken data connection. */
export async function fetchAll(
  link: FtpLink,
  {
    doing,
    command,
    likely = LISTING_BYTES,
    most = MOST_BYTES,
    from = 0,
    next = [],
    witnessed = false,
    ...given
  }: Fetching,
): Promise<Fetched> {
  const { signal, operation } = doing;
  const data = await (given.data ?? link.openData());
  const stop = () => data.destroy();
  signal.addEventListener("abort", stop);
  try {
    if (from > 0) await restart(link, { doing, from });
    const pending = link.ask(command, { patient: true });
    // A refusal comes without any data, and without an end of it at some servers.
    pending.then((reply) => reply.code >= 300 && data.destroy(), () => data.destroy());
    // One byte more: a full memory would have to grow before it could be told that nothing more comes.
    let memory = new Uint8Array(likely + 1);
    let broken: unknown;
    let size = 0;
    try {
      for (;;) {
        const count = await data.read(size === 0 ? memory : memory.subarray(size));
        if (count === undefined) break;
        size += count;
        if (size > most) throw failure(doing, "refused", { why: `the server sends more than ${most} bytes` });
        if (size === memory.length) memory = grown(memory);
      }
      if (witnessed && data.isTold?.() === false) {
        throw lost("connection", "the data connection was cut: TLS did not tell its end");
      }
    } catch (error) {
      broken = error;
    }
    // At once: vsftpd waits until its end of the connection was acknowledged, which takes 40 ms where nothing is sent back.
    data.destroy();
    const foreign = foreignCertificate(broken, doing);
    if (foreign !== undefined) throw foreign;
    // A server whose data did not come in time is not waited for once more.
    if (broken instanceof SyncError && broken.kind === "timeout") link.close(broken);
    if (broken !== undefined) link.hurry();
    const { reply, replies } = broken === undefined
      ? await link.conclude(pending, next)
      : { reply: await pending, replies: [] };
    if (signal.aborted) throw cancelled(signal, operation);
    if (reply.code < 300 && broken !== undefined) throw broken;
    return { bytes: memory.subarray(0, size), reply, replies };
  } finally {
    signal.removeEventListener("abort", stop);
    data.destroy();
  }
}

/** Listings of ordinary folders are no longer. */
const LISTING_BYTES = 64 * 1024;

function grown(memory: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(2 * memory.length);
  larger.set(memory);
  return larger;
}

/** "550 Failed" may mean anything: a look tells. */
async function whyUnlisted(
  link: FtpLink,
  site: Site,
  { doing, reply }: { readonly doing: Doing; readonly reply: Reply },
): Promise<Error> {
  if (reply.code !== 550 && reply.code !== 553 && reply.code !== 501) return refusal(doing, reply);
  if (isAbsent(reply.text) && !/file existence/.test(reply.text)) return refusal(doing, reply);
  const found = await look(link, site, { ...doing, precise: true });
  if (found === undefined) return failure(doing, "notFound", { why: "there is no such folder" });
  if (found.kind !== "dir") return failure(doing, "refused", { why: "it is no folder" });
  return failure(doing, "denied", { why: said(reply) });
}

/** Compares one time of a listing with MDTM, which is UTC: the difference is the zone of the server's listings. */
async function findZone(
  link: FtpLink,
  site: Site,
  { doing, entries }: { readonly doing: Doing; readonly entries: readonly Entry[] },
): Promise<void> {
  const file = entries.find((one): one is FileEntry =>
    one.kind === "file" && one.modified !== undefined && one.timeStep === MINUTE && one.modified < Date.now() + DAY
  );
  if (file?.modified === undefined || !site.abilities.features.has("MDTM")) return;
  const at = childOf(doing.at, nameOf(file.path));
  const reply = await link.ask(`MDTM ${wired(site, { ...doing, at, path: file.path })}`);
  const time = reply.code === 213 ? parseTime(reply.text.slice(4).trim()) : undefined;
  if (time === undefined) return;
  const zone = Math.round((file.modified - Math.floor(time / MINUTE) * MINUTE) / QUARTER) * QUARTER;
  if (Math.abs(zone) < 2 * DAY) site.learned.zone = zone;
}

const QUARTER = 15 * MINUTE;
