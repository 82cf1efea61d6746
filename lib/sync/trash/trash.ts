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

/** `session`: the server's label. */
export interface TrashOptions extends BinOptions {
  readonly session: string;
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
    return this.#bins[side] ??= side === "local" ? localBin(this.#options) : remoteBin(this.#options, call);
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
