import type { Duplex } from "node:stream";
import { SyncError } from "../core/errors.ts";
import type { CallOptions } from "../core/backend.ts";
import type { Proxy } from "../net/tcp.ts";
import type { RemoteCommand, SftpChannel } from "./channels.ts";

/** One login attempt, made if the server still accepts its method. */
export type AuthMethod =
  | { readonly method: "none" }
  | { readonly method: "password"; readonly password: string }
  | { readonly method: "publickey"; readonly privateKey: string; readonly passphrase?: string }
  | { readonly method: "agent"; readonly socket: string; readonly keys?: readonly Uint8Array[] }
  | {
    readonly method: "keyboard-interactive";
    answer(
      name: string,
      instructions: string,
      prompts: readonly { readonly prompt: string; readonly echo: boolean }[],
    ): Promise<readonly string[]>;
  };

export interface DialOptions extends CallOptions {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** A stream through a jump host instead of a new socket; a function if a second attempt may need a new stream. */
  readonly through?: Duplex | (() => Promise<Duplex>);
  /** The proxy that connects to the server; a jump host needs none for the server behind it. */
  readonly proxy?: Proxy | undefined;
  /** The time limit of the login in ms; the time that a user takes to answer prompts does not count. */
  readonly timeout: number;
  /** ms between keepalives; three without an answer end the connection. */
  readonly keepAlive: number;
  /** Host key types to request first: those known for this host. */
  readonly hostKeyTypes?: readonly string[];
  /** Whether to offer old algorithms too (SHA-1 key exchange, ssh-rsa, ssh-dss). */
  readonly legacy: boolean;
  /**
   * Called with the raw host key once the server proved that it holds it, before any credential is sent; rejects with
   * kind "hostKey" to refuse it.
   */
  verify(key: Uint8Array): Promise<void>;
  /**
   * Returns the next login attempt; undefined ends the login with kind "auth". `methods`: those that the server still
   * accepts, undefined at first; `partial`: the last attempt succeeded and another factor is required.
   */
  authenticate(methods: readonly string[] | undefined, partial: boolean): Promise<AuthMethod | undefined>;
}

/** One logged-in SSH connection. `closed` is aborted with a SyncError (connection) when it breaks, and by dispose. */
export interface SshConnection extends AsyncDisposable {
  /** The raw host key that signed the key exchange and was verified. */
  readonly hostKey: Uint8Array;
  readonly closed: AbortSignal;
  readonly banner: string;
  exec(command: string, call: CallOptions): Promise<RemoteCommand>;
  forward(host: string, port: number, call: CallOptions): Promise<Duplex>;
  /** Opens a channel for SFTP version 3. Rejects with unsupported if the server offers none. */
  sftp(call: CallOptions): Promise<SftpChannel>;
  /** Ends the connection immediately; `closed` is aborted with `why`. */
  abort(why: SyncError): void;
}

/** Opens logged-in connections to one server; later ones reuse the answers given before and the verified host key. */
export interface SshConnector {
  /** For messages: "sftp://deploy@web1"; holds no secret. */
  readonly label: string;
  /** The host key's "SHA256:…". */
  readonly peer: string;
  readonly host: string;
  /** Whether commands can be run on its connections. */
  readonly runsCommands: boolean;
  connect(call: CallOptions): Promise<SshConnection>;
}

/** The content of a private key file; `pem` is the same key without its passphrase. */
export type ParsedKey =
  | { readonly ok: true; readonly type: string; readonly publicKey: Uint8Array; readonly pem: string }
  | { readonly ok: false; readonly why: string };
