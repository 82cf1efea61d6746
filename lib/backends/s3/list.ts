import { type RelPath, root } from "../../core/path.ts";
import type { Entry } from "../../core/entry.ts";
import type { S3Client } from "./client.ts";
import type { Page, PageOptions } from "./types.ts";
import { keyOf, KeyParser, type ListedObject, type ObjectContext, prefixOf, withoutClashes } from "./keys.ts";
import { compareKeys, MAX_FOLDER_BYTES, PageLimit, type PageLimitOptions } from "../shared/page_limit.ts";
import { withRetry } from "../../net/backoff.ts";
import { operationError } from "../../core/operation.ts";

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

/**
 * Lists everything below the folder, in batches. The pages of a listing are sequential, so if there is more than one
 * page, the rest is listed as parallel ranges of keys that begin at folders. Rejects with notFound if there is nothing,
 * unless the folder is the bucket.
 */
export async function* walk(client: S3Client, context: ObjectContext): AsyncGenerator<readonly Entry[], void, void> {
  const reader = new KeyParser(context.prefix);
  const { objects, next } = await firstPage(client, context);
  assertAscending(objects, "", context);
  if (objects.length === 0 && prefixOf(context) !== "") throw await missingFolderError(client, context);
  yield* toBatch(objects, { reader, context });
  const last = objects.at(-1)?.key;
  if (next === undefined || last === undefined) return;
  const starts = [last, ...await rangeStarts(client, context, last)];
  const ranges = starts.map((after, i) => listRange(client, context, { after, to: starts[i + 1] }));
  for await (const found of merge(ranges)) yield* toBatch(found, { reader, context });
}

/** Ranges listed in parallel. */
const MAX_RANGES = 8;

/** Returns the first page that is not empty: a page without keys may be followed by others, so it is not the end. */
async function firstPage(client: S3Client, context: ObjectContext): Promise<Page> {
  for await (const page of listPages(client, context, { isEager: false })) {
    if (page.objects.length > 0 || page.next === undefined) return page;
  }
  throw operationError(context, "unexpected", { why: "the store returned no page" });
}

/**
 * Throws if the keys do not ascend. A range ends at the first key after it, so in another order keys would be missed
 * silently.
 */
function assertAscending(objects: readonly ListedObject[], before: string, context: ObjectContext): void {
  let last = before;
  for (const { key } of objects) {
    if (last !== "" && compareKeys(key, last) <= 0) {
      throw operationError(context, "unexpected", {
        why: "the store does not list its keys in the order of their bytes",
      });
    }
    last = key;
  }
}

function* toBatch(
  objects: readonly ListedObject[],
  { reader, context }: { readonly reader: KeyParser; readonly context: ObjectContext },
): Generator<readonly Entry[]> {
  const batch: Entry[] = [];
  for (const object of objects) {
    for (const entry of reader.parseObject(object)) if (entry.path.length > context.path.length) batch.push(entry);
  }
  if (batch.length > 0) yield batch;
}

/**
 * Returns keys after `last` at which folders begin, spread evenly over those of one page; none if there are no folders.
 */
async function rangeStarts(client: S3Client, context: ObjectContext, last: string): Promise<readonly string[]> {
  const requestPage = () => client.list(prefixOf(context), context, { delimiter: "/", after: last, most: MAX_FOLDERS });
  const { prefixes } = await withRetry(requestPage, context);
  const found = prefixes.filter((prefix) => compareKeys(prefix, last) > 0).toSorted(compareKeys);
  const count = Math.min(MAX_RANGES - 1, found.length);
  return Array.from({ length: count }, (_, i) => found[Math.floor((i + 1) * found.length / (count + 1))] ?? last);
}

const MAX_FOLDERS = 1000;

/** Lists the keys after `after`, up to and including `to`, or to the last key without it. */
async function* listRange(
  client: S3Client,
  context: ObjectContext,
  { after, to }: { readonly after: string; readonly to: string | undefined },
): AsyncGenerator<readonly ListedObject[], void, void> {
  let before = after;
  for await (const { objects } of listPages(client, context, { after })) {
    assertAscending(objects, before, context);
    before = objects.at(-1)?.key ?? before;
    const end = to === undefined ? -1 : objects.findIndex(({ key }) => compareKeys(key, to) > 0);
    yield end < 0 ? objects : objects.slice(0, end);
    if (end >= 0) return;
  }
}

/** Merges several generators in order of arrival. The first failure ends all of them. */
async function* merge<T>(sources: readonly AsyncGenerator<T, void, void>[]): AsyncGenerator<T, void, void> {
  const next = async (source: AsyncGenerator<T, void, void>) => ({ source, step: await source.next() });
  const coming = new Map(sources.map((source) => [source, next(source)]));
  try {
    while (coming.size > 0) {
      const { source, step } = await Promise.race(coming.values());
      if (step.done === true) coming.delete(source);
      else {
        coming.set(source, next(source));
        yield step.value;
      }
    }
  } finally {
    for (const work of coming.values()) work.catch(() => undefined);
    await Promise.allSettled(sources.map((source) => source.return()));
  }
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
