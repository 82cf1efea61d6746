import type { Buffer } from "node:buffer";
import type { Duplex, Readable, Writable } from "node:stream";
import { cancelled, SyncError } from "../core/errors.ts";
import { escapeForDisplay } from "../core/path.ts";

/** File attributes of SFTP version 3; times in whole seconds. */
export interface RawAttributes {
  readonly mode?: number;
  readonly uid?: number;
  readonly size?: number;
  readonly atime?: number;
  readonly mtime?: number;
}

export interface RawName {
  readonly filename: string;
  readonly longname: string;
  readonly attrs: RawAttributes;
}

/** The reply to statvfs@openssh.com: free blocks for this user, bytes per block. */
export interface StatVfs {
  readonly f_bavail: number;
  readonly f_frsize: number;
}

/** The error of an SFTP request. `code`: the SFTP status; absent if the channel ended first. */
export type RawError = (Error & { readonly code?: number }) | null | undefined;
export type Done<T> = (error: RawError, value: T) => void;

/** The requests of SFTP version 3. Each calls its last argument with the reply, or never once the channel is closed. */
export interface SftpRequests {
  open(path: string, flags: number, attributes: RawAttributes, done: Done<Buffer>): void;
  close(handle: Buffer, done: Done<void>): void;
  read(handle: Buffer, into: Buffer, at: number, length: number, from: number, done: Done<number>): void;
  write(handle: Buffer, data: Buffer, at: number, length: number, to: number, done: Done<void>): void;
  fstat(handle: Buffer, done: Done<RawAttributes>): void;
  fsetstat(handle: Buffer, attributes: RawAttributes, done: Done<void>): void;
  stat(path: string, done: Done<RawAttributes>): void;
  lstat(path: string, done: Done<RawAttributes>): void;
  setstat(path: string, attributes: RawAttributes, done: Done<void>): void;
  opendir(path: string, done: Done<Buffer>): void;
  readdir(handle: Buffer, options: { readonly full: boolean }, done: Done<readonly RawName[]>): void;
  mkdir(path: string, done: Done<void>): void;
  rmdir(path: string, done: Done<void>): void;
  unlink(path: string, done: Done<void>): void;
  rename(from: string, to: string, done: Done<void>): void;
  ext_openssh_rename(from: string, to: string, done: Done<void>): void;
  ext_openssh_hardlink(from: string, to: string, done: Done<void>): void;
  ext_openssh_lsetstat(path: string, attributes: RawAttributes, done: Done<void>): void;
  ext_openssh_statvfs(path: string, done: Done<StatVfs>): void;
  realpath(path: string, done: Done<string>): void;
  readlink(path: string, done: Done<string>): void;
  symlink(target: string, path: string, done: Done<void>): void;
}

/** An SFTP channel. */
export interface SftpChannel {
  readonly requests: SftpRequests;
  /** Names of the protocol extensions that the server offers. */
  readonly extensions: ReadonlySet<string>;
  /** The most bytes of one READ (`maxRead`) and of one WRITE (`maxWrite`). */
  readonly maxRead: number;
  readonly maxWrite: number;
  /** The most files that may be open at once, Infinity for no limit; undefined if the server does not announce it. */
  readonly maxOpenFiles: number | undefined;
  /** The server's software: "OpenSSH_9.2p1". */
  readonly software: string;
  /** Aborted with a SyncError (connection) when the channel ends for any reason. */
  readonly closed: AbortSignal;
  /** Returns when bytes last arrived from the server on this channel, by performance.now(). */
  lastReceived(): number;
}

/** The part of the client library that channels use. */
export interface ChannelClient {
  sftp(done: (error: Error | undefined, sftp: RawSftp) => void): void;
  exec(command: string, done: (error: Error | undefined, channel: RawChannel) => void): void;
  forwardOut(
    fromHost: string,
    fromPort: number,
    host: string,
    port: number,
    done: (error: Error | undefined, channel: Duplex) => void,
  ): void;
}

