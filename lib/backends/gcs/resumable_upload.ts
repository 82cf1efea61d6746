import { createHash, type Hash } from "node:crypto";
import { SyncError } from "../../core/errors.ts";
import type { Content } from "../../core/backend.ts";
import { awaitContent, forEachChunk, readExactly } from "../../net/byte_stream.ts";
import { type Conditions, type GcsClient, type ObjectResource, parseReply, type PendingWrite } from "./client.ts";
import { type GcsObject, OBJECT_FIELDS, parseObject } from "./object.ts";
import type { HttpResponse } from "../../http/client.ts";
import { hashing } from "./checksum.ts";
import { delay } from "../../net/abort.ts";
import { backoffDelay } from "../../net/backoff.ts";
import { operationError } from "../../core/operation.ts";

/** The upload of a large file. */
export interface ResumableWrite extends PendingWrite {
  readonly resource: ObjectResource;
  readonly conditions: Conditions;
}

/**
 * Sends a large file as a resumable upload: all but its end in one stream, then the end with the hash of the whole, so
 * that the server rejects damaged bytes before anything is replaced. After a broken connection it resumes at the
 * server's offset.
 */
export async function uploadResumable(client: GcsClient, pending: ResumableWrite): Promise<GcsObject> {
  const session = new ResumableUpload(client, pending, await startUpload(client, pending));
  try {
    return await session.run();
  } catch (error) {
    if (!(error instanceof UploadEndedEarly)) {
      await session.abandon(error);
      throw error;
    }
    await client.removeDamaged(error.object, pending);
    client.takesUploadsInParts = false;
    return await uploadResumable(client, pending);
  }
}

/** A server made an object of the first part, as emulators do that know no parts. */
class UploadEndedEarly extends Error {
  constructor(readonly object: GcsObject) {
    super("the server ended the upload after its first part");
  }
}

/** Every part but the last is a multiple of this (Cloud Storage, "Resumable uploads"). */
const STEP_BYTES = 256 * 1024;
const MAX_FAILURES = 4;
const BACKOFF = { firstDelay: 250, maxDelay: 5_000 };
const CANCEL_TIMEOUT_MS = 2000;

/**
 * Starts the upload and returns the session's URL. The URL is never shown, because anyone who has it can continue the
 * upload.
 */
async function startUpload(
  client: GcsClient,
  { resource, conditions, options, ...context }: ResumableWrite,
): Promise<string> {
  const reply = await client.sendForSuccess({
    method: "POST",
    uri: client.uploadUri({ uploadType: "resumable", fields: OBJECT_FIELDS, ...conditions }),
    headers: {
      "content-type": "application/json; charset=UTF-8",
      "x-upload-content-type": resource.contentType,
      "x-upload-content-length": String(options.size),
    },
    body: JSON.stringify(resource),
  }, { ...context, also: [404] });
  await reply.discard();
  if (reply.status === 404) throw client.missingBucketError(context);
  const uri = client.sameOriginUri(String(reply.headers.location ?? ""));
  if (uri !== undefined) return uri;
  throw operationError(context, "refused", {
    why: "the server sends the upload to another host, which is not followed",
  });
}

/** The server's progress: the number of bytes it has, or the finished object. */
type Progress = { readonly offset: number } | { readonly object: GcsObject };

class ResumableUpload {
  readonly #api: GcsClient;
  readonly #write: ResumableWrite;
  readonly #uri: string;
  /** The offset of the end part; the bytes before it are a multiple of the step. */
  readonly #end: number;
  /** Bytes that were reported as sent. */
  #reported = 0;
  /** The hash that was sent with the end; hex. */
  #md5: string | undefined;
  #isForgotten = false;

  constructor(client: GcsClient, pending: ResumableWrite, uri: string) {
    this.#api = client;
    this.#write = pending;
    this.#uri = uri;
    this.#end = Math.floor((pending.options.size - 1) / STEP_BYTES) * STEP_BYTES;
  }

