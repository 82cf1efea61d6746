import { cancelled, SyncError } from "../../core/errors.ts";
import { toLostError } from "./errors.ts";
import type { SftpChannel } from "../../ssh/channels.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

/** Returns the request unchanged, marked as handled: a failure is reported when it is awaited, not before. */
export function markHandled<T>(request: Promise<T>): Promise<T> {
  request.catch(() => {});
  return request;
}

export interface PendingOptions {
  /** ms without any answer after which the connection counts as dead. */
  readonly timeout: number;
  /** Closes the connection. */
  abort(why: SyncError): void;
}

export interface PendingRequest {
  readonly context: OperationContext;
  readonly since: number;
  /**
   * ms that the answer may take after the last one, however silent the server is meanwhile; undefined: -Timeout. The
   * CLOSE of an uploaded file is answered only when a gateway has passed the file on.
   */
  readonly patience?: number | undefined;
  /** The predicate of the failure, "sent no names of the folder", of a request that is not worth another attempt. */
  readonly lateReason?: string | undefined;
  reject(error: SyncError): void;
}

/**
 * The pending requests of one channel. Each is rejected when the channel ends (connection), when its signal is aborted
 * (cancelled), or when nothing is received for `timeout` ms while answers are due (timeout); in the last case the whole
 * connection is closed. While a request with patience is due, silence about those behind it proves nothing: servers that
 * answer in order keep them waiting, and SSH's keepalives show whether the connection is alive.
 */
export class PendingRequests {
  readonly #channel: SftpChannel;
  readonly #options: PendingOptions;
  readonly #requests = new Set<PendingRequest>();
  readonly #patient = new Set<PendingRequest>();
  #patienceEnded = -Infinity;
  readonly #signals = new Map<AbortSignal, WatchedSignal>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(channel: SftpChannel, options: PendingOptions) {
    this.#channel = channel;
    this.#options = options;
    channel.closed.addEventListener("abort", () => this.#rejectAll(), { once: true });
  }

  get size(): number {
    return this.#requests.size;
  }

  add(pending: PendingRequest): void {
    this.#requests.add(pending);
    if (pending.patience !== undefined) this.#patient.add(pending);
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
    if (this.#patient.delete(pending)) this.#patienceEnded = performance.now();
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
    this.#endPatience(now);
    for (const pending of this.#requests) {
      // The requests behind it may wait for its answer.
      if (pending.patience !== undefined) break;
      if (now - Math.max(pending.since, this.#channel.lastReceived()) > timeout) {
        // Each pending request puts its own operation before this reason.
        const why = `no answer in ${timeout / 1000} s (-Timeout)`;
        const { operation } = pending.context;
        return this.#options.abort(new SyncError("timeout", why, { operation, transient: true }));
      }
      if (now - Math.max(pending.since, this.#patienceEnded) < timeout * TIMEOUTS_PER_OPERATION) break;
      this.remove(pending);
      pending.reject(
        operationError(pending.context, "timeout", {
          why: `no answer in ${(timeout * TIMEOUTS_PER_OPERATION) / 1000} s, 20 times -Timeout`,
        }),
      );
    }
    if (this.#requests.size > 0) this.#timer = setTimeout(() => this.#checkTimeouts(), timeout / 4);
  }

  /** Rejects the requests whose patience is used up. */
  #endPatience(now: number): void {
    for (const pending of [...this.#patient]) {
      const { patience = 0, lateReason, since, context } = pending;
      if (now - Math.max(since, this.#channel.lastReceived()) <= patience) continue;
      this.remove(pending);
      pending.reject(
        operationError(context, "timeout", {
          why: `the server ${lateReason ?? "did not confirm the end of the file"} in ${Math.round(patience / 1000)} s`,
          transient: lateReason === undefined,
        }),
      );
    }
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
