import { type RelPath } from "../../core/path.ts";
import type { Entry } from "../../core/entry.ts";
import type { GcsClient, ObjectContext, Query } from "./client.ts";
import { parseKey, parsePrefix, prefixOf } from "./keys.ts";
import type { GcsObject, GcsPage } from "./object.ts";
import { compareKeys, MAX_FOLDER_BYTES, PageLimit } from "../shared/page_limit.ts";
import { withRetry } from "../../net/backoff.ts";
import { operationError } from "../../core/operation.ts";

/** Lists the children of a folder. Rejects with notFound if nothing is below the key. */
export async function list(client: GcsClient, context: ObjectContext): Promise<readonly Entry[]> {
  const prefix = prefixOf(context.key);
  const found: Entry[] = [];
  let isThere = context.key === "";
  for await (
    const { items, prefixes } of listPages(client, { prefix, delimiter: "/", maxBytes: MAX_FOLDER_BYTES }, context)
  ) {
    isThere ||= items.length > 0 || prefixes.length > 0;
    for (const object of items) {
      const { entry } = parseKey(context.path, object.name.slice(prefix.length), object);
      if (entry !== undefined) found.push(entry);
    }
    for (const name of prefixes) found.push(parsePrefix(context.path, name.slice(prefix.length)));
  }
  if (!isThere) throw operationError(context, "notFound", { why: "there is no such folder" });
  return found;
}

/**
 * Yields everything below a folder, page by page of a flat listing; its folders are those in the paths of the objects.
 */
export async function* walk(client: GcsClient, context: ObjectContext): AsyncGenerator<readonly Entry[]> {
  const prefix = prefixOf(context.key);
  const known = new Set<RelPath>();
  let isThere = context.key === "";
  for await (const { items } of listPages(client, { prefix }, context)) {
    isThere ||= items.length > 0;
    const batch: Entry[] = [];
    for (const object of items) {
      const { dirs, entry } = parseKey(context.path, object.name.slice(prefix.length), object);
      for (const path of dirs) {
        if (known.has(path)) continue;
        known.add(path);
        batch.push({ kind: "dir", path });
      }
      // Several names that no path can represent may yield the same opaque path: it is reported once.
      if (entry === undefined || (entry.kind === "opaque" && known.has(entry.path))) continue;
      if (entry.kind === "opaque") known.add(entry.path);
      batch.push(entry);
    }
    yield batch;
  }
  if (!isThere) throw operationError(context, "notFound", { why: "there is no such folder" });
}

/**
 * Returns the first objects whose names begin with "key/", at most `most`. A page may be empty although others follow.
 */
export async function listFirst(
  client: GcsClient,
  context: ObjectContext,
  most: number,
): Promise<readonly GcsObject[]> {
  const found: GcsObject[] = [];
  for await (const { items } of listPages(client, { prefix: prefixOf(context.key), maxResults: most }, context)) {
    found.push(...items);
    if (found.length >= most) break;
  }
  return found;
}

/**
 * Yields the pages of one listing. Rejects with unexpected if the server lists names outside the request, or does not
 * end.
 */
async function* listPages(
  client: GcsClient,
  { maxBytes, ...query }: Query & { readonly prefix: string; readonly maxBytes?: number },
  context: ObjectContext,
): AsyncGenerator<GcsPage> {
  const bound = new PageLimit(context, maxBytes === undefined ? {} : { maxBytes });
  let token: string | undefined;
  let last = "";
  do {
    const asked = { maxResults: PAGE_SIZE, ...query, pageToken: token };
    // A walk that has begun is not restarted, so each page is retried by itself.
    const page =
      await (token === undefined
        ? client.listPage(asked, context)
        : withRetry(() => client.listPage(asked, context), context));
    const names = [...page.items.map(({ name }) => name), ...page.prefixes];
    if (!names.every((name) => name.startsWith(query.prefix))) {
      throw operationError(context, "unexpected", { why: "the listing names objects outside of the requested prefix" });
    }
    bound.addPage(names, page.next);
    const first = page.items[0]?.name;
    if (first !== undefined && last !== "" && compareKeys(first, last) <= 0) {
      throw operationError(context, "unexpected", { why: "the listing repeats names" });
    }
    last = page.items.at(-1)?.name ?? last;
    yield page;
    token = page.next;
  } while (token !== undefined);
}

/** The most that the server returns at once. */
const PAGE_SIZE = 1000;
