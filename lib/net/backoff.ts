import { cancelled, SyncError } from "../core/errors.ts";
import type { Pouring } from "./byte_stream.ts";

/** Resolves after so many ms; rejects with cancelled as soon as the signal is aborted. */
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
  /** Is this failure, which may pass, one to wait for? Every one by default. */
  isWorthWaiting?(error: SyncError): boolean;
}

/** Does the work again, with longer and longer pauses, while it fails for a reason that passes: four times in all. Then it rejects as the last one did. */
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
