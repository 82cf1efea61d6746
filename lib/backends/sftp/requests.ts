import type { Buffer } from "node:buffer";
import { cancelled, SyncError } from "../../core/errors.ts";
import { WaitQueue } from "../../net/semaphore.ts";
import { toLostError } from "./errors.ts";
import type { SftpChannel } from "../../ssh/channels.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

/** Returns the request unchanged, marked as handled: a failure is reported when it is awaited, not before. */
export function markHandled<T>(request: Promise<T>): Promise<T> {
  request.catch(() => {});
  return request;
}

export interface ClientOptions {
  /** ms without any answer after which the connection counts as dead. */
  readonly timeout: number;
  /** Closes the connection. */
  abort(why: SyncError): void;
}

export interface PendingRequest {
  readonly context: OperationContext;
  readonly since: number;
  reject(error: SyncError): void;
}

/**
 * The pending requests of one channel. Each is rejected when the channel ends (connection), when its signal is aborted
 * (cancelled), or when nothing is received for `timeout` ms while answers are due (timeout); in the last case the whole
 * connection is closed.
 */
export class PendingRequests {
  readonly #channel: SftpChannel;
  readonly #options: ClientOptions;
  readonly #requests = new Set<PendingRequest>();
  readonly #signals = new Map<AbortSignal, WatchedSignal>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(channel: SftpChannel, options: ClientOptions) {
    this.#channel = channel;
    this.#options = options;
    channel.closed.addEventListener("abort", () => this.#rejectAll(), { once: true });
  }

  get size(): number {
    return this.#requests.size;
  }

  add(pending: PendingRequest): void {
    this.#requests.add(pending);
    this.#timer ??= setTimeout(() => this.#checkTimeouts(), this.#options.timeout / 4);
    const { signal } = pending.context;
    const watched = this.#signals.get(signal);
    if (watched !== undefined) {
      watched.count++;
      return;
    }
    const listener = () => this.#cancel(signal);
    this.#signals.set(signal, { count: 1, listener });
    signal.addEventListener("abort", listener);
  }

