import { Buffer } from "node:buffer";
import type http from "node:http";
import { type GcsStore, toResource } from "./gcs_store.ts";

/** What a request is about. `what`: in a word; `name`: the object's, "" for none; `then`: what follows it in the path. */
export interface Route {
  readonly what: string;
  readonly bucket: string;
  readonly name: string;
  readonly then: string;
}

/** /storage/v1/b/<bucket>/o/<name>/<then>: the name is one segment, its slashes encoded. */
export function toRoute({ method = "", headers }: http.IncomingMessage, url: URL): Route {
  const [, upload, bucket = "", name = "", then = ""] =
    /^(\/upload)?\/storage\/v1\/b\/([^/]+)\/o(?:\/([^/]+)(\/.*)?)?$/.exec(url.pathname) ?? [];
  const { searchParams: query } = url;
  const what = () => {
    if (query.has("upload_id")) {
      const isAsking = String(headers["content-range"] ?? "").startsWith("bytes */");
      return method === "DELETE" ? "abandon" : isAsking ? "status" : "part";
    }
    if (upload !== undefined) return query.get("uploadType") === "resumable" ? "begin" : "insert";
    if (name === "") return method === "GET" ? "list" : method;
    if (method === "GET") return query.get("alt") === "media" ? "media" : "get";
    if (method === "POST") return then.startsWith("/rewriteTo/") ? "rewrite" : then.slice(1);
    return method.toLowerCase();
  };
  return { what: what(), bucket: decodeURIComponent(bucket), name: decodeURIComponent(name), then };
}

/** One page of objects.list; `most`: how many names it gives at once, at most as many as were asked for. */
export function list(
  bucket: string,
  store: GcsStore,
  { query, most = 1000 }: { readonly query: URLSearchParams; readonly most?: number | undefined },
): Record<string, unknown> {
  const [prefix, delimiter] = [query.get("prefix") ?? "", query.get("delimiter") ?? ""];
  const count = Math.min(Number(query.get("maxResults") ?? 1000), most);
  const after = Buffer.from(query.get("pageToken") ?? "", "base64url").toString();
  const items: unknown[] = [];
  const prefixes = new Set<string>();
  const names = store.names();
  let last = "";
  const page = () => ({
    kind: "storage#objects",
    ...(items.length > 0 ? { items } : {}),
    ...(prefixes.size > 0 ? { prefixes: [...prefixes] } : {}),
  });
  for (let at = firstAt(names, after === "" ? prefix : after); at < names.length; at++) {
    const name = names[at] ?? "";
    if (!name.startsWith(prefix)) {
      if (isBefore(prefix, name)) break;
      continue;
    }
    const cut = delimiter === "" ? -1 : name.indexOf(delimiter, prefix.length);
    const found = cut < 0 ? name : name.slice(0, cut + delimiter.length);
    if (found === after || prefixes.has(found)) continue;
    if (items.length + prefixes.size === count) {
      return { ...page(), nextPageToken: Buffer.from(last).toString("base64url") };
    }
    const stored = store.get(name);
    if (cut >= 0) prefixes.add(found);
    else if (stored !== undefined) items.push(toResource(bucket, stored));
    last = found;
  }
  return page();
}

/** Where the names begin that are not before this one, in the order of their bytes. */
function firstAt(names: readonly string[], wanted: string): number {
  let [low, high] = [0, names.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isBefore(names[middle] ?? "", wanted)) low = middle + 1;
    else high = middle;
  }
  return low;
}

function isBefore(a: string, b: string): boolean {
  return Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0;
}
