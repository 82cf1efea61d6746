import type { Entry } from "../../core/entry.ts";
import type { S3Client } from "./client.ts";
import { listPages, missingFolderError, type ObjectContext, prefixOf } from "./stat.ts";
import { compareKeys } from "../shared/page_limit.ts";
import { withRetry } from "../../net/backoff.ts";
import type { Page } from "./types.ts";
import { KeyParser, type ListedObject } from "./keys.ts";
import { operationError } from "../../core/operation.ts";

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
  throw operationError(context, "unexpected", { why: "the store gave no page" });
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
