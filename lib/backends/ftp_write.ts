import { randomBytes } from "node:crypto";
import { cancelled, type ErrorKind, toSyncError } from "../errors.ts";
import { nameOf, printable } from "../path.ts";
import { tempPath } from "../temp.ts";
import type { Entry, FileEntry } from "../types.ts";
import type { Body, Content, WriteOptions } from "./backend.ts";
import { opened, pour } from "./content.ts";
import { gather, wrongSize } from "./ftp_body.ts";
import { restart } from "./ftp_folder.ts";
import type { FtpLink } from "./ftp_link.ts";
import { look, lookCommands, lookedAt, mustMatch, presenceCommands } from "./ftp_look.ts";
import { type Draft, place, whyUnwritten, type Writing } from "./ftp_place.ts";
import { failure } from "./ftp_reply.ts";
import { childOf, type Doing, onLink, type Site, wired } from "./ftp_site.ts";
import { setTime, timeCommand } from "./ftp_time.ts";

/**
 * Old or new: the bytes go to a temporary name beside the target; size, time and mode are settled there; then one last look at the
 * target, and the rename. A large one goes on behind what a broken write of the same tag left.
 */
export async function writeFile(site: Site, body: Body, writing: Writing): Promise<FileEntry> {
  const { options, path, signal, operation } = writing;
  mustKeepName(site, writing);
  const temp = childOf(writing.dir, nameOf(tempPath(path, options.tag ?? randomBytes(8).toString("hex"))));
  const draft: Draft = { ...writing, temp: { ...writing, at: temp } };
  // Small sources are read before a connection is taken: it is never held for the other side's sake.
  const small = options.size <= SMALL
    ? await gather(await opened(body(), { signal, operation }), { ...writing, size: options.size })
    : undefined;
  let isBegun = false;
  try {
    return await onLink(site, writing, async (link) => {
      const before = await mustFit(link, site, draft);
      const from = small === undefined ? await leftover(link, site, draft) : 0;
      const content = small ?? await opened(body(from, options.size), { signal, operation });
      isBegun = true;
      await upload(link, site, { draft, content, from });
      return await settle(link, site, { draft, before });
    });
  } catch (error) {
    // Not before the connection was given back: there may be no other.
    if (isBegun) await cleanUp(site, { draft, error });
    throw error;
  }
}

/** A server that alters a name would be sent the file again in every run. */
export function mustKeepName(site: Site, doing: Doing): void {
  if (!site.altersBlanks || !doing.at.endsWith(" ")) return;
  throw failure(doing, "unsupported", { why: "this server alters a blank at the end of a name" });
}

/** Up to here a file is held in memory. */
const SMALL = 256 * 1024;
/** Bytes that are worth to be kept for the next write of the same tag, and the failures after which they are. */
const WORTH_KEEPING = 24 << 20;
const RESUMABLE: readonly ErrorKind[] = ["connection", "timeout", "busy", "cancelled"];
/** The end of what a broken write left is not trusted. */
const OVERLAP = 1 << 20;

/** What is there before the first byte is sent; it is looked at once more before it is replaced. */
async function mustFit(link: FtpLink, site: Site, draft: Draft): Promise<Entry | undefined> {
  const { expect, size } = draft.options;
  if (size <= SMALL && (expect === "absent" || expect?.kind === "file")) {
    return expect === "absent" ? undefined : expect;
  }
  const found = await look(link, site, draft);
  mustReplace(found, draft);
  return found;
}

function mustReplace(found: Entry | undefined, draft: Draft): void {
  const { options, ...ask } = draft;
  mustMatch(found, { ...ask, ...(options.expect === undefined ? {} : { expect: options.expect }) });
  if (found === undefined || found.kind === "file") return;
  if (found.kind === "link" && options.expect !== undefined) return;
  const what = { dir: "a folder", link: "a link", opaque: "something that must not be touched" }[found.kind];
  throw failure(ask, "exists", { why: `${what} is there` });
}

/** The byte from which a large upload goes on. */
async function leftover(link: FtpLink, site: Site, { temp, options }: Draft): Promise<number> {
  if (options.tag === undefined || !site.abilities.features.has("REST")) return 0;
  const found = await look(link, site, temp);
  if (found === undefined) return 0;
  if (found.kind !== "file") {
    throw failure(temp, "exists", { why: "something stands in the way of its temporary name" });
  }
  if (found.size <= options.size && found.size >= WORTH_KEEPING) return found.size - OVERLAP;
  await link.ask(`DELE ${wired(site, temp)}`);
  return 0;
}

interface Uploading {
  readonly draft: Draft;
  readonly content: Content;
  readonly from: number;
}

