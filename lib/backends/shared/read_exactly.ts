import type { Content } from "../../core/backend.ts";
import { forEachChunk } from "../../net/byte_stream.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

/** Reads all bytes of a content that must have exactly `size`; otherwise rejects with kind "changed". */
export async function readExactly(
  content: Content,
  { size, ...context }: OperationContext & { readonly size: number },
): Promise<Uint8Array<ArrayBuffer>> {
  const all = new Uint8Array(size);
  let at = 0;
  await forEachChunk(content, (bytes) => {
    if (at + bytes.length <= size) all.set(bytes, at);
    at += bytes.length;
    if (at > size) throw wrongSizeError(context, { given: at, size });
    return Promise.resolve();
  }, context);
  if (at < size) throw wrongSizeError(context, { given: at, size });
  return all;
}

/** Returns the error of a source that returned another number of bytes than its listed size. */
export function wrongSizeError(
  context: OperationContext,
  { given, size }: { readonly given: number; readonly size: number },
): Error {
  const what = given > size ? "more" : `only ${given}`;
  return operationError(context, "changed", {
    why: `its source gave ${what} than the ${size} bytes it was listed with`,
  });
}
