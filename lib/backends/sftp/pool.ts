import { setTimeout as wait } from "node:timers/promises";
import process from "node:process";
import { cancelled, SyncError, toSyncError } from "../../core/errors.ts";
import type { Call } from "../../core/backend.ts";
import { Wire } from "./client.ts";
import type { SshConnector, SshLink } from "../../ssh/types.ts";

export interface PoolOptions {
  /** ms without any answer after which a connection counts as dead. */
  readonly timeout: number;
  /** ms to keep reconnecting after the connection is lost; 0: never. */
  readonly reconnectTime: number;
  /** The highest number of concurrent connections. */
  readonly connections: number;
}

/** Returns the least loaded open connection. */
export function least(wires: Iterable<Wire>): Wire | undefined {
  let best: Wire | undefined;
  let lowest = Infinity;
  for (const wire of wires) {
    const load = wire.load + wire.bytes / REQUEST_BYTES;
    if (load >= lowest || wire.closed.aborted) continue;
    best = wire;
    lowest = load;
  }
  return best;
}

/**
 * A connection pool of one server. The first connection is opened by open(), more when the load justifies them; if the
 * server refuses more, the limit drops to the number that is open. After all are lost the next call reconnects for
 * `reconnectTime` ms; after that every call rejects.
 */
export class Pool implements AsyncDisposable {
  readonly #connector: SshConnector;
  readonly #options: PoolOptions;
  readonly #links = new Map<Wire, SshLink>();
  readonly #closing = new AbortController();
  /** Bytes that all streams of this pool have requested ahead, or that are sent and not yet acknowledged. */
  ahead = 0;
  #most: number;
  #dialling: Promise<Wire> | undefined;
  readonly #growing = new Set<Promise<void>>();
  readonly #idle = new Idleness();
  #busySince: number | undefined;
  #over: SyncError | undefined;

  constructor(connector: SshConnector, options: PoolOptions) {
    this.#connector = connector;
    this.#options = options;
    this.#most = Math.max(1, options.connections);
  }

  /** Opens the first connection. */
  async open(call: Call): Promise<void> {
    await this.#shared(call, () => this.#dial());
  }

