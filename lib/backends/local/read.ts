import fs from "node:fs";
import { promisify } from "node:util";
import { cancelled, type SyncError } from "../../core/errors.ts";
import { type Content, type ReadOptions, SMALL_FILE_BYTES } from "../../core/backend.ts";
import { toByteStream } from "../../net/byte_stream.ts";
import { assertUnchanged } from "../shared/preconditions.ts";
import {
  DESCRIPTOR_FOLDER,
  type DiskScheduler,
  fileIdOf,
  lstat,
  type ResolvedPath,
  SAFE_OPEN,
  statOpen,
  statOpenNow,
  toEntry,
} from "./disk.ts";
import { type DiskContext, diskError, toSyncError } from "./errors.ts";

/**
 * Reads a regular file, or a range of it: small ones whole, large ones as a stream. Refuses links, pipes and devices
 * without opening them. With `expect`, the file is compared before the first and after the last byte. An abort of
 * `life` ends a stream like an abort of the call.
 */
export async function readFile(
  schedule: DiskScheduler,
  { path, diskPath: full, shown }: ResolvedPath & { readonly shown: string },
  options: ReadOptions & { readonly life: AbortSignal },
): Promise<Content> {
  const listed = await schedule(() => readListedNow(full, options), () => Promise.resolve(undefined), 0);
  if (listed !== undefined) return listed;
  const context: DiskContext = { operation: "read", path, diskPath: shown };
  const info = await lstat(schedule, full);
  const found = info && toEntry(path, info, full);
  assertUnchanged(options, found, { operation: "read", shown, backend: "file" });
  if (info === undefined) throw diskError("notFound", "it does not exist", context);
  if (info.isDirectory) throw diskError("changed", "a folder is where a file was expected", context);
  if (!info.isFile) throw diskError("refused", "it is not a regular file", context);
  const { fileId } = options.expect ?? {};
  if (fileId !== undefined && fileId !== fileIdOf(info)) {
    throw diskError("changed", "another file replaced it", context);
  }
  const offset = options.offset ?? 0;
  const length = Math.max(0, Math.min(options.length ?? Infinity, info.size - offset));
  const file = new OpenFile(schedule, { context, diskPath: full, info, isExact: options.expect !== undefined });
  await file.open();
  if (length <= SMALL_FILE_BYTES) return await file.readWhole(offset, length);
  await file.verify();
  return file.stream({ offset, length, signals: [options.signal, options.life] });
}

/**
 * Reads a small file that a listing has shown, in one go: with many small files each await costs as much as a call to the
 * disk. Returns undefined unless the open file is the listed one and unchanged after the last byte; readFile() then
 * finds the reason.
 */
function readListedNow(diskPath: string, { expect, offset = 0, length }: ReadOptions): Content | undefined {
  if (expect?.fileId === undefined || !diskPath.startsWith(DESCRIPTOR_FOLDER)) return undefined;
  const { size, modified, fileId } = expect;
  if (size > SMALL_FILE_BYTES || offset > 0 || (length !== undefined && length < size)) return undefined;
  let fd: number | undefined;
  try {
    fd = fs.openSync(diskPath, OPEN_FLAGS);
    const bytes = new Uint8Array(size);
    for (let at = 0, count = 1; at < size; at += count) {
      count = fs.readSync(fd, at === 0 ? bytes : bytes.subarray(at), 0, size - at, at);
      if (count === 0) return undefined;
    }
    const now = statOpenNow(fd);
    const isListed = now.isFile && fileIdOf(now) === fileId && now.size === size && now.mtime?.getTime() === modified;
    return isListed ? bytes : undefined;
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) fs.closeSync(fd);
  }
}

const OPEN_FLAGS = fs.constants.O_RDONLY | SAFE_OPEN;
const openOnPool = promisify(fs.open);

interface OpenFileOptions {
  readonly context: DiskContext;
  readonly diskPath: string;
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
  readonly #schedule: DiskScheduler;
  readonly #options: OpenFileOptions;
  #fd: number | undefined;
  #isReading = false;

  constructor(schedule: DiskScheduler, options: OpenFileOptions) {
    this.#schedule = schedule;
    this.#options = options;
  }

