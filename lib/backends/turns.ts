import { cancelled } from "../errors.ts";
import type { Call } from "./backend.ts";

/** Those who wait for something that is scarce, in order of arrival. */
export class Turns {
  readonly #waiting = new Set<() => void>();

  /** Resolves when its turn has come; rejects with cancelled, and then has none. */
  async wait({ signal, operation }: Call & { readonly operation: string }): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const stop = () => {
      this.#waiting.delete(resolve);
      reject(cancelled(signal, operation));
    };
    this.#waiting.add(resolve);
    signal.addEventListener("abort", stop);
    await promise.finally(() => signal.removeEventListener("abort", stop));
  }

  /** Gives a turn to who waits longest; false when nobody does. */
  next(): boolean {
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
}
