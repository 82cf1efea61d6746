import { Buffer } from "node:buffer";
import type net from "node:net";
import { Duplex } from "node:stream";
import tls from "node:tls";
import type { SyncError } from "../core/errors.ts";
import { Records } from "./close_notify.ts";
import { type WantedProtocol, wrongProtocol } from "./peer_protocol.ts";
import { connectionOptions, type TlsTrust, verifyPeer } from "./tls.ts";
import { dialTcp, late, LeastRate, lost, misdirected, type Peer, Watch, type Wire } from "./transport.ts";

/** The settings of a TLS connection. No read or write on it may stall for longer than `timeout` ms. */
export interface TlsSettings {
  readonly trust: TlsTrust;
  readonly timeout: number;
  /** The expected protocol, for the error if the peer answers without TLS. */
  readonly wanted: WantedProtocol;
  /** Additional options of the handshake: versions, a session to resume, ALPN. */
  readonly options?: tls.ConnectionOptions;
}

/**
 * Opens a TLS connection and verifies the peer before anything is sent. Rejects with hostKey, otherwise with the error
 * of the network or of TLS.
 */
export async function dialTls(peer: Peer, settings: TlsSettings): Promise<Wire> {
  const wire = new TlsWire(await dialTcp(peer, settings.timeout), settings);
  await wire.ready;
  return wire;
}

/** The encrypted side of a connection. */
export type Connection = Pick<Deno.TcpConn, "read" | "write" | "closeWrite" | "close">;

/** Starts TLS on a connection without waiting for the handshake: reads and writes wait for its end. */
export function startTls(connection: Connection, settings: TlsSettings): Wire {
  return new TlsWire(connection, settings);
}

/** Bytes of content that are buffered for a slow reader; the connection is not read further until they are taken. */
const MOST_HELD = 256 * 1024;
/** Bytes of one read from the connection. */
const CIPHERTEXT = 64 * 1024;
/** Bytes that the connection must accept within the timeout, however slow it is. */
const PART = 64 * 1024;

/**
 * The encrypted side of a TLS connection. The runtime's own TLS sockets read on while they are paused, and hold in
 * memory all that their reader has not taken (Deno 2.9.6): here the connection is read only while `hasRoom`, so that
 * TCP flow control stops the peer. That also exposes the certificate, which `Deno.connectTls` does not, and the
 * records, which distinguish a cut connection from an ended one.
 */
class Ciphertext extends Duplex {
  readonly records = new Records();
  /** The bytes of the first read. */
  first: Uint8Array = new Uint8Array();
  readonly #connection: Connection;
  readonly #hasRoom: () => boolean;
  readonly #memory = new Uint8Array(CIPHERTEXT);
  #isWanted = false;
  #isReading = false;

  constructor(connection: Connection, hasRoom: () => boolean) {
    super({ readableHighWaterMark: CIPHERTEXT });
    this.#connection = connection;
    this.#hasRoom = hasRoom;
  }

