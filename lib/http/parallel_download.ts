import { cancelled } from "../core/errors.ts";
import { streamOf } from "../net/byte_stream.ts";

/** The buffer for a piece: reused memory, one byte larger than a piece. */
export interface Room {
  readonly signal: AbortSignal;
  readonly memory: Uint8Array<ArrayBuffer>;
}

/** The options of reading a large file in pieces, several of them in parallel. */
export interface Striping {
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
  readonly signal: AbortSignal;
  /** The limit of pieces that all files of a server share. */
  readonly budget: Budget;
  /** Reads the first piece, which was already requested. */
  first(room: Room): Promise<Uint8Array<ArrayBuffer>>;
  /** Fetches the piece from..to; rejects when the file is no longer the same. */
  piece(range: { readonly from: number; readonly to: number }, room: Room): Promise<Uint8Array<ArrayBuffer>>;
  /** Called after the last byte; rejects if the file is no longer the same. */
  finish(): Promise<void>;
}

/** The number of pieces in transit, held in memory, beyond the one that each file always has. */
export class Budget {
  #free: number;

  constructor(pieces: number) {
    this.#free = pieces;
  }

  take(): boolean {
    if (this.#free <= 0) return false;
    this.#free--;
    return true;
  }

  give(): void {
    this.#free++;
  }
}

/** Size of a piece in bytes. */
export const PIECE = 4 << 20;

/** Returns the pieces in order, as a stream. A connection that receives one waits for no other. */
export function striped(striping: Striping): ReadableStream<Uint8Array<ArrayBuffer>> {
  const stripes = new Stripes(striping);
  return streamOf({ fill: (into) => stripes.fill(into), leave: () => stripes.end() });
}

interface Coming {
  readonly bytes: Promise<Uint8Array<ArrayBuffer>>;
  readonly memory: Uint8Array<ArrayBuffer>;
}

class Stripes {
  readonly #striping: Striping;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #ahead: Coming[] = [];
  /** Buffers that no piece uses at the moment. */
  readonly #idle: Uint8Array<ArrayBuffer>[] = [];
  #next: number;
  #taken = 0;
  #piece: { readonly bytes: Uint8Array<ArrayBuffer>; readonly memory: Uint8Array<ArrayBuffer> } | undefined;
  #at = 0;

  constructor(striping: Striping) {
    this.#striping = striping;
    this.#signal = AbortSignal.any([striping.signal, this.#stop.signal]);
    this.#next = striping.from + PIECE;
    this.#begin((room) => striping.first(room));
  }

  async fill(into: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | undefined> {
    try {
      if (this.#piece === undefined && !await this.#turn()) return undefined;
      return this.#give(into);
    } catch (error) {
      this.end();
      const { signal } = this.#striping;
      throw signal.aborted ? cancelled(signal, "read") : error;
    }
  }

  end(): void {
    this.#stop.abort();
    for (; this.#taken > 0; this.#taken--) this.#striping.budget.give();
  }

  /** Moves to the next piece; returns false after the last one. */
  async #turn(): Promise<boolean> {
    const { signal, budget, finish } = this.#striping;
    if (signal.aborted) throw cancelled(signal, "read");
    this.#grow();
    const coming = this.#ahead.shift();
    if (coming === undefined) {
      await finish();
      this.end();
      return false;
    }
    this.#piece = { bytes: await coming.bytes, memory: coming.memory };
    this.#at = 0;
    if (this.#taken > 0) {
      this.#taken--;
      budget.give();
    }
    return true;
  }

  #give(into: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    const { bytes, memory } = this.#piece ?? { bytes: NONE, memory: NONE };
    const part = bytes.subarray(this.#at, this.#at + into.length);
    into.set(part);
    this.#at += part.length;
    if (this.#at === bytes.length) {
      this.#piece = undefined;
      this.#idle.push(memory);
    }
    return into.subarray(0, part.length);
  }

  #grow(): void {
    const { to, budget, piece } = this.#striping;
    while (this.#next < to && this.#ahead.length < MOST && (this.#ahead.length === 0 || budget.take())) {
      if (this.#ahead.length > 0) this.#taken++;
      const range = { from: this.#next, to: Math.min(to, this.#next + PIECE) };
      this.#begin((room) => piece(range, room));
      this.#next = range.to;
    }
  }

  #begin(fetch: (room: Room) => Promise<Uint8Array<ArrayBuffer>>): void {
    const memory = this.#idle.pop() ?? new Uint8Array(PIECE + 1);
    const bytes = fetch({ signal: this.#signal, memory });
    // A failure is reported when the piece is read, not before.
    bytes.catch(() => undefined);
    this.#ahead.push({ bytes, memory });
  }
}

const NONE = new Uint8Array();

/** The most pieces of one file in transit. */
const MOST = 4;
