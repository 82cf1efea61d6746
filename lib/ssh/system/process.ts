import { Buffer } from "node:buffer";
import { cancelled, SyncError } from "../../core/errors.ts";
import type { CallOptions } from "../../core/backend.ts";
import { SshLog } from "./errors.ts";

/** A running ssh whose standard input and output carry SFTP. It ends with its pipes, however this program ends. */
export class SshProcess {
  readonly pid: number;
  readonly log = new SshLog();
  /** Whether it ended with exit code 0. */
  isSuccess = false;
  /** Resolves when the process has ended and all that it wrote was read. */
  readonly ended: Promise<void>;
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #received: Buffer[] = [];
  #queue: Uint8Array[] = [];
  #isWriting = false;
  #isEnded = false;
  #onData: ((data: Buffer) => void) | undefined;

  /** `env`: all of its environment. */
  constructor(program: string, args: readonly string[], env: Readonly<Record<string, string>>) {
    // In a session of its own: an interrupt at the terminal is for Tandem, which ends its transfers first.
    this.#child = new Deno.Command(program, {
      detached: true,
      args: [...args],
      env,
      clearEnv: true,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.pid = this.#child.pid;
    this.#writer = this.#child.stdin.getWriter();
    this.ended = this.#run();
  }

  /** Calls the listener with all that was received so far, then with each further piece. */
  onData(listener: (data: Buffer) => void): void {
    this.#onData = listener;
    for (const data of this.#received.splice(0)) listener(data);
  }

  /** Sends bytes. All those of one turn of the event loop are written together. */
  write(data: Uint8Array): void {
    this.#queue.push(data);
    if (this.#isWriting) return;
    this.#isWriting = true;
    queueMicrotask(() => void this.#flush());
  }

  /** Closes the standard input, which ends the session, and waits for the end; after `DISCONNECT_MS` it is killed. */
  async end(): Promise<void> {
    const timer = setTimeout(() => this.kill(), DISCONNECT_MS);
    // Not awaited: what is not written yet may never be taken.
    this.#writer.close().catch(() => {});
    await this.ended;
    clearTimeout(timer);
  }

  /** Ends the process and those that it started (a ProxyCommand), which are of one process group. */
  kill(): void {
    if (this.#isEnded) return;
    try {
      Deno.kill(-this.pid, "SIGKILL");
    } catch {
      // It has ended a moment ago.
    }
  }

  async #flush(): Promise<void> {
    try {
      while (this.#queue.length > 0) {
        const parts = this.#queue;
        this.#queue = [];
        await this.#writer.write(parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts));
      }
    } catch {
      // The process has ended, which is reported by `ended`.
    } finally {
      this.#isWriting = false;
    }
  }

  async #run(): Promise<void> {
    const { stdout, stderr, status } = this.#child;
    const decoder = new TextDecoder();
    const [output, words] = [stdout.getReader(), stderr.getReader()];
    const read = Promise.all([
      readAll(output, (data) => {
        const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
        if (this.#onData === undefined) this.#received.push(bytes);
        else this.#onData(bytes);
      }),
      readAll(words, (data) => this.log.add(decoder.decode(data, { stream: true }))),
    ]);
    this.isSuccess = (await status).success;
    this.#isEnded = true;
    // A process that it started may hold the pipes open.
    const timer = setTimeout(() => void Promise.all([output.cancel(), words.cancel()]), DRAIN_MS);
    await read;
    clearTimeout(timer);
    await this.#writer.abort().catch(() => {});
  }
}

/** The result of an ssh that only reports something. */
export interface SshReport {
  readonly isSuccess: boolean;
  readonly stdout: string;
  readonly log: SshLog;
}

/**
 * Runs ssh to its end, with no input. Rejects with timeout after `timeout` ms, since it may run commands of the
 * configuration that never end, or with cancelled.
 */
export async function reportOf(
  process: SshProcess,
  { signal, timeout }: CallOptions & { readonly timeout: number },
): Promise<SshReport> {
  let stdout = "";
  let failure: SyncError | undefined;
  const decoder = new TextDecoder();
  process.onData((data) => stdout += decoder.decode(data, { stream: true }));
  const stop = (why: SyncError) => {
    failure ??= why;
    process.kill();
  };
  const onAbort = () => stop(cancelled(signal, "connect"));
  const timer = setTimeout(() => {
    const why = `ssh did not report its settings in ${timeout / 1000} s (-Timeout); ` +
      'a command of "Match exec" in the SSH configuration may not end';
    stop(new SyncError("timeout", why, { operation: "connect" }));
  }, timeout);
  signal.addEventListener("abort", onAbort);
  try {
    if (signal.aborted) onAbort();
    await process.ended;
    if (failure !== undefined) throw failure;
    return { isSuccess: process.isSuccess, stdout, log: process.log };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}

async function readAll(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  onData: (data: Uint8Array) => void,
): Promise<void> {
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) onData(next.value);
  } catch {
    // The pipe was closed.
  }
}

const DISCONNECT_MS = 1_000;
const DRAIN_MS = 200;
