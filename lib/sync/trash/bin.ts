import { dirname, join, posix } from "node:path";
import type { Backend, Call } from "../../core/backend.ts";
import { endsAll, toSyncError } from "../../core/errors.ts";
import type { FileEntry, LinkEntry, Side } from "../../core/entry.ts";
import { canMake, copyToDisk, isOneDisk, linkOnDisk, moveBackOnDisk, moveOnDisk, removeFromDisk } from "./disk.ts";
import { toRunName, TRASH, trashesOf } from "./index.ts";
import {
  duplicateOnServer,
  findServerBin,
  makeServerBin,
  removeFromServer,
  renameOnServer,
  type ServerBin,
} from "./server.ts";
import type { Backends } from "../common/sides.ts";
import { expectSame } from "../common/entry_check.ts";

/** The options for choosing trash folders. */
export interface BinOptions {
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
export type Bin =
  | { readonly kind: "disk" | "copy"; readonly base: string; readonly folder: string }
  | ({ readonly kind: "server" } & ServerBin);

/** A version to keep: `from`, its present path, and `at`, its path in the trash; both absolute. */
export interface Spot {
  readonly bin: Bin;
  readonly backend: Backend;
  readonly entry: FileEntry | LinkEntry;
  readonly from: string;
  readonly at: string;
}

/** Returns the folder of the index and of copies on this machine. */
export function homeOfTrash({ home, sides }: Pick<BinOptions, "home" | "sides">): string {
  const { place } = sides.local;
  return home ?? join(place.disk ?? place.path, TRASH);
}

/** Returns the trash folder for discarded versions of the local side. */
export async function localBin({ home, sides, pair, start }: BinOptions): Promise<Bin> {
  const { disk, path } = sides.local.place;
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
export async function remoteBin(options: BinOptions, call: Call): Promise<Bin> {
  const { home, sides, pair, start, remoteTrash } = options;
  const { disk } = sides.remote.place;
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
    const bin = await findServerBin(sides.remote, { ...given, below: posix.join(pair, run), ...call });
    if (bin !== undefined && (remoteTrash !== undefined || await canMakeOn(bin, call))) {
      return { kind: "server", ...bin };
    }
  }
  return { kind: "copy", base: homeOfTrash(options), folder: join(homeOfTrash(options), pair, run) };
}

/** Returns the trash folder for a copy: the same folder on a disk; on this machine for a server. */
export function copyBin(bin: Bin, side: Side, options: BinOptions): Bin {
  if (bin.kind !== "server") return { ...bin, kind: "copy" };
  const home = homeOfTrash(options);
  return { kind: "copy", base: home, folder: join(home, options.pair, toRunName(options.start, side)) };
}

/** Keeps a version. Returns whether it was moved away from its place. */
export async function put({ bin, backend, entry, from, at }: Spot, take: boolean, call: Call): Promise<boolean> {
  if (bin.kind === "server") {
    if (take) {
      await renameOnServer(bin, { from, to: at, ...call });
      return true;
    }
    await duplicateOnServer(bin, { from, to: at, size: entry.kind === "file" ? entry.size : 0, ...call });
    try {
      // If the file was edited in between, its present version is not in the trash.
      await expectSame(backend, entry, call);
    } catch (error) {
      await removeFromServer(bin, at, call);
      throw error;
    }
    return false;
  }
  const to = { base: bin.base, at };
  const keep = take ? moveOnDisk : linkOnDisk;
  if (
    bin.kind === "disk" && await inRoot({ backend, entry, from }, (found) => keep(entry, { from: found, to }), call)
  ) {
    return take;
  }
  await copyToDisk(backend, entry, { to, ...call });
  return false;
}

/** Undoes put(): moves the version back if it was moved, otherwise removes the copy. */
export async function takeBack(spot: Spot, moved: boolean, call: Call): Promise<void> {
  const { bin, from, at } = spot;
  if (bin.kind === "server") {
    if (moved) await renameOnServer(bin, { from: at, to: from, ...call });
    else await removeFromServer(bin, at, call);
    return;
  }
  const place = { base: bin.base, at };
  if (moved) await inRoot(spot, (to) => moveBackOnDisk({ from: place, to }), call);
  else await removeFromDisk(place);
}

/** Calls `work` with the version's path in its root, through the open parent folder if the backend supports that. */
async function inRoot<T>(
  { backend, entry, from }: Pick<Spot, "backend" | "entry" | "from">,
  work: (at: string) => Promise<T>,
  call: Call,
): Promise<T> {
  return backend.onDisk === undefined ? await work(from) : await backend.onDisk(entry.path, work, call);
}

async function canMakeOn(bin: ServerBin, call: Call): Promise<boolean> {
  try {
    await makeServerBin(bin, call);
    return true;
  } catch (error) {
    const why = toSyncError(error, "keep");
    if (endsAll(why.kind)) throw why;
    return false;
  }
}
