import { cancelled } from "../core/errors.ts";
import type { Content } from "../core/backend.ts";
import { CHUNK_SIZE, forEachChunk, wrongSizeError } from "../net/byte_stream.ts";
import type { ContentReader, HttpConnection } from "./connection.ts";
import { concat, doubled, framingOf, keepsAlive, type ParsedHead } from "./message.ts";
import { networkToSyncError, type ResponseHead } from "./errors.ts";
import { awaitReply, lateError } from "./reply_wait.ts";
import { Watchdog } from "../net/transport.ts";
import { type OperationContext, operationError } from "../core/operation.ts";

/**
 * The body of a request. `open` returns the bytes from the start each time; fewer or more than `size` reject with
 * changed.
 */
export interface RequestBody {
  readonly size: number;
  open(): Promise<Content>;
  onBytes?(bytes: number): void;
  /** Called when the last byte was sent; not if a reply arrives before. */
  onSent?(): void;
}

/** A reply whose content must be consumed: by read() to its end, readAll(), chunks() or discard(). */
export interface HttpResponse extends ResponseHead {
  /**
   * Reads the next bytes of the content into the memory and returns them; undefined at the end. Rejects if it ends too
   * early.
   */
  read(into: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Discards the rest of the content and closes the connection. */
  abandon(): void;
  /**
   * Reads the whole content; rejects beyond `maxBytes` bytes, and if it ends too early. Uses `memory` if that is given and
   * large enough.
   */
  readAll(maxBytes: number, memory?: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * Returns the content in chunks as they arrive; rejects if it ends too early. An incomplete iteration closes the
   * connection.
   */
  chunks(): AsyncGenerator<Uint8Array<ArrayBuffer>>;
  /** Discards the content: reads it if it is short, so that the connection can be reused. */
  discard(): Promise<void>;
}

/** An encoded request: its head, and its body with the size. */
export interface EncodedRequest {
  readonly method: string;
  readonly head: Uint8Array<ArrayBuffer>;
  readonly content?: Content;
  readonly upload?: RequestBody;
  readonly replyTimeout?: number;
}

/**
 * The context of a request. `timeout`: ms without a byte in either direction. `replyTimeout`: the same between the last
 * byte of the request and the reply. `onProgress`: called when bytes were sent
 * or received. `onEnd`: called when the connection is free, with whether it can be reused.
 */
export interface ExchangeOptions {
  readonly context: OperationContext;
  readonly timeout: number;
  readonly replyTimeout: number;
  /** Reaches the server by another connection. Rejects if that fails: this one is then dead as well. */
  probe(): Promise<void>;
  onProgress(): void;
  onEnd(isReusable: boolean): void;
}

/** One running request on a connection of its own: its end ends all calls that wait for it. */
export class Exchange {
  readonly #connection: HttpConnection;
  readonly #options: ExchangeOptions;
  readonly #failure = Promise.withResolvers<never>();
  readonly #watchdog: Watchdog;
  readonly #onAbort = () => this.fail(cancelled(this.#options.context.signal, this.#options.context.operation));
  #error: unknown;
  #isOver = false;
  #isSent = false;
  #hasUpload = false;
  /** Aborted when no more of the body is needed; set only for a streamed body. */
  #bodyAbort: AbortController | undefined;

  constructor(connection: HttpConnection, options: ExchangeOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#watchdog = new Watchdog(
      options.replyTimeout,
      () => this.fail(lateError({ ...options, hasUpload: this.#hasUpload })),
    );
    this.#failure.promise.catch(() => undefined);
    options.context.signal.addEventListener("abort", this.#onAbort);
  }

  /**
   * Runs the exchange. Returns undefined if the server closed the connection without a reply, as it may after an idle
   * time.
   */
  async run(encoded: EncodedRequest): Promise<HttpResponse | undefined> {
    const { context } = this.#options;
    this.#hasUpload = encoded.upload !== undefined;
    try {
      if (context.signal.aborted) this.#onAbort();
      const nextHead = this.#connection.nextHead();
      // A reply that arrives before everything was sent ends the sending.
      nextHead.then(() => this.#bodyAbort?.abort(EXCHANGE_OVER), () => this.#bodyAbort?.abort(EXCHANGE_OVER));
      await this.#untilFailed(Promise.race([this.#send(encoded), nextHead]));
      this.#watchdog.start();
      const head = await awaitReply(this.#untilFailed(nextHead), {
        ...this.#options,
        fail: (error) => this.fail(error),
      });
      if (head?.status === 400) {
        await this.#untilFailed(this.#connection.assertPlainHttp(framingOf(encoded.method, head)));
      }
      this.#watchdog.stop();
      if (head !== undefined) return this.#toResponse(encoded.method, head);
      this.fail(new Error("the server ended the connection without an answer"));
      if (this.#connection.exchangeCount > 0) return undefined;
      throw this.#error;
    } catch (error) {
      this.fail(error);
      throw networkToSyncError(context, this.#error ?? error);
    }
  }

  /** Ends the exchange and its connection with the error. */
  fail(error: unknown): void {
    if (this.#isOver) return;
    this.#error = error;
    this.#failure.reject(error);
    this.#end(false);
  }

  async #untilFailed<T>(work: Promise<T>): Promise<T> {
    return await Promise.race([work, this.#failure.promise]);
  }

  async #send({ head, content, upload }: EncodedRequest): Promise<void> {
    const { context } = this.#options;
    const size = upload?.size ?? (content instanceof Uint8Array ? content.length : 0);
    if (content instanceof Uint8Array && content.length !== size) {
      throw wrongSizeError(context, { size, given: content.length });
    }
    if (content === undefined || (content instanceof Uint8Array && content.length <= SINGLE_WRITE_SIZE)) {
      upload?.onBytes?.(size);
      await this.#sendBytes(content === undefined ? head : concat(head, content));
    } else {
      await this.#sendBytes(head).catch(async (error) => {
        if (!(content instanceof Uint8Array)) await content.cancel().catch(() => undefined);
        throw error;
      });
      await this.#sendBody(content, { size, upload });
    }
    if (this.#bodyAbort?.signal.aborted !== true) upload?.onSent?.();
    this.#isSent = true;
  }

  async #sendBody(
    content: Content,
    { size, upload }: { readonly size: number; readonly upload: RequestBody | undefined },
  ): Promise<void> {
    const { context } = this.#options;
    const stop = this.#bodyAbort = new AbortController();
    if (this.#isOver) stop.abort(EXCHANGE_OVER);
    let sent = 0;
    const onChunk = async (bytes: Uint8Array<ArrayBuffer>) => {
      if (sent + bytes.length > size) throw wrongSizeError(context, { size, given: Infinity });
      sent += bytes.length;
      upload?.onBytes?.(bytes.length);
      for (let at = 0; at < bytes.length && !stop.signal.aborted; at += CHUNK_SIZE) {
        await this.#sendBytes(bytes.subarray(at, at + CHUNK_SIZE));
      }
    };
    try {
      await forEachChunk(content, onChunk, { signal: stop.signal, operation: context.operation, reusesBuffer: true });
      if (sent < size) throw wrongSizeError(context, { size, given: sent });
    } catch (error) {
      // The early reply explains more than the failure to send the rest.
      if (!stop.signal.aborted) throw error;
    }
  }

  /**
   * Sends bytes. If that fails but the server has already replied, it only stops sending the body; without a reply it
   * rejects.
   */
  async #sendBytes(bytes: Uint8Array): Promise<void> {
    try {
      await this.#connection.send(bytes);
      this.#options.onProgress();
    } catch (error) {
      if (await this.#connection.nextHead().catch(() => undefined) === undefined) throw error;
      this.#bodyAbort?.abort(EXCHANGE_OVER);
    }
  }

  #toResponse(method: string, head: ParsedHead): HttpResponse {
    const framing = framingOf(method, head);
    const isReusable = this.#isSent && keepsAlive(head, framing);
    const source = this.#connection.content(framing);
    const { status, headers } = head;
    const known = framing.by === "length" ? framing.length : undefined;
    if (framing.by === "none" || known === 0) this.#end(isReusable);
    const read = (into: Uint8Array<ArrayBuffer>) => this.#read(source, { into, isReusable });
    return {
      status,
      headers,
      read,
      abandon: () => this.fail(ABANDONED),
      readAll: (maxBytes, memory) => this.#readAll(read, { maxBytes, memory, expectedSize: known ?? CHUNK_SIZE }),
      chunks: () => this.#chunks(read),
      discard: async () => {
        if ((known ?? 0) > MAX_DISCARDED) return this.fail(ABANDONED);
        // The content is not needed, and neither is an error at its end.
        await this.#readAll(read, { maxBytes: MAX_DISCARDED, memory: undefined, expectedSize: known ?? MAX_DISCARDED })
          .catch(() => undefined);
      },
    };
  }

  async #read(
    source: ContentReader,
    { into, isReusable }: { readonly into: Uint8Array<ArrayBuffer>; readonly isReusable: boolean },
  ): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (this.#isOver && this.#error === undefined) return undefined;
    try {
      if (this.#error !== undefined) throw this.#error;
      const count = await this.#untilFailed(source(into));
      this.#options.onProgress();
      if (count !== undefined) return into.subarray(0, count);
      this.#end(isReusable);
      return undefined;
    } catch (error) {
      this.fail(error);
      throw networkToSyncError(this.#options.context, this.#error);
    }
  }

  async #readAll(
    read: HttpResponse["read"],
    { maxBytes, memory, expectedSize }: {
      readonly maxBytes: number;
      readonly memory: Uint8Array<ArrayBuffer> | undefined;
      readonly expectedSize: number;
    },
  ): Promise<Uint8Array<ArrayBuffer>> {
    // One byte more, so that the last read can return the end.
    let whole = memory ?? new Uint8Array(Math.min(expectedSize, maxBytes) + 1);
    for (let length = 0;;) {
      if (length === whole.length) whole = doubled(whole);
      const part = await read(whole.subarray(length));
      if (part === undefined) return whole.subarray(0, length);
      length += part.length;
      if (length <= maxBytes) continue;
      this.fail(ABANDONED);
      throw operationError(this.#options.context, "unexpected", { why: `the reply is longer than ${maxBytes} bytes` });
    }
  }

  async *#chunks(read: HttpResponse["read"]): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    try {
      for (;;) {
        const part = await read(new Uint8Array(MAX_DISCARDED));
        if (part === undefined) return;
        yield part;
      }
    } finally {
      this.fail(ABANDONED);
    }
  }

  #end(isReusable: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#bodyAbort?.abort(EXCHANGE_OVER);
    this.#watchdog[Symbol.dispose]();
    this.#options.context.signal.removeEventListener("abort", this.#onAbort);
    this.#options.onEnd(isReusable);
  }
}

/** The abort reason of a body that is no longer needed; it is never shown. */
const EXCHANGE_OVER = new Error("the exchange is over");
/** The reason for closing a connection whose reply is not read to its end. */
const ABANDONED = new Error("the reply was left");

const MAX_DISCARDED = 64 * 1024;
/** The largest body in bytes that is sent in one write with the head. */
const SINGLE_WRITE_SIZE = 64 * 1024;

/** Returns the error of every call after the session was closed. */
export function sessionClosed(context: OperationContext): Error {
  return operationError(context, "connection", { why: "the session is closed", transient: false });
}
