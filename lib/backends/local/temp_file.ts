import { randomBytes } from "node:crypto";
import { cancelled, type SyncError } from "../../core/errors.ts";
import { nameOf, type RelPath } from "../../core/path.ts";
import { tempPath } from "../../core/temp_name.ts";
import type { Body, Content, WriteOptions } from "../../core/backend.ts";
import { awaitContent, forEachChunk, type StreamOptions } from "../../net/byte_stream.ts";
import { type DiskScheduler, fileIdOf, isOfUser, lstat, openSameFile, removeOwn, setMode } from "./disk.ts";
import { codeOf, type DiskContext, diskError, toSyncError } from "./errors.ts";
import type { HeldFolder } from "./held_folders.ts";
import { BLOCK, BlockCodes } from "./block_codes.ts";
import { isResumableFailure } from "../shared/upload_resume.ts";

/** The input of a pending write. `mode`: the final rwx bits of the file. */
export interface PendingWriteOptions {
  readonly folder: HeldFolder;
  readonly path: RelPath;
  readonly context: DiskContext;
  readonly body: Body;
  readonly options: WriteOptions;
  readonly mode: number;
}

/** The part of LocalRoot that a pending write uses. */
export interface DiskSettings {
  readonly schedule: DiskScheduler;
  readonly durable: boolean;
  readonly umask: number;
  readonly partialFileKey: string;
}

/** A complete temporary file: its name, its path, and the id that distinguishes it from another file of that name. */
export interface FinishedFile {
  readonly name: string;
  readonly diskPath: string;
  readonly id: string | undefined;
}

/** Sets the time of an open file, if one is given. A refused time is only a warning, since the content is complete. */
export function setTime(
  file: Deno.FsFile,
  { shown, options: { modified, onWarning } }: { readonly shown: string; readonly options: WriteOptions },
): void {
  if (modified === undefined) return;
  const time = new Date(modified);
  try {
    if (Number.isNaN(time.getTime())) throw new RangeError("no disk can store this time");
    file.utimeSync(time, time);
  } catch (error) {
    onWarning?.(toSyncError(error, { operation: "set the time of", diskPath: shown }).message, "time");
  }
}

/**
 * A temporary file being written: open(), fill(), finish(), or abandon() on failure. The rules are those of
 * writeFile().
 */
export class PendingWrite {
  readonly #disk: DiskSettings;
  readonly #options: PendingWriteOptions;
  readonly #codes: BlockCodes | undefined;
  /**
   * The rwx bits during the write: never writable by others, so that a partial file contains only what this user wrote.
   */
  readonly #writingMode: number;
  #name: string;
  #file: Deno.FsFile | undefined;
  #isCreated = false;
  #size = 0;

