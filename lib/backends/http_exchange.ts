import type http from "node:http";
import { cancelled } from "../errors.ts";
import type { Content } from "./backend.ts";
import { pour } from "./content.ts";
import { type Answer, type Ask, failure, toSyncError } from "./http_status.ts";
import { TimedOut } from "./http_tls.ts";

/** What a request carries. `open` gives the bytes anew each time; fewer or more than `size` reject with changed. */
export interface Upload {
  readonly size: number;
  open(): Promise<Content>;
  onBytes?(bytes: number): void;
}

/** A reply whose content must be taken: collect(), chunks() or drop(). */
export interface Reply extends Answer {
  /** The whole content; rejects beyond `most` bytes, and when it ends too early. */
  collect(most: number): Promise<Uint8Array<ArrayBuffer>>;
  /** The content as it comes; rejects when it ends too early. Left half way, the connection is closed. */
  chunks(): AsyncGenerator<Uint8Array<ArrayBuffer>>;
  /** Lets the content go: read where it is short, so that the connection can be used again. */
  drop(): Promise<void>;
}

/** On whose behalf a request is made, and what ends it. `timeout`: ms without a byte in either direction. */
export interface Terms {
  readonly ask: Ask;
  readonly timeout: number;
  readonly closing: AbortSignal;
}

/** One request under way: whatever ends it ends all who wait for it. */
export class Exchange {
  readonly #request: http.ClientRequest;
  readonly #terms: Terms;
  readonly #reply = Promise.withResolvers<http.IncomingMessage>();
  #incoming: http.IncomingMessage | undefined;
  #failed: unknown;
  #isOver = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #last = 0;
  /** Aborted when no more of the body is wanted; only a streamed body has it. */
  #stop: AbortController | undefined;
  readonly #onAbort = () => this.#fail(cancelled(this.#terms.ask.signal, this.#terms.ask.operation));
  readonly #onClosing = () => this.#fail(closed(this.#terms.ask));

