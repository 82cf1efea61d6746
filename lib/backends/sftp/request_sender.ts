import { cancelled } from "../../core/errors.ts";
import { type PendingOptions, PendingRequests } from "./requests.ts";
import { toLostError, toSyncError } from "./errors.ts";
import type { Done, SftpChannel } from "../../ssh/channels.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

export interface RequestOptions<T> {
  /** Called with an answer that comes after the request was rejected. */
  late?(value: T): void;
  /** ms that the answer may take, however silent the server is; undefined: -Timeout. */
  readonly patience?: number | undefined;
  /** See PendingRequest. */
  readonly lateReason?: string | undefined;
}

/** Sends requests over one channel, each with a promise that ends in every case. */
export class RequestSender {
  /** The ms of the fastest answer so far, an upper bound of the round trip. */
  minRtt = Infinity;
  /** The number of answers so far. */
  answers = 0;
  readonly #closed: AbortSignal;
  readonly #pending: PendingRequests;

  constructor(channel: SftpChannel, options: PendingOptions) {
    this.#closed = channel.closed;
    this.#pending = new PendingRequests(channel, options);
  }

  /** The number of pending requests. */
  get pendingCount(): number {
    return this.#pending.size;
  }

  /** Returns the value that a request asks for. Rejects if the server reports success without a value. */
  async sendForValue<T>(
    context: OperationContext,
    start: (done: Done<T>) => void,
    options?: RequestOptions<T>,
  ): Promise<T> {
    const value = await this.send(context, start, options);
    if (value === undefined) {
      throw operationError(context, "unexpected", { why: "the server answered without a value" });
    }
    return value;
  }

  /** Sends a request and returns its answer. */
  send<T>(
    context: OperationContext,
    start: (done: Done<T>) => void,
    { late, patience, lateReason }: RequestOptions<T> = {},
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#closed.aborted) return reject(toLostError(context, this.#closed.reason));
      if (context.signal.aborted) return reject(cancelled(context.signal, context.operation));
      const pending = { context, reject, since: performance.now(), patience, lateReason };
      this.#pending.add(pending);
      const done: Done<T> = (error, value) => {
        if (!this.#pending.remove(pending)) return error ? undefined : late?.(value);
        this.answers++;
        this.minRtt = Math.min(this.minRtt, performance.now() - pending.since);
        if (!error) return resolve(value);
        reject(this.#closed.aborted ? toLostError(context, this.#closed.reason) : toSyncError(context, error));
      };
      try {
        start(done);
      } catch (error) {
        // The library throws once its socket is gone, a moment before it reports that.
        if (this.#pending.remove(pending)) reject(toLostError(context, error));
      }
    });
  }
}
