import type { Reply } from "../../http/client.ts";
import { refusedBy } from "./errors.ts";
import { toEndpoint } from "./endpoint.ts";
import { Link, type Request } from "./signed_http.ts";
import { findLogin, type Login } from "./credentials.ts";
import { Pace } from "./request_limiter.ts";
import { toPath } from "./signer.ts";
import type {
  Condition,
  Download,
  NewObject,
  ObjectFacts,
  Page,
  PageOptions,
  Part,
  Sent,
  Stored,
  StoreOptions,
  Upload,
} from "./types.ts";
import {
  finishing,
  header,
  isBelow,
  pageTrouble,
  quoted,
  toConditions,
  toFacts,
  toMetadata,
  toPage,
  toParts,
  toStored,
  toUploads,
  unquoted,
} from "./codec.ts";
import { textOf } from "./xml.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

/** Determines the bucket's URL and its credentials; sends nothing to the bucket yet. See findLogin. */
export async function openStore(options: StoreOptions, ask: OperationContext): Promise<Store> {
  return new Store(options, await findLogin(options, ask));
}

/**
 * A client of one bucket that uses the Amazon S3 protocol. It converts requests and replies; every rejection is a
 * SyncError.
 */
export class Store implements AsyncDisposable {
  readonly options: StoreOptions;
  /** The URL that requests go to, without the bucket. */
  readonly endpoint: URL;
  readonly #link: Link;
  /** For requests that a store may take minutes to answer. */
  readonly #patient: Link;

  constructor(options: StoreOptions, login: Login) {
    const { bucket, timeout, connections } = options;
    const trust = options.pins === undefined ? {} : { pins: options.pins };
    this.options = options;
    this.endpoint = toEndpoint(login.url, bucket);
    const pace = new Pace(connections);
    this.#link = new Link(login, { timeout, connections, pace, ...trust });
    this.#patient = new Link(login, { timeout: Math.max(timeout, FINISHING_MS), connections, pace, ...trust });
  }

  get isClosed(): boolean {
    return this.#link.isClosed;
  }

