import { type HttpServer, startHttp } from "../support/servers/http.ts";

/** A file or a folder (without bytes). `version` is another one after each write. */
interface StoredNode {
  readonly bytes?: Uint8Array<ArrayBuffer>;
  readonly modified: number;
  readonly version: number;
}

/** A store of files in memory on 127.0.0.1. Its fields make it answer as a faulty or a hostile server does. */
export class ExampleStore implements AsyncDisposable {
  readonly #http: HttpServer = startHttp((request) => this.#answer(request));
  readonly #nodes = new Map<string, StoredNode>([["", { modified: 0, version: 0 }]]);
  readonly #password: string | undefined;
  #version = 0;
  /** Names that every listing shows beside the real ones. */
  extraNames: readonly string[] = [];
  /** Whether every request is refused with 503. */
  isBusy = false;
  /** The number of bytes that are kept of each upload. */
  keptBytes = Infinity;

  constructor({ password }: { readonly password?: string } = {}) {
    this.#password = password;
  }

  get port(): number {
    return this.#http.port;
  }

  /** The requests so far that changed something or tried to, as "PUT /path". */
  get mutations(): readonly string[] {
    return this.#http.requests.filter(({ method }) => method !== "GET").map(({ method, path }) => `${method} ${path}`);
  }

  /** The files by their paths, as text. */
  get files(): Readonly<Record<string, string>> {
    const files = Array.from(this.#nodes, ([path, { bytes }]) => [path.slice(1), bytes] as const);
    return Object.fromEntries(
      files.flatMap(([path, bytes]) => bytes === undefined ? [] : [[path, new TextDecoder().decode(bytes)]]),
    );
  }

  /** Writes a file as another client of the store does. Its folder must exist. */
  put(path: string, text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.#nodes.set(`/${path}`, { bytes, modified: Date.now(), version: ++this.#version });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#http[Symbol.asyncDispose]();
  }

  async #answer(request: Request): Promise<Response> {
    const { pathname, searchParams: query } = new URL(request.url);
    const path = decodeURIComponent(pathname).replace(/\/$/, "");
    if (this.isBusy) return status(503);
    const { headers } = request;
    if (this.#password !== undefined && headers.get("authorization") !== `Bearer ${this.#password}`) return status(401);
    if (request.method === "GET") return this.#get(path, query, headers);
    const bytes = request.method === "PUT" ? await request.bytes() : undefined;
    const node = this.#nodes.get(path);
    if (bytes === undefined && node === undefined) return status(404);
    const isDir = query.has("dir");
    if (headers.get("if-none-match") === "*" && node !== undefined) return status(412);
    const wanted = headers.get("if-match");
    if (wanted !== null && (node?.bytes === undefined || String(node.version) !== wanted)) return status(412);
    if (node !== undefined && (node.bytes === undefined) !== isDir) return status(409);
    if (bytes === undefined) {
      if (node !== undefined && this.#children(path).length > 0) return status(409);
      this.#nodes.delete(path);
      return status(204);
    }
    if (path !== "" && this.#nodes.get(path.replace(/\/[^/]*$/, ""))?.bytes !== undefined) return status(409);
    if (path !== "" && !this.#nodes.has(path.replace(/\/[^/]*$/, ""))) return status(404);
    const modified = Number(query.get("modified"));
    const made = isDir ? {} : { bytes: bytes.slice(0, this.keptBytes) };
    if (node === undefined || !isDir) this.#nodes.set(path, { ...made, modified, version: ++this.#version });
    return Response.json(describe("", this.#nodes.get(path)), { status: 201 });
  }

  #get(path: string, query: URLSearchParams, headers: Headers): Response {
    const node = this.#nodes.get(path);
    if (node === undefined) return status(404);
    if (query.has("stat")) return Response.json(describe("", node));
    if (query.has("list") !== (node.bytes === undefined)) return status(409);
    if (node.bytes === undefined) {
      const real = this.#children(path).map((name) => describe(name, this.#nodes.get(`${path}/${name}`)));
      const extra = this.extraNames.map((name) => describe(name, { ...node, bytes: new Uint8Array(1) }));
      return Response.json([...real, ...extra]);
    }
    const wanted = headers.get("if-match");
    if (wanted !== null && wanted !== String(node.version)) return status(412);
    const [, from = "", to = ""] = /^bytes=(\d+)-(\d*)$/.exec(headers.get("range") ?? "") ?? [];
    if (from === "") return new Response(node.bytes);
    if (Number(from) >= node.bytes.length) return status(416);
    return new Response(node.bytes.slice(Number(from), to === "" ? undefined : Number(to) + 1), { status: 206 });
  }

  #children(path: string): readonly string[] {
    const below = [...this.#nodes.keys()].filter((one) => one.startsWith(`${path}/`));
    return below.map((one) => one.slice(path.length + 1)).filter((name) => !name.includes("/"));
  }
}

function describe(name: string, node: StoredNode | undefined) {
  const { bytes, modified, version } = node ?? { modified: 0, version: 0 };
  return { name, kind: bytes === undefined ? "dir" : "file", size: bytes?.length ?? 0, modified, version };
}

function status(code: number): Response {
  return new Response(null, { status: code });
}
