import { cancelled } from "../errors.ts";

/** How a large file is read in pieces, several of them at once. */
export interface Striping {
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
  /** The first piece, already on its way. */
  readonly first: Promise<Uint8Array<ArrayBuffer>>;
  readonly signal: AbortSignal;
  /** What all files of a server share. */
  readonly budget: Budget;
  /** Fetches one piece; rejects when the file is no longer the same. */
  piece(from: number, to: number, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>>;
  /** Called behind the last byte; rejects when the file is no longer the same. */
  finish(): Promise<void>;
}

/** Pieces that may be under way beyond the one that each file has anyway: they are held in memory. */
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

/** Bytes of a piece. */
export const PIECE = 4 << 20;

/** The pieces in order, as a stream. A connection that carries one waits for no other. */
export function striped(striping: Striping): ReadableStream<Uint8Array<ArrayBuffer>> {
  const { to, budget, first } = striping;
  const stop = new AbortController();
  const signal = AbortSignal.any([striping.signal, stop.signal]);
  const ahead: Promise<Uint8Array<ArrayBuffer>>[] = [watched(first)];
  let next = striping.from + PIECE;
  let taken = 0;
  const grow = () => {
    while (next < to && ahead.length < MOST && (ahead.length === 0 || budget.take())) {
      if (ahead.length > 0) taken++;
      const end = Math.min(to, next + PIECE);
      ahead.push(watched(striping.piece(next, end, signal)));
      next = end;
    }
  };
  const end = () => {
    stop.abort();
    for (; taken > 0; taken--) budget.give();
  };
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: async (controller) => {
      try {
        if (striping.signal.aborted) throw cancelled(striping.signal, "read");
        grow();
        const bytes = await ahead.shift();
        if (taken > 0) {
          taken--;
          budget.give();
        }
        if (bytes !== undefined) return controller.enqueue(bytes);
        await striping.finish();
        end();
        controller.close();
      } catch (error) {
        end();
        throw striping.signal.aborted ? cancelled(striping.signal, "read") : error;
      }
    },
    cancel: end,
  }, { highWaterMark: 0 });
}

/** Pieces of one file under way at once. */
const MOST = 4;

/** A failure is seen when its turn comes, not before. */
function watched<T>(piece: Promise<T>): Promise<T> {
  piece.catch(() => undefined);
  return piece;
}
