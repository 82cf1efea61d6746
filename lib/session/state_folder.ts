import { Buffer } from "node:buffer";
import { createHash, createHmac, randomBytes } from "node:crypto";
import { posix, win32 } from "node:path";
import { accountHome } from "../machine/account.ts";
import { badInput, noStateFolder, SyncError, toSyncError } from "../core/errors.ts";
import {
  assertOwn,
  assertTrustedAncestors,
  assertWritable,
  codeOf,
  makeOwnFolder,
  readOwnText,
} from "../machine/own_files.ts";

/** The inputs that determine the state folder's path. `home` is used if the environment names none. */
export interface StateFolderOptions {
  env(name: string): string | undefined;
  readonly os?: string;
  home?(): string | undefined;
  /** Returns the operating system's name of this machine; it distinguishes machines that share a home folder. */
  machine?(): Promise<string | undefined>;
  /** Whether writing is forbidden: missing values are generated and not stored. */
  readonly readOnly?: boolean;
}

/** Tandem's state folder, private to its user (0700; files 0600). */
export interface StateFolder {
  readonly folder: string;
  /**
   * Returns a random id of this machine, constant as long as the folder exists; another machine that shares the folder
   * has another id.
   */
  machineId(): Promise<string>;
  /**
   * Returns a secret key of 32 bytes of this user on this machine. Rejects with kind refused if others can read the
   * file.
   */
  sealingKey(): Promise<Uint8Array>;
  /**
   * Returns 32 bytes for one purpose, derived from the sealing key: the key of one purpose reveals nothing about
   * another. Rejects as sealingKey() does.
   */
  derivedKey(purpose: string): Promise<Uint8Array>;
  /** Rejects with badInput of id noStateFolder if the folder is not writable: it is read-only, or its disk is full. */
  assertWritable(): Promise<void>;
}

/**
 * Finds the state folder and creates it. Rejects with badInput of id noStateFolder if none is possible, so that a
 * caller may continue without, or suggest an alternative; with refused of id foreignState if another user could have
 * written its content.
 */
export async function openStateFolder(options: StateFolderOptions): Promise<StateFolder> {
  const folder = stateFolderPath({ os: Deno.build.os, home: accountHome, ...options });
  const readOnly = options.readOnly ?? false;
  await inStateFolder(folder, async () => {
    await assertTrustedAncestors(folder);
    await (readOnly ? assertOwn(folder, "folder") : makeOwnFolder(folder));
  });
  const suffix = machineSuffix(await (options.machine ?? readMachineId)());
  const sealingKey = async () =>
    new Uint8Array(await readOrCreate(`${folder}/sealing-key${suffix}`, { bytes: 32, readOnly }));
  return {
    folder,
    machineId: async () =>
      (await readOrCreate(`${folder}/machine-id${suffix}`, { bytes: 16, readOnly })).toString("hex"),
    sealingKey,
    derivedKey: async (purpose) => deriveKey(await sealingKey(), purpose),
    assertWritable: () => inStateFolder(folder, () => assertWritable(folder)),
  };
}

/**
 * Returns the path of the state folder on an operating system (Deno.build.os). TANDEM_STATE overrides everything else.
 * Throws badInput of id noStateFolder.
 */
export function stateFolderPath(options: StateFolderOptions & { readonly os: string }): string {
  const { os, env } = options;
  const path = os === "windows" ? win32 : posix;
  const given = env("TANDEM_STATE");
  if (given) {
    if (path.isAbsolute(given)) return path.resolve(given);
    throw badInput(`TANDEM_STATE is "${given}", which is not a full path: begin it at the root.`, noStateFolder);
  }
  if (os === "windows") {
    const data = env("LOCALAPPDATA");
    if (data && path.isAbsolute(data)) return path.join(data, "Tandem");
  }
  const stateHome = env("XDG_STATE_HOME");
  // The XDG Base Directory Specification requires relative paths to be ignored.
  if (os !== "windows" && os !== "darwin" && stateHome && path.isAbsolute(stateHome)) {
    return path.join(stateHome, "tandem");
  }
  const known = env(os === "windows" ? "USERPROFILE" : "HOME");
  const home = known && path.isAbsolute(known) ? known : options.home?.();
  if (!home || !path.isAbsolute(home)) {
    throw badInput("This user has no home folder to keep state in: set TANDEM_STATE to a folder.", noStateFolder);
  }
  if (os === "windows") return path.join(home, "AppData", "Local", "Tandem");
  if (os === "darwin") return path.join(home, "Library", "Application Support", "Tandem");
  return path.join(home, ".local", "state", "tandem");
}

/**
 * Reads the first line of a file (or pipe) with a secret, at most 64 KiB. Throws badInput if there is none; never shows
 * it.
 */
export async function readSecretFile(path: string): Promise<string> {
  try {
    using file = await Deno.open(path);
    const bytes = await readHead(file, 64 * 1024);
    const [line = ""] = new TextDecoder("utf-8", { fatal: true }).decode(bytes).split(/\r?\n/, 1);
    if (line !== "") return line;
  } catch (cause) {
    throw secretFileError(path, cause instanceof TypeError ? "it is not UTF-8 text" : explainCause(cause));
  }
  throw secretFileError(path, "its first line is empty");
}

