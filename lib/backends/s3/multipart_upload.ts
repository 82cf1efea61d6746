import { createHash } from "node:crypto";
import { SyncError } from "../../core/errors.ts";
import type { FileEntry } from "../../core/entry.ts";
import type { Store } from "./client.ts";
import type { Part, Upload } from "./types.ts";
import { knownCondition, mustBeExpected } from "./conditional_write.ts";
import { keyOf, toFile } from "./stat.ts";
import { looksLikeMd5, md5, parseTime } from "./metadata.ts";
import { partSizeOf, type StoredPart, wholeEtag } from "./multipart_parts.ts";
import { retime } from "./changes.ts";
import { countedBytes, type Desk, gather, mustBeUndamaged, toBase64, toObject, type Writing } from "./upload_body.ts";
import { operationError } from "../../core/operation.ts";

/**
 * Sends a large file as a multipart upload, several parts at once. If an earlier attempt of this host or another left
 * parts under the same key, they are reused if each of them is proven to be the source's and no option is set that may
 * not have been set then; only the missing parts are sent. After a transient failure or a cancel the parts stay for the
 * next attempt if the write has a tag; after any other failure they are removed. Parts of our own that have not been
 * continued for a week are removed.
 */
export async function sendParts(desk: Desk, writing: Writing): Promise<FileEntry> {
  const { spot, options } = writing;
  const { store } = desk;
  const key = keyOf(spot);
  const sending: Sending = { ...writing, desk, partSize: partSizeOf(options.size, desk.partSize) };
  if (options.expect !== undefined) await mustBeExpected(store, spot, options.expect);
  const { found, stale } = options.tag === undefined ? NOTHING_LEFT : await takeOver(sending);
  let sent: readonly StoredPart[] = [];
  const id = found?.id ?? await store.beginUpload(key, spot, toObject(writing));
  desk.begun.add(id);
  try {
    if (stale.length > 0) await sweep(sending, { id, stale });
    const parts = await sendMissing(sending, id, found?.parts ?? new Map());
    await finish(sending, id, parts);
    desk.begun.delete(id);
    sent = parts;
  } catch (error) {
    if (!mayGoOn(error, sending)) {
      desk.begun.delete(id);
      await dropQuietly(store, key, { id, sending });
    }
    throw error;
  }
  return await settled(sending, sent);
}

/** Parts of one file in transfer at once. */
const SIDE_BY_SIDE = 8;
/** The time in ms, one week, after which an upload without a new part counts as abandoned. */
const STALE_MS = 7 * 86_400_000;

interface Sending extends Writing {
  readonly desk: Desk;
  readonly partSize: number;
}

interface Found {
  readonly id: string;
  /** ETags by part number. */
  readonly parts: Map<number, string>;
}

/** Unfinished uploads of a key from earlier writes: the one to resume, and the abandoned ones. */
interface LeftBehind {
  readonly found: Found | undefined;
  readonly stale: readonly Upload[];
}

const NOTHING_LEFT: LeftBehind = { found: undefined, stale: [] };

/** Finds an unfinished upload of this key in which every part is the source's own, and the abandoned others. */
async function takeOver(sending: Sending): Promise<LeftBehind> {
  const { spot, desk: { store } } = sending;
  let found: Found | undefined;
  const stale: Upload[] = [];
  for (const upload of await unfinished(sending)) {
    const parts = await store.parts(keyOf(spot), upload.id, spot);
    if (found === undefined && parts.length > 0 && isAlike(upload, sending) && await areOurs(parts, sending)) {
      found = { id: upload.id, parts: new Map(parts.map(({ number, etag }) => [number, etag])) };
      continue;
    }
    const last = Math.max(upload.begun, ...parts.map((part) => part.stored));
    if (last > 0 && Date.now() - last > STALE_MS) stale.push(upload);
  }
  return { found, stale };
}

/**
 * Removes the abandoned uploads that were begun with the access key in use: those of earlier runs that broke off, whose
 * parts cost money. Uploads begun with another key are kept, however old. A failure to remove does not matter to the
 * upload.
 */
async function sweep(sending: Sending, { id, stale }: Pick<LeftBehind, "stale"> & { readonly id: string }) {
  const { spot, desk: { store } } = sending;
  const uploads = await unfinished(sending).catch(() => []);
  const mine = uploads.find((upload) => upload.id === id)?.by;
  if (mine === undefined) return;
  for (const { id, by } of stale) if (by === mine) await dropQuietly(store, keyOf(spot), { id, sending });
}

/**
 * Returns the unfinished uploads, or none if listing them fails: a store may not support it, or the key may not be
 * permitted to.
 */
