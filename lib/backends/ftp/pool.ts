import { cancelled, SyncError, toSyncError } from "../../core/errors.ts";
import type { CallOptions } from "../../core/backend.ts";
import type { ControlConnection } from "./control_connection.ts";
import { NestedCalls } from "../../net/nested_calls.ts";
import { type StallTimeout, WaitQueue } from "../../net/semaphore.ts";
import { NETWORK_OPERATION, networkError } from "../../net/net_error.ts";
import { RECONNECT_BACKOFF, withRetry } from "../../net/backoff.ts";

export interface FtpPoolOptions {
  /** Opens a logged-in connection. */
  connect(call: CallOptions): Promise<ControlConnection>;
  /** The highest number of concurrent connections. */
  readonly connections: number;
  /** ms without progress on any connection after which waiting for one ends. */
  readonly timeout: number;
  /** ms to keep reconnecting to a lost server; 0: never. */
  readonly reconnectTime: number;
}

/**
 * A connection pool of one server. Each connection runs one operation at a time; callers wait for a free one. If the
 * server refuses another connection, the pool's limit drops to the number that is open. If the server cannot be reached
 * any more, the pool reconnects for `reconnectTime` ms.
 */
export class FtpPool implements AsyncDisposable {
  readonly #options: FtpPoolOptions;
  readonly #idle: ControlConnection[] = [];
  readonly #all = new Set<ControlConnection>();
  readonly #queue = new WaitQueue();
  readonly #nested = new NestedCalls();
  readonly #closing = new AbortController();
  #opening = 0;
  #limit: number;

  constructor(first: ControlConnection, options: FtpPoolOptions) {
    this.#options = options;
    this.#limit = Math.max(1, options.connections);
    this.#add(first);
    this.#idle.push(first);
  }

  /**
   * Runs `work` on a connection of its own. A connection that is left broken, or with replies outstanding, is dropped.
   */
  async use<T>(
    call: CallOptions & { readonly operation: string },
    work: (control: ControlConnection) => Promise<T>,
  ): Promise<T> {
    const control = await this.lease(call);
    try {
      return await this.#nested.run(() => work(control));
    } finally {
      this.release(control);
    }
  }

  /** Takes a connection until release(). */
  async lease({ signal, operation }: CallOptions & { readonly operation: string }): Promise<ControlConnection> {
    for (;;) {
      if (this.#closing.signal.aborted) throw closedError();
      if (signal.aborted) {
        // The wake-up that this caller may have received passes to the next waiter.
        this.#queue.wakeNext();
        throw cancelled(signal, operation);
      }
      const control = this.#takeIdle();
      if (control !== undefined) return control;
      const isNested = this.#nested.isNested;
      if (isNested || this.#all.size + this.#opening < this.#limit) {
        const fresh = await this.#open({ signal, operation });
        if (fresh !== undefined) return fresh;
        if (isNested) {
          throw networkError(
            "busy",
            "the server allows no further connection, but a copy on the same server needs one",
          );
        }
      } else await this.#queue.wait({ signal, operation }, this.#stallTimeout());
    }
  }

  release(control: ControlConnection): void {
    if (control.isIdle && this.#all.size <= Math.max(1, this.#options.connections)) this.#idle.push(control);
    else {
      control.close();
      this.#all.delete(control);
    }
    this.#queue.wakeNext();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(closedError());
    for (const control of this.#all) control.close(closedError());
    this.#all.clear();
    this.#idle.length = 0;
    this.#queue.wakeAll();
    return Promise.resolve();
  }

  #add(control: ControlConnection): ControlConnection {
    this.#all.add(control);
    control.onProgress = () => this.#queue.noteProgress();
    return control;
  }

  #stallTimeout(): StallTimeout {
    const { timeout } = this.#options;
    const why = `every connection is in use, and no byte moved on any for ${timeout / 1000} s; ` +
      "-Timeout allows more time, -Connections more of them";
    return { timeout, error: () => networkError("timeout", why) };
  }

  #takeIdle(): ControlConnection | undefined {
    for (let control = this.#idle.pop(); control !== undefined; control = this.#idle.pop()) {
      if (control.isIdle) return control;
      this.#all.delete(control);
    }
    return undefined;
  }

  /** Opens one more connection. Returns undefined if that fails while others are open. */
  async #open(
    { signal, operation }: CallOptions & { readonly operation: string },
  ): Promise<ControlConnection | undefined> {
    const both = AbortSignal.any([signal, this.#closing.signal]);
    const retries = { ...RECONNECT_BACKOFF, attempts: Infinity, within: this.#options.reconnectTime };
    // While others are open they have to do.
    const isRetryable = () => this.#all.size === 0;
    this.#opening++;
    try {
      return await withRetry(() => this.#connect(both), { ...retries, signal: both, operation, isRetryable });
    } catch (error) {
      if (this.#closing.signal.aborted) throw closedError();
      if (signal.aborted) throw cancelled(signal, operation);
      if (this.#all.size === 0) throw toSyncError(error, "connect");
      this.#limit = this.#all.size;
      return undefined;
    } finally {
      this.#opening--;
      this.#queue.wakeNext();
    }
  }

  async #connect(signal: AbortSignal): Promise<ControlConnection> {
    const control = await this.#options.connect({ signal });
    if (!this.#closing.signal.aborted) return this.#add(control);
    control.close();
    throw closedError();
  }
}

function closedError(): SyncError {
  const { kind, message } = networkError("connection", "the connection is closed");
  return new SyncError(kind, message, { operation: NETWORK_OPERATION });
}
