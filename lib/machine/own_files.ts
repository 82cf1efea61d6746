import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { SyncError } from "../core/errors.ts";
import { escapeForDisplay } from "../core/path.ts";
import { isPrivateGroup, UNMAPPED } from "./account.ts";

/** The error id of a state file or folder that another user owns or may write to, or that is a link; kind refused. */
export const foreignState = "ForeignState";

/** The facts of a file or folder that decide whether it is trusted. */
export interface OwnershipFacts {
  readonly isFile: boolean;
  readonly isDirectory: boolean;
  readonly isSymlink: boolean;
  readonly uid: number | null;
  readonly mode: number | null;
}

/**
 * The options of the check. `isSecret`: others may not even read it; `lenient`: mode bits that others may have
 * nevertheless.
 */
export interface OwnershipOptions {
  readonly isSecret?: boolean;
  readonly allowedMode?: number;
}

/**
 * Returns why a file or folder is not this user's own, as a clause; undefined if it is. EVERYTHING KEPT BETWEEN RUNS
 * PASSES THIS CHECK. Windows has neither owner nor mode here, so there only links are refused.
 */
export function explainDistrust(
  info: OwnershipFacts,
  { kind, isSecret = false, allowedMode: lenient = 0 }: OwnershipOptions & { readonly kind: "file" | "folder" },
): string | undefined {
  if (info.isSymlink) return "is a link";
  if (kind === "file" ? !info.isFile : !info.isDirectory) return `is not a ${kind}`;
  if (Deno.build.os === "windows") return undefined;
  if (info.uid !== Deno.uid()) return `belongs to another user (user id ${info.uid})`;
  const mode = (info.mode ?? 0) & 0o777;
  if ((mode & WRITABLE & ~lenient) !== 0) return `can be written to by others (mode ${octal(mode)})`;
  if (isSecret && (mode & READABLE) !== 0) return `can be read by others (mode ${octal(mode)})`;
  return undefined;
}

/**
 * Opens a state file for reading, without following a link or waiting for a pipe, and checks the open handle, so that
 * the checked file is the one that is read. Returns undefined if there is none. Rejects with refused of id
 * foreignState.
 */
