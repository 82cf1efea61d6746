import type { Checksum, DirEntry, Entry, FileEntry } from "../../core/entry.ts";
import type { Expecting } from "../../core/backend.ts";
import { mismatch } from "../shared/preconditions.ts";
import { type Api, parsed, type Spot } from "./client.ts";
import { find, firstBelow, type Seen } from "./stat.ts";
import { prefixOf } from "./keys.ts";
import { formatEdited, type GcsObject, textOf, toRecord } from "./object.ts";
import { conditionsFor, mustHaveFolders, noteFolders } from "./write.ts";
import { operationError } from "../../core/operation.ts";
import type { Tree } from "./types.ts";

/**
 * Checks that no file is at the path. Nothing is created: a folder exists as soon as an object in it does. Rejects with
 * exists if a file is there or above.
 */
export async function makeFolder(tree: Tree, spot: Spot): Promise<DirEntry> {
  if (spot.key === "") await find(tree.api, spot);
  else if (await tree.api.look(spot) !== undefined) throw operationError(spot, "exists", { why: "a file is there" });
  await mustHaveFolders(tree, spot);
  return { kind: "dir", path: spot.path };
}

/** Removes a file, or the marker of an empty folder, if it is still the expected entry. */
export async function removeObject({ api, folders }: Tree, entry: Entry, spot: Spot): Promise<void> {
  if (entry.kind === "opaque") throw operationError(spot, "refused", { why: entry.why });
  const seen = await find(api, spot);
  if (seen === undefined) return;
  const why = mismatch(entry, seen.entry);
  if (why !== undefined) throw operationError(spot, "changed", { why });
  const object = seen.object ?? await emptyMarker(api, spot);
  if (object === undefined) return;
  const { name, generation, metageneration } = object;
  const conditions = { ifGenerationMatch: generation, ifMetagenerationMatch: metageneration };
  const reply = await api.done({ method: "DELETE", uri: api.uri(name, conditions) }, { ...spot, also: [404] });
  await reply.drop();
  if (seen.object === undefined) folders.drop(spot.key);
}

/** Copies a file within the bucket on the server, with its mtime. */
export async function copyObject(tree: Tree, from: Spot, to: Spot & Expecting): Promise<void> {
  const { api } = tree;
  const { generation } = (await mustBeFile(api, from)).object;
  const conditions = await conditionsFor(tree, to, to);
  let token: string | undefined;
  do {
    const query = { ...conditions, ifSourceGenerationMatch: generation, rewriteToken: token };
    const reply = await api.done({
      method: "POST",
      uri: api.uri(from.key, { ...query, fields: "done,rewriteToken" }, api.rewriteTo(to.key)),
      body: "",
    }, to);
    token = await parsed(reply, to, (value) => {
      const fields = toRecord(value, "it");
      const next = fields["done"] === true ? undefined : textOf(fields, "rewriteToken");
      if (fields["done"] === true || next !== undefined) return next;
      throw new RangeError("it does not say how far the copy is");
    });
  } while (token !== undefined);
  noteFolders(tree.folders, to);
}

/** Sets the mtime of a file; its bytes and its generation stay. */
export async function setTime(api: Api, modified: number, spot: Spot): Promise<void> {
  const { generation, metageneration } = (await mustBeFile(api, spot)).object;
  const query = { ifGenerationMatch: generation, ifMetagenerationMatch: metageneration, fields: "name" };
  const reply = await api.done({
    method: "PATCH",
    uri: api.uri(spot.key, query),
    headers: { "content-type": "application/json; charset=UTF-8" },
    body: JSON.stringify({ metadata: formatEdited(modified) }),
  }, spot);
  await reply.drop();
}

/** Returns the MD5 that the server stores, if it is wanted and available. */
export async function heldChecksum(
  api: Api,
  entry: FileEntry,
  { wanted, ...spot }: Spot & { readonly wanted: readonly string[] },
): Promise<Checksum | undefined> {
  const seen = await find(api, spot);
  const why = mismatch(entry, seen?.entry);
  if (why !== undefined) throw operationError(spot, "changed", { why });
  const md5 = seen?.object?.md5;
  return md5 !== undefined && wanted.includes("md5") ? `md5:${md5}` : undefined;
}

async function mustBeFile(api: Api, spot: Spot): Promise<Required<Seen>> {
  const { entry, object } = await find(api, spot) ?? {};
  if (entry !== undefined && object !== undefined) return { entry, object };
  const kind = entry === undefined ? "notFound" : "refused";
  throw operationError(spot, kind, { why: entry === undefined ? "there is no such file" : "it is a folder" });
}

/**
 * Returns the marker ("d/") of a folder that contains nothing else; undefined if there is none. Rejects with changed if
 * the folder contains more.
 */
async function emptyMarker(api: Api, spot: Spot): Promise<GcsObject | undefined> {
  const prefix = prefixOf(spot.key);
  const [first, second] = await firstBelow(api, spot, 2);
  if (first === undefined) return undefined;
  if (second === undefined && prefix !== "" && first.name === prefix && first.size === 0) return first;
  throw operationError(spot, "changed", { why: "the folder is not empty" });
}
