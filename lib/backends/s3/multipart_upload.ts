import { createHash } from "node:crypto";
import { SyncError } from "../../core/errors.ts";
import type { FileEntry } from "../../core/entry.ts";
import type { S3Client } from "./client.ts";
import type { Condition, ListedPart, UnfinishedUpload } from "./types.ts";
import { assertExpected, supportedCondition, writeUnlessRefused } from "./conditional_write.ts";
import { keyOf } from "./keys.ts";
import { toFileEntry } from "./stat.ts";
import { formatMtime } from "./codec.ts";
import { looksLikeMd5, md5, multipartEtag, partSizeFor, type StoredPart } from "./etag.ts";
import { copyWithTime } from "./changes.ts";
import {
  assertUndamaged,
  countBytes,
  hexToBase64,
  type PendingWrite,
  toNewObject,
  type UploadContext,
} from "./write.ts";
import { operationError } from "../../core/operation.ts";
import { readExactly } from "../../net/byte_stream.ts";

/**
 * Sends a large file as a multipart upload, several parts at once. If an earlier attempt of this host or another left
 * parts under the same key, they are reused if each of them is proven to be the source's and no option is set that may
 * not have been set then; only the missing parts are sent. After a transient failure or a cancel the parts stay for the
 * next attempt if the write has a tag; after any other failure they are removed. Parts of our own that have not been
 * continued for a week are removed.
 */
export async function uploadInParts(uploads: UploadContext, pending: PendingWrite): Promise<FileEntry> {
  const { context, options } = pending;
  const { client } = uploads;
  const key = keyOf(context);
  const upload: MultipartWrite = { ...pending, uploads, partSize: partSizeFor(options.size, uploads.partSize) };
  if (options.expect !== undefined) await assertExpected(client, context, options.expect);
  const { resumable: found, stale } = options.tag === undefined ? NO_EARLIER_UPLOADS : await findEarlierUploads(upload);
  let sent: readonly StoredPart[] = [];
  const id = found?.id ?? await client.createUpload(key, context, toNewObject(pending));
  uploads.begunHere.add(id);
  try {
    if (stale.length > 0) await removeStale(upload, { id, stale });
    const parts = await uploadMissingParts(upload, id, found?.parts ?? new Map());
    await completeUpload(upload, id, parts);
    uploads.begunHere.delete(id);
    sent = parts;
  } catch (error) {
    if (!isResumable(error, upload)) {
      uploads.begunHere.delete(id);
      await abortQuietly(upload, id);
    }
    throw error;
  }
  return await confirmedEntry(upload, sent);
}

/** Parts of one file in transfer at once. */
const PARALLEL_PARTS = 8;
/** The time in ms, one week, after which an upload without a new part counts as abandoned. */
const STALE_MS = 7 * 86_400_000;

interface MultipartWrite extends PendingWrite {
  readonly uploads: UploadContext;
  readonly partSize: number;
}

interface ResumableUpload {
  readonly id: string;
  /** ETags by part number. */
  readonly parts: Map<number, string>;
}

/** Unfinished uploads of a key from earlier writes: the one to resume, and the abandoned ones. */
interface EarlierUploads {
  readonly resumable: ResumableUpload | undefined;
  readonly stale: readonly UnfinishedUpload[];
}

const NO_EARLIER_UPLOADS: EarlierUploads = { resumable: undefined, stale: [] };

/** Finds an unfinished upload of this key in which every part is the source's own, and the abandoned others. */
async function findEarlierUploads(pending: MultipartWrite): Promise<EarlierUploads> {
  const { context, uploads: { client } } = pending;
  let found: ResumableUpload | undefined;
  const stale: UnfinishedUpload[] = [];
  for (const upload of await listUnfinished(pending)) {
    const parts = await client.listParts(keyOf(context), upload.id, context);
    if (
      found === undefined && parts.length > 0 && hasSameOptions(upload, pending) && await areSourceParts(parts, pending)
    ) {
      found = { id: upload.id, parts: new Map(parts.map(({ number, etag }) => [number, etag])) };
      continue;
    }
    const last = Math.max(upload.begun, ...parts.map((part) => part.stored));
    if (last > 0 && Date.now() - last > STALE_MS) stale.push(upload);
  }
  return { resumable: found, stale };
}

