import { cancelled } from "../../core/errors.ts";
import type { FileEntry } from "../../core/entry.ts";
import { type Content, type ReadOptions, SMALL_FILE_BYTES } from "../../core/backend.ts";
import { toByteStream } from "../../net/byte_stream.ts";
import {
  abortTransfer,
  download,
  endWithCommand,
  finalReplyLimit,
  finishWhole,
  openTransfer,
} from "./data_transfer.ts";
import type { ControlConnection } from "./control_connection.ts";
import { assertUnchanged, recheck, recheckCommands, stat } from "./stat.ts";
import { serverMessage, toSyncError } from "./errors.ts";
import { FinalReplyLost, type Reply, RestRefused } from "./replies.ts";
import { asOperationError, encodePath, type FtpSession, type PathContext, withConnection } from "./session.ts";
import type { Transport } from "../../net/transport.ts";
import { operationError } from "../../core/operation.ts";

export type ReadContext = PathContext & Pick<ReadOptions, "offset" | "length" | "expect" | "onModified">;

/**
 * Reads a file or a range of it: a small one as a whole, a large one as a stream. Checks the number of bytes and, after
 * the last one, that the file is unchanged.
 */
export async function readFile(session: FtpSession, context: ReadContext): Promise<Content> {
  try {
    return await readRange(session, context);
  } catch (error) {
    if (!(error instanceof RestRefused)) throw error;
    session.learned.lacksRest = true;
    return await readRange(session, context);
  }
}

async function readRange(session: FtpSession, context: ReadContext): Promise<Content> {
  const expect = context.expect ??
    await withConnection(session, context, (control) => statFile(control, session, context));
  const from = Math.min(context.offset ?? 0, expect.size);
  const to = Math.min(expect.size, from + (context.length ?? Infinity));
  const range: ReadRange = { ...context, expect, from, to };
  const isAtStart = from === 0 || !session.learned.lacksRest;
  if (isAtStart && to - from <= SMALL_FILE_BYTES && expect.size - to <= SMALL_FILE_BYTES) {
    const small = { memory: new Uint8Array(expect.size - from + 1), size: 0 };
    return await withConnection(session, context, (control) => readSmall(control, session, { ...range, small })).catch(
      async (error) => {
        if (!(error instanceof FinalReplyLost)) throw error;
        await confirmUnchanged(session, range);
        return small.memory.subarray(0, to - from);
      },
    );
  }
  const control = await session.pool.lease(context);
  try {
    return await readLarge(control, session, range);
  } catch (error) {
    session.pool.release(control);
    throw asOperationError(session, error, context);
  }
}

interface ReadRange extends PathContext, Pick<ReadOptions, "onModified"> {
  readonly expect: FileEntry;
  readonly from: number;
  readonly to: number;
}

async function statFile(control: ControlConnection, session: FtpSession, context: ReadContext): Promise<FileEntry> {
  const found = await stat(control, session, { ...context, precise: true });
  if (found === undefined) throw operationError(context, "notFound", { why: "there is no such file" });
  if (found.kind === "file") return found;
  throw operationError(context, "refused", {
    why: found.kind === "dir" ? "it is a folder" : "it is not a regular file",
  });
}

/** The bytes of a small file as they come. The memory has one byte more, to detect a file that is larger than listed. */
interface SmallRead {
  readonly memory: Uint8Array<ArrayBuffer>;
  size: number;
}

/** Checks on another connection that a file is unchanged whose bytes all came, and whose final reply was lost. */
async function confirmUnchanged(session: FtpSession, range: ReadRange): Promise<void> {
  await withConnection(session, range, async (control) => {
    assertUnchanged(await stat(control, session, { ...range, precise: true }), range);
  });
}

async function readSmall(
  control: ControlConnection,
  session: FtpSession,
  { small, ...range }: ReadRange & { readonly small: SmallRead },
): Promise<Uint8Array<ArrayBuffer>> {
  const { from, to, expect, signal, operation } = range;
  const command = `RETR ${encodePath(session, range)}`;
  const left = expect.size - from;
  const { memory } = small;
  const { reply, replies } = await download(control, {
    context: range,
    command,
    from,
    nextCommands: recheckCommands(session, range),
    finalLimit: () => small.size === left ? finalReplyLimit(session, left) : undefined,
  }, {
    nextBuffer: () => memory.subarray(small.size),
    onRead: (count) => {
      small.size += count;
      if (small.size > left) throw tooLong(range);
    },
  });
  if (reply.code >= 300) throw await explainReadRefusal(control, session, { range, reply });
  const after = await recheck(control, session, { ...range, replies, size: expect.size });
  if (signal.aborted) throw cancelled(signal, operation);
  assertUnchanged(after, { ...range, expect });
  if (small.size !== left) throw endedEarly(range, from + small.size);
  if (after?.kind === "file" && after.modified !== undefined) range.onModified?.(after.modified);
  return memory.subarray(0, to - from);
}