  /** Returns the least loaded connection. Reconnects if there is none. */
  async wire(call: Call): Promise<Wire> {
    if (this.#over !== undefined) throw this.#over;
    const wire = least(this.#links.keys());
    if (wire === undefined) return await this.#shared(call, () => this.#redial());
    this.#watchLoad(wire);
    return wire;
  }

  /** Returns all open connections, for work that uses all of them. */
  live(): readonly Wire[] {
    return [...this.#links.keys()];
  }

  /** Returns the SSH connection below an SFTP channel, for commands. Reconnects if there is none. */
  async link(call: Call): Promise<SshLink> {
    const link = this.#links.get(await this.wire(call));
    if (link === undefined) throw closedError();
    return link;
  }

  /** Opens further connections in the background until there are `wanted`, within the limit and if they help. */
  grow(wanted: number): void {
    if (!this.#helps()) return;
    while (this.#links.size + this.#growing.size < Math.min(wanted, this.#most)) {
      if (this.#closing.signal.aborted) return;
      const one = this.#dial().then(() => {}, (error) => {
        // The server refuses more: the open ones have to do.
        if (!this.#closing.signal.aborted && error instanceof SyncError) this.#most = Math.max(1, this.#links.size);
      }).finally(() => this.#growing.delete(one));
      this.#growing.add(one);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over ??= closedError();
    this.#closing.abort(this.#over);
    const links = [...this.#links.values()];
    this.#links.clear();
    await Promise.all(links.map((link) => link[Symbol.asyncDispose]()));
    await Promise.allSettled([...this.#growing, this.#dialling]);
  }

  /**
   * Opens more connections when many requests have been waiting for a while: short work finishes sooner than a
   * handshake.
   */
  #watchLoad(least: Wire): void {
    if (least.load < BUSY) {
      this.#busySince = undefined;
      return;
    }
    const now = performance.now();
    this.#busySince ??= now;
    if (now - this.#busySince < BUSY_MS) return;
    this.#busySince = undefined;
    let load = 0;
    for (const wire of this.#links.keys()) load += wire.load;
    this.grow(1 + Math.ceil(load / EACH));
  }

  /**
   * Whether more connections help. At high latency the throughput of each connection is limited. At low latency one
   * connection carries all that this program can encrypt, unless the server is the slower of the two.
   */
  #helps(): boolean {
    const nearest = Math.min(...Array.from(this.#links.keys(), (wire) => wire.nearest));
    return nearest > NEAR_MS || this.#idle.now();
  }

  /** Shares one connection attempt among all waiting calls. Each call may be cancelled on its own. */
  #shared(call: Call, start: () => Promise<Wire>): Promise<Wire> {
    this.#dialling ??= start().finally(() => this.#dialling = undefined);
    const { signal } = call;
    return new Promise((resolve, reject) => {
      const leave = () => reject(cancelled(signal, "connect"));
      if (signal.aborted) return leave();
      signal.addEventListener("abort", leave);
      this.#dialling?.then(resolve, reject).finally(() => signal.removeEventListener("abort", leave));
    });
  }

  async #redial(): Promise<Wire> {
    const { reconnectTime } = this.#options;
    const end = performance.now() + reconnectTime;
    if (reconnectTime <= 0) throw this.#over = lostForGood("-ReconnectTime 0 forbids to dial again");
    for (let pause = FIRST_PAUSE_MS;; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      try {
        return await this.#dial();
      } catch (error) {
        if (this.#closing.signal.aborted) throw this.#over ?? closedError();
        const known = toSyncError(error, "connect");
        if (known.facts.transient !== true || performance.now() + pause > end) {
          throw this.#over = lostForGood(known.message, known);
        }
        await wait(pause, undefined, { signal: this.#closing.signal }).catch(() => {});
      }
    }
  }

  async #dial(): Promise<Wire> {
    const { signal } = this.#closing;
    if (signal.aborted) throw closedError();
    const link = await this.#connector.connect({ signal });
    const { timeout } = this.#options;
    const late = setTimeout(() => {
      const why = `Cannot open SFTP on ${this.#connector.label}: no answer in ${timeout / 1000} s (-Timeout)`;
      link.abandon(new SyncError("timeout", why, { operation: "connect", transient: true }));
    }, timeout);
    try {
      const wire = new Wire(await link.sftp({ signal }), { timeout, abandon: (why) => link.abandon(why) });
      if (signal.aborted) throw closedError();
      this.#links.set(wire, link);
      wire.closed.addEventListener("abort", () => this.#forget(wire), { once: true });
      if (wire.closed.aborted) throw wire.closed.reason;
      return wire;
    } catch (error) {
      await link[Symbol.asyncDispose]();
      throw error;
    } finally {
      clearTimeout(late);
    }
  }

  #forget(wire: Wire): void {
    const link = this.#links.get(wire);
    this.#links.delete(wire);
    // The channel may have ended without its connection.
    link?.abandon(new SyncError("connection", "The SFTP channel closed", { operation: "use SFTP", transient: true }));
  }
}

/**
 * Whether this program was mostly idle while it was asked repeatedly, measured by the processor time it used over the
 * last SPAN_MS.
 */
class Idleness {
  #since = -Infinity;
  #asked = -Infinity;
  #used = 0;
  #isIdle = false;

  now(): boolean {
    const now = performance.now();
    const isNew = now - this.#asked > SPAN_MS;
    this.#asked = now;
    if (!isNew && now - this.#since < SPAN_MS) return this.#isIdle;
    const used = cpuMs();
    this.#isIdle = !isNew && used - this.#used < (now - this.#since) * BUSY_SHARE;
    this.#since = now;
    this.#used = used;
    return this.#isIdle;
  }
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** The round trip in ms up to which latency counts as low. */
const NEAR_MS = 3;
const SPAN_MS = 500;
/** The share of one core from which the program counts as busy. */
const BUSY_SHARE = 0.6;
/**
 * The number of pending requests on the least loaded connection that justifies one more, and the ms for which it must
 * last.
 */
const BUSY = 24;
const BUSY_MS = 150;
/** The number of requests in flight that each connection is meant for. */
const EACH = 64;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;
const REQUEST_BYTES = 16_384;

function closedError(): SyncError {
  return new SyncError("connection", "The connection is closed", { operation: "connect" });
}

function lostForGood(why: string, cause?: unknown): SyncError {
  return new SyncError("connection", `The connection was lost and does not come back: ${why}`, {
    operation: "connect",
    ...(cause === undefined ? {} : { cause }),
  });
}
