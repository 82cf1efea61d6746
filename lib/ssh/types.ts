import type { Duplex } from "node:stream";
import { SyncError } from "../core/errors.ts";
import type { Call } from "../core/backend.ts";
import type { RemoteCommand, SftpChannel } from "./channels.ts";

/** One way to prove who we are, offered when the server still takes its method. */
export type Login =
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

export interface DialOptions extends Call {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** A stream through a jump host instead of a socket of our own; as a function where a second attempt may need a new one. */
  readonly through?: Duplex | (() => Promise<Duplex>);
  /** ms that the server may take until we are logged in; the time a person takes to answer does not count. */
  readonly timeout: number;
  /** ms between keepalives; three without an answer end the link. */
  readonly keepAlive: number;
  /** Host key types to ask for first, those known for this host. */
  readonly hostKeyTypes?: readonly string[];
  /** Old algorithms too (SHA-1 key exchange, ssh-rsa, ssh-dss). */
  readonly legacy: boolean;
  /** Called with the raw host key, once the server proved that it holds it, before any credential leaves; rejects with kind "hostKey" to refuse it. */
  verify(key: Uint8Array): Promise<void>;
  /** The next login to try; undefined gives up (kind "auth"). `methods`: what the server still takes, undefined at first; `partial`: the last one was right, another factor is wanted. */
  authenticate(methods: readonly string[] | undefined, partial: boolean): Promise<Login | undefined>;
}

/** An SSH connection that is logged in. `closed` is aborted with a SyncError (connection) when it ends by itself, and by dispose. */
export interface SshLink extends AsyncDisposable {
  /** The raw host key that signed the key exchange and was verified. */
  readonly hostKey: Uint8Array;
  readonly closed: AbortSignal;
  readonly banner: string;
  exec(command: string, call: Call): Promise<RemoteCommand>;
  forward(host: string, port: number, call: Call): Promise<Duplex>;
  /** A channel that speaks SFTP version 3. Rejects with unsupported when the server offers none. */
  sftp(call: Call): Promise<SftpChannel>;
  /** Ends the link at once; `closed` is aborted with `why`. */
  abandon(why: SyncError): void;
}

/** Opens links to one server, each fresh and logged in; later ones reuse the answers given before and the host key that was proven. */
export interface SshConnector {
  /** For messages: "sftp://deploy@web1"; holds no secret. */
  readonly label: string;
  /** The host key's "SHA256:…". */
  readonly peer: string;
  readonly host: string;
  connect(call: Call): Promise<SshLink>;
}

/** What is in the text of a private key file; `pem` is the same key without its passphrase. */
export type KeyReading =
  | { readonly ok: true; readonly type: string; readonly publicKey: Uint8Array; readonly pem: string }
  | { readonly ok: false; readonly why: string };
