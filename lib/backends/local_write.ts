import { randomBytes } from "node:crypto";
import { cancelled } from "../errors.ts";
import type { RelPath } from "../path.ts";
import { tempPath } from "../temp.ts";
import type { Entry, FileEntry } from "../types.ts";
import type { Body, WriteOptions } from "./backend.ts";
import { opened, pour } from "./content.ts";
import { mustMatch } from "./expect.ts";
import { lstat, type Pace, toEntry } from "./local_disk.ts";
import { Draft, setTime } from "./local_draft.ts";
import { type Doing, localError, toSyncError } from "./local_errors.ts";
import type { Spot } from "./local_read.ts";
import type { LocalRoot } from "./local_root.ts";

/**
 * Old or new: the bytes go to a temporary name beside the target, made exclusively and never wider readable than the target; counted;
 * then time and mode, one last look at the target, and the rename. When it fails the temporary file is removed; only where a `tag`
 * was given, the cause was the link or the user (connection, timeout, busy, cancelled) and 1 MiB or more is there, it stays, and the
 * next write of that tag goes on behind it: if it is a regular file, no longer than the source, written since the machine was
 * started, and its last 64 KiB are the source's.
 */
export async function writeFile(
  at: LocalRoot,
  path: RelPath,
  body: Body,
  options: WriteOptions,
): Promise<FileEntry> {
  const full = at.full(path);
  const doing: Doing = { operation: "write", path, shown: full };
  await at.checkParent(path, doing.operation);
  if (options.inPlace === true) return await overwrite(at, { path, full }, { body, options });
  const mode = await modeFor(at, { path, full }, options);
  const name = options.tag === undefined ? newTempPath(path) : tempPath(path, options.tag);
  const temp = { path: name, full: at.full(name) };
  const draft = new Draft(at, { temp, doing, body, options, mode });
  try {
    await draft.open();
    await draft.fill();
    await draft.finish();
    return await replace(at, { path, full }, { temp: temp.full, mode, options });
  } catch (error) {
    const failure = toSyncError(error, doing);
    await draft.abandon(failure);
    throw failure;
  }
}

/** In place: the file keeps its inode, so its owner, its ACL and its other names. Old and new mix until it is done. */
async function overwrite(
  { pace, durable }: LocalRoot,
  { path, full }: Spot,
  { body, options }: { readonly body: Body; readonly options: WriteOptions },
): Promise<FileEntry> {
  const doing: Doing = { operation: "write", path, shown: full };
  const before = await lstat(pace, full);
  check(before && toEntry(path, before, full), full, options);
  if (before?.isFile !== true) throw localError("notFound", "there is no file whose content could be replaced", doing);
  const file = await Deno.open(full, { write: true });
  try {
    // Nothing is written before this proves that no link led elsewhere.
    const { ino, dev } = await file.stat();
    if (ino !== before.ino || dev !== before.dev) throw localError("changed", "another file took its place", doing);
    const content = await opened(body(), { signal: options.signal, operation: doing.operation });
    let size = 0;
    await pour(content, async (bytes) => {
      if (size + bytes.length > options.size) throw localError("changed", "its source became longer", doing);
      for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
      size += bytes.length;
      options.onBytes?.(bytes.length);
    }, { signal: options.signal, operation: doing.operation, recycles: true });
    if (size !== options.size) throw localError("changed", `its source gave only ${size} bytes`, doing);
    await file.truncate(size);
    setTime(file, { full, options });
    if (durable) await file.syncData();
  } finally {
    file.close();
  }
  return await written(pace, { path, full }, options);
}

/** The entry as the disk now shows it. */
async function written(pace: Pace, { path, full }: Spot, options: WriteOptions): Promise<FileEntry> {
  const info = await lstat(pace, full);
  const entry = info && toEntry(path, info, full);
  if (entry?.kind === "file" && entry.size === options.size) return entry;
  const doing: Doing = { operation: "write", path, shown: full };
  throw localError("changed", "it was replaced right after it was written", doing);
}

/** A temporary name that no other write has. */
export function newTempPath(path: RelPath): RelPath {
  return tempPath(path, randomBytes(8).toString("hex"));
}

/** The mode that the new file gets: that of the file it replaces, else the wanted one, else what the system gives to new files. */
async function modeFor(at: LocalRoot, { path, full }: Spot, options: WriteOptions): Promise<number> {
  const fresh = options.mode === undefined ? 0o666 & ~at.umask : options.mode & 0o777;
  if (options.expect === "absent") return fresh;
  const info = await lstat(at.pace, full);
  const found = info && toEntry(path, info, full);
  check(found, full, options);
  return found?.kind === "file" ? found.mode ?? fresh : fresh;
}

/** Is at the path what is expected there, and nothing that a file cannot replace? */
function check(found: Entry | undefined, full: string, options: WriteOptions): void {
  mustMatch(options, found, { operation: "write", shown: full, backend: "file" });
  if (found?.kind !== "dir" && found?.kind !== "opaque") return;
  const why = found.kind === "dir" ? "a folder is there" : `something that must not be touched is there: ${found.why}`;
  throw localError("exists", why, { operation: "write", path: found.path, shown: full });
}

interface Replacing {
  readonly temp: string;
  readonly mode: number;
  readonly options: WriteOptions;
}

/** The last look at the target, the rename, and the entry as the disk now shows it. */
async function replace(at: LocalRoot, { path, full }: Spot, { temp, mode, options }: Replacing): Promise<FileEntry> {
  const { pace } = at;
  const doing: Doing = { operation: "write", path, shown: full };
  await at.checkParent(path, doing.operation);
  const before = await lstat(pace, full);
  const old = before && toEntry(path, before, full);
  check(old, full, options);
  if (old?.kind === "file" && old.mode !== undefined && old.mode !== mode) {
    const kept = old.mode;
    await pace(() => Deno.chmodSync(temp, kept), () => Deno.chmod(temp, kept));
  }
  if (options.signal.aborted) throw cancelled(options.signal, doing.operation);
  await pace(() => Deno.renameSync(temp, full), () => Deno.rename(temp, full));
  return await written(pace, { path, full }, options);
}
