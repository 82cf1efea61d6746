import { Buffer } from "node:buffer";
import http from "node:http";
import { setTimeout as wait } from "node:timers/promises";
import { folderProps, multistatus } from "./small_dav.ts";

/** How the server differs from an ordinary one. */
export interface DavStoreOptions {
  /** The ETag of a file; none without. `version`: how often it was written. */
  etag?(version: number): string | undefined;
  /** How getlastmodified is written; the form of HTTP without, none where it gives undefined. */
  time?(ms: number): string | undefined;
  /** What replies to GET carry besides their length. */
  readonly getHeaders?: "marks" | "none";
  /** Whether listings leave a name out, which a look of its own finds. */
  hides?(name: string): boolean;
  /** An answer instead of the server's own. `count`: requests so far, this one included. */
  answer?(
    request: DavRequest,
    count: number,
  ): { readonly status: number; readonly headers?: http.OutgoingHttpHeaders } | undefined;
  /** What is stored of an upload; all of it by default. */
  stores?(name: string, bytes: Uint8Array): Uint8Array;
  /** ms from the time a request was carried out to its reply. */
  late?(request: DavRequest): number;
  /** The status with which a gateway answers at once, and the ms after which the request is carried out all the same. */
  gateway?(request: DavRequest): { readonly status: number; readonly after: number } | undefined;
  /** A GET's content instead of the file's. */
  content?(response: http.ServerResponse, bytes: Uint8Array): void;
}

export interface DavRequest {
  readonly method: string;
  /** Decoded, without a slash at its end; "" for the root. */
  readonly path: string;
  readonly depth: string | undefined;
  readonly authorization: string | undefined;
  readonly destination: string | undefined;
}

/** A WebDAV server on 127.0.0.1 that keeps its files in memory. */
export interface DavStore extends AsyncDisposable {
  readonly port: number;
  readonly files: Map<string, DavFile>;
  readonly folders: Set<string>;
  readonly asked: readonly DavRequest[];
  /** The number of bytes that are kept of each file that is sent. */
  keptBytes: number;
}

export interface DavFile {
  readonly bytes: Uint8Array;
  readonly modified: number;
  readonly version: number;
}

/** Starts it. Files have their names as keys: "d/f". */
export async function startDavStore(manners: DavStoreOptions = {}): Promise<DavStore> {
  const stop = new AbortController();
  const store = new Store(manners, stop.signal);
  const server = http.createServer((request, response) =>
    void store.handle(request, response).catch(() => response.destroy())
  );
  const listening = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", listening.resolve);
  await listening.promise;
  const address = server.address();
  return {
    port: address !== null && typeof address === "object" ? address.port : 0,
    files: store.files,
    folders: store.folders,
    asked: store.asked,
    get keptBytes() {
      return store.keptBytes;
    },
    set keptBytes(count) {
      store.keptBytes = count;
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      server.closeAllConnections();
      await closed.promise;
    },
  };
}

type Headers = http.OutgoingHttpHeaders;

class Store {
  readonly files = new Map<string, DavFile>();
  readonly folders = new Set<string>([""]);
  readonly asked: DavRequest[] = [];
  keptBytes = Infinity;
  readonly #manners: DavStoreOptions;
  readonly #stop: { readonly signal: AbortSignal };
  #version = 0;

  constructor(manners: DavStoreOptions, signal: AbortSignal) {
    this.#manners = manners;
    this.#stop = { signal };
  }

