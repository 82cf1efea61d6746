import type { RelPath } from "../../core/path.ts";
import type { FileEntry } from "../../core/entry.ts";
import type { Backend, Content, ReadOptions } from "../../core/backend.ts";
import { type ChunkReader, openChunkReader, toByteStream } from "../../net/byte_stream.ts";

/** How a content was opened, and how to resume it when it breaks. */
export interface ResumeOptions {
  readonly inner: Backend;
  readonly path: RelPath;
  readonly options: ReadOptions;
  /**
   * Waits before the content is opened again; `made` counts the attempts. Throws the error if there is to be no other
   * one.
   */
  waitBeforeRetry(error: unknown, made: number): Promise<void>;
}

/**
 * Returns a stream that is opened again after its last byte when it breaks. Without `expect`, the content is not
 * resumed, since nothing would show that the file is still the same.
 */
export function resumeWhenBroken(content: Content, resuming: ResumeOptions): Content {
  const { expect } = resuming.options;
  if (content instanceof Uint8Array || expect === undefined) return content;
  const coming = new ResumingReader(content, { ...resuming, expect });
  if (coming.fills) return toByteStream({ pull: (into) => coming.next(into), cancel: () => coming.cancel() });
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: async (controller) => {
      const bytes = await coming.next(NONE);
      if (bytes === undefined) controller.close();
      else controller.enqueue(bytes);
    },
    cancel: () => coming.cancel(),
  }, { highWaterMark: 0 });
}

const NONE = new Uint8Array();

class ResumingReader {
  /** Whether the bytes are in the reader's memory. */
  readonly fills: boolean;
  readonly #options: ResumeOptions;
  readonly #end: number;
  #chunks: ChunkReader;
  #at: number;
  #attempts = 1;
  /** Bytes that arrived in memory of the source and were not passed on yet. */
  #buffered: Uint8Array<ArrayBuffer> = NONE;

  constructor(
    content: ReadableStream<Uint8Array<ArrayBuffer>>,
    resuming: ResumeOptions & { readonly expect: FileEntry },
  ) {
    const { offset = 0, length = Infinity } = resuming.options;
    this.#options = resuming;
    this.#chunks = openChunkReader(content, { reusesBuffer: true });
    this.fills = this.#chunks.fillsBuffer;
    this.#at = offset;
    this.#end = Math.min(resuming.expect.size, offset + length);
  }

  async next(into: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const { byteOffset, length, buffer: { byteLength } } = into;
    for (let memory = into, isBroken = false;;) {
      try {
        if (isBroken) await this.#reopen();
        isBroken = false;
        const bytes = await this.#take(memory);
        if (bytes !== undefined) this.#attempts = 1;
        this.#at += bytes?.length ?? 0;
        return bytes;
      } catch (error) {
        await this.#options.waitBeforeRetry(error, this.#attempts++);
        isBroken = true;
        // The memory passed to the broken stream is lost with it.
        memory = new Uint8Array(new ArrayBuffer(byteLength), byteOffset, length);
      }
    }
  }

  async cancel(): Promise<void> {
    await this.#chunks.cancel();
  }

  async #reopen(): Promise<void> {
    const { inner, path, options } = this.#options;
    const rest = await inner.read(path, { ...options, offset: this.#at, length: this.#end - this.#at });
    this.#buffered = rest instanceof Uint8Array ? rest : NONE;
    const stream = rest instanceof Uint8Array ? ReadableStream.from([]) : rest;
    this.#chunks = openChunkReader(stream, { reusesBuffer: this.fills });
  }

  async #take(into: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (this.#buffered.length === 0) {
      const bytes = await this.#chunks.next(into);
      if (bytes === undefined || !this.fills || this.#chunks.fillsBuffer) return bytes;
      this.#buffered = bytes;
    }
    const bytes = this.fills ? into.subarray(0, this.#buffered.length) : this.#buffered;
    if (this.fills) bytes.set(this.#buffered.subarray(0, bytes.length));
    this.#buffered = this.#buffered.subarray(bytes.length);
    return bytes;
  }
}
