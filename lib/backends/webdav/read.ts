import { cancelled } from "../../core/errors.ts";
import { type Content, type ReadOptions, SMALL_FILE_BYTES } from "../../core/backend.ts";
import { CHUNK_SIZE, toByteStream } from "../../net/byte_stream.ts";
import type { HttpResponse } from "../../http/client.ts";
import { parallelDownload, PIECE_SIZE, type PieceBuffer } from "../../http/parallel_download.ts";
import { parseDate } from "../../http/date.ts";
import { strongEtag } from "./entry.ts";
import { encodePath } from "./href.ts";
import { toSyncError } from "./errors.ts";
import { operationError } from "../../core/operation.ts";
import type { DavClient, PathContext } from "./client.ts";
import { assertUnchanged, stat } from "./stat.ts";

export interface PendingRead extends PathContext, Pick<ReadOptions, "offset" | "length" | "expect"> {}

/** Reads a file or a range of it: a small one as a whole, a large one as a stream. */
export async function readFile(client: DavClient, request: PendingRead): Promise<Content> {
  const { offset = 0, length, expect } = request;
  if (length === 0 || (expect !== undefined && offset >= expect.size)) {
    await assertFileUnchanged(client, request);
    return new Uint8Array();
  }
  const end = Math.min(expect?.size ?? 0, offset + (length ?? Infinity));
  const isLarge = end - offset > PARALLEL_MIN_SIZE;
  const isRange = offset > 0 || length !== undefined || isLarge;
  const start = performance.now();
  const response = await get(client, request, {
    from: isRange ? offset : undefined,
    to: length === undefined ? undefined : offset + length,
  });
  const highLatency = performance.now() - start > HIGH_LATENCY_MS;
  try {
    if (response.status === 416 && isRange) return await emptyRange(client, response, request);
    if (response.status !== 200 && response.status !== 206) throw await readError(client, response, request);
    const range = parseRange(response, request);
    const isProven = provesVersion(response, { ...request, total: range.total });
    const check = () => assertFileUnchanged(client, request);
    if (isLarge && highLatency && response.status === 206) {
      return readInParallel(client, response, { ...request, from: offset, to: end });
    }
    return await toContent(response, { ...request, ...range, isProven, check });
  } catch (error) {
    await response.discard();
    throw error;
  }
}

/** Sends GET for a range, `to` exclusive, or for the whole file without `from`. */
async function get(
  { http }: DavClient,
  target: PathContext,
  { from, to }: { readonly from: number | undefined; readonly to: number | undefined },
): Promise<HttpResponse> {
  const range = from === undefined ? {} : { headers: { range: `bytes=${from}-${to === undefined ? "" : to - 1}` } };
  return await http.send({ method: "GET", uri: encodePath(target.serverPath), ...range }, target);
}

/**
 * Downloads the file in parallel ranged requests. The version marks of every piece must equal those of the first reply.
 */
function readInParallel(
  client: DavClient,
  first: HttpResponse,
  { from, to, ...request }: PendingRead & { readonly from: number; readonly to: number },
): Content {
  const marks = versionOf(first);
  const wrong = (given: number, size: number) =>
    operationError(request, "changed", { why: `the server sent ${given} of the ${size} bytes of a range` });
  const whole = async (response: HttpResponse, size: number, { memory }: PieceBuffer) => {
    const bytes = await response.readAll(PIECE_SIZE, memory);
    if (bytes.length === size) return bytes;
    throw wrong(bytes.length, size);
  };
  /** Reads the first piece from the first reply, which carries the whole rest and is left after that piece. */
  const firstPiece = async ({ memory }: PieceBuffer) => {
    const size = Math.min(PIECE_SIZE, to - from);
    let at = 0;
    while (at < size) {
      const part = await first.read(memory.subarray(at, size));
      if (part === undefined) throw wrong(at, size);
      at += part.length;
    }
    first.abandon();
    return memory.subarray(0, size);
  };
  return parallelDownload({
    from,
    to,
    signal: request.signal,
    pieceLimit: client.pieceLimit,
    first: firstPiece,
    piece: async ({ from: start, to: end }, buffer) => {
      const response = await get(client, { ...request, signal: buffer.signal }, { from: start, to: end });
      if (response.status === 206 && versionOf(response) === marks) {
        parseRange(response, { ...request, offset: start, length: end - start });
        return await whole(response, end - start, buffer);
      }
      await response.discard();
      if (response.status === 206 || response.status === 200 || response.status === 416) {
        throw operationError(request, "changed", { why: "it was replaced while it was read" });
      }
      throw toSyncError(request, response);
    },
    finish: () => assertFileUnchanged(client, request),
  });
}

/**
 * Returns the marks that identify a file's version in replies to GET. A weak ETag may become strong meanwhile, so both
 * forms count as equal.
 */
