import type { Duplex, Readable, Writable } from "node:stream";
import type { Call } from "./backend.ts";
import type { SyncError } from "../errors.ts";

/** One way to prove who we are, offered when the server still takes its method. */
export type Login =
  | { readonly method: "none" }
  | { readonly method: "password"; readonly password: string }
  | { readonly method: "publickey"; readonly privateKey: string; readonly passphrase?: string }
  | { readonly method: "agent"; readonly socket: string }
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
  /** A stream through a jump host instead of a socket of our own. */
  readonly through?: Duplex;
  /** ms from the first packet to a session that is logged in. */
  readonly timeout: number;
  /** ms between keepalives; three without an answer end the link. */
  readonly keepAlive: number;
  /** Host key types to ask for first, those known for this host. */
  readonly hostKeyTypes?: readonly string[];
  /** Old algorithms too (SHA-1 key exchange, ssh-rsa, ssh-dss). */
  readonly legacy: boolean;
  /** Called with the raw host key before any credential leaves; rejects with kind "hostKey" to refuse it. */
  verify(key: Uint8Array): Promise<void>;
  /** The next login to try; undefined gives up (kind "auth"). `methods`: what the server still takes, undefined at first; `partial`: the last one was right, another factor is wanted. */
  authenticate(methods: readonly string[] | undefined, partial: boolean): Promise<Login | undefined>;
}

/** A command running on the server. */
export interface RemoteCommand {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly exit: Promise<number>;
}

/** An SSH connection that is logged in. `closed` is aborted with a SyncError (connection) when it ends by itself, and by dispose. */
export interface SshLink extends AsyncDisposable {
  readonly closed: AbortSignal;
  readonly banner: string;
  exec(command: string, call: Call): Promise<RemoteCommand>;
  forward(host: string, port: number, call: Call): Promise<Duplex>;
}

export type LinkError = SyncError;