const ATTEMPTS = 50;
const ATTEMPT_MS = 20;

/** Runs work in the state folder. A failure means that no state folder is available; a refusal stays a refusal. */
async function inStateFolder(folder: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (cause) {
    throw cause instanceof SyncError ? cause : unusableError(folder, cause);
  }
}

/**
 * Reads the bytes that a file stores as hex digits; generates random ones if the file does not exist. If several
 * processes create it at once, one wins.
 */
async function readOrCreate(
  path: string,
  about: { readonly bytes: number; readonly readOnly: boolean },
): Promise<Buffer> {
  const known = await readOwn(path, about.bytes);
  if (known !== undefined) return known;
  const fresh = randomBytes(about.bytes);
  if (about.readOnly || await createAtomically(path, `${fresh.toString("hex")}\n`)) return fresh;
  const theirs = await readOwn(path, about.bytes);
  if (theirs === undefined) throw damagedError(path);
  return theirs;
}

function deriveKey(key: Uint8Array, purpose: string): Uint8Array {
  return new Uint8Array(createHmac("sha256", key).update(`Tandem ${purpose}`).digest());
}

async function readOwn(path: string, bytes: number): Promise<Buffer | undefined> {
  for (let attempt = 0;; attempt++) {
    const text = await readGuarded(path, bytes * 2 + 2);
    if (text === undefined) return undefined;
    if (/^[0-9a-f]*$/.test(text) && text.length === bytes * 2) return Buffer.from(text, "hex");
    // On a disk without hard links, another process may be writing the file at this moment.
    if (text.length >= bytes * 2 || attempt === ATTEMPTS) throw damagedError(path);
    await new Promise((resolve) => setTimeout(resolve, ATTEMPT_MS));
  }
}

async function readGuarded(path: string, limit: number): Promise<string | undefined> {
  try {
    return (await readOwnText(path, { limit, isSecret: true }))?.trimEnd();
  } catch (cause) {
    throw cause instanceof SyncError ? cause : unusableError(path, cause);
  }
}

/** Creates a file atomically: writes it under another name, then links it. Returns false if the file already exists. */
async function createAtomically(path: string, text: string): Promise<boolean> {
  const beside = `${path}.${randomBytes(6).toString("hex")}`;
  try {
    await writeNew(beside, text);
    if (await tryLink(beside, path)) return true;
    await writeNew(path, text);
    return true;
  } catch (cause) {
    if (cause instanceof Deno.errors.AlreadyExists) return false;
    throw unusableError(path, cause);
  } finally {
    await removeIfPresent(beside);
  }
}

/**
 * Creates the hard link; returns false on any failure. If the disk has no hard links, the file is then written
 * directly, and that reports the reason.
 */
async function tryLink(beside: string, path: string): Promise<boolean> {
  return await Deno.link(beside, path).then(() => true, () => false);
}

async function writeNew(path: string, text: string): Promise<void> {
  using file = await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
  await file.write(new TextEncoder().encode(text));
  await file.sync();
}

async function removeIfPresent(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw unusableError(path, cause);
  }
}

async function readHead(file: Deno.FsFile, limit: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(limit);
  let size = 0;
  while (size < limit) {
    const count = await file.read(bytes.subarray(size));
    if (count === null) break;
    size += count;
  }
  return bytes.subarray(0, size);
}

/**
 * Returns systemd's id of this machine, hashed because it is confidential (machine-id(5)); undefined in most
 * containers.
 */
async function readMachineId(): Promise<string | undefined> {
  if (Deno.build.os !== "linux") return undefined;
  try {
    return (await Deno.readTextFile("/etc/machine-id")).trim() || undefined;
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound || cause instanceof Deno.errors.PermissionDenied) return undefined;
    throw toSyncError(cause, "read /etc/machine-id");
  }
}

function machineSuffix(machine: string | undefined): string {
  if (machine === undefined) return "";
  return `-${createHash("sha256").update(`Tandem ${machine}`).digest("hex").slice(0, 12)}`;
}

function unusableError(path: string, cause: unknown): SyncError {
  const message = `Cannot keep state in "${path}": ${
    explainCause(cause)
  }; set TANDEM_STATE to a folder you may write to.`;
  return new SyncError("badInput", message, { operation: "open the state folder", id: noStateFolder, cause });
}

function damagedError(path: string): SyncError {
  return refusedError(`"${path}" is damaged: remove it, and a new one is made.`);
}

function refusedError(message: string): SyncError {
  return new SyncError("refused", message, { operation: "open the state folder" });
}

function secretFileError(path: string, why: string): SyncError {
  return badInput(`Cannot take a secret from the file "${path}": ${why}.`);
}

function explainCause(cause: unknown): string {
  switch (codeOf(cause)) {
    case "ENOENT":
      return "it does not exist";
    case "EACCES":
    case "EPERM":
      return "access is denied";
    case "EROFS":
      return "the disk is read-only";
    case "ENOSPC":
    case "EDQUOT":
      return "the disk is full";
    case "ENOTDIR":
      return "a part of the path is not a folder";
    case "EISDIR":
      return "it is a folder";
    default:
      return cause instanceof Error ? cause.message : String(cause);
  }
}
