import type { Done, RawAttributes, SftpChannel, SftpRequests, StatVfs } from "../../ssh/channels.ts";
import type { OperationContext } from "../../core/operation.ts";
import { RequestSender } from "./request_sender.ts";
import type { PendingOptions } from "./requests.ts";

/** The requests that name paths and open nothing. */
export class PathRequests {
  protected readonly requests: SftpRequests;
  protected readonly sender: RequestSender;
  protected readonly extensions: ReadonlySet<string>;

  constructor(channel: SftpChannel, options: PendingOptions) {
    this.requests = channel.requests;
    this.extensions = channel.extensions;
    this.sender = new RequestSender(channel, options);
  }

  supports(extension: string): boolean {
    return this.extensions.has(extension);
  }

  setstat(path: string, attributes: RawAttributes, context: OperationContext): Promise<void> {
    return this.sender.send(context, (done) => this.requests.setstat(path, attributes, done));
  }

  /** Sets attributes by lsetstat@openssh.com, which does not follow a link. */
  lsetstat(path: string, attributes: RawAttributes, context: OperationContext): Promise<void> {
    return this.sender.send(context, (done) => this.requests.ext_openssh_lsetstat(path, attributes, done));
  }

  mkdir(path: string, context: OperationContext): Promise<void> {
    return this.sender.send(context, (done) => this.requests.mkdir(path, done));
  }

  rmdir(path: string, context: OperationContext): Promise<void> {
    return this.sender.send(context, (done) => this.requests.rmdir(path, done));
  }

  unlink(path: string, context: OperationContext): Promise<void> {
    return this.sender.send(context, (done) => this.requests.unlink(path, done));
  }

  /** Renames by SSH_FXP_RENAME. OpenSSH refuses an existing target; other servers may not. */
  rename(from: string, to: string, context: OperationContext): Promise<void> {
    return this.sender.send(context, (done) => this.requests.rename(from, to, done));
  }

  /** Renames by posix-rename@openssh.com, which replaces the target atomically. */
  posixRename(from: string, to: string, context: OperationContext): Promise<void> {
    return this.sender.send(context, (done) => this.requests.ext_openssh_rename(from, to, done));
  }

  /** Creates a hard link by hardlink@openssh.com, which refuses an existing target. */
  hardlink(from: string, to: string, context: OperationContext): Promise<void> {
    return this.sender.send(context, (done) => this.requests.ext_openssh_hardlink(from, to, done));
  }

  /**
   * Returns the bytes available to this user on the disk that holds `path`, or undefined if the server does not report
   * them.
   */
  async bytesFree(path: string, context: OperationContext): Promise<number | undefined> {
    if (!this.supports("statvfs@openssh.com")) return undefined;
    const disk = await this.sender.send(
      context,
      (done: Done<StatVfs>) => this.requests.ext_openssh_statvfs(path, done),
    );
    return disk.f_bavail * disk.f_frsize;
  }

  realpath(path: string, context: OperationContext): Promise<string> {
    return this.sender.send(context, (done) => this.requests.realpath(path, done));
  }

  readlink(path: string, context: OperationContext): Promise<string> {
    return this.sender.send(context, (done) => this.requests.readlink(path, done));
  }

  symlink(target: string, path: string, context: OperationContext): Promise<void> {
    return this.sender.send(context, (done) => this.requests.symlink(target, path, done));
  }
}
