import { cancelled } from "../core/errors.ts";
import type { Content } from "../core/backend.ts";
import { opened } from "../net/byte_stream.ts";
import { Connection } from "./connection.ts";
import { closed, Exchange, type Outgoing, type Reply, type Upload } from "./exchange.ts";
import { formatRequest } from "./message.ts";
import { toSyncError } from "./errors.ts";
import type { ClientCertificate } from "../net/client_certificate.ts";
import { Nested } from "../net/nested_calls.ts";
import { type Standstill, Turns } from "../net/semaphore.ts";
import { dialWire, type Wire } from "../net/transport.ts";
import { dialTls } from "../net/tls_transport.ts";
import { type OperationContext, operationError } from "../core/operation.ts";

export type { Reply, Upload } from "./exchange.ts";

export interface HttpPlace {
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
  /** See TlsTrust. */
  readonly pins?: readonly string[];
  readonly client?: ClientCertificate;
  /** ms without a byte in either direction after which a request fails. */
  readonly timeout: number;
  readonly connections: number;
}

export interface Sending {
  readonly method: string;
  /** Percent-encoded, from the server's root on. */
  readonly uri: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Upload;
}

/**
 * Keep-alive connections to one server, HTTP/1.1 (RFC 9112): requests wait for a free one, for as long as the running
 * ones make progress. A reply holds its connection until its content is read: before that, no request may be made that
 * the reply depends on. Disposing ends every request. A request whose reply is lost is not sent again, since only a
 * caller that can check the outcome first may do so. The exception is a request that changes nothing: it is sent again,
 * once, if the server had closed the connection before it arrived.
 */
export class Http implements AsyncDisposable {
  readonly #place: HttpPlace;
  readonly #idle: Connection[] = [];
  readonly #all = new Set<Connection>();
  readonly #turns = new Turns();
  readonly #nested = new Nested();
  /**
   * Connections for the body of an upload. They do not count toward the limit, so that an upload can always open one.
   */
  readonly #beyond = new Set<Connection>();
  readonly #running = new Map<Exchange, OperationContext>();
  /** Callbacks that end the waits for connections being opened. */
  readonly #stops = new Set<() => void>();
  #dialling = 0;
  #isClosed = false;

  constructor(place: HttpPlace) {
    this.#place = place;
  }

