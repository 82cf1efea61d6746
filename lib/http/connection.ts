import { Buffer } from "node:buffer";
import { type Framing, type ParsedHead, parseHead } from "./message.ts";
import { explainWrongPeer, explainWrongProtocol, requiresTls } from "../net/peer_protocol.ts";
import type { Transport } from "../net/transport.ts";
import { wrongProtocolError } from "../net/net_error.ts";

/**
 * A connection to a web server, used for one exchange after another. It reads at all times, so that it detects a server
 * closing the idle connection. Rejects with Errors that name no request.
 */
export class HttpConnection {
  readonly #transport: Transport;
  readonly #buffer = new Uint8Array(BUFFER_SIZE);
  #start = 0;
  #end = 0;
  #nextHead: Promise<ParsedHead | undefined>;
  #isSilent = true;
  /** The number of exchanges so far. */
  exchangeCount = 0;

  constructor(transport: Transport) {
    this.#transport = transport;
    this.#nextHead = this.#listen();
  }

  /** Whether the server has sent nothing since the last exchange. */
  get isSilent(): boolean {
    return this.#isSilent;
  }

  /** Whether bytes follow the content that was read. Their meaning is then undefined. */
  get hasSurplusBytes(): boolean {
    return this.#end > this.#start;
  }

  /**
   * Waits for the head of the next reply, without a time limit; returns undefined if the server closes the connection
   * instead.
   */
  nextHead(): Promise<ParsedHead | undefined> {
    return this.#nextHead;
  }

  async send(bytes: Uint8Array): Promise<void> {
    await this.#transport.write(bytes);
  }

  /** Returns the content of the reply whose head was read last. */
  content(framing: Framing): ContentReader {
    switch (framing.by) {
      case "none":
        return () => Promise.resolve(undefined);
      case "length":
        return this.#readerOfLength(framing.length);
      case "chunks":
        return this.#readerOfChunks();
      case "close":
        return (into) => this.#readContent(into);
      default:
        return framing satisfies never;
    }
  }

  /**
   * Rejects if the first reply refuses the request because the port expects TLS. Its content is read ahead and kept for
   * the reader.
   */
  async assertPlainHttp(framing: Framing): Promise<void> {
    if (this.exchangeCount > 0) return;
    const maxBytes = framing.by === "length"
      ? Math.min(framing.length, MAX_TLS_MESSAGE)
      : framing.by === "close"
      ? MAX_TLS_MESSAGE
      : 0;
    while (this.#end - this.#start < maxBytes && this.#end < BUFFER_SIZE) {
      const count = await this.#transport.read(this.#buffer.subarray(this.#end));
      if (count === undefined) break;
      this.#end += count;
    }
    const text = Buffer.from(this.#buffer.buffer, 0, this.#end).toString("latin1", this.#start);
    if (requiresTls(text.slice(0, MAX_TLS_MESSAGE))) throw wrongProtocolError(explainWrongPeer("TLS", "http"));
  }

  /** Called when an exchange was read to its end: prepares for the next one. */
  prepareNext(): void {
    this.exchangeCount++;
    this.#isSilent = true;
    this.#nextHead = this.#listen();
  }

  destroy(): void {
    this.#transport.destroy();
  }

  #listen(): Promise<ParsedHead | undefined> {
    const next = this.#readHead();
    const heard = () => void (this.#isSilent = false);
    next.then(heard, heard);
    return next;
  }

  async #readHead(): Promise<ParsedHead | undefined> {
    for (let interim = 0; interim <= MAX_INTERIM; interim++) {
      const text = await this.#readUntil("\r\n\r\n", { untimed: true });
      if (text === undefined) return undefined;
      const head = parseHead(text);
      // Interim replies such as "100 Continue" precede the reply.
      if (head.status >= 200 || head.status === 101) return head;
    }
    throw new Error(`the server sent more than ${MAX_INTERIM} interim replies before the final one`);
  }

