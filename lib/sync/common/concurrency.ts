import type { Call } from "../../core/backend.ts";

/** `limit`: how many at once; `weight` and `budget`: besides, the weights at work stay within the budget (one item alone may exceed it). */
export interface DrainOptions<T> extends Call {
  readonly limit: number;
  readonly budget?: number;
  weight?(item: T): number;
}

/**
 * Works through what `take` gives, in that order and several at once. Undefined from `take` means nothing right now: it is asked again
 * whenever some work ends, so work may add items. Resolves when nothing is left and nothing is at work. Once the signal is aborted
 * nothing new begins, and it resolves when what had begun has ended. An item that rejects stops none of the others; its error (the
 * first one) is the rejection at the end.
 */
export function drain<T>(
  take: () => T | undefined,
  work: (item: T) => Promise<void>,
  options: DrainOptions<T>,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const budget = options.budget ?? Infinity;
  const errors: unknown[] = [];
  let active = 0;
  let load = 0;
  let head: T | undefined;

  function pump(): void {
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
        pump();
      });
    }
    if (active > 0) return;
    if (errors.length > 0) reject(errors[0]);
    else resolve();
  }

  pump();
  return promise;
}

/** Gives the items one by one, for drain(). */
export function inOrder<T>(items: readonly T[]): () => T | undefined {
  let next = 0;
  return () => items[next++];
}