  /**
   * Sends one request and returns its reply, whatever its status. Rejects with connection, timeout, hostKey, cancelled,
   * badInput, or with the error of the body.
   */
  async exchange(sending: Sending, ask: OperationContext): Promise<Reply> {
    this.#mustBeOpen(ask);
    const outgoing = this.#toOutgoing(sending);
    for (;;) {
      const content = await this.#contentOf(outgoing, ask);
      const connection = await this.#lease(ask).catch((error) => {
        if (content !== undefined && !(content instanceof Uint8Array)) content.cancel().catch(() => undefined);
        throw error;
      });
      const isReused = connection.used > 0;
      const whole = { ...outgoing, ...(content === undefined ? {} : { content }) };
      const reply = await this.#nested.run(() => this.#run(connection, whole, ask));
      if (reply !== undefined) return reply;
      if (!isReused || !HARMLESS.has(sending.method)) {
        throw operationError(ask, "connection", { why: "the server ended the connection without an answer" });
      }
    }
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    for (const [exchange, ask] of this.#running) exchange.fail(closed(ask));
    for (const connection of this.#all) connection.destroy();
    this.#all.clear();
    this.#idle.length = 0;
    for (const stop of this.#stops) stop();
    this.#turns.all();
    return Promise.resolve();
  }

  async #contentOf({ upload, content }: Outgoing, ask: OperationContext): Promise<Content | undefined> {
    return upload === undefined ? content : await this.#nested.run(() => opened(upload.open(), ask));
  }

  async #run(connection: Connection, outgoing: Outgoing, ask: OperationContext): Promise<Reply | undefined> {
    const onEnd = (isReusable: boolean) => {
      this.#running.delete(exchange);
      this.#release(connection, isReusable);
    };
    const onProgress = () => this.#turns.progress();
    const exchange = new Exchange(connection, { ask, timeout: this.#place.timeout, onEnd, onProgress });
    this.#running.set(exchange, ask);
    return await exchange.run(outgoing);
  }

  #toOutgoing({ method, uri, headers, body }: Sending): Outgoing {
    const { host, port, secure } = this.#place;
    const content = typeof body === "string" ? new TextEncoder().encode(body) : undefined;
    const upload = typeof body === "object" ? body : undefined;
    const size = upload?.size ?? content?.length;
    const standard = port === (secure ? 443 : 80);
    const shown = host.includes(":") ? `[${host}]` : host;
    const head = formatRequest({
      method,
      uri,
      headers: {
        "host": standard ? shown : `${shown}:${port}`,
        "user-agent": "Tandem",
        "accept-encoding": "identity",
        ...(size === undefined ? {} : { "content-length": String(size) }),
        ...headers,
      },
    });
    return { method, head, ...(content === undefined ? {} : { content }), ...(upload === undefined ? {} : { upload }) };
  }

  /** Reserves a connection for the caller until #release(). */
  async #lease(ask: OperationContext): Promise<Connection> {
    for (;;) {
      // A cancelled waiter passes its wake-up on to the next one.
      if (ask.signal.aborted) this.#turns.next();
      this.#mustBeOpen(ask);
      const isNested = this.#nested.isInside;
      const isFull = this.#all.size - this.#beyond.size + this.#dialling >= this.#place.connections;
      const connection = this.#quiet() ?? (isNested || !isFull ? await this.#dial(ask) : undefined);
      if (connection !== undefined && isNested) this.#beyond.add(connection);
      if (connection !== undefined) return connection;
      await this.#turns.wait(ask, this.#standstill(ask));
    }
  }

  #quiet(): Connection | undefined {
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      if (idle.isQuiet) return idle;
      this.#drop(idle);
    }
    return undefined;
  }

  async #dial(ask: OperationContext): Promise<Connection> {
    this.#dialling++;
    try {
      const coming = this.#connect();
      const wire = await this.#unlessOver(coming, ask.signal);
      if (wire === undefined || this.#isClosed || ask.signal.aborted) {
        coming.then((late) => late.destroy(), () => undefined);
        throw ask.signal.aborted ? cancelled(ask.signal, ask.operation) : closed(ask);
      }
      const connection = new Connection(wire);
      this.#all.add(connection);
      return connection;
    } catch (error) {
      throw toSyncError(ask, error);
    } finally {
      this.#dialling--;
      this.#turns.next();
    }
  }

  /**
   * Waits for the connection, but returns undefined as soon as it is no longer needed: an attempt without an answer
   * would otherwise last until its timeout.
   */
  async #unlessOver(coming: Promise<Wire>, signal: AbortSignal): Promise<Wire | undefined> {
    const { promise: over, resolve } = Promise.withResolvers<undefined>();
    const stop = () => resolve(undefined);
    this.#stops.add(stop);
    signal.addEventListener("abort", stop);
    try {
      return await Promise.race([coming, over]);
    } finally {
      this.#stops.delete(stop);
      signal.removeEventListener("abort", stop);
    }
  }

  async #connect(): Promise<Wire> {
    const { secure, timeout } = this.#place;
    if (!secure) return await dialWire(this.#place, timeout);
    const settings = {
      trust: this.#place,
      timeout,
      wanted: "https",
      options: { ALPNProtocols: ["http/1.1"] },
    } as const;
    return await dialTls(this.#place, settings);
  }

  #standstill(ask: OperationContext): Standstill {
    const { timeout, connections } = this.#place;
    const all = connections === 1 ? "the only connection" : `each of the ${connections} connections`;
    const why = `${all} is in use, and no byte moved on it for ${timeout / 1000} s; ` +
      "-Timeout allows more time, -Connections more of them";
    return { timeout, error: () => operationError(ask, "timeout", { why }) };
  }

  #release(connection: Connection, isReusable: boolean): void {
    this.#beyond.delete(connection);
    const isSurplus = this.#all.size - this.#beyond.size > this.#place.connections;
    if (!isReusable || connection.hasMore || isSurplus || this.#isClosed) return this.#drop(connection);
    connection.renew();
    this.#idle.push(connection);
    this.#turns.next();
  }

  #drop(connection: Connection): void {
    connection.destroy();
    this.#all.delete(connection);
    this.#beyond.delete(connection);
    this.#turns.next();
  }

  #mustBeOpen(ask: OperationContext): void {
    if (ask.signal.aborted) throw cancelled(ask.signal, ask.operation);
    if (this.#isClosed) throw closed(ask);
  }
}

/** Safe methods, which may be sent twice. RFC 9110, section 9.2.1; RFC 4918, section 9.1. */
const HARMLESS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "PROPFIND"]);
