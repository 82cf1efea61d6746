import { dirname, join } from "node:path";
import type { Backend, Call, Content } from "../backends/backend.ts";
import { SyncError, toSyncError } from "../errors.ts";
import { printable } from "../path.ts";
import type { FileEntry, LinkEntry } from "../types.ts";
import { itemLine, parseIndex, type TrashItem } from "./trash_items.ts";

/** From and to on this machine's disks, absolute. */
export interface FromTo {
  readonly from: string;
  readonly to: string;
}

/** Makes the folder for this user's eyes alone, and those above it that are missing. */
export async function makeFolder(folder: string): Promise<void> {
  await doing(`make the folder "${folder}"`, () => Deno.mkdir(folder, { recursive: true, mode: 0o700 }));
}

/** Can the folder be made? It is, then. */
export async function canMake(folder: string): Promise<boolean> {
  return await makeFolder(folder).then(() => true, () => false);
}

/** Do both lie on one disk? What does not exist yet is where the nearest folder above it is. */
export async function isOneDisk(a: string, b: string): Promise<boolean> {
  return await deviceOf(a) === await deviceOf(b);
}

/** Renames the version away, to a free name. False where that is not possible between the two places; rejects with changed for another version. */
export async function moveOnDisk(entry: FileEntry | LinkEntry, { from, to }: FromTo): Promise<boolean> {
  await mustBeFree(to);
  try {
    await Deno.rename(from, to);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw changed(entry);
    if (isOtherDisk(error)) return false;
    throw failure(`rename "${from}"`, error);
  }
  if (await isVersion(to, entry)) return true;
  await moveBackOnDisk({ from: to, to: from });
  throw changed(entry);
}

/** Gives the version a second name. False where the disk cannot do that; rejects with changed for another version. */
export async function linkOnDisk(entry: FileEntry | LinkEntry, { from, to }: FromTo): Promise<boolean> {
  try {
    await Deno.link(from, to);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw changed(entry);
    if (error instanceof Deno.errors.AlreadyExists) throw failure(`write "${to}"`, error);
    return false;
  }
  if (await isVersion(to, entry)) return true;
  await removeFromDisk(to);
  throw changed(entry);
}

/** Copies the version to a new file, which is on the disk when this resolves. */
export async function copyToDisk(
  backend: Backend,
  entry: FileEntry | LinkEntry,
  { to, signal }: Call & { readonly to: string },
): Promise<void> {
  if (entry.kind === "link") return await doing(`write "${to}"`, () => Deno.symlink(entry.target, to));
  const content = await backend.read(entry.path, { signal, expect: entry });
  try {
    await doing(`write "${to}"`, () => writeNew(to, content, entry));
  } catch (error) {
    await removeFromDisk(to);
    throw error;
  }
}

/** Gives a file its old place back, if that is still free. */
export async function moveBackOnDisk({ from, to }: FromTo): Promise<void> {
  await doing(`put back "${to}"`, async () => {
    try {
      await Deno.link(from, to);
      await Deno.remove(from);
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) throw error;
      await mustBeFree(to);
      await Deno.rename(from, to);
    }
  });
}

/** Removes a kept file, and of the `up` folders above it those that hold nothing more. Absent: no error. */
export async function removeFromDisk(at: string, { up } = { up: 0 }): Promise<void> {
  await doing(`remove "${at}"`, async () => {
    try {
      await Deno.remove(at);
      for (let dir = dirname(at), left = up; left > 0; dir = dirname(dir), left--) await Deno.remove(dir);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound || isFull(error)) return;
      throw error;
    }
  });
}

/** The bytes from `from` to `to` (exclusive) of a kept file. */
export async function readKept(at: string, from = 0, to = Infinity): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  return await doing(`read "${at}"`, async () => {
    const file = await Deno.open(at);
    await file.seek(from, Deno.SeekMode.Start);
    return file.readable.pipeThrough(limit(to - from));
  });
}

/** What a kept file is now; undefined when it is gone. */
export async function lookAtKept(
  at: string,
): Promise<{ readonly size: number; readonly mode: number | null; readonly target?: string } | undefined> {
  try {
    const { size, mode, isSymlink } = await Deno.lstat(at);
    return { size, mode, ...(isSymlink ? { target: await Deno.readLink(at) } : {}) };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw failure(`look at "${at}"`, error);
  }
}

