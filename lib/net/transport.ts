import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { SyncError } from "../core/errors.ts";
import { netWords } from "./net_error.ts";

/** A byte connection without events: read() waits for bytes. At most one read and one write run at a time. */
export interface Wire {
  /**
   * Reads the next bytes to the start of the memory and returns their number; undefined at the end. Rejects if the
   * connection breaks, or if too few bytes arrive in time; `patient`: without that time limit.
   */
  read(into: Uint8Array<ArrayBuffer>, options?: { readonly patient: boolean }): Promise<number | undefined>;
  /**
   * Writes the bytes; once it resolves, their memory may be reused. Rejects if the connection breaks, or if nothing is
   * accepted in time.
   */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends the sending side; resolves when everything, including the end, was sent. */
  end(): Promise<void>;
  /** Closes it immediately: pending calls reject. */
  destroy(): void;
  /** Over TLS: whether the peer ended the stream with close_notify. Known once read() has returned undefined. */
  readonly isTold?: () => boolean;
}

export interface Peer {
  /** An IP address, or a name that resolves to one. */
  readonly host: string;
  readonly port: number;
}

/** Opens a connection without TLS within `timeout` ms; no read or write on it may stall for longer. */
export async function dialWire(peer: Peer, timeout: number): Promise<Wire> {
  return new PlainWire(await dialTcp(peer, timeout), timeout);
}

/** Connects within `timeout` ms. Rejects with connection or timeout. */
export async function dialTcp(peer: Peer, timeout: number): Promise<Deno.TcpConn> {
  try {
    const connection = await dialAny(peer, timeout);
    connection.setNoDelay(true);
    return connection;
  } catch (error) {
    throw error instanceof SyncError ? error : lost("connection", messageOf(error), error);
  }
}

/**
 * Connects to any address of the host. A name may have several of which only one answers, so each gets a share of the
 * timeout.
 */
async function dialAny({ host, port }: Peer, timeout: number): Promise<Deno.TcpConn> {
  const addresses = isIP(host) === 0 ? (await lookup(host, { all: true })).map(({ address }) => address) : [host];
  let last: unknown;
  for (const hostname of addresses) {
    try {
      return await within(Deno.connect({ hostname, port }), timeout / addresses.length);
    } catch (error) {
      last = error;
    }
  }
  throw last;
}

