import { Buffer } from "node:buffer";
import { SyncError } from "../../core/errors.ts";
import { openSftpChannel, type RawSftp, type SftpChannel } from "../channels.ts";
import { sftpOverPipe } from "../connection.ts";
import { explainFirstBytes } from "../errors.ts";
import type { SshConnection } from "../types.ts";
import { toLostError } from "./errors.ts";
import type { SshProcess } from "./process.ts";

/** One connection: an ssh process. */
export class SystemConnection implements SshConnection {
  readonly banner = "";
  readonly #process: SshProcess;
  readonly #controller = new AbortController();
  #channel: SftpChannel | undefined;
  #hostKey = new Uint8Array();

  constructor(process: SshProcess) {
    this.#process = process;
  }

  setHostKey(key: Uint8Array): this {
    this.#hostKey = new Uint8Array(key);
    return this;
  }

  get hostKey(): Uint8Array {
    return this.#hostKey;
  }

  get closed(): AbortSignal {
    return this.#controller.signal;
  }

  /**
   * Begins SFTP: its first request is sent ahead, so that the answer shows that the login is done. Rejects with the error
   * of `explainEnd` if the process ends before.
   */
  async open(signal: AbortSignal, explainEnd: () => SyncError): Promise<void> {
    const process = this.#process;
    const { promise: started, resolve, reject } = Promise.withResolvers<Buffer>();
    let first = Buffer.alloc(0);
    let raw: RawSftp | undefined;
    process.onData((data) => {
      if (raw !== undefined) return void raw.push(data);
      first = Buffer.concat([first, data]);
      const text = explainFirstBytes(first);
      if (text !== undefined) reject(text);
      else if (first.length >= VERSION_HEADER) resolve(first);
    });
    process.ended.then(() => {
      if (!this.closed.aborted) this.#controller.abort(toLostError(process.log));
      raw?.push(null);
      reject(explainFirstBytes(first, true) ?? explainEnd());
    });
    process.write(INIT);
    await started;
    const sftp = await sftpOverPipe({
      software: process.log.software,
      send: (data) => process.write(data),
      close: () => process.kill(),
    });
    const start = (done: (error: Error | undefined, sftp: RawSftp) => void) => {
      sftp.on("ready", () => done(undefined, sftp));
      sftp.on("error", (error) => done(error, sftp));
      raw = sftp;
      sftp.push(first);
    };
    const channel = await openSftpChannel({ sftp: start }, { signal, closed: this.closed });
    // The process carries this one channel.
    channel.closed.addEventListener("abort", () => this.abort(channel.closed.reason), { once: true });
    this.#channel = channel;
  }

  sftp(): Promise<SftpChannel> {
    if (this.#channel !== undefined) return Promise.resolve(this.#channel);
    return Promise.reject(new SyncError("connection", "SFTP is not open", { operation: "open SFTP" }));
  }

  exec(): Promise<never> {
    return Promise.reject(notOffered("run a command"));
  }

  forward(): Promise<never> {
    return Promise.reject(notOffered("forward a connection"));
  }

  abort(why: SyncError): void {
    if (!this.closed.aborted) this.#controller.abort(why);
    this.#process.kill();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.closed.aborted) {
      this.#controller.abort(new SyncError("connection", "The connection is closed", { operation: "connect" }));
    }
    await this.#process.end();
  }
}

/** SSH_FXP_INIT of version 3, and the bytes of its answer that tell it from text. */
const INIT = new Uint8Array([0, 0, 0, 5, 1, 0, 0, 0, 3]);
const VERSION_HEADER = 5;

function notOffered(operation: string): SyncError {
  return new SyncError("unsupported", `-SshClient System does not ${operation}`, { operation });
}
