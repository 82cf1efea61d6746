import { SyncError } from "../core/errors.ts";
import { type Cancellable, delay } from "./abort.ts";

/** The waits between attempts, in ms: each is twice as long as the one before. */
export interface Backoff {
  readonly firstDelay: number;
  readonly maxDelay: number;
  /**
   * Returns a random number from 0 to below 1: half of each wait is random (jitter), so that many clients do not retry
   * at once.
   */
  random?(): number;
}

/** Returns the wait in ms after so many failures. */
export function backoffDelay(failures: number, { firstDelay, maxDelay, random }: Backoff): number {
  const wait = Math.min(maxDelay, firstDelay * 2 ** (failures - 1));
  return random === undefined ? wait : wait * (0.5 + random() / 2);
}

export interface RetryOptions extends Cancellable, Partial<Backoff> {
  /** The most attempts; 4 by default. */
  readonly attempts?: number;
  /** ms after which no further attempt begins; without limit by default. */
  readonly within?: number;
  /** Whether to retry after this transient failure. By default after every one. */
  isRetryable?(error: SyncError): boolean;
}

/** Runs the work and retries transient failures. Rejects with the error of the last attempt. */
export async function withRetry<T>(work: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { attempts = MAX_ATTEMPTS, within = Infinity } = options;
  const backoff = { ...DEFAULT_BACKOFF, ...options };
  const start = performance.now();
  for (let attempt = 1;; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof SyncError) || error.facts.transient !== true || attempt >= attempts) throw error;
      if (options.isRetryable?.(error) === false) throw error;
      const wait = Math.min(backoff.maxDelay, Math.max(error.facts.retryAfter ?? 0, backoffDelay(attempt, backoff)));
      if (performance.now() + wait > start + within) throw error;
      await delay(wait, options);
    }
  }
}

/**
 * Makes the first request to a store or server and retries transient failures. If the server stays overloaded, it
 * rejects with connection.
 */
export async function connectWithRetry<T>(connect: () => Promise<T>, options: RetryOptions): Promise<T> {
  try {
    return await withRetry(connect, options);
  } catch (error) {
    // Kind "busy" would mean that another run holds a lock; an overloaded server is a connection error.
    const isBusy = error instanceof SyncError && error.kind === "busy";
    throw isBusy ? new SyncError("connection", error.message, error.facts) : error;
  }
}

/** The waits before a lost server is connected to again. */
export const RECONNECT_BACKOFF: Backoff = { firstDelay: 250, maxDelay: 5_000 };

const MAX_ATTEMPTS = 4;
const DEFAULT_BACKOFF: Backoff = { firstDelay: 300, maxDelay: 30_000 };
