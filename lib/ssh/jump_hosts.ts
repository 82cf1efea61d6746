import { Buffer } from "node:buffer";
import type { Duplex } from "node:stream";
import { SyncError } from "../core/errors.ts";
import type { Call } from "../core/backend.ts";
import { describeKey, fingerprint, keyType } from "./known_hosts.ts";
import { dial } from "./connection.ts";
import type { Logins } from "./auth_methods.ts";
import type { HostTrust } from "./host_key_policy.ts";
import type { DialOptions, SshLink } from "./types.ts";

export interface HopSetup extends Pick<DialOptions, "host" | "port" | "user" | "timeout" | "keepAlive" | "legacy"> {
  readonly trust: HostTrust;
  readonly logins: Logins;
}

/**
 * One server of the route. The first connection prompts for trust and login; later ones use the same key and the same
 * answers.
 */
export class SshHop {
  readonly host: string;
  readonly port: number;
  readonly #setup: HopSetup;
  #hostKey: Uint8Array | undefined;

  constructor(setup: HopSetup) {
    this.host = setup.host;
    this.port = setup.port;
    this.#setup = setup;
  }

  /** The verified raw host key. Throws before the first connection. */
  get hostKey(): Uint8Array {
    if (this.#hostKey !== undefined) return this.#hostKey;
    throw new SyncError("hostKey", `No host key of ${this.host} was verified`, { operation: "connect" });
  }

  async dial(call: Call, through?: () => Promise<Duplex>): Promise<SshLink> {
    if (this.#hostKey !== undefined) return await this.#dialAgain(call, through);
    const { trust } = this.#setup;
    const refused = new Map<string, unknown>();
    for (const types of [trust.keyTypes, ...trust.otherTypes.map((type) => [type])]) {
      if (types.some((type) => refused.has(type))) continue;
      let [shown, trusted]: (Uint8Array | undefined)[] = [];
      const verify = async (key: Uint8Array) => {
        shown = key;
        // After a reconnection the user is not prompted again.
        if (trusted !== undefined && Buffer.compare(trusted, key) === 0) return;
        await trust.verify(key);
        trusted = key;
      };
      try {
        const link = await this.#dialFirst({ ...call, hostKeyTypes: types, verify }, through);
        this.#hostKey = link.hostKey;
        return link;
      } catch (error) {
        const other = error instanceof SyncError && error.kind === "hostKey" && shown !== undefined;
        if (!other || trust.otherTypes.length === 0) throw error;
        refused.set(keyType(shown ?? new Uint8Array()), error);
      }
    }
    throw refused.values().next().value;
  }

  async #dialFirst(
    trusted: Call & Pick<DialOptions, "hostKeyTypes" | "verify">,
    through?: () => Promise<Duplex>,
  ): Promise<SshLink> {
    const { trust: _, logins, ...setup } = this.#setup;
    const options: DialOptions = {
      ...setup,
      ...trusted,
      ...(through === undefined ? {} : { through }),
      authenticate: (methods, partial) => logins.authenticate(methods, partial),
    };
    const link = await dialPatiently(options, logins);
    logins.succeed();
    return link;
  }

  async #dialAgain(call: Call, through?: () => Promise<Duplex>): Promise<SshLink> {
    const { trust: _, logins, ...setup } = this.#setup;
    const { hostKey } = this;
    return await dial({
      ...setup,
      ...call,
      ...(through === undefined ? {} : { through }),
      hostKeyTypes: [keyType(hostKey)],
      verify: (key) => Buffer.compare(hostKey, key) === 0 ? Promise.resolve() : Promise.reject(this.#otherKey(key)),
      authenticate: logins.replay(),
    });
  }

  #otherKey(key: Uint8Array): SyncError {
    const shown = `${describeKey(key)} ${fingerprint(key)}`;
    const message = `${this.host} showed another host key on a further connection, ${shown} instead of ${
      fingerprint(this.hostKey)
    }; nothing was sent to it.`;
    return new SyncError("hostKey", message, { operation: "connect" });
  }
}

/**
 * The route to a server through its jump hosts. The connections to those are shared and end with the last connection
 * through them.
 */
export class SshRoute {
  readonly #hops: readonly SshHop[];
  readonly #last: SshHop;
  #outer: Promise<SshLink> | undefined;
  #users = 0;

  constructor(hops: readonly SshHop[]) {
    const last = hops.at(-1);
    if (last === undefined) throw new RangeError("a route has a hop");
    this.#hops = hops.slice(0, -1);
    this.#last = last;
  }

  /** The server's raw host key, after the first connection. */
  get hostKey(): Uint8Array {
    return this.#last.hostKey;
  }

  async connect(call: Call): Promise<SshLink> {
    if (this.#hops.length === 0) return await this.#last.dial(call);
    this.#users++;
    try {
      const outer = await this.#jump(call);
      const inner = await this.#last.dial(call, () => outer.forward(this.#last.host, this.#last.port, call));
      return nested(inner, () => this.#release());
    } catch (error) {
      await this.#release();
      throw error;
    }
  }

  /**
   * Returns the connection to the last jump host: the open one, or a new one. Concurrent calls wait for each other and
   * share it.
   */
  async #jump(call: Call): Promise<SshLink> {
    const before = this.#outer;
    const open = async () => {
      const link = await before?.catch(() => undefined);
      return link === undefined || link.closed.aborted ? await this.#dialJumps(call) : link;
    };
    this.#outer = open();
    return await this.#outer;
  }

  async #dialJumps(call: Call): Promise<SshLink> {
    let outer: SshLink | undefined;
    for (const hop of this.#hops) {
      const before: SshLink | undefined = outer;
      try {
        const inner = await hop.dial(call, before && (() => before.forward(hop.host, hop.port, call)));
        outer = before === undefined ? inner : nested(inner, () => before[Symbol.asyncDispose]());
      } catch (error) {
        await before?.[Symbol.asyncDispose]();
        throw error;
      }
    }
    return outer ?? Promise.reject(new RangeError("a route has a hop"));
  }

  async #release(): Promise<void> {
    this.#users--;
    if (this.#users > 0) return;
    const outer = this.#outer;
    this.#outer = undefined;
    const link = await outer?.catch(() => undefined);
    await link?.[Symbol.asyncDispose]();
  }
}

/** The number of reconnections to a server that closed the connection after too many login attempts. */
const REDIALS = 4;

/**
 * Connects. If the server closes the connection after a login attempt, as after six keys of an agent, the next attempt
 * uses a new connection.
 */
async function dialPatiently(options: DialOptions, logins: Logins): Promise<SshLink> {
  for (let redials = 0;; redials++) {
    try {
      return await dial(options);
    } catch (error) {
      const isLost = error instanceof SyncError && error.kind === "connection" && error.facts.transient === true;
      const hungUp = isLost && !options.signal.aborted;
      if (!hungUp || redials === REDIALS || !logins.hungUp()) throw error;
    }
  }
}

/** Wraps a connection so that the one that carries it is released, once, when the inner one is disposed or ends. */
function nested(inner: SshLink, release: () => PromiseLike<void>): SshLink {
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
    abandon: (why) => inner.abandon(why),
    async [Symbol.asyncDispose]() {
      await inner[Symbol.asyncDispose]();
      await once();
    },
  };
}
