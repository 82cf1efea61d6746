import { cancelled } from "../core/errors.ts";
import type { Content } from "../core/backend.ts";
import { awaitContent } from "../net/byte_stream.ts";
import { HttpConnection } from "./connection.ts";
import { type EncodedRequest, Exchange, type HttpResponse, type RequestBody, sessionClosed } from "./exchange.ts";
import { formatRequest } from "./message.ts";
import { networkToSyncError } from "./errors.ts";
import type { ClientCertificate } from "../net/client_certificate.ts";
import { NestedCalls } from "../net/nested_calls.ts";
import { type StallTimeout, WaitQueue } from "../net/semaphore.ts";
import { dialTransport, type Transport } from "../net/transport.ts";
import { dialTls } from "../net/tls_transport.ts";
import { type OperationContext, operationError } from "../core/operation.ts";
import { isForwardProxy } from "../net/proxy_types.ts";
import { dialTcp, type Proxy } from "../net/tcp.ts";
import { Forwarding, sendThroughProxy } from "./forwarding.ts";
import { formatHostPort, withoutZone } from "../net/host.ts";

export type { HttpResponse, RequestBody } from "./exchange.ts";

export interface HttpEndpoint {
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
  /** See TlsTrust. */
  readonly pins?: readonly string[];
  readonly client?: ClientCertificate;
  readonly proxy?: Proxy | undefined;
  /** ms without a byte in either direction after which a request fails. */
  readonly timeout: number;
  readonly connections: number;
}

export interface HttpRequest {
  readonly method: string;
  /** Percent-encoded, from the server's root on. */
  readonly uri: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | RequestBody;
  /** ms to wait for the reply after the last byte was sent, if that is longer than the endpoint's timeout. */
  readonly replyTimeout?: number;
}

/**
 * Keep-alive connections to one server, HTTP/1.1 (RFC 9112): requests wait for a free one, for as long as the running
 * ones make progress. A reply holds its connection until its content is read: before that, no request may be made that
 * the reply depends on. Disposing ends every request. A request whose reply is lost is not sent again, since only a
 * caller that can check the outcome first may do so. The exception is a request that changes nothing: it is sent again,
 * once, if the server had closed the connection before it arrived.
 */
export class HttpClient implements AsyncDisposable {
  readonly #endpoint: HttpEndpoint;
  /** Set if a proxy passes on each request, rather than the connection. */
  readonly #forwarding: Forwarding | undefined;
  readonly #idle: HttpConnection[] = [];
  readonly #all = new Set<HttpConnection>();
  readonly #queue = new WaitQueue();
  readonly #nested = new NestedCalls();
  /**
   * Connections for the body of an upload. They do not count toward the limit, so that an upload can always open one.
   */
  readonly #extra = new Set<HttpConnection>();
  readonly #running = new Map<Exchange, OperationContext>();
  /** Callbacks that end the waits for connections being opened. */
  readonly #stops = new Set<() => void>();
  #dialing = 0;
  #isClosed = false;

  constructor(endpoint: HttpEndpoint) {
    this.#endpoint = endpoint;
    const { proxy, secure } = endpoint;
    if (!secure && isForwardProxy(proxy)) this.#forwarding = new Forwarding(proxy, endpoint);
  }

  /**
   * Sends one request and returns its reply, whatever its status. Rejects with connection, timeout, hostKey, cancelled,
   * badInput, or with the error of the body.
   */
  send(request: HttpRequest, context: OperationContext): Promise<HttpResponse> {
    const { proxy } = this.#endpoint;
    if (proxy === undefined) return this.#send(request, context);
    return sendThroughProxy(proxy, { context, forwarding: this.#forwarding, send: () => this.#send(request, context) });
  }

  async #send(request: HttpRequest, context: OperationContext): Promise<HttpResponse> {
    this.#assertOpen(context);
    const encoded = this.#encode(request);
    for (;;) {
      const content = await this.#openBody(encoded, context);
      const connection = await this.#acquire(context).catch((error) => {
        if (content !== undefined && !(content instanceof Uint8Array)) content.cancel().catch(() => undefined);
        throw error;
      });
      const isReused = connection.exchangeCount > 0;
      const complete = { ...encoded, ...(content === undefined ? {} : { content }) };
      const response = await this.#nested.run(() => this.#run(connection, complete, context));
      if (response !== undefined) return response;
      if (!isReused || !SAFE_METHODS.has(request.method)) {
        throw operationError(context, "connection", { why: "the server ended the connection without an answer" });
      }
    }
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    for (const [exchange, context] of this.#running) exchange.fail(sessionClosed(context));
    for (const connection of this.#all) connection.destroy();
    this.#all.clear();
    this.#idle.length = 0;
    for (const stop of this.#stops) stop();
    this.#queue.wakeAll();
    return Promise.resolve();
  }

  async #openBody({ upload, content }: EncodedRequest, context: OperationContext): Promise<Content | undefined> {
    return upload === undefined ? content : await this.#nested.run(() => awaitContent(upload.open(), context));
  }

  async #run(
    connection: HttpConnection,
    encoded: EncodedRequest,
    context: OperationContext,
  ): Promise<HttpResponse | undefined> {
    const onEnd = (isReusable: boolean) => {
      this.#running.delete(exchange);
      this.#release(connection, isReusable);
    };
    const onProgress = () => this.#queue.noteProgress();
    const { timeout } = this.#endpoint;
    const probe = async () => (await dialTcp(this.#endpoint, timeout)).close();
    const replyTimeout = Math.max(timeout, encoded.replyTimeout ?? 0);
    const exchange = new Exchange(connection, { context, timeout, replyTimeout, probe, onEnd, onProgress });
    this.#running.set(exchange, context);
    return await exchange.run(encoded);
  }

  #encode({ method, uri, headers, body, replyTimeout }: HttpRequest): EncodedRequest {
    const { secure, host, port } = this.#endpoint;
    const content = typeof body === "string" ? new TextEncoder().encode(body) : undefined;
    const upload = typeof body === "object" ? body : undefined;
    const size = upload?.size ?? content?.length;
    const head = formatRequest({
      method,
      uri: this.#forwarding === undefined ? uri : this.#forwarding.uriOf(uri),
      headers: {
        ...this.#forwarding?.headersFor(method),
        "host": formatHostPort({ host: withoutZone(host), port }, secure ? 443 : 80),
        "user-agent": "Tandem",
        "accept-encoding": "identity",
        ...(size === undefined ? {} : { "content-length": String(size) }),
        ...headers,
      },
    });
    return {
      method,
      head,
      ...(content === undefined ? {} : { content }),
      ...(upload === undefined ? {} : { upload }),
      ...(replyTimeout === undefined ? {} : { replyTimeout }),
    };
  }

  /** Reserves a connection for the caller until #release(). */
  async #acquire(context: OperationContext): Promise<HttpConnection> {
    for (;;) {
      // A cancelled waiter passes its wake-up on to the next one.
      if (context.signal.aborted) this.#queue.wakeNext();
      this.#assertOpen(context);
      const isNested = this.#nested.isNested;
      const isFull = this.#all.size - this.#extra.size + this.#dialing >= this.#endpoint.connections;
      const connection = this.#takeIdle() ?? (isNested || !isFull ? await this.#dial(context) : undefined);
      if (connection !== undefined && isNested) this.#extra.add(connection);
      if (connection !== undefined) return connection;
      await this.#queue.wait(context, this.#stallTimeout(context));
    }
  }