/** The client library's SFTP protocol, with the private parts that channels use. */
export interface RawSftp extends SftpRequests {
  readonly _extensions: Readonly<Record<string, string>>;
  readonly _maxReadLen: number;
  readonly _maxWriteLen: number;
  readonly _protocol: {
    readonly _remoteIdentRaw: Uint8Array;
    channelWindowAdjust(id: number, bytes: number): void;
  };
  readonly outgoing: { readonly id: number };
  /** Set once the server has sent its limits. */
  readonly maxOpenHandles: number | undefined;
  on(event: "ready" | "error" | "close" | "end", listener: (error?: Error) => void): void;
  push(data: Uint8Array | null): unknown;
  end(): void;
}

interface RawChannel extends Duplex {
  readonly stderr: Readable;
  close(): void;
}

interface ChannelOptions {
  readonly signal: AbortSignal;
  /** Aborted when the SSH connection ends. */
  readonly closed: AbortSignal;
}

/** Opens the SFTP subsystem. Rejects with unsupported when the server refuses it. */
export async function openSftpChannel(
  client: Pick<ChannelClient, "sftp">,
  options: ChannelOptions,
): Promise<SftpChannel> {
  const raw = await awaitChannel<RawSftp>("open SFTP", options, (done) => client.sftp(done), (late) => late.end());
  const controller = new AbortController();
  const end = (error?: Error) => {
    const why = options.closed.aborted ? options.closed.reason : toChannelError(error);
    if (!controller.signal.aborted) controller.abort(why);
  };
  raw.on("error", end);
  raw.on("end", end);
  raw.on("close", end);
  if (options.closed.aborted) end();
  options.closed.addEventListener("abort", () => end(), { once: true });
  // The library's window of 2 MiB limits a download to 2 MiB per round trip.
  raw._protocol.channelWindowAdjust(raw.outgoing.id, RECEIVE_WINDOW);
  let lastReceived = performance.now();
  const push = raw.push.bind(raw);
  Object.assign(raw, {
    push(data: Uint8Array | null) {
      lastReceived = performance.now();
      // The library fails the open requests with words of its own before it reports the end.
      if (data === null) end();
      return push(data);
    },
  });
  const hasLimits = raw.maxOpenHandles !== undefined;
  const maxUnlimited = /^SSH-2\.0-(?:OpenSSH|dropbear)/.test(software(raw)) ? MAX_REQUEST_OPENSSH : MAX_REQUEST_OTHER;
  return {
    requests: raw,
    extensions: new Set(Object.keys(raw._extensions)),
    maxRead: Math.min(raw._maxReadLen, hasLimits ? MAX_REQUEST : maxUnlimited),
    maxWrite: Math.min(raw._maxWriteLen, hasLimits ? MAX_REQUEST : maxUnlimited),
    maxOpenFiles: raw.maxOpenHandles,
    software: sftpSoftware(raw),
    closed: controller.signal,
    lastReceived: () => lastReceived,
  };
}

/** Runs a command. Its streams end when the SSH connection ends; an abort of `signal` closes it. */
export async function openExec(
  client: ChannelClient,
  options: ChannelOptions & { readonly command: string },
): Promise<RemoteCommand> {
  const { signal, closed } = options;
  const start = (done: (error: Error | undefined, channel: RawChannel) => void) => client.exec(options.command, done);
  const channel = await awaitChannel("run a command", options, start, (late) => late.close());
  let code = -1;
  const exit = new Promise<number>((resolve) => {
    const end = () => {
      signal.removeEventListener("abort", onAbort);
      closed.removeEventListener("abort", end);
      resolve(code);
    };
    const onAbort = () => {
      channel.close();
      end();
    };
    channel.on("exit", (value: number | null) => code = value ?? -1);
    channel.on("close", end);
    channel.on("error", end);
    signal.addEventListener("abort", onAbort);
    closed.addEventListener("abort", end);
  });
  return { stdin: channel, stdout: channel, stderr: channel.stderr, exit };
}