  async handle(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part);
    const { method = "", url = "/", headers } = request;
    const path = toPath(url);
    const depth = headers.depth === undefined ? undefined : String(headers.depth);
    const destination = headers.destination === undefined ? undefined : String(headers.destination);
    const one = { method, path, depth, authorization: headers.authorization, destination };
    this.asked.push(one);
    const instead = this.#manners.answer?.(one, this.asked.length);
    if (instead !== undefined) {
      return void response.writeHead(instead.status, { "content-length": 0, ...instead.headers }).end();
    }
    const gateway = this.#manners.gateway?.(one);
    if (gateway !== undefined) {
      response.writeHead(gateway.status, { "content-length": 0 }).end();
      await wait(gateway.after, undefined, this.#stop);
    }
    const answer = (status: number, more: Headers = {}, body: string | Uint8Array = "") => {
      const reply = () =>
        void response.writeHead(status, { "content-length": Buffer.byteLength(body), ...more }).end(body);
      const late = this.#manners.late?.(one) ?? 0;
      if (gateway !== undefined) return;
      if (late > 0) void wait(late, undefined, this.#stop).then(reply, () => response.destroy());
      else reply();
    };
    switch (method) {
      case "OPTIONS":
        return answer(200, { dav: "1", allow: "OPTIONS, GET, HEAD, PUT, DELETE, PROPFIND, MKCOL, MOVE, COPY" });
      case "PROPFIND":
        return this.#propfind(path, depth, answer);
      case "GET":
        return this.#get(path, headers.range, { response, answer });
      case "PUT":
        return this.#put(path, Buffer.concat(parts), { headers, answer });
      case "MKCOL":
        if (this.#has(path)) return answer(405);
        if (!this.folders.has(above(path))) return answer(409);
        this.folders.add(path);
        return answer(201);
      case "DELETE":
        if (!this.#has(path)) return answer(404);
        if (!this.#matches(path, headers["if-match"])) return answer(412);
        this.#take(path);
        return answer(204);
      case "MOVE":
      case "COPY":
        return this.#carry(method, path, { headers, answer });
      default:
        return answer(501);
    }
  }

  #propfind(path: string, depth: string | undefined, answer: Answer): void {
    if (!this.#has(path)) return answer(404);
    const isAlone = depth === "0" || !this.folders.has(path);
    const shown = isAlone ? [path] : [path, ...this.#below(path)];
    answer(207, { "content-type": "application/xml" }, multistatus(...shown.map((one) => this.#props(one))));
  }

  #below(path: string): readonly string[] {
    const isShown = (one: string) => one !== "" && above(one) === path && this.#manners.hides?.(nameOf(one)) !== true;
    return [...this.folders, ...this.files.keys()].filter(isShown);
  }

  #props(path: string): readonly [href: string, props: string] {
    const href = `/${path.split("/").map(encodeURIComponent).join("/")}`;
    const file = this.files.get(path);
    if (file === undefined) return [href === "/" ? "/" : `${href}/`, folderProps];
    const etag = this.#manners.etag?.(file.version);
    const time = this.#timeOf(file);
    return [
      href,
      `<D:resourcetype/><D:getcontentlength>${file.bytes.length}</D:getcontentlength>` +
      (time === undefined ? "" : `<D:getlastmodified>${time}</D:getlastmodified>`) +
      (etag === undefined ? "" : `<D:getetag>${etag.replaceAll("&", "&amp;")}</D:getetag>`),
    ];
  }

  #timeOf({ modified }: DavFile): string | undefined {
    const { time = (ms: number) => new Date(ms).toUTCString() } = this.#manners;
    return time(modified);
  }

  #get(
    path: string,
    range: string | undefined,
    { response, answer }: { response: http.ServerResponse; answer: Answer },
  ): void {
    const file = this.files.get(path);
    if (file === undefined) return answer(this.folders.has(path) ? 405 : 404);
    const etag = this.#manners.etag?.(file.version);
    const time = this.#timeOf(file);
    const marks = this.#manners.getHeaders === "none"
      ? {}
      : { ...(etag === undefined ? {} : { etag }), ...(time === undefined ? {} : { "last-modified": time }) };
    const { bytes } = file;
    const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(range ?? "") ?? [];
    if (first === undefined) {
      if (this.#manners.content !== undefined) return this.#manners.content(response, bytes);
      return answer(200, marks, bytes);
    }
    const from = Number(first);
    const to = last === "" ? bytes.length : Math.min(bytes.length, Number(last) + 1);
    if (from >= bytes.length) return answer(416);
    answer(206, { ...marks, "content-range": `bytes ${from}-${to - 1}/${bytes.length}` }, bytes.subarray(from, to));
  }

  #put(
    path: string,
    bytes: Uint8Array,
    { headers, answer }: { headers: http.IncomingHttpHeaders; answer: Answer },
  ): void {
    if (this.folders.has(path) || !this.folders.has(above(path))) return answer(409);
    const had = this.files.has(path);
    if (had && headers["if-none-match"] === "*") return answer(412);
    if (!this.#matches(path, headers["if-match"])) return answer(412);
    const whole = this.#manners.stores?.(nameOf(path), bytes) ?? bytes;
    const kept = whole.subarray(0, this.keptBytes);
    this.files.set(path, { bytes: kept, modified: Math.floor(Date.now() / 1000) * 1000, version: ++this.#version });
    answer(had ? 204 : 201);
  }

  #carry(
    method: "MOVE" | "COPY",
    path: string,
    { headers, answer }: { headers: http.IncomingHttpHeaders; answer: Answer },
  ): void {
    const to = toPath(new URL(String(headers.destination), "http://store").pathname);
    if (!this.#has(path)) return answer(404);
    if (!this.folders.has(above(to))) return answer(409);
    const had = this.#has(to);
    if (had && headers.overwrite === "F") return answer(412);
    if (had) this.#take(to);
    const inside = (one: string) => one === path || one.startsWith(`${path}/`);
    for (const one of [...this.folders].filter(inside)) this.folders.add(to + one.slice(path.length));
    for (const [one, file] of [...this.files].filter(([name]) => inside(name))) {
      this.files.set(to + one.slice(path.length), file);
    }
    if (method === "MOVE") this.#take(path);
    answer(had ? 204 : 201);
  }

  #matches(path: string, tag: string | undefined): boolean {
    const file = this.files.get(path);
    return tag === undefined || (file !== undefined && this.#manners.etag?.(file.version) === tag);
  }

  #has(path: string): boolean {
    return this.files.has(path) || this.folders.has(path);
  }

  #take(path: string): void {
    for (const one of [...this.files.keys()]) if (one === path || one.startsWith(`${path}/`)) this.files.delete(one);
    for (const one of [...this.folders]) if (one === path || one.startsWith(`${path}/`)) this.folders.delete(one);
  }
}

type Answer = (status: number, headers?: Headers, body?: string | Uint8Array) => void;

function toPath(url: string): string {
  return url.split("/").filter((name) => name !== "").map(decodeURIComponent).join("/");
}

function above(path: string): string {
  return path.split("/").slice(0, -1).join("/");
}

function nameOf(path: string): string {
  return path.split("/").at(-1) ?? "";
}
