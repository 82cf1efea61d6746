import type { Duplex } from "node:stream";
import { SyncError } from "../core/errors.ts";
import type { CallOptions } from "../core/backend.ts";
import { keyType } from "./known_hosts.ts";
import { dial } from "./connection.ts";
import type { AuthSequence } from "./auth_methods.ts";
import { assertSameKey, type HostKeyVerifier, tryKeyTypes } from "./host_key_policy.ts";
import type { DialOptions, SshConnection } from "./types.ts";

export interface HopOptions
  extends Pick<DialOptions, "host" | "port" | "user" | "timeout" | "keepAlive" | "legacy" | "proxy"> {
  readonly verifier: HostKeyVerifier;
  readonly auth: AuthSequence;
}

/**
 * One server of the route. The first connection prompts for trust and login; later ones use the same key and the same
 * answers.
 */
export class Hop {
  readonly host: string;
  readonly port: number;
  readonly #options: HopOptions;
  #hostKey: Uint8Array | undefined;

  constructor(options: HopOptions) {
    this.host = options.host;
    this.port = options.port;
    this.#options = options;
  }

  /** The verified raw host key. Throws before the first connection. */
  get hostKey(): Uint8Array {
    if (this.#hostKey !== undefined) return this.#hostKey;
    throw new SyncError("hostKey", `No host key of ${this.host} was verified`, { operation: "connect" });
  }

  async dial(call: CallOptions, through?: () => Promise<Duplex>): Promise<SshConnection> {
    if (this.#hostKey !== undefined) return await this.#dialAgain(call, through);
    return await tryKeyTypes(this.#options.verifier, async (hostKeyTypes, verify) => {
      const connection = await this.#dialFirst({ ...call, hostKeyTypes, verify }, through);
      this.#hostKey = connection.hostKey;
      return connection;
    });
  }

  async #dialFirst(
    trusted: CallOptions & Pick<DialOptions, "hostKeyTypes" | "verify">,
    through?: () => Promise<Duplex>,
  ): Promise<SshConnection> {
    const { verifier: _, auth: logins, ...setup } = this.#options;
    const options: DialOptions = {
      ...setup,
      ...trusted,
      ...(through === undefined ? {} : { through }),
      authenticate: (methods, partial) => logins.authenticate(methods, partial),
    };
    const connection = await dialWithRetry(options, logins);
    logins.onSuccess();
    return connection;
  }

  async #dialAgain(call: CallOptions, through?: () => Promise<Duplex>): Promise<SshConnection> {
    const { verifier: _, auth: logins, ...setup } = this.#options;
    const { hostKey } = this;
    return await dial({
      ...setup,
      ...call,
      ...(through === undefined ? {} : { through }),
      hostKeyTypes: [keyType(hostKey)],
      verify: (key) => assertSameKey(this.host, { trusted: hostKey, key }),
      authenticate: logins.replay(),
    });
  }
}

/**
 * The route to a server through its jump hosts. The connections to those are shared and end with the last connection
 * through them.
 */
export class Route {
  readonly #hops: readonly Hop[];
  readonly #destination: Hop;
  #jumpConnection: Promise<SshConnection> | undefined;
  #useCount = 0;

  constructor(hops: readonly Hop[]) {
    const destination = hops.at(-1);
    if (destination === undefined) throw new RangeError("a route has a hop");
    this.#hops = hops.slice(0, -1);
    this.#destination = destination;
  }

  /** The server's raw host key, after the first connection. */
  get hostKey(): Uint8Array {
    return this.#destination.hostKey;
  }

  async connect(call: CallOptions): Promise<SshConnection> {
    if (this.#hops.length === 0) return await this.#destination.dial(call);
    this.#useCount++;
    try {
      const outer = await this.#connectJumps(call);
      const inner = await this.#destination.dial(
        call,
        () => outer.forward(this.#destination.host, this.#destination.port, call),
      );
      return withRelease(inner, () => this.#release());
    } catch (error) {
      await this.#release();
      throw error;
    }
  }

  /**
   * Returns the connection to the last jump host: the open one, or a new one. Concurrent calls wait for each other and
   * share it.
   */
  async #connectJumps(call: CallOptions): Promise<SshConnection> {
    const before = this.#jumpConnection;
    const open = async () => {
      const connection = await before?.catch(() => undefined);
      return connection === undefined || connection.closed.aborted ? await this.#dialJumps(call) : connection;
    };
    this.#jumpConnection = open();
    return await this.#jumpConnection;
  }

  async #dialJumps(call: CallOptions): Promise<SshConnection> {
    let outer: SshConnection | undefined;
    for (const hop of this.#hops) {
      const before: SshConnection | undefined = outer;
      try {
        const inner = await hop.dial(call, before && (() => before.forward(hop.host, hop.port, call)));
        outer = before === undefined ? inner : withRelease(inner, () => before[Symbol.asyncDispose]());
      } catch (error) {
        await before?.[Symbol.asyncDispose]();
        throw error;
      }
    }
    return outer ?? Promise.reject(new RangeError("a route has a hop"));
  }

  async #release(): Promise<void> {
    this.#useCount--;
    if (this.#useCount > 0) return;
    const outer = this.#jumpConnection;
    this.#jumpConnection = undefined;
    const connection = await outer?.catch(() => undefined);
    await connection?.[Symbol.asyncDispose]();
  }
}

/** The number of reconnections to a server that closed the connection after too many login attempts. */
const MAX_REDIALS = 4;

/**
 * Connects. If the server closes the connection after a login attempt, as after six keys of an agent, the next attempt
 * uses a new connection.
 */
async function dialWithRetry(options: DialOptions, auth: AuthSequence): Promise<SshConnection> {
  for (let redials = 0;; redials++) {
    try {
      return await dial(options);
    } catch (error) {
      const isLost = error instanceof SyncError && error.kind === "connection" && error.facts.transient === true;
      const mayRetry = isLost && !options.signal.aborted;
      if (!mayRetry || redials === MAX_REDIALS || !auth.onDisconnect()) throw error;
    }
  }
}

/** Wraps a connection so that the one that carries it is released, once, when the inner one is disposed or ends. */
function withRelease(inner: SshConnection, release: () => PromiseLike<void>): SshConnection {
  let released: PromiseLike<void> | undefined;
  const once = () => released ??= release();
  inner.closed.addEventListener("abort", () => void once(), { once: true });
  return {
    hostKey: inner.hostKey,
    closed: inner.closed,
    get banner() {
      return inner.banner;
    },
    exec: (command, call) => inner.exec(command, call),
    forward: (host, port, call) => inner.forward(host, port, call),
    sftp: (call) => inner.sftp(call),
    abort: (why) => inner.abort(why),
    async [Symbol.asyncDispose]() {
      await inner[Symbol.asyncDispose]();
      await once();
    },
  };
}
