import type { CallOptions } from "../../core/backend.ts";

/**
 * `limit`: the maximum number of concurrent items; `budget`: the maximum sum of their weights (a single item may exceed
 * it).
 */
export interface ConcurrencyOptions<T> extends CallOptions {
  readonly limit: number;
  readonly budget?: number;
  weight?(item: T): number;
}

/**
 * Processes the items that `take` returns, concurrently and started in that order. Undefined from `take` means that
 * there is no item at present: it is called again whenever an item ends, so work may add items. Resolves when no item
 * is left or running. After the signal is aborted no item is started, and the promise resolves when the running ones
 * have ended. An item that rejects does not stop the others; the first error becomes the rejection at the end.
 */
export function runConcurrently<T>(
  take: () => T | undefined,
  work: (item: T) => Promise<void>,
  options: ConcurrencyOptions<T>,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const budget = options.budget ?? Infinity;
  const errors: unknown[] = [];
  let active = 0;
  let load = 0;
  let head: T | undefined;

  function startNext(): void {
    while (active < options.limit && !options.signal.aborted) {
      head ??= take();
      if (head === undefined) break;
      const weight = options.weight?.(head) ?? 0;
      if (active > 0 && load + weight > budget) return;
      const item = head;
      head = undefined;
      active++;
      load += weight;
      work(item).catch((error) => void errors.push(error)).finally(() => {
        active--;
        load -= weight;
        startNext();
      });
    }
    if (active > 0) return;
    if (errors.length > 0) reject(errors[0]);
    else resolve();
  }

  startNext();
  return promise;
}

/** Returns a `take` function for runConcurrently() that returns the items one by one. */
export function takeInOrder<T>(items: readonly T[]): () => T | undefined {
  let next = 0;
  return () => items[next++];
}