export async function openOwn(path: string, options: OwnershipOptions = {}): Promise<FileHandle | undefined> {
  const before = await lstatIfPresent(path);
  if (before === undefined) return undefined;
  assertTrusted(path, before, { kind: "file", ...options });
  let handle: FileHandle;
  try {
    handle = await open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    if (codeOf(error) === "ELOOP") throw foreignStateError(path, "is a link");
    throw error;
  }
  try {
    assertTrusted(path, ownershipFacts(await handle.stat()), { kind: "file", ...options });
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Returns the facts of an open handle. */
export function ownershipFacts(info: Awaited<ReturnType<FileHandle["stat"]>>): OwnershipFacts {
  return {
    isFile: info.isFile(),
    isDirectory: info.isDirectory(),
    isSymlink: info.isSymbolicLink(),
    uid: Number(info.uid),
    mode: Number(info.mode),
  };
}

/** Appends to a state file; creates it, for this user only, if it is missing. Rejects as openOwn() does. */
export async function appendOwn(path: string, text: string, options: OwnershipOptions = {}): Promise<void> {
  const before = await lstatIfPresent(path);
  if (before !== undefined) assertTrusted(path, before, { kind: "file", ...options });
  const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT;
  const handle = await open(path, flags | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0), 0o600);
  try {
    assertTrusted(path, ownershipFacts(await handle.stat()), { kind: "file", ...options });
    await handle.appendFile(text);
  } finally {
    await handle.close();
  }
}

/**
 * Reads the text of a state file, at most `limit` bytes if given; returns undefined if there is none. Rejects as
 * openOwn() does.
 */
export async function readOwnText(
  path: string,
  options: OwnershipOptions & { readonly limit?: number } = {},
): Promise<string | undefined> {
  const handle = await openOwn(path, options);
  if (handle === undefined) return undefined;
  try {
    const bytes = new Uint8Array(Math.min(options.limit ?? Infinity, (await handle.stat()).size));
    let size = 0;
    while (size < bytes.length) {
      const { bytesRead } = await handle.read(bytes, size, bytes.length - size, size);
      if (bytesRead === 0) break;
      size += bytesRead;
    }
    return new TextDecoder().decode(bytes.subarray(0, size));
  } finally {
    await handle.close();
  }
}

/** Checks a file or folder that may be missing. Rejects with refused of id foreignState. */
export async function assertOwn(path: string, kind: "file" | "folder"): Promise<void> {
  const info = await lstatIfPresent(path);
  if (info !== undefined) assertTrusted(path, info, { kind });
}

/**
 * Creates a state folder, for this user only, if it is missing, and checks it. Rejects with refused of id foreignState.
 */
export async function makeOwnFolder(folder: string): Promise<void> {
  if (await lstatIfPresent(folder) === undefined) await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  await assertOwn(folder, "folder");
}

/**
 * Checks the parent folders of a state folder: another user who may rename one of them can put another state in its
 * place, and restore it later. A link on the path must belong to this user or to root.
 */
export async function assertTrustedAncestors(folder: string): Promise<void> {
  if (Deno.build.os === "windows") return;
  const real = await Deno.realPath(await nearestExisting(dirname(resolve(folder))));
  for (const above of new Set([...foldersAbove(resolve(folder)), ...foldersAbove(join(real, "."))])) {
    const info = await lstatIfPresent(above);
    if (info === undefined) continue;
    if (info.isSymlink && info.uid !== 0 && info.uid !== Deno.uid()) {
      throw foreignStateError(above, `is a link of another user (user id ${info.uid})`);
    }
    const { mode, uid, gid } = info.isSymlink ? await Deno.stat(above) : info;
    if (uid !== null && uid !== 0 && uid !== Deno.uid() && uid !== UNMAPPED) {
      throw foreignStateError(above, `belongs to another user (user id ${uid}), who can replace its content`);
    }
    // In a sticky folder each user may rename only what is their own.
    if (((mode ?? 0) & 0o1002) === 0o002) {
      throw foreignStateError(above, `lets every user replace its content (mode ${octal((mode ?? 0) & 0o1777)})`);
    }
    if (((mode ?? 0) & 0o1020) === 0o020 && gid !== null && !await isPrivateGroup(gid)) {
      const bits = octal((mode ?? 0) & 0o1777);
      throw foreignStateError(above, `lets the group of id ${gid} exchange what it holds (mode ${bits})`);
    }
  }
}

/**
 * Flushes the names in a folder to the disk, which flushing only their files does not do. Windows has no such call and
 * needs none.
 */
export async function flushFolder(path: string): Promise<void> {
  if (Deno.build.os === "windows") return;
  using folder = await Deno.open(path);
  await folder.sync();
}

/**
 * Checks that a file can be written in the folder, which is created if missing; otherwise rejects with the system's
 * error.
 */
export async function assertWritable(folder: string): Promise<void> {
  await makeOwnFolder(folder);
  const path = join(folder, `probe.${randomBytes(6).toString("hex")}`);
  try {
    // The file is not empty: on a full disk an empty one can still be created.
    await Deno.writeFile(path, new Uint8Array(PROBE_BYTES), { createNew: true, mode: 0o600 });
  } finally {
    await Deno.remove(path).catch(() => {});
  }
}

/** Returns the error of a file or folder that is not this user's own; `why` is a clause. */
export function foreignStateError(path: string, why: string): SyncError {
  const message = `"${escapeForDisplay(path)}" ${why}, so its content is not trusted: ${ADVICE}.`;
  return new SyncError("refused", message, { operation: "open the state folder", id: foreignState });
}

/** Whether an error is that of a file or folder that is not this user's own. */
export function isForeignStateError(error: unknown): error is SyncError {
  return error instanceof SyncError && error.facts.id === foreignState;
}

const WRITABLE = 0o022;
const READABLE = 0o077;
const PROBE_BYTES = 4096;
const ADVICE = "make it your own (chown, chmod go-rwx), remove it, or set TANDEM_STATE to a folder of your own";

function assertTrusted(path: string, info: OwnershipFacts, options: Parameters<typeof explainDistrust>[1]): void {
  const why = explainDistrust(info, options);
  if (why !== undefined) throw foreignStateError(path, why);
}

async function lstatIfPresent(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.lstat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Returns the folder itself, or its nearest existing parent. */
async function nearestExisting(folder: string): Promise<string> {
  let found = folder;
  while (dirname(found) !== found && !await Deno.stat(found).then(() => true, () => false)) found = dirname(found);
  return found;
}

function foldersAbove(path: string): readonly string[] {
  const above: string[] = [];
  for (let dir = dirname(path); above.at(-1) !== dir; dir = dirname(dir)) above.push(dir);
  return above;
}

function octal(mode: number): string {
  return mode.toString(8);
}

/** Returns the system's code of an error, such as ENOSPC. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error ? String(error.code) : undefined;
}

/** Returns undefined for a NotFound error; throws any other one. */
export function ignoreNotFound(error: unknown): undefined {
  if (error instanceof Deno.errors.NotFound) return undefined;
  throw error;
}
