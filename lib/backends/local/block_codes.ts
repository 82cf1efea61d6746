import fs from "node:fs";
import { createHmac } from "node:crypto";
import { crc32 } from "node:zlib";
import { type DiskScheduler, lastingIdOf, removeOwn, SAFE_OPEN } from "./disk.ts";
import type { HeldFolder } from "./held_folders.ts";

/**
 * The settings of the block codes. `name`: the name of the code file in the folder of the temporary file. `tag`: the
 * tag of the temporary name, which identifies the source's version.
 */
export interface BlockCodeOptions {
  readonly schedule: DiskScheduler;
  readonly folder: HeldFolder;
  readonly name: string;
  readonly key: string;
  readonly tag: string;
}

/** Bytes that one code covers. */
export const BLOCK = 1 << 20;

/**
 * The authentication of a write's temporary file: a message authentication code (HMAC-SHA256) for each MiB, in a second
 * file in the same folder. A code is keyed with a secret of this user and covers the version of the source, the index
 * of the block, its CRC-32, and the file's identity (inode and time of creation). So a matching code was made by this
 * user for these bytes in this file, to which no other user could write; the CRC detects data that the disk lost. A
 * cryptographic hash of the content would halve the speed of fast transfers and prove no more.
 */
export class BlockCodes {
  readonly #options: BlockCodeOptions;
  #id = "";
  #blocks = 0;
  /** The CRC of the incomplete block. */
  #crc = 0;
  #count = 0;
  #file: Deno.FsFile | undefined;
  #isDisabled = false;

  constructor(sealing: BlockCodeOptions) {
    this.#options = sealing;
  }

  /** The number of bytes covered by codes. */
  get bytes(): number {
    return this.#blocks * BLOCK;
  }

  /** Begins a new file. */
  begin(info: Deno.FileInfo): void {
    this.#id = lastingIdOf(info);
    this.#blocks = this.#crc = this.#count = 0;
  }

  /** Returns the number of leading bytes of a partial file that its codes prove, and continues after them. */
  async resume(file: Deno.FsFile, info: Deno.FileInfo, size: number): Promise<number> {
    this.begin(info);
    const codes = this.#read(Math.floor(size / BLOCK));
    let proven = 0;
    for (const code of codes) {
      const crc = await this.#crcOf(file, proven);
      if (crc === undefined || this.#codeOf(proven, crc) !== code) break;
      proven++;
    }
    await this.remove();
    for (const code of codes.slice(0, proven)) this.#append(code);
    return this.bytes;
  }

  /** Adds the codes of appended bytes. */
  add(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length && !this.#isDisabled;) {
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

  /** Removes the code file. If it belongs to another user, it stays, and no codes are stored. */
  async remove(): Promise<void> {
    this.close();
    this.#blocks = 0;
    if (!await removeOwn(this.#options.schedule, this.#path).catch(() => false)) this.#isDisabled = true;
  }

  get #path(): string {
    const { folder: held, name } = this.#options;
    return held.pathTo(name);
  }

  /** Computes the CRC of a block; returns undefined if the block is incomplete. */
  async #crcOf(draft: Deno.FsFile, block: number): Promise<number | undefined> {
    await draft.seek(block * BLOCK, Deno.SeekMode.Start);
    const bytes = new Uint8Array(BLOCK);
    for (let at = 0; at < BLOCK;) {
      const rest = bytes.subarray(at);
      const count = await this.#options.schedule(() => draft.readSync(rest), () => draft.read(rest));
      if (count === null) return undefined;
      at += count;
    }
    return crc32(bytes);
  }

  #codeOf(block: number, crc: number): string {
    const { key, tag } = this.#options;
    return createHmac("sha256", key).update([tag, this.#id, block, crc].join(" ")).digest("hex");
  }

  /** Appends a code to the file. If that fails, the write continues without codes. */
  #append(code: string): void {
    if (this.#isDisabled) return;
    try {
      this.#file ??= Deno.openSync(this.#path, { write: true, createNew: true, mode: 0o600 });
      this.#file.writeSync(new TextEncoder().encode(`${code}\n`));
      this.#blocks++;
    } catch {
      this.#isDisabled = true;
    }
  }

  /** Reads the codes of an earlier write, at most `most`. */
  #read(most: number): readonly string[] {
    let fd: number | undefined;
    try {
      fd = fs.openSync(this.#path, fs.constants.O_RDONLY | SAFE_OPEN);
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

/** Length of a line: a code in hex digits and the line end. */
const LINE = 65;
