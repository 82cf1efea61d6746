import { cancelled } from "../../core/errors.ts";
import type { Content } from "../../core/backend.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

/**
 * Returns the result of `work`, or rejects with cancelled as soon as the signal is aborted, whatever the outcome of
 * `work`.
 */
export function abortable<T>(work: Promise<T>, { signal, operation }: OperationContext): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(cancelled(signal, operation));
    if (signal.aborted) {
      work.catch(() => {});
      return onAbort();
    }
    signal.addEventListener("abort", onAbort);
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

/** Returns the request unchanged, marked as handled: a failure is reported when it is awaited, not before. */
export function markHandled<T>(request: Promise<T>): Promise<T> {
  request.catch(() => {});
  return request;
}

/**
 * Iterates over the non-empty chunks of a content. Cancels the source when the iteration ends early or the signal is
 * aborted.
 */
export async function* chunksOf(content: Content, context: OperationContext): AsyncGenerator<Uint8Array> {
  if (content instanceof Uint8Array) {
    if (content.length > 0) yield content;
    return;
  }
  const reader = content.getReader();
  let ended = false;
  try {
    while (true) {
      const { done, value } = await abortable(reader.read(), context);
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

/** Reads a content that must have exactly `size` bytes. Rejects with kind "changed" if it has another size. */
export async function readExactly(
  content: Content,
  context: OperationContext & { readonly size: number },
): Promise<Uint8Array> {
  const { size } = context;
  if (content instanceof Uint8Array) {
    if (content.length !== size) throw sizeMismatch(context, content.length);
    return content;
  }
  const all = new Uint8Array(size);
  let at = 0;
  for await (const chunk of chunksOf(content, context)) {
    if (at + chunk.length > size) throw sizeMismatch(context, at + chunk.length);
    all.set(chunk, at);
    at += chunk.length;
  }
  if (at < size) throw sizeMismatch(context, at);
  return all;
}

/** Returns the error for a source that delivered another number of bytes than it was listed with. */
export function sizeMismatch(context: OperationContext & { readonly size: number }, given: number): Error {
  const why = `its source gave ${
    given > context.size ? "more" : `only ${given}`
  } than the ${context.size} bytes it was listed with`;
  return operationError(context, "changed", { why });
}
