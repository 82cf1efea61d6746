import type { Buffer } from "node:buffer";
import { SyncError } from "../../core/errors.ts";
import { Turns } from "../../net/semaphore.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

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
  readonly #turns = new Turns();
  readonly #closed: AbortSignal;
  readonly #patience: number;
  #opening = 0;
  /** The known limit of handles open at once. */
  #most = Infinity;

  /** `closed`: aborted when the channel ends; `patience`: ms that a call waits for a free handle. */
  constructor(closed: AbortSignal, patience: number) {
    this.#closed = closed;
    this.#patience = patience;
    closed.addEventListener("abort", () => this.#turns.all(), { once: true });
  }

  /**
   * Opens a file or folder with `send`. Rejects with busy, retryable, if the handle already belongs to another open
   * file; then that handle is closed.
   */
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
      // The server allows no more handles than are open now.
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

  /**
   * Whether CLOSE may be sent for the handle. It may be sent only once, because the server may then assign the handle
   * to another file.
   */
  mayClose(handle: Handle): boolean {
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
    this.#most = 1;
  }

  /** Throws busy, retryable, if another file had the same handle while this one was open. */
  check(handle: Handle, ask: OperationContext): void {
    if (!this.#shared.has(handle)) return;
    throw operationError(ask, "busy", {
      why: "the server gave one handle to two open files; one at a time is opened now",
    });
  }

  /** Records that the server closed the handle. */
  remove(handle: Handle): void {
    const name = handle.toString("latin1");
    const same = this.#open.get(name);
    same?.delete(handle);
    if (same?.size === 0) this.#open.delete(name);
    this.#turns.next();
  }

  /** Limits the channel to one open file from now on. Returns false if that limit is already set. */
  doubt(): boolean {
    const isNew = this.#most > 1;
    this.#most = 1;
    return isNew;
  }
}
