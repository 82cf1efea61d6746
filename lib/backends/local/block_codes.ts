import fs from "node:fs";
import { createHmac } from "node:crypto";
import { crc32 } from "node:zlib";
import { lastingIdOf, type Pace, QUIETLY, removeOwn } from "./disk.ts";
import type { Held } from "./held_folders.ts";

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
 * Proof of what a write has put into its temporary file: a message authentication code (HMAC-SHA256) for each MiB, in a file beside it. A
 * code is made with a secret of this user, of the version of the source, the place of the block, its CRC-32, and the file itself (inode
 * and time of birth). So one that fits was made by this user for these very bytes in this very file, to which nobody else could write;
 * the CRC shows what a disk has lost. A cryptographic hash of the content would halve the speed of fast transfers and prove no more.
 */
export class Seals {
  readonly #sealing: Sealing;
  #id = "";
  #blocks = 0;
  /** Of the block that is not complete yet. */
  #crc = 0;
  #count = 0;
  #file: Deno.FsFile | undefined;
  #isRefused = false;

  constructor(sealing: Sealing) {
    this.#sealing = sealing;
  }

  /** The bytes that are sealed. */
  get bytes(): number {
    return this.#blocks * BLOCK;
  }

  /** Begins a new file. */
  begin(info: Deno.FileInfo): void {
    this.#id = lastingIdOf(info);
    this.#blocks = this.#crc = this.#count = 0;
  }

  /** Counts the leading bytes of a leftover that its codes prove, and goes on behind them. */
  async adopt(draft: Deno.FsFile, info: Deno.FileInfo, size: number): Promise<number> {
    this.begin(info);
    const codes = this.#read(Math.floor(size / BLOCK));
    let proven = 0;
    for (const code of codes) {
      const crc = await this.#crcOf(draft, proven);
      if (crc === undefined || this.#codeOf(proven, crc) !== code) break;
      proven++;
    }
    await this.remove();
    for (const code of codes.slice(0, proven)) this.#append(code);
    return this.bytes;
  }

  /** Seals what was written behind everything before. */
  add(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length && !this.#isRefused;) {
      const piece = bytes.subarray(at, at + BLOCK - this.#count);
      this.#crc = crc32(piece, this.#crc);
      this.#count += piece.length;
      at += piece.length;
      if (this.#count < BLOCK) continue;
      this.#append(this.#codeOf(this.#blocks, this.#crc));
      this.#crc = this.#count = 0;
    }
  }

  close(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  /** Removes the codes; something of another user stays, and then none are kept. */
  async remove(): Promise<void> {
    this.close();
    this.#blocks = 0;
    if (!await removeOwn(this.#sealing.pace, this.#path).catch(() => false)) this.#isRefused = true;
  }

  get #path(): string {
    const { held, name } = this.#sealing;
    return held.at(name);
  }

  /** Undefined where the block is not complete. */
  async #crcOf(draft: Deno.FsFile, block: number): Promise<number | undefined> {
    await draft.seek(block * BLOCK, Deno.SeekMode.Start);
    const bytes = new Uint8Array(BLOCK);
    for (let at = 0; at < BLOCK;) {
      const rest = bytes.subarray(at);
      const count = await this.#sealing.pace(() => draft.readSync(rest), () => draft.read(rest));
      if (count === null) return undefined;
      at += count;
    }
    return crc32(bytes);
  }

  #codeOf(block: number, crc: number): string {
    const { key, tag } = this.#sealing;
    return createHmac("sha256", key).update([tag, this.#id, block, crc].join(" ")).digest("hex");
  }

  /** The write goes on without codes where none can be kept. */
  #append(code: string): void {
    if (this.#isRefused) return;
    try {
      this.#file ??= Deno.openSync(this.#path, { write: true, createNew: true, mode: 0o600 });
      this.#file.writeSync(new TextEncoder().encode(`${code}\n`));
      this.#blocks++;
    } catch {
      this.#isRefused = true;
    }
  }

  /** The codes that an earlier write has left, at most so many. */
  #read(most: number): readonly string[] {
    let fd: number | undefined;
    try {
      fd = fs.openSync(this.#path, fs.constants.O_RDONLY | QUIETLY);
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

/** A code in hex digits and the end of its line. */
const LINE = 65;
