import { root } from "../../core/path.ts";
import type { Checksum, DirEntry, Entry, FileEntry } from "../../core/entry.ts";
import type { Precondition } from "../../core/backend.ts";
import { describeMismatch } from "../shared/preconditions.ts";
import type { S3Client } from "./client.ts";
import type { ObjectFacts } from "./types.ts";
import { mayRefusePrecondition } from "./errors.ts";
import { assertExpected } from "./conditional_write.ts";
import { keyOf, type ObjectContext, prefixOf } from "./keys.ts";
import { stat, toFileEntry } from "./stat.ts";
import { formatMtime } from "./codec.ts";
import { looksLikeMd5 } from "./etag.ts";
import { operationError } from "../../core/operation.ts";

/** Checks that no file has the folder's name. Nothing is created: a folder exists as soon as an object in it does. */
export async function makeFolder(client: S3Client, context: ObjectContext): Promise<DirEntry> {
  const key = keyOf(context);
  const facts = key === "" ? undefined : await client.head(key, context);
  if (facts !== undefined) throw operationError(context, "exists", { why: "a file is there" });
  return { kind: "dir", path: context.path };
}

/**
 * Removes the object, or the marker of an empty folder. Returns whether the content is kept as an older version, hidden
 * by a delete marker.
 */
export async function removeEntry(client: S3Client, entry: Entry, context: ObjectContext): Promise<boolean> {
  if (entry.kind === "dir") {
    await removeFolderMarker(client, context);
    return false;
  }
  const key = keyOf(context);
  const facts = await client.head(key, context);
  if (facts === undefined) return false;
  const why = describeMismatch(entry, toFileEntry(entry.path, facts));
  if (why !== undefined) throw operationError(context, "changed", { why });
  return await client.remove(key, context);
}

/** Sets the mtime by copying the object onto itself; the request states all other metadata again. */
export async function setTime(client: S3Client, time: ObjectTime, context: ObjectContext): Promise<void> {
  const facts = await client.head(keyOf(context), context);
  if (facts === undefined) throw operationError(context, "notFound", { why: "there is no such object" });
  await copyWithTime(client, facts, { context, ...time });
}

/** An mtime; `nanoseconds`: those beyond its ms. */
export interface ObjectTime {
  readonly modified: number;
  readonly nanoseconds: number | undefined;
}

/**
 * Sets another mtime on the object that these facts describe. Returns its new ETag, or undefined if the store reports
 * none.
 */
export async function copyWithTime(
  client: S3Client,
  facts: ObjectFacts,
  { context, modified, nanoseconds }: ObjectTime & { readonly context: ObjectContext },
): Promise<string | undefined> {
  if (facts.size > MAX_COPY_BYTES) {
    throw operationError(context, "unsupported", {
      why: "the store cannot copy more than 5 GiB, so its time stays as it is",
    });
  }
  const anew = { ...facts, metadata: { ...facts.metadata, mtime: formatMtime(modified, nanoseconds) } };
  return await copyUnchanged(client, facts, { from: context, to: context, anew });
}

/** Copies an object with its content and all its metadata. */
export async function copyObject(
  client: S3Client,
  from: ObjectContext,
  { to, expect }: Precondition & { readonly to: ObjectContext },
): Promise<void> {
  const facts = await client.head(keyOf(from), from);
  if (facts === undefined) throw operationError(from, "notFound", { why: "there is no such object" });
  if (facts.size > MAX_COPY_BYTES) {
    throw operationError(from, "unsupported", { why: "the store cannot copy more than 5 GiB in one step" });
  }
  if (expect !== undefined) await assertExpected(client, to, expect);
  await copyUnchanged(client, facts, { from, to });
}

interface CopyTarget {
  readonly from: ObjectContext;
  readonly to: ObjectContext;
  readonly anew?: ObjectFacts;
}

/**
 * Copies the object that these facts describe, and none that replaced it: by a precondition, or by a check just before
 * if the store refuses it.
 */
async function copyUnchanged(
  client: S3Client,
  { etag }: ObjectFacts,
  { from, to, ...headers }: CopyTarget,
): Promise<string | undefined> {
  try {
    return await client.copy(keyOf(from), keyOf(to), to, { ifMatch: etag, ...headers });
  } catch (error) {
    if (etag === undefined || !mayRefusePrecondition(error)) throw error;
    const now = await client.head(keyOf(from), from);
    if (now?.etag !== etag) throw operationError(from, "changed", { why: "it was replaced meanwhile" });
    return await client.copy(keyOf(from), keyOf(to), to, headers);
  }
}

/**
 * Returns the content's MD5 if the object's ETag is one: an object of one part, not encrypted with a key of the user's.
 */
export async function serverChecksum(
  client: S3Client,
  entry: FileEntry,
  { wanted, ...context }: ObjectContext & { readonly wanted: readonly string[] },
): Promise<Checksum | undefined> {
  const facts = await client.head(keyOf(context), context);
  if (facts === undefined) throw operationError(context, "notFound", { why: "there is no such object" });
  const why = describeMismatch(entry, toFileEntry(entry.path, facts));
  if (why !== undefined) throw operationError(context, "changed", { why });
  const { etag, isEtagOpaque } = facts;
  return wanted.includes("md5") && !isEtagOpaque && looksLikeMd5(etag) ? `md5:${etag.toLowerCase()}` : undefined;
}

/** "Amazon S3 API Reference, CopyObject". */
const MAX_COPY_BYTES = 5 * 2 ** 30;

async function removeFolderMarker(client: S3Client, context: ObjectContext): Promise<void> {
  const folder = prefixOf(context);
  const { objects } = await client.list(folder, context, { most: 2 });
  if (objects.some((object) => object.key !== folder || object.size > 0)) {
    throw operationError(context, "changed", { why: "the folder is not empty" });
  }
  if (objects.length === 0) {
    const found = context.path === root ? undefined : await stat(client, context);
    if (found?.kind === "file") throw operationError(context, "changed", { why: "a file is there now" });
    return;
  }
  await client.remove(folder, context);
}
