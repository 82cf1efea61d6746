import { cancelled } from "../errors.ts";
import type { Content } from "./backend.ts";

/** What a content is asked for, and on whose behalf. */
export interface Pouring {
  readonly signal: AbortSignal;
  /** For the message when it is cancelled. */
  readonly operation: string;
}

/** The content, or kind "cancelled" as soon as the signal is aborted; a content that comes too late is let go. */
export async function opened(content: Promise<Content>, { signal, operation }: Pouring): Promise<Content> {
  const { promise, reject } = Promise.withResolvers<never>();
  const stop = () => {
    reject(cancelled(signal, operation));
    content.then((late) => late instanceof Uint8Array ? undefined : late.cancel()).catch(() => undefined);
  };
  signal.addEventListener("abort", stop);
  try {
    if (signal.aborted) stop();
    return await Promise.race([content, promise]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/**
 * Hands over the bytes, chunk after chunk. Rejects with what the source or `take` rejected with, and with kind "cancelled" as soon as
 * the signal is aborted, also where the source would never give another byte; the source is let go then.
 */
export async function pour(
  content: Content,
  take: (bytes: Uint8Array<ArrayBuffer>) => Promise<void>,
  { signal, operation }: Pouring,
): Promise<void> {
  if (content instanceof Uint8Array) return await take(content);
  const reader = content.getReader();
  // A reader that is cancelled answers at once that nothing more comes.
  const stop = () => void reader.cancel().catch(() => undefined);
  signal.addEventListener("abort", stop);
  try {
    if (signal.aborted) stop();
    for (let part = await reader.read(); !part.done; part = await reader.read()) await take(part.value);
  } catch (error) {
    stop();
    throw signal.aborted ? cancelled(signal, operation) : error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
  if (signal.aborted) throw cancelled(signal, operation);
}
