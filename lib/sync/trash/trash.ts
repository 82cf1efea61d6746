import { dirname, join, posix } from "node:path";
import type { Call } from "../../core/backend.ts";
import { endsAll, SyncError, toSyncError } from "../../core/errors.ts";
import { printable, type RelPath } from "../../core/path.ts";
import type { FileEntry, LinkEntry, Side } from "../../core/entry.ts";
import {
  type Bin,
  type BinOptions,
  copyBin,
  homeOfTrash,
  localBin,
  put,
  remoteBin,
  type Spot,
  takeBack,
} from "./bin.ts";
import { makeTrash } from "./disk.ts";
import { appendLine, readIndex, tidyIndex } from "./index_file.ts";
import { goneLine, type IndexPlace, itemLine, type Loss, overdue, toItemId, type TrashItem } from "./index.ts";
import { clearItem } from "./restore.ts";
import { canDuplicate, makeServerBin, makeServerFolder, type ServerBin } from "./server.ts";
import { expectSame } from "../common/entry_check.ts";

/** A version to discard. */
export interface Loser {
  readonly side: Side;
  /** The present entry of the version. */
  readonly entry: FileEntry | LinkEntry;
  /** The path that the version belongs to. */
  readonly path: RelPath;
  readonly why: Loss;
  /** Whether its path must be free afterwards; otherwise the version may stay until it is overwritten. */
  readonly take: boolean;
  /** Whether the file itself is overwritten, so that a hard link would keep nothing. */
  readonly inPlace?: boolean;
  /** The side whose version replaces it. */
  readonly winner?: Side;
}

/** A kept version. `moved`: it was moved away; otherwise it is still in its place, to be overwritten or removed. */
export interface Kept {
  readonly id: string;
  readonly at: string;
  readonly moved: boolean;
  /** Takes the version back, into its place if it was moved, because the replacement failed. */
  undo(call: Call): Promise<void>;
}

/** The storage for versions before they are overwritten or removed. */
export interface Trash {
  /** Whether keeping a version moves it away from its place, so that its replacement must be ready before. */
  moves(loser: Pick<Loser, "side" | "entry" | "inPlace">, call: Call): Promise<boolean>;
  /**
   * Keeps a version. Rejects with unsupported if it turns out that the version must be moved for this (moves() returns
   * true from then on), and otherwise if the version cannot be kept or differs from the listing: then it must not be
   * overwritten or removed.
   */
  keep(loser: Loser, call: Call): Promise<Kept>;
}

/** `session`: the server's label. */
export interface TrashOptions extends BinOptions {
  readonly session: string;
}

/** The trash of one pair for one run. Nothing is created before the first version is kept. */
export class PairTrash implements Trash {
  readonly #options: TrashOptions;
  readonly #bins: Partial<Record<Side, Promise<Bin>>> = {};
  readonly #made = new Map<string, Promise<void>>();
  /** Whether the server's disk supports hard links or copies; false after the first failure. */
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

  /** Removes versions that are older than `days` days, conflict losers excepted, and tidies the index. */
  async prune(days: number, now: number, call: Call): Promise<void> {
    const items = overdue((await readIndex(this.#index)).items, days, now);
    for (const item of items) {
      await clearItem(item, { home: homeOfTrash(this.#options), server: this.#options.sides.remote, ...call });
    }
    await tidyIndex(this.#index);
  }

  get #index(): IndexPlace {
    return { home: homeOfTrash(this.#options), pair: this.#options.pair };
  }

  async #keep(loser: Loser, call: Call): Promise<Kept> {
    const { side, entry, path } = loser;
    const backend = this.#options.sides[side];
    const found = await this.#bin(side, call);
    const bin = loser.inPlace === true ? copyBin(found, side, this.#options) : found;
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
    // A move is recorded in the index before it happens: a crash in between must not leave a version that no index
    // names.
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

  /** Records the item in the index. If that fails, the version is taken back into its place. */
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
    return this.#bins[side] ??= side === "local" ? localBin(this.#options) : remoteBin(this.#options, call);
  }

  /** Creates the folder of a version, once. */
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
