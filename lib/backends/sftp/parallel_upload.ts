import { Buffer } from "node:buffer";
import { awaitContent, forEachChunk, wrongSizeError } from "../../net/byte_stream.ts";
import { leastLoaded, type Pool } from "./pool.ts";
import { createTemp } from "./temp_file.ts";
import { holdsLeftover, RESUME_WINDOW, resumeLeftover, type UploadOptions } from "./leftover.ts";
import type { Handle } from "./open_handles.ts";
import { type SftpClient, WRITE } from "./client.ts";
import { operationError } from "../../core/operation.ts";

/** Creates the temporary file, or resumes from a leftover. */
export async function startUpload(pool: Pool, client: SftpClient, options: UploadOptions): Promise<ParallelUpload> {
  const leftover = await resumeLeftover(client, options);
  const [handle, from] = leftover ?? [await createTemp(client, options.pending), 0];
  return new ParallelUpload(pool, options, { client, handle, from });
}

/**
 * An upload of a large file to its temporary name, over all connections. Invariant: nothing is sent WINDOW bytes or
 * more beyond the first byte that is not yet acknowledged. So the first `n - WINDOW` bytes of a leftover of `n` bytes
 * are certainly complete.
 */
export class ParallelUpload {
  readonly handle: Handle;
  readonly #pool: Pool;
  readonly #options: UploadOptions;
  readonly #first: SftpClient;
  readonly #handles: Map<SftpClient, Handle>;
  readonly #opening = new Set<SftpClient>();
  /** Offset and length of unanswered WRITEs, in ascending order. */
  readonly #unacked = new Map<number, number>();
  readonly #from: number;
  /** Whether the file is written over several connections. */
  readonly #isShared: boolean;
  /** Small chunks that are sent as one piece once they are large enough together. */
  #joined: Uint8Array[] = [];
  #joinedBytes = 0;
  #next: number;
  #unackedBytes = 0;
  #acknowledged = 0;
  #startedAt = 0;
  #failed: { readonly error: unknown } | undefined;
  #wake: () => void = () => {};
  #isClosed = false;

  constructor(pool: Pool, options: UploadOptions, first: { client: SftpClient; handle: Handle; from: number }) {
    this.#pool = pool;
    this.#options = options;
    this.handle = first.handle;
    this.#first = first.client;
    this.#handles = new Map([[first.client, first.handle]]);
    this.#from = first.from;
    this.#isShared = first.client.sharesUploads;
    this.#next = first.from;
  }

  /** The offset of the first byte that the server has not yet acknowledged. */
  get firstUnacked(): number {
    return this.#unacked.keys().next().value ?? this.#next;
  }

