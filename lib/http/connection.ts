import { Buffer } from "node:buffer";
import { type Framing, type Head, parseHead } from "./message.ts";
import { demandsTls, wrongPeer, wrongProtocol } from "../net/peer_protocol.ts";
import { misdirected, type Wire } from "../net/transport.ts";

/**
 * A connection to a web server, used for one exchange after another. It reads at all times, so that it detects a server
 * closing the idle connection. Rejects with Errors that name no request.
 */
export class Connection {
  readonly #wire: Wire;
  readonly #memory = new Uint8Array(HELD);
  #start = 0;
  #end = 0;
  #next: Promise<Head | undefined>;
  #isQuiet = true;
  /** The number of exchanges so far. */
  used = 0;

  constructor(wire: Wire) {
    this.#wire = wire;
    this.#next = this.#listen();
  }

  /** Whether the server has sent nothing since the last exchange. */
  get isQuiet(): boolean {
    return this.#isQuiet;
  }

  /** Whether bytes follow the content that was read. Their meaning is then undefined. */
  get hasMore(): boolean {
    return this.#end > this.#start;
  }

  /**
   * Waits for the head of the next reply, without a time limit; returns undefined if the server closes the connection
   * instead.
   */
  head(): Promise<Head | undefined> {
    return this.#next;
  }

  async send(bytes: Uint8Array): Promise<void> {
    await this.#wire.write(bytes);
  }

  /** Returns the content of the reply whose head was read last. */
  content(framing: Framing): Source {
    switch (framing.by) {
      case "none":
        return () => Promise.resolve(undefined);
      case "length":
        return this.#counted(framing.length);
      case "chunks":
        return this.#chunked();
      case "close":
        return (into) => this.#take(into);
      default:
        return framing satisfies never;
    }
  }

  /**
   * Rejects if the first reply refuses the request because the port expects TLS. Its content is read ahead and kept for
   * the reader.
   */
  async mustTakeClear(framing: Framing): Promise<void> {
    if (this.used > 0) return;
    const most = framing.by === "length" ? Math.min(framing.length, MOST_SAID) : framing.by === "close" ? MOST_SAID : 0;
    while (this.#end - this.#start < most && this.#end < HELD) {
      const count = await this.#wire.read(this.#memory.subarray(this.#end));
      if (count === undefined) break;
      this.#end += count;
    }
    const text = Buffer.from(this.#memory.buffer, 0, this.#end).toString("latin1", this.#start);
    if (demandsTls(text.slice(0, MOST_SAID))) throw misdirected(wrongPeer("TLS", "http"));
  }

  /** Called when an exchange was read to its end: prepares for the next one. */
  renew(): void {
    this.used++;
    this.#isQuiet = true;
    this.#next = this.#listen();
  }

  destroy(): void {
    this.#wire.destroy();
  }

  #listen(): Promise<Head | undefined> {
    const next = this.#readHead();
    const heard = () => void (this.#isQuiet = false);
    next.then(heard, heard);
    return next;
  }

  async #readHead(): Promise<Head | undefined> {
    for (let interim = 0; interim <= MOST_INTERIM; interim++) {
      const text = await this.#textUntil("\r\n\r\n", { patient: true });
      if (text === undefined) return undefined;
      const head = parseHead(text);
      // Interim replies such as "100 Continue" precede the reply.
      if (head.status >= 200 || head.status === 101) return head;
    }
    throw new Error(`the server sent more than ${MOST_INTERIM} answers that announce another one`);
  }

  /** Reads up to the mark and returns the text before it; undefined if the connection ends first. */
  async #textUntil(mark: string, { patient }: { readonly patient: boolean }): Promise<string | undefined> {
    for (let seen = this.#start;;) {
      const held = Buffer.from(this.#memory.buffer, 0, this.#end);
      const at = held.indexOf(mark, Math.max(this.#start, seen - mark.length), "latin1");
      if (at >= 0) {
        const text = held.toString("latin1", this.#start, at);
        this.#start = at + mark.length;
        return text;
      }
      seen = this.#end;
      if (this.#start > 0) {
        this.#memory.copyWithin(0, this.#start, this.#end);
        this.#end -= this.#start;
        seen -= this.#start;
        this.#start = 0;
      }
      if (this.#end === HELD) throw new Error("the server's answer has too long headers");
      const count = await this.#wire.read(this.#memory.subarray(this.#end), { patient });
      if (count === undefined && this.#end === 0) return undefined;
      if (count === undefined) throw new Error("the server's answer broke off in its headers");
      this.#end += count;
      // Servers of other protocols may send first, and would never send the mark.
      const why = patient && this.used === 0 ? wrongProtocol(this.#memory.subarray(0, this.#end), "http") : undefined;
      if (why !== undefined) throw misdirected(why);
    }
  }

  /** Reads the bytes buffered after the headers first, then those of the connection. */
  async #take(into: Uint8Array<ArrayBuffer>): Promise<number | undefined> {
    const held = Math.min(this.#end - this.#start, into.length);
    if (held === 0) return await this.#wire.read(into);
    into.set(this.#memory.subarray(this.#start, this.#start + held));
    this.#start += held;
    return held;
  }

  #counted(length: number): Source {
    let left = length;
    return async (into) => {
      if (left === 0) return undefined;
      const count = await this.#take(into.subarray(0, left));
      if (count === undefined) throw new Error(`the reply ended ${left} bytes too early`);
      left -= count;
      return count;
    };
  }

  #chunked(): Source {
    let left = 0;
    let isOver = false;
    let beside = 0;
    const nextChunk = async () => {
      const line = await this.#textUntil("\r\n", { patient: false });
      const [, digits] = /^([0-9A-Fa-f]{1,12})[ \t]*(?:;.*)?$/.exec(line ?? "") ?? [];
      if (digits === undefined) throw new Error("the reply's chunks cannot be understood");
      left = parseInt(digits, 16);
      // Chunk extensions are ignored, and must not be larger than the content.
      beside += (line?.length ?? 0) - digits.length;
      if (beside > HELD) throw new Error("the reply has too much beside the content of its chunks");
      if (left > 0) return;
      isOver = true;
      // Trailers after the content are ignored, but they must end.
      for (let length = 0;;) {
        const trailer = await this.#textUntil("\r\n", { patient: false });
        if (trailer === "") return;
        length += trailer?.length ?? Infinity;
        if (length > HELD) throw new Error("the reply has no clear end behind its last chunk");
      }
    };
    return async (into) => {
      if (left === 0 && !isOver) await nextChunk();
      if (isOver) return undefined;
      const count = await this.#take(into.subarray(0, left));
      if (count === undefined) throw new Error("the reply ended in the middle of a chunk");
      left -= count;
      if (left === 0 && await this.#textUntil("\r\n", { patient: false }) !== "") {
        throw new Error("the reply's chunks cannot be understood");
      }
      return count;
    };
  }
}

/** Reads the next bytes of a content into the memory and returns their number; undefined at its end. */
export type Source = (into: Uint8Array<ArrayBuffer>) => Promise<number | undefined>;

/** More bytes than any server's message that the port expects TLS, with its markup. */
const MOST_SAID = 4096;
/** Interim answers (1xx) ahead of the reply. */
const MOST_INTERIM = 20;
/** Buffer size in bytes: longer than the headers of any reply. */
const HELD = 64 * 1024;
