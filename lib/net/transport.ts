import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { SyncError } from "../core/errors.ts";
import { netWords } from "./net_error.ts";

/** A connection. Nothing of it is an event: whoever asks for bytes waits for them. One reads and one writes at a time. */
export interface Wire {
  /** Puts what comes next into the memory, from its start, and tells how many bytes; undefined at the end. Rejects when the connection breaks, or too little comes in time; `patient`: however long that takes. */
  read(into: Uint8Array<ArrayBuffer>, options?: { readonly patient: boolean }): Promise<number | undefined>;
  /** Resolves when the bytes were taken over: their memory is free again. Rejects when the connection breaks, or nothing is taken in time. */
  write(bytes: Uint8Array): Promise<void>;
  /** Resolves when everything was sent and the end was told. */
  end(): Promise<void>;
  /** Lets go of it at once: whoever waits is rejected. */
  destroy(): void;
  /** Over TLS: did the other side tell that this was all? Known once read() gave undefined. */
  readonly isTold?: () => boolean;
}

export interface Peer {
  /** An address, or a name that has one. */
  readonly host: string;
  readonly port: number;
}

/** A connection without TLS, made within `timeout` ms, on which nothing may stand still for longer. */
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

/** A name may have several addresses, of which only one answers: each gets its share of the time. */
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

/** The operation of errors that know no call yet: whoever makes the call names it. */
export const ON_WIRE = "use the network";

/** An error of the net, which may pass. */
export function lost(kind: "connection" | "timeout" | "busy", why: string, cause?: unknown): SyncError {
  const facts = { operation: ON_WIRE, transient: true, ...(cause === undefined ? {} : { cause }) };
  return new SyncError(kind, why, facts);
}

/** The error of a peer that lets this side wait for longer than -Timeout. */
export function late(what: string, timeout: number): SyncError {
  return lost("timeout", `${what} in ${timeout / 1000} s; -Timeout waits longer`);
}

/** The error of a peer that speaks another protocol, which does not pass by itself. */
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

  /** Begins a new stretch: what comes next has nothing to do with what came before. */
  reset(): void {
    this.#waited = 0;
    this.#bytes = 0;
  }

  /** Counts one wait of so many ms and what it brought. Throws kind "timeout" when a stretch brought too little. */
  count(ms: number, bytes: number): void {
    this.#waited += ms;
    this.#bytes += bytes;
    if (this.#bytes >= LEAST_BYTES) return this.reset();
    if (this.#waited < this.#timeout) return;
    throw late(`only ${this.#bytes} bytes came`, this.#timeout);
  }
}

/** Less than the slowest of modems sends in a second; a listing of one entry each few seconds is still taken. */
const LEAST_BYTES = 256;

/** Notices when somebody waits for too long. One timer serves all waits: most of them end at once. */
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

/** The runtime's own sockets read into memory that is used again; those of node:net bring new memory for each chunk. */
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
