import { SyncError } from "../core/errors.ts";
import { type Cancellable, delay } from "./abort.ts";

export interface RetryOptions extends Cancellable {
  /** Whether to retry after this transient failure. By default after every one. */
  isRetryable?(error: SyncError): boolean;
}

/**
 * Runs the work and retries transient failures with growing pauses, four attempts in all. Rejects with the error of the
 * last attempt.
 */
export async function withRetry<T>(work: () => Promise<T>, options: RetryOptions): Promise<T> {
  for (let attempt = 1;; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof SyncError) || error.facts.transient !== true || attempt === MAX_ATTEMPTS) throw error;
      if (options.isRetryable?.(error) === false) throw error;
      const wait = Math.max(error.facts.retryAfter ?? 0, FIRST_DELAY_MS * 2 ** (attempt - 1));
      await delay(Math.min(MAX_DELAY_MS, wait), options);
    }
  }
}

const MAX_ATTEMPTS = 4;
const FIRST_DELAY_MS = 300;
const MAX_DELAY_MS = 30_000;
