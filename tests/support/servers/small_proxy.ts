import { Buffer } from "node:buffer";
import net from "node:net";

/** How a proxy of a test behaves. */
export interface SmallProxyOptions {
  /** "user:password" that it wants. */
  readonly login?: string;
  /** What it sends to a client's first bytes instead of an answer; it then closes, unless it `hangs`. */
  readonly answer?: string | Uint8Array;
  readonly hangs?: boolean;
  /** Ports to which it does not connect. */
  readonly refuses?: (port: number) => boolean;
}

/** A proxy on 127.0.0.1: CONNECT, requests in absolute form, and SOCKS5. Every name leads to 127.0.0.1. */
export interface SmallProxy extends AsyncDisposable {
  readonly port: number;
  /** "CONNECT host:port", "GET http://host/x" or "SOCKS host:port" of each request so far. */
  readonly asked: readonly string[];
  /** The logins that it was shown: "user:password", or "" for none. */
  readonly logins: readonly string[];
  /** What clients sent to servers through it, as text. */
  carried(): string;
}

/** Starts it. */
export async function startSmallProxy(options: SmallProxyOptions = {}): Promise<SmallProxy> {
  const state: State = { options, asked: [], logins: [], carried: [], open: new Set() };
  const server = net.createServer((socket) => void serve(socket, state).catch(() => socket.destroy()));
  const listening = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", listening.resolve);
  await listening.promise;
  const address = server.address();
  return {
    port: address !== null && typeof address === "object" ? address.port : 0,
    asked: state.asked,
    logins: state.logins,
    carried: () => Buffer.concat(state.carried).toString("latin1"),
    async [Symbol.asyncDispose]() {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      for (const socket of state.open) socket.destroy();
      await closed.promise;
    },
  };
}

interface State {
  readonly options: SmallProxyOptions;
  readonly asked: string[];
  readonly logins: string[];
  readonly carried: Uint8Array[];
  readonly open: Set<net.Socket>;
}

/** The bytes of one client, as its requests need them. */
class Client {
  #held = Buffer.alloc(0);
  readonly #socket: net.Socket;
  readonly #bytes: AsyncIterator<Buffer>;

  constructor(socket: net.Socket) {
    this.#socket = socket;
    this.#bytes = socket[Symbol.asyncIterator]();
  }

  async peek(): Promise<number> {
    await this.#until(() => this.#held.length > 0);
    return this.#held[0] ?? 0;
  }

  async take(count: number): Promise<Buffer> {
    await this.#until(() => this.#held.length >= count);
    const taken = this.#held.subarray(0, count);
    this.#held = this.#held.subarray(count);
    return taken;
  }

