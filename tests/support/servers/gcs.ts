import { Buffer } from "node:buffer";
import http from "node:http";
import { gunzipSync } from "node:zlib";
import { GcsLogin } from "./gcs_login.ts";
import { list, toRoute } from "./gcs_routes.ts";
import { crc32cOf, GcsErrorResponse, GcsStore, md5Of, select, type Stored, toResource } from "./gcs_store.ts";
import { type Description, GcsUploads } from "./gcs_uploads.ts";

/** What a request was for, in one or two words: "list", "get", "media", "insert", "begin", "part", "status", "delete" … */
export interface GcsRequest {
  readonly what: string;
  readonly name: string;
  readonly query: URLSearchParams;
  readonly headers: http.IncomingHttpHeaders;
  /** Bytes of content that came with it. */
  readonly bytes: number;
}

/** What happens to a request instead of its answer: a status, a cut without any answer, or one behind so many bytes of it. */
export type GcsFault =
  | { readonly status: number; readonly reason?: string; readonly headers?: Readonly<Record<string, string>> }
  | { readonly cut: "before" | "after" }
  | { readonly body: string }
  | { readonly damage: true }
  /** The upload ends with this part, whole or not. */
  | { readonly early: true };

/**
 * A server on 127.0.0.1 that speaks the part of Cloud Storage's JSON API (v1) that its discovery document and its pages tell of, as far
 * as Tandem uses it: buckets in memory, generations, sessions, a login that checks signatures.
 */
export interface GcsServer extends AsyncDisposable {
  readonly port: number;
  /** "http://127.0.0.1:port". */
  readonly endpoint: string;
  readonly login: GcsLogin;
  /** What was asked so far, log-ins left out. */
  readonly requests: readonly GcsRequest[];
  /** The file of a service account that may log in. */
  keyFile(more?: Readonly<Record<string, unknown>>): string;
  /** A new bucket. */
  makeBucket(name: string): GcsBucket;
  /** The next request that fits gets this instead of its answer; each call stands for one request. */
  fail(what: string, fault: GcsFault): void;
}

export interface GcsBucket {
  readonly name: string;
  readonly store: GcsStore;
  readonly uploads: GcsUploads;
}

/** Starts it. `page`: names a listing gives at once; `rewrite`: bytes that one request of a copy moves; `requesterPays`: who asks must name a project. */
export async function startGcs(
  options: { readonly page?: number; readonly rewrite?: number; readonly requesterPays?: boolean } = {},
): Promise<GcsServer> {
  const login = new GcsLogin();
  const buckets = new Map<string, GcsBucket>();
  const asked: GcsRequest[] = [];
  const faults: { readonly what: string; readonly fault: GcsFault }[] = [];
  const server = http.createServer((request, response) => {
    const url = new URL(request.url ?? "", `http://${request.headers.host}`);
    const handling = new Handling({ request, response, url, login, buckets, options, endpoint: endpoint() });
    const fault = (what: string) => {
      const at = faults.findIndex((one) => one.what === what);
      return at < 0 ? undefined : faults.splice(at, 1)[0]?.fault;
    };
    handling.run({ note: (one) => void asked.push(one), fault }).catch(() => response.destroy());
  });
  server.keepAliveTimeout = 60_000;
  const listening = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", listening.resolve);
  await listening.promise;
  const address = server.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  const endpoint = () => `http://127.0.0.1:${port}`;
  return {
    port,
    endpoint: endpoint(),
    login,
    requests: asked,
    keyFile: (more) => login.keyFile(`${endpoint()}/token`, more),
    makeBucket(name) {
      const store = new GcsStore();
      const bucket = { name, store, uploads: new GcsUploads(store) };
      buckets.set(name, bucket);
      return bucket;
    },
    fail: (what, fault) => void faults.push({ what, fault }),
    async [Symbol.asyncDispose]() {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      server.closeAllConnections();
      await closed.promise;
    },
  };
}

interface Handled {
  readonly request: http.IncomingMessage;
  readonly response: http.ServerResponse;
  readonly url: URL;
  readonly login: GcsLogin;
  readonly buckets: ReadonlyMap<string, GcsBucket>;
  readonly options: { readonly page?: number; readonly rewrite?: number; readonly requesterPays?: boolean };
  readonly endpoint: string;
}

