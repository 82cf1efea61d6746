import { dirname, join, posix } from "node:path";
import type { Backend, Call } from "../backends/backend.ts";
import { SyncError, toSyncError } from "../errors.ts";
import { printable, type RelPath } from "../path.ts";
import type { FileEntry, LinkEntry, Side } from "../types.ts";
import { expectSame } from "./perform.ts";
import { endsAll } from "./scan.ts";
import type { Backends } from "./transfer.ts";
import {
  canMake,
  copyToDisk,
  isOneDisk,
  linkOnDisk,
  makeTrash,
  moveBackOnDisk,
  moveOnDisk,
  removeFromDisk,
} from "./trash_disk.ts";
import { appendLine, readIndex, tidyIndex } from "./trash_index.ts";
import {
  goneLine,
  type IndexPlace,
  itemLine,
  type Loss,
  overdue,
  toItemId,
  toRunName,
  TRASH,
  trashesOf,
  type TrashItem,
} from "./trash_items.ts";
import { clearItem } from "./trash_restore.ts";
import {
  canDuplicate,
  duplicateOnServer,
  findServerBin,
  makeServerBin,
  makeServerFolder,
  removeFromServer,
  renameOnServer,
  type ServerBin,
} from "./trash_server.ts";

/**
 * A version that has to go. `entry`: where it lies now; `path`: where it belongs; `take`: its place is to be free afterwards, else it may
 * stand there until it is overwritten; `inPlace`: in the very file, so that a second name of it would keep nothing; `winner`: the side
 * whose version takes its place.
 */
export interface Loser {
  readonly side: Side;
  readonly entry: FileEntry | LinkEntry;
  readonly path: RelPath;
  readonly why: Loss;
  readonly take: boolean;
  readonly inPlace?: boolean;
  readonly winner?: Side;
}

/** `moved`: the version is gone from its place; else it still stands there, to be overwritten or removed. */
export interface Kept {
  readonly id: string;
  readonly at: string;
  readonly moved: boolean;
  /** Takes it back, into its place if it was moved: what was to come did not. */
  undo(call: Call): Promise<void>;
}

/** Where a run puts what loses, before it is overwritten or removed. */
export interface Trash {
  /** Does keeping a version take it away from its place, so that its successor has to be ready before? */
  moves(loser: Pick<Loser, "side" | "entry" | "inPlace">, call: Call): Promise<boolean>;
  /** Rejects with unsupported where it turned out that keeping it means to move it (moves() says so from then on), else where it cannot be kept, or is not what was listed any more: then it has to stay. */
  keep(loser: Loser, call: Call): Promise<Kept>;
}

/**
 * `home`: where trash and its index lie, undefined where this user has no folder for it: then all of it lies in the local root. `start` in
 * ms; `session`: the server's label; `remoteTrash`: a folder of the server that the user chose.
 */
export interface TrashOptions {
  readonly home: string | undefined;
  readonly pair: string;
  readonly sides: Backends;
  readonly start: number;
  readonly session: string;
  readonly remoteTrash?: string;
}

/** The trash of one pair for one run. Nothing is made before something is kept. */
export class PairTrash implements Trash {
  readonly #options: TrashOptions;
  readonly #bins: Partial<Record<Side, Promise<Bin>>> = {};
  readonly #made = new Map<string, Promise<void>>();
  /** Cleared by the first file that the server's disk gave no second name. */
  #duplicates = true;

  constructor(options: TrashOptions) {
    this.#options = options;
  }

  async moves({ side, entry, inPlace }: Pick<Loser, "side" | "entry" | "inPlace">, call: Call): Promise<boolean> {
    return inPlace !== true && this.#mustMove(await this.#bin(side, call), entry);
  }

  #mustMove(bin: Bin, entry: Loser["entry"]): boolean {
    return bin.kind === "server" && !(this.#duplicates && entry.kind === "file" && canDuplicate(bin));
  }

  async keep(loser: Loser, call: Call): Promise<Kept> {
    try {
      return await this.#keep(loser, call);
    } catch (error) {
      const why = toSyncError(error, "keep");
      if (why.kind === "changed" || endsAll(why.kind)) throw why;
      const fate = loser.why === "removed" ? "removed" : "overwritten";
      const message = `Not ${fate}: "${printable(loser.path)}" cannot be kept in the trash before (${why.message})`;
      throw new SyncError(why.kind, message, { operation: "keep", path: loser.path, cause: why });
    }
  }