  /** Reads up to the mark and returns the text before it; undefined if the connection ends first. */
  async #readUntil(delimiter: string, { untimed }: { readonly untimed: boolean }): Promise<string | undefined> {
    for (let seen = this.#start;;) {
      const buffered = Buffer.from(this.#buffer.buffer, 0, this.#end);
      const at = buffered.indexOf(delimiter, Math.max(this.#start, seen - delimiter.length), "latin1");
      if (at >= 0) {
        const text = buffered.toString("latin1", this.#start, at);
        this.#start = at + delimiter.length;
        return text;
      }
      seen = this.#end;
      if (this.#start > 0) {
        this.#buffer.copyWithin(0, this.#start, this.#end);
        this.#end -= this.#start;
        seen -= this.#start;
        this.#start = 0;
      }
      if (this.#end === BUFFER_SIZE) throw new Error("the headers of the server's reply are too long");
      const count = await this.#transport.read(this.#buffer.subarray(this.#end), { untimed });
      if (count === undefined && this.#end === 0) return undefined;
      if (count === undefined) throw new Error("the server's reply ended within its headers");
      this.#end += count;
      // Servers of other protocols may send first, and would never send the mark.
      const why = untimed && this.exchangeCount === 0
        ? explainWrongProtocol(this.#buffer.subarray(0, this.#end), "http")
        : undefined;
      if (why !== undefined) throw wrongProtocolError(why);
    }
  }

  /** Reads the bytes buffered after the headers first, then those of the connection. */
  async #readContent(into: Uint8Array<ArrayBuffer>): Promise<number | undefined> {
    const buffered = Math.min(this.#end - this.#start, into.length);
    if (buffered === 0) return await this.#transport.read(into);
    into.set(this.#buffer.subarray(this.#start, this.#start + buffered));
    this.#start += buffered;
    return buffered;
  }

  #readerOfLength(length: number): ContentReader {
    let left = length;
    return async (into) => {
      if (left === 0) return undefined;
      const count = await this.#readContent(into.subarray(0, left));
      if (count === undefined) throw new Error(`the reply ended ${left} bytes too early`);
      left -= count;
      return count;
    };
  }

  #readerOfChunks(): ContentReader {
    let left = 0;
    let isOver = false;
    let extensionBytes = 0;
    const nextChunk = async () => {
      const line = await this.#readUntil("\r\n", { untimed: false });
      const [, digits] = /^([0-9A-Fa-f]{1,12})[ \t]*(?:;.*)?$/.exec(line ?? "") ?? [];
      if (digits === undefined) throw new Error("the chunks of the reply are malformed");
      left = parseInt(digits, 16);
      // Chunk extensions are ignored, and must not be larger than the content.
      extensionBytes += (line?.length ?? 0) - digits.length;
      if (extensionBytes > BUFFER_SIZE) throw new Error("the chunk extensions of the reply are too long");
      if (left > 0) return;
      isOver = true;
      // Trailers after the content are ignored, but they must end.
      for (let length = 0;;) {
        const trailer = await this.#readUntil("\r\n", { untimed: false });
        if (trailer === "") return;
        length += trailer?.length ?? Infinity;
        if (length > BUFFER_SIZE) throw new Error("the trailers of the reply are too long");
      }
    };
    return async (into) => {
      if (left === 0 && !isOver) await nextChunk();
      if (isOver) return undefined;
      const count = await this.#readContent(into.subarray(0, left));
      if (count === undefined) throw new Error("the reply ended in the middle of a chunk");
      left -= count;
      if (left === 0 && await this.#readUntil("\r\n", { untimed: false }) !== "") {
        throw new Error("the chunks of the reply are malformed");
      }
      return count;
    };
  }
}

/** Reads the next bytes of a content into the memory and returns their number; undefined at its end. */
export type ContentReader = (into: Uint8Array<ArrayBuffer>) => Promise<number | undefined>;

/** More bytes than any server's message that the port expects TLS, with its markup. */
const MAX_TLS_MESSAGE = 4096;
/** Interim answers (1xx) ahead of the reply. */
const MAX_INTERIM = 20;
/** Buffer size in bytes: longer than the headers of any reply. */
const BUFFER_SIZE = 64 * 1024;
