import { cancelled } from "../core/errors.ts";
import type { Content } from "../core/backend.ts";

/** What a content is asked for, and on whose behalf. */
export interface Pouring {
  readonly signal: AbortSignal;
  /** For the message when it is cancelled. */
  readonly operation: string;
  /** A chunk is of no more use once `take` has resolved: its memory takes the next one. */
  readonly recycles?: boolean;
}

/** Where the bytes of a stream come from. */
export interface Source {
  /** Puts the next bytes into the memory, from its start, and gives them: at least one; undefined at the end. */
  fill(into: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Nobody wants what is left. */
  leave(): Promise<void> | void;
}

/** Bytes that a stream hands over at once, where its reader brings no memory of its own. */
export const CHUNK = 256 * 1024;

/**
 * A stream that takes nothing from its source before it is asked. Its bytes go straight into the memory of a reader that brings some (pour()
 * where it recycles): new memory for each chunk of a large file costs more time than fetching it.
 */
export function streamOf({ fill, leave }: Source): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    type: "bytes",
    pull: async (controller) => {
      const view = controller.byobRequest?.view;
      const into = view?.buffer instanceof ArrayBuffer
        ? new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
        : new Uint8Array(CHUNK);
      const { byteOffset, buffer: { byteLength } } = into;
      const bytes = await fill(into);
      if (bytes !== undefined && view === undefined) return controller.enqueue(bytes);
      if (bytes !== undefined) return controller.byobRequest?.respondWithNewView(bytes);
      controller.close();
      // The reader's memory may have been given on, and come back from nobody.
      controller.byobRequest?.respondWithNewView(new Uint8Array(new ArrayBuffer(byteLength), byteOffset, 0));
    },
    cancel: () => leave(),
  });
}

/** A stream that is read. */
export interface Chunks {
  /** Does it fill the memory that it is given? */
  readonly fills: boolean;
  /** The next bytes, undefined at the end. The memory is given away: what is left of it is that of the bytes. */
  next(into: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | undefined>;
  cancel(reason?: unknown): Promise<void>;
}

/** Reads a stream; `recycles`: into the memory of whoever reads, where the stream can do that. */
export function chunksOf(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  { recycles }: { readonly recycles: boolean },
): Chunks {
  const filling = recycles ? fillingReader(stream) : undefined;
  if (filling !== undefined) {
    return {
      fills: true,
      next: async (into) => {
        const { done, value } = await filling.read(into);
        return done ? undefined : value;
      },
      cancel: (reason) => filling.cancel(reason),
    };
  }
  const reader = stream.getReader();
  return { fills: false, next: async () => (await reader.read()).value, cancel: (reason) => reader.cancel(reason) };
}

/** Undefined for a stream that brings its own memory: nothing but the attempt tells. */
function fillingReader(stream: ReadableStream<Uint8Array<ArrayBuffer>>): ReadableStreamBYOBReader | undefined {
  try {
    return stream.getReader({ mode: "byob" });
  } catch (error) {
    if (error instanceof TypeError && !stream.locked) return undefined;
    throw error;
  }
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
  { signal, operation, recycles = false }: Pouring,
): Promise<void> {
  if (content instanceof Uint8Array) return await take(content);
  const chunks = chunksOf(content, { recycles });
  // A reader that is cancelled answers at once that nothing more comes.
  const stop = () => void chunks.cancel().catch(() => undefined);
  signal.addEventListener("abort", stop);
  try {
    if (signal.aborted) stop();
    let memory = chunks.fills ? new Uint8Array(CHUNK) : new Uint8Array();
    for (let bytes = await chunks.next(memory); bytes !== undefined; bytes = await chunks.next(memory)) {
      if (bytes.length > 0) await take(bytes);
      if (chunks.fills) memory = new Uint8Array(bytes.buffer);
    }
  } catch (error) {
    stop();
    throw signal.aborted ? cancelled(signal, operation) : error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
  if (signal.aborted) throw cancelled(signal, operation);
}
