import { Buffer } from "node:buffer";
import type { Duplex } from "node:stream";
import type * as ssh2 from "npm:@types/ssh2@1.15.6";
import { SyncError, toSyncError } from "../core/errors.ts";
import type { CallOptions } from "../core/backend.ts";
import { withOwnChaCha20 } from "./chacha20.ts";
import {
  type ChannelClient,
  openExec,
  openForward,
  openSftpChannel,
  type RawSftp,
  type RemoteCommand,
  type SftpChannel,
} from "./channels.ts";
import { connectionError, explainFirstBytes } from "./errors.ts";
import { namingProxy } from "../net/net_error.ts";
import { performHandshake } from "./handshake.ts";
import { batchWrites, openSocket } from "./write_batching.ts";
import type { DialOptions, ParsedKey, SshConnection } from "./types.ts";

/**
 * Connects and logs in. Rejects with connection, timeout, hostKey, auth or cancelled, or with the error of verify() or
 * authenticate(). Connects again to a server without strict key exchange, with ciphers that CVE-2023-48795 does not
 * affect.
 */
export async function dial(options: DialOptions): Promise<SshConnection> {
  return await connectOnce(options, true) ?? await connectOnce(options, false) ??
    Promise.reject(connectionError(options, "the server agreed to a cipher that was not offered"));
}

/** Reads a private key as the client library does (OpenSSH, PEM, PuTTY 2). */
export function parseKeyByLibrary(text: string, passphrase?: string): ParsedKey {
  const key = utils.parseKey(text, passphrase);
  if (key instanceof Error) return { ok: false, why: key.message };
  if (!key.isPrivateKey()) return { ok: false, why: "it holds a public key" };
  return { ok: true, type: key.type, publicKey: new Uint8Array(key.getPublicSSH()), pem: key.getPrivatePEM() };
}

/** A pipe to a program that carries the packets of SFTP. */
export interface SftpPipe {
  /** The server's software: "OpenSSH_9.2p1"; "" if it is not known. */
  readonly software: string;
  send(data: Uint8Array): void;
  close(): void;
}

/** Returns the client library's SFTP protocol over a pipe instead of a channel; `push` takes what the server sends. */
export async function sftpOverPipe({ software, send, close }: SftpPipe): Promise<RawSftp> {
  const { default: { SFTP } } = await import("npm:ssh2@1.17.0/lib/protocol/SFTP.js");
  const protocol = {
    _remoteIdentRaw: Buffer.from(`SSH-2.0-${software}`),
    channelData: (_id: number, data: Uint8Array) => send(data),
    channelClose: close,
    channelWindowAdjust: () => {},
  };
  const outgoing = { id: 0, window: Number.MAX_SAFE_INTEGER, packetSize: Number.MAX_SAFE_INTEGER, state: "open" };
  return new SFTP({ _protocol: protocol }, { type: "sftp", incoming: {}, outgoing });
}

const { Client, createAgent, utils } = await withOwnChaCha20(async () => {
  return (await import("npm:ssh2@1.17.0")).default as unknown as typeof ssh2;
});

const OPERATION = "connect";
const DISCONNECT_MS = 500;
/** The most characters of a banner that are kept. */
const MAX_BANNER = 64 * 1024;

/**
 * Makes one connection; returns undefined if the server lacks strict key exchange and a cipher that requires it was
 * negotiated.
 */
async function connectOnce(options: DialOptions, strict: boolean): Promise<SshConnection | undefined> {
  const stream = await openStream(options, strict);
  batchWrites(stream);
  const client = new Client();
  const connection = new Ssh2Connection(client, stream, options);
  try {
    const hostKey = await performHandshake({ client, stream, options, strict, createAgent });
    if (hostKey !== undefined) return connection.setHostKey(hostKey);
  } catch (error) {
    const named = namingProxy(error, options.proxy);
    connection.abort(toSyncError(named, OPERATION));
    throw named;
  }
  connection.abort(connectionError(options, "no strict key exchange"));
  return undefined;
}

async function openStream(options: DialOptions, first: boolean): Promise<Duplex> {
  if (options.through === undefined) return openSocket(options);
  if (typeof options.through === "function") return await options.through();
  if (first) return options.through;
  throw connectionError(options, "the server lacks strict key exchange (CVE-2023-48795); update it");
}

