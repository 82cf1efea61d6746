import { cancelled } from "../core/errors.ts";
import type { OperationContext } from "../core/operation.ts";

/**
 * A semaphore that counts bytes of memory for content in transit, shared by all files of a store. A caller that wants
 * more than is free waits, in order of arrival.
 */
export class ByteSemaphore {
  readonly #size: number;
  #free: number;
  readonly #queue = new Set<Waiter>();

  constructor(bytes: number) {
    this.#size = bytes;
    this.#free = bytes;
  }

  /**
   * Takes the bytes and returns them when disposed. A request for more than the total takes all of it. Rejects with
   * cancelled.
   */
  async acquire(bytes: number, { signal, operation }: OperationContext): Promise<Disposable> {
    const wanted = Math.min(bytes, this.#size);
    if (signal.aborted) throw cancelled(signal, operation);
    if (this.#queue.size > 0 || wanted > this.#free) await this.#wait(wanted, { signal, operation });
    else this.#free -= wanted;
    return { [Symbol.dispose]: () => this.#release(wanted) };
  }

  #release(bytes: number): void {
    this.#free += bytes;
    for (const waiter of this.#queue) {
      if (waiter.bytes > this.#free) return;
      this.#queue.delete(waiter);
      this.#free -= waiter.bytes;
      waiter.wake();
    }
  }

  async #wait(bytes: number, { signal, operation }: Pick<OperationContext, "signal" | "operation">): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = { bytes, wake: resolve };
    const stop = () => {
      if (!this.#queue.delete(waiter)) return;
      this.#release(0);
      reject(cancelled(signal, operation));
    };
    this.#queue.add(waiter);
    signal.addEventListener("abort", stop);
    await promise.finally(() => signal.removeEventListener("abort", stop));
  }
}

interface Waiter {
  readonly bytes: number;
  wake(): void;
}
