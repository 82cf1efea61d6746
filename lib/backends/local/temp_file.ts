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

/** What a draft is made of; `mode`: the rwx bits that the file ends with. */
export interface Drafting {
  readonly held: Held;
  readonly path: RelPath;
  readonly doing: Doing;
  readonly body: Body;
  readonly options: WriteOptions;
  readonly mode: number;
}

/** The disk as a draft sees it; see LocalRoot. */
export interface DraftDisk {
  readonly pace: Pace;
  readonly durable: boolean;
  readonly umask: number;
  readonly proofKey: string;
}

/** A complete temporary file: where it lies, and what tells it from another one of that name. */
export interface Finished {
  readonly full: string;
  readonly id: string | undefined;
}

/** Gives an open file its time, where one is wanted. A time that is refused is a warning: the content is good. */
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

/** A temporary file while it is written: open(), fill(), finish(), or else abandon(). The rules are those of writeFile(). */
export class Draft {
  readonly #disk: DraftDisk;
  readonly #drafting: Drafting;
  readonly #seals: Seals | undefined;
  /** Rwx bits while it is written: never writable by others, so that a leftover holds what was put there and nothing else. */
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

  /** Makes the temporary file, or goes on behind what a broken write of the same tag left. */
  async open(): Promise<void> {
    const { doing, options: { tag } } = this.#drafting;
    try {
      await this.#make();
    } catch (error) {
      if (codeOf(error) === "ENOENT") throw localError("notFound", "its folder does not exist", doing);
      if (codeOf(error) !== "EEXIST" || tag === undefined) throw error;
      if (await this.#resume()) return;
      await this.#seals?.remove();
      // What is not our own is left alone. The other name is found by its owner's part, as every leftover is.
      if (!await removeOwn(this.#disk.pace, this.#full)) {
        this.#name = nameOf(tempPath(this.#drafting.path, tag.slice(0, 8) + randomHex(4)));
      }
      await this.#make();
    }
  }

  /** The content, from where the draft ends. */
  async fill(): Promise<void> {
    const { body, doing, options: { signal, size } } = this.#drafting;
    if (this.#size === size && size > 0) return;
    const pouring = { signal, operation: doing.operation };
    const content = await opened(this.#size === 0 ? body() : body(this.#size), pouring);
    await pour(content, (bytes) => this.#append(bytes), { ...pouring, recycles: true });
    if (this.#size !== size) throw this.#wrongSize(`it has ${this.#size} bytes`);
  }

  /** Mode, time, durability, end. */
  async finish(): Promise<Finished> {
    const { options, mode, doing } = this.#drafting;
    const file = this.#opened();
    const info = file.statSync();
    if (mode !== this.#closed) setMode({ full: this.#full, doing }, { mode, info });
    setTime(file, { shown: doing.shown, options });
    if (this.#disk.durable) await this.#disk.pace(() => file.syncDataSync(), () => file.syncData());
    file.close();
    this.#file = undefined;
    return { full: this.#full, id: fileIdOf(info) };
  }

  /** Called once the temporary file has its name. */
  async placed(): Promise<void> {
    if (this.#seals !== undefined && this.#seals.bytes > 0) await this.#seals.remove();
  }

  /** Closes, and removes what is not worth keeping. */
  async abandon(failure: SyncError): Promise<void> {
    const [file, seals] = [this.#file, this.#seals];
    this.#file = undefined;
    const isResumable = RESUMABLE.includes(failure.kind);
    file?.close();
    seals?.close();
    if (!this.#isMade || (isResumable && seals !== undefined && seals.bytes > 0)) return;
    await seals?.remove();
    // The failure itself is what must be told; what cannot be removed is found by its name later.
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

  /** Goes on behind the leftover under the temporary name as far as it is ours and proven; false when nothing is. */
  async #resume(): Promise<boolean> {
    const { size, onBytes } = this.#drafting.options;
    const info = await lstat(this.#disk.pace, this.#full);
    if (info === undefined || !isOwn(info) || this.#seals === undefined) return false;
    // Without times of birth, a file of ours could be given the inode and the name of another, where others may do that.
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

  /** Is this user the only one who can change names in the folder? */
  async #isAlone(): Promise<boolean> {
    const info = await Deno.stat(this.#drafting.held.folder);
    return isOfUser(info) && ((info.mode ?? 0) & OTHERS_WRITE) === 0;
  }

  /** Undefined where the file cannot be opened, or is another one by now. */
  #openKnown(info: Deno.FileInfo): Deno.FsFile | undefined {
    try {
      return openKnown({ full: this.#full, doing: this.#drafting.doing }, info, { read: true });
    } catch {
      return undefined;
    }
  }

  /** Are the last bytes of the leftover those of the source? A source can change and keep its size and time. */
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

/** Bytes of a leftover that are compared with the source. */
const TAIL = 64 * 1024;
/** Rwx bits by which others may write. */
const OTHERS_WRITE = 0o022;
const RESUMABLE: readonly string[] = ["connection", "timeout", "busy", "cancelled"];

/** A regular file of this user with no other name, to which others cannot write. */
function isOwn(info: Deno.FileInfo): boolean {
  return info.isFile && isOfUser(info) && (info.nlink ?? 1) === 1 && ((info.mode ?? 0) & OTHERS_WRITE) === 0;
}

function randomHex(bytes: number): string {
  return randomBytes(bytes).toString("hex");
}

/** The bytes of a content that should be no longer than `limit`; nothing when it is. */
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