  #takeIdle(): HttpConnection | undefined {
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      if (idle.isSilent) return idle;
      this.#drop(idle);
    }
    return undefined;
  }

  async #dial(context: OperationContext): Promise<HttpConnection> {
    this.#dialing++;
    try {
      const dialing = this.#connect();
      const transport = await this.#unlessAborted(dialing, context.signal);
      if (transport === undefined || this.#isClosed || context.signal.aborted) {
        dialing.then((late) => late.destroy(), () => undefined);
        throw context.signal.aborted ? cancelled(context.signal, context.operation) : sessionClosed(context);
      }
      const connection = new HttpConnection(transport);
      this.#all.add(connection);
      return connection;
    } catch (error) {
      throw networkToSyncError(context, error);
    } finally {
      this.#dialing--;
      this.#queue.wakeNext();
    }
  }

  /**
   * Waits for the connection, but returns undefined as soon as it is no longer needed: an attempt without an answer
   * would otherwise last until its timeout.
   */
  async #unlessAborted(dialing: Promise<Transport>, signal: AbortSignal): Promise<Transport | undefined> {
    const { promise: over, resolve } = Promise.withResolvers<undefined>();
    const stop = () => resolve(undefined);
    this.#stops.add(stop);
    signal.addEventListener("abort", stop);
    try {
      return await Promise.race([dialing, over]);
    } finally {
      this.#stops.delete(stop);
      signal.removeEventListener("abort", stop);
    }
  }

  async #connect(): Promise<Transport> {
    const { secure, timeout } = this.#endpoint;
    if (this.#forwarding !== undefined) return await this.#forwarding.connect(timeout);
    if (!secure) return await dialTransport(this.#endpoint, timeout);
    const settings = {
      trust: this.#endpoint,
      timeout,
      expected: "https",
      options: { ALPNProtocols: ["http/1.1"] },
    } as const;
    return await dialTls(this.#endpoint, settings);
  }

  #stallTimeout(context: OperationContext): StallTimeout {
    const { timeout, connections } = this.#endpoint;
    const all = connections === 1 ? "the only connection" : `each of the ${connections} connections`;
    const why = `${all} is in use, and no byte moved on it for ${timeout / 1000} s; ` +
      "-Timeout allows more time, -Connections more of them";
    return { timeout, error: () => operationError(context, "timeout", { why }) };
  }

  #release(connection: HttpConnection, isReusable: boolean): void {
    this.#extra.delete(connection);
    const isSurplus = this.#all.size - this.#extra.size > this.#endpoint.connections;
    if (!isReusable || connection.hasSurplusBytes || isSurplus || this.#isClosed) return this.#drop(connection);
    connection.prepareNext();
    this.#idle.push(connection);
    this.#queue.wakeNext();
  }

  #drop(connection: HttpConnection): void {
    connection.destroy();
    this.#all.delete(connection);
    this.#extra.delete(connection);
    this.#queue.wakeNext();
  }

  #assertOpen(context: OperationContext): void {
    if (context.signal.aborted) throw cancelled(context.signal, context.operation);
    if (this.#isClosed) throw sessionClosed(context);
  }
}

/** Safe methods, which may be sent twice. RFC 9110, section 9.2.1; RFC 4918, section 9.1. */
const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "PROPFIND"]);
