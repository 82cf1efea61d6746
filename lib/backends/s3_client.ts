import type { Readable } from "node:stream";
import { S3 } from "npm:@aws-sdk/client-s3@3.1169.0";
import { cancelled } from "../errors.ts";
import { type Ask, failure, refusedBy, toSyncError } from "./s3_errors.ts";
import { Pace } from "./s3_pace.ts";
import { Patience, patiently } from "./s3_patience.ts";
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
} from "./s3_types.ts";
import { isSealed, pageTrouble, quoted, silent, toBody, toConditions, toFacts, toPage, unquoted } from "./s3_wire.ts";

/** The region that the user's AWS configuration names; where it names none, Amazon's first. */
export async function knownRegion(profile: string | undefined): Promise<string> {
  const { config } = new S3(profile === undefined ? {} : { profile });
  return await config.region().catch(() => "us-east-1");
}

/** One bucket, spoken to by the AWS SDK: its types end here, every rejection is a SyncError. */
export class Store implements AsyncDisposable {
  readonly options: StoreOptions;
  readonly #client: S3;
  readonly #pace: Pace;
  readonly #closing = new AbortController();

  constructor(options: StoreOptions) {
    this.options = options;
    const { endpoint, region, profile, credentials, connections, timeout } = options;
    this.#pace = new Pace(connections);
    const agent = { keepAlive: true, maxSockets: connections };
    this.#client = new S3({
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(region === undefined ? {} : { region }),
      ...(profile === undefined ? {} : { profile }),
      ...(credentials === undefined ? {} : { credentials }),
      forcePathStyle: options.pathStyle,
      requestChecksumCalculation: "WHEN_REQUIRED",
      responseChecksumValidation: "WHEN_REQUIRED",
      // Retries are a layer of their own, which asks for the body anew.
      maxAttempts: 1,
      expectContinueHeader: false,
      logger: silent,
      requestHandler: { connectionTimeout: timeout, httpAgent: agent, httpsAgent: agent, logger: silent },
      // The SDK's own would ask the system for its version at each request.
      defaultUserAgentProvider: () => Promise.resolve([["Tandem"]]),
    });
    // It prepares what it would say, though nobody listens.
    this.#client.middlewareStack.remove("loggerMiddleware");
  }

  get isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  /** Where requests go, as the options and the user's AWS configuration say; undefined for Amazon's own. */
  async endpoint(ask: Ask): Promise<URL | undefined> {
    try {
      const found = await this.#client.config.endpoint?.();
      if (found === undefined) return undefined;
      const { protocol, hostname, port } = found;
      return new URL(`${protocol}//${hostname}${port === undefined ? "" : `:${port}`}`);
    } catch (error) {
      throw toSyncError(ask, error);
    }
  }

  async list(prefix: string, ask: Ask, page: PageOptions = {}): Promise<Page> {
    const listed = await this.#send(ask, (under) =>
      this.#client.listObjectsV2({
        ...this.#place,
        Prefix: prefix,
        // Without it a key that holds a control character breaks the XML.
        EncodingType: "url",
        Delimiter: page.delimiter,
        ContinuationToken: page.token,
        StartAfter: page.after,
        MaxKeys: page.most,
      }, under));
    const why = pageTrouble(listed, page);
    if (why !== undefined) throw failure(ask, "unexpected", { why });
    return toPage(listed);
  }

  /** Undefined where there is no such object. */
  async head(key: string, ask: Ask): Promise<ObjectFacts | undefined> {
    try {
      return toFacts(await this.#send(ask, (under) => this.#client.headObject({ ...this.#place, Key: key }, under)));
    } catch (error) {
      if (refusedBy(error)?.status === 404) return undefined;
      throw error;
    }
  }

  /** The object, or the range from..to of it (`to` exclusive). */
  async get(
    key: string,
    ask: Ask,
    { from, to, ifMatch }: { readonly from?: number; readonly to?: number; readonly ifMatch?: string } = {},
  ): Promise<Download> {
    const range = from === undefined ? undefined : `bytes=${from}-${to === undefined ? "" : to - 1}`;
    const found = await this.#send(
      ask,
      (under) => this.#client.getObject({ ...this.#place, Key: key, Range: range, IfMatch: quoted(ifMatch) }, under),
    );
    const body = found.Body as unknown as Readable;
    const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(found.ContentRange ?? "") ?? [];
    const length = found.ContentLength ?? 0;
    return {
      facts: { ...toFacts(found), size: total === undefined ? length : Number(total) },
      from: Number(first ?? 0),
      length: first === undefined ? length : Number(last) + 1 - Number(first),
      chunks: () => patiently(body, ask, this.#waiting()),
      drop: () => void body.destroy(),
    };
  }

  async put(key: string, bytes: Uint8Array<ArrayBuffer>, ask: Ask, made: NewObject & Sent): Promise<Stored> {
    const found = await this.#send(ask, (under, patience) =>
      this.#client.putObject({
        ...this.#place,
        ...this.#manners,
        ...this.#anew(made),
        ...toConditions(made),
        Key: key,
        Body: toBody(bytes, made, patience),
        ContentLength: bytes.length,
        ContentMD5: made.md5,
      }, under));
    return { etag: unquoted(found.ETag), isSealed: isSealed(found) };
  }

  /** Tells whether a delete marker hides the object now: the bucket keeps versions. */
  async remove(key: string, ask: Ask, condition: Condition = {}): Promise<boolean> {
    const where = { ...this.#place, ...toConditions(condition), Key: key };
    return (await this.#send(ask, (under) => this.#client.deleteObject(where, under))).DeleteMarker === true;
  }

  /** Copies within the bucket; with `anew` the copy gets these headers and metadata, else those of the original. */
  async copy(
    from: string,
    to: string,
    ask: Ask,
    { ifMatch, anew }: { readonly ifMatch?: string | undefined; readonly anew?: ObjectFacts },
  ): Promise<void> {
    const source = `${this.options.bucket}/${from.split("/").map(encodeURIComponent).join("/")}`;
    await this.#send(ask, (under) =>
      this.#client.copyObject({
        ...this.#place,
        ...this.#manners,
        ...(anew === undefined
          ? {}
          : { ...anew.headers, Metadata: { ...anew.metadata }, MetadataDirective: "REPLACE" }),
        Key: to,
        CopySource: source,
        CopySourceIfMatch: quoted(ifMatch),
      }, under));
  }

  async beginUpload(key: string, ask: Ask, made: NewObject): Promise<string> {
    const { UploadId } = await this.#send(
      ask,
      (under) =>
        this.#client.createMultipartUpload({ ...this.#place, ...this.#manners, ...this.#anew(made), Key: key }, under),
    );
    if (UploadId !== undefined) return UploadId;
    throw failure(ask, "unexpected", { why: "the store gave its upload no name" });
  }

  /** The unfinished uploads of this very key. */
  async uploads(key: string, ask: Ask): Promise<readonly Upload[]> {
    const { Uploads = [] } = await this.#send(
      ask,
      (under) => this.#client.listMultipartUploads({ ...this.#place, Prefix: key }, under),
    );
    return Uploads.flatMap(({ Key, UploadId: id, Initiated, Initiator }) =>
      Key === key && id !== undefined ? [{ id, begun: Initiated?.getTime() ?? 0, by: Initiator?.ID }] : []
    );
  }

  async parts(key: string, id: string, ask: Ask): Promise<readonly Part[]> {
    const parts: Part[] = [];
    let marker: string | undefined;
    for (;;) {
      const found = await this.#send(
        ask,
        (under) => this.#client.listParts({ ...this.#place, Key: key, UploadId: id, PartNumberMarker: marker }, under),
      );
      for (const { PartNumber = 0, Size = 0, ETag, LastModified } of found.Parts ?? []) {
        const stored = LastModified?.getTime() ?? 0;
        parts.push({ number: PartNumber, size: Size, etag: unquoted(ETag) ?? "", stored });
      }
      const next = found.IsTruncated === true ? found.NextPartNumberMarker : undefined;
      if (next === undefined || next === marker) return parts;
      marker = next;
    }
  }

  async putPart(
    key: string,
    bytes: Uint8Array<ArrayBuffer>,
    ask: Ask,
    part: Sent & { readonly id: string; readonly number: number },
  ): Promise<Stored> {
    const found = await this.#send(ask, (under, patience) =>
      this.#client.uploadPart({
        ...this.#place,
        Key: key,
        UploadId: part.id,
        PartNumber: part.number,
        Body: toBody(bytes, part, patience),
        ContentLength: bytes.length,
        ContentMD5: part.md5,
      }, under));
    return { etag: unquoted(found.ETag), isSealed: isSealed(found) };
  }

  /** The store may say 200 and the error behind it: the SDK reads on. It may also take minutes. */
  async finishUpload(
    key: string,
    parts: readonly Pick<Part, "number" | "etag">[],
    ask: Ask,
    { id, ...condition }: Condition & { readonly id: string },
  ): Promise<void> {
    await this.#send(ask, (under) =>
      this.#client.completeMultipartUpload({
        ...this.#place,
        ...toConditions(condition),
        Key: key,
        UploadId: id,
        MultipartUpload: { Parts: parts.map(({ number, etag }) => ({ PartNumber: number, ETag: quoted(etag) })) },
      }, under), FINISHING_MS);
  }

  async dropUpload(key: string, id: string, ask: Ask): Promise<void> {
    const where = { ...this.#place, Key: key, UploadId: id };
    await this.#send(ask, (under) => this.#client.abortMultipartUpload(where, under), DROPPING_MS);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    this.#client.destroy();
    return Promise.resolve();
  }

  get #place() {
    const { bucket, manners } = this.options;
    return { Bucket: bucket, ...(manners.requesterPays ? { RequestPayer: "requester" as const } : {}) };
  }

  get #manners(): object {
    const { storageClass, acl, encryption } = this.options.manners;
    return { StorageClass: storageClass, ACL: acl, ServerSideEncryption: encryption };
  }

  #anew({ metadata, contentType }: NewObject) {
    return { Metadata: { ...metadata }, ContentType: contentType, CacheControl: this.options.manners.cacheControl };
  }

  /** One request. Given up when its signal is aborted, the store is closed, or nothing moves for `timeout` ms. */
  #send<T>(
    ask: Ask,
    run: (under: { readonly abortSignal: AbortSignal }, patience: Patience) => Promise<T>,
    timeout?: number,
  ): Promise<T> {
    return this.#pace.run(ask, async () => {
      this.#mustBeOpen(ask);
      using patience = new Patience(ask, this.#waiting(timeout));
      try {
        return await patience.until(run({ abortSignal: patience.signal }, patience));
      } catch (error) {
        throw patience.reason ?? toSyncError(ask, error);
      }
    });
  }

  #waiting(timeout = this.options.timeout) {
    return { timeout, closing: this.#closing.signal };
  }

  #mustBeOpen(ask: Ask): void {
    if (ask.signal.aborted) throw cancelled(ask.signal, ask.operation);
    if (this.isClosed) throw failure(ask, "connection", { why: "the session was closed", transient: false });
  }
}

/** Merging the parts of a large object may take the store minutes, in which it says nothing. */
const FINISHING_MS = 300_000;
/** Whoever cancels does not want to wait for a store that is gone. */
const DROPPING_MS = 5000;
