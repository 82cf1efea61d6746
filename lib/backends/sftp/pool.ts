import process from "node:process";
import { SyncError, toSyncError } from "../../core/errors.ts";
import type { CallOptions } from "../../core/backend.ts";
import { SftpClient } from "./client.ts";
import { type ClientOptions, closePatience } from "./client_options.ts";
import { OpenFileLimit } from "./open_files.ts";
import type { ServerProfile } from "./profile.ts";
import type { SshConnection, SshConnector } from "../../ssh/types.ts";
import { unlessAborted } from "../../net/abort.ts";
import { RECONNECT_BACKOFF, withRetry } from "../../net/backoff.ts";

/** `input`: the command's standard input; `onText`: receives its output in pieces, decoded as UTF-8. */
export interface CommandOptions extends CallOptions {
  readonly input: string;
  onText(text: string): void;
}

export interface PoolOptions extends Pick<ClientOptions, "timeout" | "listingTimeout"> {
  /** ms to keep reconnecting after the connection is lost; 0: never. */
  readonly reconnectTime: number;
  /** The highest number of concurrent connections. */
  readonly connections: number;
  /** Returns the ms for which the CLOSE of an uploaded file of so many bytes may be unanswered. */
  readonly closePatience?: ((bytes: number) => number) | undefined;
  readonly profile: ServerProfile;
}

