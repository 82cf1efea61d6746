import { Buffer } from "node:buffer";
import { cancelled, SyncError } from "../../core/errors.ts";
import type { FileEntry } from "../../core/entry.ts";
import type { Content, ReadOptions } from "../../core/backend.ts";
import { handled } from "./read_exactly.ts";
import { look, lookFor, mustMatch, type Spot } from "./stat.ts";
import { least, type Pool } from "./pool.ts";
import type { Handle } from "./handles.ts";
import { READ, type Wire } from "./client.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

export type Reading = OperationContext & Spot & Pick<ReadOptions, "offset" | "length" | "expect"> & {
  /** Rejects unless the parent folders are real folders. */
  checkParent(wire: Wire): Promise<void>;
};

/**
 * Reads a file or a range of it: a small one as a whole, in two round trips, a large one as a stream over all
 * connections.
 */
export async function readFile(pool: Pool, reading: Reading): Promise<Content> {
  const wire = await pool.wire(reading);
  const parent = handled(reading.checkParent(wire));
  const expect = reading.expect ?? await fileThere(wire, reading);
  const handle = await wire.open(reading.at, READ, reading);
  const from = reading.offset ?? 0;
  const to = Math.max(from, Math.min(expect.size, from + (reading.length ?? Infinity)));
  const work = { ...reading, expect, from, to };
  try {
    await parent;
    if (to - from <= SMALL) return await readWhole(wire, handle, work);
  } catch (error) {
    wire.drop(handle);
    throw error;
  }
  return new StripedRead(pool, { wire, handle }, work).stream();
}

/** The largest file that is read as a whole. */
const SMALL = 256 * 1024;
/** The limit of bytes requested ahead on one connection, and in all streams of a pool together. */
const AHEAD = 4 << 20;
const AHEAD_ALL = 48 << 20;
/** The number of remaining bytes that justifies each further connection. */
const WORTH_GROWING = 16 << 20;

interface Work extends OperationContext, Spot {
  readonly expect: FileEntry;
  readonly from: number;
  readonly to: number;
}

async function fileThere(wire: Wire, reading: Reading): Promise<FileEntry> {
  const found = await look(wire, reading.at, reading);
  if (found === undefined) throw operationError(reading, "notFound", { why: "there is no such file" });
  if (found.kind === "file") return found;
  throw operationError(reading, "refused", { why: found.kind === "dir" ? "it is a folder" : "it is no regular file" });
}

/** Reads a small file as a whole. The READs and the check that the file is unchanged are sent together. */
async function readWhole(wire: Wire, handle: Handle, work: Work): Promise<Uint8Array<ArrayBuffer>> {
  const { from, to } = work;
  const whole = new Uint8Array(to - from);
  const parts: Promise<void>[] = [];
  for (let at = 0; at < whole.length; at += wire.maxRead) {
    const part = whole.subarray(at, Math.min(at + wire.maxRead, whole.length));
    parts.push(fill(wire, handle, { ...work, into: part, from: from + at }));
  }
  const same = handled(lookFor(wire, work.at, work));
  const short = await Promise.all(parts).then(() => undefined, (error) => ({ error }));
  await same;
  if (short !== undefined) throw short.error;
  wire.drop(handle);
  return whole;
}

/** Fills `into` with the bytes from `from` on. Rejects with kind "changed" if the file ends before. */
async function fill(
  wire: Wire,
  handle: Handle,
  options: OperationContext & { into: Uint8Array; from: number },
): Promise<void> {
  const { into, from } = options;
  const bytes = Buffer.from(into.buffer, into.byteOffset, into.byteLength);
  const since = performance.now();
  for (let at = 0; at < bytes.length;) {
    const count = await wire.read(handle, { into: bytes, at, length: bytes.length - at, from: from + at }, options);
    if (count === 0) {
      throw operationError(options, "changed", { why: `it ended at byte ${from + at} while it was read` });
    }
    at += count;
    if (at < bytes.length && performance.now() - since > wire.patience) {
      const why = `${bytes.length} bytes took longer than ${wire.patience / 1000} s, 20 times -Timeout`;
      throw operationError(options, "timeout", { why });
    }
  }
}

interface Opened {
  readonly wire: Wire;
  readonly handle: Handle;
}

/** A parallel ranged download of one file over all connections: pieces are requested ahead and delivered in order. */
class StripedRead {
  readonly #pool: Pool;
  readonly #work: Work;
  readonly #handles: Map<Wire, Handle>;
  readonly #opening = new Set<Wire>();
  readonly #ahead: { readonly bytes: number; readonly piece: Promise<Uint8Array<ArrayBuffer>> }[] = [];
  #next: number;
  #aheadBytes = 0;
  #over = false;

  constructor(pool: Pool, first: Opened, work: Work) {
    this.#pool = pool;
    this.#work = work;
    this.#handles = new Map([[first.wire, first.handle]]);
    this.#next = work.from;
  }

  stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return new ReadableStream({
      pull: async (controller) => {
        try {
          const piece = await this.#piece();
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

  async #piece(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const { signal } = this.#work;
    if (signal.aborted) throw cancelled(signal, this.#work.operation);
    this.#topUp();
    const first = this.#ahead.shift();
    if (first === undefined) {
      await this.#mustBeSame();
      return undefined;
    }
    try {
      return await first.piece;
    } catch (error) {
      if (error instanceof SyncError && error.kind === "changed") await this.#mustBeSame();
      throw error;
    } finally {
      this.#count(-first.bytes);
      if (!this.#over) this.#topUp();
    }
  }

  #count(bytes: number): void {
    this.#aheadBytes += bytes;
    this.#pool.ahead += bytes;
  }

  #topUp(): void {
    const { to } = this.#work;
    this.#pool.grow(1 + Math.floor((to - this.#next) / WORTH_GROWING));
    if (to - this.#next > AHEAD) this.#spread();
    while (this.#next < to) {
      const wire = least(this.#handles.keys());
      const handle = wire && this.#handles.get(wire);
      if (wire === undefined || handle === undefined) throw this.#lost();
      const bytes = Math.min(wire.maxRead, to - this.#next);
      const most = Math.min(AHEAD * this.#handles.size, AHEAD_ALL - (this.#pool.ahead - this.#aheadBytes));
      if (this.#ahead.length > 0 && this.#aheadBytes + bytes > most) return;
      const into = new Uint8Array(bytes);
      const piece = fill(wire, handle, { ...this.#work, into, from: this.#next }).then(() => into);
      this.#ahead.push({ bytes, piece: handled(piece) });
      this.#next += bytes;
      this.#count(bytes);
    }
  }

  #lost(): SyncError {
    return operationError(this.#work, "connection", { why: "the connection was lost" });
  }

  /** Opens the file on connections that were opened meanwhile. */
  #spread(): void {
    for (const wire of this.#pool.live()) {
      if (this.#handles.has(wire) || this.#opening.has(wire)) continue;
      this.#opening.add(wire);
      wire.open(this.#work.at, READ, this.#work).then((handle) => {
        if (this.#over) return wire.drop(handle);
        this.#handles.set(wire, handle);
      }).catch(() => {
        // The other connections continue; if the file is gone, the final stat reports it.
      });
    }
  }

  async #mustBeSame(): Promise<void> {
    const { expect } = this.#work;
    const wire = await this.#pool.wire(this.#work);
    mustMatch(await look(wire, this.#work.at, this.#work), { ...this.#work, expect });
  }

  #close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#count(-this.#aheadBytes);
    for (const [wire, handle] of this.#handles) wire.drop(handle);
  }
}