  constructor(request: http.ClientRequest, terms: Terms) {
    this.#request = request;
    this.#terms = terms;
    this.#reply.promise.catch(() => undefined);
    terms.ask.signal.addEventListener("abort", this.#onAbort);
    terms.closing.addEventListener("abort", this.#onClosing);
    request.on("error", (error) => this.#fail(error));
    request.on("close", () => this.#incoming === undefined && this.#fail(new Error("it was closed")));
    request.on("socket", () => this.#startWatch());
    request.on("response", (incoming) => {
      this.#incoming = incoming;
      if (!this.#request.writableEnded) this.#stop?.abort(OVER);
      this.#touch();
      this.#reply.resolve(incoming);
    });
  }

  async run(content: Content | string | undefined, upload: Upload | undefined): Promise<Reply> {
    try {
      if (content === undefined || typeof content === "string") this.#request.end(content);
      else await Promise.race([this.#send(content, upload), this.#reply.promise]);
      const incoming = await this.#reply.promise;
      return {
        status: incoming.statusCode ?? 0,
        headers: incoming.headers,
        collect: (most) => this.#collect(incoming, most),
        chunks: () => this.#chunks(incoming),
        drop: () => this.#drop(incoming),
      };
    } catch (error) {
      this.#fail(error);
      throw toSyncError(this.#terms.ask, this.#failed ?? error);
    }
  }

  async #send(content: Content, upload: Upload | undefined): Promise<void> {
    const { ask } = this.#terms;
    const size = upload?.size ?? 0;
    let sent = 0;
    const take = async (bytes: Uint8Array<ArrayBuffer>) => {
      if (this.#isOver || this.#incoming !== undefined) {
        throw this.#failed ?? new Error("the reply came before the end of the upload");
      }
      if (sent + bytes.length > size) throw wrongSize(ask, { size, given: Infinity });
      if (bytes.length === 0) return;
      sent += bytes.length;
      upload?.onBytes?.(bytes.length);
      this.#touch();
      if (!this.#request.write(bytes)) await this.#drained();
    };
    try {
      if (content instanceof Uint8Array && content.length !== size) {
        throw wrongSize(ask, { size, given: content.length });
      }
      if (content instanceof Uint8Array) {
        upload?.onBytes?.(size);
        return void this.#request.end(content);
      }
      this.#stop = new AbortController();
      await pour(content, take, { signal: this.#stop.signal, operation: ask.operation });
      if (sent < size) throw wrongSize(ask, { size, given: sent });
    } catch (error) {
      // What the server said before all was sent tells more than that it would not take the rest.
      if (this.#incoming !== undefined) return;
      throw this.#failed ?? error;
    }
    this.#request.end();
  }

  async #drained(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const signal = this.#stop?.signal;
    this.#request.once("drain", resolve);
    const wake = () => resolve();
    signal?.addEventListener("abort", wake);
    await promise;
    signal?.removeEventListener("abort", wake);
    this.#request.off("drain", resolve);
  }

  async #collect(incoming: http.IncomingMessage, most: number): Promise<Uint8Array<ArrayBuffer>> {
    const parts: Uint8Array[] = [];
    let length = 0;
    for await (const part of this.#chunks(incoming)) {
      length += part.length;
      if (length > most) {
        throw failure(this.#terms.ask, "unexpected", { why: `the reply is longer than ${most} bytes` });
      }
      parts.push(part);
    }
    const whole = new Uint8Array(length);
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }

  async *#chunks(incoming: http.IncomingMessage): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    const wanted = incoming.headers["content-length"];
    let given = 0;
    let isComplete = false;
    try {
      for await (const part of incoming) {
        this.#touch();
        given += part.length;
        yield part;
      }
      if (this.#failed !== undefined) throw this.#failed;
      if (!incoming.complete || (wanted !== undefined && given < Number(wanted))) {
        throw new Error(`the reply ended after ${given} bytes`);
      }
      isComplete = true;
    } catch (error) {
      throw toSyncError(this.#terms.ask, this.#failed ?? error);
    } finally {
      if (isComplete) this.#end();
      else this.#fail(new Error("the reply was left"));
    }
  }

  async #drop(incoming: http.IncomingMessage): Promise<void> {
    const length = Number(incoming.headers["content-length"] ?? 0);
    const isShort = length <= WORTH_READING && this.#request.writableEnded;
    if (!isShort) return this.#fail(new Error("the reply was dropped"));
    // What the reply says beyond its status is wanted by nobody: neither is how it ends.
    await this.#collect(incoming, WORTH_READING).catch(() => undefined);
  }

  #startWatch(): void {
    this.#touch();
    // A connection that fails at once may bring its socket a second time.
    clearTimeout(this.#timer);
    const look = () => {
      const left = this.#terms.timeout - (performance.now() - this.#last);
      if (left <= 0) return this.#fail(new TimedOut());
      this.#timer = setTimeout(look, left);
    };
    if (!this.#isOver) look();
  }

  #touch(): void {
    this.#last = performance.now();
  }

  #fail(error: unknown): void {
    if (this.#isOver) return;
    this.#failed = error;
    this.#end();
    this.#reply.reject(error);
    this.#request.destroy();
    this.#incoming?.destroy();
  }

  #end(): void {
    this.#isOver = true;
    this.#stop?.abort(OVER);
    if (!this.#request.writableEnded) this.#request.destroy();
    clearTimeout(this.#timer);
    this.#terms.ask.signal.removeEventListener("abort", this.#onAbort);
    this.#terms.closing.removeEventListener("abort", this.#onClosing);
  }
}

/** Why a body is no longer wanted; it is never shown. */
const OVER = new Error("the exchange is over");

const WORTH_READING = 64 * 1024;

/** The error of every call after the end. */
export function closed(ask: Ask): Error {
  return failure(ask, "connection", { why: "the session is closed", transient: false });
}

/** The error of a source that gave another number of bytes than it was said to have. */
function wrongSize(ask: Ask, { size, given }: { readonly size: number; readonly given: number }): Error {
  const much = given > size ? "more" : `only ${given}`;
  return failure(ask, "changed", { why: `its source gave ${much} than the ${size} bytes it was listed with` });
}
