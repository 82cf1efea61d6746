import { type ErrorKind, SyncError } from "../core/errors.ts";
import type { ProxyAddress } from "../core/proxy.ts";
import type { RawConnection } from "./connection_stream.ts";
import { NETWORK_OPERATION, PROXY_FAILED } from "./net_error.ts";

/** The user of a proxy. */
export interface ProxyLogin {
  readonly user: string;
  readonly password: string;
}

/** A proxy, the source of its address, and the user whom it alone gets to know. */
export interface ProxySettings {
  readonly address: ProxyAddress;
  readonly label: string;
  readonly source: string;
  login(): Promise<ProxyLogin | undefined>;
  hideSecret(secret: string): void;
}

/** The longest answer of a proxy to the request for a connection, in bytes. */
const MAX_ANSWER = 16 * 1024;

/** The exchange with a proxy before it carries the connection. */
export class ProxyHandshake {
  readonly #settings: ProxySettings;
  readonly #connection: RawConnection;
  readonly #buffer = new Uint8Array(MAX_ANSWER);
  #start = 0;
  #end = 0;

  constructor(settings: ProxySettings, connection: RawConnection) {
    this.#settings = settings;
    this.#connection = connection;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) at += await this.#connection.write(bytes.subarray(at));
  }

  /** Reads exactly so many bytes. */
  async take(count: number): Promise<Uint8Array> {
    while (this.#end - this.#start < count) await this.#readMore();
    this.#start += count;
    return this.#buffer.slice(this.#start - count, this.#start);
  }

  /** Reads the lines up to the next empty one. Throws for an answer that does not begin with the text. */
  async takeHead(opening: string): Promise<string | undefined> {
    for (;;) {
      const text = new TextDecoder("latin1").decode(this.#buffer.subarray(this.#start, this.#end));
      if (!text.startsWith(opening.slice(0, text.length))) return undefined;
      const at = text.indexOf("\r\n\r\n");
      if (at >= 0) {
        this.#start += at + 4;
        return text.slice(0, at);
      }
      await this.#readMore();
    }
  }

  /** Returns the connection to the server, whose first bytes may have come with the proxy's answer. */
  tunnel(): RawConnection {
    let rest = this.#buffer.subarray(this.#start, this.#end);
    const connection = this.#connection;
    if (rest.length === 0) return connection;
    return {
      read: async (into) => {
        if (rest.length === 0) return await connection.read(into);
        const part = rest.subarray(0, into.length);
        into.set(part);
        rest = rest.subarray(part.length);
        return part.length;
      },
      write: (bytes) => connection.write(bytes),
      closeWrite: () => connection.closeWrite(),
      close: () => connection.close(),
    };
  }

  /** Returns the error of a proxy that refuses, or that is none. */
  error(kind: ErrorKind, why: string, transient = false): SyncError {
    return proxyError(this.#settings, kind, why, transient);
  }

  /** Returns the error of a proxy that wants a user, or another one. */
  loginError(hasLogin: boolean): SyncError {
    return this.error("auth", explainLogin(hasLogin));
  }

  async #readMore(): Promise<void> {
    if (this.#end === MAX_ANSWER) throw this.error("connection", "sends an answer without end");
    const count = await this.#connection.read(this.#buffer.subarray(this.#end));
    if (count === null) throw this.error("connection", "closed the connection instead of an answer", true);
    this.#end += count;
  }
}

/** Returns why a proxy lets nobody through, and what to give it. */
export function explainLogin(hasLogin: boolean): string {
  return hasLogin
    ? "refuses its user or password: check the user in its address, and the password in TANDEM_PROXY_PASSWORD"
    : "asks for a user: write it in its address, http://user@host:port, and set TANDEM_PROXY_PASSWORD";
}

/** Returns the error of a proxy: a sentence that names it. */
export function proxyError(
  { label, source }: Pick<ProxySettings, "label" | "source">,
  kind: ErrorKind,
  why: string,
  transient = false,
): SyncError {
  const facts = { operation: NETWORK_OPERATION, id: PROXY_FAILED, ...(transient ? { transient } : {}) };
  return new SyncError(kind, `the proxy ${label} (${source}) ${why}`, facts);
}
