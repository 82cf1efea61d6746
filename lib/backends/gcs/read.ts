import { Buffer } from "node:buffer";
import { cancelled } from "../../core/errors.ts";
import { type Content, type ReadOptions, SMALL_FILE_BYTES } from "../../core/backend.ts";
import { describeMismatch } from "../shared/preconditions.ts";
import type { GcsClient, ObjectContext } from "./client.ts";
import { stat } from "./stat.ts";
import { ContentCheck, type ContentHashes, parseHashes } from "./checksum.ts";
import { openChunkReader, toByteStream } from "../../net/byte_stream.ts";
import type { HttpResponse } from "../../http/client.ts";
import { parallelDownload, PIECE_SIZE, type PieceBuffer } from "../../http/parallel_download.ts";
import { operationError } from "../../core/operation.ts";
import type { Semaphore } from "../../net/semaphore.ts";

/**
 * The parameters of a read. `pieces`: the limit that all large files of a session share; `onUnchecked`: called for a
 * whole content without a checksum.
 */
export type ReadRequest = ObjectContext & Pick<ReadOptions, "offset" | "length" | "expect"> & {
  readonly pieces: Semaphore;
  onUnchecked?(): void;
};

/**
 * Returns the content or a range of it: small ones from memory, large ones as a stream. All requests name the expected
 * generation, so that all bytes belong to one version; a whole content is compared with its hash.
 */
export async function readObject(client: GcsClient, request: ReadRequest): Promise<Content> {
  const { offset = 0, length, expect } = request;
  if (length === 0 || (expect !== undefined && offset >= expect.size)) {
    await assertExpected(client, request);
    return new Uint8Array();
  }
  const generation = expect === undefined ? undefined : expect.revision ?? await assertExpected(client, request);
  const end = Math.min(expect?.size ?? Infinity, offset + (length ?? Infinity));
  const isLarge = end !== Infinity && end - offset > PARALLEL_BYTES;
  const part: ByteRange = {
    generation,
    from: offset,
    to: isLarge ? offset + PIECE_SIZE : offset === 0 && length === undefined ? undefined : end,
  };
  const reply = await getRange(client, request, part);
  try {
    if (reply.status === 416) return await emptyContent(client, reply, request);
    if (reply.status === 404) throw await missingFileError(client, reply, request);
    const size = sizeOf(reply, part, request);
    if (expect !== undefined && !isLarge && size !== end - offset) {
      throw operationError(request, "changed", { why: `the server sends ${size} bytes of ${end - offset}` });
    }
    const isWhole = offset === 0 && (length === undefined || length >= (expect?.size ?? Infinity));
    const hashes = isWhole ? hashesOf(reply, expect) : noHashes;
    if (isWhole && hashes === noHashes) request.onUnchecked?.();
    const check = new ContentCheck(hashes);
    if (isLarge) return readInParallel(client, { ...request, reply, check, generation, end });
    return await toContent(reply, { ...request, size, proof: check });
  } catch (error) {
    await reply.discard();
    throw error;
  }
}

/** The size from which a file is read in pieces, several of them in parallel. */
const PARALLEL_BYTES = 2 * PIECE_SIZE;
const noHashes: ContentHashes = {};

/** `to` exclusive; the whole object without it. */
interface ByteRange {
  readonly generation: string | undefined;
  readonly from: number;
  readonly to: number | undefined;
}

async function getRange(
  client: GcsClient,
  request: ReadRequest,
  { generation, from, to }: ByteRange,
): Promise<HttpResponse> {
  const range = to === undefined ? {} : { range: `bytes=${from}-${to === Infinity ? "" : to - 1}` };
  return await client.sendForSuccess({
    method: "GET",
    uri: client.uri(request.key, { alt: "media", ifGenerationMatch: generation }),
    // Without it an object that is stored compressed would be sent decompressed, and longer than it is listed.
    headers: { ...range, "accept-encoding": "gzip" },
  }, { ...request, also: [404, 416] });
}

/** Returns the hash that the listing reports, otherwise the one that came with the content. */
function hashesOf({ headers }: HttpResponse, expect: ReadRequest["expect"]): ContentHashes {
  const listed = /^md5:([\da-f]{32})$/.exec(expect?.checksum ?? "")?.[1];
  if (listed !== undefined) return { md5: Buffer.from(listed, "hex").toString("base64") };
  const sent = parseHashes(headers["x-goog-hash"]);
  return sent.md5 === undefined && sent.crc32c === undefined ? noHashes : sent;
}

/** Returns the number of bytes in the reply, which must be that of the part. */
function sizeOf({ status, headers }: HttpResponse, { from, to }: ByteRange, request: ReadRequest): number {
  const length = headers["content-length"];
  const { expect } = request;
  if (to === undefined && status === 200 && length !== undefined) {
    if (expect === undefined || Number(length) === expect.size) return Number(length);
    throw operationError(request, "changed", { why: `the server sends ${length} bytes, ${expect.size} are listed` });
  }
  const [, first, last] = /^bytes (\d+)-(\d+)\/\d+$/.exec(String(headers["content-range"] ?? "")) ?? [];
  const most = to === undefined ? 0 : to;
  if (status === 206 && Number(first) === from && Number(last) < most) return Number(last) + 1 - from;
  throw operationError(request, "unexpected", { why: "the server sent another range than the requested one" });
}