/**
 * Removes the abandoned uploads that were begun with the access key in use: those of earlier runs that broke off, whose
 * parts cost money. Uploads begun with another key are kept, however old. A failure to remove does not matter to the
 * upload.
 */
async function removeStale(
  pending: MultipartWrite,
  { id, stale }: Pick<EarlierUploads, "stale"> & { readonly id: string },
) {
  const uploads = await listUnfinished(pending).catch(() => []);
  const mine = uploads.find((upload) => upload.id === id)?.by;
  if (mine === undefined) return;
  for (const { id, by } of stale) if (by === mine) await abortQuietly(pending, id);
}

/**
 * Returns the unfinished uploads, or none if listing them fails: a store may not support it, or the key may not be
 * permitted to.
 */
async function listUnfinished(
  { context, uploads: { client } }: MultipartWrite,
): ReturnType<S3Client["listUploads"]> {
  try {
    const uploads = await client.listUploads(keyOf(context), context);
    return uploads.toSorted((a, b) => b.begun - a.begun);
  } catch (error) {
    if (error instanceof SyncError && (error.kind === "denied" || error.kind === "unsupported")) return [];
    throw error;
  }
}

/**
 * Whether the upload was begun with the object options of this write. Of an upload of an earlier run only the storage
 * class can be seen.
 */
function hasSameOptions(
  { id, storageClass }: UnfinishedUpload,
  { uploads: { begunHere, client } }: MultipartWrite,
): boolean {
  if (begunHere.has(id)) return true;
  const { acl, cacheControl, encryption, storageClass: wanted } = client.options.objectOptions;
  if ([acl, cacheControl, encryption].some((one) => one !== undefined)) return false;
  return wanted === undefined || wanted === storageClass;
}

/** Whether every stored part equals the source's bytes at its position. An ETag that is no MD5 proves nothing. */
async function areSourceParts(parts: readonly ListedPart[], pending: MultipartWrite): Promise<boolean> {
  for (const { number, size, etag } of parts) {
    const { from, to } = rangeOf(number, pending);
    if (size !== to - from || size <= 0 || !looksLikeMd5(etag)) return false;
    using _ = await pending.uploads.memory.acquire(size, pending.context);
    const bytes = await readExactly(pending.body(from, to), { ...pending.context, size });
    if (md5(bytes) !== etag.toLowerCase()) return false;
  }
  return true;
}

function rangeOf(
  number: number,
  { partSize, options }: MultipartWrite,
): { readonly from: number; readonly to: number } {
  const from = (number - 1) * partSize;
  return { from, to: Math.min(options.size, from + partSize) };
}

/** Sends the missing parts and returns the ETags of all parts, in order. The first failure ends the others. */
async function uploadMissingParts(pending: MultipartWrite, id: string, have: Map<number, string>) {
  const { options, partSize, context } = pending;
  const count = Math.ceil(options.size / partSize);
  const stop = new AbortController();
  const signal = AbortSignal.any([context.signal, stop.signal]);
  const counted = countBytes(options.onBytes);
  for (const number of have.keys()) counted.onBytes(rangeOf(number, pending).to - rangeOf(number, pending).from);
  const etags = new Map(have);
  let next = 1;
  const work = async () => {
    while (next <= count) {
      const number = next++;
      if (etags.has(number)) continue;
      try {
        const part = { ...pending, context: { ...context, signal } };
        etags.set(number, await uploadPart(part, { id, number, ...counted }));
      } catch (error) {
        stop.abort(error);
        throw error;
      }
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: Math.min(PARALLEL_PARTS, count) }, work));
  if (ended.some((one) => one.status === "rejected")) {
    counted.takeBack();
    throw context.signal.aborted ? ended.find((one) => one.status === "rejected")?.reason : stop.signal.reason;
  }
  return Array.from({ length: count }, (_, i) => ({ number: i + 1, etag: etags.get(i + 1) ?? "" }));
}

interface PartUpload {
  readonly id: string;
  readonly number: number;
  onBytes(bytes: number): void;
}