  /** Removes a request. Returns false if it was settled before. */
  remove(pending: PendingRequest): boolean {
    if (!this.#requests.delete(pending)) return false;
    const { signal } = pending.context;
    const watched = this.#signals.get(signal);
    if (watched !== undefined && --watched.count === 0) {
      this.#signals.delete(signal);
      signal.removeEventListener("abort", watched.listener);
    }
    return true;
  }

  #cancel(signal: AbortSignal): void {
    for (const pending of [...this.#requests]) {
      if (pending.context.signal !== signal) continue;
      this.remove(pending);
      pending.reject(cancelled(signal, pending.context.operation));
    }
  }

  #rejectAll(): void {
    clearTimeout(this.#timer);
    for (const pending of [...this.#requests]) {
      this.remove(pending);
      pending.reject(toLostError(pending.context, this.#channel.closed.reason));
    }
  }

  /** Checks the timeouts. The oldest request comes first in the set. */
  #checkTimeouts(): void {
    this.#timer = undefined;
    const { timeout } = this.#options;
    const now = performance.now();
    for (const pending of this.#requests) {
      if (now - Math.max(pending.since, this.#channel.lastReceived()) > timeout) {
        // Each pending request puts its own operation before this reason.
        const why = `no answer in ${timeout / 1000} s (-Timeout)`;
        const { operation } = pending.context;
        return this.#options.abort(new SyncError("timeout", why, { operation, transient: true }));
      }
      if (now - pending.since < timeout * TIMEOUTS_PER_OPERATION) break;
      this.remove(pending);
      pending.reject(
        operationError(pending.context, "timeout", {
          why: `no answer in ${(timeout * TIMEOUTS_PER_OPERATION) / 1000} s, 20 times -Timeout`,
        }),
      );
    }
    if (this.#requests.size > 0) this.#timer = setTimeout(() => this.#checkTimeouts(), timeout / 4);
  }
}

interface WatchedSignal {
  count: number;
  readonly listener: () => void;
}

/**
 * The number of timeouts that one request may take while others are answered: it may wait behind much data on a slow
 * network.
 */
export const TIMEOUTS_PER_OPERATION = 20;

/** An open file or folder of one channel, as the server names it. */
export type Handle = Buffer;

/**
 * The open handles of one channel. A server that returns one handle for several open files (as Erlang's may) mixes up
 * their contents while it reports success. Each call that shares a handle fails as retryable, and from then on one file
 * at a time is opened on this channel. If the server refuses more open files, the limit drops to the number that is
 * open.
 */
export class OpenHandles {
  readonly #open = new Map<string, Set<Handle>>();
  readonly #shared = new WeakSet<Handle>();
  readonly #closing = new WeakSet<Handle>();
  readonly #queue = new WaitQueue();
  readonly #closed: AbortSignal;
  readonly #timeout: number;
  #opening = 0;
  /** The known limit of handles open at once. */
  #limit = Infinity;

  /** `closed`: aborted when the channel ends; `timeout`: ms for which a call waits for a free handle. */
  constructor(closed: AbortSignal, timeout: number) {
    this.#closed = closed;
    this.#timeout = timeout;
    closed.addEventListener("abort", () => this.#queue.wakeAll(), { once: true });
  }

  /**
   * Opens a file or folder with `send`. Rejects with busy, retryable, if the handle already belongs to another open
   * file; then that handle is closed.
   */
  async open(context: OperationContext, send: () => Promise<Handle>, close: (handle: Handle) => void): Promise<Handle> {
    if (this.#limit < Infinity) await this.#waitForFreeHandle(context);
    this.#opening++;
    try {
      const handle = await send();
      this.add(handle);
      if (this.#shared.has(handle)) close(handle);
      this.assertNotShared(handle, context);
      return handle;
    } catch (error) {
      // The server allows no more handles than are open now.
      if (error instanceof SyncError && error.kind === "busy") {
        this.#limit = Math.max(1, Math.min(this.#limit, this.#open.size));
      }
      this.#queue.wakeNext();
      throw error;
    } finally {
      this.#opening--;
    }
  }

  async #waitForFreeHandle(context: OperationContext): Promise<void> {
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), this.#timeout);
    const signal = AbortSignal.any([context.signal, timeout.signal]);
    try {
      while (this.#open.size + this.#opening >= this.#limit && !this.#closed.aborted) {
        await this.#queue.wait({ ...context, signal });
      }
    } catch (error) {
      if (context.signal.aborted) throw error;
      throw operationError(context, "timeout", {
        why: `no other file was closed in ${this.#timeout / 1000} s (-Timeout)`,
      });
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Whether CLOSE may be sent for the handle. It may be sent only once, because the server may then assign the handle
   * to another file.
   */
  claimClose(handle: Handle): boolean {
    if (this.#closing.has(handle)) return false;
    this.#closing.add(handle);
    return true;
  }

  /** Records that the server opened the handle. */
  add(handle: Handle): void {
    const name = handle.toString("latin1");
    const same = this.#open.get(name);
    if (same === undefined) {
      this.#open.set(name, new Set([handle]));
      return;
    }
    same.add(handle);
    for (const one of same) this.#shared.add(one);
    this.#limit = 1;
  }

  /** Throws busy, retryable, if another file had the same handle while this one was open. */
  assertNotShared(handle: Handle, context: OperationContext): void {
    if (!this.#shared.has(handle)) return;
    throw operationError(context, "busy", {
      why: "the server returned one handle for two open files; from now on one at a time is opened",
    });
  }

  /** Records that the server closed the handle. */
  remove(handle: Handle): void {
    const name = handle.toString("latin1");
    const same = this.#open.get(name);
    same?.delete(handle);
    if (same?.size === 0) this.#open.delete(name);
    this.#queue.wakeNext();
  }

  /** Limits the channel to one open file from now on. Returns false if that limit is already set. */
  limitToOne(): boolean {
    const isNew = this.#limit > 1;
    this.#limit = 1;
    return isNew;
  }
}