  async open(): Promise<void> {
    const { diskPath: full, context } = this.#options;
    try {
      this.#fd = await this.#schedule(() => fs.openSync(full, OPEN_FLAGS), () => openOnPool(full, OPEN_FLAGS));
    } catch (error) {
      throw toSyncError(error, context);
    }
  }

  /**
   * Rejects unless the open file is the one that was checked, by device and inode, and, if `isExact`, is unchanged. No
   * byte is passed on before.
   */
  async verify(): Promise<void> {
    const { diskPath: full, info, isExact, context } = this.#options;
    const fd = this.#descriptor();
    try {
      const now = await statOpen(this.#schedule, fd, full);
      if (now !== undefined && fileIdOf(now) !== fileIdOf(info)) {
        throw diskError("changed", "another file replaced it", context);
      }
      if (isExact && now !== undefined && !isUnchanged(now, info)) throw this.#modifiedError();
    } catch (error) {
      this.#close();
      throw toSyncError(error, context);
    }
  }

  async readWhole(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    try {
      const bytes = new Uint8Array(length);
      for (let at = 0; at < length;) at += await this.#fill(bytes.subarray(at), offset + at);
      await this.verify();
      return bytes;
    } catch (error) {
      throw toSyncError(error, this.#options.context);
    } finally {
      this.#close();
    }
  }

  stream({ offset, length, signals }: Range): ReadableStream<Uint8Array<ArrayBuffer>> {
    const end = offset + length;
    let at = offset;
    const close = () => {
      for (const signal of signals) signal.removeEventListener("abort", close);
      this.#close();
    };
    for (const signal of signals) signal.addEventListener("abort", close);
    if (signals.some((signal) => signal.aborted)) close();
    const assertActive = () => {
      const signal = signals.find((one) => one.aborted);
      if (signal !== undefined) throw cancelled(signal, this.#options.context.operation);
    };
    return toByteStream({
      pull: async (into) => {
        try {
          assertActive();
          if (at === end) return void close();
          const count = await this.#fill(into.subarray(0, end - at), at);
          at += count;
          if (at === end) await this.#finish();
          assertActive();
          return into.subarray(0, count);
        } catch (error) {
          close();
          assertActive();
          throw toSyncError(error, this.#options.context);
        }
      },
      cancel: close,
    });
  }

  /** Reads the available bytes, at least one. */
  async #fill(bytes: Uint8Array, position: number): Promise<number> {
    const fd = this.#descriptor();
    this.#isReading = true;
    try {
      const count = await this.#schedule(
        () => fs.readSync(fd, bytes, 0, bytes.length, position),
        () => readOnPool(fd, bytes, position),
      );
      if (count > 0) return count;
    } finally {
      this.#isReading = false;
      // Closed during a read on the pool: released only now, so that no other file could reuse the descriptor's number.
      if (this.#fd === undefined) fs.closeSync(fd);
    }
    throw diskError("changed", "it became shorter while it was read", this.#options.context);
  }

  /** Rejects if `isExact` and the file was changed since it was opened. Called after the last byte. */
  async #finish(): Promise<void> {
    const { info, isExact, context } = this.#options;
    if (!isExact) return;
    const now = await lstat(this.#schedule, context.diskPath);
    if (now?.isFile !== true || now.ino !== info.ino || !isUnchanged(now, info)) throw this.#modifiedError();
  }

  #descriptor(): number {
    if (this.#fd === undefined) throw diskError("cancelled", "it was closed", this.#options.context);
    return this.#fd;
  }

  #modifiedError(): SyncError {
    return diskError("changed", "it was modified while it was read", this.#options.context);
  }

  #close(): void {
    const fd = this.#fd;
    this.#fd = undefined;
    if (fd !== undefined && !this.#isReading) fs.closeSync(fd);
  }
}

function isUnchanged(now: Pick<Deno.FileInfo, "size" | "mtime">, before: Deno.FileInfo): boolean {
  return now.size === before.size && now.mtime?.getTime() === before.mtime?.getTime();
}

function readOnPool(fd: number, bytes: Uint8Array, position: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  fs.read(fd, bytes, 0, bytes.length, position, (error, count) => error === null ? resolve(count) : reject(error));
  return promise;
}
