import type { Buffer } from "node:buffer";
import { isOpenLimitError, type OpenFileLimit, type OpenFilePlace } from "./open_files.ts";
import { SyncError } from "../../core/errors.ts";
import { FAILURE, statusOf, toLostError } from "./errors.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

/** An open file or folder of one channel, as the server names it. */
export type Handle = Buffer;

export interface OpenRequest {
  /** Sends OPEN or OPENDIR. */
  send(): Promise<Handle>;
  /** Sends CLOSE for a handle that must not be used. */
  close(handle: Handle): void;
  /** Whether a mere FAILURE has another reason than the number of open files. */
  hasOtherReason(): Promise<boolean>;
}

/**
 * The open handles of one channel. A refused OPEN is sent again, with fewer files open, until it is refused while no
 * other file is open: many servers allow few, and most of them say only FAILURE. A server that returns one handle for
 * several open files (as Erlang's may) mixes up their contents while it reports success. Each call that shares a handle
 * fails as retryable, and from then on one file at a time is opened.
 */
export class OpenHandles {
  readonly #open = new Map<string, Set<Handle>>();
  readonly #places = new Map<Handle, OpenFilePlace>();
  readonly #shared = new WeakSet<Handle>();
  readonly #closing = new WeakSet<Handle>();
  readonly #closed: AbortSignal;
  readonly #files: OpenFileLimit;

  /** `closed`: aborted when the channel ends. */
  constructor(closed: AbortSignal, files: OpenFileLimit) {
    this.#closed = closed;
    this.#files = files;
    closed.addEventListener("abort", () => this.#releaseAll(), { once: true });
  }

  /**
   * Opens a file or folder. Rejects with busy, retryable, if the handle already belongs to another open file; then that
   * handle is closed.
   */
  async open(context: OperationContext, request: OpenRequest): Promise<Handle> {
    let undoLowering: (() => void) | undefined;
    for (let refusals = 0;; refusals++) {
      if (!this.#files.hasRoom()) await this.#files.waitForRoom(context);
      if (this.#closed.aborted && refusals === 0) {
        this.#files.passTurn();
        throw unsentError(context, this.#closed.reason);
      }
      const place = this.#files.occupy({ isSuspect: refusals > 0 });
      let handle: Handle | undefined;
      let error: unknown;
      try {
        handle = await request.send();
      } catch (reason) {
        error = reason;
      }
      if (handle !== undefined) {
        this.#add(handle, place);
        if (this.#shared.has(handle)) request.close(handle);
        this.assertNotShared(handle, context);
        return handle;
      }
      const wasAlone = this.#files.wasAlone(place);
      this.#files.release(place);
      const isCertain = isOpenLimitError(error);
      const isFinal = this.#closed.aborted || context.signal.aborted || wasAlone;
      if (isFinal || !(isCertain || await mayBeLimit(error, request))) {
        // The limit was not the reason.
        if (!isCertain) undoLowering?.();
        throw error;
      }
      if (isCertain || this.#files.isAtPeak()) undoLowering = this.#files.lower();
      await this.#files.waitForReleases(2 ** refusals, context);
    }
  }

  /** Records a handle that the server opened after its call had ended. */
  addLate(handle: Handle): void {
    this.#add(handle, this.#files.occupy({ isSuspect: false }));
  }

  /** Limits the server to one open file from now on. Returns false if that limit is already set. */
  limitToOne(): boolean {
    return this.#files.limitToOne();
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
    this.#release(handle);
  }

  #add(handle: Handle, place: OpenFilePlace): void {
    this.#files.noteOpened(place);
    this.#places.set(handle, place);
    const name = handle.toString("latin1");
    const same = this.#open.get(name);
    if (same === undefined) {
      this.#open.set(name, new Set([handle]));
      return;
    }
    same.add(handle);
    for (const one of same) this.#shared.add(one);
    this.#files.limitToOne();
  }

  #release(handle: Handle): void {
    const place = this.#places.get(handle);
    this.#places.delete(handle);
    if (place !== undefined) this.#files.release(place);
  }

  #releaseAll(): void {
    for (const handle of [...this.#places.keys()]) this.#release(handle);
  }
}

const unsentErrors = new WeakSet<object>();

function unsentError(context: OperationContext, reason: unknown): SyncError {
  const error = toLostError(context, reason);
  unsentErrors.add(error);
  return error;
}

/**
 * Runs the work again as long as its channel ended while it waited to open its first file: nothing was sent, and another
 * channel takes its place.
 */
export async function unlessUnsent<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof SyncError) || !unsentErrors.has(error)) throw error;
    }
  }
}

/** Whether the error may mean that too many files are open: a mere FAILURE without another reason. */
async function mayBeLimit(error: unknown, request: OpenRequest): Promise<boolean> {
  return statusOf(error) === FAILURE && !(await request.hasOtherReason());
}
