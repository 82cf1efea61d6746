import { Buffer } from "node:buffer";
import { root } from "../../core/path.ts";
import { OpenFileLimit } from "./open_files.ts";
import { type Handle, OpenHandles } from "./open_handles.ts";
import { ServerProfile } from "./profile.ts";
import { PathRequests } from "./path_requests.ts";
import { TIMEOUTS_PER_OPERATION } from "./requests.ts";
import { allowsManyFiles, type ClientOptions, closePatience, opensAsAsked } from "./client_options.ts";
import { type HandleRequest, listingWait } from "./listing_wait.ts";
import {
  absentAsUndefined,
  END_OF_FILE,
  isLostHandle,
  isUnknownRequest,
  lostHandleError,
  markRefusedWrite,
  statusOf,
} from "./errors.ts";
import type { Done, RawAttributes, RawName, SftpChannel } from "../../ssh/channels.ts";
import type { OperationContext } from "../../core/operation.ts";

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
export class SftpClient extends PathRequests {
  /** The largest number of bytes that a READ may request, and a WRITE may carry. */
  readonly maxRead: number;
  readonly maxWrite: number;
  readonly software: string;
  /** Whether the server processes requests in the order they were sent, so that they can be pipelined. */
  readonly keepsOrder: boolean;
  /** Whether a file may be open for writing more than once. */
  readonly sharesUploads: boolean;
  readonly closed: AbortSignal;
  readonly profile: ServerProfile;
  /** The ms limit for one operation while the server keeps answering, however few bytes it delivers. */
  readonly operationTimeout: number;
  readonly #files: OpenFileLimit;
  readonly #handles: OpenHandles;
  readonly #closePatience: (bytes: number) => number;
  /** The end of what was written to each handle, in bytes. */
  readonly #written = new WeakMap<Handle, number>();
  readonly #background = { operation: "close", path: root, signal: new AbortController().signal };
  readonly #listing: HandleRequest["wait"];
  #unackedBytes = 0;

  constructor(channel: SftpChannel, options: ClientOptions) {
    super(channel, options);
    ({ maxRead: this.maxRead, maxWrite: this.maxWrite, software: this.software } = channel);
    this.keepsOrder = /^(?:OpenSSH|mod_sftp)/.test(channel.software);
    this.sharesUploads = opensAsAsked(channel.software);
    this.closed = channel.closed;
    this.profile = options.profile ?? new ServerProfile();
    this.operationTimeout = options.timeout * TIMEOUTS_PER_OPERATION;
    this.#closePatience = options.closePatience ?? closePatience;
    this.#listing = listingWait(options);
    this.#files = options.files ?? new OpenFileLimit(this.#closePatience(0));
    this.#files.start({ announced: channel.maxOpenFiles, allowsMany: allowsManyFiles(channel.software) });
    this.#handles = new OpenHandles(channel.closed, this.#files);
  }

  /** The number of pending requests. */
  get pendingCount(): number {
    return this.sender.pendingCount;
  }

  /** The number of bytes in unanswered WRITEs. */
  get unackedBytes(): number {
    return this.#unackedBytes;
  }

  /** The ms of the fastest answer so far, an upper bound of the round trip. */
  get minRtt(): number {
    return this.sender.minRtt;
  }

  /** The number of answers so far. */
  get answers(): number {
    return this.sender.answers;
  }

  open(
    path: string,
    flags: number,
    options: OperationContext & { readonly mode?: number | undefined },
  ): Promise<Handle> {
    const attributes = options.mode === undefined ? {} : { mode: options.mode };
    const hasOtherReason = async () => ((flags & EXCLUSIVE) !== 0) === (await this.lstat(path, options) !== undefined);
    const start = (done: Done<Handle>) => this.requests.open(path, flags, attributes, done);
    return this.#openHandle(options, { start, hasOtherReason });
  }

