import { type RelPath, root } from "../../core/path.ts";
import type { Entry, FileEntry } from "../../core/entry.ts";
import type { Store } from "./client.ts";
import type { ObjectFacts, Page, PageOptions } from "./types.ts";
import { KeyReader, withoutClashes } from "./keys.ts";
import { parseTime } from "./metadata.ts";
import { FOLDER_BYTES, PageBound, type PageBoundOptions } from "../shared/page_limit.ts";
import { patiently } from "../../net/backoff.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

/** The context of an operation. `prefix` is the root's: "" or "a/b/". */
export interface Spot extends OperationContext {
  readonly prefix: string;
}

/** Returns the key of the file at this path. */
export function keyOf({ prefix, path }: Spot): string {
  return path === root ? prefix.replace(/\/$/, "") : prefix + path;
}

/** Returns the prefix of the keys in the folder at this path. */
export function folderOf({ prefix, path }: Spot): string {
  return path === root ? prefix : `${prefix}${path}/`;
}

/** Returns the file entry of an object. */
export function toFile(
  path: RelPath,
  { size, etag, metadata, arrived }: Pick<ObjectFacts, "size" | "etag" | "metadata" | "arrived">,
): FileEntry {
  const edited = parseTime(metadata);
  const modified = edited ?? arrived;
  return {
    kind: "file",
    path,
    size,
    ...(modified === undefined ? {} : { modified }),
    ...(edited === undefined && arrived !== undefined ? { isArrival: true } : {}),
    ...(etag === undefined ? {} : { revision: etag }),
  };
}

/**
 * Returns the entry at this path: an object, otherwise a folder that keys imply. A bucket is a folder, also when it is
 * empty.
 */
export async function find(store: Store, spot: Spot): Promise<Entry | undefined> {
  const { path } = spot;
  const folder = folderOf(spot);
  if (path === root && (folder === "" || await holds(store, spot))) return { kind: "dir", path };
  const facts = await store.head(keyOf(spot), spot);
  if (facts !== undefined) return toFile(path, facts);
  return path !== root && await holds(store, spot) ? { kind: "dir", path } : undefined;
}

/** Whether any key is in the folder at this path, a marker of the folder itself included. */
async function holds(store: Store, spot: Spot): Promise<boolean> {
  for await (const page of pages(store, spot, { most: 1, isEager: false })) {
    if (page.objects.length + page.prefixes.length > 0) return true;
  }
  return false;
}

/**
 * Lists the direct children of the folder. Rejects with notFound if there are none, unless the folder is the bucket
 * itself.
 */
export async function children(store: Store, spot: Spot): Promise<readonly Entry[]> {
  const folder = folderOf(spot);
  const reader = new KeyReader(spot.prefix);
  const found: Entry[] = [];
  let isEmpty = true;
  for await (const { objects, prefixes } of pages(store, spot, { delimiter: "/", maxBytes: FOLDER_BYTES })) {
    isEmpty &&= objects.length + prefixes.length === 0;
    for (const object of objects) found.push(...reader.read(object));
    for (const prefix of prefixes) found.push(...reader.readFolder(prefix));
  }
  if (isEmpty && folder !== "") throw await notThere(store, spot);
  const { path } = spot;
  return withoutClashes(found.filter((entry) => entry.path.length > path.length && isRightBelow(entry.path, path)));
}

/** The start of a listing, and its bounds. */
export interface PagesOptions extends Pick<PageOptions, "delimiter" | "after" | "most">, PageBoundOptions {
  /** Whether the next page is requested while the current one is processed. */
  readonly isEager?: boolean;
}

/**
 * Yields every page of a listing. `after`: the key after which it begins. A page after the first one is retried if its
 * failure is transient, because no layer restarts a listing that has begun.
 */
export async function* pages(
  store: Store,
  spot: Spot,
  { maxBytes, isEager = true, ...from }: PagesOptions = {},
): AsyncGenerator<Page, void, void> {
  const bound = new PageBound(spot, maxBytes === undefined ? {} : { maxBytes });
  const of = (token?: string) => {
    const ask = () => store.list(folderOf(spot), spot, token === undefined ? from : { ...from, token });
    return watched(token === undefined && from.after === undefined ? ask() : patiently(ask, spot));
  };
  for (let coming: ReturnType<typeof of> | undefined = of(); coming !== undefined;) {
    const page: Page = await coming;
    bound.take([...page.objects.map(({ key }) => key), ...page.prefixes], page.next);
    coming = page.next === undefined || !isEager ? undefined : of(page.next);
    yield page;
    if (!isEager && page.next !== undefined) coming = of(page.next);
  }
}

/** Keeps a rejection from being reported as unhandled until the promise is awaited. */
function watched<T>(work: Promise<T>): Promise<T> {
  work.catch(() => undefined);
  return work;
}

/** Returns the error of a folder that does not exist. */
export async function notThere(store: Store, spot: Spot): Promise<Error> {
  const facts = await store.head(keyOf(spot), spot);
  if (facts === undefined) return operationError(spot, "notFound", { why: "there is no such folder" });
  return operationError(spot, "refused", { why: "it is a file" });
}

function isRightBelow(path: RelPath, dir: RelPath): boolean {
  return path.indexOf("/", dir === root ? 0 : dir.length + 1) < 0;
}
