import { createHash } from "node:crypto";
import { cancelled } from "../../core/errors.ts";
import { type Content, type ReadOptions, SMALL_FILE_BYTES } from "../../core/backend.ts";
import { openChunkReader, type StreamSource, toByteStream } from "../../net/byte_stream.ts";
import { describeMismatch } from "../shared/preconditions.ts";
import type { S3Client } from "./client.ts";
import type { Download } from "./types.ts";
import { errorReplyOf } from "./errors.ts";
import { keyOf, type ObjectContext } from "./keys.ts";
import { stat, toFileEntry } from "./stat.ts";
import { looksLikeMd5 } from "./etag.ts";
import { parallelDownload, type ParallelDownloadOptions, PIECE_SIZE } from "../../http/parallel_download.ts";
import { operationError } from "../../core/operation.ts";
import type { Semaphore } from "../../net/semaphore.ts";

export type ReadRequest = ObjectContext & Pick<ReadOptions, "offset" | "length" | "expect" | "onModified"> & {
  /** Called for content that cannot be compared with anything, neither an ETag nor a checksum. */
  onUnchecked?(): void;
};

/**
 * Returns the content or a range of it: small ones from memory, large ones as a stream. Rejects if the content does not
 * match the MD5 in the ETag: the ETag of the reply, or that of the listing if the reply has none.
 */
export async function readObject(client: S3Client, request: ReadRequest, pieces: Semaphore): Promise<Content> {
  const { offset = 0, length, expect } = request;
  if (length === 0 || (expect !== undefined && offset > 0 && offset >= expect.size)) {
    return await emptyContent(client, request);
  }
  const end = Math.min(expect?.size ?? 0, offset + (length ?? Infinity));
  const isLarge = end - offset > PARALLEL_BYTES;
  const to = isLarge ? offset + PIECE_SIZE : length === undefined ? undefined : offset + length;
  const isRange = offset > 0 || to !== undefined;
  const download = await getRange(
    client,
    request,
    isRange ? { from: offset, ...(to === undefined ? {} : { to }) } : {},
  );
  if (download === undefined) return await emptyContent(client, request);
  try {
    assertExpected(download, { ...request, offset, to });
    const { modified } = toFileEntry(request.path, download.facts);
    if (modified !== undefined) request.onModified?.(modified);
    const check = etagCheck(download, { expect, isWhole: offset === 0 && (length ?? Infinity) >= download.facts.size });
    if (check === undefined && download.facts.etag === undefined) await assertSameVersion(client, request);
    if (isLarge && download.length <= PIECE_SIZE) {
      return readInParallel(client, download, { ...request, from: offset, to: end, budget: pieces, check });
    }
    if (download.length <= SMALL_FILE_BYTES) return await readWhole(download, { ...request, check });
    const source: StreamSource = { pull: (into) => download.fill(into), cancel: () => download.drop() };
    return checkedStream(source, { ...request, check, size: download.length });
  } catch (error) {
    download.drop();
    throw error;
  }
}

/** The size from which a file is read in pieces. */
const PARALLEL_BYTES = 2 * PIECE_SIZE;

/** Returns undefined if the range begins after the end. */
async function getRange(
  client: S3Client,
  request: ReadRequest,
  range: { readonly from?: number; readonly to?: number },
): Promise<Download | undefined> {
  const ifMatch = request.expect?.revision;
  try {
    return await client.get(keyOf(request), request, { ...range, ...(ifMatch === undefined ? {} : { ifMatch }) });
  } catch (error) {
    if (errorReplyOf(error)?.status === 416 && request.expect === undefined) return undefined;
    throw error;
  }
}

function assertExpected(
  { facts, from, length }: Download,
  request: ReadRequest & { readonly offset: number; readonly to: number | undefined },
): void {
  const { expect, path, offset, to } = request;
  const why = expect === undefined ? undefined : describeMismatch(expect, toFileEntry(path, facts));
  if (why !== undefined) throw operationError(request, "changed", { why });
  // A store without range support sends the whole object.
  const isWhole = offset === 0 && length === facts.size && length === expect?.size;
  if (from === offset && (isWhole || length === Math.min(to ?? Infinity, facts.size) - offset)) return;
  throw operationError(request, "unexpected", { why: "the store sent another range than the requested one" });
}

/** Checks the version if the reply does not state it: the object's current version must be the expected one. */
async function assertSameVersion(client: S3Client, request: ReadRequest): Promise<void> {
  const { expect, onUnchecked } = request;
  const facts = expect?.revision === undefined ? undefined : await client.head(keyOf(request), request);
  if (facts?.etag === undefined) return onUnchecked?.();
  if (facts.etag !== expect?.revision) throw operationError(request, "changed", { why: "it was replaced meanwhile" });
}

