import type { Content } from "../../core/backend.ts";
import { type Cancellable, unlessAborted } from "../../net/abort.ts";

/** Returns the request unchanged, marked as handled: a failure is reported when it is awaited, not before. */
export function markHandled<T>(request: Promise<T>): Promise<T> {
  request.catch(() => {});
  return request;
}

/**
 * Iterates over the non-empty chunks of a content. Cancels the source when the iteration ends early or the signal is
 * aborted.
 */
export async function* chunksOf(content: Content, context: Cancellable): AsyncGenerator<Uint8Array> {
  if (content instanceof Uint8Array) {
    if (content.length > 0) yield content;
    return;
  }
  const reader = content.getReader();
  let ended = false;
  try {
    while (true) {
      const { done, value } = await unlessAborted(reader.read(), context);
      if (done) {
        ended = true;
        return;
      }
      if (value.length > 0) yield value;
    }
  } finally {
    // Not awaited: a source that never delivers would not answer this either.
    if (!ended) reader.cancel().catch(() => {});
  }
}
