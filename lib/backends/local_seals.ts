import fs from "node:fs";
import { createHmac } from "node:crypto";
import type { Held } from "./local_folders.ts";
import { type Pace, removeOwn } from "./local_disk.ts";

/** `name`: of the file beside the temporary one that keeps the codes. `tag`: of the temporary name, which stands for the source's version. */
export interface Sealing {
  readonly pace: Pace;
  readonly held: Held;
  readonly name: string;
  readonly key: string;
  readonly tag: string;
}

/** Bytes that one code stands for. */
export const BLOCK = 1 << 20;

/**
 * Proof of what a write has put into its temporary file: a message authentication code (HMAC-SHA256) of each MiB, in a file beside it. The
 * key is a secret of this user, so a code that fits can only be ours, and bytes that fit it are those that were written for this version
 * of the source. Codes cost a tenth of a transfer's time at most: a fast one, which is quickly done again, is sealed in part.
 */
export class Seals {
  readonly #sealing: Sealing;
  readonly #began = performance.now();
  #spent = 0;
  #blocks = 0;
  #file: Deno.FsFile | undefined;
  #isRefused = false;

  constructor(sealing: Sealing) {
    this.#sealing = sealing;
  }

  /** The bytes that are sealed. */
  get bytes(): number {
    return this.#blocks * BLOCK;
  }

  /** Counts the leading bytes of a leftover that its codes prove, and goes on behind them. */
  async adopt(draft: Deno.FsFile, size: number): Promise<number> {
    const codes = this.#read(Math.floor(size / BLOCK));
    let proven = 0;
    while (proven < codes.length && await this.#codeOf(draft, proven) === codes[proven]) proven++;
    await this.remove();
    for (const code of codes.slice(0, proven)) this.#append(code);
    return this.bytes;
  }

  /** Seals what was written up to `size`, as far as that costs little time. Leaves the draft's offset behind the last byte. */
  async advance(draft: Deno.FsFile, size: number): Promise<void> {
    const isDue = () => {
      const lasted = performance.now() - this.#began;
      return this.bytes + BLOCK <= size && lasted > SHORT_MS && this.#spent * LEAST_SHARE < lasted;
    };
    if (this.#isRefused || !isDue()) return;
    while (isDue()) if (!await this.#sealOne(draft)) break;
    await draft.seek(size, Deno.SeekMode.Start);
  }

  /** Seals what is left of a write that broke off, as far as that takes no second or two. */
  async complete(draft: Deno.FsFile, size: number): Promise<void> {
    for (let left = MOST_LEFT; left > 0 && this.bytes + BLOCK <= size; left--) {
      if (!await this.#sealOne(draft)) return;
    }
  }

  close(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  /** Removes the codes; those of another user stay, and none are kept. */
  async remove(): Promise<void> {
    this.close();
    this.#blocks = 0;
    if (!await removeOwn(this.#sealing.pace, this.#path).catch(() => false)) this.#isRefused = true;
  }

  get #path(): string {
    const { held, name } = this.#sealing;
    return held.at(name);
  }

  async #sealOne(draft: Deno.FsFile): Promise<boolean> {
    const start = performance.now();
    const code = await this.#codeOf(draft, this.#blocks);
    const isSealed = code !== undefined && this.#append(code);
    this.#spent += performance.now() - start;
    return isSealed;
  }

  /** The code of one block as it lies on the disk; undefined where it is not complete. */
  async #codeOf(draft: Deno.FsFile, block: number): Promise<string | undefined> {
    const { pace, key, tag } = this.#sealing;
    await draft.seek(block * BLOCK, Deno.SeekMode.Start);
    const bytes = new Uint8Array(BLOCK);
    for (let at = 0; at < BLOCK;) {
      const rest = bytes.subarray(at);
      const count = await pace(() => draft.readSync(rest), () => draft.read(rest));
      if (count === null) return undefined;
      at += count;
    }
    return createHmac("sha256", key).update(`${tag} ${block}\n`).update(bytes).digest("hex");
  }

  /** False where no codes can be kept: the write goes on without. */
  #append(code: string): boolean {
    if (this.#isRefused) return false;
    try {
      this.#file ??= Deno.openSync(this.#path, { write: true, createNew: true, mode: 0o600 });
      this.#file.writeSync(new TextEncoder().encode(`${code}\n`));
      this.#blocks++;
      return true;
    } catch {
      this.#isRefused = true;
      return false;
    }
  }

  /** The codes that an earlier write has left, at most so many. */
  #read(most: number): readonly string[] {
    const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
    let fd: number | undefined;
    try {
      fd = fs.openSync(this.#path, O_RDONLY | (O_NOFOLLOW ?? 0) | (O_NONBLOCK ?? 0));
      if (!fs.fstatSync(fd).isFile()) return [];
      const bytes = new Uint8Array(most * LINE);
      const count = fs.readSync(fd, bytes, 0, bytes.length, 0);
      return new TextDecoder().decode(bytes.subarray(0, count)).split("\n").slice(0, -1);
    } catch {
      return [];
    } finally {
      if (fd !== undefined) fs.closeSync(fd);
    }
  }
}

/** A write that lasts no longer than this is not worth codes. */
const SHORT_MS = 250;
/** Of this share of the time that a write has taken one part goes to codes. */
const LEAST_SHARE = 10;
/** Blocks that are sealed behind a write that broke off. */
const MOST_LEFT = 1024;
/** A code in hex digits and the end of its line. */
const LINE = 65;