async function emptyContent(client: S3Client, request: ReadRequest): Promise<Content> {
  const found = await stat(client, request);
  if (found === undefined) throw operationError(request, "notFound", { why: "there is no such object" });
  if (found.kind !== "file") throw operationError(request, "refused", { why: "it is no file" });
  const why = request.expect === undefined ? undefined : describeMismatch(request.expect, found);
  if (why !== undefined) throw operationError(request, "changed", { why });
  return new Uint8Array();
}

/** A check after the last byte of whether the content is what the store states. */
interface ContentCheck {
  take(bytes: Uint8Array): void;
  isRight(): boolean;
}

function etagCheck(
  { facts }: Download,
  { isWhole, expect }: { readonly isWhole: boolean; readonly expect: ReadRequest["expect"] | undefined },
): ContentCheck | undefined {
  const { isEtagOpaque } = facts;
  const etag = facts.etag ?? expect?.revision;
  if (!isWhole || isEtagOpaque || !looksLikeMd5(etag)) return undefined;
  const hash = createHash("md5");
  return { take: (bytes) => void hash.update(bytes), isRight: () => hash.digest("hex") === etag.toLowerCase() };
}

interface CheckedRead extends ReadRequest {
  readonly check: ContentCheck | undefined;
}

async function readWhole(download: Download, request: CheckedRead): Promise<Uint8Array<ArrayBuffer>> {
  const whole = await collectAll(download, request);
  request.check?.take(whole);
  // No bytes have been handed over yet: a retry may fetch them undamaged.
  if (request.check?.isRight() === false) throw operationError(request, "connection", { why: DAMAGED });
  return whole;
}

/** Returns all bytes of a download, exactly as many as expected. */
async function collectAll(
  download: Download,
  request: ReadRequest,
  memory?: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  const whole = await download.collect(memory);
  assertComplete(whole.length, { ...request, size: download.length });
  return whole;
}

/** Reads the pieces in order, several of them at once. */
function readInParallel(
  client: S3Client,
  first: Download,
  { budget: pieces, from, to, ...request }: CheckedRead & {
    readonly budget: Semaphore;
    readonly from: number;
    readonly to: number;
  },
): Content {
  const fetched: ParallelDownloadOptions["piece"] = async (range, { signal, memory }) => {
    const piece = await getRange(client, { ...request, signal }, range);
    if (piece === undefined || piece.facts.etag !== first.facts.etag || piece.facts.size !== first.facts.size) {
      piece?.drop();
      throw operationError(request, "changed", { why: "it was replaced while it was read" });
    }
    return await collectAll(piece, request, memory);
  };
  const content = parallelDownload({
    from,
    to,
    pieceLimit: pieces,
    signal: request.signal,
    first: ({ memory }) => collectAll(first, request, memory),
    piece: fetched,
    finish: () => Promise.resolve(),
  });
  if (request.check === undefined) return content;
  const chunks = openChunkReader(content, { reusesBuffer: true });
  const source: StreamSource = { pull: (into) => chunks.next(into), cancel: () => chunks.cancel() };
  return checkedStream(source, { ...request, size: to - from });
}

/** Returns the content as a stream, and compares it after its last byte with what the store states. */
function checkedStream(source: StreamSource, request: CheckedRead & { readonly size: number }): Content {
  const { signal, operation, check } = request;
  let given = 0;
  return toByteStream({
    pull: async (into) => {
      if (signal.aborted) {
        await source.cancel();
        throw cancelled(signal, operation);
      }
      const bytes = await source.pull(into);
      given += bytes?.length ?? 0;
      if (given > request.size) {
        await source.cancel();
        throw operationError(request, "changed", { why: `the store sends more than the ${request.size} bytes it has` });
      }
      if (bytes !== undefined) check?.take(bytes);
      else {
        assertComplete(given, request);
        assertChecksum(request);
      }
      return bytes;
    },
    cancel: () => source.cancel(),
  });
}

function assertComplete(given: number, request: ReadRequest & { readonly size: number }): void {
  if (given === request.size) return;
  throw operationError(request, "connection", { why: `it ended after ${given} of ${request.size} bytes` });
}

/** Throws an error that is not retryable: the bytes were handed over already, and the receiver discards them. */
function assertChecksum(request: CheckedRead): void {
  if (request.check?.isRight() === false) throw operationError(request, "changed", { why: DAMAGED });
}

const DAMAGED = "the received content does not have the checksum that the store reports";
