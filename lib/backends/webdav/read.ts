import { cancelled } from "../../core/errors.ts";
import type { Content, ReadOptions } from "../../core/backend.ts";
import { CHUNK, streamOf } from "../../net/byte_stream.ts";
import type { Reply } from "../../http/client.ts";
import { PIECE, type Room, striped } from "../../http/parallel_download.ts";
import { parseDate } from "../../http/date.ts";
import { strongTag } from "./entry.ts";
import { mustMatch } from "./preconditions.ts";
import { find, type Finder, type Spot } from "./propfind.ts";
import { encodePath } from "./href.ts";
import { refusal } from "./errors.ts";
import { operationError } from "../../core/operation.ts";

export interface Reading extends Spot, Pick<ReadOptions, "offset" | "length" | "expect"> {}

/** Reads a file or a range of it: a small one as a whole, a large one as a stream. */
export async function readFile(finder: Finder, reading: Reading): Promise<Content> {
  const { offset = 0, length, expect } = reading;
  if (length === 0 || (expect !== undefined && offset >= expect.size)) {
    await mustBeExpected(finder, reading);
    return new Uint8Array();
  }
  const end = Math.min(expect?.size ?? 0, offset + (length ?? Infinity));
  const isLarge = end - offset > WORTH_STRIPING;
  const isRange = offset > 0 || length !== undefined || isLarge;
  const start = performance.now();
  const reply = await get(finder, reading, {
    from: isRange ? offset : undefined,
    to: length === undefined ? undefined : offset + length,
  });
  const isFar = performance.now() - start > FAR_MS;
  try {
    if (reply.status === 416 && isRange) return await nothingThere(finder, reply, reading);
    if (reply.status !== 200 && reply.status !== 206) throw await whyUnreadable(finder, reply, reading);
    const range = rangeOf(reply, reading);
    const isProven = isSame(reply, { ...reading, total: range.total });
    const check = () => mustBeExpected(finder, reading);
    if (isLarge && isFar && reply.status === 206) {
      return inStripes(finder, reply, { ...reading, from: offset, to: end });
    }
    return await contentOf(reply, { ...reading, ...range, isProven, check });
  } catch (error) {
    await reply.drop();
    throw error;
  }
}

/** Sends GET for a range, `to` exclusive, or for the whole file without `from`. */
async function get(
  { link }: Finder,
  ask: Spot,
  { from, to }: { readonly from: number | undefined; readonly to: number | undefined },
): Promise<Reply> {
  const range = from === undefined ? {} : { headers: { range: `bytes=${from}-${to === undefined ? "" : to - 1}` } };
  return await link.send({ method: "GET", uri: encodePath(ask.names), ...range }, ask);
}

/**
 * Downloads the file in parallel ranged requests. The version marks of every piece must equal those of the first reply.
 */
function inStripes(
  finder: Finder,
  first: Reply,
  { from, to, ...reading }: Reading & { readonly from: number; readonly to: number },
): Content {
  const marks = marksOf(first);
  const wrong = (given: number, size: number) =>
    operationError(reading, "changed", { why: `it gave ${given} of ${size} bytes of a piece` });
  const whole = async (reply: Reply, size: number, { memory }: Room) => {
    const bytes = await reply.collect(PIECE, memory);
    if (bytes.length === size) return bytes;
    throw wrong(bytes.length, size);
  };
  /** Reads the first piece from the first reply, which carries the whole rest and is left after that piece. */
  const begun = async ({ memory }: Room) => {
    const size = Math.min(PIECE, to - from);
    let at = 0;
    while (at < size) {
      const part = await first.fill(memory.subarray(at, size));
      if (part === undefined) throw wrong(at, size);
      at += part.length;
    }
    first.leave();
    return memory.subarray(0, size);
  };
  return striped({
    from,
    to,
    signal: reading.signal,
    budget: finder.budget,
    first: begun,
    piece: async ({ from: start, to: end }, room) => {
      const reply = await get(finder, { ...reading, signal: room.signal }, { from: start, to: end });
      if (reply.status === 206 && marksOf(reply) === marks) {
        rangeOf(reply, { ...reading, offset: start, length: end - start });
        return await whole(reply, end - start, room);
      }
      await reply.drop();
      if (reply.status === 206 || reply.status === 200 || reply.status === 416) {
        throw operationError(reading, "changed", { why: "it was replaced while it was read" });
      }
      throw refusal(reading, reply);
    },
    finish: () => mustBeExpected(finder, reading),
  });
}