  /** Reads from the connection if the TLS engine wants bytes and there is room for the decrypted content. */
  async pump(): Promise<void> {
    if (this.#isReading) return;
    this.#isReading = true;
    try {
      while (this.#isWanted && this.#hasRoom()) {
        const count = await this.#connection.read(this.#memory);
        if (count === null) return void this.push(null);
        const bytes = Buffer.from(this.#memory.subarray(0, count));
        if (this.first.length === 0) this.first = bytes;
        this.records.look(bytes);
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

class TlsWire implements Wire {
  /** Resolves when the peer is verified. */
  readonly ready: Promise<void>;
  readonly #handshake = Promise.withResolvers<void>();
  readonly #ciphertext: Ciphertext;
  readonly #socket: tls.TLSSocket;
  readonly #wanted: WantedProtocol;
  readonly #rate: LeastRate;
  readonly #shaking: Watch;
  readonly #reading: Watch;
  readonly #writing: Watch;
  readonly #parts: Buffer<ArrayBufferLike>[] = [];
  readonly #onBroken = new Set<(why: unknown) => void>();
  #held = 0;
  #broken: unknown;
  #isReady = false;
  #isEnded = false;
  #stir: (() => void) | undefined;

  constructor(connection: Connection, { trust, timeout, wanted, options }: TlsSettings) {
    this.#wanted = wanted;
    this.#rate = new LeastRate(timeout);
    this.#shaking = new Watch(timeout, () => this.#break(late("TLS was not agreed on", timeout)));
    this.#reading = new Watch(timeout, () => this.#break(late("no byte came", timeout)));
    this.#writing = new Watch(timeout, () => this.#break(late("no byte was taken", timeout)));
    this.ready = this.#handshake.promise;
    this.ready.catch(() => {});
    this.#shaking.begin();
    this.#ciphertext = new Ciphertext(connection, () => this.#held < MOST_HELD);
    // The runtime accepts any duplex stream; only the types require a socket.
    const stream = this.#ciphertext as Duplex as net.Socket;
    this.#socket = tls.connect({ ...connectionOptions(trust), ...options, socket: stream });
    this.#listen(trust);
  }

  readonly isTold = (): boolean => this.#ciphertext.records.sawEnd;

  async read(into: Uint8Array<ArrayBuffer>, { patient } = { patient: false }): Promise<number | undefined> {
    if (!this.#isReady) await this.ready;
    const since = performance.now();
    if (!patient) this.#reading.begin();
    try {
      for (;;) {
        const count = this.#give(into);
        if (patient) this.#rate.reset();
        else if (count > 0) this.#mustKeepUp(performance.now() - since, count);
        if (count > 0) return count;
        if (this.#isEnded) return undefined;
        if (this.#broken !== undefined) throw this.#broken;
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#stir = resolve;
        await promise;
      }
    } finally {
      this.#stir = undefined;
      this.#reading.end();
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (!this.#isReady) await this.ready;
    for (let at = 0; at < bytes.length; at += PART) {
      await this.#until((done) => this.#socket.write(bytes.subarray(at, at + PART), done));
    }
  }

  async end(): Promise<void> {
    if (!this.#isReady) await this.ready;
    await this.#until((done) => this.#socket.end(() => done()));
  }

  destroy(): void {
    this.#parts.length = 0;
    this.#break(lost("connection", "the connection was given up"));
  }

  /** Adds the listeners before the handshake begins, since bytes may arrive immediately after it. */
  #listen(trust: TlsTrust): void {
    const socket = this.#socket;
    socket.on("error", (error) => this.#break(this.#isReady ? broke(error) : this.#whyNoTls(error)));
    socket.on("end", () => {
      this.#isEnded = true;
      this.#stir?.();
    });
    socket.on("close", () => {
      if (!this.#isReady) this.#break(this.#whyNoTls(lost("connection", NO_TLS)));
      else if (!this.#isEnded) this.#break(lost("connection", "the connection broke off"));
    });
    socket.on("data", (part: Buffer<ArrayBufferLike>) => {
      this.#parts.push(part);
      this.#held += part.length;
      this.#stir?.();
    });
    socket.once("secureConnect", () => {
      try {
        verifyPeer(socket, trust);
      } catch (error) {
        return this.#break(error);
      }
      this.#isReady = true;
      this.#shaking[Symbol.dispose]();
      this.#handshake.resolve();
    });
  }

  /** Returns the error of a failed handshake. If the peer sent another protocol, it names that protocol. */
  #whyNoTls(error: Error): Error {
    const why = wrongProtocol(this.#ciphertext.first, this.#wanted);
    return why === undefined ? error : misdirected(why);
  }

  /** Copies buffered bytes into the memory as far as they fit, and resumes reading from the peer. */
  #give(into: Uint8Array): number {
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
    this.#held -= at;
    if (at > 0) void this.#ciphertext.pump();
    return at;
  }

  #mustKeepUp(ms: number, bytes: number): void {
    try {
      this.#rate.count(ms, bytes);
    } catch (error) {
      this.#break(error);
      throw error;
    }
  }

  /** Waits until the socket calls `done`, or breaks. */
  async #until(work: (done: (error?: Error | null) => void) => void): Promise<void> {
    if (this.#broken !== undefined) throw this.#broken;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#onBroken.add(reject);
    this.#writing.begin();
    try {
      work((error) => error ? reject(lost("connection", error.message, error)) : resolve());
      await promise;
    } finally {
      this.#onBroken.delete(reject);
      this.#writing.end();
    }
  }

  #break(why: unknown): void {
    if (this.#broken === undefined) this.#broken = why;
    for (const watch of [this.#shaking, this.#reading, this.#writing]) watch[Symbol.dispose]();
    this.#socket.destroy();
    this.#ciphertext.destroy();
    this.#handshake.reject(this.#broken);
    for (const reject of this.#onBroken) reject(this.#broken);
    this.#stir?.();
  }
}

const NO_TLS = "the server closed the connection before TLS was agreed on";

function broke(error: Error): SyncError {
  return lost("connection", `the connection broke: ${error.message}`, error);
}
