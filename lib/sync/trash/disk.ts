import { dirname } from "node:path";
import type { Backend, CallOptions, Content } from "../../core/backend.ts";
import { SyncError, toSyncError } from "../../core/errors.ts";
import { codeOf, flushFolder, ignoreNotFound } from "../../machine/own_files.ts";
import { escapeForDisplay } from "../../core/path.ts";
import type { FileEntry, LinkEntry } from "../../core/entry.ts";
import { requireTrashPath, type TrashPath, withTrashPath } from "./trash_path.ts";

/** Creates the folder of a place in a trash folder, and missing folders above it, with mode 0700. */
export async function makeTrashFolder(place: TrashPath): Promise<void> {
  await withTrashPath(place, { make: true, what: `make the folder "${dirname(place.at)}"` }, () => Promise.resolve());
}

/** Whether the folder of a place in a trash folder can be created. If so, it exists afterwards. */
export async function canMake(place: TrashPath): Promise<boolean> {
  return await makeTrashFolder(place).then(() => true, () => false);
}

/** Whether both paths are on one disk. A path that does not exist yet counts as its nearest existing folder. */
export async function isOneDisk(a: string, b: string): Promise<boolean> {
  return await deviceOf(a) === await deviceOf(b);
}

/** A version in a root on this machine (absolute path) and its place in a trash folder. */
export interface MoveToTrash {
  readonly from: string;
  readonly to: TrashPath;
}

/**
 * Renames the version to a free name in the trash. Returns false if the two are on different disks. Rejects with
 * changed for another version.
 */
export async function moveOnDisk(entry: FileEntry | LinkEntry, { from, to }: MoveToTrash): Promise<boolean> {
  return await requireTrashPath(to, { make: true, what: `rename "${from}"` }, async (path) => {
    await assertFree(path, to);
    try {
      await Deno.rename(from, path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) throw changed(entry);
      if (isOtherDiskError(error)) return false;
      throw error;
    }
    if (await isVersion(path, entry)) return true;
    await moveBack(path, from);
    throw changed(entry);
  });
}

/**
 * Creates a hard link to the version in the trash. Returns false if the disk does not support that. Rejects with
 * changed for another version.
 */
export async function linkOnDisk(entry: FileEntry | LinkEntry, { from, to }: MoveToTrash): Promise<boolean> {
  return await requireTrashPath(to, { make: true, what: `write "${to.at}"` }, async (path) => {
    try {
      await Deno.link(from, path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) throw changed(entry);
      if (error instanceof Deno.errors.AlreadyExists) throw error;
      return false;
    }
    if (await isVersion(path, entry)) return true;
    await Deno.remove(path);
    throw changed(entry);
  });
}

/** Copies the version to a new file; content and name are flushed to the disk when this resolves. */
export async function copyToDisk(
  backend: Backend,
  entry: FileEntry | LinkEntry,
  { to, signal }: CallOptions & { readonly to: TrashPath },
): Promise<void> {
  await requireTrashPath(to, { make: true, what: `write "${to.at}"` }, async (path) => {
    if (entry.kind === "link") await Deno.symlink(entry.target, path);
    else await writeNew(path, entry, () => backend.read(entry.path, { signal, expect: entry }));
    await flushFolder(dirname(path));
  });
}

/** Renames a kept file back to its old path, if that is still free. */
export async function moveBackOnDisk({ from, to }: { readonly from: TrashPath; readonly to: string }): Promise<void> {
  await requireTrashPath(from, { make: false, what: `put back "${to}"` }, (path) => moveBack(path, to));
}

/** Removes a kept file, and those of the `up` folders above it that are then empty. An absent file is no error. */
export async function removeFromDisk(place: TrashPath, { up } = { up: 0 }): Promise<void> {
  await withTrashPath(place, { make: false, what: `remove "${place.at}"` }, async (path) => {
    try {
      await Deno.remove(path);
      for (let dir = dirname(path), left = up; left > 0; dir = dirname(dir), left--) await Deno.remove(dir);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound || isNonEmptyError(error)) return;
      throw error;
    }
  });
}

/** Returns the bytes from `from` to `to` (exclusive) of a kept file. */
export async function readKept(
  place: TrashPath,
  from = 0,
  to = Infinity,
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  return await requireTrashPath(place, { make: false, what: `read "${place.at}"` }, async (path) => {
    assertFile(place, await Deno.lstat(path));
    const file = await Deno.open(path);
    await file.seek(from, Deno.SeekMode.Start);
    return file.readable.pipeThrough(limitBytes(to - from));
  });
}

/** Returns the present facts about a kept file; undefined if it is gone. */
export async function statKept(
  place: TrashPath,
): Promise<{ readonly size: number; readonly mode: number | null; readonly target?: string } | undefined> {
  return await withTrashPath(place, { make: false, what: `look at "${place.at}"` }, async (path) => {
    const info = await Deno.lstat(path).catch(ignoreNotFound);
    if (info === undefined) return undefined;
    if (info.isSymlink) return { size: info.size, mode: info.mode, target: await Deno.readLink(path) };
    assertFile(place, info);
    return { size: info.size, mode: info.mode };
  });
}

/**
 * Writes a new version completely. The file is removed if writing fails, or if the number of bytes differs from the
 * listed size.
 */
async function writeNew(
  path: string,
  { modified, size }: FileEntry,
  read: () => Promise<Content>,
): Promise<void> {
  using file = await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
  try {
    let bytes = 0;
    const content = await read();
    for await (const chunk of content instanceof Uint8Array ? [content] : content) {
      for (let at = 0; at < chunk.length;) at += await file.write(chunk.subarray(at));
      bytes += chunk.length;
    }
    if (bytes !== size) throw new Error(`the source has ${bytes} bytes instead of ${size}`);
    if (modified !== undefined && modified >= 0) await file.utime(modified / 1000, modified / 1000);
    await file.sync();
  } catch (error) {
    await Deno.remove(path);
    throw error;
  }
}

async function moveBack(path: string, to: string): Promise<void> {
  try {
    await Deno.link(path, to);
    await Deno.remove(path);
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) throw error;
    if (await Deno.lstat(to).catch(ignoreNotFound) !== undefined) throw error;
    await Deno.rename(path, to);
  }
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
    throw toSyncError(error, `look at "${path}"`);
  }
}

async function assertFree(path: string, { at }: TrashPath): Promise<void> {
  if (await Deno.lstat(path).catch(ignoreNotFound) === undefined) return;
  throw new SyncError("exists", `"${escapeForDisplay(at)}" already exists`, { operation: "keep" });
}

function assertFile({ at }: TrashPath, info: Deno.FileInfo): void {
  if (info.isFile) return;
  throw new SyncError("refused", `"${escapeForDisplay(at)}" is no longer a file.`, { operation: "restore" });
}

function limitBytes(bytes: number): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  let left = bytes;
  return new TransformStream({
    transform(chunk, controller) {
      controller.enqueue(chunk.subarray(0, left));
      left -= Math.min(left, chunk.length);
      if (left === 0) controller.terminate();
    },
  });
}

function isOtherDiskError(error: unknown): boolean {
  return codeOf(error) === "EXDEV";
}

function isNonEmptyError(error: unknown): boolean {
  return ["ENOTEMPTY", "EEXIST", "EBUSY"].includes(codeOf(error) ?? "");
}

function changed({ path }: FileEntry | LinkEntry): SyncError {
  const message = `"${escapeForDisplay(path)}" is not what was listed: it has changed; run again`;
  return new SyncError("changed", message, { operation: "keep", path });
}
