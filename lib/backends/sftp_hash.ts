import { createHash } from "node:crypto";
import { SyncError } from "../errors.ts";
import type { Checksum } from "../types.ts";
import type { Call } from "./backend.ts";
import { unlessCancelled } from "./sftp_body.ts";
import { runCommand } from "./sftp_command.ts";
import type { Pool } from "./sftp_pool.ts";
import type { Ask } from "./sftp_status.ts";

/**
 * Content hashes made on the server by its sha256sum, for accounts that have a shell. Names travel NUL-separated over standard input,
 * never on a command line; calls that come together share one command.
 */
export class Hashes {
  readonly #pool: Pool;
  #able: Promise<boolean> | undefined;
  #waiting: Waiting[] = [];
  #running = false;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /** The sha256 of the file that the server calls `at`; undefined when the server cannot tell. */
  async sha256(at: string, ask: Ask): Promise<Checksum | undefined> {
    this.#able ??= this.#probe();
    if (!(await unlessCancelled(this.#able, ask))) return undefined;
    const { promise, resolve, reject } = Promise.withResolvers<Checksum | undefined>();
    this.#waiting.push({ at, resolve, reject });
    if (!this.#running) {
      this.#running = true;
      queueMicrotask(() => this.#drain());
    }
    return await unlessCancelled(promise, ask);
  }

  /** Does the account run commands, and does its sha256sum give what it should? */
  async #probe(): Promise<boolean> {
    const word = "tandem\n";
    const wanted = `${createHash("sha256").update(word).digest("hex")} *-\0`;
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(), PROBE_MS);
    try {
      return await this.#run("sha256sum -b -z && command -v xargs >/dev/null", word, deadline) === wanted;
    } catch (error) {
      if (error instanceof SyncError && (error.kind === "unsupported" || error.kind === "cancelled")) return false;
      this.#able = undefined;
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, BATCH);
      try {
        const names = batch.map((one) => `${one.at}\0`).join("");
        const found = parseSums(await this.#run("xargs -0 sha256sum -b -z --", names, NOBODY));
        for (const { at, resolve } of batch) resolve(found.get(at));
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#running = false;
  }

  /** What a command writes; its exit code does not matter, for files that cannot be read leave gaps. */
  async #run(command: string, input: string, call: Call): Promise<string> {
    let output = "";
    const onText = (text: string) => {
      if (output.length < MOST_OUTPUT) output += text;
    };
    await runCommand(this.#pool, command, { signal: call.signal, input, onText });
    return output;
  }
}

/** The output of `sha256sum -z`: hash, blank, asterisk, name, NUL. */
export function parseSums(output: string): ReadonlyMap<string, Checksum> {
  const sums = new Map<string, Checksum>();
  for (const line of output.split("\0")) {
    const [, hash, name] = /^([0-9a-f]{64}) [ *](.+)$/s.exec(line) ?? [];
    if (hash !== undefined && name !== undefined) sums.set(name, `sha256:${hash}`);
  }
  return sums;
}

interface Waiting {
  readonly at: string;
  resolve(sum: Checksum | undefined): void;
  reject(error: unknown): void;
}

const NOBODY: Call = { signal: new AbortController().signal };
const PROBE_MS = 10_000;
const BATCH = 1_000;
const MOST_OUTPUT = 64 << 20;