  async close(handle: Handle, context: OperationContext): Promise<void> {
    if (!this.#handles.claimClose(handle)) return;
    try {
      await this.#onHandle(handle, context, this.#requestClose(handle, context));
    } finally {
      this.#handles.remove(handle);
    }
  }

  /**
   * Closes a handle without waiting for the outcome, unless that was done. The answer is due like any other: without it
   * the place of the file would be taken for ever.
   */
  closeInBackground(handle: Handle): void {
    if (this.closed.aborted || !this.#handles.claimClose(handle)) return;
    const end = () => this.#handles.remove(handle);
    this.#requestClose(handle, this.#background).then(end, end);
  }

  #requestClose(handle: Handle, context: OperationContext): Promise<void> {
    const bytes = this.#written.get(handle);
    const patience = bytes === undefined ? undefined : this.#closePatience(bytes);
    return this.sender.send(context, (done: Done<void>) => this.requests.close(handle, done), { patience });
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
    const start = (done: Done<number>) => this.requests.read(handle, into, at, length, from, done);
    this.#files.noteProgress();
    return this.#onHandle(handle, context, this.sender.sendForValue(context, start));
  }

  async write(handle: Handle, data: Uint8Array, options: OperationContext & { readonly to: number }): Promise<void> {
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    const start = (done: Done<void>) => this.requests.write(handle, bytes, 0, bytes.length, options.to, done);
    this.#unackedBytes += bytes.length;
    this.#written.set(handle, Math.max(this.#written.get(handle) ?? 0, options.to + bytes.length));
    this.#files.noteProgress();
    try {
      await this.#onHandle(handle, options, this.sender.send(options, start));
    } catch (error) {
      markRefusedWrite(error);
      throw error;
    } finally {
      this.#unackedBytes -= bytes.length;
    }
  }

  fstat(handle: Handle, context: OperationContext): Promise<RawAttributes> {
    return this.#onHandle(
      handle,
      context,
      this.sender.sendForValue(context, (done: Done<RawAttributes>) => this.requests.fstat(handle, done)),
    );
  }

  fsetstat(handle: Handle, attributes: RawAttributes, context: OperationContext): Promise<void> {
    return this.#onHandle(
      handle,
      context,
      this.sender.send(context, (done: Done<void>) => this.requests.fsetstat(handle, attributes, done)),
    );
  }

  /** Returns the attributes of a path, following links, or undefined if it is absent. */
  stat(path: string, context: OperationContext): Promise<RawAttributes | undefined> {
    return absentAsUndefined(
      this.sender.sendForValue(context, (done: Done<RawAttributes>) => this.requests.stat(path, done)),
    );
  }

  /** Returns the attributes of a path without following a link, or undefined if it is absent. */
  async lstat(path: string, context: OperationContext): Promise<RawAttributes | undefined> {
    if (!this.profile.showsLinks) return await this.stat(path, context);
    try {
      return await absentAsUndefined(
        this.sender.sendForValue(context, (done: Done<RawAttributes>) => this.requests.lstat(path, done)),
      );
    } catch (error) {
      if (!isUnknownRequest(error)) throw error;
      this.profile.hideLinks();
      return await this.stat(path, context);
    }
  }

  opendir(path: string, context: OperationContext): Promise<Handle> {
    const hasOtherReason = async () => await this.lstat(path, context) === undefined;
    const start = (done: Done<Handle>) => this.requests.opendir(path, done);
    return this.#openHandle(context, { start, hasOtherReason, wait: this.#listing });
  }

  /** Returns the next names of a folder, or undefined at its end. */
  async readdir(handle: Handle, context: OperationContext): Promise<readonly RawName[] | undefined> {
    const start = (done: Done<readonly RawName[]>) => this.requests.readdir(handle, { full: true }, done);
    try {
      return await this.#onHandle(handle, context, this.sender.sendForValue(context, start, this.#listing));
    } catch (error) {
      if (statusOf(error) === END_OF_FILE) return undefined;
      throw error;
    }
  }

  #openHandle(context: OperationContext, { start, hasOtherReason, wait }: HandleRequest): Promise<Handle> {
    const late = (handle: Handle) => {
      this.#handles.addLate(handle);
      this.closeInBackground(handle);
    };
    return this.#handles.open(context, {
      send: () => this.sender.sendForValue(context, start, { ...wait, late }),
      close: (handle) => this.closeInBackground(handle),
      hasOtherReason: async () => this.#files.isAnnounced || await hasOtherReason(),
    });
  }

  /**
   * Returns the result of a request on a handle. Rejects as retryable if the handle also belonged to another file, or if
   * the server does not know it any more.
   */
  async #onHandle<T>(handle: Handle, context: OperationContext, request: Promise<T>): Promise<T> {
    try {
      return await request;
    } catch (error) {
      if (!isLostHandle(error)) throw error;
      this.#handles.limitToOne();
      throw lostHandleError(context, error);
    } finally {
      this.#handles.assertNotShared(handle, context);
    }
  }
}
