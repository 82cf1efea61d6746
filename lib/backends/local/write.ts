import fs from "node:fs";
import { randomBytes } from "node:crypto";
import { cancelled } from "../../core/errors.ts";
import { nameOf, parentOf, type RelPath } from "../../core/path.ts";
import { tempPath } from "../../core/temp_name.ts";
import type { FileEntry } from "../../core/entry.ts";
import type { Body, WriteOptions } from "../../core/backend.ts";
import { opened, pour } from "../../net/byte_stream.ts";
import { mustMatch } from "../shared/preconditions.ts";
import { fileIdOf, lstat, lstatLater, lstatNow, openKnown, setMode, type Spot, toEntry } from "./disk.ts";
import { Draft, type Finished, setTime } from "./temp_file.ts";
import { type Doing, localError, toSyncError } from "./errors.ts";
import type { Held } from "./held_folders.ts";
import type { LocalRoot } from "./root.ts";

/**
 * Replaces a file atomically. The bytes are written under a temporary name in the target's folder, created exclusively,
 * never readable by more users than the target and never writable by others; they are counted; then mode and time are
 * set, the target is checked a last time, and the file is renamed. All steps use the folder that was found first. On
 * failure the temporary file is removed, unless a `tag` was given, the cause was the connection or the user
 * (connection, timeout, busy, cancelled) and at least 1 MiB was written: then it stays, and the next write with that
 * tag resumes it, as far as it is a file of this user only, its codes prove its content (see Seals), and its last 64
 * KiB equal the source's.
 */
export async function writeFile(
  at: LocalRoot,
  path: RelPath,
  body: Body,
  options: WriteOptions,
): Promise<FileEntry> {
  const doing: Doing = { operation: "write", path, shown: at.full(path) };
  using held = await at.hold(parentOf(path), doing.operation);
  const place: Target = { at, held, doing, options, path, full: held.at(nameOf(path)) };
  if (options.inPlace === true) return await overwrite(place, body);
  const mode = await modeFor(place);
  const draft = new Draft(at, { held, path, doing, body, options, mode });
  try {
    await draft.open();
    await draft.fill();
    const entry = await replace(place, await draft.finish(), mode);
    await draft.placed();
    return entry;
  } catch (error) {
    const failure = toSyncError(error, doing);
    await draft.abandon(failure);
    throw failure;
  }
}

/** Returns a temporary name that no other write uses. */
export function newTempPath(path: RelPath): RelPath {
  return tempPath(path, randomBytes(8).toString("hex"));
}

/** The target of a write and its folder. */
interface Target extends Spot {
  readonly at: LocalRoot;
  readonly held: Held;
  readonly doing: Doing;
  readonly options: WriteOptions;
}

/**
 * Overwrites a file in place: it keeps its inode, and so its owner, its ACL and its hard links. Old and new content mix
 * until the write ends. The file is compared again immediately before the first byte, after the source has answered, so
 * that a concurrent edit is not lost.
 */
async function overwrite(target: Target, body: Body): Promise<FileEntry> {
  const { at, held, full, doing, options } = target;
  const before = await lstat(at.pace, full);
  check(target, before);
  if (before?.isFile !== true) throw localError("notFound", "there is no file whose content could be replaced", doing);
  const { expect } = options;
  if (
    typeof expect === "object" && expect.kind === "file" && (expect.fileId ?? fileIdOf(before)) !== fileIdOf(before)
  ) {
    throw localError("changed", "another file took its place", doing);
  }
  const mark = markOf(full);
  const file = openKnown({ full, doing }, before, { read: false });
  try {
    const content = await opened(body(), { signal: options.signal, operation: doing.operation });
    const mustBeUntouched = async () => {
      const [now] = await held.mustStay(nameOf(target.path));
      check(target, now);
      if (markOf(full) !== mark) throw localError("changed", "it was modified meanwhile", doing);
    };
    let size = 0;
    await pour(content, async (bytes) => {
      if (size + bytes.length > options.size) throw localError("changed", "its source became longer", doing);
      if (size === 0) await mustBeUntouched();
      for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
      size += bytes.length;
      options.onBytes?.(bytes.length);
    }, { signal: options.signal, operation: doing.operation, recycles: true });
    if (size !== options.size) throw localError("changed", `its source gave only ${size} bytes`, doing);
    if (size === 0) await mustBeUntouched();
    await file.truncate(size);
    setTime(file, { shown: doing.shown, options });
    if (at.durable) await file.syncData();
  } finally {
    file.close();
  }
  return written(target, fileIdOf(before), await lstat(at.pace, full));
}

/**
 * Returns the properties that an edit changes. The change time (ctime), which no program can set back, has only whole
 * seconds.
 */
function markOf(full: string): string {
  const { dev, ino, size, mtimeMs, ctimeMs } = fs.lstatSync(full);
  return [dev, ino, size, mtimeMs, ctimeMs].join(" ");
}

/** Returns the entry as the disk now reports it; throws unless it is the file that was written. */
function written(
  { path, full, doing, options }: Target,
  id: string | undefined,
  info: Deno.FileInfo | undefined,
): FileEntry {
  const entry = info && toEntry(path, info, full);
  if (entry?.kind === "file" && entry.size === options.size && entry.fileId === id) return entry;
  throw localError("changed", "it was replaced right after it was written", doing);
}

/**
 * Returns the mode of the new file: that of the replaced file, otherwise the given one, otherwise the system's default.
 */
async function modeFor(target: Target): Promise<number> {
  const { at, full, options } = target;
  const fresh = options.mode === undefined ? 0o666 & ~at.umask : options.mode & 0o777;
  if (options.expect === "absent") return fresh;
  return check(target, await lstat(at.pace, full)) ?? fresh;
}

/** Throws unless the precondition holds and a file can replace the entry. Returns the mode of the existing file. */
function check({ path, full, doing, options }: Target, info: Deno.FileInfo | undefined): number | undefined {
  const found = info && toEntry(path, info, full);
  mustMatch(options, found, { operation: "write", shown: doing.shown, backend: "file" });
  if (found?.kind === "dir" || found?.kind === "opaque") {
    const why = found.kind === "dir"
      ? "a folder is there"
      : `something that must not be touched is there: ${found.why}`;
    throw localError("exists", why, doing);
  }
  return found?.kind === "file" ? found.mode : undefined;
}

/**
 * Checks the target a last time, renames the temporary file over it, and returns the entry as the disk now reports it.
 */
async function replace(target: Target, temp: Finished, mode: number): Promise<FileEntry> {
  const { at: { pace }, held, full, doing, options } = target;
  const [before, info] = await held.mustStay(nameOf(target.path), temp.name);
  const kept = check(target, before);
  if (info === undefined || fileIdOf(info) !== temp.id) {
    throw localError("changed", "its temporary file was replaced by another program", doing);
  }
  if (kept !== undefined && kept !== mode) setMode({ full: temp.full, doing }, { mode: kept, info });
  if (options.signal.aborted) throw cancelled(options.signal, doing.operation);
  const after = await pace(() => renameNow(temp.full, full), () => renameLater(temp.full, full), 2);
  const entry = written(target, temp.id, after);
  await held.settle();
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