async function upload(link: FtpLink, site: Site, { draft, content, from }: Uploading): Promise<void> {
  const { signal, operation, options, temp } = draft;
  const data = await link.openData().catch(async (error) => {
    if (!(content instanceof Uint8Array)) await content.cancel().catch(() => {});
    throw error;
  });
  try {
    if (from > 0) await restart(link, { doing: temp, from });
    const pending = link.ask(`STOR ${wired(site, temp)}`, { patient: true });
    // Some servers break the data connection with a refusal, others leave it open.
    pending.then((reply) => reply.code >= 300 && data.destroy(), () => data.destroy());
    const sent = await send();
    link.hurry();
    const reply = await pending;
    if (sent?.error !== undefined && !(reply.code >= 400 && sent.isWire)) throw sent.error;
    if (reply.code >= 300) throw await whyUnwritten(link, site, { draft, reply });
  } finally {
    data.destroy();
  }

  /** What went wrong while sending; the server's final reply is due in any case. */
  async function send(): Promise<{ readonly error: unknown; readonly isWire: boolean } | undefined> {
    let at = from;
    let isWire = false;
    if (from > 0) options.onBytes?.(from);
    try {
      await pour(content, async (bytes) => {
        at += bytes.length;
        if (at > options.size) throw wrongSize(draft, { given: at, size: options.size });
        isWire = true;
        await data.write(bytes);
        isWire = false;
        options.onBytes?.(bytes.length);
      }, { signal, operation });
      if (at < options.size) throw wrongSize(draft, { given: at, size: options.size });
      isWire = true;
      await data.end();
      return undefined;
    } catch (error) {
      data.destroy();
      return { error, isWire };
    }
  }
}

interface Settling {
  readonly draft: Draft;
  readonly before: Entry | undefined;
}

/** Time and mode, the size as the server has it, a last look at the target, and the rename. */
async function settle(link: FtpLink, site: Site, { draft, before }: Settling): Promise<FileEntry> {
  const { signal, operation, options, temp } = draft;
  const mode = modeFor(site, { before, options });
  const time = options.modified === undefined ? undefined : timeCommand(site, temp, options.modified);
  const first = [
    ...(mode === undefined ? [] : [`SITE CHMOD ${mode.toString(8).padStart(3, "0")} ${wired(site, temp)}`]),
    ...(time === undefined ? [] : [time]),
  ];
  const isKnown = time !== undefined && site.learned.keepsTimes;
  const looks = isKnown ? presenceCommands(site, temp) : lookCommands(site, temp);
  const last = options.expect === "absent" ? presenceCommands(site, draft) : lookCommands(site, draft);
  const ahead = options.size <= SMALL ? link.askAhead : [];
  const all = await link.batch([...ahead, ...first, ...looks, ...last]);
  if (ahead.length > 0 && all[0] !== undefined) link.keepAhead(all[0]);
  const replies = all.slice(ahead.length);
  const chmod = mode === undefined ? undefined : replies[0];
  const timed = time === undefined ? undefined : replies[first.length - 1];
  if (chmod !== undefined && chmod.code >= 300) warn(draft, "mode");
  let written = lookedAt(site, { ...temp, path: draft.path }, replies.slice(first.length, first.length + looks.length));
  if (timed !== undefined && timed.code < 300) written = asSet(site, written, options.modified);
  if (timed !== undefined && timed.code >= 300 && options.modified !== undefined) {
    if (!(await setTime(link, site, { doing: temp, modified: options.modified }))) warn(draft, "time");
    written = lookedAt(site, { ...temp, path: draft.path }, await link.batch(lookCommands(site, temp)));
  }
  if (signal.aborted) throw cancelled(signal, operation);
  if (written?.kind !== "file" || written.size !== options.size) {
    const now = written?.kind === "file" ? `${written.size} bytes` : "no file";
    throw failure(draft, "changed", { why: `the server holds ${now} after ${options.size} bytes were sent` });
  }
  const found = lookedAt(site, draft, replies.slice(first.length + looks.length));
  mustReplace(found, draft);
  await place(link, site, { draft, found });
  return written;
}

/** The entry with the time that was set, where the server was seen to keep times. */
function asSet(site: Site, written: Entry | undefined, modified: number | undefined): Entry | undefined {
  if (written?.kind !== "file" || modified === undefined) return written;
  const set = Math.floor(modified / 1000) * 1000;
  if (written.modified === set) site.learned.keepsTimes = true;
  return written.modified === undefined && site.learned.keepsTimes ? { ...written, modified: set } : written;
}

function modeFor(
  site: Site,
  { before, options }: { readonly before: Entry | undefined; readonly options: WriteOptions },
): number | undefined {
  if (!site.hasChmod) return undefined;
  const kept = before?.kind === "file" ? before.mode : undefined;
  const wanted = kept ?? options.mode;
  return wanted === undefined ? undefined : wanted & 0o777;
}

function warn({ path, options }: Draft, what: string): void {
  options.onWarning?.(`The server refused to set the ${what} of "${printable(path)}"`);
}

/** Removes the temporary file after a failure, unless it is worth going on with; on another connection where the first is lost. */
async function cleanUp(
  site: Site,
  { draft, error }: { readonly draft: Draft; readonly error: unknown },
): Promise<void> {
  const { temp, options } = draft;
  const { kind } = toSyncError(error, draft.operation);
  if (options.tag !== undefined && options.size >= WORTH_KEEPING && RESUMABLE.includes(kind)) return;
  if (kind === "connection" || kind === "timeout") return;
  const signal = AbortSignal.timeout(CLEANUP_MS);
  try {
    const path = wired(site, temp);
    await site.pool.use({ signal, operation: "clean up" }, (link) => link.ask(`DELE ${path}`));
  } catch (why) {
    options.onWarning?.(`A temporary file was left behind: ${why instanceof Error ? why.message : why}`);
  }
}

const CLEANUP_MS = 10_000;
