import type { Buffer } from "node:buffer";
import type net from "node:net";
import { Duplex } from "node:stream";

/**
 * What comes in over a socket before TLS is taken off, so that it can be told whether the other side ended it by a word of TLS
 * (close_notify, RFC 8446, section 6.1) or somebody on the way cut it: the runtime shows the same end for both.
 */
export class Witness extends Duplex {
  readonly #socket: net.Socket;
  #head: number[] = [];
  #left = 0;
  #type = 0;
  #length = 0;

  constructor(socket: net.Socket) {
    super();
    this.#socket = socket;
    socket.on("data", (bytes: Buffer) => {
      this.#look(bytes);
      if (!this.push(bytes)) socket.pause();
    });
    socket.on("end", () => this.push(null));
    socket.on("error", (error) => this.destroy(error));
    socket.on("close", () => this.destroy());
  }

  /** Was the last record a whole alert? TLS 1.3 hides its type, but its length is that of no other record but one of two bytes. */
  get sawEnd(): boolean {
    const isAlert = this.#type === ALERT || (this.#type === DATA && this.#length === HIDDEN_ALERT);
    return isAlert && this.#left === 0 && this.#head.length === 0;
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(bytes: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#socket.write(bytes, done);
  }

  override _final(done: () => void): void {
    this.#socket.end(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }

  #look(bytes: Buffer): void {
    for (let at = 0; at < bytes.length;) {
      if (this.#left > 0) {
        const skipped = Math.min(this.#left, bytes.length - at);
        this.#left -= skipped;
        at += skipped;
        continue;
      }
      this.#head.push(bytes[at++] ?? 0);
      if (this.#head.length < HEAD) continue;
      const [type = 0, , , high = 0, low = 0] = this.#head;
      this.#type = type;
      this.#length = this.#left = high * 256 + low;
      this.#head = [];
    }
  }
}

const HEAD = 5;
const ALERT = 21;
const DATA = 23;
const HIDDEN_ALERT = 19;
