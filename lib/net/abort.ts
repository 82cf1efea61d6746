import { cancelled } from "../core/errors.ts";

/** The signal that ends some work, and the operation that the error of its end names. */
export interface Cancellable {
  readonly signal: AbortSignal;
  readonly operation: string;
}

/**
 * Returns the result of the work, or rejects with kind "cancelled" as soon as the signal is aborted. The result of work
 * that ends later is ignored.
 */
export function unlessAborted<T>(work: Promise<T>, { signal, operation }: Cancellable): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(cancelled(signal, operation));
    if (signal.aborted) {
      work.catch(() => {});
      return onAbort();
    }
    signal.addEventListener("abort", onAbort);
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

/** Resolves after `ms`; rejects with kind "cancelled" as soon as the signal is aborted. */
export async function delay(ms: number, context: Cancellable): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  try {
    await unlessAborted(promise, context);
  } finally {
    clearTimeout(timer);
  }
}
