import { SyncError } from "../core/errors.ts";
import type { RawConnection } from "./connection_stream.ts";
import { netMessageOf, networkError, timeoutError } from "./net_error.ts";
import { dialTcp, type Peer } from "./tcp.ts";

/** A byte connection without events: read() waits for bytes. At most one read and one write run at a time. */
export interface Transport {
  /**
   * Reads the next bytes to the start of the memory and returns their number; undefined at the end. Rejects if the
   * connection breaks, or if too few bytes arrive in time; `untimed`: without that time limit.
   */
  read(into: Uint8Array<ArrayBuffer>, options?: { readonly untimed: boolean }): Promise<number | undefined>;
  /**
   * Writes the bytes; once it resolves, their memory may be reused. Rejects if the connection breaks, or if nothing is
   * accepted in time.
   */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends the sending side; resolves when everything, including the end, was sent. */
  end(): Promise<void>;
  /** Closes it immediately: pending calls reject. */
  destroy(): void;
  /** Over TLS: whether the peer ended the stream with close_notify. Known once read() has returned undefined. */
  readonly endedCleanly?: () => boolean;
}

/** Returns a transport without TLS over a connection; no read or write on it may stall for longer than `timeout` ms. */
export function toTransport(connection: RawConnection, timeout: number): Transport {
  return new TcpTransport(connection, timeout);
}

/** Opens a connection without TLS within `timeout` ms; no read or write on it may stall for longer. */
export async function dialTransport(peer: Peer, timeout: number): Promise<Transport> {
  return toTransport(await dialTcp(peer, timeout), timeout);
}

/**
 * The least rate at which a peer must send: LEAST_BYTES in each stretch of `timeout` ms that a reader waits for them. Time in which no
 * reader waits does not count, so that a slow disk is never taken for a slow peer.
 */
export class MinimumRate {
  readonly #timeout: number;
  #waited = 0;
  #bytes = 0;

  constructor(timeout: number) {
    this.#timeout = timeout;
  }

  /** Begins a new stretch, independent of the bytes before. */
  reset(): void {
    this.#waited = 0;
    this.#bytes = 0;
  }

  /** Counts one wait of `ms` and the bytes it returned. Throws kind "timeout" if a stretch had too few bytes. */
  count(ms: number, bytes: number): void {
    this.#waited += ms;
    this.#bytes += bytes;
    if (this.#bytes >= MIN_BYTES) return this.reset();
    if (this.#waited < this.#timeout) return;
    throw timeoutError(`only ${this.#bytes} bytes came`, this.#timeout);
  }
}

/** Less than the slowest modem sends in a second; a listing with one entry every few seconds is still accepted. */
const MIN_BYTES = 256;

/** A watchdog that reports a wait that takes too long. One timer serves all waits, since most of them end at once. */
export class Watchdog {
  readonly #timeout: number;
  readonly #onTimeout: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #since: number | undefined;
  #isDisposed = false;

  constructor(timeout: number, onTimeout: () => void) {
    this.#timeout = timeout;
    this.#onTimeout = onTimeout;
  }

  start(): void {
    if (this.#isDisposed) return;
    this.#since = performance.now();
    this.#timer ??= setTimeout(() => this.#check(), this.#timeout);
  }

  stop(): void {
    this.#since = undefined;
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    this.#since = undefined;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #check(): void {
    this.#timer = undefined;
    if (this.#since === undefined) return;
    const left = this.#since + this.#timeout - performance.now();
    if (left <= 1) this.#onTimeout();
    else this.#timer = setTimeout(() => this.#check(), left);
  }
}

/**
 * A transport over the runtime's own sockets, which read into reused memory; those of node:net allocate memory for each
 * chunk.
 */
class TcpTransport implements Transport {
  readonly #connection: RawConnection;
  readonly #rate: MinimumRate;
  readonly #readWatchdog: Watchdog;
  readonly #writeWatchdog: Watchdog;
  #failure: SyncError | undefined;
  #isDestroyed = false;

  constructor(connection: RawConnection, timeout: number) {
    this.#connection = connection;
    this.#rate = new MinimumRate(timeout);
    this.#readWatchdog = new Watchdog(timeout, () => this.#fail(timeoutError("no byte came", timeout)));
    this.#writeWatchdog = new Watchdog(timeout, () => this.#fail(timeoutError("no byte was taken", timeout)));
  }

  async read(into: Uint8Array<ArrayBuffer>, { untimed } = { untimed: false }): Promise<number | undefined> {
    const since = performance.now();
    const count = await this.#watched(untimed ? undefined : this.#readWatchdog, () => this.#connection.read(into));
    if (untimed) this.#rate.reset();
    else if (count !== null) this.#assertRate(performance.now() - since, count);
    return count ?? undefined;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const rest = at === 0 ? bytes : bytes.subarray(at);
      at += await this.#watched(this.#writeWatchdog, () => this.#connection.write(rest));
    }
  }

  async end(): Promise<void> {
    await this.#watched(this.#writeWatchdog, () => this.#connection.closeWrite());
  }

  destroy(): void {
    if (this.#isDestroyed) return;
    this.#isDestroyed = true;
    this.#readWatchdog[Symbol.dispose]();
    this.#writeWatchdog[Symbol.dispose]();
    this.#connection.close();
  }

  #assertRate(ms: number, bytes: number): void {
    try {
      this.#rate.count(ms, bytes);
    } catch (error) {
      this.destroy();
      throw error;
    }
  }

  #fail(why: SyncError): void {
    this.#failure ??= why;
    this.destroy();
  }

  async #watched<T>(watchdog: Watchdog | undefined, work: () => Promise<T>): Promise<T> {
    if (this.#isDestroyed) this.#failure ??= networkError("connection", "the connection was given up");
    if (this.#failure !== undefined) throw this.#failure;
    watchdog?.start();
    try {
      return await work();
    } catch (error) {
      if (error instanceof SyncError) throw this.#failure ??= error;
      const why = this.#isDestroyed ? "the connection was given up" : `the connection broke: ${netMessageOf(error)}`;
      throw this.#failure ??= networkError("connection", why, error);
    } finally {
      watchdog?.stop();
    }
  }
}
