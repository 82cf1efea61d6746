import { SyncError, toSyncError } from "../../core/errors.ts";
import type { Entry } from "../../core/entry.ts";
import type { Backend, Layer } from "../../core/backend.ts";
import { type CallHandlers, decorate, type Operation, type WalkCall } from "./decorator.ts";
import { retry, type RetryOptions } from "./retry.ts";
import { Semaphore } from "../../net/semaphore.ts";
import { delay } from "../../net/abort.ts";

/**
 * The log entry of one finished call. `ms`: from the call to its result, retries and waiting included; a walk ends with
 * its last entry.
 */
export interface LogLine {
  readonly operation: Operation;
  readonly path: string;
  readonly ms: number;
  readonly entries?: number;
  readonly error?: SyncError;
}

export interface StackOptions {
  readonly retry?: Partial<RetryOptions>;
  /** The most concurrent calls, with a separate count for writes; by default from the backend's traits. */
  readonly limit?: number;
  log?(line: LogLine): void;
}

/**
 * Adds the layers of every session, outermost first: log, retry, limit, then the protocol. A call that waits for its
 * next attempt holds no permit of the limit.
 */
export function addLayers(backend: Backend, options: StackOptions = {}): Backend {
  const { maxConnections, parallelFiles } = backend.traits;
  const limited = limit(options.limit ?? Math.max(maxConnections, parallelFiles))(backend);
  const retried = retry({ ...defaultRetry, ...options.retry })(limited);
  return options.log === undefined ? retried : log({ write: options.log })(retried);
}

/**
 * Returns a layer that allows at most `count` concurrent calls, in order of arrival; a call cancelled while it waits
 * leaves the queue. Writes have permits of their own, because the body of a write may read from the same backend. A
 * walk holds a permit while its next entries are fetched, a content only until it is opened: the reader's work in
 * between may need permits itself.
 */
export function limit(count: number): Layer {
  const [writes, others] = [new Semaphore(count), new Semaphore(count)];
  const around: CallHandlers = {
    call: ({ operation, signal, run }) =>
      (operation === "write" || operation === "copy" ? writes : others).use(run, { operation, signal }),
    walk: (listing) => walkWithPermits(listing, others),
  };
  return (inner) => decorate(inner, around);
}

/** Returns a layer that writes one line for each finished call. */
export function log(options: { write(line: LogLine): void; now?(): number }): Layer {
  const now = options.now ?? (() => performance.now());
  const around: CallHandlers = {
    call: async ({ operation, path, run }) => {
      const start = now();
      try {
        const result = await run();
        const count = Array.isArray(result) ? { entries: result.length } : {};
        options.write({ operation, path, ms: now() - start, ...count });
        return result;
      } catch (error) {
        options.write({ operation, path, ms: now() - start, error: toSyncError(error, operation) });
        throw error;
      }
    },
    walk: async function* ({ operation, path, run }) {
      const start = now();
      let entries = 0;
      try {
        for await (const batch of run()) {
          entries += batch.length;
          yield batch;
        }
      } catch (error) {
        options.write({ operation, path, ms: now() - start, entries, error: toSyncError(error, operation) });
        throw error;
      }
      options.write({ operation, path, ms: now() - start, entries });
    },
  };
  return (inner) => decorate(inner, around);
}

const defaultRetry: RetryOptions = {
  attempts: 5,
  firstDelay: 300,
  maxDelay: 10_000,
  random: Math.random,
  sleep: (ms, signal) => delay(ms, { signal, operation: "wait" }),
};

async function* walkWithPermits(
  { operation, signal, run }: WalkCall,
  places: Semaphore,
): AsyncIterable<readonly Entry[]> {
  const iterator = run()[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await places.use(() => iterator.next(), { operation, signal });
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    await iterator.return?.();
  }
}