interface World {
  note(one: GcsRequest): void;
  fault(what: string): GcsFault | undefined;
}

/** One request. */
class Handling {
  readonly #all: Handled;
  #damaged = false;
  #isEarly = false;

  constructor(all: Handled) {
    this.#all = all;
  }

  async run({ note, fault }: World): Promise<void> {
    const { request, url, options } = this.#all;
    if (await this.#logIn()) return;
    const { bucket, name, then, what } = toRoute(request, url);
    note({
      what,
      name: name === "" ? url.searchParams.get("name") ?? url.searchParams.get("prefix") ?? "" : name,
      query: url.searchParams,
      headers: request.headers,
      bytes: Number(request.headers["content-length"] ?? 0),
    });
    const planned = fault(what);
    if (planned !== undefined && "cut" in planned && planned.cut === "before") return void request.destroy();
    if (planned !== undefined && "status" in planned) {
      for await (const _ of request);
      const { status, reason = "fault", headers = {} } = planned;
      return this.#refuse(new GcsErrorResponse(status, reason, "A fault of the test."), headers);
    }
    if (planned !== undefined && "body" in planned) return this.#send(200, planned.body);
    if (planned !== undefined && "cut" in planned) this.#all.response.end = () => this.#all.response.destroy();
    this.#damaged = planned !== undefined && "damage" in planned;
    this.#isEarly = planned !== undefined && "early" in planned;
    try {
      if (!this.#all.login.isGood(request.headers.authorization)) {
        throw new GcsErrorResponse(401, "authError", "Invalid Credentials");
      }
      const found = this.#all.buckets.get(bucket);
      if (found === undefined) throw new GcsErrorResponse(404, "notFound", "The specified bucket does not exist.");
      if (options.requesterPays === true && !url.searchParams.has("userProject")) {
        throw new GcsErrorResponse(400, "userProjectMissing", "Bucket is a requester pays bucket but no user project.");
      }
      await this.#answer(found, { what, name, then });
    } catch (error) {
      if (!(error instanceof GcsErrorResponse)) throw error;
      for await (const _ of request);
      this.#refuse(error, {});
    }
  }

  /** The token endpoint and the machine's metadata server. */
  async #logIn(): Promise<boolean> {
    const { request, url, login, endpoint } = this.#all;
    if (url.pathname === "/token") {
      const { status, body } = login.answer(new URLSearchParams((await this.#body()).toString()), `${endpoint}/token`);
      this.#send(status, body);
      return true;
    }
    if (!url.pathname.startsWith("/computeMetadata/v1/")) return false;
    if (request.headers["metadata-flavor"] === "Google") {
      this.#send(200, login.newToken(), { "metadata-flavor": "Google" });
    } else this.#send(403, "Missing Metadata-Flavor:Google header.");
    return true;
  }

  async #answer(bucket: GcsBucket, { what, name, then }: { what: string; name: string; then: string }): Promise<void> {
    const { request, url } = this.#all;
    const { searchParams: query } = url;
    const { store, uploads } = bucket;
    const shown = (stored: Stored) => select(toResource(bucket.name, stored), query.get("fields"));
    switch (what) {
      case "list":
        return this.#send(
          200,
          select(list(bucket.name, store, { query, most: this.#all.options.page }), query.get("fields")),
        );
      case "get":
        return this.#send(200, shown(store.need(name, query)));
      case "media":
        return this.#media(store.need(name, query));
      case "insert":
        return this.#send(
          200,
          shown(uploads.takeWhole(String(request.headers["content-type"] ?? ""), await this.#body(), query)),
        );
      case "begin": {
        const description: Description = JSON.parse((await this.#body()).toString());
        const total = Number(request.headers["x-upload-content-length"]);
        const id = uploads.begin(description, total, query);
        query.set("upload_id", id);
        return this.#send(200, "", { location: url.href });
      }
      case "part":
      case "status":
        return await this.#session(bucket, shown);
      case "abandon":
        uploads.end(query.get("upload_id") ?? "");
        return this.#send(499, "");
      case "patch": {
        const { metadata = {} } = JSON.parse((await this.#body()).toString());
        return this.#send(200, shown(store.patch(name, metadata, query)));
      }
      case "delete":
        store.remove(name, query);
        return this.#send(204, "");
      case "rewrite":
        return this.#rewrite(bucket, store.need(name, sourceOf(query)), then);
      default:
        throw new GcsErrorResponse(404, "notFound", "Not Found");
    }
  }

  #media(stored: Stored): void {
    const { request } = this.#all;
    const isPlain = stored.contentEncoding === "gzip" && !/\bgzip\b/.test(String(request.headers["accept-encoding"]));
    const all = isPlain ? new Uint8Array(gunzipSync(stored.bytes)) : stored.bytes.slice();
    if (this.#damaged && all.length > 0) all[0] = (all[0] ?? 0) ^ 1;
    const hashes = [`crc32c=${crc32cOf(stored.bytes)}`];
    if (stored.components === undefined) hashes.push(`md5=${md5Of(stored.bytes)}`);
    const headers = {
      "x-goog-hash": hashes.join(","),
      "x-goog-generation": String(stored.generation),
      ...(stored.contentEncoding === undefined || isPlain ? {} : { "content-encoding": stored.contentEncoding }),
    };
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(String(request.headers.range ?? "")) ?? [];
    if (from === undefined || isPlain) return this.#send(200, all, headers);
    if (Number(from) >= all.length) throw new GcsErrorResponse(416, "requestedRangeNotSatisfiable", "Range");
    const end = to === "" ? all.length : Math.min(all.length, Number(to) + 1);
    const range = { "content-range": `bytes ${from}-${end - 1}/${all.length}` };
    this.#send(206, all.subarray(Number(from), end), { ...headers, ...range });
  }

  async #session({ uploads }: GcsBucket, shown: (stored: Stored) => unknown): Promise<void> {
    const { request, url } = this.#all;
    const answer = await uploads.take(url.searchParams.get("upload_id") ?? "", request, this.#isEarly);
    if ("gone" in answer) throw new GcsErrorResponse(410, "gone", "The session is gone.");
    if ("stored" in answer) return this.#send(200, shown(answer.stored));
    this.#send(308, "", answer.at === 0 ? {} : { range: `bytes=0-${answer.at - 1}` });
  }

  #rewrite({ store, name }: GcsBucket, source: Stored, then: string): void {
    const { url, options } = this.#all;
    const { searchParams: query } = url;
    const [, bucket, target] = /^\/rewriteTo\/b\/([^/]+)\/o\/(.+)$/.exec(then) ?? [];
    if (bucket !== name || target === undefined) throw new GcsErrorResponse(404, "notFound", "Not Found");
    const done = Number(query.get("rewriteToken") ?? 0) + (options.rewrite ?? Infinity);
    if (done < source.bytes.length) {
      return this.#send(200, { kind: "storage#rewriteResponse", done: false, rewriteToken: String(done) });
    }
    store.put({ ...source, name: decodeURIComponent(target) }, query);
    this.#send(200, { kind: "storage#rewriteResponse", done: true });
  }

  async #body(): Promise<Buffer<ArrayBuffer>> {
    return Buffer.concat(await Array.fromAsync(this.#all.request as AsyncIterable<Uint8Array>));
  }

  #refuse({ status, reason, message }: GcsErrorResponse, headers: Readonly<Record<string, string>>): void {
    const errors = [{ domain: "global", reason, message }];
    this.#send(status, { error: { code: status, message, errors } }, headers);
  }

  #send(status: number, content: unknown, headers: Readonly<Record<string, string>> = {}): void {
    const isRaw = typeof content === "string" || content instanceof Uint8Array;
    const bytes = Buffer.from(isRaw ? content as string : JSON.stringify(content));
    this.#all.response.writeHead(status, { "content-length": bytes.length, ...headers });
    this.#all.response.end(bytes);
  }
}

/** The conditions of a copy that its source has to meet. */
function sourceOf(query: URLSearchParams): URLSearchParams {
  const wanted = query.get("ifSourceGenerationMatch");
  return new URLSearchParams(wanted === null ? {} : { ifGenerationMatch: wanted });
}
