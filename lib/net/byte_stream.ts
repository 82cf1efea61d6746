import { cancelled } from "../core/errors.ts";
import type { Content } from "../core/backend.ts";
import { type OperationContext, operationError } from "../core/operation.ts";
import { type Cancellable, unlessAborted } from "./abort.ts";

/** The options of reading a content: its signal, its operation, and the reuse of memory. */
export interface StreamOptions extends Cancellable {
  /** Whether the memory of a chunk is reused for the next one once `onChunk` has resolved. */
  readonly reusesBuffer?: boolean;
}

/** The source of a stream's bytes. */
export interface StreamSource {
  /** Writes the next bytes to the start of the memory and returns them: at least one; undefined at the end. */
  pull(into: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Called when the rest of the bytes is not needed. */
  cancel(): Promise<void> | void;
}

/** The chunk size in bytes of a stream whose reader supplies no memory of its own. */
export const CHUNK_SIZE = 256 * 1024;

/**
 * Returns a stream that reads from its source only on demand. The bytes go directly into the memory of a reader that
 * supplies some (forEachChunk() with `reusesBuffer`): to allocate memory for each chunk of a large file takes more time than to
 * fetch it.
 */
export function toByteStream({ pull, cancel }: StreamSource): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    type: "bytes",
    pull: async (controller) => {
      const view = controller.byobRequest?.view;
      const into = view?.buffer instanceof ArrayBuffer
        ? new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
        : new Uint8Array(CHUNK_SIZE);
      const { byteOffset, buffer: { byteLength } } = into;
      const bytes = await pull(into);
      if (bytes !== undefined && view === undefined) return controller.enqueue(bytes);
      if (bytes !== undefined) return controller.byobRequest?.respondWithNewView(bytes);
      controller.close();
      // `pull` may have transferred the reader's memory without returning it.
      controller.byobRequest?.respondWithNewView(new Uint8Array(new ArrayBuffer(byteLength), byteOffset, 0));
    },
    cancel: () => cancel(),
  });
}

/** The reader of a stream. */
export interface ChunkReader {
  /** Whether next() fills the memory that it is passed. */
  readonly fillsBuffer: boolean;
  /**
   * Returns the next bytes, undefined at the end. The memory is transferred: afterwards only the buffer of the returned
   * bytes is usable.
   */
  next(into: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | undefined>;
  cancel(reason?: unknown): Promise<void>;
}

/** Returns a reader of the stream; `reusesBuffer`: it fills the caller's memory, if the stream supports that. */
export function openChunkReader(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  { reusesBuffer }: { readonly reusesBuffer: boolean },
): ChunkReader {
  const byob = reusesBuffer ? tryByobReader(stream) : undefined;
  if (byob !== undefined) {
    return {
      fillsBuffer: true,
      next: async (into) => {
        const { done, value } = await byob.read(into);
        return done ? undefined : value;
      },
      cancel: (reason) => byob.cancel(reason),
    };
  }
  const reader = stream.getReader();
  return {
    fillsBuffer: false,
    next: async () => (await reader.read()).value,
    cancel: (reason) => reader.cancel(reason),
  };
}

/** Returns undefined for a stream that allocates its own memory: only the attempt shows that. */
function tryByobReader(stream: ReadableStream<Uint8Array<ArrayBuffer>>): ReadableStreamBYOBReader | undefined {
  try {
    return stream.getReader({ mode: "byob" });
  } catch (error) {
    if (error instanceof TypeError && !stream.locked) return undefined;
    throw error;
  }
}

/**
 * Waits for the content; rejects with kind "cancelled" as soon as the signal is aborted. A content that arrives later
 * is cancelled.
 */
export async function awaitContent(content: Promise<Content>, context: Cancellable): Promise<Content> {
  try {
    return await unlessAborted(content, context);
  } catch (error) {
    if (context.signal.aborted) content.then(discardContent).catch(() => undefined);
    throw error;
  }
}

async function discardContent(content: Content): Promise<void> {
  if (!(content instanceof Uint8Array)) await content.cancel();
}

/**
 * Passes the bytes to `onChunk`, chunk after chunk. Rejects with the error of the source or of `onChunk`, and with kind
 * "cancelled" as soon as the signal is aborted, even if the source would never return another byte; the source is then
 * cancelled.
 */
export async function forEachChunk(
  content: Content,
  onChunk: (bytes: Uint8Array<ArrayBuffer>) => Promise<void>,
  { signal, operation, reusesBuffer = false }: StreamOptions,
): Promise<void> {
  if (content instanceof Uint8Array) return await onChunk(content);
  const chunks = openChunkReader(content, { reusesBuffer });
  // After a cancellation, a pending read returns the end of the stream at once.
  const stop = () => void chunks.cancel().catch(() => undefined);
  signal.addEventListener("abort", stop);
  try {
    if (signal.aborted) stop();
    let memory = chunks.fillsBuffer ? new Uint8Array(CHUNK_SIZE) : new Uint8Array();
    for (let bytes = await chunks.next(memory); bytes !== undefined; bytes = await chunks.next(memory)) {
      if (bytes.length > 0) await onChunk(bytes);
      if (chunks.fillsBuffer) memory = new Uint8Array(bytes.buffer);
    }
  } catch (error) {
    stop();
    throw signal.aborted ? cancelled(signal, operation) : error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
  if (signal.aborted) throw cancelled(signal, operation);
}

/**
 * Reads a content that must have exactly `size` bytes. Rejects with kind "changed" if it has another size. `onBytes`:
 * called with the number of bytes of each chunk.
 */
export async function readExactly(
  content: Promise<Content>,
  { size, onBytes, ...context }: OperationContext & {
    readonly size: number;
    onBytes?: ((bytes: number) => void) | undefined;
  },
): Promise<Uint8Array<ArrayBuffer>> {
  const source = await awaitContent(content, context);
  if (source instanceof Uint8Array) {
    if (source.length !== size) throw wrongSizeError(context, { given: source.length, size });
    onBytes?.(size);
    return source;
  }
  const all = new Uint8Array(size);
  let at = 0;
  await forEachChunk(source, (bytes) => {
    if (at + bytes.length > size) throw wrongSizeError(context, { given: at + bytes.length, size });
    all.set(bytes, at);
    at += bytes.length;
    onBytes?.(bytes.length);
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
