import { Buffer } from "node:buffer";
import { cancelled } from "../../core/errors.ts";
import { type Handle, OpenHandles } from "./handles.ts";
import { PendingRequests, STUCK, type WireOptions } from "./pending_requests.ts";
import { END_OF_FILE, lost, NO_SUCH_FILE, statusOf, toSyncError } from "./errors.ts";
import type { DiskState, Done, RawAttributes, RawName, SftpChannel, SftpRequests } from "../../ssh/channels.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

/** SSH_FXF_* of draft-ietf-secsh-filexfer-02, section 6.3. */
export const READ = 0x01;
export const WRITE = 0x02;
export const CREATE = 0x08;
export const EXCLUSIVE = 0x20;

/**
 * An SFTP client with one promise per request. Each request ends with the server's answer, when the connection is lost
 * (connection), when `signal` is aborted (cancelled), or when nothing is received for `timeout` ms while answers are
 * due; in that case the whole connection is closed (timeout). Answers that come too late are discarded, their handles
 * closed.
 */
export class Wire {
  /** The largest number of bytes that a READ may request, and a WRITE may carry. */
  readonly maxRead: number;
  readonly maxWrite: number;
  readonly software: string;
  /** Whether the server processes requests in the order they were sent, so that they can be pipelined. */
  readonly ordered: boolean;
  readonly closed: AbortSignal;
  /** The ms limit for one operation while the server keeps answering, however few bytes it delivers. */
  readonly patience: number;
  /** The ms of the fastest answer so far, an upper bound of the round trip. */
  nearest = Infinity;
  readonly #channel: Pick<SftpChannel, "extensions">;
  readonly #requests: SftpRequests;
  readonly #pending: PendingRequests;
  readonly #handles: OpenHandles;
  #bytes = 0;

  constructor(channel: SftpChannel, options: WireOptions) {
    this.#channel = channel;
    this.#requests = channel.requests;
    this.#pending = new PendingRequests(channel, options);
    this.maxRead = channel.maxRead;
    this.maxWrite = channel.maxWrite;
    this.software = channel.software;
    this.ordered = /^(?:OpenSSH|mod_sftp)/.test(channel.software);
    this.closed = channel.closed;
    this.patience = options.timeout * STUCK;
    this.#handles = new OpenHandles(channel.closed, this.patience);
  }

  /** The number of pending requests. */
  get load(): number {
    return this.#pending.size;
  }

  /** The number of bytes in unanswered WRITEs. */
  get bytes(): number {
    return this.#bytes;
  }

  offers(extension: string): boolean {
    return this.#channel.extensions.has(extension);
  }

  open(
    path: string,
    flags: number,
    options: OperationContext & { readonly mode?: number | undefined },
  ): Promise<Handle> {
    const attributes = options.mode === undefined ? {} : { mode: options.mode };
    return this.#open(options, (done) => this.#requests.open(path, flags, attributes, done));
  }

  async close(handle: Handle, ask: OperationContext): Promise<void> {
    if (!this.#handles.mayClose(handle)) return;
    try {
      await this.#on(handle, ask, this.#send(ask, (done: Done<void>) => this.#requests.close(handle, done)));
    } finally {
      this.#handles.remove(handle);
    }
  }

  /** Closes a handle without waiting for the outcome, unless that was done. */
  drop(handle: Handle): void {
    if (!this.closed.aborted && this.#handles.mayClose(handle)) {
      this.#requests.close(handle, () => this.#handles.remove(handle));
    }
  }

  /**
   * Limits the connection to one open file from now on, since handles cannot be trusted. Returns false if that limit is
   * already set.
   */
  doubt(): boolean {
    return this.#handles.doubt();
  }

  /** Reads bytes into `into` at `at`. Returns their number, 0 at the end of the file. */
  read(
    handle: Handle,
    range: { into: Buffer; at: number; length: number; from: number },
    ask: OperationContext,
  ): Promise<number> {
    const { into, at, length, from } = range;
    const start = (done: Done<number>) => this.#requests.read(handle, into, at, length, from, done);
    return this.#on(handle, ask, this.#value(ask, start));
  }

  async write(handle: Handle, data: Uint8Array, options: OperationContext & { readonly to: number }): Promise<void> {
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    const start = (done: Done<void>) => this.#requests.write(handle, bytes, 0, bytes.length, options.to, done);
    this.#bytes += bytes.length;
    try {
      await this.#on(handle, options, this.#send(options, start));
    } finally {
      this.#bytes -= bytes.length;
    }
  }

  fstat(handle: Handle, ask: OperationContext): Promise<RawAttributes> {
    return this.#on(
      handle,
      ask,
      this.#value(ask, (done: Done<RawAttributes>) => this.#requests.fstat(handle, done)),
    );
  }

