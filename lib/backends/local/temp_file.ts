import { randomBytes } from "node:crypto";
import { cancelled, type SyncError } from "../../core/errors.ts";
import { nameOf, type RelPath } from "../../core/path.ts";
import { tempPath } from "../../core/temp_name.ts";
import type { Body, Content, WriteOptions } from "../../core/backend.ts";
import { opened, pour, type Pouring } from "../../net/byte_stream.ts";
import { fileIdOf, isOfUser, lstat, openKnown, type Pace, removeOwn, setMode } from "./disk.ts";
import { codeOf, type Doing, localError, toSyncError } from "./errors.ts";
import type { Held } from "./held_folders.ts";
import { BLOCK, Seals } from "./block_codes.ts";

/** The input of a draft. `mode`: the final rwx bits of the file. */
export interface Drafting {
  readonly held: Held;
  readonly path: RelPath;
  readonly doing: Doing;
  readonly body: Body;
  readonly options: WriteOptions;
  readonly mode: number;
}

/** The part of LocalRoot that a draft uses. */
export interface DraftDisk {
  readonly pace: Pace;
  readonly durable: boolean;
  readonly umask: number;
  readonly proofKey: string;
}

/** A complete temporary file: its name, its path, and the id that distinguishes it from another file of that name. */
export interface Finished {
  readonly name: string;
  readonly full: string;
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
    if (Number.isNaN(time.getTime())) throw new RangeError("no disk can hold this time");
    file.utimeSync(time, time);
  } catch (error) {
    onWarning?.(toSyncError(error, { operation: "set the time of", shown }).message, "time");
  }
}

/**
 * A temporary file being written: open(), fill(), finish(), or abandon() on failure. The rules are those of
 * writeFile().
 */
export class Draft {
  readonly #disk: DraftDisk;
  readonly #drafting: Drafting;
  readonly #seals: Seals | undefined;
  /**
   * The rwx bits during the write: never writable by others, so that a partial file contains only what this user wrote.
   */
  readonly #closed: number;
  #name: string;
  #file: Deno.FsFile | undefined;
  #isMade = false;
  #size = 0;

  constructor(disk: DraftDisk, drafting: Drafting) {
    const { path, held, mode, options: { tag, size, proofKey } } = drafting;
    this.#disk = disk;
    this.#drafting = drafting;
    this.#closed = mode & ~disk.umask & ~OTHERS_WRITE;
    this.#name = nameOf(tempPath(path, tag ?? randomHex(8)));
    if (tag === undefined || size < BLOCK) return;
    const name = nameOf(tempPath(`seals.${nameOf(path)}` as RelPath, tag));
    this.#seals = new Seals({ pace: disk.pace, held, name, key: proofKey ?? disk.proofKey, tag });
  }

