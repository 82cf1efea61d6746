import { Buffer } from "node:buffer";
import http from "node:http";
import type net from "node:net";
import { cancelled } from "../errors.ts";
import type { Content } from "./backend.ts";
import { opened, pour } from "./content.ts";
import { type Answer, type Ask, failure, toSyncError } from "./webdav_status.ts";
import { connectTls, TimedOut } from "./webdav_tls.ts";

export interface HttpPlace {
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
  readonly pins: readonly string[];
  /** ms without a byte in either direction after which a request is given up. */
  readonly timeout: number;
  readonly connections: number;
}

/** What a request carries. `open` gives the bytes anew each time; fewer or more than `size` reject with changed. */
export interface Upload {
  readonly size: number;
  open(): Promise<Content>;
  onBytes?(bytes: number): void;
}

export interface Sending {
  readonly method: string;
  /** Percent-encoded, from the server's root on. */
  readonly uri: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Upload;
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

/** Keep-alive connections to one server: requests wait for a free one. Ends every request when disposed. */
export class Http implements AsyncDisposable {
  readonly #place: HttpPlace;
  readonly #agent: http.Agent;
  readonly #closing = new AbortController();
  readonly #sockets = new Set<net.Socket>();

  constructor(place: HttpPlace) {
    this.#place = place;
    const { connections } = place;
    this.#agent = new http.Agent({
      keepAlive: true,
      maxSockets: connections,
      maxFreeSockets: connections,
      scheduling: "lifo",
    });
    if (place.secure) Object.assign(this.#agent, { createConnection: this.#connectTls.bind(this) });
  }

  /** One request and its reply, whatever its status. Rejects with connection, timeout, hostKey, cancelled, or with what the body rejects with. */
  async exchange(sending: Sending, ask: Ask): Promise<Reply> {
    if (ask.signal.aborted) throw cancelled(ask.signal, ask.operation);
    if (this.#closing.signal.aborted) throw closed(ask);
    const { body } = sending;
    const content = body === undefined || typeof body === "string" ? body : await opened(body.open(), ask);
    const exchange = new Exchange(this.#request(sending), {
      ask,
      timeout: this.#place.timeout,
      closing: this.#closing.signal,
    });
    return await exchange.run(content, typeof body === "object" ? body : undefined);
  }

  get isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    this.#agent.destroy();
    await Promise.all([...this.#sockets].map(ending));
  }

  #request({ method, uri, headers, body }: Sending): http.ClientRequest {
    const { host, port, secure } = this.#place;
    const size = typeof body === "string" ? Buffer.byteLength(body) : body?.size;
    const standard = port === (secure ? 443 : 80);
    const shown = host.includes(":") ? `[${host}]` : host;
    const request = http.request({
      host,
      port,
      method,
      path: uri,
      agent: this.#agent,
      setHost: false,
      headers: {
        "host": standard ? shown : `${shown}:${port}`,
        "user-agent": "Tandem",
        "accept-encoding": "identity",
        ...(size === undefined ? {} : { "content-length": String(size) }),
        ...headers,
      },
    });
    request.on("socket", (socket) => this.#watch(socket));
    return request;
  }

  #watch(socket: net.Socket): void {
    if (this.#sockets.has(socket)) return;
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.once("close", () => this.#sockets.delete(socket));
  }

  #connectTls(_options: unknown, done: (error: unknown, socket?: net.Socket) => void): void {
    connectTls(this.#place).then((socket) => done(null, socket), (error) => done(error));
  }
}

interface Terms {
  readonly ask: Ask;
  readonly timeout: number;
  readonly closing: AbortSignal;
}

/** One request under way: whatever ends it ends all who wait for it. */
class Exchange {
  readonly #request: http.ClientRequest;
  readonly #terms: Terms;
  readonly #reply = Promise.withResolvers<http.IncomingMessage>();
  #incoming: http.IncomingMessage | undefined;
  #failed: unknown;
  #isOver = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #last = 0;
  /** Aborted when no more of the body is wanted. */
  readonly #stop = new AbortController();
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
      if (!this.#request.writableEnded) this.#stop.abort();
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
      const { signal } = this.#stop;
      await pour(content, take, { signal, operation: ask.operation });
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
    const { signal } = this.#stop;
    this.#request.once("drain", resolve);
    const wake = () => resolve();
    signal.addEventListener("abort", wake);
    await promise;
    signal.removeEventListener("abort", wake);
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
    this.#stop.abort();
    if (!this.#request.writableEnded) this.#request.destroy();
    clearTimeout(this.#timer);
    this.#terms.ask.signal.removeEventListener("abort", this.#onAbort);
    this.#terms.closing.removeEventListener("abort", this.#onClosing);
  }
}

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

function ending(socket: net.Socket): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.once("close", () => resolve());
  socket.destroy();
  return promise;
}
