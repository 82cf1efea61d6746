import { cancelled } from "../core/errors.ts";
import type { Content } from "../core/backend.ts";
import { CHUNK, pour } from "../net/byte_stream.ts";
import type { Connection, Source } from "./connection.ts";
import { framingOf, type Head, staysOpen } from "./message.ts";
import { type Answer, toSyncError } from "./errors.ts";
import { lost, Watch } from "../net/transport.ts";
import { type OperationContext, operationError } from "../core/operation.ts";

/**
 * The body of a request. `open` returns the bytes from the start each time; fewer or more than `size` reject with
 * changed.
 */
export interface Upload {
  readonly size: number;
  open(): Promise<Content>;
  onBytes?(bytes: number): void;
}

/** A reply whose content must be consumed: by fill() to its end, collect(), chunks() or drop(). */
export interface Reply extends Answer {
  /**
   * Reads the next bytes of the content into the memory and returns them; undefined at the end. Rejects if it ends too
   * early.
   */
  fill(into: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Discards the rest of the content and closes the connection. */
  leave(): void;
  /**
   * Reads the whole content; rejects beyond `most` bytes, and if it ends too early. Uses `memory` if that is given and
   * large enough.
   */
  collect(most: number, memory?: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * Returns the content in chunks as they arrive; rejects if it ends too early. An incomplete iteration closes the
   * connection.
   */
  chunks(): AsyncGenerator<Uint8Array<ArrayBuffer>>;
  /** Discards the content: reads it if it is short, so that the connection can be reused. */
  drop(): Promise<void>;
}

/** An encoded request: its head, and its body with the size. */
export interface Outgoing {
  readonly method: string;
  readonly head: Uint8Array<ArrayBuffer>;
  readonly content?: Content;
  readonly upload?: Upload;
}

/**
 * The context of a request. `timeout`: ms without a byte in either direction. `onProgress`: called when bytes were sent
 * or received. `onEnd`: called when the connection is free, with whether it can be reused.
 */
export interface Terms {
  readonly ask: OperationContext;
  readonly timeout: number;
  onProgress(): void;
  onEnd(isReusable: boolean): void;
}

/** One running request on a connection of its own: its end ends all calls that wait for it. */
export class Exchange {
  readonly #connection: Connection;
  readonly #terms: Terms;
  readonly #failing = Promise.withResolvers<never>();
  readonly #waiting: Watch;
  readonly #onAbort = () => this.fail(cancelled(this.#terms.ask.signal, this.#terms.ask.operation));
  #failed: unknown;
  #isOver = false;
  #isSent = false;
  /** Aborted when no more of the body is needed; set only for a streamed body. */
  #stop: AbortController | undefined;

  constructor(connection: Connection, terms: Terms) {
    this.#connection = connection;
    this.#terms = terms;
    this.#waiting = new Watch(terms.timeout, () => this.fail(lost("timeout", "no answer in time")));
    this.#failing.promise.catch(() => undefined);
    terms.ask.signal.addEventListener("abort", this.#onAbort);
  }

  /**
   * Runs the exchange. Returns undefined if the server closed the connection without a reply, as it may after an idle
   * time.
   */
  async run(outgoing: Outgoing): Promise<Reply | undefined> {
    const { ask } = this.#terms;
    try {
      if (ask.signal.aborted) this.#onAbort();
      const coming = this.#connection.head();
      // A reply that arrives before everything was sent ends the sending.
      coming.then(() => this.#stop?.abort(OVER), () => this.#stop?.abort(OVER));
      await this.#until(Promise.race([this.#send(outgoing), coming]));
      this.#waiting.begin();
      const head = await this.#until(coming);
      if (head?.status === 400) await this.#until(this.#connection.mustTakeClear(framingOf(outgoing.method, head)));
      this.#waiting.end();
      if (head !== undefined) return this.#toReply(outgoing.method, head);
      this.fail(new Error("the server ended the connection without an answer"));
      if (this.#connection.used > 0) return undefined;
      throw this.#failed;
    } catch (error) {
      this.fail(error);
      throw toSyncError(ask, this.#failed ?? error);
    }
  }

  /** Ends the exchange and its connection with the error. */
  fail(error: unknown): void {
    if (this.#isOver) return;
    this.#failed = error;
    this.#failing.reject(error);
    this.#end(false);
  }

  async #until<T>(work: Promise<T>): Promise<T> {
    return await Promise.race([work, this.#failing.promise]);
  }

  async #send({ head, content, upload }: Outgoing): Promise<void> {
    const { ask } = this.#terms;
    const size = upload?.size ?? (content instanceof Uint8Array ? content.length : 0);
    if (content instanceof Uint8Array && content.length !== size) {
      throw wrongSize(ask, { size, given: content.length });
    }
    if (content === undefined || (content instanceof Uint8Array && content.length <= SMALL)) {
      upload?.onBytes?.(size);
      await this.#put(content === undefined ? head : joined(head, content));
    } else {
      await this.#put(head).catch(async (error) => {
        if (!(content instanceof Uint8Array)) await content.cancel().catch(() => undefined);
        throw error;
      });
      await this.#pour(content, { size, upload });
    }
    this.#isSent = true;
  }

  async #pour(
    content: Content,
    { size, upload }: { readonly size: number; readonly upload: Upload | undefined },
  ): Promise<void> {
    const { ask } = this.#terms;
    const stop = this.#stop = new AbortController();
    if (this.#isOver) stop.abort(OVER);
    let sent = 0;
    const take = async (bytes: Uint8Array<ArrayBuffer>) => {
      if (sent + bytes.length > size) throw wrongSize(ask, { size, given: Infinity });
      sent += bytes.length;
      upload?.onBytes?.(bytes.length);
      for (let at = 0; at < bytes.length && !stop.signal.aborted; at += CHUNK) {
        await this.#put(bytes.subarray(at, at + CHUNK));
      }
    };
    try {
      await pour(content, take, { signal: stop.signal, operation: ask.operation, recycles: true });
      if (sent < size) throw wrongSize(ask, { size, given: sent });
    } catch (error) {
      // The early reply explains more than the failure to send the rest.
      if (!stop.signal.aborted) throw error;
    }
  }

  /**
   * Sends bytes. If that fails but the server has already replied, it only stops sending the body; without a reply it
   * rejects.
   */
  async #put(bytes: Uint8Array): Promise<void> {
    try {
      await this.#connection.send(bytes);
      this.#terms.onProgress();
    } catch (error) {
      if (await this.#connection.head().catch(() => undefined) === undefined) throw error;
      this.#stop?.abort(OVER);
    }
  }

  #toReply(method: string, head: Head): Reply {
    const framing = framingOf(method, head);
    const isReusable = this.#isSent && staysOpen(head, framing);
    const source = this.#connection.content(framing);
    const { status, headers } = head;
    const known = framing.by === "length" ? framing.length : undefined;
    if (framing.by === "none" || known === 0) this.#end(isReusable);
    const fill = (into: Uint8Array<ArrayBuffer>) => this.#fill(source, { into, isReusable });
    return {
      status,
      headers,
      fill,
      leave: () => this.fail(LEFT),
      collect: (most, memory) => this.#collect(fill, { most, memory, likely: known ?? CHUNK }),
      chunks: () => this.#chunks(fill),
      drop: async () => {
        if ((known ?? 0) > WORTH_READING) return this.fail(LEFT);
        // The content is not needed, and neither is an error at its end.
        await this.#collect(fill, { most: WORTH_READING, memory: undefined, likely: known ?? WORTH_READING })
          .catch(() => undefined);
      },
    };
  }

  async #fill(
    source: Source,
    { into, isReusable }: { readonly into: Uint8Array<ArrayBuffer>; readonly isReusable: boolean },
  ): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (this.#isOver && this.#failed === undefined) return undefined;
    try {
      if (this.#failed !== undefined) throw this.#failed;
      const count = await this.#until(source(into));
      this.#terms.onProgress();
      if (count !== undefined) return into.subarray(0, count);
      this.#end(isReusable);
      return undefined;
    } catch (error) {
      this.fail(error);
      throw toSyncError(this.#terms.ask, this.#failed);
    }
  }

  async #collect(
    fill: Reply["fill"],
    { most, memory, likely }: {
      readonly most: number;
      readonly memory: Uint8Array<ArrayBuffer> | undefined;
      readonly likely: number;
    },
  ): Promise<Uint8Array<ArrayBuffer>> {
    // One byte more, so that the last read can return the end.
    let whole = memory ?? new Uint8Array(Math.min(likely, most) + 1);
    for (let length = 0;;) {
      if (length === whole.length) whole = grown(whole);
      const part = await fill(whole.subarray(length));
      if (part === undefined) return whole.subarray(0, length);
      length += part.length;
      if (length <= most) continue;
      this.fail(LEFT);
      throw operationError(this.#terms.ask, "unexpected", { why: `the reply is longer than ${most} bytes` });
    }
  }

  async *#chunks(fill: Reply["fill"]): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    try {
      for (;;) {
        const part = await fill(new Uint8Array(WORTH_READING));
        if (part === undefined) return;
        yield part;
      }
    } finally {
      this.fail(LEFT);
    }
  }

  #end(isReusable: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stop?.abort(OVER);
    this.#waiting[Symbol.dispose]();
    this.#terms.ask.signal.removeEventListener("abort", this.#onAbort);
    this.#terms.onEnd(isReusable);
  }
}

/** The abort reason of a body that is no longer needed; it is never shown. */
const OVER = new Error("the exchange is over");
/** The reason for closing a connection whose reply is not read to its end. */
const LEFT = new Error("the reply was left");

const WORTH_READING = 64 * 1024;
/** The largest body in bytes that is sent in one write with the head. */
const SMALL = 64 * 1024;

/** Returns the error of every call after the session was closed. */
export function closed(ask: OperationContext): Error {
  return operationError(ask, "connection", { why: "the session is closed", transient: false });
}

/** Returns the error of a source that returned another number of bytes than its listed size. */
function wrongSize(ask: OperationContext, { size, given }: { readonly size: number; readonly given: number }): Error {
  const much = given > size ? "more" : `only ${given}`;
  return operationError(ask, "changed", { why: `its source gave ${much} than the ${size} bytes it was listed with` });
}

function joined(head: Uint8Array, content: Uint8Array): Uint8Array {
  const all = new Uint8Array(head.length + content.length);
  all.set(head);
  all.set(content, head.length);
  return all;
}

function grown(memory: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(2 * memory.length);
  larger.set(memory);
  return larger;
}
