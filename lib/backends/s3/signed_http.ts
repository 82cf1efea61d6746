import { HttpClient, type HttpRequest, type HttpResponse } from "../../http/client.ts";
import { ErrorReplyError, toSyncError } from "./errors.ts";
import type { Proxy } from "../../net/tcp.ts";
import type { Login } from "./credentials.ts";
import type { RequestLimiter } from "./request_limiter.ts";
import { EMPTY, encodePath, encodeQuery, sha256, Signer, UNSIGNED } from "./signer.ts";
import { toErrorReply } from "./codec.ts";
import { parseXml, type XmlElement } from "./xml.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

/** One request to a bucket. */
export interface S3Request {
  readonly method: string;
  /** Undefined: the bucket itself. */
  readonly key?: string;
  /** Undefined values are omitted. */
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  /** Names in lower case; undefined values are omitted. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  /** See HttpRequest. */
  readonly replyTimeout?: number;
  /** Reports the bytes of the body as they are sent. */
  onBytes?(bytes: number): void;
}

/** The timeout and the number of connections. `timeout`: ms without a byte in either direction. */
export interface SignedHttpOptions {
  readonly timeout: number;
  readonly connections: number;
  /** See TlsTrust. */
  readonly pins?: readonly string[];
  readonly proxy?: Proxy | undefined;
  /** The request limiter that all requests of a store share. */
  readonly limiter: RequestLimiter;
}

/** Sends signed requests to one bucket. Redirects are not followed, so that no signature reaches another host. */
export class SignedHttp implements AsyncDisposable {
  readonly #login: Login;
  readonly #signer: Signer;
  readonly #http: HttpClient;
  readonly #limiter: RequestLimiter;
  readonly #host: string;
  readonly #isSecure: boolean;

  constructor(login: Login, { limiter: pace, ...options }: SignedHttpOptions) {
    const { protocol, hostname, host, port } = login.url;
    this.#login = login;
    this.#limiter = pace;
    this.#signer = new Signer(login.region);
    this.#host = host;
    this.#isSecure = protocol === "https:";
    this.#http = new HttpClient({
      ...options,
      host: hostname.replace(/^\[(.*)\]$/, "$1"),
      port: Number(port) || (this.#isSecure ? 443 : 80),
      secure: this.#isSecure,
    });
  }

  get isClosed(): boolean {
    return this.#http.isClosed;
  }

  /**
   * Returns the reply to a successful request. Rejects with the store's error, and with connection, timeout, hostKey,
   * auth or cancelled.
   */
  async send(request: S3Request, context: OperationContext): Promise<HttpResponse> {
    return await this.#limiter.run(context, () => this.#exchange(request, context));
  }

  /** Does the same for a reply whose body carries no information. */
  async sendForHeaders(request: S3Request, context: OperationContext): Promise<HttpResponse> {
    return await this.#limiter.run(context, async () => {
      const reply = await this.#exchange(request, context);
      await reply.discard();
      return reply;
    });
  }

  /**
   * Returns the parsed XML of the reply. Some requests are answered with a success status, followed by an error in the
   * body.
   */
  async sendForXml<T>(request: S3Request, context: OperationContext, parse: (root: XmlElement) => T): Promise<T> {
    return await this.#limiter.run(context, () => this.#sendForXml(request, context, parse));
  }

  async #sendForXml<T>(request: S3Request, context: OperationContext, parse: (root: XmlElement) => T): Promise<T> {
    const reply = await this.#exchange(request, context);
    const xml = await readText(reply, MAX_XML_BYTES);
    if (xml === "") throw operationError(context, "connection", { why: "the store sent an empty reply" });
    try {
      const root = parseXml(xml);
      if (root.name !== "Error") return parse(root);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw operationError(context, "unexpected", {
        why: `the store's reply cannot be parsed: ${error.message}`,
        cause: error,
      });
    }
    throw toSyncError(
      context,
      new ErrorReplyError(toErrorReply({ headers: reply.headers, status: LATE_ERROR_STATUS }, xml)),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#http[Symbol.asyncDispose]();
  }

  async #exchange(request: S3Request, context: OperationContext): Promise<HttpResponse> {
    try {
      const reply = await this.#http.send(await this.#signed(request, context), context);
      if (reply.status >= 200 && reply.status < 300) return reply;
      throw new ErrorReplyError(toErrorReply(reply, await readErrorBody(reply, context)));
    } catch (error) {
      throw toSyncError(context, error);
    }
  }

  async #signed(
    { method, key, query = {}, headers = {}, body, onBytes, replyTimeout }: S3Request,
    context: OperationContext,
  ): Promise<HttpRequest> {
    const path = this.#login.url.pathname + (key === undefined ? "" : encodePath(key));
    const parameters = encodeQuery(query);
    const own: Record<string, string> = {};
    for (const name in headers) if (headers[name] !== undefined) own[name] = headers[name];
    const signing = {
      ...{ method, path, query: parameters },
      headers: { ...own, host: this.#host },
      payload: this.#payloadOf(body),
    };
    Object.assign(own, this.#signer.sign(signing, await this.#login.credentials(context), Date.now()));
    return {
      method,
      uri: parameters === "" ? path : `${path}?${parameters}`,
      headers: own,
      ...(replyTimeout === undefined ? {} : { replyTimeout }),
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : toUploadBody(body, onBytes) }),
    };
  }

  /**
   * Returns the payload hash for the signature. TLS protects bodies; without it small ones are signed, and for large
   * ones the Content-MD5 header is.
   */
  #payloadOf(body: S3Request["body"]): string {
    if (body === undefined || body.length === 0) return EMPTY;
    return this.#isSecure || body.length > CHUNK_BYTES ? UNSIGNED : sha256(body);
  }
}

/**
 * The status assumed for an error in the body of a success, as Amazon's guide for CompleteMultipartUpload recommends.
 */
const LATE_ERROR_STATUS = 500;
/** A page of 1,000 keys, each entirely percent-encoded, and four times as much for their other fields. */
const MAX_XML_BYTES = 16 << 20;
const MAX_ERROR_BYTES = 1 << 16;
/** The chunk size in bytes, after which progress is reported. */
const CHUNK_BYTES = 256 * 1024;

/** Returns the body of an error reply. */
async function readErrorBody(reply: HttpResponse, context: OperationContext): Promise<string> {
  try {
    return await readText(reply, MAX_ERROR_BYTES);
  } catch (error) {
    if (context.signal.aborted) throw error;
    // The status alone explains the error.
    return "";
  }
}

async function readText(reply: HttpResponse, most: number): Promise<string> {
  return new TextDecoder().decode(await reply.readAll(most));
}

/** Returns a small body as it is, a larger one in chunks that report progress. */
function toUploadBody(
  bytes: Uint8Array<ArrayBuffer>,
  onBytes: S3Request["onBytes"],
): Exclude<HttpRequest["body"], string | undefined> {
  const open = () => Promise.resolve(bytes.length <= CHUNK_BYTES ? bytes : inChunks(bytes));
  return { size: bytes.length, open, ...(onBytes === undefined ? {} : { onBytes }) };
}

function inChunks(bytes: Uint8Array<ArrayBuffer>): ReadableStream<Uint8Array<ArrayBuffer>> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      controller.enqueue(bytes.subarray(at, at + CHUNK_BYTES));
      at += CHUNK_BYTES;
      if (at >= bytes.length) controller.close();
    },
  }, { highWaterMark: 0 });
}
