import fs from "node:fs";
import { randomBytes } from "node:crypto";
import { cancelled } from "../../core/errors.ts";
import { nameOf, parentOf, type RelPath } from "../../core/path.ts";
import { tempPath } from "../../core/temp_name.ts";
import type { FileEntry } from "../../core/entry.ts";
import type { Body, WriteOptions } from "../../core/backend.ts";
import { opened, pour } from "../../net/byte_stream.ts";
import { mustMatch } from "../shared/preconditions.ts";
import { fileIdOf, lstat, openKnown, setMode, type Spot, toEntry } from "./disk.ts";
import { Draft, type Finished, setTime } from "./temp_file.ts";
import { type Doing, localError, toSyncError } from "./errors.ts";
import type { Held } from "./held_folders.ts";
import type { LocalRoot } from "./root.ts";

/**
 * Old or new: the bytes go to a temporary name beside the target, made exclusively, never wider readable than the target and never
 * writable by others; counted; then time and mode, one last look at the target, and the rename. All of it happens through the folder that
 * was found first. When it fails the temporary file is removed; only where a `tag` was given, the cause was the link or the user
 * (connection, timeout, busy, cancelled) and 1 MiB or more is there, it stays, and the next write of that tag goes on behind it: as far
 * as it is a file of this user alone, its content is proven by the codes beside it (see Seals), and its last 64 KiB are the source's.
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

/** A temporary name that no other write has. */
export function newTempPath(path: RelPath): RelPath {
  return tempPath(path, randomBytes(8).toString("hex"));
}

/** What is written to, and through which folder. */
interface Target extends Spot {
  readonly at: LocalRoot;
  readonly held: Held;
  readonly doing: Doing;
  readonly options: WriteOptions;
}

/**
 * In place: the file keeps its inode, so its owner, its ACL and its other names. Old and new mix until it is done. It is compared once
 * more right before its first byte goes, when the source has answered: an edit that came meanwhile stays.
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
      await held.mustStay();
      check(target, await lstat(at.pace, full));
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
  return await written(target, fileIdOf(before));
}

/** What an edit changes. The time of the last change, which no program can put back, is told in whole seconds alone. */
function markOf(full: string): string {
  const { dev, ino, size, mtimeMs, ctimeMs } = fs.lstatSync(full);
  return [dev, ino, size, mtimeMs, ctimeMs].join(" ");
}

/** The entry as the disk now shows it, which must be the very file that was written. */
async function written({ at, path, full, doing, options }: Target, id: string | undefined): Promise<FileEntry> {
  const info = await lstat(at.pace, full);
  const entry = info && toEntry(path, info, full);
  if (entry?.kind === "file" && entry.size === options.size && entry.fileId === id) return entry;
  throw localError("changed", "it was replaced right after it was written", doing);
}

/** The mode that the new file gets: that of the file it replaces, else the wanted one, else what the system gives to new files. */
async function modeFor(target: Target): Promise<number> {
  const { at, full, options } = target;
  const fresh = options.mode === undefined ? 0o666 & ~at.umask : options.mode & 0o777;
  if (options.expect === "absent") return fresh;
  return check(target, await lstat(at.pace, full)) ?? fresh;
}

/** Is at the path what is expected there, and nothing that a file cannot replace? Gives the mode of the file that is there. */
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

/** The last look at the target, the rename, and the entry as the disk now shows it. */
async function replace(target: Target, temp: Finished, mode: number): Promise<FileEntry> {
  const { at: { pace }, held, full, doing, options } = target;
  await held.mustStay();
  const kept = check(target, await lstat(pace, full));
  const info = await lstat(pace, temp.full);
  if (info === undefined || fileIdOf(info) !== temp.id) {
    throw localError("changed", "its temporary file was replaced by another program", doing);
  }
  if (kept !== undefined && kept !== mode) setMode({ full: temp.full, doing }, { mode: kept, info });
  if (options.signal.aborted) throw cancelled(options.signal, doing.operation);
  await pace(() => Deno.renameSync(temp.full, full), () => Deno.rename(temp.full, full));
  const entry = await written(target, temp.id);
  await held.settle();
  return entry;
}
