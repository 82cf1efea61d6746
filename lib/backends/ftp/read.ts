import { cancelled } from "../../core/errors.ts";
import type { FileEntry } from "../../core/entry.ts";
import type { Content, ReadOptions } from "../../core/backend.ts";
import { toByteStream } from "../../net/byte_stream.ts";
import { abortTransfer, download, openDataConnection } from "./data_transfer.ts";
import type { ControlConnection } from "./control_connection.ts";
import { assertUnchanged, recheck, recheckCommands, stat } from "./stat.ts";
import { type Reply, toSyncError } from "./reply.ts";
import { asOperationError, encodePath, type FtpSession, type PathContext, withConnection } from "./session.ts";
import type { Transport } from "../../net/transport.ts";
import { operationError } from "../../core/operation.ts";

export type ReadContext = PathContext & Pick<ReadOptions, "offset" | "length" | "expect">;

/**
 * Reads a file or a range of it: a small one as a whole, a large one as a stream. Checks the number of bytes and, after
 * the last one, that the file is unchanged.
 */
export async function readFile(site: FtpSession, reading: ReadContext): Promise<Content> {
  const expect = reading.expect ?? await withConnection(site, reading, (link) => statFile(link, site, reading));
  const from = Math.min(reading.offset ?? 0, expect.size);
  const to = Math.min(expect.size, from + (reading.length ?? Infinity));
  const work: ReadRange = { ...reading, expect, from, to };
  if (to - from <= SMALL && expect.size - to <= SMALL) {
    return await withConnection(site, reading, (link) => readSmall(link, site, work));
  }
  const link = await site.pool.lease(reading);
  try {
    return await readLarge(link, site, work);
  } catch (error) {
    site.pool.release(link);
    throw asOperationError(error, reading);
  }
}

/** The largest file that is read as a whole. */
const SMALL = 256 * 1024;

interface ReadRange extends PathContext {
  readonly expect: FileEntry;
  readonly from: number;
  readonly to: number;
}

async function statFile(link: ControlConnection, site: FtpSession, reading: ReadContext): Promise<FileEntry> {
  const found = await stat(link, site, { ...reading, precise: true });
  if (found === undefined) throw operationError(reading, "notFound", { why: "there is no such file" });
  if (found.kind === "file") return found;
  throw operationError(reading, "refused", { why: found.kind === "dir" ? "it is a folder" : "it is no regular file" });
}

async function readSmall(link: ControlConnection, site: FtpSession, work: ReadRange): Promise<Uint8Array<ArrayBuffer>> {
  const { from, to, expect, signal, operation } = work;
  const command = `RETR ${encodePath(site, work)}`;
  const left = expect.size - from;
  // One byte more, to detect a file that is larger than listed.
  const memory = new Uint8Array(left + 1);
  let size = 0;
  const { reply, replies } = await download(link, {
    doing: work,
    command,
    from,
    nextCommands: recheckCommands(site, work),
  }, {
    nextBuffer: () => memory.subarray(size),
    onRead: (count) => {
      size += count;
      if (size > left) throw tooLong(work);
    },
  });
  if (reply.code >= 300) throw await explainReadRefusal(link, site, { work, reply });
  const after = await recheck(link, site, { ...work, replies, size: expect.size });
  if (signal.aborted) throw cancelled(signal, operation);
  assertUnchanged(after, { ...work, expect });
  if (size !== left) throw endedEarly(work, from + size);
  return memory.subarray(0, to - from);
}

/** Streams the bytes over one connection, which is released after the last one. */
async function readLarge(link: ControlConnection, site: FtpSession, work: ReadRange): Promise<Content> {
  const { from, to, signal, operation } = work;
  const data = await openDataConnection(link, { doing: work, from });
  const pending = link.sendCommand(`RETR ${encodePath(site, work)}`, { patient: true });
  pending.then((reply) => reply.code >= 300 && data.destroy(), () => data.destroy());
  let at = from;
  let isOver = false;
  const finish = async () => {
    if (isOver) return;
    isOver = true;
    signal.removeEventListener("abort", stop);
    await abortTransfer(link, data, pending);
    site.pool.release(link);
  };
  const stop = () => data.destroy();
  signal.addEventListener("abort", stop);
  const next = async (into: Uint8Array<ArrayBuffer>): Promise<number | undefined> => {
    const count = at < to ? await data.read(into.subarray(0, to - at)) : undefined;
    if (count !== undefined) return count;
    if (to === work.expect.size) await assertEnd(link, site, { range: work, data, pending, at });
    else if (at < to) throw endedEarly(work, at);
    return undefined;
  };
  return toByteStream({
    async pull(into) {
      try {
        if (signal.aborted) throw cancelled(signal, operation);
        const count = await next(into);
        if (count === undefined) return void await finish();
        at += count;
        return into.subarray(0, count);
      } catch (error) {
        const why = await pendingRefusal(link, site, { work, pending, error });
        await finish();
        throw signal.aborted ? cancelled(signal, operation) : asOperationError(why, work);
      }
    },
    cancel: finish,
  });
}

interface StreamEnd {
  readonly range: ReadRange;
  readonly data: Transport;
  readonly pending: Promise<Reply>;
  readonly at: number;
}

/** Checks, after the last byte, that the server ended the transfer and the file is unchanged. */
async function assertEnd(
  link: ControlConnection,
  site: FtpSession,
  { range: work, data, pending, at }: StreamEnd,
): Promise<void> {
  const more = at < work.to ? undefined : await data.read(new Uint8Array(1));
  if (more !== undefined) throw tooLong(work);
  data.destroy();
  const { reply, replies } = await link.finishTransfer(pending, recheckCommands(site, work));
  if (reply.code >= 300) throw toSyncError(work, reply);
  assertUnchanged(await recheck(link, site, { ...work, replies, size: work.expect.size }), work);
  if (at < work.to) throw endedEarly(work, at);
}

/** Returns the server's refusal if there is one, which is more precise than the error of the broken data connection. */
async function pendingRefusal(
  link: ControlConnection,
  site: FtpSession,
  { work, pending, error }: { readonly work: ReadRange; readonly pending: Promise<Reply>; readonly error: unknown },
): Promise<unknown> {
  link.armTimeout();
  const reply = await Promise.race([pending.catch(() => undefined), Promise.resolve(undefined)]);
  if (reply === undefined || reply.code < 300 || work.signal.aborted || link.closed) return error;
  return reply.code === 426 || reply.code === 451 ? error : await explainReadRefusal(link, site, { work, reply });
}

async function explainReadRefusal(
  link: ControlConnection,
  site: FtpSession,
  { work, reply }: { readonly work: ReadRange; readonly reply: Reply },
): Promise<Error> {
  if (reply.code !== 550 && reply.code !== 553) return toSyncError(work, reply);
  const found = await stat(link, site, { ...work, precise: true });
  if (found === undefined) return operationError(work, "notFound", { why: "there is no such file" });
  if (found.kind !== "file") return operationError(work, "refused", { why: "it is no regular file" });
  return operationError(work, "denied", { why: reply.text.slice(0, 200) });
}

function endedEarly(work: ReadRange, at: number): Error {
  return operationError(work, "changed", {
    why: `it ended at byte ${at} instead of ${work.expect.size} while it was read`,
  });
}

function tooLong(work: ReadRange): Error {
  return operationError(work, "changed", {
    why: `the server sends more than the ${work.expect.size} bytes it was listed with`,
  });
}
