import { Buffer } from "node:buffer";
import { cancelled, SyncError } from "../../core/errors.ts";
import type { FileEntry } from "../../core/entry.ts";
import { type Content, type ReadOptions, SMALL_FILE_BYTES } from "../../core/backend.ts";
import { assertUnchanged, type PathContext, stat, statExpecting } from "./stat.ts";
import { leastLoaded, type Pool } from "./pool.ts";
import type { Handle } from "./open_handles.ts";
import { markHandled } from "./requests.ts";
import { READ, type SftpClient } from "./client.ts";
import { type OperationContext, operationError, type ResolvedPath } from "../../core/operation.ts";

export type ReadContext = PathContext & Pick<ReadOptions, "offset" | "length" | "expect">;

/**
 * Reads a file or a range of it: a small one as a whole, in two round trips, a large one as a stream over all
 * connections.
 */
export async function readFile(pool: Pool, context: ReadContext): Promise<Content> {
  const client = await pool.client(context);
  const parent = markHandled(context.checkParent(client));
  const expect = context.expect ?? await requireFile(client, context);
  const handle = await client.open(context.serverPath, READ, context);
  const from = context.offset ?? 0;
  const to = Math.max(from, Math.min(expect.size, from + (context.length ?? Infinity)));
  const range = { ...context, expect, from, to };
  try {
    await parent;
    if (to - from <= SMALL_FILE_BYTES) return await readSmall(client, handle, range);
  } catch (error) {
    client.closeInBackground(handle);
    throw error;
  }
  return new ParallelDownload(pool, { client, handle }, range).stream();
}

/** The limit of bytes requested ahead on one connection, and in all streams of a pool together. */
const MAX_REQUESTED = 4 << 20;
const MAX_REQUESTED_ALL = 48 << 20;
/** The number of remaining bytes that justifies each further connection. */
const BYTES_PER_CONNECTION = 16 << 20;

interface ReadRange extends ResolvedPath {
  readonly expect: FileEntry;
  readonly from: number;
  readonly to: number;
}

async function requireFile(client: SftpClient, context: ReadContext): Promise<FileEntry> {
  const found = await stat(client, context.serverPath, context);
  if (found === undefined) throw operationError(context, "notFound", { why: "there is no such file" });
  if (found.kind === "file") return found;
  throw operationError(context, "refused", { why: found.kind === "dir" ? "it is a folder" : "it is no regular file" });
}

/** Reads a small file as a whole. The READs and the check that the file is unchanged are sent together. */
async function readSmall(client: SftpClient, handle: Handle, range: ReadRange): Promise<Uint8Array<ArrayBuffer>> {
  const { from, to } = range;
  const whole = new Uint8Array(to - from);
  const parts: Promise<void>[] = [];
  for (let at = 0; at < whole.length; at += client.maxRead) {
    const part = whole.subarray(at, Math.min(at + client.maxRead, whole.length));
    parts.push(readFully(client, handle, { ...range, into: part, from: from + at }));
  }
  const unchanged = markHandled(statExpecting(client, range.serverPath, range));
  const failure = await Promise.all(parts).then(() => undefined, (error) => ({ error }));
  await unchanged;
  if (failure !== undefined) throw failure.error;
  client.closeInBackground(handle);
  return whole;
}

/** Fills `into` with the bytes from `from` on. Rejects with kind "changed" if the file ends before. */
async function readFully(
  client: SftpClient,
  handle: Handle,
  options: OperationContext & { into: Uint8Array; from: number },
): Promise<void> {
  const { into, from } = options;
  const bytes = Buffer.from(into.buffer, into.byteOffset, into.byteLength);
  const since = performance.now();
  for (let filled = 0; filled < bytes.length;) {
    const count = await client.read(handle, {
      into: bytes,
      at: filled,
      length: bytes.length - filled,
      from: from + filled,
    }, options);
    if (count === 0) {
      throw operationError(options, "changed", { why: `it ended at byte ${from + filled} while it was read` });
    }
    filled += count;
    if (filled < bytes.length && performance.now() - since > client.operationTimeout) {
      const why = `${bytes.length} bytes took longer than ${client.operationTimeout / 1000} s, 20 times -Timeout`;
      throw operationError(options, "timeout", { why });
    }
  }
}

