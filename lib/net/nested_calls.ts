import { AsyncLocalStorage } from "node:async_hooks";

/**
 * A marker of calls made by a task that already holds a connection of a pool: the body of an upload may be read from
 * the same server. Such a call must not wait for a connection, since it might wait for that of its own upload; the pool
 * opens one beyond its limit for it.
 */
export class NestedCalls {
  readonly #storage = new AsyncLocalStorage<true>();

  /** Runs the work as a holder of a connection. */
  run<T>(work: () => T): T {
    return this.#storage.run(true, work);
  }

  /** Whether the caller holds a connection or runs inside the work of a holder. */
  get isNested(): boolean {
    return this.#storage.getStore() === true;
  }
}
