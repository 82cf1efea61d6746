import { cancelled } from "../core/errors.ts";
import { toByteStream } from "../net/byte_stream.ts";
import type { Semaphore } from "../net/semaphore.ts";

/** The buffer for a piece: reused memory, one byte larger than a piece. */
export interface PieceBuffer {
  readonly signal: AbortSignal;
  readonly memory: Uint8Array<ArrayBuffer>;
}

/** The options of reading a large file in pieces, several of them in parallel. */
export interface ParallelDownloadOptions {
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
  readonly signal: AbortSignal;
  /** The limit of pieces that all files of a server share. */
  readonly pieceLimit: Semaphore;
  /** Reads the first piece, which was already requested. */
  first(buffer: PieceBuffer): Promise<Uint8Array<ArrayBuffer>>;
  /** Fetches the piece from..to; rejects when the file is no longer the same. */
  piece(range: { readonly from: number; readonly to: number }, buffer: PieceBuffer): Promise<Uint8Array<ArrayBuffer>>;
  /** Called after the last byte; rejects if the file is no longer the same. */
  finish(): Promise<void>;
}

/** Size of a piece in bytes. */
export const PIECE_SIZE = 4 << 20;

/** Returns the pieces in order, as a stream. A connection that receives one waits for no other. */
export function parallelDownload(options: ParallelDownloadOptions): ReadableStream<Uint8Array<ArrayBuffer>> {
  const download = new ParallelDownload(options);
  return toByteStream({ pull: (into) => download.pull(into), cancel: () => download.cancel() });
}

interface PendingPiece {
  readonly bytes: Promise<Uint8Array<ArrayBuffer>>;
  readonly memory: Uint8Array<ArrayBuffer>;
}

class ParallelDownload {
  readonly #options: ParallelDownloadOptions;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #pending: PendingPiece[] = [];
  /** Buffers that no piece uses at the moment. */
  readonly #idle: Uint8Array<ArrayBuffer>[] = [];
  #next: number;
  #acquired = 0;
  #piece: { readonly bytes: Uint8Array<ArrayBuffer>; readonly memory: Uint8Array<ArrayBuffer> } | undefined;
  #at = 0;

  constructor(options: ParallelDownloadOptions) {
    this.#options = options;
    this.#signal = AbortSignal.any([options.signal, this.#stop.signal]);
    this.#next = options.from + PIECE_SIZE;
    this.#request((buffer) => options.first(buffer));
  }

  async pull(into: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | undefined> {
    try {
      if (this.#piece === undefined && !await this.#nextPiece()) return undefined;
      return this.#copyPiece(into);
    } catch (error) {
      this.cancel();
      const { signal } = this.#options;
      throw signal.aborted ? cancelled(signal, "read") : error;
    }
  }

  cancel(): void {
    this.#stop.abort();
    for (; this.#acquired > 0; this.#acquired--) this.#options.pieceLimit.release();
  }

  /** Moves to the next piece; returns false after the last one. */
  async #nextPiece(): Promise<boolean> {
    const { signal, pieceLimit, finish } = this.#options;
    if (signal.aborted) throw cancelled(signal, "read");
    this.#requestAhead();
    const pending = this.#pending.shift();
    if (pending === undefined) {
      await finish();
      this.cancel();
      return false;
    }
    this.#piece = { bytes: await pending.bytes, memory: pending.memory };
    this.#at = 0;
    if (this.#acquired > 0) {
      this.#acquired--;
      pieceLimit.release();
    }
    return true;
  }

  #copyPiece(into: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    const { bytes, memory } = this.#piece ?? { bytes: EMPTY, memory: EMPTY };
    const part = bytes.subarray(this.#at, this.#at + into.length);
    into.set(part);
    this.#at += part.length;
    if (this.#at === bytes.length) {
      this.#piece = undefined;
      this.#idle.push(memory);
    }
    return into.subarray(0, part.length);
  }

  #requestAhead(): void {
    const { to, pieceLimit, piece } = this.#options;
    while (
      this.#next < to && this.#pending.length < MAX_PIECES_AHEAD &&
      (this.#pending.length === 0 || pieceLimit.tryAcquire())
    ) {
      if (this.#pending.length > 0) this.#acquired++;
      const range = { from: this.#next, to: Math.min(to, this.#next + PIECE_SIZE) };
      this.#request((buffer) => piece(range, buffer));
      this.#next = range.to;
    }
  }

  #request(fetch: (buffer: PieceBuffer) => Promise<Uint8Array<ArrayBuffer>>): void {
    const memory = this.#idle.pop() ?? new Uint8Array(PIECE_SIZE + 1);
    const bytes = fetch({ signal: this.#signal, memory });
    // A failure is reported when the piece is read, not before.
    bytes.catch(() => undefined);
    this.#pending.push({ bytes, memory });
  }
}

const EMPTY = new Uint8Array();

/** The most pieces of one file in transit. */
const MAX_PIECES_AHEAD = 4;