async function within(dialled: Promise<Deno.TcpConn>, timeout: number): Promise<Deno.TcpConn> {
  const { promise: never, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(late("no answer", timeout)), timeout);
  try {
    return await Promise.race([dialled, never]);
  } catch (error) {
    dialled.then((connection) => connection.close(), () => undefined);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** The operation of errors that belong to no call yet: the caller replaces it. */
export const ON_WIRE = "use the network";

/** Returns a transient network error. */
export function lost(kind: "connection" | "timeout" | "busy", why: string, cause?: unknown): SyncError {
  const facts = { operation: ON_WIRE, transient: true, ...(cause === undefined ? {} : { cause }) };
  return new SyncError(kind, why, facts);
}

/** Returns the error of a peer that takes longer than -Timeout. */
export function late(what: string, timeout: number): SyncError {
  return lost("timeout", `${what} in ${timeout / 1000} s; -Timeout waits longer`);
}

/** Returns the error of a peer with another protocol, which is not transient. */
export function misdirected(why: string): SyncError {
  return new SyncError("connection", why, { operation: ON_WIRE });
}

/**
 * The least rate at which a peer must send: LEAST_BYTES in each stretch of `timeout` ms that a reader waits for them. Time in which no
 * reader waits does not count, so that a slow disk is never taken for a slow peer.
 */
export class LeastRate {
  readonly #timeout: number;
  #waited = 0;
  #bytes = 0;

  constructor(timeout: number) {
    this.#timeout = timeout;
  }

  /** Begins a new stretch, independent of the bytes before. */
  reset(): void {
    this.#waited = 0;
    this.#bytes = 0;
  }

  /** Counts one wait of `ms` and the bytes it returned. Throws kind "timeout" if a stretch had too few bytes. */
  count(ms: number, bytes: number): void {
    this.#waited += ms;
    this.#bytes += bytes;
    if (this.#bytes >= LEAST_BYTES) return this.reset();
    if (this.#waited < this.#timeout) return;
    throw late(`only ${this.#bytes} bytes came`, this.#timeout);
  }
}

/** Less than the slowest modem sends in a second; a listing with one entry every few seconds is still accepted. */
const LEAST_BYTES = 256;

/** A watchdog that reports a wait that takes too long. One timer serves all waits, since most of them end at once. */
export class Watch {
  readonly #timeout: number;
  readonly #onLate: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #since: number | undefined;
  #isOver = false;

  constructor(timeout: number, onLate: () => void) {
    this.#timeout = timeout;
    this.#onLate = onLate;
  }

  begin(): void {
    if (this.#isOver) return;
    this.#since = performance.now();
    this.#timer ??= setTimeout(() => this.#look(), this.#timeout);
  }

  end(): void {
    this.#since = undefined;
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    this.#since = undefined;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    this.#timer = undefined;
    if (this.#since === undefined) return;
    const left = this.#since + this.#timeout - performance.now();
    if (left <= 1) this.#onLate();
    else this.#timer = setTimeout(() => this.#look(), left);
  }
}

/**
 * A Wire over the runtime's own sockets, which read into reused memory; those of node:net allocate memory for each
 * chunk.
 */
class PlainWire implements Wire {
  readonly #connection: Deno.TcpConn;
  readonly #rate: LeastRate;
  readonly #reading: Watch;
  readonly #writing: Watch;
  #broken: SyncError | undefined;
  #isDestroyed = false;

  constructor(connection: Deno.TcpConn, timeout: number) {
    this.#connection = connection;
    this.#rate = new LeastRate(timeout);
    this.#reading = new Watch(timeout, () => this.#break(late("no byte came", timeout)));
    this.#writing = new Watch(timeout, () => this.#break(late("no byte was taken", timeout)));
  }

  async read(into: Uint8Array<ArrayBuffer>, { patient } = { patient: false }): Promise<number | undefined> {
    const since = performance.now();
    const count = await this.#watched(patient ? undefined : this.#reading, () => this.#connection.read(into));
    if (patient) this.#rate.reset();
    else if (count !== null) this.#mustKeepUp(performance.now() - since, count);
    return count ?? undefined;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const rest = at === 0 ? bytes : bytes.subarray(at);
      at += await this.#watched(this.#writing, () => this.#connection.write(rest));
    }
  }

  async end(): Promise<void> {
    await this.#watched(this.#writing, () => this.#connection.closeWrite());
  }

  destroy(): void {
    if (this.#isDestroyed) return;
    this.#isDestroyed = true;
    this.#reading[Symbol.dispose]();
    this.#writing[Symbol.dispose]();
    this.#connection.close();
  }

  #mustKeepUp(ms: number, bytes: number): void {
    try {
      this.#rate.count(ms, bytes);
    } catch (error) {
      this.destroy();
      throw error;
    }
  }

  #break(why: SyncError): void {
    this.#broken ??= why;
    this.destroy();
  }

  async #watched<T>(watch: Watch | undefined, work: () => Promise<T>): Promise<T> {
    if (this.#isDestroyed) this.#broken ??= lost("connection", "the connection was given up");
    if (this.#broken !== undefined) throw this.#broken;
    watch?.begin();
    try {
      return await work();
    } catch (error) {
      const why = this.#isDestroyed ? "the connection was given up" : `the connection broke: ${messageOf(error)}`;
      throw this.#broken ??= lost("connection", why, error);
    } finally {
      watch?.end();
    }
  }
}

function messageOf(error: unknown): string {
  return netWords(error) ?? (error instanceof Error ? error.message : String(error));
}