  async run(): Promise<GcsObject> {
    let progress: Progress | undefined = { offset: 0 };
    let furthest = 0;
    for (let failures = 0;;) {
      try {
        progress ??= await this.#queryProgress();
        if ("object" in progress) return await this.#verified(progress.object);
        if (progress.offset > furthest) failures = 0;
        furthest = Math.max(furthest, progress.offset);
        return await this.#sendFrom(progress.offset);
      } catch (error) {
        // A server without parts would end the upload with what it has when it is asked.
        if (!isTransient(error) || this.#isForgotten || !this.#api.takesUploadsInParts) throw error;
        failures += error.kind === "timeout" ? 2 : 1;
        if (failures > MAX_FAILURES) throw error;
        await delay(backoffDelay(failures, BACKOFF), this.#write);
        progress = undefined;
      }
    }
  }

  /**
   * Cancels the session, unless the failure is transient. The server discards a session that it is not told to cancel
   * after a week.
   */
  async abandon(error: unknown): Promise<void> {
    if (isTransient(error)) return;
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), CANCEL_TIMEOUT_MS);
    try {
      const context = { ...this.#write, signal: stop.signal };
      const reply = await this.#api.send({ method: "DELETE", uri: this.#uri }, context);
      await reply.discard();
    } catch {
      // The failure that ended the upload is reported, not this one.
    } finally {
      clearTimeout(timer);
    }
  }

  async #sendFrom(at: number): Promise<GcsObject> {
    if (!this.#api.takesUploadsInParts) return await this.#sendWhole();
    const hash = createHash("md5");
    if (at > 0) {
      const note = (bytes: Uint8Array) => Promise.resolve(void hash.update(bytes));
      await forEachChunk(await this.#content(0, at), note, this.#write);
    }
    const all = at < this.#end ? await this.#sendBody(at, hash) : hash;
    return await this.#sendEnd(Math.max(at, this.#end), all);
  }

  /** Sends all but the end. Returns the hash of the bytes that the server has then. */
  async #sendBody(at: number, before: Hash): Promise<Hash> {
    const { size } = this.#write.options;
    let hash = before;
    const reply = await this.#put({
      range: `bytes ${at}-${this.#end - 1}/${size}`,
      size: this.#end - at,
      open: async () => {
        hash = before.copy();
        const content = await this.#content(at, this.#end);
        return hashing(content, hash);
      },
    });
    if (reply.status === 200 || reply.status === 201) {
      this.#write.options.onBytes?.(-this.#reported);
      throw new UploadEndedEarly(await parseReply(reply, this.#write, parseObject));
    }
    if (reply.status !== 308) throw await this.#toError(reply);
    const now = storedBytes(reply);
    await reply.discard();
    if (now === this.#end) return hash;
    throw operationError(this.#write, "connection", { why: `the server took ${now} of ${this.#end} bytes` });
  }

  /** Sends everything in one request. The hash is known only afterwards, and compared then. */
  async #sendWhole(): Promise<GcsObject> {
    const { size } = this.#write.options;
    let hash = createHash("md5");
    const reply = await this.#put({
      range: `bytes 0-${size - 1}/${size}`,
      size,
      open: async () => {
        hash = createHash("md5");
        return hashing(await this.#content(0, size), hash);
      },
    });
    if (reply.status !== 200 && reply.status !== 201) throw await this.#toError(reply);
    this.#md5 = hash.digest("hex");
    return await this.#verified(await parseReply(reply, this.#write, parseObject));
  }

  async #sendEnd(at: number, hash: Hash): Promise<GcsObject> {
    const { size } = this.#write.options;
    const bytes = await readExactly(this.#content(at, size), { ...this.#write, size: size - at });
    const md5 = hash.copy().update(bytes).digest();
    this.#md5 = md5.toString("hex");
    const reply = await this.#put({
      range: `bytes ${at}-${size - 1}/${size}`,
      size: bytes.length,
      headers: { "x-goog-hash": `md5=${md5.toString("base64")}` },
      open: () => Promise.resolve(bytes),
    });
    if (reply.status !== 200 && reply.status !== 201) throw await this.#toError(reply);
    return await this.#verified(await parseReply(reply, this.#write, parseObject));
  }

  /** Compares the hash of the stored object. The server has compared it too; an emulator may not. */
  async #verified(object: GcsObject): Promise<GcsObject> {
    if (object.md5 === undefined || object.md5 === this.#md5) return object;
    throw await this.#api.removeDamaged(object, this.#write);
  }

  async #put({ range, size, headers = {}, open }: ContentRequest): Promise<HttpResponse> {
    return await this.#api.send({
      method: "PUT",
      uri: this.#uri,
      headers: { ...headers, "content-range": range },
      body: {
        size,
        open,
        onBytes: (bytes) => {
          this.#reported += bytes;
          this.#write.options.onBytes?.(bytes);
        },
      },
    }, this.#write);
  }

  async #queryProgress(): Promise<Progress> {
    const { options } = this.#write;
    const headers = { "content-range": `bytes */${options.size}` };
    const reply = await this.#api.send({ method: "PUT", uri: this.#uri, headers, body: "" }, this.#write);
    if (reply.status === 200 || reply.status === 201) {
      return { object: await parseReply(reply, this.#write, parseObject) };
    }
    if (reply.status !== 308) throw await this.#toError(reply);
    const at = storedBytes(reply);
    await reply.discard();
    if (at !== this.#reported) options.onBytes?.(at - this.#reported);
    this.#reported = at;
    return { offset: at };
  }

  async #toError(reply: HttpResponse): Promise<Error> {
    if (![308, 400, 404, 410].includes(reply.status)) {
      return await this.#api.toError(reply, this.#write);
    }
    await reply.discard();
    if (reply.status === 400) {
      const why = "the server refuses the upload (400): its bytes may have been damaged on the way";
      return operationError(this.#write, "unexpected", { why });
    }
    if (reply.status === 308) {
      const why = `the server took ${storedBytes(reply)} of ${this.#write.options.size} bytes`;
      return operationError(this.#write, "connection", { why });
    }
    this.#isForgotten = true;
    return operationError(this.#write, "unexpected", { why: "the server has forgotten the upload", transient: true });
  }

  async #content(from: number, to: number): Promise<Content> {
    return await awaitContent(this.#write.body(from, to), this.#write);
  }
}

interface ContentRequest {
  readonly range: string;
  readonly size: number;
  readonly headers?: Readonly<Record<string, string>>;
  open(): Promise<Content>;
}

/** Returns the number of bytes that the server has stored, from its reply 308: "bytes=0-42", or no header for none. */
function storedBytes({ headers }: HttpResponse): number {
  const [, last] = /^bytes=0-(\d{1,15})$/.exec(String(headers.range ?? "")) ?? [];
  return last === undefined ? 0 : Number(last) + 1;
}

function isTransient(error: unknown): error is SyncError {
  return error instanceof SyncError && error.facts.transient === true;
}
