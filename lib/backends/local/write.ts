import fs from "node:fs";
import { randomBytes } from "node:crypto";
import { cancelled } from "../../core/errors.ts";
import { nameOf, parentOf, type RelPath } from "../../core/path.ts";
import { tempPath } from "../../core/temp_name.ts";
import type { FileEntry } from "../../core/entry.ts";
import type { Body, WriteOptions } from "../../core/backend.ts";
import { awaitContent, forEachChunk } from "../../net/byte_stream.ts";
import { assertUnchanged } from "../shared/preconditions.ts";
import { fileIdOf, lstat, lstatLater, lstatNow, openSameFile, type ResolvedPath, setMode, toEntry } from "./disk.ts";
import { type FinishedFile, PendingWrite, setTime } from "./temp_file.ts";
import { type DiskContext, diskError, toSyncError } from "./errors.ts";
import type { HeldFolder } from "./held_folders.ts";
import type { LocalRoot } from "./root.ts";

/**
 * Replaces a file atomically. The bytes are written under a temporary name in the target's folder, created exclusively,
 * never readable by more users than the target and never writable by others; they are counted; then mode and time are
 * set, the target is checked a last time, and the file is renamed. All steps use the folder that was found first. On
 * failure the temporary file is removed, unless a `tag` was given, the cause was the connection or the user
 * (connection, timeout, busy, cancelled) and at least 1 MiB was written: then it stays, and the next write with that
 * tag resumes it, as far as it is a file of this user only, its codes prove its content (see BlockCodes), and its last 64
 * KiB equal the source's.
 */
export async function writeFile(
  disk: LocalRoot,
  path: RelPath,
  body: Body,
  options: WriteOptions,
): Promise<FileEntry> {
  const context: DiskContext = { operation: "write", path, diskPath: disk.diskPathOf(path) };
  using folder = await disk.hold(parentOf(path), context.operation);
  const target: FileTarget = { disk, folder, context, options, path, diskPath: folder.pathTo(nameOf(path)) };
  if (options.inPlace === true) return await writeInPlace(target, body);
  const mode = await chooseMode(target);
  const pending = new PendingWrite(disk, { folder, path, context, body, options, mode });
  try {
    await pending.open();
    await pending.fill();
    const entry = await commit(target, await pending.finish(), mode);
    await pending.committed();
    return entry;
  } catch (error) {
    const failure = toSyncError(error, context);
    await pending.abandon(failure);
    throw failure;
  }
}

/** Returns a temporary name that no other write uses. */
export function newTempPath(path: RelPath): RelPath {
  return tempPath(path, randomBytes(8).toString("hex"));
}

/** The target of a write and its folder. */
interface FileTarget extends ResolvedPath {
  readonly disk: LocalRoot;
  readonly folder: HeldFolder;
  readonly context: DiskContext;
  readonly options: WriteOptions;
}

/**
 * Overwrites a file in place: it keeps its inode, and so its owner, its ACL and its hard links. Old and new content mix
 * until the write ends. The file is compared again immediately before the first byte, after the source has answered, so
 * that a concurrent edit is not lost.
 */
async function writeInPlace(target: FileTarget, body: Body): Promise<FileEntry> {
  const { disk: at, folder: held, diskPath: full, context, options } = target;
  const before = await lstat(at.schedule, full);
  assertReplaceable(target, before);
  if (before?.isFile !== true) throw diskError("notFound", "there is no file whose content could be replaced", context);
  const { expect } = options;
  if (
    typeof expect === "object" && expect.kind === "file" && (expect.fileId ?? fileIdOf(before)) !== fileIdOf(before)
  ) {
    throw diskError("changed", "another file replaced it", context);
  }
  const stamp = editStamp(full);
  const file = openSameFile({ diskPath: full, context }, before, { read: false });
  try {
    const content = await awaitContent(body(), { signal: options.signal, operation: context.operation });
    const assertUntouched = async () => {
      const [now] = await held.assertUnmoved(nameOf(target.path));
      assertReplaceable(target, now);
      if (editStamp(full) !== stamp) throw diskError("changed", "it was modified meanwhile", context);
    };
    let size = 0;
    await forEachChunk(content, async (bytes) => {
      if (size + bytes.length > options.size) throw diskError("changed", "its source became longer", context);
      if (size === 0) await assertUntouched();
      for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
      size += bytes.length;
      options.onBytes?.(bytes.length);
    }, { signal: options.signal, operation: context.operation, reusesBuffer: true });
    if (size !== options.size) throw diskError("changed", `its source gave only ${size} bytes`, context);
    if (size === 0) await assertUntouched();
    await file.truncate(size);
    setTime(file, { shown: context.diskPath, options });
    if (at.durable) await file.syncData();
  } finally {
    file.close();
  }
  return verifyWritten(target, fileIdOf(before), await lstat(at.schedule, full));
}

