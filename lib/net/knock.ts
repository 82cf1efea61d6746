import { SyncError } from "../core/errors.ts";
import { type RetryOptions, withRetry } from "./backoff.ts";

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
