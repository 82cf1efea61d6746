import { cancelled } from "../core/errors.ts";
import type { Cancellable } from "./abort.ts";
import type { CallOptions } from "../core/backend.ts";

/** The limit of a pool's time without progress while callers wait for a permit. */
export interface StallTimeout {
  /** ms without any progress after which a wait ends. */
  readonly timeout: number;
  /** Returns the error with which a wait ends. */
  error(): Error;
}

/**
 * A FIFO wait queue. With a stall timeout no wait is endless: it may last for as long as the holders make progress
 * (noteProgress()), but it rejects after `timeout` without any. That also ends a cycle of waits.
 */
export class WaitQueue {
  readonly #waiting = new Set<() => void>();
  #lastProgress = 0;

  /**
   * Waits in the queue and resolves when woken. Rejects with cancelled, or after a stall, and then leaves the queue.
   */
  async wait(
    { signal, operation }: CallOptions & { readonly operation: string },
    stall?: StallTimeout,
  ): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const leave = (error: Error) => {
      this.#waiting.delete(resolve);
      reject(error);
    };
    const stop = () => leave(cancelled(signal, operation));
    this.#waiting.add(resolve);
    signal.addEventListener("abort", stop);
    const watchdog = stall === undefined ? undefined : this.#watchForStall(stall, leave);
    try {
      await promise;
    } finally {
      signal.removeEventListener("abort", stop);
      watchdog?.[Symbol.dispose]();
    }
  }

  /** Wakes the longest waiter. Returns false if there is none. */
  wakeNext(): boolean {
    this.noteProgress();
    const [first] = this.#waiting;
    if (first === undefined) return false;
    this.#waiting.delete(first);
    first();
    return true;
  }

  /** Wakes all waiters. */
  wakeAll(): void {
    while (this.wakeNext());
  }

  /** Records that a holder made progress, which restarts the stall timeout. */
  noteProgress(): void {
    if (this.#waiting.size > 0) this.#lastProgress = performance.now();
  }

  #watchForStall({ timeout, error }: StallTimeout, leave: (error: Error) => void): Disposable {
    const since = performance.now();
    let timer: ReturnType<typeof setTimeout>;
    const check = () => {
      const left = Math.max(since, this.#lastProgress) + timeout - performance.now();
      if (left <= 1) leave(error());
      else timer = setTimeout(check, left);
    };
    timer = setTimeout(check, timeout);
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  }
}

/** A counting semaphore. Permits are given in order of arrival. */
export class Semaphore {
  #free: number;
  readonly #queue = new WaitQueue();

  constructor(permits: number) {
    this.#free = permits;
  }

  /** Runs the work once there is a permit. Rejects as it does, and with cancelled while it waits. */
  async use<T>(work: () => Promise<T>, caller: Cancellable): Promise<T> {
    if (caller.signal.aborted) throw cancelled(caller.signal, caller.operation);
    if (!this.tryAcquire()) await this.#queue.wait(caller);
    try {
      return await work();
    } finally {
      this.release();
    }
  }

  /** Takes a permit until release(). Returns false if there is none. */
  tryAcquire(): boolean {
    if (this.#free <= 0) return false;
    this.#free--;
    return true;
  }

  release(): void {
    if (!this.#queue.wakeNext()) this.#free++;
  }
}
