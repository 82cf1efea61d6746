import type { Readable } from "node:stream";
import { cancelled, SyncError } from "../errors.ts";
import { type Ask, failure, toSyncError } from "./s3_errors.ts";

/** How long nothing may move, in ms, and what ends all requests of a store. */
export interface Waiting {
  readonly timeout: number;
  readonly closing: AbortSignal;
}

/** The chunks of a reply's body. Rejects with connection, timeout or cancelled; ended early, it lets the connection go. */
export async function* patiently(
  body: Readable,
  ask: Ask,
  waiting: Waiting,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  using patience = new Patience(ask, waiting);
  const stop = () => void body.destroy();
  patience.signal.addEventListener("abort", stop);
  // Whoever lets the body go may never ask for another chunk.
  body.once("close", () => patience[Symbol.dispose]());
  if (patience.signal.aborted) stop();
  try {
    for await (const chunk of body as AsyncIterable<Uint8Array<ArrayBuffer>>) {
      patience.pause();
      yield chunk;
      patience.moved();
    }
    // A body that was let go may look as if it had come to its end.
    patience.signal.throwIfAborted();
  } catch (error) {
    throw patience.reason ?? toSyncError(ask, error);
  } finally {
    stop();
  }
}

/** Gives a request up when it is cancelled, when its store is closed, and when nothing has moved for too long. */
export class Patience implements Disposable {
  readonly #ask: Ask;
  readonly #timeout: number;
  readonly #stop = new AbortController();
  readonly #given = Promise.withResolvers<never>();
  readonly #signals: readonly AbortSignal[];
  readonly #listener = () => this.#giveUp();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #last = 0;
  #isPaused = false;
  #isOver = false;

  constructor(ask: Ask, { timeout, closing }: Waiting) {
    this.#ask = ask;
    this.#timeout = timeout;
    this.#signals = [ask.signal, closing];
    this.#given.promise.catch(() => undefined);
    for (const signal of this.#signals) signal.addEventListener("abort", this.#listener);
    this.moved();
    if (this.#signals.some((signal) => signal.aborted)) this.#giveUp();
  }

  /** Aborted when the request is given up. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Why it was given up. */
  get reason(): SyncError | undefined {
    return this.#stop.signal.reason instanceof SyncError ? this.#stop.signal.reason : undefined;
  }

  /** What the work gives, or why it was given up. */
  until<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#given.promise]);
  }

  /** Something moved: the wait begins anew. */
  moved(): void {
    if (this.#isOver) return;
    this.#last = performance.now();
    this.#isPaused = false;
    this.#timer ??= setTimeout(() => this.#look(), this.#timeout);
  }

  /** It is not the store that is waited for, until something moves again. */
  pause(): void {
    this.#isPaused = true;
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const signal of this.#signals) signal.removeEventListener("abort", this.#listener);
  }

  #look(): void {
    this.#timer = undefined;
    const left = this.#isPaused ? this.#timeout : this.#last + this.#timeout - performance.now();
    if (left > 1) this.#timer = setTimeout(() => this.#look(), left);
    else this.#end(failure(this.#ask, "timeout", { why: "the store did not answer in time" }));
  }

  #giveUp(): void {
    const { signal, operation } = this.#ask;
    const why = "the session was closed";
    this.#end(
      signal.aborted ? cancelled(signal, operation) : failure(this.#ask, "connection", { why, transient: false }),
    );
  }

  #end(reason: SyncError): void {
    this[Symbol.dispose]();
    this.#given.reject(reason);
    this.#stop.abort(reason);
  }
}
