import type { RelPath } from "../../core/path.ts";
import type { FileEntry } from "../../core/entry.ts";
import type { Backend, Content, ReadOptions } from "../../core/backend.ts";
import { type Chunks, chunksOf, streamOf } from "../../net/byte_stream.ts";

/** How a content was opened, and how to resume it when it breaks. */
export interface Resuming {
  readonly inner: Backend;
  readonly path: RelPath;
  readonly options: ReadOptions;
  /**
   * Waits before the content is opened again; `made` counts the attempts. Throws the error if there is to be no other
   * one.
   */
  pause(error: unknown, made: number): Promise<void>;
}

/**
 * Returns a stream that is opened again after its last byte when it breaks. Without `expect`, the content is not
 * resumed, since nothing would show that the file is still the same.
 */
export function resumed(content: Content, resuming: Resuming): Content {
  const { expect } = resuming.options;
  if (content instanceof Uint8Array || expect === undefined) return content;
  const coming = new Coming(content, { ...resuming, expect });
  if (coming.fills) return streamOf({ fill: (into) => coming.next(into), leave: () => coming.leave() });
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: async (controller) => {
      const bytes = await coming.next(NONE);
      if (bytes === undefined) controller.close();
      else controller.enqueue(bytes);
    },
    cancel: () => coming.leave(),
  }, { highWaterMark: 0 });
}

const NONE = new Uint8Array();

class Coming {
  /** Whether the bytes are in the reader's memory. */
  readonly fills: boolean;
  readonly #resuming: Resuming;
  readonly #end: number;
  #chunks: Chunks;
  #at: number;
  #made = 1;
  /** Bytes that arrived in memory of the source and were not passed on yet. */
  #held: Uint8Array<ArrayBuffer> = NONE;

  constructor(
    content: ReadableStream<Uint8Array<ArrayBuffer>>,
    resuming: Resuming & { readonly expect: FileEntry },
  ) {
    const { offset = 0, length = Infinity } = resuming.options;
    this.#resuming = resuming;
    this.#chunks = chunksOf(content, { recycles: true });
    this.fills = this.#chunks.fills;
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
        if (bytes !== undefined) this.#made = 1;
        this.#at += bytes?.length ?? 0;
        return bytes;
      } catch (error) {
        await this.#resuming.pause(error, this.#made++);
        isBroken = true;
        // The memory passed to the broken stream is lost with it.
        memory = new Uint8Array(new ArrayBuffer(byteLength), byteOffset, length);
      }
    }
  }

  async leave(): Promise<void> {
    await this.#chunks.cancel();
  }

  async #reopen(): Promise<void> {
    const { inner, path, options } = this.#resuming;
    const rest = await inner.read(path, { ...options, offset: this.#at, length: this.#end - this.#at });
    this.#held = rest instanceof Uint8Array ? rest : NONE;
    const stream = rest instanceof Uint8Array ? ReadableStream.from([]) : rest;
    this.#chunks = chunksOf(stream, { recycles: this.fills });
  }

  async #take(into: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (this.#held.length === 0) {
      const bytes = await this.#chunks.next(into);
      if (bytes === undefined || !this.fills || this.#chunks.fills) return bytes;
      this.#held = bytes;
    }
    const bytes = this.fills ? into.subarray(0, this.#held.length) : this.#held;
    if (this.fills) bytes.set(this.#held.subarray(0, bytes.length));
    this.#held = this.#held.subarray(bytes.length);
    return bytes;
  }
}
