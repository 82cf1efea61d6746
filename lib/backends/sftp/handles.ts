import type { Buffer } from "node:buffer";
import { SyncError } from "../../core/errors.ts";
import { WaitQueue } from "../../net/semaphore.ts";
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
  readonly #queue = new WaitQueue();
  readonly #closed: AbortSignal;
  readonly #timeout: number;
  #opening = 0;
  /** The known limit of handles open at once. */
  #limit = Infinity;

  /** `closed`: aborted when the channel ends; `patience`: ms that a call waits for a free handle. */
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
      why: "the server gave one handle to two open files; one at a time is opened now",
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