  /** Creates the temporary file, or resumes the partial file of an interrupted write with the same tag. */
  async open(): Promise<void> {
    const { doing, options: { tag } } = this.#drafting;
    try {
      await this.#make();
    } catch (error) {
      if (codeOf(error) === "ENOENT") throw localError("notFound", "its folder does not exist", doing);
      if (codeOf(error) !== "EEXIST" || tag === undefined) throw error;
      if (await this.#resume()) return;
      await this.#seals?.remove();
      // Another user's file stays. The other name is found by the first 8 digits of its tag, like every partial file.
      if (!await removeOwn(this.#disk.pace, this.#full)) {
        this.#name = nameOf(tempPath(this.#drafting.path, tag.slice(0, 8) + randomHex(4)));
      }
      await this.#make();
    }
  }

  /** Writes the content from the end of the draft on. */
  async fill(): Promise<void> {
    const { body, doing, options: { signal, size } } = this.#drafting;
    if (this.#size === size && size > 0) return;
    const pouring = { signal, operation: doing.operation };
    const content = await opened(this.#size === 0 ? body() : body(this.#size), pouring);
    await pour(content, (bytes) => this.#append(bytes), { ...pouring, recycles: true });
    if (this.#size !== size) throw this.#wrongSize(`it has ${this.#size} bytes`);
  }

  /** Sets mode and time, flushes the file if required, and closes it. */
  async finish(): Promise<Finished> {
    const { options, mode, doing } = this.#drafting;
    const file = this.#opened();
    const info = file.statSync();
    if (mode !== this.#closed) setMode({ full: this.#full, doing }, { mode, info });
    setTime(file, { shown: doing.shown, options });
    if (this.#disk.durable) await this.#disk.pace(() => file.syncDataSync(), () => file.syncData());
    file.close();
    this.#file = undefined;
    return { name: this.#name, full: this.#full, id: fileIdOf(info) };
  }

  /** Called after the temporary file was renamed to the target. */
  async placed(): Promise<void> {
    if (this.#seals !== undefined && this.#seals.bytes > 0) await this.#seals.remove();
  }

  /** Closes the file, and removes it unless a later write can resume it. */
  async abandon(failure: SyncError): Promise<void> {
    const [file, seals] = [this.#file, this.#seals];
    this.#file = undefined;
    const isResumable = RESUMABLE.includes(failure.kind);
    file?.close();
    seals?.close();
    if (!this.#isMade || (isResumable && seals !== undefined && seals.bytes > 0)) return;
    await seals?.remove();
    // The failure itself must be reported; a file that cannot be removed is found by its name later.
    await removeOwn(this.#disk.pace, this.#full).catch(() => undefined);
  }

  get #full(): string {
    return this.#drafting.held.at(this.#name);
  }

  async #make(): Promise<void> {
    const full = this.#full;
    const how: Deno.OpenOptions = { read: true, write: true, createNew: true, mode: this.#closed };
    this.#file = await this.#disk.pace(() => Deno.openSync(full, how), () => Deno.open(full, how));
    this.#isMade = true;
    this.#size = 0;
    if (this.#seals !== undefined) this.#seals.begin(this.#file.statSync());
  }

  /**
   * Resumes the partial file under the temporary name as far as it belongs to this user and its codes match; returns
   * false if nothing does.
   */
  async #resume(): Promise<boolean> {
    const { size, onBytes } = this.#drafting.options;
    const info = await lstat(this.#disk.pace, this.#full);
    if (info === undefined || !isOwn(info) || this.#seals === undefined) return false;
    // Without creation times, other users with write access could give another file of this user that inode and name.
    if (info.birthtime === null && !await this.#isAlone()) return false;
    const file = this.#openKnown(info);
    if (file === undefined) return false;
    try {
      if (!isOwn(file.statSync())) return false;
      const proven = await this.#seals.adopt(file, info, Math.min(info.size, size));
      if (proven === 0 || !await this.#endsAlike(file, proven)) return false;
      await file.truncate(proven);
      await file.seek(proven, Deno.SeekMode.Start);
      this.#file = file;
      this.#isMade = true;
      this.#size = proven;
      onBytes?.(proven);
      return true;
    } finally {
      if (this.#file === undefined) file.close();
    }
  }

  /** Whether this user is the only one who can change names in the folder. */
  async #isAlone(): Promise<boolean> {
    const info = await Deno.stat(this.#drafting.held.folder);
    return isOfUser(info) && ((info.mode ?? 0) & OTHERS_WRITE) === 0;
  }

  /** Opens the file that `info` describes; returns undefined if that fails or another file has replaced it. */
  #openKnown(info: Deno.FileInfo): Deno.FsFile | undefined {
    try {
      return openKnown({ full: this.#full, doing: this.#drafting.doing }, info, { read: true });
    } catch {
      return undefined;
    }
  }

  /**
   * Whether the last bytes of the partial file equal the source's. A source can change without a change of size and
   * time.
   */
  async #endsAlike(file: Deno.FsFile, size: number): Promise<boolean> {
    const { body, doing, options: { signal } } = this.#drafting;
    const pouring = { signal, operation: doing.operation };
    const wanted = await wholeOf(await opened(body(size - TAIL, size), pouring), TAIL, pouring);
    const found = new Uint8Array(TAIL);
    await file.seek(size - TAIL, Deno.SeekMode.Start);
    let at = 0;
    for (let count: number | null = 1; at < TAIL && count !== null; at += count ?? 0) {
      count = await file.read(found.subarray(at));
    }
    return at === TAIL && wanted.length === TAIL && wanted.every((byte, i) => byte === found[i]);
  }

  async #append(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const { signal, size, onBytes } = this.#drafting.options;
    if (signal.aborted) throw cancelled(signal, this.#drafting.doing.operation);
    if (this.#size + bytes.length > size) throw this.#wrongSize("it has more bytes");
    const file = this.#opened();
    for (let at = 0; at < bytes.length;) {
      const rest = at === 0 ? bytes : bytes.subarray(at);
      const count = await this.#disk.pace(() => file.writeSync(rest), () => file.write(rest));
      at += count;
      this.#size += count;
      onBytes?.(count);
    }
    this.#seals?.add(bytes);
  }

  #opened(): Deno.FsFile {
    if (this.#file === undefined) throw localError("unexpected", "it is not open", this.#drafting.doing);
    return this.#file;
  }

  #wrongSize(what: string): SyncError {
    return localError(
      "changed",
      `its source changed: ${what}, not ${this.#drafting.options.size}`,
      this.#drafting.doing,
    );
  }
}

/** Number of last bytes of a partial file that are compared with the source. */
const TAIL = 64 * 1024;
/** The write bits of group and others. */
const OTHERS_WRITE = 0o022;
const RESUMABLE: readonly string[] = ["connection", "timeout", "busy", "cancelled"];

/** Whether it is a regular file of this user without other hard links, to which others cannot write. */
function isOwn(info: Deno.FileInfo): boolean {
  return info.isFile && isOfUser(info) && (info.nlink ?? 1) === 1 && ((info.mode ?? 0) & OTHERS_WRITE) === 0;
}

function randomHex(bytes: number): string {
  return randomBytes(bytes).toString("hex");
}

/** Reads a content of at most `limit` bytes; returns no bytes if it is longer. */
async function wholeOf(content: Content, limit: number, pouring: Pouring): Promise<Uint8Array> {
  const bytes = new Uint8Array(limit);
  let at = 0;
  await pour(content, (chunk) => {
    if (at + chunk.length <= limit) bytes.set(chunk, at);
    at += chunk.length;
    return Promise.resolve();
  }, pouring);
  return at > limit ? new Uint8Array() : bytes.subarray(0, at);
}