interface ParallelRead extends ReadRequest {
  readonly reply: HttpResponse;
  readonly check: ContentCheck;
  readonly generation: string | undefined;
  readonly end: number;
}

function readInParallel(
  client: GcsClient,
  { reply, check, generation, end, ...request }: ParallelRead,
): Content {
  const from = request.offset ?? 0;
  const whole = async (one: HttpResponse, size: number, { memory }: PieceBuffer) => {
    const bytes = await one.readAll(PIECE_SIZE, memory);
    if (bytes.length === size) return bytes;
    throw operationError(request, "changed", { why: `it gave ${bytes.length} of ${size} bytes of a piece` });
  };
  const chunks = openChunkReader(
    parallelDownload({
      from,
      to: end,
      signal: request.signal,
      pieceLimit: request.pieces,
      first: (room) => whole(reply, Math.min(PIECE_SIZE, end - from), room),
      piece: async (range, room) => {
        const part: ByteRange = { generation, ...range };
        const one = await getRange(client, { ...request, signal: room.signal }, part);
        if (one.status === 404 || one.status === 416) {
          await one.discard();
          throw operationError(request, "changed", { why: "it was replaced while it was read" });
        }
        sizeOf(one, part, request);
        return await whole(one, range.to - range.from, room);
      },
      finish: () => Promise.resolve(),
    }),
    { reusesBuffer: true },
  );
  return checkedStream({
    ...request,
    check,
    size: end - from,
    next: (into) => chunks.next(into),
    leave: () => chunks.cancel(),
  });
}

async function toContent(
  reply: HttpResponse,
  { size, proof: check, ...request }: ReadRequest & { readonly size: number; readonly proof: ContentCheck },
): Promise<Content> {
  if (size <= SMALL_FILE_BYTES) {
    const bytes = await reply.readAll(size);
    if (bytes.length !== size) throw truncatedError(request, bytes.length, size);
    check.update(bytes);
    check.assertMatches(request, true);
    return bytes;
  }
  return checkedStream({
    ...request,
    size,
    check,
    next: (into) => reply.read(into),
    leave: () => reply.abandon(),
  });
}

interface CheckedSource extends ObjectContext {
  readonly size: number;
  readonly check: ContentCheck;
  next(into: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | undefined>;
  leave(): Promise<void> | void;
}

/**
 * Streams the bytes and compares them with the hash after the last one. A stream resumed from there would hide the
 * earlier bytes.
 */
function checkedStream(
  { size, check, next, leave, ...context }: CheckedSource,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let given = 0;
  return toByteStream({
    pull: async (into) => {
      if (context.signal.aborted) {
        await leave();
        throw cancelled(context.signal, context.operation);
      }
      const bytes = await next(into);
      given += bytes?.length ?? 0;
      if (given > size) {
        await leave();
        throw operationError(context, "changed", { why: `the server sends more than the ${size} bytes it has` });
      }
      if (bytes !== undefined) check.update(bytes);
      else if (given < size) throw truncatedError(context, given, size);
      else check.assertMatches(context, false);
      return bytes;
    },
    cancel: leave,
  });
}

function truncatedError(context: ObjectContext, given: number, size: number): Error {
  return operationError(context, "connection", { why: `it ended after ${given} of ${size} bytes` });
}

async function emptyContent(client: GcsClient, reply: HttpResponse, request: ReadRequest): Promise<Content> {
  await reply.discard();
  await assertExpected(client, request);
  if (request.expect === undefined) return new Uint8Array();
  throw operationError(request, "unexpected", { why: "the server does not give a part that the file has (416)" });
}

/** Checks that the object is the expected one and returns its generation. */
async function assertExpected(client: GcsClient, request: ReadRequest): Promise<string | undefined> {
  const { expect } = request;
  const found = (await stat(client, request))?.entry;
  if (found === undefined) throw operationError(request, "notFound", { why: "there is no such file" });
  if (found.kind !== "file") throw operationError(request, "refused", { why: "it is a folder" });
  const why = expect === undefined ? undefined : describeMismatch(expect, found);
  if (why !== undefined) throw operationError(request, "changed", { why });
  return found.revision;
}

async function missingFileError(client: GcsClient, reply: HttpResponse, request: ReadRequest): Promise<Error> {
  await reply.discard();
  const found = await stat(client, request);
  if (found === undefined) return operationError(request, "notFound", { why: "there is no such file" });
  const isFolder = found.entry.kind === "dir";
  return operationError(request, isFolder ? "refused" : "changed", {
    why: isFolder ? "it is a folder" : "it was replaced meanwhile",
  });
}