/** Appends a line to an index, which is made if need be. */
export async function appendLine(index: string, line: string): Promise<void> {
  await makeFolder(dirname(index));
  await doing(`write "${index}"`, () => Deno.writeTextFile(index, line, { append: true, mode: 0o600 }));
}

/** What one index says is kept. */
export async function readIndex(index: string): Promise<readonly TrashItem[]> {
  try {
    return parseIndex(await Deno.readTextFile(index));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw failure(`read "${index}"`, error);
  }
}

/** Writes an index anew where most of it says what is no more. Nobody else may write to it meanwhile. */
export async function tidyIndex(index: string): Promise<void> {
  await doing(`write "${index}"`, async () => {
    const text = await Deno.readTextFile(index).catch((error) => {
      if (error instanceof Deno.errors.NotFound) return "";
      throw error;
    });
    const left = parseIndex(text).map(itemLine).join("");
    if (text.length <= 2 * left.length + MANY_GONE) return;
    await Deno.writeTextFile(`${index}.new`, left, { mode: 0o600 });
    await Deno.rename(`${index}.new`, index);
  });
}

/** The indexes in a trash folder. */
export async function findIndexes(home: string): Promise<readonly string[]> {
  try {
    const names = await Array.fromAsync(Deno.readDir(home), ({ name }) => name);
    return names.filter((name) => name.endsWith(".jsonl")).map((name) => join(home, name));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw failure(`list "${home}"`, error);
  }
}

/** So many characters about what is no more are borne. */
const MANY_GONE = 10_000;

async function writeNew(to: string, content: Content, { modified, size }: FileEntry): Promise<void> {
  using file = await Deno.open(to, { write: true, createNew: true, mode: 0o600 });
  let bytes = 0;
  for await (const chunk of content instanceof Uint8Array ? [content] : content) {
    for (let at = 0; at < chunk.length;) at += await file.write(chunk.subarray(at));
    bytes += chunk.length;
  }
  if (bytes !== size) throw new Error(`${bytes} bytes came of ${size}`);
  if (modified !== undefined && modified >= 0) await file.utime(modified / 1000, modified / 1000);
  await file.sync();
}

async function isVersion(at: string, entry: FileEntry | LinkEntry): Promise<boolean> {
  const { size, mtime } = await Deno.lstat(at);
  if (entry.kind === "link") return await Deno.readLink(at) === entry.target;
  return size === entry.size && (entry.modified === undefined || mtime === null || mtime.getTime() === entry.modified);
}

async function deviceOf(path: string): Promise<number> {
  try {
    return (await Deno.stat(path)).dev;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound && dirname(path) !== path) return await deviceOf(dirname(path));
    throw failure(`look at "${path}"`, error);
  }
}

async function mustBeFree(path: string): Promise<void> {
  try {
    await Deno.lstat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  throw new SyncError("exists", `"${printable(path)}" is there already`, { operation: "keep" });
}

function limit(bytes: number): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  let left = bytes;
  return new TransformStream({
    transform(chunk, controller) {
      controller.enqueue(chunk.subarray(0, left));
      left -= Math.min(left, chunk.length);
      if (left === 0) controller.terminate();
    },
  });
}

async function doing<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw failure(what, error);
  }
}

function failure(what: string, cause: unknown): SyncError {
  if (cause instanceof SyncError) return cause;
  const { message } = toSyncError(cause, "keep");
  return new SyncError(kindOf(cause), `Cannot ${printable(what)}: ${message}`, { operation: "keep", cause });
}

function kindOf(cause: unknown): SyncError["kind"] {
  if (cause instanceof Deno.errors.PermissionDenied) return "denied";
  if (cause instanceof Deno.errors.AlreadyExists) return "exists";
  return codeOf(cause) === "ENOSPC" || codeOf(cause) === "EDQUOT" ? "full" : "unexpected";
}

function isOtherDisk(error: unknown): boolean {
  return codeOf(error) === "EXDEV";
}

function isFull(error: unknown): boolean {
  return ["ENOTEMPTY", "EEXIST", "EBUSY"].includes(codeOf(error) ?? "");
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error ? String(error.code) : undefined;
}

function changed({ path }: FileEntry | LinkEntry): SyncError {
  const message = `"${printable(path)}" is not what was listed: it has changed; run again`;
  return new SyncError("changed", message, { operation: "keep", path });
}
