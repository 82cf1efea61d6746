import type { Buffer } from "node:buffer";
import type net from "node:net";
import type { Duplex } from "node:stream";
import tls from "node:tls";
import type { SyncError } from "../core/errors.ts";
import { CloseNotifyDetector } from "./close_notify.ts";
import { ConnectionStream, type RawConnection } from "./connection_stream.ts";
import { type ExpectedProtocol, explainWrongProtocol } from "./peer_protocol.ts";
import { tlsConnectionOptions, type TlsTrust, verifyPeer } from "./tls.ts";
import { dialTcp, type Peer } from "./tcp.ts";
import { MinimumRate, type Transport, Watchdog } from "./transport.ts";
import { networkError, timeoutError, wrongProtocolError } from "./net_error.ts";

/** The settings of a TLS connection. No read or write on it may stall for longer than `timeout` ms. */
export interface TlsSettings {
  readonly trust: TlsTrust;
  readonly timeout: number;
  /** The expected protocol, for the error if the peer answers without TLS. */
  readonly expected: ExpectedProtocol;
  /** Additional options of the handshake: versions, a session to resume, ALPN. */
  readonly options?: tls.ConnectionOptions;
}

/**
 * Opens a TLS connection and verifies the peer before anything is sent. Rejects with hostKey, otherwise with the error
 * of the network or of TLS.
 */
export async function dialTls(peer: Peer, settings: TlsSettings): Promise<Transport> {
  const transport = new TlsTransport(await dialTcp(peer, settings.timeout), settings);
  await transport.ready;
  return transport;
}

/** Starts TLS on a connection without waiting for the handshake: reads and writes wait for its end. */
export function startTls(connection: RawConnection, settings: TlsSettings): Transport {
  return new TlsTransport(connection, settings);
}

/** Bytes of content that are buffered for a slow reader; the connection is not read further until they are taken. */
const MAX_BUFFERED = 256 * 1024;
/** Bytes that the connection must accept within the timeout, however slow it is. */
const WRITE_SIZE = 64 * 1024;

/**
 * The encrypted side of a TLS connection. The runtime's own TLS sockets read on while they are paused, and hold in
 * memory all that their reader has not taken (Deno 2.9.6): here the connection is read only while `hasRoom`, so that
 * TCP flow control stops the peer. That also exposes the certificate, which `Deno.connectTls` does not, and the
 * records, which distinguish a cut connection from an ended one.
 */
class CiphertextStream extends ConnectionStream {
  readonly closeNotify = new CloseNotifyDetector();
  /** The bytes of the first read. */
  firstBytes: Uint8Array = new Uint8Array();
  readonly #hasRoom: () => boolean;

  constructor(connection: RawConnection, hasRoom: () => boolean) {
    super(connection);
    this.#hasRoom = hasRoom;
  }

  protected override get hasRoom(): boolean {
    return this.#hasRoom();
  }

  protected override onBytes(bytes: Uint8Array): void {
    if (this.firstBytes.length === 0) this.firstBytes = bytes;
    this.closeNotify.push(bytes);
  }
}

class TlsTransport implements Transport {
  /** Resolves when the peer is verified. */
  readonly ready: Promise<void>;
  readonly #handshake = Promise.withResolvers<void>();
  readonly #ciphertext: CiphertextStream;
  readonly #socket: tls.TLSSocket;
  readonly #expected: ExpectedProtocol;
  readonly #rate: MinimumRate;
  readonly #handshakeWatchdog: Watchdog;
  readonly #readWatchdog: Watchdog;
  readonly #writeWatchdog: Watchdog;
  readonly #parts: Buffer<ArrayBufferLike>[] = [];
  readonly #onFailure = new Set<(why: unknown) => void>();
  #buffered = 0;
  #failure: unknown;
  #isReady = false;
  #isEnded = false;
  #wakeReader: (() => void) | undefined;

  constructor(connection: RawConnection, { trust, timeout, expected, options }: TlsSettings) {
    this.#expected = expected;
    this.#rate = new MinimumRate(timeout);
    this.#handshakeWatchdog = new Watchdog(timeout, () => this.#fail(timeoutError("TLS was not agreed on", timeout)));
    this.#readWatchdog = new Watchdog(timeout, () => this.#fail(timeoutError("no byte came", timeout)));
    this.#writeWatchdog = new Watchdog(timeout, () => this.#fail(timeoutError("no byte was taken", timeout)));
    this.ready = this.#handshake.promise;
    this.ready.catch(() => {});
    this.#handshakeWatchdog.start();
    this.#ciphertext = new CiphertextStream(connection, () => this.#buffered < MAX_BUFFERED);
    // The runtime accepts any duplex stream; only the types require a socket.
    const stream = this.#ciphertext as Duplex as net.Socket;
    this.#socket = tls.connect({ ...tlsConnectionOptions(trust), ...options, socket: stream });
    this.#listen(trust);
  }

