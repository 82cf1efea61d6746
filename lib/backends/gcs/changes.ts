import type { Checksum, DirEntry, Entry, FileEntry } from "../../core/entry.ts";
import type { Precondition } from "../../core/backend.ts";
import { describeMismatch } from "../shared/preconditions.ts";
import { type GcsClient, type ObjectContext, parseReply } from "./client.ts";
import { listFirst, stat, type StatResult } from "./stat.ts";
import { prefixOf } from "./keys.ts";
import { formatMtime, type GcsObject, stringField, toRecord } from "./object.ts";
import { assertFoldersAbove, conditionsOf, recordFolders } from "./write.ts";
import { operationError } from "../../core/operation.ts";
import type { BucketClient } from "./types.ts";

/**
 * Checks that no file is at the path. Nothing is created: a folder exists as soon as an object in it does. Rejects with
 * exists if a file is there or above.
 */
export async function makeFolder(tree: BucketClient, spot: ObjectContext): Promise<DirEntry> {
  if (spot.key === "") await stat(tree.client, spot);
  else if (await tree.client.getMetadata(spot) !== undefined) {
    throw operationError(spot, "exists", { why: "a file is there" });
  }
  await assertFoldersAbove(tree, spot);
  return { kind: "dir", path: spot.path };
}

/** Removes a file, or the marker of an empty folder, if it is still the expected entry. */
export async function removeEntry(
  { client: api, folders }: BucketClient,
  entry: Entry,
  spot: ObjectContext,
): Promise<void> {
  if (entry.kind === "opaque") throw operationError(spot, "refused", { why: entry.why });
  const seen = await stat(api, spot);
  if (seen === undefined) return;
  const why = describeMismatch(entry, seen.entry);
  if (why !== undefined) throw operationError(spot, "changed", { why });
  const object = seen.object ?? await findFolderMarker(api, spot);
  if (object === undefined) return;
  const { name, generation, metageneration } = object;
  const conditions = { ifGenerationMatch: generation, ifMetagenerationMatch: metageneration };
  const reply = await api.sendForSuccess({ method: "DELETE", uri: api.uri(name, conditions) }, {
    ...spot,
    also: [404],
  });
  await reply.discard();
  if (seen.object === undefined) folders.remove(spot.key);
}

/** Copies a file within the bucket on the server, with its mtime. */
export async function copyObject(
  tree: BucketClient,
  from: ObjectContext,
  to: ObjectContext & Precondition,
): Promise<void> {
  const { client: api } = tree;
  const { generation } = (await requireFile(api, from)).object;
  const conditions = await conditionsOf(tree, to, to);
  let token: string | undefined;
  do {
    const query = { ...conditions, ifSourceGenerationMatch: generation, rewriteToken: token };
    const reply = await api.sendForSuccess({
      method: "POST",
      uri: api.uri(from.key, { ...query, fields: "done,rewriteToken" }, api.rewriteTo(to.key)),
      body: "",
    }, to);
    token = await parseReply(reply, to, (value) => {
      const fields = toRecord(value, "it");
      const next = fields["done"] === true ? undefined : stringField(fields, "rewriteToken");
      if (fields["done"] === true || next !== undefined) return next;
      throw new RangeError("it does not say how far the copy is");
    });
  } while (token !== undefined);
  recordFolders(tree.folders, to);
}

/** Sets the mtime of a file; its bytes and its generation stay. */
export async function setTime(api: GcsClient, modified: number, spot: ObjectContext): Promise<void> {
  const { generation, metageneration } = (await requireFile(api, spot)).object;
  const query = { ifGenerationMatch: generation, ifMetagenerationMatch: metageneration, fields: "name" };
  const reply = await api.sendForSuccess({
    method: "PATCH",
    uri: api.uri(spot.key, query),
    headers: { "content-type": "application/json; charset=UTF-8" },
    body: JSON.stringify({ metadata: formatMtime(modified) }),
  }, spot);
  await reply.discard();
}

/** Returns the MD5 that the server stores, if it is wanted and available. */
export async function serverChecksum(
  api: GcsClient,
  entry: FileEntry,
  { wanted, ...spot }: ObjectContext & { readonly wanted: readonly string[] },
): Promise<Checksum | undefined> {
  const seen = await stat(api, spot);
  const why = describeMismatch(entry, seen?.entry);
  if (why !== undefined) throw operationError(spot, "changed", { why });
  const md5 = seen?.object?.md5;
  return md5 !== undefined && wanted.includes("md5") ? `md5:${md5}` : undefined;
}

async function requireFile(api: GcsClient, spot: ObjectContext): Promise<Required<StatResult>> {
  const { entry, object } = await stat(api, spot) ?? {};
  if (entry !== undefined && object !== undefined) return { entry, object };
  const kind = entry === undefined ? "notFound" : "refused";
  throw operationError(spot, kind, { why: entry === undefined ? "there is no such file" : "it is a folder" });
}

/**
 * Returns the marker ("d/") of a folder that contains nothing else; undefined if there is none. Rejects with changed if
 * the folder contains more.
 */
async function findFolderMarker(api: GcsClient, spot: ObjectContext): Promise<GcsObject | undefined> {
  const prefix = prefixOf(spot.key);
  const [first, second] = await listFirst(api, spot, 2);
  if (first === undefined) return undefined;
  if (second === undefined && prefix !== "" && first.name === prefix && first.size === 0) return first;
  throw operationError(spot, "changed", { why: "the folder is not empty" });
}
