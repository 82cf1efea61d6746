import { cancelled, SyncError } from "../core/errors.ts";
import type { Pouring } from "./byte_stream.ts";

/** Resolves after `ms`; rejects with cancelled as soon as the signal is aborted. */
export async function pause(ms: number, { signal, operation }: Pouring): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const stop = () => resolve();
  const timer = setTimeout(stop, ms);
  signal.addEventListener("abort", stop);
  if (signal.aborted) stop();
  await promise;
  clearTimeout(timer);
  signal.removeEventListener("abort", stop);
  if (signal.aborted) throw cancelled(signal, operation);
}

export interface Patience extends Pouring {
  /** Whether to retry after this transient failure. By default after every one. */
  isWorthWaiting?(error: SyncError): boolean;
}

/**
 * Runs the work and retries transient failures with growing pauses, four attempts in all. Rejects with the error of the
 * last attempt.
 */
export async function patiently<T>(work: () => Promise<T>, patience: Patience): Promise<T> {
  for (let attempt = 1;; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof SyncError) || error.facts.transient !== true || attempt === ATTEMPTS) throw error;
      if (patience.isWorthWaiting?.(error) === false) throw error;
      const wait = Math.max(error.facts.retryAfter ?? 0, FIRST_WAIT_MS * 2 ** (attempt - 1));
      await pause(Math.min(MOST_WAIT_MS, wait), patience);
    }
  }
}

const ATTEMPTS = 4;
const FIRST_WAIT_MS = 300;
const MOST_WAIT_MS = 30_000;
