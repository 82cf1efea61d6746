import { createHash } from "node:crypto";
import { cancelled } from "../../core/errors.ts";
import type { Content, ReadOptions } from "../../core/backend.ts";
import { chunksOf, type Source, streamOf } from "../../net/byte_stream.ts";
import { mismatch } from "../shared/preconditions.ts";
import type { Store } from "./client.ts";
import type { Download } from "./types.ts";
import { refusedBy } from "./errors.ts";
import { find, keyOf, type Spot, toFile } from "./stat.ts";
import { looksLikeMd5 } from "./metadata.ts";
import { type Budget, PIECE, striped, type Striping } from "../../http/parallel_download.ts";
import { operationError } from "../../core/operation.ts";

export type Reading = Spot & Pick<ReadOptions, "offset" | "length" | "expect" | "onModified"> & {
  /** Called for content that cannot be compared with anything, neither an ETag nor a checksum. */
  onUnchecked?(): void;
};

/**
 * Returns the content or a range of it: small ones from memory, large ones as a stream. Rejects if the content does not
 * match the MD5 in the ETag: the ETag of the reply, or that of the listing if the reply has none.
 */
export async function readObject(store: Store, reading: Reading, budget: Budget): Promise<Content> {
  const { offset = 0, length, expect } = reading;
  if (length === 0 || (expect !== undefined && offset > 0 && offset >= expect.size)) {
    return await nothing(store, reading);
  }
  const end = Math.min(expect?.size ?? 0, offset + (length ?? Infinity));
  const isLarge = end - offset > WORTH_STRIPING;
  const to = isLarge ? offset + PIECE : length === undefined ? undefined : offset + length;
  const isRange = offset > 0 || to !== undefined;
  const download = await get(store, reading, isRange ? { from: offset, ...(to === undefined ? {} : { to }) } : {});
  if (download === undefined) return await nothing(store, reading);
  try {
    mustBeExpected(download, { ...reading, offset, to });
    const { modified } = toFile(reading.path, download.facts);
    if (modified !== undefined) reading.onModified?.(modified);
    const check = checkOf(download, { expect, isWhole: offset === 0 && (length ?? Infinity) >= download.facts.size });
    if (check === undefined && download.facts.etag === undefined) await mustBeVersion(store, reading);
    if (isLarge && download.length <= PIECE) {
      return inStripes(store, download, { ...reading, from: offset, to: end, budget, check });
    }
    if (download.length <= SMALL) return await collected(download, { ...reading, check });
    const source: Source = { fill: (into) => download.fill(into), leave: () => download.drop() };
    return asStream(source, { ...reading, check, size: download.length });
  } catch (error) {
    download.drop();
    throw error;
  }
}

/** The size from which a file is read in pieces. */
const WORTH_STRIPING = 2 * PIECE;

/** The size up to which a file is held in memory. */
const SMALL = 256 * 1024;

/** Returns undefined if the range begins after the end. */
async function get(
  store: Store,
  reading: Reading,
  range: { readonly from?: number; readonly to?: number },
): Promise<Download | undefined> {
  const ifMatch = reading.expect?.revision;
  try {
    return await store.get(keyOf(reading), reading, { ...range, ...(ifMatch === undefined ? {} : { ifMatch }) });
  } catch (error) {
    if (refusedBy(error)?.status === 416 && reading.expect === undefined) return undefined;
    throw error;
  }
}

function mustBeExpected(
  { facts, from, length }: Download,
  reading: Reading & { readonly offset: number; readonly to: number | undefined },
): void {
  const { expect, path, offset, to } = reading;
  const why = expect === undefined ? undefined : mismatch(expect, toFile(path, facts));
  if (why !== undefined) throw operationError(reading, "changed", { why });
  // A store without range support sends the whole object.
  const isWhole = offset === 0 && length === facts.size && length === expect?.size;
  if (from === offset && (isWhole || length === Math.min(to ?? Infinity, facts.size) - offset)) return;
  throw operationError(reading, "unexpected", { why: "the store sends another part than the one it was asked for" });
}

/** Checks the version if the reply does not state it: the object's current version must be the expected one. */
async function mustBeVersion(store: Store, reading: Reading): Promise<void> {
  const { expect, onUnchecked } = reading;
  const facts = expect?.revision === undefined ? undefined : await store.head(keyOf(reading), reading);
  if (facts?.etag === undefined) return onUnchecked?.();
  if (facts.etag !== expect?.revision) throw operationError(reading, "changed", { why: "it was replaced meanwhile" });
}

