import { dirname, join, posix } from "node:path";
import type { Backend, CallOptions } from "../../core/backend.ts";
import { isFatal, toSyncError } from "../../core/errors.ts";
import type { FileEntry, LinkEntry, Side } from "../../core/entry.ts";
import { canMake, copyToDisk, isOneDisk, linkOnDisk, moveBackOnDisk, moveOnDisk, removeFromDisk } from "./disk.ts";
import { toRunName, TRASH, trashesOf } from "./index.ts";
import {
  duplicateOnServer,
  findServerTrash,
  makeServerTrash,
  removeFromServer,
  renameOnServer,
  type ServerTrashFolder,
} from "./server.ts";
import type { Backends } from "../common/sides.ts";
import { assertUnchanged } from "../common/entry_check.ts";

/** The options for choosing trash folders. */
export interface TrashFolderOptions {
  /** The folder for trash and index; undefined if this user has none: then both are in the local root. */
  readonly home: string | undefined;
  readonly pair: string;
  readonly sides: Backends;
  /** The start of the run, in ms since the epoch. */
  readonly start: number;
  /** A folder on the server, chosen by the user. */
  readonly remoteTrash?: string;
}

/**
 * The trash folder for discarded versions of one side in this run: a folder on the same disk, a folder on the server,
 * or a folder on this machine for copies. `base`: the trash folder that contains it.
 */
export type TrashFolder =
  | { readonly kind: "disk" | "copy"; readonly base: string; readonly folder: string }
  | ({ readonly kind: "server" } & ServerTrashFolder);

/** A version to keep: `from`, its present path, and `at`, its path in the trash; both absolute. */
export interface VersionPlace {
  readonly bin: TrashFolder;
  readonly backend: Backend;
  readonly entry: FileEntry | LinkEntry;
  readonly from: string;
  readonly at: string;
}

/** Returns the folder of the index and of copies on this machine. */
export function trashHome({ home, sides }: Pick<TrashFolderOptions, "home" | "sides">): string {
  const { root: place } = sides.local;
  return home ?? join(place.diskPath ?? place.path, TRASH);
}

/** Returns the trash folder for discarded versions of the local side. */
export async function localTrashFolder({ home, sides, pair, start }: TrashFolderOptions): Promise<TrashFolder> {
  const { diskPath: disk, path } = sides.local.root;
  const below = join(pair, toRunName(start, "local"));
  if (home !== undefined && (disk === undefined || await isOneDisk(home, disk))) {
    return { kind: disk === undefined ? "copy" : "disk", base: home, folder: join(home, below) };
  }
  const [inside] = trashesOf(disk ?? path);
  const folder = join(inside, below);
  // A trash folder in the root that another user created or can replace is not used.
  if (home !== undefined && !await canMake({ base: inside, at: join(folder, TRASH) })) {
    return { kind: "copy", base: home, folder: join(home, below) };
  }
  return { kind: "disk", base: inside, folder };
}

/** Returns the trash folder for discarded versions of the remote side. */
export async function remoteTrashFolder(options: TrashFolderOptions, call: CallOptions): Promise<TrashFolder> {
  const { home, sides, pair, start, remoteTrash } = options;
  const { diskPath: disk } = sides.remote.root;
  const run = toRunName(start, "remote");
  if (disk !== undefined) {
    if (home !== undefined && await isOneDisk(home, disk)) {
      return { kind: "disk", base: home, folder: join(home, pair, run) };
    }
    const [, beside] = trashesOf(disk);
    const folder = join(beside, pair, run);
    if (dirname(disk) !== disk && await canMake({ base: beside, at: join(folder, TRASH) })) {
      return { kind: "disk", base: beside, folder };
    }
  } else {
    const given = remoteTrash === undefined ? {} : { given: remoteTrash };
    const folder = await findServerTrash(sides.remote, { ...given, below: posix.join(pair, run), ...call });
    if (folder !== undefined && (remoteTrash !== undefined || await canMakeOnServer(folder, call))) {
      return { kind: "server", ...folder };
    }
  }
  return { kind: "copy", base: trashHome(options), folder: join(trashHome(options), pair, run) };
}

/** Returns the trash folder for a copy: the same folder on a disk; on this machine for a server. */
export function copyTrashFolder(folder: TrashFolder, side: Side, options: TrashFolderOptions): TrashFolder {
  if (folder.kind !== "server") return { ...folder, kind: "copy" };
  const home = trashHome(options);
  return { kind: "copy", base: home, folder: join(home, options.pair, toRunName(options.start, side)) };
}

/** Keeps a version. Returns whether it was moved away from its place. */
export async function keepVersion(
  { bin: folder, backend, entry, from, at }: VersionPlace,
  take: boolean,
  call: CallOptions,
): Promise<boolean> {
  if (folder.kind === "server") {
    if (take) {
      await renameOnServer(folder, { from, to: at, ...call });
      return true;
    }
    await duplicateOnServer(folder, { from, to: at, size: entry.kind === "file" ? entry.size : 0, ...call });
    try {
      // If the file was edited in between, its present version is not in the trash.
      await assertUnchanged(backend, entry, call);
    } catch (error) {
      await removeFromServer(folder, at, call);
      throw error;
    }
    return false;
  }
  const to = { base: folder.base, at };
  const keep = take ? moveOnDisk : linkOnDisk;
  if (
    folder.kind === "disk" && await inRoot({ backend, entry, from }, (found) => keep(entry, { from: found, to }), call)
  ) {
    return take;
  }
  await copyToDisk(backend, entry, { to, ...call });
  return false;
}

/** Undoes keepVersion(): moves the version back if it was moved, otherwise removes the copy. */
export async function undoKeep(spot: VersionPlace, moved: boolean, call: CallOptions): Promise<void> {
  const { bin: folder, from, at } = spot;
  if (folder.kind === "server") {
    if (moved) await renameOnServer(folder, { from: at, to: from, ...call });
    else await removeFromServer(folder, at, call);
    return;
  }
  const place = { base: folder.base, at };
  if (moved) await inRoot(spot, (to) => moveBackOnDisk({ from: place, to }), call);
  else await removeFromDisk(place);
}

/** Calls `work` with the version's path in its root, through the open parent folder if the backend supports that. */
async function inRoot<T>(
  { backend, entry, from }: Pick<VersionPlace, "backend" | "entry" | "from">,
  work: (at: string) => Promise<T>,
  call: CallOptions,
): Promise<T> {
  return backend.withDiskPath === undefined ? await work(from) : await backend.withDiskPath(entry.path, work, call);
}

async function canMakeOnServer(folder: ServerTrashFolder, call: CallOptions): Promise<boolean> {
  try {
    await makeServerTrash(folder, call);
    return true;
  } catch (error) {
    const why = toSyncError(error, "keep");
    if (isFatal(why.kind)) throw why;
    return false;
  }
}