  fsetstat(handle: Handle, attributes: RawAttributes, ask: OperationContext): Promise<void> {
    return this.#on(
      handle,
      ask,
      this.#send(ask, (done: Done<void>) => this.#requests.fsetstat(handle, attributes, done)),
    );
  }

  setstat(path: string, attributes: RawAttributes, ask: OperationContext): Promise<void> {
    return this.#send(ask, (done) => this.#requests.setstat(path, attributes, done));
  }

  /** Sets attributes by lsetstat@openssh.com, which does not follow a link. */
  lsetstat(path: string, attributes: RawAttributes, ask: OperationContext): Promise<void> {
    return this.#send(ask, (done) => this.#requests.ext_openssh_lsetstat(path, attributes, done));
  }

  /** Returns the attributes of a path, following links, or undefined if it is absent. */
  stat(path: string, ask: OperationContext): Promise<RawAttributes | undefined> {
    return absentAsUndefined(this.#value(ask, (done: Done<RawAttributes>) => this.#requests.stat(path, done)));
  }

  /** Returns the attributes of a path without following a link, or undefined if it is absent. */
  lstat(path: string, ask: OperationContext): Promise<RawAttributes | undefined> {
    return absentAsUndefined(this.#value(ask, (done: Done<RawAttributes>) => this.#requests.lstat(path, done)));
  }

  opendir(path: string, ask: OperationContext): Promise<Handle> {
    return this.#open(ask, (done) => this.#requests.opendir(path, done));
  }

  /** Returns the next names of a folder, or undefined at its end. */
  async readdir(handle: Handle, ask: OperationContext): Promise<readonly RawName[] | undefined> {
    const start = (done: Done<readonly RawName[]>) => this.#requests.readdir(handle, { full: true }, done);
    try {
      return await this.#on(handle, ask, this.#value(ask, start));
    } catch (error) {
      if (statusOf(error) === END_OF_FILE) return undefined;
      throw error;
    }
  }

  mkdir(path: string, ask: OperationContext): Promise<void> {
    return this.#send(ask, (done) => this.#requests.mkdir(path, done));
  }

  rmdir(path: string, ask: OperationContext): Promise<void> {
    return this.#send(ask, (done) => this.#requests.rmdir(path, done));
  }

  unlink(path: string, ask: OperationContext): Promise<void> {
    return this.#send(ask, (done) => this.#requests.unlink(path, done));
  }

  /** Renames by SSH_FXP_RENAME. OpenSSH refuses an existing target; other servers may not. */
  rename(from: string, to: string, ask: OperationContext): Promise<void> {
    return this.#send(ask, (done) => this.#requests.rename(from, to, done));
  }

  /** Renames by posix-rename@openssh.com, which replaces the target atomically. */
  replace(from: string, to: string, ask: OperationContext): Promise<void> {
    return this.#send(ask, (done) => this.#requests.ext_openssh_rename(from, to, done));
  }

  /** Creates a hard link by hardlink@openssh.com, which refuses an existing target. */
  hardlink(from: string, to: string, ask: OperationContext): Promise<void> {
    return this.#send(ask, (done) => this.#requests.ext_openssh_hardlink(from, to, done));
  }

  /**
   * Returns the bytes available to this user on the disk that holds `path`, or undefined if the server does not report
   * them.
   */
  async bytesFree(path: string, ask: OperationContext): Promise<number | undefined> {
    if (!this.offers("statvfs@openssh.com")) return undefined;
    const disk = await this.#send(ask, (done: Done<DiskState>) => this.#requests.ext_openssh_statvfs(path, done));
    return disk.f_bavail * disk.f_frsize;
  }

  realpath(path: string, ask: OperationContext): Promise<string> {
    return this.#send(ask, (done) => this.#requests.realpath(path, done));
  }

  readlink(path: string, ask: OperationContext): Promise<string> {
    return this.#send(ask, (done) => this.#requests.readlink(path, done));
  }

  symlink(target: string, path: string, ask: OperationContext): Promise<void> {
    return this.#send(ask, (done) => this.#requests.symlink(target, path, done));
  }

  #open(ask: OperationContext, start: (done: Done<Handle>) => void): Promise<Handle> {
    const late = (handle: Handle) => {
      this.#handles.add(handle);
      this.drop(handle);
    };
    return this.#handles.open(ask, () => this.#value(ask, start, late), (handle) => this.drop(handle));
  }

  /** Returns the result of a request on a handle. Rejects if the handle also belonged to another file. */
  async #on<T>(handle: Handle, ask: OperationContext, request: Promise<T>): Promise<T> {
    try {
      return await request;
    } finally {
      this.#handles.check(handle, ask);
    }
  }

  /** Returns the value that a request asks for. Rejects if the server reports success without a value. */
  async #value<T>(ask: OperationContext, start: (done: Done<T>) => void, late?: (value: T) => void): Promise<T> {
    const value = await this.#send(ask, start, late);
    if (value === undefined) throw operationError(ask, "unexpected", { why: "the server answered without a value" });
    return value;
  }

  #send<T>(ask: OperationContext, start: (done: Done<T>) => void, late?: (value: T) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.closed.aborted) return reject(lost(ask, this.closed.reason));
      if (ask.signal.aborted) return reject(cancelled(ask.signal, ask.operation));
      const pending = { ask, reject, since: performance.now() };
      this.#pending.add(pending);
      const done: Done<T> = (error, value) => {
        if (!this.#pending.remove(pending)) return error ? undefined : late?.(value);
        this.nearest = Math.min(this.nearest, performance.now() - pending.since);
        if (!error) return resolve(value);
        reject(this.closed.aborted ? lost(ask, this.closed.reason) : toSyncError(ask, error));
      };
      try {
        start(done);
      } catch (error) {
        // The library throws once its socket is gone, a moment before it reports that.
        if (this.#pending.remove(pending)) reject(lost(ask, error));
      }
    });
  }
}

async function absentAsUndefined<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (statusOf(error) === NO_SUCH_FILE) return undefined;
    throw error;
  }
}
