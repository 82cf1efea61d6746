import { Buffer } from "node:buffer";
import { cancelled, SyncError } from "../errors.ts";
import { type Ask, END_OF_FILE, failure, lost, NO_SUCH_FILE, statusOf, toSyncError } from "./sftp_status.ts";
import type { DiskState, Done, RawAttributes, RawName, SftpChannel, SftpRequests } from "./ssh_channels.ts";

/** An open file or folder of one wire. */
export type Handle = Buffer;

/** SSH_FXF_* of draft-ietf-secsh-filexfer-02, section 6.3. */
export const READ = 0x01;
export const WRITE = 0x02;
export const CREATE = 0x08;
export const EXCLUSIVE = 0x20;

export interface WireOptions {
  /** ms without any answer after which the link counts as dead. */
  readonly timeout: number;
  /** Ends the link. */
  abandon(why: SyncError): void;
}

/**
 * SFTP requests as promises. Each ends: with the server's answer, with the link (connection), with `signal` (cancelled), or when
 * nothing is heard for `timeout` ms while answers are due; then the whole link is given up (timeout). Answers that come too
 * late are dropped, their handles closed.
 */
export class Wire {
  /** Most bytes a READ may ask for, and a WRITE may carry. */
  readonly maxRead: number;
  readonly maxWrite: number;
  readonly software: string;
  /** Does it keep requests in the order they were sent, so that they need not wait for one another? */
  readonly ordered: boolean;
  readonly closed: AbortSignal;
  /** ms of the quickest answer so far: not less than the round trip. */
  nearest = Infinity;
  readonly #channel: SftpChannel;
  readonly #requests: SftpRequests;
  readonly #options: WireOptions;
  readonly #pending = new Set<Pending>();
  readonly #signals = new Map<AbortSignal, Watched>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #bytes = 0;

