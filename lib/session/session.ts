import { randomBytes } from "node:crypto";
import type { Backend, CallOptions } from "../core/backend.ts";
import { markServerRoot } from "../backends/layers/server_root.ts";
import { addLayers } from "../backends/layers/stack.ts";
import { findProtocol, protocols } from "../backends/mod.ts";
import { badInput } from "../core/errors.ts";
import { formatAddress } from "../core/address.ts";
import type { Address, ConnectContext, Protocol, ServerMemory } from "../core/protocol.ts";

/**
 * The connection spec of a server: plain data without secrets. `options` are keyed by ProtocolOption.name, durations in
 * ms.
 */
export interface ConnectionSpec {
  readonly address: Address;
  readonly options: Readonly<Record<string, string>>;
}

/** The parts of Target that opening a session uses. */
export type SessionContext =
  & Pick<
    ConnectContext,
    "secret" | "prompt" | "hideSecret" | "warn" | "env" | "readOnly" | "isAddressPiped"
  >
  & {
    /** Opens what earlier runs learned about a server: its address without a path. */
    openServerMemory?(server: string): Promise<ServerMemory | undefined>;
  };

/** The data passed to another process: the connection spec, the server's fingerprint, and the secrets of this login. */
export interface PortableSession {
  readonly spec: ConnectionSpec;
  readonly fingerprint: string | undefined;
  readonly secrets: ReadonlyMap<string, string>;
}

/** A named connection, closed by dispose. */
export class Session implements AsyncDisposable {
  readonly id = randomBytes(4).toString("hex");
  readonly label: string;
  readonly spec: ConnectionSpec;
  /** ms for which its JSON line is valid in another process. */
  lifetime = 600_000;
  #remote: Backend | undefined;
  readonly #secrets: ReadonlyMap<string, string>;
  readonly #protocol: Protocol;

  constructor(
    remote: Backend,
    reach: ConnectionSpec,
    { secrets, protocol }: { readonly secrets: ReadonlyMap<string, string>; readonly protocol: Protocol },
  ) {
    this.#remote = remote;
    this.label = remote.label;
    this.spec = reach;
    this.#secrets = secrets;
    this.#protocol = protocol;
  }

  /** Whether it is still open. Scripts of the WinSCP module read it as $s.Opened. */
  get opened(): boolean {
    return this.#remote !== undefined;
  }

  /**
   * The backend, rooted at the address's path, otherwise at the login folder. Throws badInput once the session is
   * closed.
   */
  get remote(): Backend {
    if (this.#remote === undefined) {
      throw badInput(`The session ${this.label} is closed; open it again with New-Session.`);
    }
    return this.#remote;
  }

  /**
   * Whether the address names a folder (or a bucket, which counts as one). If so, relative remote paths start there and
   * it is the default of -RemotePath.
   */
  get hasPath(): boolean {
    return this.spec.address.path !== "" || this.#protocol.buckets === true;
  }

  toPortable(): PortableSession {
    const { remote, spec: reach } = this;
    const options = { ...reach.options, ...remote.pinnedOptions?.() };
    return { spec: { ...reach, options }, fingerprint: remote.fingerprint, secrets: this.#secrets };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const remote = this.#remote;
    this.#remote = undefined;
    await remote?.[Symbol.asyncDispose]();
  }
}

/** The options of openSession(). `protocols`: the protocol table, by default Tandem's own; a program may add rows. */
export interface OpenOptions extends CallOptions {
  readonly protocols?: readonly Protocol[];
}

/**
 * Connects, authenticates the server and logs in. Rejects with connection, timeout, auth, hostKey or badInput, and then
 * leaves nothing open.
 */
export async function openSession(
  reach: ConnectionSpec,
  world: SessionContext,
  options: OpenOptions,
): Promise<Session> {
  const protocol = requireProtocol(reach.address.scheme, options.protocols);
  const open = await protocol.load();
  const used = new Map<string, string>();
  const { openServerMemory, ...context } = world;
  const server = formatAddress({ ...reach.address, path: "", pins: [] });
  const target: ConnectContext = {
    ...context,
    serverMemory: protocol.local === true ? undefined : await openServerMemory?.(server),
    address: reach.address,
    options: reach.options,
    async secret(name) {
      const value = await world.secret(name);
      if (value !== undefined) used.set(name, value);
      return value;
    },
    keepSecret: (name, value) => void used.set(name, value),
  };
  const backend = addLayers(await open(target, { signal: options.signal }));
  const remote = protocol.local === true ? backend : markServerRoot(backend);
  return new Session(remote, reach, { secrets: used, protocol });
}

/** Returns the protocol table row of a scheme; throws badInput for an unknown one. */
export function requireProtocol(scheme: string, rows: readonly Protocol[] = protocols): Protocol {
  const protocol = findProtocol(scheme, rows);
  if (protocol !== undefined) return protocol;
  const known = rows.flatMap((row) => row.schemes).map((name) => `${name}:`);
  throw badInput(`The scheme "${scheme}:" is not known; known are ${known.join(", ")}.`);
}
