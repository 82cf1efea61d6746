import {
  type GcsObject,
  type GcsPage,
  OBJECT_FIELDS,
  PAGE_FIELDS,
  parseObject,
  parsePage,
  stringField,
  toRecord,
} from "./object.ts";
import { toSyncError } from "./errors.ts";
import type { Body, WriteOptions } from "../../core/backend.ts";
import type { KnownFolders } from "./keys.ts";
import type { AccessTokens } from "./access_tokens.ts";
import type { HttpClient, HttpRequest, HttpResponse } from "../../http/client.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

/** Parameters of a request; undefined values are omitted. */
export type Query = Readonly<Record<string, string | number | undefined>>;

/** Preconditions of a request: generations as the server counts them, "0" for absence. */
export interface Conditions {
  readonly ifGenerationMatch?: string;
  readonly ifMetagenerationMatch?: string;
}

/** An operation and its object's key in the bucket: "" for the bucket itself. */
export interface ObjectContext extends OperationContext {
  readonly key: string;
}

/** A file that is being written. */
export interface PendingWrite extends ObjectContext {
  readonly options: WriteOptions;
  readonly body: Body;
}

/** A client of the bucket, and the folders known to exist. */
export interface BucketClient {
  readonly client: GcsClient;
  readonly folders: KnownFolders;
}

/** The metadata of an object in an upload request. */
export interface ObjectResource {
  readonly name: string;
  readonly contentType: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly md5Hash?: string;
}

/** A page of fewer names is found fast. */
const LARGE_PAGE = 100;

/** `origin`: "https://host", the origin of all requests. */
export interface GcsClientOptions {
  readonly origin: string;
  readonly bucket: string;
  readonly userProject: string | undefined;
  /** See listingTimeout() of backends/shared. */
  readonly listingTimeout: number;
}

/**
 * A client of Cloud Storage's JSON API (v1) for one bucket; each request carries a token. Redirects are not followed.
 */
export class GcsClient {
  /** Whether an upload session takes its content in several requests. */
  takesUploadsInParts = true;
  readonly #http: HttpClient;
  readonly #tokens: AccessTokens;
  readonly #options: GcsClientOptions;

  constructor(http: HttpClient, tokens: AccessTokens, rules: GcsClientOptions) {
    this.#http = http;
    this.#tokens = tokens;
    this.#options = rules;
  }

  get isClosed(): boolean {
    return this.#http.isClosed;
  }

  /**
   * Returns path and query of a request about one object, or about all of them. `then` follows the object's name:
   * "/compose".
   */
  uri(key: string | undefined, query: Query, then = ""): string {
    return `/storage/v1${this.#path(key)}${then}${this.#query(query)}`;
  }

  /** Returns the end of the path of a copy within the bucket. */
  rewriteTo(key: string): string {
    return `/rewriteTo${this.#path(key)}`;
  }

  /** Returns path and query of a request that uploads content. */
  uploadUri(query: Query): string {
    return `/upload/storage/v1${this.#path(undefined)}${this.#query(query)}`;
  }

  /** Returns path and query of a URL that the server sent; undefined if it leads to another origin. */
  sameOriginUri(address: string): string | undefined {
    const url = URL.canParse(address) ? new URL(address) : undefined;
    return url?.origin === this.#options.origin ? url.pathname + url.search : undefined;
  }

  /** Returns the reply, whatever its status except 401. Rejects with auth if the server refuses a fresh token too. */
  async send(pending: HttpRequest, context: OperationContext): Promise<HttpResponse> {
    for (let attempt = 1;; attempt++) {
      const token = await this.#tokens.get(context);
      const headers = { ...pending.headers, authorization: `Bearer ${token}` };
      const { body, takeBack } = countBytes(pending.body);
      const reply = await this.#http.send({ ...pending, headers, ...(body === undefined ? {} : { body }) }, context);
      if (reply.status !== 401) return reply;
      const error = await this.toError(reply, context);
      await this.#tokens.invalidate(token);
      takeBack();
      if (attempt > 1) throw error;
    }
  }

  /** Does the same, but rejects for every status except success and those in `also`. */
  async sendForSuccess(
    pending: HttpRequest,
    context: OperationContext & { readonly also?: readonly number[] },
  ): Promise<HttpResponse> {
    const reply = await this.send(pending, context);
    if (Math.floor(reply.status / 100) === 2 || context.also?.includes(reply.status)) return reply;
    throw await this.toError(reply, context);
  }

  /** Returns the error of an error reply; reads its body. */
  async toError(reply: HttpResponse, context: OperationContext): Promise<Error> {
    return toSyncError(context, reply, await readReason(reply));
  }

  /** Returns one object; undefined if it is absent (or the bucket is). */
  async getMetadata(context: ObjectContext): Promise<GcsObject | undefined> {
    const uri = this.uri(context.key, { fields: OBJECT_FIELDS });
    const reply = await this.sendForSuccess({ method: "GET", uri }, { ...context, also: [404] });
    if (reply.status === 404) return void await reply.discard();
    return await parseReply(reply, context, parseObject);
  }

