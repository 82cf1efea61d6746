import { createHash } from "node:crypto";
import { SyncError } from "../../core/errors.ts";
import type { Checksum } from "../../core/entry.ts";
import { unlessAborted } from "../../net/abort.ts";
import type { Pool } from "./pool.ts";
import type { OperationContext } from "../../core/operation.ts";

/**
 * Computes content hashes on the server by its sha256sum, for accounts that have a shell. Names are sent NUL-separated
 * over standard input, never on a command line; concurrent calls share one command.
 */
export class RemoteChecksums {
  readonly #pool: Pool;
  #isSupported: Promise<boolean> | undefined;
  #queue: QueuedFile[] = [];
  #running = false;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /** Returns the sha256 of the file with the server path, or undefined if the server cannot compute it. */
  async sha256(
    serverPath: string,
    context: OperationContext & { readonly size: number },
  ): Promise<Checksum | undefined> {
    this.#isSupported ??= this.#probe();
    if (!(await unlessAborted(this.#isSupported, context))) return undefined;
    const { promise, resolve, reject } = Promise.withResolvers<Checksum | undefined>();
    this.#queue.push({ serverPath, size: context.size, resolve, reject });
    if (!this.#running) {
      this.#running = true;
      queueMicrotask(() => this.#runBatches());
    }
    return await unlessAborted(promise, context);
  }

  /** Whether the account can run commands, and its sha256sum returns the expected hash. */
  async #probe(): Promise<boolean> {
    const sample = "tandem\n";
    const expected = `${createHash("sha256").update(sample).digest("hex")} *-\0`;
    try {
      const command = "sha256sum -b -z && command -v xargs >/dev/null";
      return await this.#run(command, { input: sample, timeout: PROBE_TIMEOUT_MS }) === expected;
    } catch (error) {
      if (error instanceof SyncError && error.kind === "unsupported") return false;
      this.#isSupported = undefined;
      throw error;
    }
  }

  async #runBatches(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0, BATCH_FILES);
      try {
        const names = batch.map((one) => `${one.serverPath}\0`).join("");
        const bytes = batch.reduce((sum, one) => sum + one.size, 0);
        const timeout = BATCH_TIMEOUT_MS + bytes / MIN_BYTES_PER_MS;
        const found = parseSums(await this.#run("xargs -0 sha256sum -b -z --", { input: names, timeout }));
        for (const { serverPath: at, resolve } of batch) resolve(found.get(at));
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#running = false;
  }

  /**
   * Returns the output of a command within `timeout` ms. Its exit code is ignored, because files that cannot be read
   * leave gaps.
   */
  async #run(command: string, { input, timeout }: { input: string; timeout: number }): Promise<string> {
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), Math.min(timeout, MAX_TIMER_MS));
    let output = "";
    const onText = (text: string) => {
      output += text;
      if (output.length > MAX_OUTPUT) stop.abort();
    };
    try {
      await this.#pool.runCommand(command, { signal: stop.signal, input, onText });
      return output;
    } catch (error) {
      if (!stop.signal.aborted) throw error;
      return output;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Parses the output of `sha256sum -z`: hash, blank, asterisk, name, NUL. */
export function parseSums(output: string): ReadonlyMap<string, Checksum> {
  const sums = new Map<string, Checksum>();
  for (const line of output.split("\0")) {
    const [, hash, name] = /^([0-9a-f]{64}) [ *](.+)$/s.exec(line) ?? [];
    if (hash !== undefined && name !== undefined) sums.set(name, `sha256:${hash}`);
  }
  return sums;
}

interface QueuedFile {
  readonly serverPath: string;
  readonly size: number;
  resolve(sum: Checksum | undefined): void;
  reject(error: unknown): void;
}

const PROBE_TIMEOUT_MS = 10_000;
const BATCH_FILES = 1_000;
/** The output limit of a batch: names of 4 KiB each. */
const MAX_OUTPUT = 8 << 20;
/**
 * The time limit of a batch: this many ms, plus the time for its bytes at the speed of a slow disk. After it no more
 * hashes are read.
 */
const BATCH_TIMEOUT_MS = 60_000;
const MIN_BYTES_PER_MS = 1_000;
const MAX_TIMER_MS = 2 ** 31 - 1;
