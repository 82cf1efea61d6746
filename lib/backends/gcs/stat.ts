import { type RelPath, root } from "../../core/path.ts";
import type { Entry } from "../../core/entry.ts";
import type { Api, Query, Spot } from "./client.ts";
import { prefixOf, spell, spellFolder } from "./keys.ts";
import { type GcsObject, type GcsPage, toFileEntry } from "./object.ts";
import { compareKeys, FOLDER_BYTES, PageBound } from "../shared/page_limit.ts";
import { patiently } from "../../net/backoff.ts";
import { operationError } from "../../core/operation.ts";

/**
 * The entry at a key: an object is a file, and names that begin with "key/" make the key a folder. `object` of a file
 * only.
 */
export interface Seen {
  readonly entry: Entry;
  readonly object?: GcsObject;
}

/** Returns the entry at a key; undefined if there is none. */
export async function find(api: Api, spot: Spot): Promise<Seen | undefined> {
  // A root is usually a folder.
  if (spot.path === root && await holdsSomething(api, spot)) return { entry: { kind: "dir", path: root } };
  const object = spot.key === "" ? undefined : await api.look(spot);
  if (object !== undefined) return { entry: toFileEntry(spot.path, object), object };
  return spot.path !== root && await holdsSomething(api, spot)
    ? { entry: { kind: "dir", path: spot.path } }
    : undefined;
}

/** Whether names begin with "key/". A bucket that exists is a folder, also when it is empty. */
export async function holdsSomething(api: Api, spot: Spot): Promise<boolean> {
  const [first] = await firstBelow(api, spot, 1);
  return spot.key === "" || first !== undefined;
}

/**
 * Returns the first objects whose names begin with "key/", at most `most`. A page may be empty although others follow.
 */
export async function firstBelow(api: Api, spot: Spot, most: number): Promise<readonly GcsObject[]> {
  const found: GcsObject[] = [];
  for await (const { items } of pages(api, { prefix: prefixOf(spot.key), maxResults: most }, spot)) {
    found.push(...items);
    if (found.length >= most) break;
  }
  return found;
}

/** Lists the children of a folder. Rejects with notFound if nothing is below the key. */
export async function children(api: Api, spot: Spot): Promise<readonly Entry[]> {
  const prefix = prefixOf(spot.key);
  const found: Entry[] = [];
  let isThere = spot.key === "";
  for await (const { items, prefixes } of pages(api, { prefix, delimiter: "/", maxBytes: FOLDER_BYTES }, spot)) {
    isThere ||= items.length > 0 || prefixes.length > 0;
    for (const object of items) {
      const { entry } = spell(spot.path, object.name.slice(prefix.length), object);
      if (entry !== undefined) found.push(entry);
    }
    for (const name of prefixes) found.push(spellFolder(spot.path, name.slice(prefix.length)));
  }
  if (!isThere) throw operationError(spot, "notFound", { why: "there is no such folder" });
  return found;
}

/**
 * Yields everything below a folder, page by page of a flat listing; its folders are those in the paths of the objects.
 */
export async function* walk(api: Api, spot: Spot): AsyncGenerator<readonly Entry[]> {
  const prefix = prefixOf(spot.key);
  const known = new Set<RelPath>();
  let isThere = spot.key === "";
  for await (const { items } of pages(api, { prefix }, spot)) {
    isThere ||= items.length > 0;
    const batch: Entry[] = [];
    for (const object of items) {
      const { dirs, entry } = spell(spot.path, object.name.slice(prefix.length), object);
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
  if (!isThere) throw operationError(spot, "notFound", { why: "there is no such folder" });
}

/**
 * Yields the pages of one listing. Rejects with unexpected if the server lists names outside the request, or does not
 * end.
 */
async function* pages(
  api: Api,
  { maxBytes, ...query }: Query & { readonly prefix: string; readonly maxBytes?: number },
  spot: Spot,
): AsyncGenerator<GcsPage> {
  const bound = new PageBound(spot, maxBytes === undefined ? {} : { maxBytes });
  let token: string | undefined;
  let last = "";
  do {
    const asked = { maxResults: PAGE, ...query, pageToken: token };
    // A walk that has begun is not restarted, so each page is retried by itself.
    const page = await (token === undefined ? api.page(asked, spot) : patiently(() => api.page(asked, spot), spot));
    const names = [...page.items.map(({ name }) => name), ...page.prefixes];
    if (!names.every((name) => name.startsWith(query.prefix))) {
      throw operationError(spot, "unexpected", { why: "the listing names objects that lie elsewhere" });
    }
    bound.take(names, page.next);
    const first = page.items[0]?.name;
    if (first !== undefined && last !== "" && compareKeys(first, last) <= 0) {
      throw operationError(spot, "unexpected", { why: "the listing names again what it named before" });
    }
    last = page.items.at(-1)?.name ?? last;
    yield page;
    token = page.next;
  } while (token !== undefined);
}

/** The most that the server returns at once. */
const PAGE = 1000;