  constructor(channel: SftpChannel, options: WireOptions) {
    this.#channel = channel;
    this.#requests = channel.requests;
    this.#options = options;
    this.maxRead = channel.maxRead;
    this.maxWrite = channel.maxWrite;
    this.software = channel.software;
    this.ordered = /^(?:OpenSSH|mod_sftp)/.test(channel.software);
    this.closed = channel.closed;
    channel.closed.addEventListener("abort", () => this.#end(), { once: true });
  }

  /** Requests that wait for an answer. */
  get load(): number {
    return this.#pending.size;
  }

  /** Bytes of WRITEs that wait for an answer. */
  get bytes(): number {
    return this.#bytes;
  }

  offers(extension: string): boolean {
    return this.#channel.extensions.has(extension);
  }

  open(path: string, flags: number, options: Ask & { readonly mode?: number | undefined }): Promise<Handle> {
    const attributes = options.mode === undefined ? {} : { mode: options.mode };
    return this.#send(options, (done) => this.#requests.open(path, flags, attributes, done), (late) => this.drop(late));
  }

  close(handle: Handle, ask: Ask): Promise<void> {
    return this.#send(ask, (done) => this.#requests.close(handle, done));
  }

  /** Closes a handle whose fate no longer matters. */
  drop(handle: Handle): void {
    if (!this.closed.aborted) this.#requests.close(handle, () => {});
  }

  /** Bytes read into `into` at `at`; 0 at the end of the file. */
  read(handle: Handle, range: { into: Buffer; at: number; length: number; from: number }, ask: Ask): Promise<number> {
    const { into, at, length, from } = range;
    return this.#send(ask, (done) => this.#requests.read(handle, into, at, length, from, done));
  }

  async write(handle: Handle, data: Uint8Array, options: Ask & { readonly to: number }): Promise<void> {
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    const { to } = options;
    this.#bytes += bytes.length;
    try {
      await this.#send(options, (done: Done<void>) => this.#requests.write(handle, bytes, 0, bytes.length, to, done));
    } finally {
      this.#bytes -= bytes.length;
    }
  }

  fstat(handle: Handle, ask: Ask): Promise<RawAttributes> {
    return this.#send(ask, (done) => this.#requests.fstat(handle, done));
  }

  fsetstat(handle: Handle, attributes: RawAttributes, ask: Ask): Promise<void> {
    return this.#send(ask, (done) => this.#requests.fsetstat(handle, attributes, done));
  }

  setstat(path: string, attributes: RawAttributes, ask: Ask): Promise<void> {
    return this.#send(ask, (done) => this.#requests.setstat(path, attributes, done));
  }

  /** lsetstat@openssh.com: does not follow a link. */
  lsetstat(path: string, attributes: RawAttributes, ask: Ask): Promise<void> {
    return this.#send(ask, (done) => this.#requests.ext_openssh_lsetstat(path, attributes, done));
  }

  /** Follows links; undefined when nothing is there. */
  stat(path: string, ask: Ask): Promise<RawAttributes | undefined> {
    return absentAsUndefined(this.#send(ask, (done) => this.#requests.stat(path, done)));
  }

  /** Does not follow a link; undefined when nothing is there. */
  lstat(path: string, ask: Ask): Promise<RawAttributes | undefined> {
    return absentAsUndefined(this.#send(ask, (done) => this.#requests.lstat(path, done)));
  }

  opendir(path: string, ask: Ask): Promise<Handle> {
    return this.#send(ask, (done) => this.#requests.opendir(path, done), (late) => this.drop(late));
  }

  /** The next names of a folder; undefined at its end. */
  readdir(handle: Handle, ask: Ask): Promise<readonly RawName[] | undefined> {
    return this.#send(ask, (done: Done<readonly RawName[] | undefined>) => {
      this.#requests.readdir(handle, { full: true }, (error, names) => {
        if (error?.code === END_OF_FILE) done(undefined, undefined);
        else done(error, names);
      });
    });
  }

  mkdir(path: string, ask: Ask): Promise<void> {
    return this.#send(ask, (done) => this.#requests.mkdir(path, done));
  }

  rmdir(path: string, ask: Ask): Promise<void> {
    return this.#send(ask, (done) => this.#requests.rmdir(path, done));
  }

  unlink(path: string, ask: Ask): Promise<void> {
    return this.#send(ask, (done) => this.#requests.unlink(path, done));
  }

  /** SSH_FXP_RENAME: OpenSSH refuses an existing target, others may not. */
  rename(from: string, to: string, ask: Ask): Promise<void> {
    return this.#send(ask, (done) => this.#requests.rename(from, to, done));
  }

  /** posix-rename@openssh.com: replaces the target atomically. */
  replace(from: string, to: string, ask: Ask): Promise<void> {
    return this.#send(ask, (done) => this.#requests.ext_openssh_rename(from, to, done));
  }

  /** hardlink@openssh.com: refuses an existing target. */
  hardlink(from: string, to: string, ask: Ask): Promise<void> {
    return this.#send(ask, (done) => this.#requests.ext_openssh_hardlink(from, to, done));
  }

  /** Bytes left for this user on the disk that holds `path`; undefined where the server does not tell. */
  async bytesFree(path: string, ask: Ask): Promise<number | undefined> {
    if (!this.offers("statvfs@openssh.com")) return undefined;
    const disk = await this.#send(ask, (done: Done<DiskState>) => this.#requests.ext_openssh_statvfs(path, done));
    return disk.f_bavail * disk.f_frsize;
  }

  realpath(path: string, ask: Ask): Promise<string> {
    return this.#send(ask, (done) => this.#requests.realpath(path, done));
  }

  readlink(path: string, ask: Ask): Promise<string> {
    return this.#send(ask, (done) => this.#requests.readlink(path, done));
  }

  symlink(target: string, path: string, ask: Ask): Promise<void> {
    return this.#send(ask, (done) => this.#requests.symlink(target, path, done));
  }

  #send<T>(ask: Ask, start: (done: Done<T>) => void, late?: (value: T) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.closed.aborted) return reject(lost(ask, this.closed.reason));
      if (ask.signal.aborted) return reject(cancelled(ask.signal, ask.operation));
      const pending = { ask, reject, since: performance.now() };
      this.#add(pending);
      const done: Done<T> = (error, value) => {
        if (!this.#remove(pending)) return error ? undefined : late?.(value);
        this.nearest = Math.min(this.nearest, performance.now() - pending.since);
        if (!error) return resolve(value);
        reject(this.closed.aborted ? lost(ask, this.closed.reason) : toSyncError(ask, error));
      };
      try {
        start(done);
      } catch (error) {
        // The library throws once its socket is gone, a moment before it says so.
        if (this.#remove(pending)) reject(lost(ask, error));
      }
    });
  }

  #add(pending: Pending): void {
    this.#pending.add(pending);
    this.#timer ??= setTimeout(() => this.#tick(), this.#options.timeout / 4);
    const { signal } = pending.ask;
    const watched = this.#signals.get(signal);
    if (watched !== undefined) {
      watched.count++;
      return;
    }
    const listener = () => this.#cancel(signal);
    this.#signals.set(signal, { count: 1, listener });
    signal.addEventListener("abort", listener);
  }

  /** False when it was settled before. */
  #remove(pending: Pending): boolean {
    if (!this.#pending.delete(pending)) return false;
    const { signal } = pending.ask;
    const watched = this.#signals.get(signal);
    if (watched !== undefined && --watched.count === 0) {
      this.#signals.delete(signal);
      signal.removeEventListener("abort", watched.listener);
    }
    return true;
  }

  #cancel(signal: AbortSignal): void {
    for (const pending of [...this.#pending]) {
      if (pending.ask.signal !== signal) continue;
      this.#remove(pending);
      pending.reject(cancelled(signal, pending.ask.operation));
    }
  }

  #end(): void {
    clearTimeout(this.#timer);
    for (const pending of [...this.#pending]) {
      this.#remove(pending);
      pending.reject(lost(pending.ask, this.closed.reason));
    }
  }

  /** The oldest request comes first in the set. */
  #tick(): void {
    this.#timer = undefined;
    const { timeout } = this.#options;
    const now = performance.now();
    for (const pending of this.#pending) {
      if (now - Math.max(pending.since, this.#channel.heard()) > timeout) {
        const why = `no answer in ${timeout / 1000} s`;
        return this.#options.abandon(failure(pending.ask, "timeout", { why }));
      }
      if (now - pending.since < timeout * STUCK) break;
      this.#remove(pending);
      pending.reject(failure(pending.ask, "timeout", { why: `no answer in ${(timeout * STUCK) / 1000} s` }));
    }
    if (this.#pending.size > 0) this.#timer = setTimeout(() => this.#tick(), timeout / 4);
  }
}

interface Pending {
  readonly ask: Ask;
  readonly since: number;
  reject(error: SyncError): void;
}

interface Watched {
  count: number;
  readonly listener: () => void;
}

/** So many timeouts may one request take while others are answered: it may wait behind much data on a slow line. */
const STUCK = 20;

async function absentAsUndefined<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (statusOf(error) === NO_SUCH_FILE) return undefined;
    throw error;
  }
}