  readonly endedCleanly = (): boolean => this.#ciphertext.closeNotify.endedCleanly;

  async read(into: Uint8Array<ArrayBuffer>, { untimed } = { untimed: false }): Promise<number | undefined> {
    if (!this.#isReady) await this.ready;
    const since = performance.now();
    if (!untimed) this.#readWatchdog.start();
    try {
      for (;;) {
        const count = this.#copyBuffered(into);
        if (untimed) this.#rate.reset();
        else if (count > 0) this.#assertRate(performance.now() - since, count);
        if (count > 0) return count;
        if (this.#isEnded) return undefined;
        if (this.#failure !== undefined) throw this.#failure;
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#wakeReader = resolve;
        await promise;
      }
    } finally {
      this.#wakeReader = undefined;
      this.#readWatchdog.stop();
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (!this.#isReady) await this.ready;
    for (let at = 0; at < bytes.length; at += WRITE_SIZE) {
      await this.#untilDone((done) => this.#socket.write(bytes.subarray(at, at + WRITE_SIZE), done));
    }
  }

  async end(): Promise<void> {
    if (!this.#isReady) await this.ready;
    await this.#untilDone((done) => this.#socket.end(() => done()));
  }

  destroy(): void {
    this.#parts.length = 0;
    this.#fail(networkError("connection", "the connection was given up"));
  }

  /** Adds the listeners before the handshake begins, since bytes may arrive immediately after it. */
  #listen(trust: TlsTrust): void {
    const socket = this.#socket;
    socket.on("error", (error) => this.#fail(this.#isReady ? brokenError(error) : this.#handshakeError(error)));
    socket.on("end", () => {
      this.#isEnded = true;
      this.#wakeReader?.();
    });
    socket.on("close", () => {
      if (!this.#isReady) this.#fail(this.#handshakeError(networkError("connection", NO_TLS)));
      else if (!this.#isEnded) {
        this.#fail(networkError("connection", "the server closed the connection before the end"));
      }
    });
    socket.on("data", (part: Buffer<ArrayBufferLike>) => {
      this.#parts.push(part);
      this.#buffered += part.length;
      this.#wakeReader?.();
    });
    socket.once("secureConnect", () => {
      try {
        verifyPeer(socket, trust);
      } catch (error) {
        return this.#fail(error);
      }
      this.#isReady = true;
      this.#handshakeWatchdog[Symbol.dispose]();
      this.#handshake.resolve();
    });
  }

  /** Returns the error of a failed handshake. If the peer sent another protocol, it names that protocol. */
  #handshakeError(error: Error): Error {
    const why = explainWrongProtocol(this.#ciphertext.firstBytes, this.#expected);
    return why === undefined ? error : wrongProtocolError(why);
  }

  /** Copies buffered bytes into the memory as far as they fit, and resumes reading from the peer. */
  #copyBuffered(into: Uint8Array): number {
    let at = 0;
    while (at < into.length) {
      const [first] = this.#parts;
      if (first === undefined) break;
      const part = first.subarray(0, into.length - at);
      into.set(part, at);
      at += part.length;
      if (part.length === first.length) this.#parts.shift();
      else this.#parts[0] = first.subarray(part.length);
    }
    this.#buffered -= at;
    if (at > 0) void this.#ciphertext.pump();
    return at;
  }

  #assertRate(ms: number, bytes: number): void {
    try {
      this.#rate.count(ms, bytes);
    } catch (error) {
      this.#fail(error);
      throw error;
    }
  }

  /** Waits until the socket calls `done`, or breaks. */
  async #untilDone(work: (done: (error?: Error | null) => void) => void): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#onFailure.add(reject);
    this.#writeWatchdog.start();
    try {
      work((error) => error ? reject(networkError("connection", error.message, error)) : resolve());
      await promise;
    } finally {
      this.#onFailure.delete(reject);
      this.#writeWatchdog.stop();
    }
  }

  #fail(why: unknown): void {
    if (this.#failure === undefined) this.#failure = why;
    for (const watchdog of [this.#handshakeWatchdog, this.#readWatchdog, this.#writeWatchdog]) {
      watchdog[Symbol.dispose]();
    }
    this.#socket.destroy();
    this.#ciphertext.destroy();
    this.#handshake.reject(this.#failure);
    for (const reject of this.#onFailure) reject(this.#failure);
    this.#wakeReader?.();
  }
}

const NO_TLS = "the server closed the connection before TLS was agreed on";

function brokenError(error: Error): SyncError {
  return networkError("connection", `the connection broke: ${error.message}`, error);
}