async function nothing(store: Store, reading: Reading): Promise<Content> {
  const found = await find(store, reading);
  if (found === undefined) throw operationError(reading, "notFound", { why: "there is no such object" });
  if (found.kind !== "file") throw operationError(reading, "refused", { why: "it is no file" });
  const why = reading.expect === undefined ? undefined : mismatch(reading.expect, found);
  if (why !== undefined) throw operationError(reading, "changed", { why });
  return new Uint8Array();
}

/** A check after the last byte of whether the content is what the store states. */
interface Check {
  take(bytes: Uint8Array): void;
  isRight(): boolean;
}

function checkOf(
  { facts }: Download,
  { isWhole, expect }: { readonly isWhole: boolean; readonly expect: Reading["expect"] | undefined },
): Check | undefined {
  const { isSealed } = facts;
  const etag = facts.etag ?? expect?.revision;
  if (!isWhole || isSealed || !looksLikeMd5(etag)) return undefined;
  const hash = createHash("md5");
  return { take: (bytes) => void hash.update(bytes), isRight: () => hash.digest("hex") === etag.toLowerCase() };
}

interface Taking extends Reading {
  readonly check: Check | undefined;
}

async function collected(download: Download, taking: Taking): Promise<Uint8Array<ArrayBuffer>> {
  const whole = await gathered(download, taking);
  taking.check?.take(whole);
  // No bytes have been handed over yet: a retry may fetch them undamaged.
  if (taking.check?.isRight() === false) throw operationError(taking, "connection", { why: DAMAGED });
  return whole;
}

/** Returns all bytes of a download, exactly as many as expected. */
async function gathered(
  download: Download,
  reading: Reading,
  memory?: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  const whole = await download.collect(memory);
  mustBeAll(whole.length, { ...reading, size: download.length });
  return whole;
}

/** Reads the pieces in order, several of them at once. */
function inStripes(
  store: Store,
  first: Download,
  { budget, from, to, ...taking }: Taking & { readonly budget: Budget; readonly from: number; readonly to: number },
): Content {
  const fetched: Striping["piece"] = async (range, { signal, memory }) => {
    const piece = await get(store, { ...taking, signal }, range);
    if (piece === undefined || piece.facts.etag !== first.facts.etag || piece.facts.size !== first.facts.size) {
      piece?.drop();
      throw operationError(taking, "changed", { why: "it was replaced while it was read" });
    }
    return await gathered(piece, taking, memory);
  };
  const content = striped({
    from,
    to,
    budget,
    signal: taking.signal,
    first: ({ memory }) => gathered(first, taking, memory),
    piece: fetched,
    finish: () => Promise.resolve(),
  });
  if (taking.check === undefined) return content;
  const chunks = chunksOf(content, { recycles: true });
  const source: Source = { fill: (into) => chunks.next(into), leave: () => chunks.cancel() };
  return asStream(source, { ...taking, size: to - from });
}

/** Returns the content as a stream, and compares it after its last byte with what the store states. */
function asStream(source: Source, taking: Taking & { readonly size: number }): Content {
  const { signal, operation, check } = taking;
  let given = 0;
  return streamOf({
    fill: async (into) => {
      if (signal.aborted) {
        await source.leave();
        throw cancelled(signal, operation);
      }
      const bytes = await source.fill(into);
      given += bytes?.length ?? 0;
      if (given > taking.size) {
        await source.leave();
        throw operationError(taking, "changed", { why: `the store sends more than the ${taking.size} bytes it has` });
      }
      if (bytes !== undefined) check?.take(bytes);
      else {
        mustBeAll(given, taking);
        mustBeRight(taking);
      }
      return bytes;
    },
    leave: () => source.leave(),
  });
}

function mustBeAll(given: number, reading: Reading & { readonly size: number }): void {
  if (given === reading.size) return;
  throw operationError(reading, "connection", { why: `it ended after ${given} of ${reading.size} bytes` });
}

/** Throws an error that is not retryable: the bytes were handed over already, and the receiver discards them. */
function mustBeRight(taking: Taking): void {
  if (taking.check?.isRight() === false) throw operationError(taking, "changed", { why: DAMAGED });
}

const DAMAGED = "what came does not have the checksum that the store tells";
