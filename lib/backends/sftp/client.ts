import { Buffer } from "node:buffer";
import { cancelled } from "../../core/errors.ts";
import { type Handle, OpenHandles } from "./requests.ts";
import { type ClientOptions, PendingRequests, TIMEOUTS_PER_OPERATION } from "./requests.ts";
import { END_OF_FILE, NO_SUCH_FILE, statusOf, toLostError, toSyncError } from "./errors.ts";
import type { Done, RawAttributes, RawName, SftpChannel, SftpRequests, StatVfs } from "../../ssh/channels.ts";
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
export class SftpClient {
  /** The largest number of bytes that a READ may request, and a WRITE may carry. */
  readonly maxRead: number;
  readonly maxWrite: number;
  readonly software: string;
  /** Whether the server processes requests in the order they were sent, so that they can be pipelined. */
  readonly keepsOrder: boolean;
  readonly closed: AbortSignal;
  /** The ms limit for one operation while the server keeps answering, however few bytes it delivers. */
  readonly operationTimeout: number;
  /** The ms of the fastest answer so far, an upper bound of the round trip. */
  minRtt = Infinity;
  readonly #channel: Pick<SftpChannel, "extensions">;
  readonly #requests: SftpRequests;
  readonly #pending: PendingRequests;
  readonly #handles: OpenHandles;
  #unackedBytes = 0;

  constructor(channel: SftpChannel, options: ClientOptions) {
    this.#channel = channel;
    this.#requests = channel.requests;
    this.#pending = new PendingRequests(channel, options);
    this.maxRead = channel.maxRead;
    this.maxWrite = channel.maxWrite;
    this.software = channel.software;
    this.keepsOrder = /^(?:OpenSSH|mod_sftp)/.test(channel.software);
    this.closed = channel.closed;
    this.operationTimeout = options.timeout * TIMEOUTS_PER_OPERATION;
    this.#handles = new OpenHandles(channel.closed, this.operationTimeout);
  }

  /** The number of pending requests. */
  get pendingCount(): number {
    return this.#pending.size;
  }

  /** The number of bytes in unanswered WRITEs. */
  get unackedBytes(): number {
    return this.#unackedBytes;
  }

  supports(extension: string): boolean {
    return this.#channel.extensions.has(extension);
  }

  open(
    path: string,
    flags: number,
    options: OperationContext & { readonly mode?: number | undefined },
  ): Promise<Handle> {
    const attributes = options.mode === undefined ? {} : { mode: options.mode };
    return this.#openHandle(options, (done) => this.#requests.open(path, flags, attributes, done));
  }

  async close(handle: Handle, context: OperationContext): Promise<void> {
    if (!this.#handles.claimClose(handle)) return;
    try {
      await this.#onHandle(
        handle,
        context,
        this.#request(context, (done: Done<void>) => this.#requests.close(handle, done)),
      );
    } finally {
      this.#handles.remove(handle);
    }
  }

  /** Closes a handle without waiting for the outcome, unless that was done. */
  closeInBackground(handle: Handle): void {
    if (!this.closed.aborted && this.#handles.claimClose(handle)) {
      this.#requests.close(handle, () => this.#handles.remove(handle));
    }
  }

  /**
   * Limits the connection to one open file from now on, since handles cannot be trusted. Returns false if that limit is
   * already set.
   */
  limitToOneFile(): boolean {
    return this.#handles.limitToOne();
  }

  /** Reads bytes into `into` at `at`. Returns their number, 0 at the end of the file. */
  read(
    handle: Handle,
    range: { into: Buffer; at: number; length: number; from: number },
    context: OperationContext,
  ): Promise<number> {
    const { into, at, length, from } = range;
    const start = (done: Done<number>) => this.#requests.read(handle, into, at, length, from, done);
    return this.#onHandle(handle, context, this.#requestValue(context, start));
  }

  async write(handle: Handle, data: Uint8Array, options: OperationContext & { readonly to: number }): Promise<void> {
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    const start = (done: Done<void>) => this.#requests.write(handle, bytes, 0, bytes.length, options.to, done);
    this.#unackedBytes += bytes.length;
    try {
      await this.#onHandle(handle, options, this.#request(options, start));
    } finally {
      this.#unackedBytes -= bytes.length;
    }
  }

