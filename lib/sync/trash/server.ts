import { posix } from "node:path";
import type { Backend, CallOptions } from "../../core/backend.ts";
import { SyncError } from "../../core/errors.ts";
import { escapeForDisplay, nameOf, parentOf, type RelPath, root, toRelPath } from "../../core/path.ts";
import type { Entry } from "../../core/entry.ts";
import { TRASH } from "./index.ts";

/**
 * A folder on the server for discarded versions, in the trash folder `base`. `serverRoot`: the server's backend from
 * its root.
 */
export interface ServerTrashFolder {
  readonly serverRoot: Backend;
  readonly base: string;
  readonly folder: string;
}

/**
 * Finds the folder on the server for discarded versions: `below` in `given`, by default in `.tandem-trash` of the login
 * folder. Returns undefined if the server cannot rename, if its root cannot be addressed, or if the default would be
 * inside the root of the pair.
 */
export async function findServerTrash(
  remote: Backend,
  { given, below, signal }: CallOptions & { readonly given?: string; readonly below: string },
): Promise<ServerTrashFolder | undefined> {
  if (remote.rename === undefined) return undefined;
  const { root: place } = await remote.withRoot(given ?? "~", { signal });
  const base = given === undefined ? posix.join(place.path, TRASH) : place.path;
  if (given === undefined && isBelow(base, remote.root.path)) return undefined;
  const serverRoot = await remote.withRoot("/", { signal });
  return serverRoot.root.path === "/" ? { serverRoot, base, folder: posix.join(base, below) } : undefined;
}

/**
 * Creates the trash folder, missing folders above it, and this run's folder in it, with mode 0700 if the server
 * supports modes. Rejects if that fails, and with refused if one of them is a link: kept versions must not leave the
 * trash folder.
 */
export async function makeServerTrash(
  { serverRoot, base, folder }: ServerTrashFolder,
  call: CallOptions,
): Promise<void> {
  const missing: RelPath[] = [];
  for (let dir = parentOf(toServerRelPath(base)); dir !== root; dir = parentOf(dir)) {
    if (await serverRoot.stat(dir, call) !== undefined) break;
    missing.unshift(dir);
  }
  for (const dir of missing) await serverRoot.makeDir(dir, call);
  for (let dir = base;; dir = posix.join(dir, firstOf(posix.relative(dir, folder)))) {
    await makeServerFolder({ serverRoot }, dir, call);
    if (dir === folder) return;
  }
}

/**
 * Creates a folder if it is missing; its parent exists. Rejects with refused if the name is that of a link or a file.
 */
export async function makeServerFolder(
  { serverRoot }: Pick<ServerTrashFolder, "serverRoot">,
  folder: string,
  call: CallOptions,
): Promise<void> {
  const dir = toServerRelPath(folder);
  if (dir === root) return;
  const entry = await serverRoot.stat(dir, call);
  if (entry?.kind === "dir") return;
  if (entry !== undefined) throw noFolderError(serverRoot, folder);
  await serverRoot.makeDir(dir, call);
  if (nameOf(dir) === TRASH) await serverRoot.setMode?.(dir, 0o700, call);
}

/**
 * Returns the entry of a kept file, which is below `depth` folders of the trash; undefined if it is gone. Rejects with
 * refused if one of them is a link and not a folder: nothing outside of the trash may be removed or restored.
 */
export async function statInTrash(
  serverRoot: Backend,
  at: string,
  { depth, signal }: CallOptions & { readonly depth: number },
): Promise<Entry | undefined> {
  const path = toServerRelPath(at);
  const above: RelPath[] = [];
  for (let dir = parentOf(path); dir !== root && above.length < depth; dir = parentOf(dir)) above.unshift(dir);
  const base = above[0] === undefined ? root : parentOf(above[0]);
  for (const dir of nameOf(base) === TRASH ? [base, ...above] : above) {
    const entry = await serverRoot.stat(dir, { signal });
    if (entry === undefined) return undefined;
    if (entry.kind !== "dir") throw noFolderError(serverRoot, `/${dir}`);
  }
  return await serverRoot.stat(path, { signal });
}

/** Renames one absolute path to another, which must be free. */
export async function renameOnServer(
  { serverRoot }: Pick<ServerTrashFolder, "serverRoot">,
  { from, to, signal }: CallOptions & { readonly from: string; readonly to: string },
): Promise<void> {
  if (serverRoot.rename === undefined) {
    throw new SyncError("unsupported", `${serverRoot.label} cannot rename`, { operation: "keep" });
  }
  await serverRoot.rename(toServerRelPath(from), toServerRelPath(to), { signal, expect: "absent" });
}

/** Whether the server can keep a version while it stays in its place. */
export function canDuplicate({ serverRoot }: Pick<ServerTrashFolder, "serverRoot">): boolean {
  return serverRoot.hardLink !== undefined || serverRoot.copy !== undefined;
}

/**
 * Creates a hard link to the file, or a copy if there are no hard links, at an absolute path that must be free. Rejects
 * with unsupported if the server supports neither, and with unexpected if the copy does not have the `size` of the
 * file: then the copy is removed.
 */
export async function duplicateOnServer(
  { serverRoot }: Pick<ServerTrashFolder, "serverRoot">,
  { from, to, size, signal }: CallOptions & { readonly from: string; readonly to: string; readonly size: number },
): Promise<void> {
  const options = { signal, expect: "absent" } as const;
  if (serverRoot.hardLink !== undefined) {
    return await serverRoot.hardLink(toServerRelPath(from), toServerRelPath(to), options);
  }
  if (serverRoot.copy === undefined) {
    throw new SyncError("unsupported", `${serverRoot.label} cannot copy`, { operation: "keep" });
  }
  await serverRoot.copy(toServerRelPath(from), toServerRelPath(to), options);
  const kept = await serverRoot.stat(toServerRelPath(to), { signal });
  if (kept?.kind === "file" && kept.size === size) return;
  if (kept !== undefined) await serverRoot.remove(kept, { signal });
  const message = `${serverRoot.label} made no whole copy of "${escapeForDisplay(from)}"`;
  throw new SyncError("unexpected", message, { operation: "keep" });
}

/** Removes a kept file. An absent file is no error. */
export async function removeFromServer(
  { serverRoot }: Pick<ServerTrashFolder, "serverRoot">,
  at: string,
  call: CallOptions,
): Promise<void> {
  const entry = await serverRoot.stat(toServerRelPath(at), call);
  if (entry !== undefined) await serverRoot.remove(entry, call);
}

/** Converts an absolute path into one below the server's root; throws for a name that a path cannot contain. */
export function toServerRelPath(absolute: string): RelPath {
  try {
    return toRelPath(absolute.replace(/^\/+/, ""));
  } catch {
    const message = `"${escapeForDisplay(absolute)}" holds a name that cannot be written as a path`;
    throw new SyncError("unsupported", message, { operation: "keep" });
  }
}

function firstOf(path: string): string {
  return path.split("/", 1)[0] ?? "";
}

function noFolderError(serverRoot: Backend, folder: string): SyncError {
  const message = `"${
    escapeForDisplay(folder)
  }" on ${serverRoot.label} is no folder: nothing is kept, restored or cleared through it`;
  return new SyncError("refused", message, { operation: "keep" });
}

function isBelow(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith("/") ? folder : `${folder}/`);
}
