import type { HttpResponse } from "../../http/client.ts";
import { errorReplyOf, mayRefusePrecondition } from "./errors.ts";
import { toEndpoint } from "./address.ts";
import { type S3Request, SignedHttp } from "./signed_http.ts";
import { findLogin, type Login } from "./credentials.ts";
import { RequestLimiter } from "./request_limiter.ts";
import { encodePath } from "./signer.ts";
import type {
  BodyOptions,
  Condition,
  Download,
  ListedPart,
  NewObject,
  ObjectFacts,
  Page,
  PageOptions,
  S3ClientOptions,
  UnfinishedUpload,
  WriteReply,
} from "./types.ts";
import {
  completeUploadXml,
  explainBadPage,
  headerOf,
  isWithinPrefix,
  quoteEtag,
  toConditionHeaders,
  toFacts,
  toMetadataHeaders,
  toPage,
  toParts,
  toUploads,
  toWriteReply,
  unquoteEtag,
} from "./codec.ts";
import { childText } from "./xml.ts";
import type { Proxy } from "../../net/tcp.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

/** Determines the bucket's URL and its credentials; sends nothing to the bucket yet. See findLogin. */
export async function openS3Client(options: S3ClientOptions, context: OperationContext): Promise<S3Client> {
  const login = await findLogin(options, context);
  return new S3Client(options, login, await options.proxyFor(login.url));
}

/**
 * A client of one bucket that uses the Amazon S3 protocol. It converts requests and replies; every rejection is a
 * SyncError.
 */
export class S3Client implements AsyncDisposable {
  readonly options: S3ClientOptions;
  /** The URL that requests go to, without the bucket. */
  readonly endpoint: URL;
  readonly #http: SignedHttp;
  /** For requests that a store may take minutes to answer. */
  readonly #slowHttp: SignedHttp;
  #refusesIfMatch = false;