  /**
   * Sends everything and waits until it is acknowledged. Rejects with changed if the source has more or fewer bytes
   * than expected.
   */
  async run(): Promise<void> {
    const { pending, body } = this.#options;
    const { options } = pending;
    this.#startedAt = performance.now();
    options.onBytes?.(this.#from);
    const content = await awaitContent(this.#from === 0 ? body() : body(this.#from), pending);
    await forEachChunk(content, (chunk) => this.#sendChunk(chunk), pending);
    if (this.#joinedBytes > 0) await this.#sendWhenRoom(this.#takeJoined());
    while (this.#unacked.size > 0) await this.#waitForProgress();
    if (this.#failed !== undefined) throw this.#failed.error;
    if (this.#next < options.size) throw wrongSizeError(pending, { given: this.#next, size: options.size });
    await this.#assertKept();
    this.#close(this.handle);
  }

  /** Checks what was resumed: a server that empties a file when it is opened or written has lost it by now. */
  async #assertKept(): Promise<void> {
    const client = this.#first;
    if (this.#from === 0 || await holdsLeftover(client, this.handle, { ...this.#options, kept: this.#from })) return;
    const why = "the server lost what an earlier attempt had written; the file is sent again from its beginning";
    throw operationError(this.#options.pending, "busy", { why });
  }

  /** Closes the handles after a failure. */
  stop(): void {
    this.#close(undefined);
  }

  /** Sends a chunk in pieces: splits a large one and joins small ones. */
  async #sendChunk(chunk: Uint8Array): Promise<void> {
    if (chunk.length < SMALL_PIECE || this.#joinedBytes > 0) {
      this.#joined.push(chunk);
      this.#joinedBytes += chunk.length;
      if (this.#joinedBytes < SMALL_PIECE) return;
    }
    const whole = this.#joinedBytes > 0 ? this.#takeJoined() : chunk;
    for (let at = 0; at < whole.length;) {
      const piece = whole.subarray(at, at + this.#pieceBytes());
      at += piece.length;
      await this.#sendWhenRoom(piece);
    }
  }

  #takeJoined(): Uint8Array {
    const whole = Buffer.concat(this.#joined, this.#joinedBytes);
    this.#joined = [];
    this.#joinedBytes = 0;
    return whole;
  }

  async #sendWhenRoom(piece: Uint8Array): Promise<void> {
    const { pending } = this.#options;
    const { size } = pending.options;
    if (this.#next + piece.length > size) throw wrongSizeError(pending, { given: Infinity, size });
    while (!this.#hasRoom(piece.length)) await this.#waitForProgress();
    this.#sendPiece(piece);
  }

  /**
   * Returns the size of the next piece: small at first and on slow networks, so that answers keep coming, otherwise the
   * largest that the server accepts.
   */
  #pieceBytes(): number {
    const [client] = this.#handles.keys();
    const most = client?.maxWrite ?? SMALL_PIECE;
    if (this.#acknowledged < SLOW_START_BYTES) return Math.min(most, SMALL_PIECE);
    const bytesPerSecond = (this.#acknowledged * 1000) / (performance.now() - this.#startedAt);
    return Math.min(most, Math.max(SMALL_PIECE, Math.floor(bytesPerSecond / 4)));
  }

  #hasRoom(bytes: number): boolean {
    if (this.#failed !== undefined) throw this.#failed.error;
    if (this.#unacked.size === 0) return true;
    if (this.#options.pending.order === "one by one") return false;
    if (this.#next + bytes - this.firstUnacked > RESUME_WINDOW) return false;
    if (this.#unackedBytes + bytes > MAX_UNACKED * this.#handles.size) return false;
    return this.#pool.bytesInFlight + bytes <= MAX_UNACKED_ALL;
  }

  #waitForProgress(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    return promise;
  }

  #sendPiece(piece: Uint8Array): void {
    const { pending } = this.#options;
    const left = pending.options.size - this.#next;
    if (this.#isShared && (pending.order ?? "any") === "any") {
      this.#pool.grow(1 + Math.floor(left / BYTES_PER_CONNECTION));
      if (left > MAX_UNACKED) this.#openOnMoreConnections();
    }
    const client = leastLoaded(this.#handles.keys());
    const handle = client && this.#handles.get(client);
    if (client === undefined || handle === undefined) {
      throw operationError(pending, "connection", { why: "the connection was lost" });
    }
    const to = this.#next;
    this.#next += piece.length;
    pending.samples?.add(piece, to);
    this.#unacked.set(to, piece.length);
    this.#count(piece.length);
    client.write(handle, piece, { ...pending, to }).then(() => {
      this.#acknowledged += piece.length;
    }, (error) => {
      this.#failed ??= { error };
    }).finally(() => {
      this.#unacked.delete(to);
      this.#count(-piece.length);
      this.#wake();
    });
    pending.options.onBytes?.(piece.length);
  }

  #count(bytes: number): void {
    this.#unackedBytes += bytes;
    this.#pool.bytesInFlight += bytes;
  }

  /** Opens the temporary file on connections that were opened meanwhile. */
  #openOnMoreConnections(): void {
    const { pending } = this.#options;
    for (const client of this.#pool.clients()) {
      if (this.#handles.has(client) || this.#opening.has(client)) continue;
      this.#opening.add(client);
      client.open(pending.temp, WRITE, pending).then((handle) => {
        if (this.#isClosed) return client.closeInBackground(handle);
        this.#handles.set(client, handle);
        this.#wake();
      }).catch(() => {
        // The other connections continue; if the file is gone, the final check of its size reports it.
      });
    }
  }

  #close(but: Handle | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const [client, handle] of this.#handles) if (handle !== but) client.closeInBackground(handle);
  }
}

/** The limit of unanswered bytes on one connection, and of all writes of a pool together. */
const MAX_UNACKED = 4 << 20;
const MAX_UNACKED_ALL = 48 << 20;
const BYTES_PER_CONNECTION = 16 << 20;
const SMALL_PIECE = 32 * 1024;
const SLOW_START_BYTES = 512 * 1024;
