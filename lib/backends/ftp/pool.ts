import { setTimeout as wait } from "node:timers/promises";
import { cancelled, SyncError, toSyncError } from "../../core/errors.ts";
import type { Call } from "../../core/backend.ts";
import type { FtpLink } from "./control_connection.ts";
import { Nested } from "../../net/nested_calls.ts";
import { type Standstill, Turns } from "../../net/semaphore.ts";
import { lost, ON_WIRE } from "../../net/transport.ts";

export interface FtpPoolOptions {
  /** Opens a logged-in connection. */
  connect(call: Call): Promise<FtpLink>;
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
  readonly #idle: FtpLink[] = [];
  readonly #all = new Set<FtpLink>();
  readonly #turns = new Turns();
  readonly #nested = new Nested();
  readonly #closing = new AbortController();
  #dialling = 0;
  #most: number;

  constructor(first: FtpLink, options: FtpPoolOptions) {
    this.#options = options;
    this.#most = Math.max(1, options.connections);
    this.#add(first);
    this.#idle.push(first);
  }

  /**
   * Runs `work` on a connection of its own. A connection that is left broken, or with replies outstanding, is dropped.
   */
  async use<T>(call: Call & { readonly operation: string }, work: (link: FtpLink) => Promise<T>): Promise<T> {
    const link = await this.lease(call);
    try {
      return await this.#nested.run(() => work(link));
    } finally {
      this.release(link);
    }
  }

  /** Takes a connection until release(). */
  async lease({ signal, operation }: Call & { readonly operation: string }): Promise<FtpLink> {
    for (;;) {
      if (this.#closing.signal.aborted) throw closedError();
      if (signal.aborted) {
        // The wake-up that this caller may have received passes to the next waiter.
        this.#turns.next();
        throw cancelled(signal, operation);
      }
      const link = this.#take();
      if (link !== undefined) return link;
      const isNested = this.#nested.isInside;
      if (isNested || this.#all.size + this.#dialling < this.#most) {
        const fresh = await this.#dial({ signal, operation });
        if (fresh !== undefined) return fresh;
        if (isNested) {
          throw lost("busy", "the server allows no further connection, which a copy on the same server needs");
        }
      } else await this.#turns.wait({ signal, operation }, this.#standstill());
    }
  }

  release(link: FtpLink): void {
    if (link.isIdle && this.#all.size <= Math.max(1, this.#options.connections)) this.#idle.push(link);
    else {
      link.close();
      this.#all.delete(link);
    }
    this.#turns.next();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(closedError());
    for (const link of this.#all) link.close(closedError());
    this.#all.clear();
    this.#idle.length = 0;
    this.#turns.all();
    return Promise.resolve();
  }

  #add(link: FtpLink): FtpLink {
    this.#all.add(link);
    link.onProgress = () => this.#turns.progress();
    return link;
  }

  #standstill(): Standstill {
    const { timeout } = this.#options;
    const why = `every connection is in use, and no byte moved on it for ${timeout / 1000} s; ` +
      "-Timeout allows more time, -Connections more of them";
    return { timeout, error: () => lost("timeout", why) };
  }

  #take(): FtpLink | undefined {
    for (let link = this.#idle.pop(); link !== undefined; link = this.#idle.pop()) {
      if (link.isIdle) return link;
      this.#all.delete(link);
    }
    return undefined;
  }

  /** Opens one more connection. Returns undefined if that fails while others are open. */
  async #dial({ signal, operation }: Call & { readonly operation: string }): Promise<FtpLink | undefined> {
    const end = performance.now() + this.#options.reconnectTime;
    const both = AbortSignal.any([signal, this.#closing.signal]);
    this.#dialling++;
    try {
      for (let pause = FIRST_PAUSE_MS;; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
        try {
          const link = await this.#options.connect({ signal: both });
          if (this.#closing.signal.aborted) {
            link.close();
            throw closedError();
          }
          return this.#add(link);
        } catch (error) {
          if (this.#closing.signal.aborted) throw closedError();
          if (signal.aborted) throw cancelled(signal, operation);
          const known = toSyncError(error, "connect");
          if (this.#all.size > 0) {
            this.#most = this.#all.size;
            return undefined;
          }
          if (known.facts.transient !== true || performance.now() + pause > end) throw known;
          await wait(pause, undefined, { signal: both }).catch(() => {});
        }
      }
    } finally {
      this.#dialling--;
      this.#turns.next();
    }
  }
}

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;

function closedError(): SyncError {
  const { kind, message } = lost("connection", "The connection is closed");
  return new SyncError(kind, message, { operation: ON_WIRE });
}