class Ssh2Connection implements SshConnection {
  readonly #client: ssh2.Client;
  readonly #stream: Duplex;
  readonly #controller = new AbortController();
  readonly #libraryClosed: Promise<void>;
  #hostKey: Uint8Array | undefined;
  #banner = "";

  constructor(client: ssh2.Client, stream: Duplex, options: DialOptions) {
    this.#client = client;
    this.#stream = stream;
    let lastError: Error | string = "the server closed it";
    // Tandem's own refusal has precedence: the library's error after it explains less.
    client.on("error", (error) => lastError = lastError instanceof SyncError ? lastError : error);
    client.on("banner", (text) => this.#banner = (this.#banner + text).slice(0, MAX_BANNER));
    const end = () => this.abort(lastError instanceof SyncError ? lastError : connectionError(options, lastError));
    client.on("end", end);
    this.#libraryClosed = new Promise((resolve) => {
      client.on("close", () => {
        end();
        resolve();
      });
    });
  }

  /** Stores the verified host key and returns this connection, which may now be used outside this file. */
  setHostKey(hostKey: Uint8Array): this {
    this.#hostKey = hostKey;
    return this;
  }

  get hostKey(): Uint8Array {
    if (this.#hostKey === undefined) {
      throw new SyncError("hostKey", "No host key was verified", { operation: OPERATION });
    }
    return this.#hostKey;
  }

  get closed(): AbortSignal {
    return this.#controller.signal;
  }

  get banner(): string {
    return this.#banner;
  }

  exec(command: string, call: CallOptions): Promise<RemoteCommand> {
    return openExec(this.#channels, { command, signal: call.signal, closed: this.closed });
  }

  forward(host: string, port: number, call: CallOptions): Promise<Duplex> {
    return openForward(this.#channels, { host, port, signal: call.signal, closed: this.closed });
  }

  async sftp(call: CallOptions): Promise<SftpChannel> {
    using first = watchFirstBytes(this.#client as unknown as RawClient);
    try {
      return await openSftpChannel(this.#channels, { signal: call.signal, closed: this.closed });
    } catch (error) {
      throw explainFirstBytes(first.bytes, true) ?? error;
    }
  }

  abort(why: SyncError): void {
    if (!this.closed.aborted) this.#controller.abort(why);
    this.#stream.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.closed.aborted) {
      this.#controller.abort(new SyncError("connection", "The connection is closed", { operation: OPERATION }));
    }
    if (this.#stream.destroyed) return;
    // Sends the final message, but does not wait for the server's.
    this.#stream.once("finish", () => this.#stream.destroy());
    const timer = setTimeout(() => this.#stream.destroy(), DISCONNECT_MS);
    this.#client.end();
    if (!this.#stream.writable) this.#stream.destroy();
    await this.#libraryClosed;
    clearTimeout(timer);
  }

  get #channels(): ChannelClient {
    return this.#client as unknown as ChannelClient;
  }
}

/** Private parts of the client library: its channels, and the handler of their data. */
interface RawClient {
  readonly _chanMgr: { get(id: number): { readonly _version?: number } | undefined };
  readonly _protocol: { readonly _handlers: { CHANNEL_DATA(protocol: unknown, id: number, data: Uint8Array): void } };
}

/** Keeps the first bytes that arrive on an SFTP channel before it is open: the library reports none of them. */
function watchFirstBytes(client: RawClient): Disposable & { readonly bytes: Uint8Array } {
  const { _handlers: handlers } = client._protocol;
  const { CHANNEL_DATA: original } = handlers;
  let bytes = Buffer.alloc(0);
  const watch: typeof original = (protocol, id, data) => {
    const isOpening = client._chanMgr.get(id)?._version === -1;
    if (isOpening && bytes.length < MAX_FIRST_BYTES) bytes = Buffer.concat([bytes, data.subarray(0, MAX_FIRST_BYTES)]);
    original(protocol, id, data);
  };
  handlers.CHANNEL_DATA = watch;
  return {
    get bytes() {
      return bytes;
    },
    [Symbol.dispose]() {
      if (handlers.CHANNEL_DATA === watch) handlers.CHANNEL_DATA = original;
    },
  };
}

const MAX_FIRST_BYTES = 1024;