/** Streams the bytes over one connection, which is released after the last one. */
async function readLarge(control: ControlConnection, session: FtpSession, range: ReadRange): Promise<Content> {
  const { from, to, signal, operation } = range;
  // Without REST the bytes before the range come too.
  let unwanted = session.learned.lacksRest ? from : 0;
  const data = await openTransfer(control, { context: range, from: from - unwanted });
  const pending = control.sendCommand(`RETR ${encodePath(session, range)}`, { untimed: true });
  endWithCommand(data, { pending, isSized: true });
  let at = from;
  let isOver = false;
  const finish = async () => {
    if (isOver) return;
    isOver = true;
    signal.removeEventListener("abort", stop);
    await abortTransfer(control, data, pending);
    session.pool.release(control);
  };
  const stop = () => data.destroy();
  signal.addEventListener("abort", stop);
  const next = async (into: Uint8Array<ArrayBuffer>): Promise<number | undefined> => {
    while (unwanted > 0) {
      const count = await data.read(into.subarray(0, unwanted));
      if (count === undefined) throw endedEarly(range, from - unwanted);
      unwanted -= count;
    }
    const count = at < to ? await data.read(into.subarray(0, to - at)) : undefined;
    if (count !== undefined) return count;
    if (to === range.expect.size) await assertEnd(control, session, { range, data, pending, at });
    else if (at < to) throw endedEarly(range, at);
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
        if (error instanceof FinalReplyLost) {
          await finish();
          return void await confirmUnchanged(session, range);
        }
        const why = await pendingRefusal(control, session, { range, pending, error });
        await finish();
        throw signal.aborted ? cancelled(signal, operation) : asOperationError(session, why, range);
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
  control: ControlConnection,
  session: FtpSession,
  { range, data, pending, at }: StreamEnd,
): Promise<void> {
  const more = at < range.to ? undefined : await data.read(new Uint8Array(1));
  if (more !== undefined) throw tooLong(range);
  data.destroy();
  const nextCommands = recheckCommands(session, range);
  const limit = finalReplyLimit(session, range.expect.size);
  const { reply, replies } = at < range.to
    ? await control.finishTransfer(pending, nextCommands)
    : await finishWhole(control, { pending, nextCommands, context: range, limit });
  if (reply.code >= 300) throw toSyncError(range, reply);
  assertUnchanged(await recheck(control, session, { ...range, replies, size: range.expect.size }), range);
  if (at < range.to) throw endedEarly(range, at);
}

/** Returns the server's refusal if there is one, which is more precise than the error of the broken data connection. */
async function pendingRefusal(
  control: ControlConnection,
  session: FtpSession,
  { range, pending, error }: { readonly range: ReadRange; readonly pending: Promise<Reply>; readonly error: unknown },
): Promise<unknown> {
  control.armTimeout();
  const reply = await Promise.race([pending.catch(() => undefined), Promise.resolve(undefined)]);
  if (reply === undefined || reply.code < 300 || range.signal.aborted || control.closed) return error;
  return reply.code === 426 || reply.code === 451
    ? error
    : await explainReadRefusal(control, session, { range, reply });
}

async function explainReadRefusal(
  control: ControlConnection,
  session: FtpSession,
  { range, reply }: { readonly range: ReadRange; readonly reply: Reply },
): Promise<Error> {
  if (reply.code !== 550 && reply.code !== 553) return toSyncError(range, reply);
  const found = await stat(control, session, { ...range, precise: true });
  if (found === undefined) return operationError(range, "notFound", { why: "there is no such file" });
  if (found.kind !== "file") return operationError(range, "refused", { why: "it is not a regular file" });
  return operationError(range, "denied", { why: serverMessage(reply) });
}

function endedEarly(range: ReadRange, at: number): Error {
  return operationError(range, "changed", {
    why: `it ended at byte ${at} instead of ${range.expect.size} while it was read`,
  });
}

function tooLong(range: ReadRange): Error {
  return operationError(range, "changed", {
    why: `the server sends more than the ${range.expect.size} bytes it was listed with`,
  });
}
