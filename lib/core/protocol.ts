import type { Backend, CallOptions } from "./backend.ts";

/** A parsed address: all parts decoded. `pins`: the fingerprints in it. `path` as written after the host, "" when there is none. */
export interface Address {
  readonly scheme: string;
  readonly user?: string;
  readonly host: string;
  readonly port?: number;
  readonly path: string;
  readonly pins: readonly string[];
}

/** The input for opening a connection. Secrets are functions, called only when needed. `options` are keyed by ProtocolOption.name. */
export interface ConnectContext {
  readonly address: Address;
  /** Whether the address came out of the pipe: another program wrote it, not the user. */
  readonly isAddressPiped?: boolean;
  readonly options: Readonly<Record<string, string>>;
  /** Returns a secret by name: "password", or a secret option's name ("SshPrivateKeyPassphrase"); undefined if not given. */
  secret(name: string): Promise<string | undefined>;
  /** Prompts at the terminal; returns undefined if there is none. */
  prompt(prompt: string, echo: boolean): Promise<string | undefined>;
  /** Stores a secret that the user typed and that would log in to this server again: the session may pass it to the next process. */
  keepSecret(name: string, value: string): void;
  /** Registers another secret, such as a token from a login server: no output may show it. */
  hideSecret(secret: string): void;
  /** Prints a warning once on stderr: a sentence about something that does not end the run. */
  warn(message: string): void;
  /** Returns an environment variable (HOME, SSH_AUTH_SOCK …). */
  env(name: string): string | undefined;
  /** Whether writing on this machine is forbidden (-WhatIf): no known host is stored. */
  readonly readOnly: boolean;
  /** The facts that earlier runs learned about this server; undefined if no state is kept. */
  readonly serverMemory?: ServerMemory | undefined;
}

/** Facts about one server and account that outlive a run. A fact may only choose a slower or more careful way. */
export interface ServerMemory {
  /** Returns a fact that was learned in the last 30 days. */
  get(fact: string): string | undefined;
  /** Keeps a fact. If it cannot be written, it lasts for this process. */
  remember(fact: string, value: string): void;
}

/** A parameter that a protocol adds to New-Session, Sync-Path and Compare-Path. A list reaches Target.options joined with ";", a duration in ms. */
export interface ProtocolOption {
  readonly name: string;
  readonly kind: "text" | "list" | "toggle" | "number" | "duration" | "secret";
  readonly values?: readonly string[];
  readonly aliases?: readonly string[];
  readonly help: string;
}

/** Opens a connection, rooted at the address's path, otherwise at the login folder. Rejects with connection, timeout, auth, hostKey or badInput. */
export type OpenProtocol = (target: ConnectContext, call: CallOptions) => Promise<Backend>;

/**
 * A row of the protocol table. The client library is imported when load() is called. `names`: values of -Protocol.
 * `local`: the root is on a disk of this machine and needs no host.
 */
export interface Protocol {
  readonly schemes: readonly string[];
  readonly names: readonly string[];
  readonly defaultPort: number | undefined;
  readonly local?: boolean;
  /** Whether the host of an address is a bucket's name (or an endpoint, if a port follows). */
  readonly buckets?: boolean;
  readonly options: readonly ProtocolOption[];
  load(): Promise<OpenProtocol>;
}
