import { type RelPath, root } from "../../core/path.ts";
import type { Entry, FileEntry } from "../../core/entry.ts";
import type { S3Client } from "./client.ts";
import type { ObjectFacts, Page, PageOptions } from "./types.ts";
import { KeyParser, withoutClashes } from "./keys.ts";
import { parseMtime } from "./metadata.ts";
import { MAX_FOLDER_BYTES, PageLimit, type PageLimitOptions } from "../shared/page_limit.ts";
import { withRetry } from "../../net/backoff.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

/** The context of an operation. `prefix` is the root's: "" or "a/b/". */
export interface ObjectContext extends OperationContext {
  readonly prefix: string;
}

/** Returns the key of the file at this path. */
export function keyOf({ prefix, path }: ObjectContext): string {
  return path === root ? prefix.replace(/\/$/, "") : prefix + path;
}

/** Returns the prefix of the keys in the folder at this path. */
export function prefixOf({ prefix, path }: ObjectContext): string {
  return path === root ? prefix : `${prefix}${path}/`;
}

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

/**
 * Lists the direct children of the folder. Rejects with notFound if there are none, unless the folder is the bucket
 * itself.
 */
export async function list(client: S3Client, context: ObjectContext): Promise<readonly Entry[]> {
  const folder = prefixOf(context);
  const reader = new KeyParser(context.prefix);
  const found: Entry[] = [];
  let isEmpty = true;
  for await (
    const { objects, prefixes } of listPages(client, context, { delimiter: "/", maxBytes: MAX_FOLDER_BYTES })
  ) {
    isEmpty &&= objects.length + prefixes.length === 0;
    for (const object of objects) found.push(...reader.parseObject(object));
    for (const prefix of prefixes) found.push(...reader.parsePrefix(prefix));
  }
  if (isEmpty && folder !== "") throw await missingFolderError(client, context);
  const { path } = context;
  return withoutClashes(found.filter((entry) => entry.path.length > path.length && isChildOf(entry.path, path)));
}

/** The start of a listing, and its bounds. */
export interface ListingOptions extends Pick<PageOptions, "delimiter" | "after" | "most">, PageLimitOptions {
  /** Whether the next page is requested while the current one is processed. */
  readonly isEager?: boolean;
}

/**
 * Yields every page of a listing. `after`: the key after which it begins. A page after the first one is retried if its
 * failure is transient, because no layer restarts a listing that has begun.
 */
export async function* listPages(
  client: S3Client,
  context: ObjectContext,
  { maxBytes, isEager = true, ...from }: ListingOptions = {},
): AsyncGenerator<Page, void, void> {
  const bound = new PageLimit(context, maxBytes === undefined ? {} : { maxBytes });
  const of = (token?: string) => {
    const requestPage = () => client.list(prefixOf(context), context, token === undefined ? from : { ...from, token });
    return withHandledRejection(
      token === undefined && from.after === undefined ? requestPage() : withRetry(requestPage, context),
    );
  };
  for (let coming: ReturnType<typeof of> | undefined = of(); coming !== undefined;) {
    const page: Page = await coming;
    bound.addPage([...page.objects.map(({ key }) => key), ...page.prefixes], page.next);
    coming = page.next === undefined || !isEager ? undefined : of(page.next);
    yield page;
    if (!isEager && page.next !== undefined) coming = of(page.next);
  }
}

/** Keeps a rejection from being reported as unhandled until the promise is awaited. */
function withHandledRejection<T>(work: Promise<T>): Promise<T> {
  work.catch(() => undefined);
  return work;
}

/** Returns the error of a folder that does not exist. */
export async function missingFolderError(client: S3Client, context: ObjectContext): Promise<Error> {
  const facts = await client.head(keyOf(context), context);
  if (facts === undefined) return operationError(context, "notFound", { why: "there is no such folder" });
  return operationError(context, "refused", { why: "it is a file" });
}

function isChildOf(path: RelPath, dir: RelPath): boolean {
  return path.indexOf("/", dir === root ? 0 : dir.length + 1) < 0;
}
