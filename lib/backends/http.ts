import { Buffer } from "node:buffer";
import http from "node:http";
import type net from "node:net";
import { cancelled } from "../errors.ts";
import { opened } from "./content.ts";
import { closed, Exchange, type Reply, type Upload } from "./http_exchange.ts";
import type { Ask } from "./http_status.ts";
import { connectTls, type Secured } from "./http_tls.ts";
import type { ClientCertificate } from "./tls_client.ts";

export type { Reply, Upload } from "./http_exchange.ts";

export interface HttpPlace {
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
  readonly pins: readonly string[];
  readonly client?: ClientCertificate;
  /** ms without a byte in either direction after which a request is given up. */
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
    request.on("socket", (socket) => {
      // Deno 2.9 sends a request once more by itself when a connection that was used before breaks (its issue 36786): a write whose
      // reply was lost would happen twice. Whether to try again is decided by those who can look first.
      request.reusedSocket = false;
      this.#watch(socket);
    });
    return request;
  }

  #watch(socket: net.Socket): void {
    if (this.#sockets.has(socket)) return;
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.once("close", () => this.#sockets.delete(socket));
  }

  #connectTls(_options: unknown, done: (error: unknown, socket?: net.Socket) => void): void {
    // A server that refuses this side's certificate may break a connection that was just made.
    const handOver = ({ socket, whyBroken }: Secured) =>
      whyBroken() === undefined ? done(null, socket) : done(whyBroken());
    connectTls(this.#place).then(handOver, done);
  }
}

function ending(socket: net.Socket): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.once("close", () => resolve());
  socket.destroy();
  return promise;
}