  constructor(options: S3ClientOptions, login: Login, proxy?: Proxy) {
    const { bucket, timeout, connections } = options;
    const trust = { proxy, ...(options.pins === undefined ? {} : { pins: options.pins }) };
    this.options = options;
    this.endpoint = toEndpoint(login.url, bucket);
    const pace = new RequestLimiter(connections);
    this.#http = new SignedHttp(login, { timeout, connections, limiter: pace, ...trust });
    this.#slowHttp = new SignedHttp(login, {
      timeout: Math.max(timeout, COMPLETE_TIMEOUT_MS),
      connections,
      limiter: pace,
      ...trust,
    });
  }

  get isClosed(): boolean {
    return this.#http.isClosed;
  }

  async list(prefix: string, context: OperationContext, page: PageOptions = {}): Promise<Page> {
    const query = {
      "list-type": 2,
      // Without it a key that contains a control character makes the XML invalid.
      "encoding-type": "url",
      prefix,
      delimiter: page.delimiter,
      "continuation-token": page.token,
      "start-after": page.after,
      "max-keys": page.most,
    };
    // A page of a few keys comes soon, and the first contact asks for one.
    const wait = page.most === undefined ? { replyTimeout: this.options.listingTimeout } : {};
    return await this.#http.sendForXml(this.#withPayer({ method: "GET", query, ...wait }), context, (found) => {
      const why = explainBadPage(found, page);
      if (why !== undefined) throw operationError(context, "unexpected", { why });
      const below = toPage(found);
      if (isWithinPrefix(prefix, below)) return below;
      throw operationError(context, "unexpected", {
        why: "the store lists keys outside of the requested prefix",
      });
    });
  }

  /** Returns undefined if there is no such object. */
  async head(key: string, context: OperationContext): Promise<ObjectFacts | undefined> {
    try {
      const reply = await this.#sendForHeaders({ method: "HEAD", key }, context);
      if (headerOf(reply, "content-length") !== undefined) return toFacts(reply);
    } catch (error) {
      if (errorReplyOf(error)?.status === 404) return undefined;
      throw error;
    }
    // If the size were assumed to be 0, the entry would describe another file.
    throw operationError(context, "unexpected", { why: "the store does not report its size" });
  }

  /** Returns the object, or its range from..to (`to` exclusive). */
  async get(
    key: string,
    context: OperationContext,
    { from, to, ifMatch }: { readonly from?: number; readonly to?: number; readonly ifMatch?: string } = {},
  ): Promise<Download> {
    const range = from === undefined ? undefined : `bytes=${from}-${to === undefined ? "" : to - 1}`;
    const reply = await this.#sendUnlessRefused(
      this.#refusesIfMatch ? undefined : quoteEtag(ifMatch),
      (match) =>
        this.#http.send(this.#withPayer({ method: "GET", key, headers: { range, "if-match": match } }), context),
    );
    const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(headerOf(reply, "content-range") ?? "") ?? [];
    const facts = toFacts(reply);
    const length = first === undefined ? facts.size : Number(last) + 1 - Number(first);
    return {
      facts: total === undefined ? facts : { ...facts, size: Number(total) },
      from: Number(first ?? 0),
      length,
      fill: (into) => reply.read(into),
      collect: (memory) => reply.readAll(length, memory),
      drop: () => void reply.discard(),
    };
  }

  async put(
    key: string,
    bytes: Uint8Array<ArrayBuffer>,
    context: OperationContext,
    made: NewObject & BodyOptions,
  ): Promise<WriteReply> {
    const headers = { ...this.#newObjectHeaders(made), ...toConditionHeaders(made), "content-md5": made.md5 };
    return toWriteReply(
      await this.#sendForHeaders({ method: "PUT", key, headers, body: bytes, ...progressOf(made) }, context),
    );
  }

  /** Returns whether a delete marker now hides the object, which means that the bucket keeps versions. */
  async remove(key: string, context: OperationContext): Promise<boolean> {
    const reply = await this.#sendForHeaders({ method: "DELETE", key }, context);
    return headerOf(reply, "x-amz-delete-marker") === "true";
  }

  /**
   * Copies within the bucket and returns the copy's ETag. The copy has the headers and metadata in `anew`, or those of
   * the original without it.
   */
  async copy(
    from: string,
    to: string,
    context: OperationContext,
    { ifMatch, anew }: { readonly ifMatch?: string | undefined; readonly anew?: ObjectFacts },
  ): Promise<string | undefined> {
    const headers = {
      ...this.#objectHeaders,
      ...(anew === undefined
        ? {}
        : { ...anew.headers, ...toMetadataHeaders(anew.metadata), "x-amz-metadata-directive": "REPLACE" }),
      "x-amz-copy-source": `${this.options.bucket}/${encodePath(from)}`,
      "x-amz-copy-source-if-match": quoteEtag(ifMatch),
    };
    const request = { method: "PUT", key: to, headers, body: "" };
    return await this.#http.sendForXml(
      this.#withPayer(request),
      context,
      (found) => unquoteEtag(childText(found, "ETag")),
    );
  }

  async createUpload(key: string, context: OperationContext, made: NewObject): Promise<string> {
    const request = {
      method: "POST",
      key,
      query: { uploads: "" },
      headers: this.#newObjectHeaders(made),
      body: "",
    };
    const id = await this.#http.sendForXml(this.#withPayer(request), context, (found) => childText(found, "UploadId"));
    if (id !== undefined) return id;
    throw operationError(context, "unexpected", { why: "the store returned no upload ID" });
  }

  /** Returns the unfinished uploads of exactly this key. */
  async listUploads(key: string, context: OperationContext): Promise<readonly UnfinishedUpload[]> {
    const request = { method: "GET", query: { uploads: "", prefix: key, "encoding-type": "url" } };
    return await this.#http.sendForXml(this.#withPayer(request), context, (found) => toUploads(found, key));
  }

  async listParts(key: string, id: string, context: OperationContext): Promise<readonly ListedPart[]> {
    const all: ListedPart[] = [];
    let marker: string | undefined;
    for (;;) {
      const query = { uploadId: id, "part-number-marker": marker };
      const { parts, next } = await this.#http.sendForXml(
        this.#withPayer({ method: "GET", key, query }),
        context,
        toParts,
      );
      all.push(...parts);
      if (next === undefined || next === marker) return all;
      marker = next;
    }
  }

  async uploadPart(
    key: string,
    bytes: Uint8Array<ArrayBuffer>,
    context: OperationContext,
    part: BodyOptions & { readonly id: string; readonly number: number },
  ): Promise<WriteReply> {
    const query = { partNumber: part.number, uploadId: part.id };
    const headers = { "content-md5": part.md5 };
    return toWriteReply(
      await this.#sendForHeaders({ method: "PUT", key, query, headers, body: bytes, ...progressOf(part) }, context),
    );
  }

  /** Completes a multipart upload. The store may need minutes for it. */
  async completeUpload(
    key: string,
    parts: readonly Pick<ListedPart, "number" | "etag">[],
    context: OperationContext,
    { id, ...condition }: Condition & { readonly id: string },
  ): Promise<void> {
    const headers = { ...toConditionHeaders(condition), "content-type": "application/xml" };
    const request = { method: "POST", key, query: { uploadId: id }, headers, body: completeUploadXml(parts) };
    await this.#slowHttp.sendForXml(this.#withPayer(request), context, () => {});
  }

  async abortUpload(key: string, id: string, context: OperationContext): Promise<void> {
    // After a cancel the user should not wait for a store that does not answer.
    const signal = AbortSignal.any([context.signal, AbortSignal.timeout(ABORT_TIMEOUT_MS)]);
    await this.#sendForHeaders({ method: "DELETE", key, query: { uploadId: id } }, { ...context, signal });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#http, this.#slowHttp].map((link) => link[Symbol.asyncDispose]()));
  }

  /**
   * Sends a read under If-Match, and without it if the store refuses that: the reader compares the ETag of the reply in
   * any case.
   */
  async #sendUnlessRefused<T>(match: string | undefined, send: (match: string | undefined) => Promise<T>): Promise<T> {
    try {
      return await send(match);
    } catch (error) {
      if (match === undefined || !mayRefusePrecondition(error)) throw error;
      const reply = await send(undefined);
      this.#refusesIfMatch = true;
      return reply;
    }
  }

  /** Sends a request whose reply consists of headers only. */
  async #sendForHeaders(request: S3Request, context: OperationContext): Promise<HttpResponse> {
    return await this.#http.sendForHeaders(this.#withPayer(request), context);
  }

  #withPayer(request: S3Request): S3Request {
    if (!this.options.objectOptions.requesterPays) return request;
    return { ...request, headers: { ...request.headers, "x-amz-request-payer": "requester" } };
  }

  get #objectHeaders() {
    const { storageClass, acl, encryption } = this.options.objectOptions;
    return { "x-amz-storage-class": storageClass, "x-amz-acl": acl, "x-amz-server-side-encryption": encryption };
  }

  #newObjectHeaders({ metadata, contentType }: NewObject) {
    return {
      ...this.#objectHeaders,
      ...toMetadataHeaders(metadata),
      "content-type": contentType,
      "cache-control": this.options.objectOptions.cacheControl,
    };
  }
}

/** The store may need minutes to merge the parts of a large object, and sends nothing meanwhile. */
const COMPLETE_TIMEOUT_MS = 300_000;
const ABORT_TIMEOUT_MS = 5000;

function progressOf({ onBytes }: BodyOptions): Pick<S3Request, "onBytes"> {
  return onBytes === undefined ? {} : { onBytes };
}
