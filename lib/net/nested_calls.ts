import { AsyncLocalStorage } from "node:async_hooks";

/**
 * What runs on behalf of a place of a pool that is held already: the body of an upload may be read from the same server. Such a call must
 * not wait for a place, for the one it would wait for may be that of its own upload; the pool gives it one beyond its limit.
 */
export class Nested {
  readonly #inside = new AsyncLocalStorage<true>();

  /** Does the work as one that holds a place. */
  run<T>(work: () => T): T {
    return this.#inside.run(true, work);
  }

  /** Whether the caller holds a place, or works for one that does. */
  get isInside(): boolean {
    return this.#inside.getStore() === true;
  }
}
