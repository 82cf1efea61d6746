import type { SyncEvent } from "../../core/entry.ts";

/** Events on their way from the many that work to the one that listens, in order of happening. */
export class Feed {
  #events: SyncEvent[] = [];
  #closed = false;
  #wake: () => void = () => {};

  push(event: SyncEvent): void {
    this.#events.push(event);
    this.#wake();
  }

  /** No more events come; those that wait are still delivered. */
  close(): void {
    this.#closed = true;
    this.#wake();
  }

  /** The events since the last call, waiting for one where there are none; undefined at the end. */
  async next(): Promise<readonly SyncEvent[] | undefined> {
    if (this.#events.length === 0 && !this.#closed) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
    if (this.#events.length === 0) return undefined;
    const events = this.#events;
    this.#events = [];
    return events;
  }
}
