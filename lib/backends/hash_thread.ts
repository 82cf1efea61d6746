import { CHUNK } from "./content.ts";

/**
 * A hash made on a thread of its own: that of a large content takes longer than fetching it. The bytes are copied, so their memory is
 * free again when update() resolves. To be disposed, whether the digest was asked for or not.
 */
export class HashThread implements Disposable {
  readonly #worker: Worker;
  readonly #url: string;
  /** Memory on its way back from the thread is used again. */
  readonly #idle: ArrayBuffer[] = [];
  #made = 0;
  #wake = () => {};
  #failed: Error | undefined;
  readonly #digest = Promise.withResolvers<string>();

  constructor(algorithm: "md5" | "sha256") {
    this.#digest.promise.catch(() => undefined);
    // As text, so that it is part of a compiled program too.
    const text = `import { createHash } from "node:crypto"; (${serve})(createHash("${algorithm}"));`;
    this.#url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
    this.#worker = new Worker(this.#url, { type: "module" });
    this.#worker.onmessage = ({ data }: MessageEvent<ArrayBuffer | string>) => {
      if (typeof data === "string") return this.#digest.resolve(data);
      this.#idle.push(data);
      this.#wake();
    };
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#end(new Error(`a hash could not be made: ${event.message}`));
    };
  }

  /** Resolves when the bytes were taken over; waits where the thread does not keep up. */
  async update(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += CHUNK) {
      const part = bytes.subarray(at, at + CHUNK);
      const memory = await this.#memory();
      new Uint8Array(memory).set(part);
      this.#worker.postMessage({ memory, length: part.length }, [memory]);
    }
  }

  /** In lower-case hex, of all that was taken over. */
  async digest(): Promise<string> {
    this.#worker.postMessage({ length: 0 });
    return await this.#digest.promise;
  }

  [Symbol.dispose](): void {
    this.#end(new Error("the hash was given up"));
  }

  async #memory(): Promise<ArrayBuffer> {
    for (;;) {
      if (this.#failed !== undefined) throw this.#failed;
      const memory = this.#idle.pop();
      if (memory !== undefined) return memory;
      if (this.#made < MOST) {
        this.#made++;
        return new ArrayBuffer(CHUNK);
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
  }

  #end(why: Error): void {
    if (this.#failed !== undefined) return;
    this.#failed = why;
    this.#worker.terminate();
    URL.revokeObjectURL(this.#url);
    this.#digest.reject(why);
    this.#wake();
  }
}

/** Chunks under way to the thread and back. */
const MOST = 16;

/** What the thread does; it knows nothing of this file. Memory goes back as it came; no memory asks for the digest. */
function serve(hash: { update(bytes: Uint8Array): unknown; digest(encoding: "hex"): string }): void {
  const thread = globalThis as unknown as {
    onmessage: (event: MessageEvent<{ readonly memory?: ArrayBuffer; readonly length: number }>) => void;
    postMessage(message: string | ArrayBuffer, transfer?: readonly ArrayBuffer[]): void;
  };
  thread.onmessage = ({ data: { memory, length } }) => {
    if (memory === undefined) return thread.postMessage(hash.digest("hex"));
    hash.update(new Uint8Array(memory, 0, length));
    thread.postMessage(memory, [memory]);
  };
}