/** Returns the least loaded open connection. */
export function leastLoaded(clients: Iterable<SftpClient>): SftpClient | undefined {
  let best: SftpClient | undefined;
  let lowest = Infinity;
  for (const client of clients) {
    const load = client.pendingCount + client.unackedBytes / BYTES_PER_REQUEST;
    if (load >= lowest || client.closed.aborted) continue;
    best = client;
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
  readonly #connections = new Map<SftpClient, SshConnection>();
  /** Connections whose SFTP channel ended. */
  readonly #spare = new Set<SshConnection>();
  /** The number of successive channels that ended before they answered anything of use. */
  #barrenChannels = 0;
  readonly profile: ServerProfile;
  readonly #files: OpenFileLimit;
  readonly #closing = new AbortController();
  /** Bytes that all streams of this pool have requested ahead, or that are sent and not yet acknowledged. */
  bytesInFlight = 0;
  #limit: number;
  #connecting: Promise<SftpClient> | undefined;
  readonly #opening = new Set<Promise<void>>();
  readonly #idleDetector = new CpuIdleDetector();
  #busySince: number | undefined;
  #finalError: SyncError | undefined;

  constructor(connector: SshConnector, options: PoolOptions) {
    this.#connector = connector;
    this.#options = options;
    this.profile = options.profile;
    this.#limit = Math.max(1, options.connections);
    this.#files = new OpenFileLimit((options.closePatience ?? closePatience)(0));
  }

  /** Opens the first connection. */
  async open(call: CallOptions): Promise<void> {
    await this.#shareAttempt(call, () => this.#connect());
  }

  /** Returns the least loaded connection. Reconnects if there is none. */
  async client(call: CallOptions): Promise<SftpClient> {
    if (this.#finalError !== undefined) throw this.#finalError;
    const client = leastLoaded(this.#connections.keys());
    if (client === undefined) return await this.#shareAttempt(call, () => this.#reconnect());
    this.#watchLoad(client);
    return client;
  }

  /** Returns all open connections, for work that uses all of them. */
  clients(): readonly SftpClient[] {
    return [...this.#connections.keys()];
  }

  /**
   * Runs a command on the server, for accounts that have a shell. Returns its exit code. Reconnects if there is no
   * connection. Rejects with unsupported if no command can be run, and otherwise when the connection ends or the signal
   * is aborted.
   */
  async runCommand(command: string, options: CommandOptions): Promise<number> {
    const connection = this.#connections.get(await this.client(options));
    if (connection === undefined) throw closedError();
    const execution = await connection.exec(command, options);
    execution.stderr.resume();
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    execution.stdout.on("data", (data: Uint8Array) => options.onText(decoder.decode(data, { stream: true })));
    execution.stdin.end(options.input);
    const code = await execution.exit;
    if (connection.closed.aborted) throw connection.closed.reason;
    return code;
  }

  /** Opens further connections in the background until there are `wanted`, within the limit and if they help. */
  grow(wanted: number): void {
    if (!this.#isGrowthUseful()) return;
    while (this.#connections.size + this.#opening.size < Math.min(wanted, this.#limit)) {
      if (this.#closing.signal.aborted) return;
      const attempt = this.#connect().then(() => {}, (error) => {
        // The server refuses more: the open ones have to do.
        if (!this.#closing.signal.aborted && error instanceof SyncError) {
          this.#limit = Math.max(1, this.#connections.size);
        }
      }).finally(() => this.#opening.delete(attempt));
      this.#opening.add(attempt);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#finalError ??= closedError();
    this.#closing.abort(this.#finalError);
    const connections = [...this.#connections.values(), ...this.#spare];
    this.#connections.clear();
    this.#spare.clear();
    await Promise.all(connections.map((connection) => connection[Symbol.asyncDispose]()));
    await Promise.allSettled([...this.#opening, this.#connecting]);
  }

  /**
   * Opens more connections when many requests have been waiting for a while: short work finishes sooner than a
   * handshake.
   */
  #watchLoad(leastBusy: SftpClient): void {
    if (leastBusy.pendingCount < BUSY_REQUESTS) {
      this.#busySince = undefined;
      return;
    }
    const now = performance.now();
    this.#busySince ??= now;
    if (now - this.#busySince < BUSY_MS) return;
    this.#busySince = undefined;
    let load = 0;
    for (const client of this.#connections.keys()) load += client.pendingCount;
    this.grow(1 + Math.ceil(load / REQUESTS_PER_CONNECTION));
  }

  /**
   * Whether more connections help. At high latency the throughput of each connection is limited. At low latency one
   * connection carries all that this program can encrypt, unless the server is the slower of the two.
   */
  #isGrowthUseful(): boolean {
    const nearest = Math.min(...Array.from(this.#connections.keys(), (client) => client.minRtt));
    return nearest > LOW_LATENCY_MS || this.#idleDetector.isIdle();
  }

  /** Shares one connection attempt among all waiting calls. Each call may be cancelled on its own. */
  #shareAttempt(call: CallOptions, start: () => Promise<SftpClient>): Promise<SftpClient> {
    this.#connecting ??= start().finally(() => this.#connecting = undefined);
    return unlessAborted(this.#connecting, { ...call, operation: "connect" });
  }

  async #reconnect(): Promise<SftpClient> {
    const { reconnectTime } = this.#options;
    if (reconnectTime <= 0) throw this.#finalError = permanentLossError("-ReconnectTime 0 forbids to reconnect");
    const { signal } = this.#closing;
    const retries = { ...RECONNECT_BACKOFF, attempts: Infinity, within: reconnectTime, signal, operation: "connect" };
    try {
      return await withRetry(() => this.#connect(), retries);
    } catch (error) {
      if (signal.aborted) throw this.#finalError ?? closedError();
      const known = toSyncError(error, "connect");
      throw this.#finalError = permanentLossError(known.message, known);
    }
  }

  /** Opens a channel on a connection that lost its own; a new connection if there is none. */
  async #connect(): Promise<SftpClient> {
    const { signal } = this.#closing;
    if (signal.aborted) throw closedError();
    for (const connection of this.#spare) {
      this.#spare.delete(connection);
      if (connection.closed.aborted) continue;
      try {
        return await this.#openChannel(connection);
      } catch (error) {
        // A server that allows one channel for each connection, or the connection broke as well.
        if (signal.aborted) throw error;
      }
    }
    return await this.#openChannel(await this.#connector.connect({ signal }));
  }

  async #openChannel(connection: SshConnection): Promise<SftpClient> {
    const { signal } = this.#closing;
    const { timeout } = this.#options;
    const timer = setTimeout(() => {
      const why = `Cannot open SFTP on ${this.#connector.label}: no answer in ${timeout / 1000} s (-Timeout)`;
      connection.abort(new SyncError("timeout", why, { operation: "connect", transient: true }));
    }, timeout);
    try {
      const client = new SftpClient(await connection.sftp({ signal }), {
        timeout,
        abort: (why) => connection.abort(why),
        files: this.#files,
        profile: this.profile,
        closePatience: this.#options.closePatience ?? closePatience,
        listingTimeout: this.#options.listingTimeout,
      });
      if (signal.aborted) throw closedError();
      this.#connections.set(client, connection);
      client.closed.addEventListener("abort", () => this.#discard(client), { once: true });
      if (client.closed.aborted) throw client.closed.reason;
      return client;
    } catch (error) {
      await connection[Symbol.asyncDispose]();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Removes a client whose channel ended. Its connection may live on, and is used again. */
  #discard(client: SftpClient): void {
    const connection = this.#connections.get(client);
    this.#connections.delete(client);
    if (connection === undefined || connection.closed.aborted || this.#closing.signal.aborted) return;
    this.#spare.add(connection);
    this.#files.restart();
    this.#barrenChannels = client.answers < USEFUL_ANSWERS ? this.#barrenChannels + 1 : 0;
    if (this.#barrenChannels < MAX_BARREN_CHANNELS) return;
    const why = `the SFTP process on the server ended ${this.#barrenChannels} times right after it was started; ` +
      "the server's log may say why";
    this.#finalError ??= permanentLossError(why);
  }
}

/**
 * Whether this program was mostly idle while it was asked repeatedly, measured by the processor time it used over the
 * last SPAN_MS.
 */
class CpuIdleDetector {
  #windowStart = -Infinity;
  #lastAsked = -Infinity;
  #usedMs = 0;
  #isIdle = false;

  isIdle(): boolean {
    const now = performance.now();
    const isNew = now - this.#lastAsked > IDLE_WINDOW_MS;
    this.#lastAsked = now;
    if (!isNew && now - this.#windowStart < IDLE_WINDOW_MS) return this.#isIdle;
    const used = cpuMs();
    this.#isIdle = !isNew && used - this.#usedMs < (now - this.#windowStart) * BUSY_SHARE;
    this.#windowStart = now;
    this.#usedMs = used;
    return this.#isIdle;
  }
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** The round trip in ms up to which latency counts as low. */
const LOW_LATENCY_MS = 3;
const IDLE_WINDOW_MS = 500;
/** The share of one core from which the program counts as busy. */
const BUSY_SHARE = 0.6;
/**
 * The number of pending requests on the least loaded connection that justifies one more, and the ms for which it must
 * last.
 */
const BUSY_REQUESTS = 24;
const BUSY_MS = 150;
/** The number of requests in flight that each connection is meant for. */
const REQUESTS_PER_CONNECTION = 64;
const BYTES_PER_REQUEST = 16_384;
/** The number of successive channels without use after which no other is opened, and the answers that make one useful. */
const MAX_BARREN_CHANNELS = 5;
const USEFUL_ANSWERS = 10;

function closedError(): SyncError {
  return new SyncError("connection", "The connection is closed", { operation: "connect" });
}

function permanentLossError(why: string, cause?: unknown): SyncError {
  return new SyncError("connection", `The connection was lost and could not be restored: ${why}`, {
    operation: "connect",
    ...(cause === undefined ? {} : { cause }),
  });
}
