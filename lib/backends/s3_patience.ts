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
  const chunks = body[Symbol.asyncIterator]();
  using patience = new Patience(ask, waiting);
  const stop = () => void body.destroy();
  patience.signal.addEventListener("abort", stop);
  if (patience.signal.aborted) stop();
  try {
    for (;;) {
      const next: IteratorResult<Uint8Array<ArrayBuffer>> = await patience.until(chunks.next());
      if (next.done === true) return;
      patience.pause();
      yield next.value;
      patience.moved();
    }
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
    this.#last = performance.now();
    this.#timer ??= setTimeout(() => this.#look(), this.#timeout);
  }

  /** It is not the store that is waited for. */
  pause(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  [Symbol.dispose](): void {
    this.pause();
    for (const signal of this.#signals) signal.removeEventListener("abort", this.#listener);
  }

  #look(): void {
    this.#timer = undefined;
    const left = this.#last + this.#timeout - performance.now();
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
    this.#given.reject(reason);
    this.#stop.abort(reason);
  }
}
