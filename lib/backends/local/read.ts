import fs from "node:fs";
import { promisify } from "node:util";
import { cancelled, type SyncError } from "../../core/errors.ts";
import type { Content, ReadOptions } from "../../core/backend.ts";
import { streamOf } from "../../net/byte_stream.ts";
import { mustMatch } from "../shared/preconditions.ts";
import { fileIdOf, lstat, type Pace, QUIETLY, type Spot, statOpen, toEntry } from "./disk.ts";
import { type Doing, localError, toSyncError } from "./errors.ts";

/**
 * Reads a regular file, or a range of it: small ones whole, large ones as a stream. Refuses links, pipes and devices
 * without opening them. With `expect`, the file is compared before the first and after the last byte. An abort of
 * `life` ends a stream like an abort of the call.
 */
export async function readFile(
  pace: Pace,
  { path, full, shown }: Spot & { readonly shown: string },
  options: ReadOptions & { readonly life: AbortSignal },
): Promise<Content> {
  const doing: Doing = { operation: "read", path, shown };
  const info = await lstat(pace, full);
  const found = info && toEntry(path, info, full);
  mustMatch(options, found, { operation: "read", shown, backend: "file" });
  if (info === undefined) throw localError("notFound", "it does not exist", doing);
  if (info.isDirectory) throw localError("changed", "a folder is where a file was expected", doing);
  if (!info.isFile) throw localError("refused", "it is no regular file", doing);
  const { fileId } = options.expect ?? {};
  if (fileId !== undefined && fileId !== fileIdOf(info)) {
    throw localError("changed", "another file took its place", doing);
  }
  const offset = options.offset ?? 0;
  const length = Math.max(0, Math.min(options.length ?? Infinity, info.size - offset));
  const file = new OpenFile(pace, { doing, full, info, isExact: options.expect !== undefined });
  await file.open();
  if (length <= SMALL) return await file.whole(offset, length);
  await file.prove();
  return file.stream({ offset, length, signals: [options.signal, options.life] });
}

/** The largest file in bytes that is read whole. */
const SMALL = 256 * 1024;
const OPEN_FLAGS = fs.constants.O_RDONLY | QUIETLY;
const openOnPool = promisify(fs.open);

interface Opening {
  readonly doing: Doing;
  readonly full: string;
  readonly info: Deno.FileInfo;
  /** Whether the file must be unchanged after the last byte. */
  readonly isExact: boolean;
}

interface Range {
  readonly offset: number;
  readonly length: number;
  readonly signals: readonly AbortSignal[];
}

/** A file open for reading, closed after its last byte, its first error, or a cancellation. */
class OpenFile {
  readonly #pace: Pace;
  readonly #opening: Opening;
  #fd: number | undefined;
  #isReading = false;

  constructor(pace: Pace, opening: Opening) {
    this.#pace = pace;
    this.#opening = opening;
  }

  async open(): Promise<void> {
    const { full, doing } = this.#opening;
    try {
      this.#fd = await this.#pace(() => fs.openSync(full, OPEN_FLAGS), () => openOnPool(full, OPEN_FLAGS));
    } catch (error) {
      throw toSyncError(error, doing);
    }
  }

  /**
   * Rejects unless the open file is the one that was checked, by device and inode, and, if `isExact`, is unchanged. No
   * byte is passed on before.
   */
  async prove(): Promise<void> {
    const { full, info, isExact, doing } = this.#opening;
    const fd = this.#opened();
    try {
      const now = await statOpen(this.#pace, fd, full);
      if (now !== undefined && fileIdOf(now) !== fileIdOf(info)) {
        throw localError("changed", "another file took its place", doing);
      }
      if (isExact && now !== undefined && !isAsBefore(now, info)) throw this.#modified();
    } catch (error) {
      this.#close();
      throw toSyncError(error, doing);
    }
  }

  async whole(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    try {
      const bytes = new Uint8Array(length);
      for (let at = 0; at < length;) at += await this.#fill(bytes.subarray(at), offset + at);
      await this.prove();
      return bytes;
    } catch (error) {
      throw toSyncError(error, this.#opening.doing);
    } finally {
      this.#close();
    }
  }

  stream({ offset, length, signals }: Range): ReadableStream<Uint8Array<ArrayBuffer>> {
    const end = offset + length;
    let at = offset;
    const leave = () => {
      for (const signal of signals) signal.removeEventListener("abort", leave);
      this.#close();
    };
    for (const signal of signals) signal.addEventListener("abort", leave);
    if (signals.some((signal) => signal.aborted)) leave();
    const mustGoOn = () => {
      const signal = signals.find((one) => one.aborted);
      if (signal !== undefined) throw cancelled(signal, this.#opening.doing.operation);
    };
    return streamOf({
      fill: async (into) => {
        try {
          mustGoOn();
          if (at === end) return void leave();
          const count = await this.#fill(into.subarray(0, end - at), at);
          at += count;
          if (at === end) await this.#finish();
          mustGoOn();
          return into.subarray(0, count);
        } catch (error) {
          leave();
          mustGoOn();
          throw toSyncError(error, this.#opening.doing);
        }
      },
      leave,
    });
  }

  /** Reads the available bytes, at least one. */
  async #fill(bytes: Uint8Array, position: number): Promise<number> {
    const fd = this.#opened();
    this.#isReading = true;
    try {
      const count = await this.#pace(
        () => fs.readSync(fd, bytes, 0, bytes.length, position),
        () => readOnPool(fd, bytes, position),
      );
      if (count > 0) return count;
    } finally {
      this.#isReading = false;
      // Closed during a read on the pool: released only now, so that no other file could reuse the descriptor's number.
      if (this.#fd === undefined) fs.closeSync(fd);
    }
    throw localError("changed", "it became shorter while it was read", this.#opening.doing);
  }

  /** Rejects if `isExact` and the file was changed since it was opened. Called after the last byte. */
  async #finish(): Promise<void> {
    const { info, isExact, doing } = this.#opening;
    if (!isExact) return;
    const now = await lstat(this.#pace, doing.shown);
    if (now?.isFile !== true || now.ino !== info.ino || !isAsBefore(now, info)) throw this.#modified();
  }

  #opened(): number {
    if (this.#fd === undefined) throw localError("cancelled", "it was closed", this.#opening.doing);
    return this.#fd;
  }

  #modified(): SyncError {
    return localError("changed", "it was modified while it was read", this.#opening.doing);
  }

  #close(): void {
    const fd = this.#fd;
    this.#fd = undefined;
    if (fd !== undefined && !this.#isReading) fs.closeSync(fd);
  }
}

function isAsBefore(now: Pick<Deno.FileInfo, "size" | "mtime">, before: Deno.FileInfo): boolean {
  return now.size === before.size && now.mtime?.getTime() === before.mtime?.getTime();
}

function readOnPool(fd: number, bytes: Uint8Array, position: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  fs.read(fd, bytes, 0, bytes.length, position, (error, count) => error === null ? resolve(count) : reject(error));
  return promise;
}