function versionOf({ headers }: HttpResponse): string {
  const size = String(headers["content-range"] ?? "").replace(/^.*\//, "");
  return [size, headers["last-modified"], String(headers.etag ?? "").replace(/^W\//, "")].join(" ");
}

/**
 * The size above which a file is downloaded in parallel at high latency: one connection carries no more than its window
 * per round trip.
 */
const PARALLEL_MIN_SIZE = 2 * PIECE_SIZE;
/** The ms until a reply begins above which latency counts as high. */
const HIGH_LATENCY_MS = 100;

/** The position of the requested bytes in a reply. Values are undefined if neither reply nor caller knows a length. */
interface SentRange {
  /** The number of bytes in the reply before the requested ones. */
  readonly skip: number;
  /** The number of requested bytes. */
  readonly take: number | undefined;
  /** The file's size. */
  readonly total: number | undefined;
}

function parseRange({ status, headers }: HttpResponse, request: PendingRead): SentRange {
  const { offset = 0, length = Infinity } = request;
  const carried = headers["content-length"] === undefined ? undefined : Number(headers["content-length"]);
  if (status === 200) {
    const total = carried ?? request.expect?.size;
    const take = total === undefined ? undefined : Math.max(0, Math.min(length, total - offset));
    return { skip: offset, take, total };
  }
  const [, from, to, all] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(String(headers["content-range"] ?? "")) ?? [];
  const total = all === "*" ? request.expect?.size : Number(all);
  const end = Math.min(total ?? Number(to) + 1, offset + length);
  if (Number(from) !== offset || Number(to) + 1 !== end) {
    throw operationError(request, "unexpected", { why: "the server sends another range than the requested one" });
  }
  return { skip: 0, take: end - offset, total };
}

/**
 * Whether the reply's headers prove that it carries the expected file. If they do not, a stat after the last byte
 * decides: until then the reply holds a connection, and another request would have to wait for one.
 */
function provesVersion(
  { headers }: HttpResponse,
  request: PendingRead & { readonly total: number | undefined },
): boolean {
  const { expect, total } = request;
  if (expect === undefined) return true;
  const changed = total !== undefined && total !== expect.size;
  if (changed) throw operationError(request, "changed", { why: `it has ${total} bytes now, ${expect.size} before` });
  const tag = strongEtag(headers.etag as string | undefined);
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

async function assertFileUnchanged(client: DavClient, request: PendingRead): Promise<void> {
  const { expect } = request;
  const found = await stat(client, request);
  const entry = found?.entry;
  if (entry === undefined) throw operationError(request, "notFound", { why: "there is no such file" });
  if (entry.kind !== "file") throw operationError(request, "refused", { why: "it is not a file" });
  if (expect !== undefined) await assertUnchanged(client, request, { expect, found });
}

async function emptyRange(client: DavClient, response: HttpResponse, request: PendingRead): Promise<Content> {
  await response.discard();
  await assertFileUnchanged(client, request);
  if (request.expect === undefined) return new Uint8Array();
  throw operationError(request, "unexpected", { why: "the server refuses a range that the file has (416)" });
}

async function readError(client: DavClient, response: HttpResponse, request: PendingRead): Promise<Error> {
  await response.discard();
  if (response.status === 404 || response.status === 410) return toSyncError(request, response);
  const found = (await stat(client, request))?.entry;
  if (found === undefined) return operationError(request, "notFound", { why: "there is no such file" });
  return found.kind === "dir"
    ? operationError(request, "refused", { why: "it is a folder" })
    : toSyncError(request, response);
}

interface RangeRead extends PendingRead, SentRange {
  /** Whether the reply's headers proved which version it carries. */
  readonly isProven: boolean;
  /** Checks that the file is the expected one. It needs a connection, so the reply's own must be free before. */
  check(): Promise<void>;
}

async function toContent(response: HttpResponse, request: RangeRead): Promise<Content> {
  const { skip, take } = request;
  // A server without range support sends more than was requested.
  const isLong = Number(response.headers["content-length"] ?? 0) > SMALL_FILE_BYTES;
  if (take === undefined || isLong || skip + take > SMALL_FILE_BYTES) return toStream(response, request);
  const whole = await readUpTo(response, skip + take, request);
  if (!request.isProven) await request.check();
  const part = skip === 0 ? whole : whole.slice(skip);
  if (part.length < take) {
    throw operationError(request, "changed", { why: `it ended after ${part.length} of ${take} bytes` });
  }
  return part;
}

/** Returns up to `maxBytes` bytes of the reply. Rejects with changed if a whole file is longer than it was listed. */
async function readUpTo(
  response: HttpResponse,
  maxBytes: number,
  request: PendingRead,
): Promise<Uint8Array<ArrayBuffer>> {
  // One byte more, to detect that more comes.
  const memory = new Uint8Array(maxBytes + 1);
  for (let at = 0;;) {
    const part = await response.read(memory.subarray(at));
    if (part === undefined) return memory.subarray(0, at);
    at += part.length;
    if (at <= maxBytes) continue;
    response.abandon();
    assertNotLonger(maxBytes, request);
    return memory.subarray(0, maxBytes);
  }
}

function assertNotLonger(size: number, request: PendingRead): void {
  if (request.expect?.size !== size) return;
  throw operationError(request, "changed", { why: `the server sends more than the ${size} bytes it was listed with` });
}

/**
 * Streams the requested part. The file is checked again after the last byte, because it may be written while it is
 * sent.
 */
function toStream(response: HttpResponse, request: RangeRead): ReadableStream<Uint8Array<ArrayBuffer>> {
  const { take = Infinity, signal, expect } = request;
  const start = request.offset ?? 0;
  let { skip } = request;
  let given = 0;
  const finish = async () => {
    // At its end the reply frees its connection.
    if (await response.read(new Uint8Array(1)) !== undefined) {
      response.abandon();
      assertNotLonger(start + given, request);
    }
    if (expect !== undefined) await request.check();
    if (take !== Infinity && given < take) {
      throw operationError(request, "changed", { why: `it ended after ${given} of ${take} bytes` });
    }
  };
  return toByteStream({
    pull: async (into) => {
      if (signal.aborted) throw cancelled(signal, request.operation);
      while (skip > 0) {
        const part = await response.read(new Uint8Array(Math.min(skip, CHUNK_SIZE)));
        if (part === undefined) break;
        skip -= part.length;
      }
      const bytes = given < take ? await response.read(into.subarray(0, take - given)) : undefined;
      if (bytes === undefined) return void await finish();
      given += bytes.length;
      return bytes;
    },
    cancel: () => response.abandon(),
  });
}
