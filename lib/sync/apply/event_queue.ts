import type { SyncEvent } from "../../core/plan.ts";

/** An event queue from concurrent actions to one consumer, in the order of the events. */
export class EventQueue {
  #events: SyncEvent[] = [];
  #closed = false;
  #wake: () => void = () => {};

  push(event: SyncEvent): void {
    this.#events.push(event);
    this.#wake();
  }

  /** Ends the queue; waiting events are still delivered. */
  close(): void {
    this.#closed = true;
    this.#wake();
  }

  /** Returns the events since the last call, and waits for one if there are none. Returns undefined at the end. */
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
