import fs from "node:fs";
import { setImmediate } from "node:timers/promises";
import type { RelPath } from "../../core/path.ts";
import type { Entry, OpaqueEntry } from "../../core/entry.ts";
import { codeOf, type DiskContext, diskError } from "./errors.ts";

/** An entry on this disk: its logical path, and its disk path for the calls of one operation. */
export interface ResolvedPath {
  readonly path: RelPath;
  readonly diskPath: string;
}

/**
 * Makes `calls` calls to the disk: by `now` on this thread, or by `later` on the runtime's thread pool, with the same
 * result and errors.
 */
export type DiskScheduler = <T>(now: () => T, later: () => Promise<T>, calls?: number) => Promise<T>;

/**
 * Returns a scheduler of disk calls. Calls on this thread cost a third of those on the pool, but a slow disk (a network
 * share, a disk under load) would block all other work. So calls run on this thread while they are fast, and on the
 * pool for a while after a slow one; other work runs every few ms.
 */
export function newDiskScheduler(clock: () => number = () => performance.now()): DiskScheduler {
  let onPool = 0;
  let stay = POOLED_CALLS;
  let turn = clock();
  let pause: Promise<void> | undefined;
  const rest = async () => {
    await setImmediate();
    turn = clock();
    pause = undefined;
  };
  return async (now, later, calls = 1) => {
    let start = clock();
    if (pause === undefined && start - turn > TURN_MS) pause = rest();
    while (pause !== undefined) {
      await pause;
      start = clock();
    }
    if (onPool > 0) {
      onPool -= calls;
      return await later();
    }
    try {
      return now();
    } finally {
      const isSlow = clock() - start > SLOW_MS + calls * SLOW_CALL_MS;
      if (isSlow) onPool = stay;
      stay = isSlow ? Math.min(stay * 2, POOLED_CALLS_MAX) : POOLED_CALLS;
    }
  };
}

/** Returns the file info of a disk path, without following a link; undefined if absent. */
export function lstat(schedule: DiskScheduler, diskPath: string): Promise<Deno.FileInfo | undefined> {
  return schedule(() => lstatNow(diskPath), () => lstatLater(diskPath));
}

/** Does the same on this thread. */
export function lstatNow(full: string): Deno.FileInfo | undefined {
  try {
    return withoutStackTrace(() => Deno.lstatSync(full));
  } catch (error) {
    return undefinedIfAbsent(error);
  }
}

/** Does the same on the runtime's thread pool. */
export function lstatLater(full: string): Promise<Deno.FileInfo | undefined> {
  return Deno.lstat(full).catch(undefinedIfAbsent);
}

function undefinedIfAbsent(error: unknown): undefined {
  if (!isAbsence(error)) throw error;
}

/** Returns the entry of a disk path, without following a link; undefined if absent. */
export async function stat(
  schedule: DiskScheduler,
  { path, diskPath: full }: ResolvedPath,
): Promise<Entry | undefined> {
  const info = await lstat(schedule, full);
  return info && toEntry(path, info, full);
}

/** Whether the error is ENOENT, or ENOTDIR: a file exists where the path has a folder. */
export function isAbsence(error: unknown): boolean {
  const code = codeOf(error);
  return code === "ENOENT" || code === "ENOTDIR";
}

/** Converts the result of lstat to an entry; `full` is the disk path at which a link's target is read. */
export function toEntry(path: RelPath, info: Deno.FileInfo, diskPath: string): Entry {
  const { mtime, ctime, mode, ino } = info;
  if (mtime === null || mode === null || ino === null) return toPlainEntry(path, info, diskPath);
  const modified = mtime.getTime();
  if (info.isFile) {
    const changed = ctime === null ? {} : { changeTime: ctime.getTime() };
    const fileId = `${info.dev}:${ino}`;
    return { kind: "file", path, size: info.size, modified, mode: mode & 0o777, fileId, ...changed };
  }
  if (info.isDirectory) return { kind: "dir", path, modified, mode: mode & 0o777 };
  return info.isSymlink ? toLink(path, diskPath) : opaque(path, "special", "it is a pipe, a socket or a device");
}

/** An operation on the disk path `full`. */
export interface FileInUse {
  readonly diskPath: string;
  readonly context: DiskContext;
}

/** Returns device and inode; undefined if the system reports none. */
export function fileIdOf({ dev, ino }: Pick<Deno.FileInfo, "dev" | "ino">): string | undefined {
  return ino === null ? undefined : `${dev}:${ino}`;
}

/**
 * Returns a lasting identity of a file, with its creation time if the disk reports it, since inode numbers are reused
 * and device numbers change at each boot.
 */
export function lastingIdOf({ ino, dev, birthtime }: Deno.FileInfo): string {
  return birthtime === null ? `${dev}:${ino}` : `${ino}@${birthtime.getTime()}`;
}

/**
 * Returns the current state of an open file; undefined on Windows, where its inode differs from that of lstat. The
 * runtime's own call, by the path of the descriptor, takes half the time of that of node:fs.
 */
export async function statOpen(schedule: DiskScheduler, fd: number, diskPath: string): Promise<Opened | undefined> {
  if (Deno.build.os === "windows") return undefined;
  return diskPath.startsWith(DESCRIPTOR_FOLDER)
    ? await schedule(() => statOpenNow(fd), () => Deno.stat(`${DESCRIPTOR_FOLDER}${fd}`))
    : fs.fstatSync(fd);
}

/** Returns the current state of an open file on this thread; on Linux only. */
export function statOpenNow(fd: number): Deno.FileInfo {
  return Deno.statSync(`${DESCRIPTOR_FOLDER}${fd}`);
}

