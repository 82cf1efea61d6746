import fs from "node:fs";
import { promisify } from "node:util";
import type { RelPath } from "../../core/path.ts";
import { DESCRIPTOR_FOLDER } from "./disk.ts";
import type { DiskSession } from "./session.ts";

/**
 * The open folders of one root, each shared by all operations that work in it: a descriptor that only stands for a path
 * has no state, and opening one costs more than to verify that it has not moved. Unused ones stay open; of more than 64
 * the least recently used are closed.
 */
export class OpenFolders {
  readonly #open = new Map<RelPath, SharedFolder>();
  #unused = 0;
  #isClosed = false;

  /**
   * Returns the folder for one more operation, which must release it; opens it by `open` if it is not open. An operation
   * that did not open it must verify its path.
   */
  take(
    dir: RelPath,
    open: () => Promise<OpenedFolder | undefined>,
  ): { readonly folder: SharedFolder; readonly isNew: boolean } {
    const known = this.#open.get(dir);
    if (known !== undefined) {
      if (known.users === 0) this.#unused--;
      known.users++;
      return { folder: known, isNew: false };
    }
    const folder: SharedFolder = { dir, users: 1, opened: open().then((found) => (folder.fd = found?.fd, found)) };
    this.#open.set(dir, folder);
    return { folder, isNew: true };
  }

  /** Ends the use by one operation. */
  release(folder: SharedFolder): void {
    folder.users--;
    if (folder.users > 0) return;
    if (this.#isClosed || this.#open.get(folder.dir) !== folder) return closeFolder(folder);
    this.#unused++;
    this.#open.delete(folder.dir);
    this.#open.set(folder.dir, folder);
    if (this.#unused > MAX_UNUSED) this.#closeOldest();
  }

  /** Gives the folder to no further operation. It is closed when the last one releases it. */
  forget(folder: SharedFolder): void {
    if (this.#open.get(folder.dir) === folder) this.#open.delete(folder.dir);
  }

  /** Closes the unused folders at once and the others when they are released. */
  close(): void {
    this.#isClosed = true;
    while (this.#unused > 0) this.#closeOldest();
  }

  #closeOldest(): void {
    for (const folder of this.#open.values()) {
      if (folder.users > 0) continue;
      this.#open.delete(folder.dir);
      this.#unused--;
      return closeFolder(folder);
    }
  }
}

/** A folder in use by `users` operations. `opened` resolves to undefined if it could not be opened. */
export interface SharedFolder {
  readonly dir: RelPath;
  readonly opened: Promise<OpenedFolder | undefined>;
  fd?: number | undefined;
  users: number;
}

/** The most folders that stay open unused. */
const MAX_UNUSED = 64;

function closeFolder({ fd }: SharedFolder): void {
  if (fd !== undefined) fs.closeSync(fd);
}

/**
 * O_PATH, which node:fs does not define: a folder that can be entered need not be readable. The value is the same on
 * all common Linux architectures.
 */
const O_PATH = 0o10000000;
const FOLDER = O_PATH | (fs.constants.O_DIRECTORY ?? 0) | (fs.constants.O_NOFOLLOW ?? 0);
const openOnPool = promisify(fs.open);

/** Opens a folder as a path only. Rejects with the system's error. */
export function openFolder(schedule: DiskSession["schedule"], path: string): Promise<number> {
  return schedule(() => fs.openSync(path, FOLDER), () => openOnPool(path, FOLDER));
}

/** An opened folder and its real path. */
export interface OpenedFolder {
  readonly fd: number;
  readonly path: string;
}

/** Opens a folder and returns it with its real path; undefined on any error. */
export function tryOpen(schedule: DiskSession["schedule"], path: string): Promise<OpenedFolder | undefined> {
  return schedule(() => tryOpenNow(path), () => tryOpenOnPool(path), 2);
}

function tryOpenNow(below: string): OpenedFolder | undefined {
  let fd: number | undefined;
  try {
    fd = fs.openSync(below, FOLDER);
    return { fd, path: Deno.readLinkSync(descriptorPath(fd)) };
  } catch {
    if (fd !== undefined) fs.closeSync(fd);
    return undefined;
  }
}

async function tryOpenOnPool(below: string): Promise<OpenedFolder | undefined> {
  let fd: number | undefined;
  try {
    fd = await openOnPool(below, FOLDER);
    return { fd, path: await Deno.readLink(descriptorPath(fd)) };
  } catch {
    if (fd !== undefined) fs.closeSync(fd);
    return undefined;
  }
}

/** Returns the current path of an open folder as the kernel reports it, which contains no link. */
export function currentPath(schedule: DiskSession["schedule"], fd: number): Promise<string> {
  const link = descriptorPath(fd);
  return schedule(() => Deno.readLinkSync(link), () => Deno.readLink(link));
}

/** Returns the path that resolves to the open folder. */
export function descriptorPath(fd: number): string {
  return `${DESCRIPTOR_FOLDER}${fd}`;
}