  /** Returns one page of a listing. Rejects with notFound if the bucket is absent. */
  async listPage(query: Query, context: OperationContext): Promise<GcsPage> {
    const uri = this.uri(undefined, { ...query, fields: PAGE_FIELDS });
    // A page of a few names comes soon, and the first contact asks for one.
    const patience = Number(query["maxResults"]) >= LARGE_PAGE ? { replyTimeout: this.#options.listingTimeout } : {};
    const reply = await this.send({ method: "GET", uri, ...patience }, context);
    if (reply.status === 200) return await parseReply(reply, context, parsePage);
    if (reply.status !== 404) throw await this.toError(reply, context);
    await reply.discard();
    throw this.missingBucketError(context);
  }

  /**
   * Removes an object that an upload stored with other bytes than were sent, exactly that generation, and returns the
   * error to reject with.
   */
  async removeDamaged({ name, generation }: GcsObject, context: OperationContext): Promise<Error> {
    const uri = this.uri(name, { ifGenerationMatch: generation });
    const reply = await this.sendForSuccess({ method: "DELETE", uri }, { ...context, also: [404, 412] });
    await reply.discard();
    return operationError(context, "unexpected", {
      why: "the bucket held other bytes than those that were sent; they were removed",
    });
  }

  missingBucketError(context: OperationContext): Error {
    return operationError(context, "notFound", { why: `there is no bucket "${this.#options.bucket}"` });
  }

  #path(key: string | undefined): string {
    const bucket = `/b/${encodeURIComponent(this.#options.bucket)}/o`;
    return key === undefined ? bucket : `${bucket}/${encodeURIComponent(key)}`;
  }

  #query(query: Query): string {
    const { userProject } = this.#options;
    const pairs = Object.entries({ ...query, userProject }).flatMap(([name, value]) =>
      value === undefined ? [] : [`${name}=${encodeURIComponent(value)}`]
    );
    return pairs.length === 0 ? "" : `?${pairs.join("&")}`;
  }
}

/** Returns a body, and a function that subtracts the bytes it reported as sent if all of it has to be sent again. */
function countBytes(body: HttpRequest["body"]): { readonly body: HttpRequest["body"]; takeBack(): void } {
  if (typeof body !== "object") return { body, takeBack: () => {} };
  let told = 0;
  const onBytes = (bytes: number) => {
    told += bytes;
    body.onBytes?.(bytes);
  };
  const takeBack = () => {
    if (told > 0) body.onBytes?.(-told);
  };
  return { body: { size: body.size, open: () => body.open(), onBytes }, takeBack };
}

/** Returns the parsed JSON of a reply. Rejects with unexpected if it is malformed or too large. */
export async function parseReply<T>(
  reply: HttpResponse,
  context: OperationContext,
  parse: (value: unknown) => T,
): Promise<T> {
  const text = new TextDecoder().decode(await reply.readAll(MAX_JSON_BYTES));
  try {
    return parse(parseJson(text));
  } catch (error) {
    const why = error instanceof RangeError ? error.message : "it is no JSON";
    throw operationError(context, "unexpected", {
      why: `the server's reply cannot be understood: ${why}`,
      cause: error,
    });
  }
}

/** A page of 1,000 objects with 8 KiB of metadata each, and twice as much for the JSON syntax. */
const MAX_JSON_BYTES = 24 << 20;
const MAX_ERROR_BYTES = 1 << 16;

/** Parses JSON. Throws a RangeError if it is deeper, or has more lists and objects, than any reply of the server. */
function parseJson(text: string): unknown {
  let depth = 0;
  let count = 0;
  for (let at = 0; at < text.length; at++) {
    const mark = text[at];
    if (mark === '"') at = endOfString(text, at);
    else if (mark === "]" || mark === "}") depth--;
    else if (mark === "[" || mark === "{") {
      if (++depth > MAX_DEPTH) throw new RangeError(`it is deeper than ${MAX_DEPTH} lists and objects`);
      if (++count > MAX_CONTAINERS) throw new RangeError(`it has more than ${MAX_CONTAINERS} lists and objects`);
    }
  }
  return JSON.parse(text);
}

/** Returns the end of the string literal that begins here; JSON.parse() reports one without an end. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === '"') return at;
  }
  return text.length;
}

const MAX_DEPTH = 16;
/** A page of 1,000 objects with their metadata has about 2,000. */
const MAX_CONTAINERS = 100_000;

/**
 * Returns the reason in the reply's JSON, which is more precise than its status: { error: { errors: [{ reason }] } }.
 */
async function readReason(reply: HttpResponse): Promise<string | undefined> {
  try {
    const said = parseJson(new TextDecoder().decode(await reply.readAll(MAX_ERROR_BYTES)));
    const errors = toRecord(toRecord(said, "it")["error"], "it")["errors"];
    return Array.isArray(errors) ? stringField(toRecord(errors[0], "it"), "reason") : undefined;
  } catch {
    // The status alone explains the error.
    return undefined;
  }
}
