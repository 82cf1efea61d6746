import { cancelled, SyncError, toSyncError } from "../errors.ts";
import type { RelPath } from "../path.ts";
import type { Entry } from "../types.ts";
import type { Backend, Content, Layer, ReadOptions } from "./backend.ts";
import { type Around, type Attempt, decorate, type Listing } from "./decorate.ts";

export interface RetryOptions {
  /** How often a call is made at most. */
  readonly attempts: number;
  /** ms before the second attempt; doubled each time. */
  readonly delay: number;
  /** ms that no wait exceeds, unless the server asks for more. */
  readonly maxDelay: number;
  /** From 0 to below 1: half of each wait is left to chance, so that many clients do not come back at once. */
  random(): number;
  /** Resolves after so many ms; rejects with the signal's reason when it is aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/**
 * Makes a call again that failed for a reason that passes (`transient`). A walk is made again only before its first entry; a
 * content that breaks off goes on where it stopped if the file is still the expected one. A call whose reply may have been lost
 * and that must not happen twice is settled by a look at the place first. A body is asked for its bytes anew.
 */
export function retry(options: RetryOptions): Layer {
  const around: Around = {
    one: (attempt) => one(attempt, options),
    many: (listing) => many(listing, options),
    content: (content, reading) => resumed(content, { ...reading, retry: options }),
  };
  return (inner) => decorate(inner, around);
}

async function one<T>(attempt: Attempt<T>, options: RetryOptions): Promise<T> {
  for (let made = 1;; made++) {
    try {
      return await attempt.run();
    } catch (error) {
      await pause(error, { made, attempt, options });
      const settled = await attempt.settled?.().catch(toUndefined);
      if (settled !== undefined) return settled.value;
      attempt.takeBack?.();
    }
  }
}

async function* many(listing: Listing, options: RetryOptions): AsyncIterable<readonly Entry[]> {
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
      await pause(error, { made, attempt: listing, options });
    }
  }
}

interface Failed {
  /** Attempts made so far. */
  readonly made: number;
  readonly attempt: { readonly operation: string; readonly signal: AbortSignal };
  readonly options: RetryOptions;
}

/** Waits before the next attempt; throws the error when there is to be none. */
async function pause(error: unknown, { made, attempt: { operation, signal }, options }: Failed): Promise<void> {
  if (!(error instanceof SyncError) || error.facts.transient !== true || made >= options.attempts) throw error;
  if (signal.aborted) throw cancelled(signal, operation);
  const wait = Math.min(options.maxDelay, options.delay * 2 ** (made - 1)) * (0.5 + options.random() / 2);
  try {
    await options.sleep(Math.max(wait, error.facts.retryAfter ?? 0), signal);
  } catch (reason) {
    throw signal.aborted ? cancelled(signal, operation) : toSyncError(reason, operation);
  }
}

interface Reading {
  readonly inner: Backend;
  readonly path: RelPath;
  readonly options: ReadOptions;
  readonly retry: RetryOptions;
}

/** The stream, opened again behind its last byte when it breaks off. Without `expect` nothing would tell that the file is still the same. */
function resumed(content: Content, { inner, path, options, retry }: Reading): Content {
  const { expect, signal } = options;
  if (content instanceof Uint8Array || expect === undefined) return content;
  const start = options.offset ?? 0;
  const end = Math.min(expect.size, start + (options.length ?? Infinity));
  let at = start;
  let made = 1;
  let reader = content.getReader();
  const reopen = async () => {
    const rest = await inner.read(path, { ...options, offset: at, length: end - at });
    reader = (rest instanceof Uint8Array ? ReadableStream.from([rest]) : rest).getReader();
  };
  const next = async (): Promise<Uint8Array<ArrayBuffer> | undefined> => {
    for (let mustOpen = false;;) {
      try {
        if (mustOpen) await reopen();
        const part = await reader.read();
        if (!part.done) made = 1;
        return part.value;
      } catch (error) {
        await pause(error, { made, attempt: { operation: "read", signal }, options: retry });
        made++;
        mustOpen = true;
      }
    }
  };
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: async (controller) => {
      const bytes = await next();
      if (bytes === undefined) return controller.close();
      at += bytes.length;
      controller.enqueue(bytes);
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}

/** A look that fails settles nothing: the attempt is made again, and tells why it fails. */
function toUndefined(): undefined {
  return undefined;
}