type Opened = Pick<Deno.FileInfo, "dev" | "ino" | "size" | "mtime">;

/** Whether the file belongs to this user. */
export function isOfUser({ uid }: Deno.FileInfo): boolean {
  return uid === null || uid === Deno.uid();
}

/** Whether users other than root can change the folder's content. For a run as root, whose group is root's too. */
export function canOthersChange({ uid, gid, mode }: Pick<Deno.FileInfo, "uid" | "gid" | "mode">): boolean {
  const bits = mode ?? 0;
  return (uid ?? 0) !== 0 || (bits & 0o002) !== 0 || ((bits & 0o020) !== 0 && (gid ?? 0) !== 0);
}

/**
 * Removes a regular file of this user; an absent one is not an error. Returns false for anything else, which stays,
 * although the runtime's unlink would remove an empty folder.
 */
export async function removeOwn(schedule: DiskScheduler, diskPath: string): Promise<boolean> {
  const info = await lstat(schedule, diskPath);
  if (info === undefined) return true;
  if (!info.isFile || !isOfUser(info)) return false;
  try {
    await schedule(() => fs.unlinkSync(diskPath), () => fs.promises.unlink(diskPath));
  } catch (error) {
    if (!isAbsence(error)) throw error;
  }
  return true;
}

/**
 * Sets the rwx bits of exactly the file that `info` describes, never through a link or of another file that replaced
 * it.
 */
export function setMode(
  { diskPath: full, context }: FileInUse,
  { mode, info }: { readonly mode: number; readonly info: Deno.FileInfo },
): void {
  const isReadable = ((info.mode ?? 0o400) & 0o400) !== 0;
  const fd = fs.openSync(full, (isReadable ? fs.constants.O_RDONLY : fs.constants.O_WRONLY) | SAFE_OPEN);
  try {
    assertSameFile(fd, info, context);
    fs.fchmodSync(fd, mode & 0o777);
  } finally {
    fs.closeSync(fd);
  }
}

/** Opens exactly the file that `info` describes for writing. Throws kind "changed" if another file replaced it. */
export function openSameFile(
  { diskPath: full, context }: FileInUse,
  info: Deno.FileInfo,
  { read }: { readonly read: boolean },
): Deno.FsFile {
  const fd = fs.openSync(full, (read ? fs.constants.O_RDWR : fs.constants.O_WRONLY) | SAFE_OPEN);
  try {
    assertSameFile(fd, info, context);
    // The runtime's own call to open a file follows links; the path of the descriptor contains none.
    const file = Deno.openSync(full.startsWith(DESCRIPTOR_FOLDER) ? `${DESCRIPTOR_FOLDER}${fd}` : full, {
      read,
      write: true,
    });
    if (fileIdOf(file.statSync()) === fileIdOf(info)) return file;
    file.close();
  } finally {
    fs.closeSync(fd);
  }
  throw diskError("changed", REPLACED, context);
}

/** Open flags that neither follow a link nor wait for a pipe that replaced the file meanwhile. Windows has neither. */
export const SAFE_OPEN = (fs.constants.O_NOFOLLOW ?? 0) | (fs.constants.O_NONBLOCK ?? 0);

/** Linux's folder of links to the open files of the process. */
export const DESCRIPTOR_FOLDER = "/proc/self/fd/";

export function opaque(path: RelPath, cause: OpaqueEntry["cause"], why: string): OpaqueEntry {
  return { kind: "opaque", path, cause, why };
}

function assertSameFile(fd: number, info: Deno.FileInfo, context: DiskContext): void {
  if (Deno.build.os === "windows" || fileIdOf(fs.fstatSync(fd)) === fileIdOf(info)) return;
  throw diskError("changed", REPLACED, context);
}

const REPLACED = "another file replaced it";
/** ms of calls on this thread before other work runs. */
const TURN_MS = 12;
/** A batch of calls is slow when it takes longer than this, and as long again for each call. */
const SLOW_MS = 1;
const SLOW_CALL_MS = 0.2;
/** The number of calls on the pool before this thread is tried again; doubled after each try that is slow again. */
const POOLED_CALLS = 64;
const POOLED_CALLS_MAX = 16_384;

/** Converts file info without mode and inode (Windows), or without a time, to an entry. */
function toPlainEntry(path: RelPath, info: Deno.FileInfo, diskPath: string): Entry {
  const time = info.mtime === null ? {} : { modified: info.mtime.getTime() };
  const mode = info.mode === null ? {} : { mode: info.mode & 0o777 };
  const fileId = info.ino === null ? {} : { fileId: `${info.dev}:${info.ino}` };
  if (info.isFile) return { kind: "file", path, size: info.size, ...time, ...mode, ...fileId };
  if (info.isDirectory) return { kind: "dir", path, ...time, ...mode };
  return info.isSymlink ? toLink(path, diskPath) : opaque(path, "special", "it is a pipe, a socket or a device");
}

/**
 * Runs work whose errors have no stack trace: the absence of each new file is an error, and its stack costs more than
 * the call.
 */
function withoutStackTrace<T>(work: () => T): T {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return work();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

function toLink(path: RelPath, diskPath: string): Entry {
  let target: string;
  try {
    target = Deno.readLinkSync(diskPath);
  } catch {
    return opaque(path, "unreadable", "it was a link that changed while it was looked at");
  }
  if (target.includes("\ufffd")) return opaque(path, "link", "its target is not valid Unicode");
  return { kind: "link", path, target };
}