  /** Removes what has lain here for longer than so many days, losers of conflicts excepted, and tidies the index. */
  async prune(days: number, now: number, call: Call): Promise<void> {
    const items = overdue((await readIndex(this.#index)).items, days, now);
    for (const item of items) await clearItem(item, { home: this.#home, server: this.#options.sides.remote, ...call });
    await tidyIndex(this.#index);
  }

  get #index(): IndexPlace {
    return { home: this.#home, pair: this.#options.pair };
  }

  get #home(): string {
    const { home, sides } = this.#options;
    const { place } = sides.local;
    return home ?? join(place.disk ?? place.path, TRASH);
  }

  async #keep(loser: Loser, call: Call): Promise<Kept> {
    const { side, entry, path } = loser;
    const backend = this.#options.sides[side];
    const bin = loser.inPlace === true ? await this.#copyBin(side, call) : await this.#bin(side, call);
    await expectSame(backend, entry, call);
    const joined = bin.kind === "server" ? posix.join : join;
    const spot: Spot = {
      bin,
      backend,
      entry,
      from: joined(backend.place.disk ?? backend.place.path, ...entry.path.split("/")),
      at: joined(bin.folder, ...path.split("/")),
    };
    const item = this.#toItem(loser, spot);
    await this.#makeFolder(bin, spot.at, call);
    // What takes the version away is noted before it does: a crash in between must not leave a version that no list names.
    const moves = loser.take || this.#mustMove(bin, entry);
    const isEarly = moves && bin.kind !== "copy";
    if (isEarly) await this.#note(itemLine(item));
    try {
      const moved = await put(spot, moves, call);
      if (!isEarly) await this.#noteOrTakeBack(item, { spot, moved, ...call });
      const undo = async (back: Call) => {
        await takeBack(spot, moved, back);
        await this.#note(goneLine(item.id));
      };
      return { id: item.id, at: spot.at, moved, undo };
    } catch (error) {
      if (isEarly) await this.#note(goneLine(item.id));
      else if (bin.kind === "server" && toSyncError(error, "keep").kind === "unsupported") this.#duplicates = false;
      throw error;
    }
  }

  /** What no list names is not kept: it is taken back, and the version stays where it is. */
  async #noteOrTakeBack(
    item: TrashItem,
    { spot, moved, signal }: Call & { readonly spot: Spot; readonly moved: boolean },
  ): Promise<void> {
    try {
      await this.#note(itemLine(item));
    } catch (error) {
      await takeBack(spot, moved, { signal });
      throw error;
    }
  }

  #toItem({ side, entry, path, why, winner }: Loser, { bin, at }: Spot): TrashItem {
    const { pair, start, session, sides } = this.#options;
    const { disk, path: root } = sides[side].place;
    return {
      id: toItemId([pair, String(start), side, path]),
      pair,
      side,
      path,
      kind: entry.kind,
      size: entry.kind === "file" ? entry.size : 0,
      ...(entry.kind === "file" && entry.modified !== undefined ? { modified: entry.modified } : {}),
      why,
      ...(winner === undefined ? {} : { winner }),
      when: start,
      session,
      root,
      ...(disk === undefined ? {} : { disk }),
      host: bin.kind === "server" ? "server" : "disk",
      at,
    };
  }

  #bin(side: Side, call: Call): Promise<Bin> {
    return this.#bins[side] ??= side === "local" ? this.#localBin() : this.#remoteBin(call);
  }

  /** Where a copy goes: beside what else goes to a disk, from a server to this machine. */
  async #copyBin(side: Side, call: Call): Promise<Bin> {
    const bin = await this.#bin(side, call);
    if (bin.kind !== "server") return { ...bin, kind: "copy" };
    const { pair, start } = this.#options;
    return { kind: "copy", base: this.#home, folder: join(this.#home, pair, toRunName(start, side)) };
  }

  async #localBin(): Promise<Bin> {
    const { home, sides, pair, start } = this.#options;
    const { disk, path } = sides.local.place;
    const below = join(pair, toRunName(start, "local"));
    if (home !== undefined && (disk === undefined || await isOneDisk(home, disk))) {
      return { kind: disk === undefined ? "copy" : "disk", base: home, folder: join(home, below) };
    }
    const [inside] = trashesOf(disk ?? path);
    const folder = join(inside, below);
    // A trash folder in the root that another user made or can exchange is left alone.
    if (home !== undefined && !await canMake({ base: inside, at: join(folder, TRASH) })) {
      return { kind: "copy", base: home, folder: join(home, below) };
    }
    return { kind: "disk", base: inside, folder };
  }

  async #remoteBin(call: Call): Promise<Bin> {
    const { home, sides, pair, start, remoteTrash } = this.#options;
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
    return { kind: "copy", base: this.#home, folder: join(this.#home, pair, run) };
  }

  /** Makes the folder in which a version is to lie, once. */
  async #makeFolder(bin: Bin, at: string, call: Call): Promise<void> {
    const folder = dirname(at);
    const making = this.#made.get(folder) ??
      (bin.kind === "server" ? this.#makeOnServer(bin, folder, call) : makeTrash({ base: bin.base, at }));
    this.#made.set(folder, making);
    await making;
  }

  async #makeOnServer(bin: ServerBin, folder: string, call: Call): Promise<void> {
    if (folder === bin.folder) return await makeServerBin(bin, call);
    await this.#makeFolder({ kind: "server", ...bin }, folder, call);
    await makeServerFolder(bin, folder, call);
  }

  async #note(line: string): Promise<void> {
    await appendLine(this.#index, line);
  }
}

/** Where one side's losers go in this run: another folder of their disk, one of their server, or a copy on this machine. `base`: the trash folder. */
type Bin =
  | { readonly kind: "disk" | "copy"; readonly base: string; readonly folder: string }
  | ({ readonly kind: "server" } & ServerBin);

interface Spot {
  readonly bin: Bin;
  readonly backend: Backend;
  readonly entry: FileEntry | LinkEntry;
  readonly from: string;
  readonly at: string;
}

/** Gives whether the version is gone from its place. */
async function put({ bin, backend, entry, from, at }: Spot, take: boolean, call: Call): Promise<boolean> {
  if (bin.kind === "server") {
    if (take) {
      await renameOnServer(bin, { from, to: at, ...call });
      return true;
    }
    await duplicateOnServer(bin, { from, to: at, size: entry.kind === "file" ? entry.size : 0, ...call });
    try {
      // What was edited in between has a version that the trash does not hold.
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

/** Works on the version in its root, through the folder that holds it where the backend can. */
async function inRoot<T>(
  { backend, entry, from }: Pick<Spot, "backend" | "entry" | "from">,
  work: (at: string) => Promise<T>,
  call: Call,
): Promise<T> {
  return backend.onDisk === undefined ? await work(from) : await backend.onDisk(entry.path, work, call);
}

async function takeBack(spot: Spot, moved: boolean, call: Call): Promise<void> {
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
