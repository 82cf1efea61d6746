import type { Buffer } from "node:buffer";
import { SyncError } from "../../core/errors.ts";
import { Turns } from "../../net/semaphore.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

/** An open file or folder of one channel, as the server names it. */
export type Handle = Buffer;

/**
 * The handles that are open on one channel. A server that gives one handle to several open files (as Erlang's may) mixes their contents
 * up while it reports success. Each call that shares a handle fails as retryable, and from then on one file at a time is opened on this
 * channel. A server that refuses more open files gets no more than it took.
 */
export class OpenHandles {
  readonly #open = new Map<string, Set<Handle>>();
  readonly #shared = new WeakSet<Handle>();
  readonly #closing = new WeakSet<Handle>();
  readonly #turns = new Turns();
  readonly #closed: AbortSignal;
  readonly #patience: number;
  #opening = 0;
  /** How many may be open at once, as far as is known. */
  #most = Infinity;

  /** `closed`: aborted when the channel ends; `patience`: ms that a call waits for its turn. */
  constructor(closed: AbortSignal, patience: number) {
    this.#closed = closed;
    this.#patience = patience;
    closed.addEventListener("abort", () => this.#turns.all(), { once: true });
  }

  /** Opens one with `send`. Rejects with busy, retryable, if the handle belongs to another open file already; then it is closed. */
  async open(ask: OperationContext, send: () => Promise<Handle>, close: (handle: Handle) => void): Promise<Handle> {
    if (this.#most < Infinity) await this.#turn(ask);
    this.#opening++;
    try {
      const handle = await send();
      this.add(handle);
      if (this.#shared.has(handle)) close(handle);
      this.check(handle, ask);
      return handle;
    } catch (error) {
      // The server allows no more of them than there are.
      if (error instanceof SyncError && error.kind === "busy") {
        this.#most = Math.max(1, Math.min(this.#most, this.#open.size));
      }
      this.#turns.next();
      throw error;
    } finally {
      this.#opening--;
    }
  }

  async #turn(ask: OperationContext): Promise<void> {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), this.#patience);
    const signal = AbortSignal.any([ask.signal, late.signal]);
    try {
      while (this.#open.size + this.#opening >= this.#most && !this.#closed.aborted) {
        await this.#turns.wait({ ...ask, signal });
      }
    } catch (error) {
      if (ask.signal.aborted) throw error;
      throw operationError(ask, "timeout", {
        why: `no other file was closed in ${this.#patience / 1000} s (-Timeout)`,
      });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Whether CLOSE may be sent for the handle: it may be sent once, for the server may give the handle to another file then. */
  mayClose(handle: Handle): boolean {
    if (this.#closing.has(handle)) return false;
    this.#closing.add(handle);
    return true;
  }

  /** The server opened it. */
  add(handle: Handle): void {
    const name = handle.toString("latin1");
    const same = this.#open.get(name);
    if (same === undefined) {
      this.#open.set(name, new Set([handle]));
      return;
    }
    same.add(handle);
    for (const one of same) this.#shared.add(one);
    this.#most = 1;
  }

  /** Throws busy, retryable, if another file had the same handle while this one was open. */
  check(handle: Handle, ask: OperationContext): void {
    if (!this.#shared.has(handle)) return;
    throw operationError(ask, "busy", {
      why: "the server gave one handle to two open files; one at a time is opened now",
    });
  }

  /** The server closed it. */
  remove(handle: Handle): void {
    const name = handle.toString("latin1");
    const same = this.#open.get(name);
    same?.delete(handle);
    if (same?.size === 0) this.#open.delete(name);
    this.#turns.next();
  }

  /** Opens one file at a time from now on. Returns false if that is so already. */
  doubt(): boolean {
    const isNew = this.#most > 1;
    this.#most = 1;
    return isNew;
  }
}
