import { cancelled } from "../core/errors.ts";
import type { OperationContext } from "../core/operation.ts";

/**
 * A semaphore that counts bytes of memory for content in transit, shared by all files of a store. A caller that wants
 * more than is free waits, in order of arrival.
 */
export class Room {
  readonly #size: number;
  #free: number;
  readonly #queue = new Set<Waiting>();

  constructor(bytes: number) {
    this.#size = bytes;
    this.#free = bytes;
  }

  /**
   * Takes the bytes and returns them when disposed. A request for more than the total takes all of it. Rejects with
   * cancelled.
   */
  async take(bytes: number, { signal, operation }: OperationContext): Promise<Disposable> {
    const wanted = Math.min(bytes, this.#size);
    if (signal.aborted) throw cancelled(signal, operation);
    if (this.#queue.size > 0 || wanted > this.#free) await this.#turn(wanted, { signal, operation });
    else this.#free -= wanted;
    return { [Symbol.dispose]: () => this.#give(wanted) };
  }

  #give(bytes: number): void {
    this.#free += bytes;
    for (const waiting of this.#queue) {
      if (waiting.bytes > this.#free) return;
      this.#queue.delete(waiting);
      this.#free -= waiting.bytes;
      waiting.go();
    }
  }

  async #turn(bytes: number, { signal, operation }: Pick<OperationContext, "signal" | "operation">): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiting: Waiting = { bytes, go: resolve };
    const stop = () => {
      if (!this.#queue.delete(waiting)) return;
      this.#give(0);
      reject(cancelled(signal, operation));
    };
    this.#queue.add(waiting);
    signal.addEventListener("abort", stop);
    await promise.finally(() => signal.removeEventListener("abort", stop));
  }
}

interface Waiting {
  readonly bytes: number;
  go(): void;
}
