import { randomBytes } from "node:crypto";
import { type ErrorKind, toSyncError } from "../../core/errors.ts";
import { nameOf } from "../../core/path.ts";
import { tempPath } from "../../core/temp_name.ts";
import type { Entry, FileEntry } from "../../core/entry.ts";
import type { Body, Content } from "../../core/backend.ts";
import { opened, pour } from "../../net/byte_stream.ts";
import { gather, wrongSize } from "../shared/read_exactly.ts";
import { openDataAt } from "./data_transfer.ts";
import type { FtpLink } from "./control_connection.ts";
import { look } from "./stat.ts";
import { type Draft, whyUnwritten, type Writing } from "./commit.ts";
import { type Reply } from "./reply.ts";
import { commandsOf, mustReplace, settle, toSettling } from "./finalize.ts";
import { childOf, type Doing, onLink, type Site, wired } from "./session.ts";
import { foreignCertificate } from "./foreign_certificate.ts";
import type { Wire } from "../../net/transport.ts";
import { operationError } from "../../core/operation.ts";

/**
 * Writes a file atomically: the bytes go to a temporary name beside the target, size, time and mode are checked there,
 * and then come a last stat of the target and the rename. A large upload resumes from the leftover of a failed write of
 * the same tag.
 */
export async function writeFile(site: Site, body: Body, writing: Writing): Promise<FileEntry> {
  const { options, path, signal, operation } = writing;
  mustKeepName(site, writing);
  const temp = childOf(writing.dir, nameOf(tempPath(path, options.tag ?? randomBytes(8).toString("hex"))));
  const draft: Draft = { ...writing, temp: { ...writing, at: temp } };
  // Small sources are read before a connection is taken, so that no connection is held while the other side is slow.
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
      const settling = toSettling(site, { draft, before });
      const replies = await upload(link, site, { draft, content, from, next: commandsOf(settling) });
      return await settle(link, site, { ...settling, replies });
    });
  } catch (error) {
    // Only after the connection was released: there may be no other.
    if (isBegun) await cleanUp(site, { draft, error });
    throw error;
  }
}

/** Rejects names that the server would alter: the file would be sent again in every run. */
export function mustKeepName(site: Site, doing: Doing): void {
  if (!site.altersBlanks || !doing.at.endsWith(" ")) return;
  throw operationError(doing, "unsupported", { why: "this server alters a blank at the end of a name" });
}

/** The largest file that is held in memory. */
const SMALL = 256 * 1024;
/** The number of bytes worth keeping for the next write of the same tag, and the failures after which they are kept. */
const WORTH_KEEPING = 24 << 20;
const RESUMABLE: readonly ErrorKind[] = ["connection", "timeout", "busy", "cancelled"];
/** The end of a failed write's leftover is not trusted and is sent again. */
const OVERLAP = 1 << 20;

/** Returns the target before the first byte is sent. It is checked again before it is replaced. */
async function mustFit(link: FtpLink, site: Site, draft: Draft): Promise<Entry | undefined> {
  const { expect, size } = draft.options;
  if (size <= SMALL && (expect === "absent" || expect?.kind === "file")) {
    return expect === "absent" ? undefined : expect;
  }
  const found = await look(link, site, draft);
  mustReplace(found, draft);
  return found;
}

/** Returns the byte from which a large upload resumes; 0 without a usable leftover. */
async function leftover(link: FtpLink, site: Site, { temp, options }: Draft): Promise<number> {
  if (options.tag === undefined || !site.abilities.features.has("REST")) return 0;
  const found = await look(link, site, temp);
  if (found === undefined) return 0;
  if (found.kind !== "file") {
    throw operationError(temp, "exists", { why: "something stands in the way of its temporary name" });
  }
  if (found.size <= options.size && found.size >= WORTH_KEEPING) return found.size - OVERLAP;
  await link.ask(`DELE ${wired(site, temp)}`);
  return 0;
}

interface Uploading {
  readonly draft: Draft;
  readonly content: Content;
  readonly from: number;
  /** The commands to send after the last byte. */
  readonly next: readonly string[];
}

/** Sends the bytes to the temporary name. Returns the replies to the next commands. */
async function upload(link: FtpLink, site: Site, uploading: Uploading): Promise<readonly Reply[]> {
  const { draft, content, from, next } = uploading;
  const data = await openDataAt(link, { doing: draft.temp, from }).catch(async (error) => {
    if (!(content instanceof Uint8Array)) await content.cancel().catch(() => {});
    throw error;
  });
  try {
    const pending = link.ask(`STOR ${wired(site, draft.temp)}`, { patient: true });
    // Some servers close the data connection with a refusal, others leave it open.
    pending.then((reply) => reply.code >= 300 && data.destroy(), () => data.destroy());
    const failed = await send(data, uploading);
    const foreign = foreignCertificate(failed?.error, draft);
    if (foreign !== undefined) throw foreign;
    if (failed !== undefined) link.hurry();
    const { reply, replies } = failed === undefined
      ? await link.conclude(pending, next)
      : { reply: await pending, replies: [] };
    if (failed !== undefined && !(reply.code >= 400 && failed.isWire)) throw failed.error;
    if (reply.code >= 300) throw await whyUnwritten(link, site, { draft, reply });
    return replies;
  } finally {
    data.destroy();
  }
}

/** Sends the content. Returns the error that stopped it, or undefined; the server's final reply is due in any case. */
async function send(
  data: Wire,
  { draft, content, from }: Uploading,
): Promise<{ readonly error: unknown; readonly isWire: boolean } | undefined> {
  const { signal, operation, options } = draft;
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
    }, { signal, operation, recycles: true });
    if (at < options.size) throw wrongSize(draft, { given: at, size: options.size });
    isWire = true;
    await data.end();
    return undefined;
  } catch (error) {
    data.destroy();
    return { error, isWire };
  }
}

/**
 * Removes the temporary file after a failure, unless a later write can resume it. Does nothing if the connection was
 * lost.
 */
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