interface OpenFile {
  readonly client: SftpClient;
  readonly handle: Handle;
}

/** A parallel ranged download of one file over all connections: pieces are requested ahead and delivered in order. */
class ParallelDownload {
  readonly #pool: Pool;
  readonly #range: ReadRange;
  readonly #handles: Map<SftpClient, Handle>;
  readonly #opening = new Set<SftpClient>();
  readonly #requested: { readonly bytes: number; readonly piece: Promise<Uint8Array<ArrayBuffer>> }[] = [];
  #next: number;
  #requestedBytes = 0;
  #isClosed = false;

  constructor(pool: Pool, first: OpenFile, range: ReadRange) {
    this.#pool = pool;
    this.#range = range;
    this.#handles = new Map([[first.client, first.handle]]);
    this.#next = range.from;
  }

  stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return new ReadableStream({
      pull: async (controller) => {
        try {
          const piece = await this.#nextPiece();
          if (piece !== undefined) return controller.enqueue(piece);
          this.#close();
          controller.close();
        } catch (error) {
          this.#close();
          throw error;
        }
      },
      cancel: () => this.#close(),
    }, { highWaterMark: 0 });
  }

  async #nextPiece(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const { signal } = this.#range;
    if (signal.aborted) throw cancelled(signal, this.#range.operation);
    this.#requestAhead();
    const first = this.#requested.shift();
    if (first === undefined) {
      await this.#assertUnchanged();
      return undefined;
    }
    try {
      return await first.piece;
    } catch (error) {
      if (error instanceof SyncError && error.kind === "changed") await this.#assertUnchanged();
      throw error;
    } finally {
      this.#count(-first.bytes);
      if (!this.#isClosed) this.#requestAhead();
    }
  }

  #count(bytes: number): void {
    this.#requestedBytes += bytes;
    this.#pool.bytesInFlight += bytes;
  }

  #requestAhead(): void {
    const { to } = this.#range;
    this.#pool.grow(1 + Math.floor((to - this.#next) / BYTES_PER_CONNECTION));
    if (to - this.#next > MAX_REQUESTED) this.#openOnMoreConnections();
    while (this.#next < to) {
      const client = leastLoaded(this.#handles.keys());
      const handle = client && this.#handles.get(client);
      if (client === undefined || handle === undefined) throw this.#lostError();
      const bytes = Math.min(client.maxRead, to - this.#next);
      const most = Math.min(
        MAX_REQUESTED * this.#handles.size,
        MAX_REQUESTED_ALL - (this.#pool.bytesInFlight - this.#requestedBytes),
      );
      if (this.#requested.length > 0 && this.#requestedBytes + bytes > most) return;
      const into = new Uint8Array(bytes);
      const piece = readFully(client, handle, { ...this.#range, into, from: this.#next }).then(() => into);
      this.#requested.push({ bytes, piece: markHandled(piece) });
      this.#next += bytes;
      this.#count(bytes);
    }
  }

  #lostError(): SyncError {
    return operationError(this.#range, "connection", { why: "the connection was lost" });
  }

  /** Opens the file on connections that were opened meanwhile. */
  #openOnMoreConnections(): void {
    for (const client of this.#pool.clients()) {
      if (this.#handles.has(client) || this.#opening.has(client)) continue;
      this.#opening.add(client);
      client.open(this.#range.serverPath, READ, this.#range).then((handle) => {
        if (this.#isClosed) return client.closeInBackground(handle);
        this.#handles.set(client, handle);
      }).catch(() => {
        // The other connections continue; if the file is gone, the final stat reports it.
      });
    }
  }

  async #assertUnchanged(): Promise<void> {
    const { expect } = this.#range;
    const client = await this.#pool.client(this.#range);
    assertUnchanged(await stat(client, this.#range.serverPath, this.#range), { ...this.#range, expect });
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#count(-this.#requestedBytes);
    for (const [client, handle] of this.#handles) client.closeInBackground(handle);
  }
}