async function uploadPart(pending: MultipartWrite, { id, number, onBytes }: PartUpload): Promise<string> {
  const { context, uploads, options, body } = pending;
  const { from, to } = rangeOf(number, pending);
  using _ = await uploads.memory.acquire(to - from, context);
  // The last part is requested to the end: if the source has grown, it returns more bytes.
  const bytes = await readExactly(to === options.size ? body(from) : body(from, to), { ...context, size: to - from });
  const sum = createHash("md5").update(bytes).digest("hex");
  const part = { id, number, onBytes, md5: hexToBase64(sum) };
  const stored = await uploads.client.uploadPart(keyOf(context), bytes, context, part);
  assertUndamaged(stored, sum, context);
  if (stored.etag !== undefined) return stored.etag;
  throw operationError(context, "unexpected", { why: `the store returned no ETag for part ${number}` });
}

/**
 * Completes the upload if the expected entry is there: by a check just before, and by the store's precondition if it
 * supports one.
 */
async function completeUpload(
  { context, uploads, options }: MultipartWrite,
  id: string,
  parts: readonly StoredPart[],
): Promise<void> {
  const { client, support } = uploads;
  const { expect } = options;
  const look = async () => expect === undefined ? undefined : await assertExpected(client, context, expect);
  const condition = supportedCondition(support, expect);
  const complete = (only: Condition) => client.completeUpload(keyOf(context), parts, context, { id, ...only });
  await look();
  try {
    if (Object.keys(condition).length === 0) await complete({});
    else await writeUnlessRefused({ support, condition, look, write: complete });
  } catch (error) {
    const isDenial = error instanceof SyncError && error.kind === "changed" && error.facts.transient !== true;
    if (condition.ifMatch === undefined || !isDenial) throw error;
    // A store may compare differently here than for a single PUT: if the entry is still the expected one, it was not
    // changed.
    await look();
    await complete({});
  }
}

/** Whether the next attempt may resume from the parts stored now. */
function isResumable(error: unknown, { options, context }: MultipartWrite): boolean {
  if (options.tag === undefined) return false;
  return context.signal.aborted || (error instanceof SyncError && error.facts.transient === true);
}

/** Removes the upload's parts. A failure is ignored: the error that led here matters more. */
async function abortQuietly({ context, uploads }: MultipartWrite, id: string): Promise<void> {
  const detached = { ...context, signal: new AbortController().signal };
  await uploads.client.abortUpload(keyOf(context), id, detached).catch(() => undefined);
}

/**
 * Returns the object as the store reports it now, with the mtime it should have: a resumed upload has the metadata of
 * its beginning.
 */
async function confirmedEntry(
  { context, uploads: { client }, options }: MultipartWrite,
  parts: readonly StoredPart[],
): Promise<FileEntry> {
  const key = keyOf(context);
  const facts = await client.head(key, context);
  if (facts === undefined) throw operationError(context, "changed", { why: "it does not exist any more" });
  if (facts.size !== options.size) {
    throw operationError(context, "changed", { why: `it has ${facts.size} bytes now, ${options.size} were sent` });
  }
  // With a key of the user's an ETag proves nothing.
  const mine = facts.isEtagOpaque ? undefined : multipartEtag(parts);
  // Another ETag of this form means other content, written by another client right afterwards; an ETag of another form
  // proves nothing.
  if (mine !== undefined && /^[0-9a-f]{32}-\d+$/i.test(facts.etag ?? "") && facts.etag?.toLowerCase() !== mine) {
    throw operationError(context, "changed", { why: "another client replaced it right after the upload" });
  }
  const { modified, nanoseconds } = options;
  const isRight = modified === undefined || facts.metadata["mtime"] === formatMtime(modified, nanoseconds);
  if (isRight) return toFileEntry(context.path, facts);
  try {
    const copied = await copyWithTime(client, facts, { context, modified, nanoseconds });
    const now = await client.head(key, context);
    if (now !== undefined && (copied === undefined || copied === now.etag)) return toFileEntry(context.path, now);
    throw operationError(context, "changed", { why: "another client replaced it right after its time was set" });
  } catch (error) {
    if (!(error instanceof SyncError) || context.signal.aborted) throw error;
    options.onWarning?.(error.message);
    return toFileEntry(context.path, facts);
  }
}