/**
 * Returns the properties that an edit changes. The change time (ctime), which no program can set back, has only whole
 * seconds.
 */
function editStamp(full: string): string {
  const { dev, ino, size, mtimeMs, ctimeMs } = fs.lstatSync(full);
  return [dev, ino, size, mtimeMs, ctimeMs].join(" ");
}

/** Returns the entry as the disk now reports it; throws unless it is the file that was written. */
function verifyWritten(
  { path, diskPath: full, context, options }: FileTarget,
  id: string | undefined,
  info: Deno.FileInfo | undefined,
): FileEntry {
  const entry = info && toEntry(path, info, full);
  if (entry?.kind === "file" && entry.size === options.size && entry.fileId === id) return entry;
  throw diskError("changed", "it was replaced right after it was written", context);
}

/**
 * Returns the mode of the new file: that of the replaced file, otherwise the given one, otherwise the system's default.
 */
async function chooseMode(target: FileTarget): Promise<number> {
  const { disk: at, diskPath: full, options } = target;
  const unset = (options.executable === true ? 0o777 : 0o666) & ~at.umask;
  const fresh = options.mode === undefined ? unset : options.mode & 0o777;
  if (options.expect === "absent") return fresh;
  return assertReplaceable(target, await lstat(at.schedule, full)) ?? fresh;
}

/** Throws unless the precondition holds and a file can replace the entry. Returns the mode of the existing file. */
function assertReplaceable(
  { path, diskPath: full, context, options }: FileTarget,
  info: Deno.FileInfo | undefined,
): number | undefined {
  const found = info && toEntry(path, info, full);
  assertUnchanged(options, found, { operation: "write", shown: context.diskPath, backend: "file" });
  if (found?.kind === "dir" || found?.kind === "opaque") {
    const why = found.kind === "dir"
      ? "a folder is there"
      : `something that must not be touched is there: ${found.why}`;
    throw diskError("exists", why, context);
  }
  return found?.kind === "file" ? found.mode : undefined;
}

/**
 * Checks the target a last time, renames the temporary file over it, and returns the entry as the disk now reports it.
 */
async function commit(target: FileTarget, temp: FinishedFile, mode: number): Promise<FileEntry> {
  const { disk: { schedule }, folder: held, diskPath: full, context, options } = target;
  const [before, info] = await held.assertUnmoved(nameOf(target.path), temp.name);
  const kept = assertReplaceable(target, before);
  if (info === undefined || fileIdOf(info) !== temp.id) {
    throw diskError("changed", "its temporary file was replaced by another program", context);
  }
  if (kept !== undefined && kept !== mode) setMode({ diskPath: temp.diskPath, context }, { mode: kept, info });
  if (options.signal.aborted) throw cancelled(options.signal, context.operation);
  const after = await schedule(() => renameNow(temp.diskPath, full), () => renameLater(temp.diskPath, full), 2);
  const entry = verifyWritten(target, temp.id, after);
  await held.verifyAfterwards();
  return entry;
}

/** Renames a file and returns what is at its new path then. */
function renameNow(from: string, to: string): Deno.FileInfo | undefined {
  Deno.renameSync(from, to);
  return lstatNow(to);
}

async function renameLater(from: string, to: string): Promise<Deno.FileInfo | undefined> {
  await Deno.rename(from, to);
  return await lstatLater(to);
}