/**
 * Returns the marks that identify a file's version in replies to GET. A weak ETag may become strong meanwhile, so both
 * forms count as equal.
 */
function marksOf({ headers }: Reply): string {
  const size = String(headers["content-range"] ?? "").replace(/^.*\//, "");
  return [size, headers["last-modified"], String(headers.etag ?? "").replace(/^W\//, "")].join(" ");
}

/**
 * The size above which a file is downloaded in parallel at high latency: one connection carries no more than its window
 * per round trip.
 */
const WORTH_STRIPING = 2 * PIECE;
/** The ms until a reply begins above which latency counts as high. */
const FAR_MS = 100;

/** The largest file that is held in memory. */
const SMALL = 256 * 1024;

/** The position of the requested bytes in a reply. Values are undefined if neither reply nor caller knows a length. */
interface Range {
  /** The number of bytes in the reply before the requested ones. */
  readonly skip: number;
  /** The number of requested bytes. */
  readonly take: number | undefined;
  /** The file's size. */
  readonly total: number | undefined;
}

function rangeOf({ status, headers }: Reply, reading: Reading): Range {
  const { offset = 0, length = Infinity } = reading;
  const carried = headers["content-length"] === undefined ? undefined : Number(headers["content-length"]);
  if (status === 200) {
    const total = carried ?? reading.expect?.size;
    const take = total === undefined ? undefined : Math.max(0, Math.min(length, total - offset));
    return { skip: offset, take, total };
  }
  const [, from, to, all] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(String(headers["content-range"] ?? "")) ?? [];
  const total = all === "*" ? reading.expect?.size : Number(all);
  const end = Math.min(total ?? Number(to) + 1, offset + length);
  if (Number(from) !== offset || Number(to) + 1 !== end) {
    throw operationError(reading, "unexpected", { why: "the server sends another part than the one it was asked for" });
  }
  return { skip: 0, take: end - offset, total };
}

/**
 * Whether the reply's headers prove that it carries the expected file. If they do not, a stat after the last byte
 * decides: until then the reply holds a connection, and another request would have to wait for one.
 */
function isSame({ headers }: Reply, reading: Reading & { readonly total: number | undefined }): boolean {
  const { expect, total } = reading;
  if (expect === undefined) return true;
  const changed = total !== undefined && total !== expect.size;
  if (changed) throw operationError(reading, "changed", { why: `it has ${total} bytes now, ${expect.size} before` });
  const tag = strongTag(headers.etag as string | undefined);
  const modified = parseDate(headers["last-modified"] as string | undefined);
  const isServersTime = expect.timeStep !== undefined && expect.modified !== undefined && modified !== undefined;
  // An ETag that stays the same while the time changes proves nothing.
  if (isServersTime && toSecond(modified) !== toSecond(expect.modified)) return false;
  return expect.revision === undefined ? isServersTime : tag === expect.revision;
}

/** Rounds down to seconds, because the times in replies have no fractions. */
function toSecond(ms: number): number {
  return Math.floor(ms / 1000);
}

async function mustBeExpected(finder: Finder, reading: Reading): Promise<void> {
  const { expect } = reading;
  const seen = await find(finder, reading);
  const found = seen?.entry;
  if (found === undefined) throw operationError(reading, "notFound", { why: "there is no such file" });
  if (found.kind !== "file") throw operationError(reading, "refused", { why: "it is no file" });
  if (expect !== undefined) await mustMatch(finder, reading, { expect, seen });
}

async function nothingThere(finder: Finder, reply: Reply, reading: Reading): Promise<Content> {
  await reply.drop();
  await mustBeExpected(finder, reading);
  if (reading.expect === undefined) return new Uint8Array();
  throw operationError(reading, "unexpected", { why: "the server does not give a part that the file has (416)" });
}

async function whyUnreadable(finder: Finder, reply: Reply, reading: Reading): Promise<Error> {
  await reply.drop();
  if (reply.status === 404 || reply.status === 410) return refusal(reading, reply);
  const found = (await find(finder, reading))?.entry;
  if (found === undefined) return operationError(reading, "notFound", { why: "there is no such file" });
  return found.kind === "dir" ? operationError(reading, "refused", { why: "it is a folder" }) : refusal(reading, reply);
}

interface Taking extends Reading, Range {
  /** Whether the reply's headers proved which version it carries. */
  readonly isProven: boolean;
  /** Checks that the file is the expected one. It needs a connection, so the reply's own must be free before. */
  check(): Promise<void>;
}

async function contentOf(reply: Reply, taking: Taking): Promise<Content> {
  const { skip, take } = taking;
  // A server without range support sends more than was requested.
  const isLong = Number(reply.headers["content-length"] ?? 0) > SMALL;
  if (take === undefined || isLong || skip + take > SMALL) return toStream(reply, taking);
  const whole = await upTo(reply, skip + take, taking);
  if (!taking.isProven) await taking.check();
  const part = skip === 0 ? whole : whole.slice(skip);
  if (part.length < take) {
    throw operationError(taking, "changed", { why: `it ended after ${part.length} of ${take} bytes` });
  }
  return part;
}

/** Returns up to `most` bytes of the reply. Rejects with changed if a whole file is longer than it was listed. */
async function upTo(reply: Reply, most: number, reading: Reading): Promise<Uint8Array<ArrayBuffer>> {
  // One byte more, to detect that more comes.
  const memory = new Uint8Array(most + 1);
  for (let at = 0;;) {
    const part = await reply.fill(memory.subarray(at));
    if (part === undefined) return memory.subarray(0, at);
    at += part.length;
    if (at <= most) continue;
    reply.leave();
    mustBeNoLonger(most, reading);
    return memory.subarray(0, most);
  }
}

function mustBeNoLonger(size: number, reading: Reading): void {
  if (reading.expect?.size !== size) return;
  throw operationError(reading, "changed", { why: `the server sends more than the ${size} bytes it was listed with` });
}

/**
 * Streams the requested part. The file is checked again after the last byte, because it may be written while it is
 * sent.
 */
function toStream(reply: Reply, taking: Taking): ReadableStream<Uint8Array<ArrayBuffer>> {
  const { take = Infinity, signal, expect } = taking;
  const start = taking.offset ?? 0;
  let { skip } = taking;
  let given = 0;
  const finish = async () => {
    // At its end the reply frees its connection.
    if (await reply.fill(new Uint8Array(1)) !== undefined) {
      reply.leave();
      mustBeNoLonger(start + given, taking);
    }
    if (expect !== undefined) await taking.check();
    if (take !== Infinity && given < take) {
      throw operationError(taking, "changed", { why: `it ended after ${given} of ${take} bytes` });
    }
  };
  return streamOf({
    fill: async (into) => {
      if (signal.aborted) throw cancelled(signal, taking.operation);
      while (skip > 0) {
        const part = await reply.fill(new Uint8Array(Math.min(skip, CHUNK)));
        if (part === undefined) break;
        skip -= part.length;
      }
      const bytes = given < take ? await reply.fill(into.subarray(0, take - given)) : undefined;
      if (bytes === undefined) return void await finish();
      given += bytes.length;
      return bytes;
    },
    leave: () => reply.leave(),
  });
}
