import fs from "node:fs";
import { cancelled, SyncError } from "../errors.ts";
import type { Body, Content, WriteOptions } from "./backend.ts";
import { opened, pour, type Pouring } from "./content.ts";
import { isAbsence, lstat, type Pace } from "./local_disk.ts";
import { codeOf, type Doing, localError, toSyncError } from "./local_errors.ts";
import type { Spot } from "./local_read.ts";

/** What a draft is made of; `mode` is final from the first byte on. */
export interface Drafting {
  readonly temp: Spot;
  readonly doing: Doing;
  readonly body: Body;
  readonly options: WriteOptions;
  readonly mode: number;
}

/** The disk as a draft sees it; see Disk. */
export interface DraftDisk {
  readonly pace: Pace;
  readonly durable: boolean;
  readonly umask: number;
}

/** Gives an open file its time, where one is wanted. A time that is refused is a warning: the content is good. */
export function setTime(
  file: Deno.FsFile,
  { full, options: { modified, onWarning } }: { readonly full: string; readonly options: WriteOptions },
): void {
  if (modified === undefined) return;
  const time = new Date(modified);
  try {
    if (Number.isNaN(time.getTime())) throw new RangeError("no disk can hold this time");
    file.utimeSync(time, time);
  } catch (error) {
    onWarning?.(toSyncError(error, { operation: "set the time of", shown: full }).message);
  }
}

/** A temporary file while it is written: open(), fill(), finish(), or else abandon(). The rules are those of writeFile(). */
export class Draft {
  readonly #disk: DraftDisk;
  readonly #drafting: Drafting;
  #file: Deno.FsFile | undefined;
  #isMade = false;
  #size = 0;

  constructor(disk: DraftDisk, drafting: Drafting) {
    this.#disk = disk;
    this.#drafting = drafting;
  }

  /** Makes the temporary file, or goes on behind what a broken write of the same tag left. */
  async open(): Promise<void> {
    const { temp, mode, options } = this.#drafting;
    try {
      await this.#make(mode);
    } catch (error) {
      if (codeOf(error) === "ENOENT") throw localError("notFound", "its folder does not exist", this.#drafting.doing);
      if (codeOf(error) !== "EEXIST" || options.tag === undefined) throw error;
      if (!await this.#resume()) {
        await this.#remove();
        await this.#make(mode);
      }
    }
    if ((mode & this.#disk.umask) !== 0) await Deno.chmod(temp.full, mode);
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

  /** Time, durability, end. */
  async finish(): Promise<void> {
    const { options, temp: { full } } = this.#drafting;
    const file = this.#opened();
    setTime(file, { full, options });
    if (this.#disk.durable) await this.#disk.pace(() => file.syncDataSync(), () => file.syncData());
    file.close();
    this.#file = undefined;
  }

  /** Closes, and removes what is not worth keeping. */
  async abandon(failure: SyncError): Promise<void> {
    this.#file?.close();
    this.#file = undefined;
    if (!this.#isMade) return;
    const isKept = this.#drafting.options.tag !== undefined && this.#size >= WORTH_KEEPING &&
      RESUMABLE.includes(failure.kind);
    // The failure itself is what must be told; what cannot be removed is found by its name later.
    if (!isKept) await this.#remove().catch(() => undefined);
  }

  async #make(mode: number): Promise<void> {
    const { full } = this.#drafting.temp;
    const how: Deno.OpenOptions = { write: true, createNew: true, mode };
    this.#file = await this.#disk.pace(() => Deno.openSync(full, how), () => Deno.open(full, how));
    this.#isMade = true;
    this.#size = 0;
  }

  /** Goes on behind the leftover under the temporary name; false when it is not to be trusted. */
  async #resume(): Promise<boolean> {
    const { temp, options: { size, onBytes } } = this.#drafting;
    const info = await Deno.lstat(temp.full);
    const started = Date.now() - Deno.osUptime() * 1000;
    const isOurs = info.isFile && info.size >= WORTH_KEEPING && info.size <= size && (info.nlink ?? 1) === 1 &&
      (info.mtime?.getTime() ?? 0) > started;
    if (!isOurs) return false;
    const file = await Deno.open(temp.full, { read: true, write: true });
    try {
      if ((await file.stat()).ino === info.ino && await this.#endsAlike(file, info.size)) {
        this.#file = file;
        this.#isMade = true;
        this.#size = info.size;
        onBytes?.(info.size);
        return true;
      }
    } finally {
      if (this.#file === undefined) file.close();
    }
    return false;
  }

  /** Are the last bytes of the leftover those of the source? Leaves the file at its end. */
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

  /** Removes the file or link under the temporary name; a folder there is none of ours and stays, though this unlink would take it. */
  async #remove(): Promise<void> {
    const { temp: { full }, doing } = this.#drafting;
    const info = await lstat(this.#disk.pace, full);
    if (info?.isDirectory === true) throw localError("exists", "a folder has its temporary name", doing);
    try {
      await this.#disk.pace(() => fs.unlinkSync(full), () => fs.promises.unlink(full));
    } catch (error) {
      if (!isAbsence(error)) throw error;
    }
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
/** A shorter leftover is not worth keeping. */
const WORTH_KEEPING = 1 << 20;
const RESUMABLE: readonly string[] = ["connection", "timeout", "busy", "cancelled"];

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
