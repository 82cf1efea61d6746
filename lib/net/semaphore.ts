import { cancelled } from "../core/errors.ts";
import type { Call } from "../core/backend.ts";

/** The limit of a pool's time without progress while callers wait for a permit. */
export interface Standstill {
  /** ms without any progress after which a wait ends. */
  readonly timeout: number;
  /** Returns the error with which a wait ends. */
  error(): Error;
}

/**
 * A FIFO wait queue. With a `standstill` no wait is endless: it may last for as long as the holders make progress
 * (progress()), but it rejects after `timeout` without any. That also ends a cycle of waits.
 */
export class Turns {
  readonly #waiting = new Set<() => void>();
  #moved = 0;

  /**
   * Waits in the queue and resolves when woken. Rejects with cancelled, or at a standstill, and then leaves the queue.
   */
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

  /** Wakes the longest waiter. Returns false if there is none. */
  next(): boolean {
    this.progress();
    const [first] = this.#waiting;
    if (first === undefined) return false;
    this.#waiting.delete(first);
    first();
    return true;
  }

  /** Wakes all waiters. */
  all(): void {
    while (this.next());
  }

  /** Records that a holder made progress, which restarts the standstill timeout. */
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