async function unfinished({ spot, desk: { store } }: Sending): ReturnType<Store["uploads"]> {
  try {
    const uploads = await store.uploads(keyOf(spot), spot);
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
function isAlike({ id, storageClass }: Upload, { desk: { begun, store } }: Sending): boolean {
  const { manners } = store.options;
  if (begun.has(id)) return true;
  if ([manners.acl, manners.cacheControl, manners.encryption].some((one) => one !== undefined)) return false;
  return manners.storageClass === undefined || manners.storageClass === storageClass;
}

/** Whether every stored part equals the source's bytes at its position. An ETag that is no MD5 proves nothing. */
async function areOurs(parts: readonly Part[], sending: Sending): Promise<boolean> {
  for (const { number, size, etag } of parts) {
    const { from, to } = rangeOf(number, sending);
    if (size !== to - from || size <= 0 || !looksLikeMd5(etag)) return false;
    using _ = await sending.desk.room.take(size, sending.spot);
    if (md5(await gather(() => sending.body(from, to), size, sending.spot)) !== etag.toLowerCase()) return false;
  }
  return true;
}

function rangeOf(number: number, { partSize, options }: Sending): { readonly from: number; readonly to: number } {
  const from = (number - 1) * partSize;
  return { from, to: Math.min(options.size, from + partSize) };
}

/** Sends the missing parts and returns the ETags of all parts, in order. The first failure ends the others. */
async function sendMissing(sending: Sending, id: string, have: Map<number, string>) {
  const { options, partSize, spot } = sending;
  const count = Math.ceil(options.size / partSize);
  const stop = new AbortController();
  const signal = AbortSignal.any([spot.signal, stop.signal]);
  const counted = countedBytes(options.onBytes);
  for (const number of have.keys()) counted.onBytes(rangeOf(number, sending).to - rangeOf(number, sending).from);
  const etags = new Map(have);
  let next = 1;
  const work = async () => {
    while (next <= count) {
      const number = next++;
      if (etags.has(number)) continue;
      try {
        etags.set(number, await sendPart({ ...sending, spot: { ...spot, signal } }, { id, number, ...counted }));
      } catch (error) {
        stop.abort(error);
        throw error;
      }
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: Math.min(SIDE_BY_SIDE, count) }, work));
  if (ended.some((one) => one.status === "rejected")) {
    counted.takeBack();
    throw spot.signal.aborted ? failureOf(ended) : stop.signal.reason;
  }
  return Array.from({ length: count }, (_, i) => ({ number: i + 1, etag: etags.get(i + 1) ?? "" }));
}

function failureOf(ended: readonly PromiseSettledResult<void>[]): unknown {
  return ended.find((one) => one.status === "rejected")?.reason;
}

interface OnePart {
  readonly id: string;
  readonly number: number;
  onBytes(bytes: number): void;
}

async function sendPart(sending: Sending, { id, number, onBytes }: OnePart): Promise<string> {
  const { spot, desk, options, body } = sending;
  const { from, to } = rangeOf(number, sending);
  using _ = await desk.room.take(to - from, spot);
  // The last part is requested to the end: if the source has grown, it returns more bytes.
  const bytes = await gather(() => to === options.size ? body(from) : body(from, to), to - from, spot);
  const sum = createHash("md5").update(bytes).digest("hex");
  const stored = await desk.store.putPart(keyOf(spot), bytes, spot, { id, number, onBytes, md5: toBase64(sum) });
  mustBeUndamaged(stored, sum, spot);
  if (stored.etag !== undefined) return stored.etag;
  throw operationError(spot, "unexpected", { why: `the store gave part ${number} no mark` });
}

/**
 * Completes the upload if the expected entry is there: by a check just before, and by the store's precondition if it
 * supports one.
 */
async function finish({ spot, desk, options }: Sending, id: string, parts: readonly StoredPart[]): Promise<void> {
  const { store, honours } = desk;
  const { expect } = options;
  const look = async () => expect === undefined ? undefined : await mustBeExpected(store, spot, expect);
  const condition = knownCondition(honours, expect);
  await look();
  try {
    await store.finishUpload(keyOf(spot), parts, spot, { id, ...condition });
  } catch (error) {
    const isDenial = error instanceof SyncError && error.kind === "changed" && error.facts.transient !== true;
    if (condition.ifMatch === undefined || !isDenial) throw error;
    // A store may compare differently here than for a single PUT: if the entry is still the expected one, it was not
    // changed.
    await look();
    await store.finishUpload(keyOf(spot), parts, spot, { id });
  }
}

/** Whether the next attempt may resume from the parts stored now. */
function mayGoOn(error: unknown, { options, spot }: Sending): boolean {
  if (options.tag === undefined) return false;
  return spot.signal.aborted || (error instanceof SyncError && error.facts.transient === true);
}

/** Removes the upload's parts. A failure is ignored: the error that led here matters more. */
async function dropQuietly(
  store: Store,
  key: string,
  { id, sending }: { readonly id: string; readonly sending: Sending },
): Promise<void> {
  const ask = { ...sending.spot, signal: new AbortController().signal };
  await store.dropUpload(key, id, ask).catch(() => undefined);
}

/**
 * Returns the object as the store reports it now, with the mtime it should have: a resumed upload has the metadata of
 * its beginning.
 */
async function settled({ spot, desk: { store }, options }: Sending, parts: readonly StoredPart[]): Promise<FileEntry> {
  const key = keyOf(spot);
  const facts = await store.head(key, spot);
  if (facts === undefined) throw operationError(spot, "changed", { why: "it is gone again" });
  if (facts.size !== options.size) {
    throw operationError(spot, "changed", { why: `it has ${facts.size} bytes now, ${options.size} were sent` });
  }
  // With a key of the user's an ETag proves nothing.
  const mine = facts.isSealed ? undefined : wholeEtag(parts);
  // Another ETag of this form means other content, written by another client right afterwards; an ETag of another form
  // proves nothing.
  if (mine !== undefined && /^[0-9a-f]{32}-\d+$/i.test(facts.etag ?? "") && facts.etag?.toLowerCase() !== mine) {
    throw operationError(spot, "changed", { why: "somebody else replaced it right after" });
  }
  const { modified } = options;
  if (modified === undefined || parseTime(facts.metadata) === modified) return toFile(spot.path, facts);
  try {
    const copied = await retime(store, facts, { spot, modified });
    const now = await store.head(key, spot);
    if (now !== undefined && (copied === undefined || copied === now.etag)) return toFile(spot.path, now);
    throw operationError(spot, "changed", { why: "somebody else replaced it right after its time was set" });
  } catch (error) {
    if (!(error instanceof SyncError) || spot.signal.aborted) throw error;
    options.onWarning?.(error.message);
    return toFile(spot.path, facts);
  }
}
