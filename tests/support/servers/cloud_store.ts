import { Buffer } from "node:buffer";
import http from "node:http";
import { fileProps, folderProps, multistatus } from "./small_dav.ts";

/** How the cloud differs from an ordinary one. */
export interface CloudOptions {
  /** What its capabilities say of chunks; nothing without. */
  readonly chunking?: string;
  /** A status instead of carrying a request out. `path`: below "/remote.php/dav/", decoded. */
  trouble?(method: string, path: string): number | undefined;
  /** The status that is answered although the request was carried out. */
  lost?(method: string, path: string): number | undefined;
}

/** A Nextcloud of the account "me@web" on 127.0.0.1, as its public documentation of chunked uploads describes it. */
export interface CloudStore extends AsyncDisposable {
  readonly port: number;
  /** The path of the account's files. */
  readonly root: string;
  /** Paths below "/remote.php/dav/", such as "files/me@web/f", with contents; undefined for a folder. */
  readonly entries: Map<string, Uint8Array | undefined>;
  readonly times: Map<string, number>;
  /** "PUT uploads/me@web/…", each with the status. */
  readonly asked: string[];
}

const DAV = "/remote.php/dav/";
const MIN_CHUNK = 5 << 20;

export async function startCloud(manners: CloudOptions): Promise<CloudStore> {
  const entries = new Map<string, Uint8Array | undefined>([["files/me@web", undefined], ["uploads/me@web", undefined]]);
  const times = new Map<string, number>();
  const asked: string[] = [];
  const server = http.createServer(async (request, response) => {
    const parts: Buffer[] = [];
    try {
      for await (const part of request) parts.push(part);
    } catch {
      return;
    }
    const url = new URL(request.url ?? "/", "http://cloud");
    const reply = (status: number, body = "", headers: http.OutgoingHttpHeaders = {}) =>
      void response.writeHead(status, { "content-length": Buffer.byteLength(body), ...headers }).end(body);
    if (url.pathname === "/ocs/v2.php/cloud/capabilities") {
      if (request.headers["ocs-apirequest"] !== "true") return reply(412);
      return reply(200, JSON.stringify({ ocs: { data: { capabilities: { dav: { chunking: manners.chunking } } } } }));
    }
    const path = below(url.pathname);
    const method = request.method ?? "";
    const trouble = manners.trouble?.(method, path);
    const result = trouble !== undefined
      ? { status: trouble }
      : carryOut({ entries, times }, { method, path, headers: request.headers, body: Buffer.concat(parts) });
    const status = manners.lost?.(method, path) ?? result.status;
    asked.push(`${method} ${path} ${status}`);
    reply(status, result.body, result.headers);
  });
  const listening = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", listening.resolve);
  await listening.promise;
  const address = server.address();
  return {
    port: address !== null && typeof address === "object" ? address.port : 0,
    root: `${DAV}files/me@web`,
    entries,
    times,
    asked,
    async [Symbol.asyncDispose]() {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      server.closeAllConnections();
      await closed.promise;
    },
  };
}

interface Stored {
  readonly entries: Map<string, Uint8Array | undefined>;
  readonly times: Map<string, number>;
}

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Uint8Array;
}

interface Result {
  readonly status: number;
  readonly body?: string;
  readonly headers?: http.OutgoingHttpHeaders;
}

function carryOut(stored: Stored, asked: Asked): Result {
  const { entries, times } = stored;
  const { method, path, headers, body } = asked;
  switch (method) {
    case "OPTIONS":
      return { status: 200, headers: { dav: "1, 3, extended-mkcol", allow: "OPTIONS, PROPFIND, PROPPATCH, MOVE" } };
    case "PROPFIND": {
      if (!entries.has(path)) return { status: 404 };
      const shown = [path, ...(headers.depth === "1" ? childrenOf(entries, path) : [])];
      return { status: 207, body: multistatus(...shown.map((one) => propsOf(stored, one))) };
    }
    case "MKCOL":
      if (entries.has(path)) return { status: 405 };
      if (path.startsWith("uploads/") && headers.destination === undefined) return { status: 400 };
      entries.set(path, undefined);
      return { status: 201 };
    case "PUT": {
      if (!entries.has(above(path))) return { status: 404 };
      if (path.startsWith("uploads/") && !isChunk(path, headers)) return { status: 400 };
      entries.set(path, body);
      return { status: 201, headers: keepTime(times, path, headers) };
    }
    case "DELETE":
      for (const one of [...entries.keys()]) if (one === path || one.startsWith(`${path}/`)) entries.delete(one);
      return { status: 204 };
    case "MOVE":
      return move(stored, asked);
    default:
      return { status: 501 };
  }
}

function move({ entries, times }: Stored, { path, headers }: Asked): Result {
  const to = below(new URL(String(headers.destination), "http://cloud").pathname);
  const had = entries.has(to);
  if (had && headers.overwrite === "F") return { status: 412 };
  if (!path.endsWith("/.file")) {
    entries.set(to, entries.get(path));
    times.set(to, times.get(path) ?? 0);
    entries.delete(path);
    return { status: had ? 204 : 201 };
  }
  const folder = above(path);
  const chunks = childrenOf(entries, folder).sort((a, b) => Number(nameOf(a)) - Number(nameOf(b)));
  const sizes = chunks.map((chunk) => entries.get(chunk)?.length ?? 0);
  if (sizes.slice(0, -1).some((size) => size < MIN_CHUNK)) return { status: 400 };
  const whole = Buffer.concat(chunks.map((chunk) => entries.get(chunk) ?? new Uint8Array()));
  if (String(whole.length) !== headers["oc-total-length"]) return { status: 400 };
  entries.set(to, whole);
  for (const one of [folder, ...chunks]) entries.delete(one);
  return { status: had ? 204 : 201, headers: keepTime(times, to, headers) };
}

function isChunk(path: string, headers: http.IncomingHttpHeaders): boolean {
  const number = Number(nameOf(path));
  return Number.isInteger(number) && number >= 1 && number <= 10_000 && headers.destination !== undefined &&
    headers["oc-total-length"] !== undefined;
}

function keepTime(times: Map<string, number>, path: string, headers: http.IncomingHttpHeaders) {
  if (headers["x-oc-mtime"] === undefined) return {};
  times.set(path, Number(headers["x-oc-mtime"]) * 1000);
  return { "x-oc-mtime": "accepted" };
}

function propsOf({ entries, times }: Stored, path: string): readonly [href: string, props: string] {
  const bytes = entries.get(path);
  const href = DAV + path.split("/").map(encodeURIComponent).join("/");
  if (bytes === undefined) return [`${href}/`, `${folderProps}<O:id>7</O:id>`];
  const time = new Date(times.get(path) ?? 0).toUTCString();
  return [href, fileProps(bytes.length, `<D:getlastmodified>${time}</D:getlastmodified><O:id>8</O:id>`)];
}

function childrenOf(entries: ReadonlyMap<string, unknown>, path: string): string[] {
  return [...entries.keys()].filter((one) => above(one) === path);
}

function below(pathname: string): string {
  return pathname.slice(DAV.length).split("/").filter((name) => name !== "").map(decodeURIComponent).join("/");
}

function above(path: string): string {
  return path.split("/").slice(0, -1).join("/");
}

function nameOf(path: string): string {
  return path.split("/").at(-1) ?? "";
}
