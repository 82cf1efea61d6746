import { cancelled } from "../core/errors.ts";
import type { Call } from "../core/backend.ts";

/** How long the places of a pool may stand still while others wait for one. */
export interface Standstill {
  /** ms without any progress after which a wait ends. */
  readonly timeout: number;
  /** The error that a wait ends with. */
  error(): Error;
}

/**
 * The queue for something scarce, in order of arrival. With a `standstill` no wait is endless: it may last for as long as those who hold
 * a place get on (progress()), but when nothing has moved for so long it rejects. A cycle of waits ends in that way too.
 */
export class Turns {
  readonly #waiting = new Set<() => void>();
  #moved = 0;

  /** Resolves when its turn has come; rejects with cancelled, or at a standstill, and then has none. */
  async wait(
    { signal, operation }: Call & { readonly operation: string },
    standstill?: Standstill,
  ): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const leave = (error: Error) => {
      this.#waiting.delete(resolve);
      reject(error);
    };
    const stop = () => leave(cancelled(signal, operation));
    this.#waiting.add(resolve);
    signal.addEventListener("abort", stop);
    const patience = standstill === undefined ? undefined : this.#watch(standstill, leave);
    try {
      await promise;
    } finally {
      signal.removeEventListener("abort", stop);
      patience?.[Symbol.dispose]();
    }
  }

  /** Gives a turn to the longest waiting; false when there is none. */
  next(): boolean {
    this.progress();
    const [first] = this.#waiting;
    if (first === undefined) return false;
    this.#waiting.delete(first);
    first();
    return true;
  }

  /** Gives everybody a turn. */
  all(): void {
    while (this.next());
  }

  /** Notes that something moved on one of the places: waiting is worth while. */
  progress(): void {
    if (this.#waiting.size > 0) this.#moved = performance.now();
  }

  #watch({ timeout, error }: Standstill, leave: (error: Error) => void): Disposable {
    const since = performance.now();
    let timer: ReturnType<typeof setTimeout>;
    const look = () => {
      const left = Math.max(since, this.#moved) + timeout - performance.now();
      if (left <= 1) leave(error());
      else timer = setTimeout(look, left);
    };
    timer = setTimeout(look, timeout);
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  }
}