/** Opens a forwarded TCP stream through the server to `host`:`port`. */
export function openForward(
  client: ChannelClient,
  options: ChannelOptions & { readonly host: string; readonly port: number },
): Promise<Duplex> {
  const { host, port } = options;
  const start = (done: (error: Error | undefined, channel: Duplex) => void) =>
    client.forwardOut("127.0.0.1", 0, host, port, done);
  return awaitChannel(`reach ${host}:${port} through the server`, options, start, (late) => late.destroy());
}

/** The largest request size in bytes observed on any server: the limit of OpenSSH 8.5 and later. */
const MAX_REQUEST = 261_120;
/** The request size in bytes without limits@openssh.com: larger requests damaged files on some servers. */
const MAX_REQUEST_OPENSSH = 32_768;
const MAX_REQUEST_OTHER = 31_952;
/** All files in flight fail with the channel, whichever of them made the server's process end. */
const ATTEMPTS_AFTER_CHANNEL_END = 10;
const RECEIVE_WINDOW = 14 << 20;

/** Waits for a channel until the SSH connection ends or the caller aborts; a channel that opens later is closed. */
function awaitChannel<T>(
  operation: string,
  { signal, closed }: ChannelOptions,
  start: (done: (error: Error | undefined, channel: T) => void) => void,
  discard: (late: T) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let isDone = false;
    const settle = (end: () => void) => {
      isDone = true;
      signal.removeEventListener("abort", onAbort);
      closed.removeEventListener("abort", onClosed);
      end();
    };
    const onAbort = () => settle(() => reject(cancelled(signal, operation)));
    const onClosed = () => settle(() => reject(closed.reason));
    signal.addEventListener("abort", onAbort);
    closed.addEventListener("abort", onClosed);
    if (closed.aborted) return onClosed();
    if (signal.aborted) return onAbort();
    try {
      start((error, channel) => {
        if (!error) return isDone ? discard(channel) : settle(() => resolve(channel));
        if (!isDone) settle(() => reject(closed.aborted ? closed.reason : refusedError(operation, error)));
      });
    } catch (error) {
      settle(() => reject(refusedError(operation, error as Error)));
    }
  });
}

/**
 * Returns the software that speaks SFTP. sshd and dropbear may run any server as their subsystem; if it is not that of
 * OpenSSH, it is unknown, since nothing that is true of that one holds for it. OpenSSH's own announces one of these
 * since 2008.
 */
function sftpSoftware(raw: RawSftp): string {
  const name = software(raw).replace(/^SSH-2\.0-/, "");
  const extensions = Object.keys(raw._extensions);
  const isOwn = extensions.some((one) => /^(?:fstatvfs|lsetstat|fsync|limits)@openssh\.com$/.test(one)) &&
    !extensions.includes("vendor-id");
  return /^(?:OpenSSH|dropbear)/.test(name) && !isOwn ? `unknown behind ${name}` : name;
}

function software(raw: RawSftp): string {
  return new TextDecoder().decode(raw._protocol._remoteIdentRaw);
}

function refusedError(operation: string, cause: Error): SyncError {
  return new SyncError("unsupported", `The server refuses to ${operation}: ${cause.message}`, { operation, cause });
}

function toChannelError(cause?: Error): SyncError {
  const message = cause === undefined
    ? "The server ended its SFTP process"
    : `The SFTP channel broke: ${escapeForDisplay(cause.message)}`;
  return new SyncError("connection", message, {
    operation: "use SFTP",
    transient: true,
    attempts: ATTEMPTS_AFTER_CHANNEL_END,
    cause,
  });
}

/** A running command on the server. */
export interface RemoteCommand {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** The exit code; -1 if a signal or the end of the SSH connection ended the command. */
  readonly exit: Promise<number>;
}