  async list(prefix: string, ask: OperationContext, page: PageOptions = {}): Promise<Page> {
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
    return await this.#link.read(this.#ours({ method: "GET", query }), ask, (found) => {
      const why = pageTrouble(found, page);
      if (why !== undefined) throw operationError(ask, "unexpected", { why });
      const below = toPage(found);
      if (isBelow(prefix, below)) return below;
      throw operationError(ask, "unexpected", {
        why: "the store lists what lies elsewhere than where it was asked for",
      });
    });
  }

  /** Returns undefined if there is no such object. */
  async head(key: string, ask: OperationContext): Promise<ObjectFacts | undefined> {
    try {
      const reply = await this.#done({ method: "HEAD", key }, ask);
      if (header(reply, "content-length") !== undefined) return toFacts(reply);
    } catch (error) {
      if (refusedBy(error)?.status === 404) return undefined;
      throw error;
    }
    // If the size were assumed to be 0, the entry would describe another file.
    throw operationError(ask, "unexpected", { why: "the store does not tell its size" });
  }

  /** Returns the object, or its range from..to (`to` exclusive). */
  async get(
    key: string,
    ask: OperationContext,
    { from, to, ifMatch }: { readonly from?: number; readonly to?: number; readonly ifMatch?: string } = {},
  ): Promise<Download> {
    const range = from === undefined ? undefined : `bytes=${from}-${to === undefined ? "" : to - 1}`;
    const headers = { range, "if-match": quoted(ifMatch) };
    const reply = await this.#link.send(this.#ours({ method: "GET", key, headers }), ask);
    const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(header(reply, "content-range") ?? "") ?? [];
    const facts = toFacts(reply);
    const length = first === undefined ? facts.size : Number(last) + 1 - Number(first);
    return {
      facts: total === undefined ? facts : { ...facts, size: Number(total) },
      from: Number(first ?? 0),
      length,
      fill: (into) => reply.fill(into),
      collect: (memory) => reply.collect(length, memory),
      drop: () => void reply.drop(),
    };
  }

  async put(
    key: string,
    bytes: Uint8Array<ArrayBuffer>,
    ask: OperationContext,
    made: NewObject & Sent,
  ): Promise<Stored> {
    const headers = { ...this.#anew(made), ...toConditions(made), "content-md5": made.md5 };
    return toStored(await this.#done({ method: "PUT", key, headers, body: bytes, ...hearing(made) }, ask));
  }

  /** Returns whether a delete marker now hides the object, which means that the bucket keeps versions. */
  async remove(key: string, ask: OperationContext): Promise<boolean> {
    const reply = await this.#done({ method: "DELETE", key }, ask);
    return header(reply, "x-amz-delete-marker") === "true";
  }

  /**
   * Copies within the bucket and returns the copy's ETag. The copy has the headers and metadata in `anew`, or those of
   * the original without it.
   */
  async copy(
    from: string,
    to: string,
    ask: OperationContext,
    { ifMatch, anew }: { readonly ifMatch?: string | undefined; readonly anew?: ObjectFacts },
  ): Promise<string | undefined> {
    const headers = {
      ...this.#manners,
      ...(anew === undefined
        ? {}
        : { ...anew.headers, ...toMetadata(anew.metadata), "x-amz-metadata-directive": "REPLACE" }),
      "x-amz-copy-source": `${this.options.bucket}/${toPath(from)}`,
      "x-amz-copy-source-if-match": quoted(ifMatch),
    };
    const request = { method: "PUT", key: to, headers, body: "" };
    return await this.#link.read(this.#ours(request), ask, (found) => unquoted(textOf(found, "ETag")));
  }

  async beginUpload(key: string, ask: OperationContext, made: NewObject): Promise<string> {
    const request = { method: "POST", key, query: { uploads: "" }, headers: this.#anew(made), body: "" };
    const id = await this.#link.read(this.#ours(request), ask, (found) => textOf(found, "UploadId"));
    if (id !== undefined) return id;
    throw operationError(ask, "unexpected", { why: "the store gave its upload no name" });
  }

  /** Returns the unfinished uploads of exactly this key. */
  async uploads(key: string, ask: OperationContext): Promise<readonly Upload[]> {
    const request = { method: "GET", query: { uploads: "", prefix: key } };
    return await this.#link.read(this.#ours(request), ask, (found) => toUploads(found, key));
  }

  async parts(key: string, id: string, ask: OperationContext): Promise<readonly Part[]> {
    const all: Part[] = [];
    let marker: string | undefined;
    for (;;) {
      const query = { uploadId: id, "part-number-marker": marker };
      const { parts, next } = await this.#link.read(this.#ours({ method: "GET", key, query }), ask, toParts);
      all.push(...parts);
      if (next === undefined || next === marker) return all;
      marker = next;
    }
  }

  async putPart(
    key: string,
    bytes: Uint8Array<ArrayBuffer>,
    ask: OperationContext,
    part: Sent & { readonly id: string; readonly number: number },
  ): Promise<Stored> {
    const query = { partNumber: part.number, uploadId: part.id };
    const headers = { "content-md5": part.md5 };
    return toStored(await this.#done({ method: "PUT", key, query, headers, body: bytes, ...hearing(part) }, ask));
  }

  /** Completes a multipart upload. The store may need minutes for it. */
  async finishUpload(
    key: string,
    parts: readonly Pick<Part, "number" | "etag">[],
    ask: OperationContext,
    { id, ...condition }: Condition & { readonly id: string },
  ): Promise<void> {
    const headers = { ...toConditions(condition), "content-type": "application/xml" };
    const request = { method: "POST", key, query: { uploadId: id }, headers, body: finishing(parts) };
    await this.#patient.read(this.#ours(request), ask, () => {});
  }

  async dropUpload(key: string, id: string, ask: OperationContext): Promise<void> {
    // After a cancel the user should not wait for a store that does not answer.
    const signal = AbortSignal.any([ask.signal, AbortSignal.timeout(DROPPING_MS)]);
    await this.#done({ method: "DELETE", key, query: { uploadId: id } }, { ...ask, signal });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#link, this.#patient].map((link) => link[Symbol.asyncDispose]()));
  }

  /** Sends a request whose reply consists of headers only. */
  async #done(request: Request, ask: OperationContext): Promise<Reply> {
    return await this.#link.done(this.#ours(request), ask);
  }

  #ours(request: Request): Request {
    if (!this.options.manners.requesterPays) return request;
    return { ...request, headers: { ...request.headers, "x-amz-request-payer": "requester" } };
  }

  get #manners() {
    const { storageClass, acl, encryption } = this.options.manners;
    return { "x-amz-storage-class": storageClass, "x-amz-acl": acl, "x-amz-server-side-encryption": encryption };
  }

  #anew({ metadata, contentType }: NewObject) {
    return {
      ...this.#manners,
      ...toMetadata(metadata),
      "content-type": contentType,
      "cache-control": this.options.manners.cacheControl,
    };
  }
}

/** The store may need minutes to merge the parts of a large object, and sends nothing meanwhile. */
const FINISHING_MS = 300_000;
const DROPPING_MS = 5000;

function hearing({ onBytes }: Sent): Pick<Request, "onBytes"> {
  return onBytes === undefined ? {} : { onBytes };
}
