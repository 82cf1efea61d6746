import { type RelPath, root } from "../../core/path.ts";
import type { Entry, FileEntry } from "../../core/entry.ts";
import type { S3Client } from "./client.ts";
import type { ObjectFacts } from "./types.ts";
import { parseMtime } from "./codec.ts";
import { keyOf, type ObjectContext, prefixOf } from "./keys.ts";
import { listPages } from "./list.ts";

/** Returns the file entry of an object. */
export function toFileEntry(
  path: RelPath,
  { size, etag, metadata, arrived }: Pick<ObjectFacts, "size" | "etag" | "metadata" | "arrived">,
): FileEntry {
  const edited = parseMtime(metadata);
  const modified = edited ?? arrived;
  return {
    kind: "file",
    path,
    size,
    ...(modified === undefined ? {} : { modified }),
    ...(edited === undefined && arrived !== undefined ? { isUploadTime: true } : {}),
    ...(etag === undefined ? {} : { revision: etag }),
  };
}

/**
 * Returns the entry at this path: an object, otherwise a folder that keys imply. A bucket is a folder, also when it is
 * empty.
 */
export async function stat(client: S3Client, context: ObjectContext): Promise<Entry | undefined> {
  const { path } = context;
  const folder = prefixOf(context);
  if (path === root && (folder === "" || await hasChildren(client, context))) return { kind: "dir", path };
  const facts = await client.head(keyOf(context), context);
  if (facts !== undefined) return toFileEntry(path, facts);
  return path !== root && await hasChildren(client, context) ? { kind: "dir", path } : undefined;
}

/** Whether any key is in the folder at this path, a marker of the folder itself included. */
async function hasChildren(client: S3Client, context: ObjectContext): Promise<boolean> {
  for await (const page of listPages(client, context, { most: 1, isEager: false })) {
    if (page.objects.length + page.prefixes.length > 0) return true;
  }
  return false;
}