  fstat(handle: Handle, context: OperationContext): Promise<RawAttributes> {
    return this.#onHandle(
      handle,
      context,
      this.#requestValue(context, (done: Done<RawAttributes>) => this.#requests.fstat(handle, done)),
    );
  }

  fsetstat(handle: Handle, attributes: RawAttributes, context: OperationContext): Promise<void> {
    return this.#onHandle(
      handle,
      context,
      this.#request(context, (done: Done<void>) => this.#requests.fsetstat(handle, attributes, done)),
    );
  }

  setstat(path: string, attributes: RawAttributes, context: OperationContext): Promise<void> {
    return this.#request(context, (done) => this.#requests.setstat(path, attributes, done));
  }

  /** Sets attributes by lsetstat@openssh.com, which does not follow a link. */
  lsetstat(path: string, attributes: RawAttributes, context: OperationContext): Promise<void> {
    return this.#request(context, (done) => this.#requests.ext_openssh_lsetstat(path, attributes, done));
  }

  /** Returns the attributes of a path, following links, or undefined if it is absent. */
  stat(path: string, context: OperationContext): Promise<RawAttributes | undefined> {
    return absentAsUndefined(
      this.#requestValue(context, (done: Done<RawAttributes>) => this.#requests.stat(path, done)),
    );
  }

  /** Returns the attributes of a path without following a link, or undefined if it is absent. */
  lstat(path: string, context: OperationContext): Promise<RawAttributes | undefined> {
    return absentAsUndefined(
      this.#requestValue(context, (done: Done<RawAttributes>) => this.#requests.lstat(path, done)),
    );
  }

  opendir(path: string, context: OperationContext): Promise<Handle> {
    return this.#openHandle(context, (done) => this.#requests.opendir(path, done));
  }

  /** Returns the next names of a folder, or undefined at its end. */
  async readdir(handle: Handle, context: OperationContext): Promise<readonly RawName[] | undefined> {
    const start = (done: Done<readonly RawName[]>) => this.#requests.readdir(handle, { full: true }, done);
    try {
      return await this.#onHandle(handle, context, this.#requestValue(context, start));
    } catch (error) {
      if (statusOf(error) === END_OF_FILE) return undefined;
      throw error;
    }
  }

  mkdir(path: string, context: OperationContext): Promise<void> {
    return this.#request(context, (done) => this.#requests.mkdir(path, done));
  }

  rmdir(path: string, context: OperationContext): Promise<void> {
    return this.#request(context, (done) => this.#requests.rmdir(path, done));
  }

  unlink(path: string, context: OperationContext): Promise<void> {
    return this.#request(context, (done) => this.#requests.unlink(path, done));
  }

  /** Renames by SSH_FXP_RENAME. OpenSSH refuses an existing target; other servers may not. */
  rename(from: string, to: string, context: OperationContext): Promise<void> {
    return this.#request(context, (done) => this.#requests.rename(from, to, done));
  }

  /** Renames by posix-rename@openssh.com, which replaces the target atomically. */
  posixRename(from: string, to: string, context: OperationContext): Promise<void> {
    return this.#request(context, (done) => this.#requests.ext_openssh_rename(from, to, done));
  }

  /** Creates a hard link by hardlink@openssh.com, which refuses an existing target. */
  hardlink(from: string, to: string, context: OperationContext): Promise<void> {
    return this.#request(context, (done) => this.#requests.ext_openssh_hardlink(from, to, done));
  }

  /**
   * Returns the bytes available to this user on the disk that holds `path`, or undefined if the server does not report
   * them.
   */
  async bytesFree(path: string, context: OperationContext): Promise<number | undefined> {
    if (!this.supports("statvfs@openssh.com")) return undefined;
    const disk = await this.#request(context, (done: Done<StatVfs>) => this.#requests.ext_openssh_statvfs(path, done));
    return disk.f_bavail * disk.f_frsize;
  }

  realpath(path: string, context: OperationContext): Promise<string> {
    return this.#request(context, (done) => this.#requests.realpath(path, done));
  }

  readlink(path: string, context: OperationContext): Promise<string> {
    return this.#request(context, (done) => this.#requests.readlink(path, done));
  }

  symlink(target: string, path: string, context: OperationContext): Promise<void> {
    return this.#request(context, (done) => this.#requests.symlink(target, path, done));
  }

  #openHandle(context: OperationContext, start: (done: Done<Handle>) => void): Promise<Handle> {
    const late = (handle: Handle) => {
      this.#handles.add(handle);
      this.closeInBackground(handle);
    };
    return this.#handles.open(
      context,
      () => this.#requestValue(context, start, late),
      (handle) => this.closeInBackground(handle),
    );
  }

  /** Returns the result of a request on a handle. Rejects if the handle also belonged to another file. */
  async #onHandle<T>(handle: Handle, context: OperationContext, request: Promise<T>): Promise<T> {
    try {
      return await request;
    } finally {
      this.#handles.assertNotShared(handle, context);
    }
  }

  /** Returns the value that a request asks for. Rejects if the server reports success without a value. */
  async #requestValue<T>(
    context: OperationContext,
    start: (done: Done<T>) => void,
    late?: (value: T) => void,
  ): Promise<T> {
    const value = await this.#request(context, start, late);
    if (value === undefined) {
      throw operationError(context, "unexpected", { why: "the server answered without a value" });
    }
    return value;
  }

  #request<T>(context: OperationContext, start: (done: Done<T>) => void, late?: (value: T) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.closed.aborted) return reject(toLostError(context, this.closed.reason));
      if (context.signal.aborted) return reject(cancelled(context.signal, context.operation));
      const pending = { context, reject, since: performance.now() };
      this.#pending.add(pending);
      const done: Done<T> = (error, value) => {
        if (!this.#pending.remove(pending)) return error ? undefined : late?.(value);
        this.minRtt = Math.min(this.minRtt, performance.now() - pending.since);
        if (!error) return resolve(value);
        reject(this.closed.aborted ? toLostError(context, this.closed.reason) : toSyncError(context, error));
      };
      try {
        start(done);
      } catch (error) {
        // The library throws once its socket is gone, a moment before it reports that.
        if (this.#pending.remove(pending)) reject(toLostError(context, error));
      }
    });
  }
}

async function absentAsUndefined<T>(request: Promise<T>): Promise<T | undefined> {
  try {
    return await request;
  } catch (error) {
    if (statusOf(error) === NO_SUCH_FILE) return undefined;
    throw error;
  }
}
