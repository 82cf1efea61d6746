import { Buffer } from "node:buffer";
import type net from "node:net";
import { Duplex } from "node:stream";

/** A connection as the runtime opens it, or one through a proxy. */
export type RawConnection = Pick<Deno.TcpConn, "read" | "write" | "closeWrite" | "close">;

/** Bytes of one read from the connection. */
const READ_SIZE = 64 * 1024;

/** A connection as a stream of node:stream, read only while its reader wants bytes. */
export class ConnectionStream extends Duplex {
  readonly #connection: RawConnection;
  readonly #memory = new Uint8Array(READ_SIZE);
  #isWanted = false;
  #isReading = false;

  constructor(connection: RawConnection) {
    super({ readableHighWaterMark: READ_SIZE });
    this.#connection = connection;
  }

  /** Whether the connection may be read on. */
  protected get hasRoom(): boolean {
    return true;
  }

  /** Called with each chunk before its reader gets it. */
  protected onBytes(_bytes: Uint8Array): void {}

  /** Reads from the connection if the reader wants bytes and there is room for them. */
  async pump(): Promise<void> {
    if (this.#isReading) return;
    this.#isReading = true;
    try {
      while (this.#isWanted && this.hasRoom) {
        const count = await this.#connection.read(this.#memory);
        if (count === null) return void this.push(null);
        const bytes = Buffer.from(this.#memory.subarray(0, count));
        this.onBytes(bytes);
        this.#isWanted = false;
        this.push(bytes);
      }
    } catch (error) {
      this.destroy(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.#isReading = false;
    }
  }

  override _read(): void {
    this.#isWanted = true;
    void this.pump();
  }

  override _write(bytes: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#send(bytes).then(() => done(), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#connection.closeWrite().then(() => done(), () => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#connection.close();
    done(error);
  }

  async #send(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) at += await this.#connection.write(bytes.subarray(at));
  }
}

/** A connection in the form of a socket, as far as the client libraries of SSH and FTP use one. */
class SocketStream extends ConnectionStream {
  readonly remoteAddress: string;

  constructor(connection: RawConnection, host: string) {
    super(connection);
    this.remoteAddress = host;
  }

  /** Does nothing: a stream that decodes text cannot carry TLS later, and the reader decodes bytes itself. */
  override setEncoding(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  setTimeout(): this {
    return this;
  }
}

/** Returns the connection as a socket; its errors are those of its reader and writer. `host`: the peer's. */
export function toSocket(connection: RawConnection, host: string): net.Socket {
  const stream = new SocketStream(connection, host);
  stream.on("error", () => {});
  return stream as Duplex as net.Socket;
}
