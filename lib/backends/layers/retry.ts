import { cancelled, SyncError, toSyncError } from "../../core/errors.ts";
import type { Entry } from "../../core/entry.ts";
import type { Layer } from "../../core/backend.ts";
import { type BackendCall, type CallHandlers, decorate, type WalkCall } from "./decorator.ts";
import { resumeWhenBroken } from "./resuming_stream.ts";
import { type Backoff, backoffDelay } from "../../net/backoff.ts";

export interface RetryOptions extends Required<Backoff> {
  /** The most attempts of a call. */
  readonly attempts: number;
  /** Resolves after `ms`; rejects with the signal's reason when it is aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/**
 * Returns a layer that retries transient failures (`transient`). A walk is retried only before its first entry; a
 * content that breaks is resumed if the file is still the expected one. For a call whose reply may be lost and that
 * must not happen twice, the outcome is checked first. A body is read from its start again.
 */
export function retry(options: RetryOptions): Layer {
  const around: CallHandlers = {
    call: (attempt) => callWithRetry(attempt, options),
    walk: (listing) => walkWithRetry(listing, options),
    content: (content, reading) => {
      const attempt = { operation: "read", signal: reading.options.signal };
      return resumeWhenBroken(content, {
        ...reading,
        waitBeforeRetry: (error, made) => waitBeforeRetry(error, { made, attempt, options }),
      });
    },
  };
  return (inner) => decorate(inner, around);
}

async function callWithRetry<T>(attempt: BackendCall<T>, options: RetryOptions): Promise<T> {
  for (let made = 1;; made++) {
    try {
      return await attempt.run();
    } catch (error) {
      // An earlier attempt, whose reply was lost, may have been carried out late: what is "changed" is its result.
      const isOverlapped = made > 1 && error instanceof SyncError && error.kind === "changed";
      if (!isOverlapped) await waitBeforeRetry(error, { made, attempt, options });
      const settled = await attempt.confirmedResult?.().catch(toUndefined);
      if (isOverlapped && settled === undefined) throw error;
      if (settled !== undefined) return settled.value;
      attempt.revertProgress?.();
    }
  }
}

async function* walkWithRetry(listing: WalkCall, options: RetryOptions): AsyncIterable<readonly Entry[]> {
  for (let made = 1;; made++) {
    let isBegun = false;
    try {
      for await (const batch of listing.run()) {
        isBegun = true;
        yield batch;
      }
      return;
    } catch (error) {
      if (isBegun) throw error;
      await waitBeforeRetry(error, { made, attempt: listing, options });
    }
  }
}

interface FailedAttempt {
  /** The number of attempts so far. */
  readonly made: number;
  readonly attempt: { readonly operation: string; readonly signal: AbortSignal };
  readonly options: RetryOptions;
}

/** Waits before the next attempt; throws the error if there is to be none. */
async function waitBeforeRetry(
  error: unknown,
  { made, attempt: { operation, signal }, options }: FailedAttempt,
): Promise<void> {
  if (!(error instanceof SyncError) || error.facts.transient !== true) throw error;
  if (made >= Math.max(options.attempts, error.facts.attempts ?? 0)) throw error;
  if (signal.aborted) throw cancelled(signal, operation);
  // A server that asks for more gets more than maxDelay.
  const wait = backoffDelay(made, options);
  try {
    await options.sleep(Math.max(wait, error.facts.retryAfter ?? 0), signal);
  } catch (reason) {
    throw signal.aborted ? cancelled(signal, operation) : toSyncError(reason, operation);
  }
}

/** Ignores the failure of an outcome check: the call is then retried and reports its own error. */
function toUndefined(): undefined {
  return undefined;
}
