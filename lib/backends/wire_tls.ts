import type { Buffer } from "node:buffer";
import type net from "node:net";
import type tls from "node:tls";
import { lost, Watch, type Wire } from "./wire.ts";

/** A connection over TLS that stands, or is about to; nothing may stand still on it for longer than `timeout` ms. */
export function toWire(socket: tls.TLSSocket, timeout: number): Wire {
  return new TlsWire(socket, timeout);
}

/** A connection over `socket` whose TLS is still being agreed on: FTP servers begin with that when the transfer was asked for. */
export function laterWire(ready: Promise<Wire>, socket: net.Socket): Wire {
  // A destroyed socket may leave the handshake waiting for its timeout.
  const { promise: gone, reject: giveUp } = Promise.withResolvers<never>();
  const data = Promise.race([ready, gone]);
  data.catch(() => {});
  return {
    read: async (into, options) => await (await data).read(into, options),
    write: async (bytes) => await (await data).write(bytes),
    end: async () => await (await data).end(),
    destroy: () => {
      giveUp(lost("connection", "the connection was given up"));
      socket.destroy();
      ready.then((one) => one.destroy()).catch(() => {});
    },
  };
}

/** So much is held for a reader that comes late: a TLS socket that was paused may never go on under this runtime. */
const MOST_HELD = 64 << 20;
/** So much must be taken within the timeout, on the slowest of lines. */
const PART = 64 * 1024;

class TlsWire implements Wire {
  readonly #socket: tls.TLSSocket;
  readonly #reading: Watch;
  readonly #writing: Watch;
  readonly #parts: Buffer<ArrayBufferLike>[] = [];
  #held = 0;
  #broken: unknown;
  #isEnded = false;
  #stir: (() => void) | undefined;

  constructor(socket: tls.TLSSocket, timeout: number) {
    this.#socket = socket;
    const late = (what: string) => () => this.#break(lost("timeout", `${what} for ${timeout / 1000} s`));
    this.#reading = new Watch(timeout, late("no byte came"));
    this.#writing = new Watch(timeout, late("no byte was taken"));
    socket.on("error", (error) => this.#break(lost("connection", `the connection broke: ${error.message}`, error)));
    socket.on("end", () => {
      this.#isEnded = true;
      this.#stir?.();
    });
    socket.on("close", () => {
      if (!this.#isEnded) this.#break(lost("connection", "the connection broke off"));
    });
    socket.on("data", (part: Buffer<ArrayBufferLike>) => this.#hold(part));
  }

  async read(into: Uint8Array<ArrayBuffer>, { patient } = { patient: false }): Promise<number | undefined> {
    if (!patient) this.#reading.begin();
    try {
      for (;;) {
        const count = this.#give(into);
        if (count > 0) return count;
        if (this.#isEnded) return undefined;
        if (this.#broken !== undefined) throw this.#broken;
        this.#socket.resume();
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#stir = resolve;
        await promise;
      }
    } finally {
      this.#stir = undefined;
      this.#reading.end();
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += PART) {
      await this.#until((done) => this.#socket.write(bytes.subarray(at, at + PART), done));
    }
  }

  async end(): Promise<void> {
    await this.#until((done) => this.#socket.end(() => done()));
  }

  destroy(): void {
    this.#break(lost("connection", "the connection was given up"));
  }

  #hold(part: Buffer<ArrayBufferLike>): void {
    this.#parts.push(part);
    this.#held += part.length;
    if (this.#held >= MOST_HELD) this.#socket.pause();
    this.#stir?.();
  }

  /** What is held, as far as it fits. */
  #give(into: Uint8Array): number {
    let at = 0;
    while (at < into.length) {
      const [first] = this.#parts;
      if (first === undefined) break;
      const part = first.subarray(0, into.length - at);
      into.set(part, at);
      at += part.length;
      if (part.length === first.length) this.#parts.shift();
      else this.#parts[0] = first.subarray(part.length);
    }
    this.#held -= at;
    return at;
  }

  /** Until the socket says that it is done, or breaks. */
  async #until(work: (done: (error?: Error | null) => void) => void): Promise<void> {
    if (this.#broken !== undefined) throw this.#broken;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#onBroken.add(reject);
    this.#writing.begin();
    try {
      work((error) => error ? reject(lost("connection", error.message, error)) : resolve());
      await promise;
    } finally {
      this.#onBroken.delete(reject);
      this.#writing.end();
    }
  }

  readonly #onBroken = new Set<(why: unknown) => void>();

  #break(why: unknown): void {
    if (this.#broken === undefined) this.#broken = why;
    this.#reading[Symbol.dispose]();
    this.#writing[Symbol.dispose]();
    this.#socket.destroy();
    for (const reject of this.#onBroken) reject(this.#broken);
    this.#stir?.();
  }
}