  constructor(disk: DiskSettings, options: PendingWriteOptions) {
    const { path, folder: held, mode, options: { tag, size, partialFileKey } } = options;
    this.#disk = disk;
    this.#options = options;
    this.#writingMode = mode & ~disk.umask & ~OTHERS_WRITE;
    this.#name = nameOf(tempPath(path, tag ?? randomHex(8)));
    if (tag === undefined || size < BLOCK) return;
    const name = nameOf(tempPath(`seals.${nameOf(path)}` as RelPath, tag));
    this.#codes = new BlockCodes({
      schedule: disk.schedule,
      folder: held,
      name,
      key: partialFileKey ?? disk.partialFileKey,
      tag,
    });
  }

  /** Creates the temporary file, or resumes the partial file of an interrupted write with the same tag. */
  async open(): Promise<void> {
    const { context, options: { tag } } = this.#options;
    try {
      await this.#create();
    } catch (error) {
      if (codeOf(error) === "ENOENT") throw diskError("notFound", "its folder does not exist", context);
      if (codeOf(error) !== "EEXIST" || tag === undefined) throw error;
      if (await this.#resume()) return;
      await this.#codes?.remove();
      // Another user's file stays. The other name is found by the first 8 digits of its tag, like every partial file.
      if (!await removeOwn(this.#disk.schedule, this.#diskPath)) {
        this.#name = nameOf(tempPath(this.#options.path, tag.slice(0, 8) + randomHex(4)));
      }
      await this.#create();
    }
  }

  /** Writes the content from the end of the temporary file on. */
  async fill(): Promise<void> {
    const { body, context, options: { signal, size } } = this.#options;
    if (this.#size === size && size > 0) return;
    const pouring = { signal, operation: context.operation };
    const content = await awaitContent(this.#size === 0 ? body() : body(this.#size), pouring);
    await forEachChunk(content, (bytes) => this.#append(bytes), { ...pouring, reusesBuffer: true });
    if (this.#size !== size) throw this.#sizeError(`it has ${this.#size} bytes`);
  }

  /** Sets mode and time, flushes the file if required, and closes it. */
  async finish(): Promise<FinishedFile> {
    const { options, mode, context } = this.#options;
    const file = this.#openFile();
    const info = file.statSync();
    if (mode !== this.#writingMode) setMode({ diskPath: this.#diskPath, context }, { mode, info });
    setTime(file, { shown: context.diskPath, options });
    if (this.#disk.durable) await this.#disk.schedule(() => file.syncDataSync(), () => file.syncData());
    file.close();
    this.#file = undefined;
    return { name: this.#name, diskPath: this.#diskPath, id: fileIdOf(info) };
  }

  /** Called after the temporary file was renamed to the target. */
  async committed(): Promise<void> {
    if (this.#codes !== undefined && this.#codes.bytes > 0) await this.#codes.remove();
  }

  /** Closes the file, and removes it unless a later write can resume it. */
  async abandon(failure: SyncError): Promise<void> {
    const [file, seals] = [this.#file, this.#codes];
    this.#file = undefined;
    const isResumable = isResumableFailure(failure.kind);
    file?.close();
    seals?.close();
    if (!this.#isCreated || (isResumable && seals !== undefined && seals.bytes > 0)) return;
    await seals?.remove();
    // The failure itself must be reported; a file that cannot be removed is found by its name later.
    await removeOwn(this.#disk.schedule, this.#diskPath).catch(() => undefined);
  }

  get #diskPath(): string {
    return this.#options.folder.pathTo(this.#name);
  }

  async #create(): Promise<void> {
    const full = this.#diskPath;
    const how: Deno.OpenOptions = { read: true, write: true, createNew: true, mode: this.#writingMode };
    this.#file = await this.#disk.schedule(() => Deno.openSync(full, how), () => Deno.open(full, how));
    this.#isCreated = true;
    this.#size = 0;
    if (this.#codes !== undefined) this.#codes.begin(this.#file.statSync());
  }

  /**
   * Resumes the partial file under the temporary name as far as it belongs to this user and its codes match; returns
   * false if nothing does.
   */
  async #resume(): Promise<boolean> {
    const { size, onBytes } = this.#options.options;
    const info = await lstat(this.#disk.schedule, this.#diskPath);
    if (info === undefined || !isOwnFile(info) || this.#codes === undefined) return false;
    // Without creation times, other users with write access could give another file of this user that inode and name.
    if (info.birthtime === null && !await this.#isFolderPrivate()) return false;
    const file = this.#openSameFile(info);
    if (file === undefined) return false;
    try {
      if (!isOwnFile(file.statSync())) return false;
      const proven = await this.#codes.resume(file, info, Math.min(info.size, size));
      if (proven === 0 || !await this.#hasSameTail(file, proven)) return false;
      await file.truncate(proven);
      await file.seek(proven, Deno.SeekMode.Start);
      this.#file = file;
      this.#isCreated = true;
      this.#size = proven;
      onBytes?.(proven);
      return true;
    } finally {
      if (this.#file === undefined) file.close();
    }
  }

  /** Whether this user is the only one who can change names in the folder. */
  async #isFolderPrivate(): Promise<boolean> {
    const info = await Deno.stat(this.#options.folder.folder);
    return isOfUser(info) && ((info.mode ?? 0) & OTHERS_WRITE) === 0;
  }

  /** Opens the file that `info` describes; returns undefined if that fails or another file has replaced it. */
  #openSameFile(info: Deno.FileInfo): Deno.FsFile | undefined {
    try {
      return openSameFile({ diskPath: this.#diskPath, context: this.#options.context }, info, { read: true });
    } catch {
      return undefined;
    }
  }

  /**
   * Whether the last bytes of the partial file equal the source's. A source can change without a change of size and
   * time.
   */
  async #hasSameTail(file: Deno.FsFile, size: number): Promise<boolean> {
    const { body, context, options: { signal } } = this.#options;
    const pouring = { signal, operation: context.operation };
    const wanted = await readWhole(await awaitContent(body(size - TAIL, size), pouring), TAIL, pouring);
    const found = new Uint8Array(TAIL);
    await file.seek(size - TAIL, Deno.SeekMode.Start);
    let at = 0;
    for (let count: number | null = 1; at < TAIL && count !== null; at += count ?? 0) {
      count = await file.read(found.subarray(at));
    }
    return at === TAIL && wanted.length === TAIL && wanted.every((byte, i) => byte === found[i]);
  }

  async #append(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const { signal, size, onBytes } = this.#options.options;
    if (signal.aborted) throw cancelled(signal, this.#options.context.operation);
    if (this.#size + bytes.length > size) throw this.#sizeError("it has more bytes");
    const file = this.#openFile();
    for (let at = 0; at < bytes.length;) {
      const rest = at === 0 ? bytes : bytes.subarray(at);
      const count = await this.#disk.schedule(() => file.writeSync(rest), () => file.write(rest));
      at += count;
      this.#size += count;
      onBytes?.(count);
    }
    this.#codes?.add(bytes);
  }

  #openFile(): Deno.FsFile {
    if (this.#file === undefined) throw diskError("unexpected", "it is not open", this.#options.context);
    return this.#file;
  }

  #sizeError(what: string): SyncError {
    return diskError(
      "changed",
      `its source changed: ${what}, not ${this.#options.options.size}`,
      this.#options.context,
    );
  }
}

/** Number of last bytes of a partial file that are compared with the source. */
const TAIL = 64 * 1024;
/** The write bits of group and others. */
const OTHERS_WRITE = 0o022;

/** Whether it is a regular file of this user without other hard links, to which others cannot write. */
function isOwnFile(info: Deno.FileInfo): boolean {
  return info.isFile && isOfUser(info) && (info.nlink ?? 1) === 1 && ((info.mode ?? 0) & OTHERS_WRITE) === 0;
}

function randomHex(bytes: number): string {
  return randomBytes(bytes).toString("hex");
}

/** Reads a content of at most `limit` bytes; returns no bytes if it is longer. */
async function readWhole(content: Content, limit: number, pouring: StreamOptions): Promise<Uint8Array> {
  const bytes = new Uint8Array(limit);
  let at = 0;
  await forEachChunk(content, (chunk) => {
    if (at + chunk.length <= limit) bytes.set(chunk, at);
    at += chunk.length;
    return Promise.resolve();
  }, pouring);
  return at > limit ? new Uint8Array() : bytes.subarray(0, at);
}
