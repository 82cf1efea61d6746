import { SyncError } from "../core/errors.ts";
import { networkError } from "../net/net_error.ts";

/** The wait for a reply, in ms: `timeout` of every silence, `replyTimeout` of that between a request and its reply. */
export interface ReplyWait {
  readonly timeout: number;
  readonly replyTimeout: number;
}

/**
 * Waits for a reply. A server that may take longer than usual holds up nobody who waits for a connection, and whether it
 * is still there is found out again and again.
 */
export async function awaitReply<T>(
  reply: Promise<T>,
  { timeout, replyTimeout, onProgress, probe, fail }: ReplyWait & {
    onProgress(): void;
    /** Reaches the server by another connection. */
    probe(): Promise<void>;
    /** Called if that is not possible. */
    fail(error: unknown): void;
  },
): Promise<T> {
  if (replyTimeout <= timeout) return await reply;
  const pulse = setInterval(onProgress, timeout / 4);
  const probing = setInterval(() => probe().catch(fail), timeout);
  try {
    return await reply;
  } finally {
    clearInterval(pulse);
    clearInterval(probing);
  }
}

/**
 * Returns the error of a reply that does not come. A server that was given minutes, and was there all the while, is not
 * asked for the same again; what it was sent may be sent again.
 */
export function lateError(
  { timeout, replyTimeout, hasUpload }: ReplyWait & { readonly hasUpload: boolean },
): SyncError {
  const { kind, message, facts } = networkError("timeout", "no answer in time");
  return new SyncError(kind, message, { ...facts, transient: replyTimeout <= timeout || hasUpload });
}
