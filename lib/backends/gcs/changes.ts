import type { Checksum, DirEntry, Entry, FileEntry } from "../../core/entry.ts";
import type { Precondition } from "../../core/backend.ts";
import { describeMismatch } from "../shared/preconditions.ts";
import { type BucketClient, type GcsClient, type ObjectContext, parseReply } from "./client.ts";
import { listFirst } from "./list.ts";
import { stat, type StatResult } from "./stat.ts";
import { prefixOf } from "./keys.ts";
import { type GcsObject, stringField, toRecord } from "./object.ts";
import { assertFoldersAbove, conditionsOf, recordFolders } from "./write.ts";
import { operationError } from "../../core/operation.ts";

/**
 * Checks that no file is at the path. Nothing is created: a folder exists as soon as an object in it does. Rejects with
 * exists if a file is there or above.
 */
export async function makeFolder(bucket: BucketClient, context: ObjectContext): Promise<DirEntry> {
  if (context.key === "") await stat(bucket.client, context);
  else if (await bucket.client.getMetadata(context) !== undefined) {
    throw operationError(context, "exists", { why: "a file is there" });
  }
  await assertFoldersAbove(bucket, context);
  return { kind: "dir", path: context.path };
}

/** Removes a file, or the marker of an empty folder, if it is still the expected entry. */
export async function removeEntry(
  { client, folders }: BucketClient,
  entry: Entry,
  context: ObjectContext,
): Promise<void> {
  if (entry.kind === "opaque") throw operationError(context, "refused", { why: entry.why });
  const seen = await stat(client, context);
  if (seen === undefined) return;
  const why = describeMismatch(entry, seen.entry);
  if (why !== undefined) throw operationError(context, "changed", { why });
  const object = seen.object ?? await findFolderMarker(client, context);
  if (object === undefined) return;
  const { name, generation, metageneration } = object;
  const conditions = { ifGenerationMatch: generation, ifMetagenerationMatch: metageneration };
  const reply = await client.sendForSuccess({ method: "DELETE", uri: client.uri(name, conditions) }, {
    ...context,
    also: [404],
  });
  await reply.discard();
  if (seen.object === undefined) folders.remove(context.key);
}

/** Copies a file within the bucket on the server, with its mtime. */
export async function copyObject(
  bucket: BucketClient,
  from: ObjectContext,
  to: ObjectContext & Precondition,
): Promise<void> {
  const { client } = bucket;
  const { generation } = (await requireFile(client, from)).object;
  const conditions = await conditionsOf(bucket, to, to);
  let token: string | undefined;
  do {
    const query = { ...conditions, ifSourceGenerationMatch: generation, rewriteToken: token };
    const reply = await client.sendForSuccess({
      method: "POST",
      uri: client.uri(from.key, { ...query, fields: "done,rewriteToken" }, client.rewriteTo(to.key)),
      body: "",
    }, to);
    token = await parseReply(reply, to, (value) => {
      const fields = toRecord(value, "it");
      const next = fields["done"] === true ? undefined : stringField(fields, "rewriteToken");
      if (fields["done"] === true || next !== undefined) return next;
      throw new RangeError("it does not report the progress of the copy");
    });
  } while (token !== undefined);
  recordFolders(bucket.folders, to);
}

/** Sets metadata of a file; its other metadata, its bytes and its generation stay. */
export async function setMetadata(
  client: GcsClient,
  metadata: Readonly<Record<string, string>>,
  context: ObjectContext,
): Promise<void> {
  const { generation, metageneration } = (await requireFile(client, context)).object;
  const query = { ifGenerationMatch: generation, ifMetagenerationMatch: metageneration, fields: "name" };
  const reply = await client.sendForSuccess({
    method: "PATCH",
    uri: client.uri(context.key, query),
    headers: { "content-type": "application/json; charset=UTF-8" },
    body: JSON.stringify({ metadata }),
  }, context);
  await reply.discard();
}

/** Returns the MD5 that the server stores, if it is wanted and available. */
export async function serverChecksum(
  client: GcsClient,
  entry: FileEntry,
  { wanted, ...context }: ObjectContext & { readonly wanted: readonly string[] },
): Promise<Checksum | undefined> {
  const seen = await stat(client, context);
  const why = describeMismatch(entry, seen?.entry);
  if (why !== undefined) throw operationError(context, "changed", { why });
  const md5 = seen?.object?.md5;
  return md5 !== undefined && wanted.includes("md5") ? `md5:${md5}` : undefined;
}

async function requireFile(client: GcsClient, context: ObjectContext): Promise<Required<StatResult>> {
  const { entry, object } = await stat(client, context) ?? {};
  if (entry !== undefined && object !== undefined) return { entry, object };
  const kind = entry === undefined ? "notFound" : "refused";
  throw operationError(context, kind, { why: entry === undefined ? "there is no such file" : "it is a folder" });
}

/**
 * Returns the marker ("d/") of a folder that contains nothing else; undefined if there is none. Rejects with changed if
 * the folder contains more.
 */
async function findFolderMarker(client: GcsClient, context: ObjectContext): Promise<GcsObject | undefined> {
  const prefix = prefixOf(context.key);
  const [first, second] = await listFirst(client, context, 2);
  if (first === undefined) return undefined;
  if (second === undefined && prefix !== "" && first.name === prefix && first.size === 0) return first;
  throw operationError(context, "changed", { why: "the folder is not empty" });
}