  async head(): Promise<string> {
    await this.#until(() => this.#held.includes("\r\n\r\n"));
    return (await this.take(this.#held.indexOf("\r\n\r\n") + 4)).toString("latin1");
  }

  async carry(target: net.Socket, carried: Uint8Array[]): Promise<void> {
    target.on("data", (bytes) => this.#socket.write(bytes));
    target.resume();
    target.on("close", () => this.#socket.end());
    for (let bytes: Buffer | undefined = this.#held;;) {
      if (bytes.length > 0) {
        carried.push(bytes);
        target.write(bytes);
      }
      bytes = (await this.#bytes.next()).value as Buffer | undefined;
      if (bytes === undefined) return void target.end();
    }
  }

  async #until(isEnough: () => boolean): Promise<void> {
    while (!isEnough()) {
      const { value, done } = await this.#bytes.next();
      if (done === true) throw new Error("the client is gone");
      this.#held = Buffer.concat([this.#held, value]);
    }
  }
}

async function serve(socket: net.Socket, state: State): Promise<void> {
  track(socket, state);
  const client = new Client(socket);
  const first = await client.peek();
  const { answer, hangs } = state.options;
  if (answer !== undefined) socket.write(answer);
  if (hangs === true) return;
  if (answer !== undefined) return void socket.end();
  await (first === 5 ? serveSocks(client, socket, state) : serveHttp(client, socket, state));
}

async function serveHttp(client: Client, socket: net.Socket, state: State): Promise<void> {
  const { options, asked, logins } = state;
  for (;;) {
    const head = await client.head();
    const [method = "", target = ""] = head.split(" ");
    asked.push(`${method} ${target}`);
    const [, token] = /\r\nproxy-authorization: Basic ([^\r]*)/i.exec(head) ?? [];
    const login = token === undefined ? "" : Buffer.from(token, "base64").toString();
    logins.push(login);
    if (options.login !== undefined && login !== options.login) {
      socket.write('HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n');
      continue;
    }
    const url = new URL(method === "CONNECT" ? `http://${target}` : target);
    const port = Number(url.port || 80);
    if (options.refuses?.(port) === true) return void socket.end("HTTP/1.1 403 Forbidden\r\n\r\n");
    const server = await connect(port, state);
    if (method === "CONNECT") {
      const greeting = await firstBytes(server);
      // With the answer in one piece: a greeting of the server comes as early as can be.
      socket.write(Buffer.concat([Buffer.from("HTTP/1.1 200 OK\r\n\r\n"), greeting]));
    } else {
      const own = head.replace(/^(\S+) \S+/, `$1 ${url.pathname}`).replace(/\r\nproxy-authorization:[^\r]*/i, "");
      state.carried.push(Buffer.from(own));
      server.write(own);
    }
    return await client.carry(server, state.carried);
  }
}

async function serveSocks(client: Client, socket: net.Socket, state: State): Promise<void> {
  const { options, asked, logins } = state;
  const [, count = 0] = await client.take(2);
  const methods = [...await client.take(count)];
  const method = options.login === undefined ? 0 : 2;
  if (!methods.includes(method)) return void socket.end(Uint8Array.of(5, 255));
  socket.write(Uint8Array.of(5, method));
  const field = async () => (await client.take((await client.take(1))[0] ?? 0)).toString();
  if (method === 2) {
    await client.take(1);
    const login = `${await field()}:${await field()}`;
    logins.push(login);
    if (login !== options.login) return void socket.end(Uint8Array.of(1, 1));
    socket.write(Uint8Array.of(1, 0));
  }
  const [, , , kind] = await client.take(4);
  const host = kind === 3 ? await field() : [...await client.take(kind === 1 ? 4 : 16)].join(kind === 1 ? "." : ",");
  const [high = 0, low = 0] = await client.take(2);
  const port = high * 256 + low;
  asked.push(`SOCKS ${host}:${port}`);
  if (options.refuses?.(port) === true) return void socket.end(Uint8Array.of(5, 2, 0, 1, 0, 0, 0, 0, 0, 0));
  const server = await connect(port, state);
  socket.write(Uint8Array.of(5, 0, 0, 1, 0, 0, 0, 0, 0, 0));
  await client.carry(server, state.carried);
}

function connect(port: number, state: State): Promise<net.Socket> {
  const { promise, resolve } = Promise.withResolvers<net.Socket>();
  const server = net.connect({ host: "127.0.0.1", port, noDelay: true }, () => resolve(server));
  track(server, state);
  return promise;
}

/** What a server says first, if it says it soon. */
async function firstBytes(server: net.Socket): Promise<Buffer> {
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  const onData = (bytes: Buffer) => resolve(bytes);
  server.once("data", onData);
  const timer = setTimeout(() => resolve(Buffer.alloc(0)), 50);
  const bytes = await promise;
  clearTimeout(timer);
  server.off("data", onData);
  server.pause();
  return bytes;
}

function track(socket: net.Socket, { open }: State): void {
  open.add(socket);
  socket.on("error", () => socket.destroy());
  socket.on("close", () => open.delete(socket));
}
