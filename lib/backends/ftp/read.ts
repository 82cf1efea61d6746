import { cancelled } from "../../core/errors.ts";
import type { FileEntry } from "../../core/entry.ts";
import type { Content, ReadOptions } from "../../core/backend.ts";
import { streamOf } from "../../net/byte_stream.ts";
import { fetchInto, letGo, openDataAt } from "./data_transfer.ts";
import type { FtpLink } from "./control_connection.ts";
import { look, mustMatch, stillAt, stillCommands } from "./stat.ts";
import { refusal, type Reply } from "./reply.ts";
import { aboutCall, type Doing, onLink, type Site, wired } from "./session.ts";
import type { Wire } from "../../net/transport.ts";
import { operationError } from "../../core/operation.ts";

export type Reading = Doing & Pick<ReadOptions, "offset" | "length" | "expect">;

/**
 * Reads a file or a range of it: a small one as a whole, a large one as a stream. Checks the number of bytes and, after
 * the last one, that the file is unchanged.
 */
export async function readFile(site: Site, reading: Reading): Promise<Content> {
  const expect = reading.expect ?? await onLink(site, reading, (link) => fileThere(link, site, reading));
  const from = Math.min(reading.offset ?? 0, expect.size);
  const to = Math.min(expect.size, from + (reading.length ?? Infinity));
  const work: Work = { ...reading, expect, from, to };
  if (to - from <= SMALL && expect.size - to <= SMALL) {
    return await onLink(site, reading, (link) => readWhole(link, site, work));
  }
  const link = await site.pool.lease(reading);
  try {
    return await startStream(link, site, work);
  } catch (error) {
    site.pool.release(link);
    throw aboutCall(error, reading);
  }
}

/** The largest file that is read as a whole. */
const SMALL = 256 * 1024;

interface Work extends Doing {
  readonly expect: FileEntry;
  readonly from: number;
  readonly to: number;
}

async function fileThere(link: FtpLink, site: Site, reading: Reading): Promise<FileEntry> {
  const found = await look(link, site, { ...reading, precise: true });
  if (found === undefined) throw operationError(reading, "notFound", { why: "there is no such file" });
  if (found.kind === "file") return found;
  throw operationError(reading, "refused", { why: found.kind === "dir" ? "it is a folder" : "it is no regular file" });
}

async function readWhole(link: FtpLink, site: Site, work: Work): Promise<Uint8Array<ArrayBuffer>> {
  const { from, to, expect, signal, operation } = work;
  const command = `RETR ${wired(site, work)}`;
  const left = expect.size - from;
  // One byte more, to detect a file that is larger than listed.
  const memory = new Uint8Array(left + 1);
  let size = 0;
  const { reply, replies } = await fetchInto(link, { doing: work, command, from, next: stillCommands(site, work) }, {
    room: () => memory.subarray(size),
    took: (count) => {
      size += count;
      if (size > left) throw tooLong(work);
    },
  });
  if (reply.code >= 300) throw await whyUnread(link, site, { work, reply });
  const after = await stillAt(link, site, { ...work, replies, size: expect.size });
  if (signal.aborted) throw cancelled(signal, operation);
  mustMatch(after, { ...work, expect });
  if (size !== left) throw ended(work, from + size);
  return memory.subarray(0, to - from);
}

/** Streams the bytes over one connection, which is released after the last one. */
async function startStream(link: FtpLink, site: Site, work: Work): Promise<Content> {
  const { from, to, signal, operation } = work;
  const data = await openDataAt(link, { doing: work, from });
  const pending = link.ask(`RETR ${wired(site, work)}`, { patient: true });
  pending.then((reply) => reply.code >= 300 && data.destroy(), () => data.destroy());
  let at = from;
  let isOver = false;
  const finish = async () => {
    if (isOver) return;
    isOver = true;
    signal.removeEventListener("abort", stop);
    await letGo(link, data, pending);
    site.pool.release(link);
  };
  const stop = () => data.destroy();
  signal.addEventListener("abort", stop);
  const next = async (into: Uint8Array<ArrayBuffer>): Promise<number | undefined> => {
    const count = at < to ? await data.read(into.subarray(0, to - at)) : undefined;
    if (count !== undefined) return count;
    if (to === work.expect.size) await mustEnd(link, site, { work, data, pending, at });
    else if (at < to) throw ended(work, at);
    return undefined;
  };
  return streamOf({
    async fill(into) {
      try {
        if (signal.aborted) throw cancelled(signal, operation);
        const count = await next(into);
        if (count === undefined) return void await finish();
        at += count;
        return into.subarray(0, count);
      } catch (error) {
        const why = await pendingRefusal(link, site, { work, pending, error });
        await finish();
        throw signal.aborted ? cancelled(signal, operation) : aboutCall(why, work);
      }
    },
    leave: finish,
  });
}

interface Ending {
  readonly work: Work;
  readonly data: Wire;
  readonly pending: Promise<Reply>;
  readonly at: number;
}

/** Checks, after the last byte, that the server ended the transfer and the file is unchanged. */
async function mustEnd(link: FtpLink, site: Site, { work, data, pending, at }: Ending): Promise<void> {
  const more = at < work.to ? undefined : await data.read(new Uint8Array(1));
  if (more !== undefined) throw tooLong(work);
  data.destroy();
  const { reply, replies } = await link.conclude(pending, stillCommands(site, work));
  if (reply.code >= 300) throw refusal(work, reply);
  mustMatch(await stillAt(link, site, { ...work, replies, size: work.expect.size }), work);
  if (at < work.to) throw ended(work, at);
}

/** Returns the server's refusal if there is one, which is more precise than the error of the broken data connection. */
async function pendingRefusal(
  link: FtpLink,
  site: Site,
  { work, pending, error }: { readonly work: Work; readonly pending: Promise<Reply>; readonly error: unknown },
): Promise<unknown> {
  link.hurry();
  const reply = await Promise.race([pending.catch(() => undefined), Promise.resolve(undefined)]);
  if (reply === undefined || reply.code < 300 || work.signal.aborted || link.closed) return error;
  return reply.code === 426 || reply.code === 451 ? error : await whyUnread(link, site, { work, reply });
}

async function whyUnread(
  link: FtpLink,
  site: Site,
  { work, reply }: { readonly work: Work; readonly reply: Reply },
): Promise<Error> {
  if (reply.code !== 550 && reply.code !== 553) return refusal(work, reply);
  const found = await look(link, site, { ...work, precise: true });
  if (found === undefined) return operationError(work, "notFound", { why: "there is no such file" });
  if (found.kind !== "file") return operationError(work, "refused", { why: "it is no regular file" });
  return operationError(work, "denied", { why: reply.text.slice(0, 200) });
}

function ended(work: Work, at: number): Error {
  return operationError(work, "changed", {
    why: `it ended at byte ${at} instead of ${work.expect.size} while it was read`,
  });
}

function tooLong(work: Work): Error {
  return operationError(work, "changed", {
    why: `the server sends more than the ${work.expect.size} bytes it was listed with`,
  });
}
