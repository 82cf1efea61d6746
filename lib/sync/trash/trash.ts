import { dirname, join, posix } from "node:path";
import type { CallOptions } from "../../core/backend.ts";
import { isFatal, SyncError, toSyncError } from "../../core/errors.ts";
import { escapeForDisplay, type RelPath } from "../../core/path.ts";
import type { FileEntry, LinkEntry, Side } from "../../core/entry.ts";
import {
  copyTrashFolder,
  keepVersion,
  localTrashFolder,
  remoteTrashFolder,
  type TrashFolder,
  type TrashFolderOptions,
  trashHome,
  undoKeep,
  type VersionPlace,
} from "./trash_folder.ts";
import { makeTrashFolder } from "./disk.ts";
import { appendLine, compactIndex, readIndex } from "./index_file.ts";
import { type DiscardReason, expired, goneLine, type IndexPlace, itemLine, toItemId, type TrashItem } from "./index.ts";
import { clearItem } from "./restore.ts";
import { canDuplicate, makeServerFolder, makeServerTrash, type ServerTrashFolder } from "./server.ts";
import { assertUnchanged } from "../common/entry_check.ts";
import { failureReason } from "../../core/operation.ts";

/** A version to discard. */
export interface DiscardedVersion {
  readonly side: Side;
  /** The present entry of the version. */
  readonly entry: FileEntry | LinkEntry;
  /** The path that the version belongs to. */
  readonly path: RelPath;
  readonly why: DiscardReason;
  /** Whether its path must be free afterwards; otherwise the version may stay until it is overwritten. */
  readonly take: boolean;
  /** Whether the file itself is overwritten, so that a hard link would keep nothing. */
  readonly inPlace?: boolean;
  /** The side whose version replaces it. */
  readonly winner?: Side;
}

/** A kept version. `moved`: it was moved away; otherwise it is still in its place, to be overwritten or removed. */
export interface KeptVersion {
  readonly id: string;
  readonly at: string;
  readonly moved: boolean;
  /** Takes the version back, into its place if it was moved, because the replacement failed. */
  undo(call: CallOptions): Promise<void>;
}

/** The storage for versions before they are overwritten or removed. */
export interface Trash {
  /** Whether keeping a version moves it away from its place, so that its replacement must be ready before. */
  mustMove(version: Pick<DiscardedVersion, "side" | "entry" | "inPlace">, call: CallOptions): Promise<boolean>;
  /**
   * Keeps a version. Rejects with unsupported if it turns out that the version must be moved for this (moves() returns
   * true from then on), and otherwise if the version cannot be kept or differs from the listing: then it must not be
   * overwritten or removed.
   */
  keep(version: DiscardedVersion, call: CallOptions): Promise<KeptVersion>;
}

/** `session`: the server's label. */
export interface TrashOptions extends TrashFolderOptions {
  readonly session: string;
}

/** The trash of one pair for one run. Nothing is created before the first version is kept. */
export class PairTrash implements Trash {
  readonly #options: TrashOptions;
  readonly #trashFolders: Partial<Record<Side, Promise<TrashFolder>>> = {};
  readonly #madeFolders = new Map<string, Promise<void>>();
  /** Whether the server's disk supports hard links or copies; false after the first failure. */
  #duplicates = true;

  constructor(options: TrashOptions) {
    this.#options = options;
  }

  async mustMove(
    { side, entry, inPlace }: Pick<DiscardedVersion, "side" | "entry" | "inPlace">,
    call: CallOptions,
  ): Promise<boolean> {
    return inPlace !== true && this.#mustMoveFrom(await this.#trashFolder(side, call), entry);
  }

  #mustMoveFrom(folder: TrashFolder, entry: DiscardedVersion["entry"]): boolean {
    return folder.kind === "server" && !(this.#duplicates && entry.kind === "file" && canDuplicate(folder));
  }

  async keep(version: DiscardedVersion, call: CallOptions): Promise<KeptVersion> {
    try {
      return await this.#keep(version, call);
    } catch (error) {
      const why = toSyncError(error, "keep");
      if (why.kind === "changed" || isFatal(why.kind)) throw why;
      const fate = version.why === "removed" ? "removed" : "overwritten";
      const message = `Not ${fate}: "${escapeForDisplay(version.path)}" cannot be kept in the trash before (${
        failureReason(why)
      })`;
      throw new SyncError(why.kind, message, { operation: "keep", path: version.path, cause: why });
    }
  }

  /** Removes versions that are older than `days` days, those of conflicts excepted, and compacts the index. */
  async prune(days: number, now: number, call: CallOptions): Promise<void> {
    const items = expired((await readIndex(this.#index)).items, days, now);
    for (const item of items) {
      await clearItem(item, { home: trashHome(this.#options), server: this.#options.sides.remote, ...call });
    }
    await compactIndex(this.#index);
  }

  get #index(): IndexPlace {
    return { home: trashHome(this.#options), pair: this.#options.pair };
  }

  async #keep(version: DiscardedVersion, call: CallOptions): Promise<KeptVersion> {
    const { side, entry, path } = version;
    const backend = this.#options.sides[side];
    const found = await this.#trashFolder(side, call);
    const folder = version.inPlace === true ? copyTrashFolder(found, side, this.#options) : found;
    await assertUnchanged(backend, entry, call);
    const joined = folder.kind === "server" ? posix.join : join;
    const place: VersionPlace = {
      bin: folder,
      backend,
      entry,
      from: joined(backend.root.diskPath ?? backend.root.path, ...entry.path.split("/")),
      at: joined(folder.folder, ...path.split("/")),
    };
    const item = this.#toItem(version, place);
    await this.#makeFolder(folder, place.at, call);
    // A move is recorded in the index before it happens: a crash in between must not leave a version that no index
    // names.
    const moves = version.take || this.#mustMoveFrom(folder, entry);
    const isEarly = moves && folder.kind !== "copy";
    if (isEarly) await this.#appendLine(itemLine(item));
    try {
      const moved = await keepVersion(place, moves, call);
      if (!isEarly) await this.#recordOrUndo(item, { spot: place, moved, ...call });
      const undo = async (back: CallOptions) => {
        await undoKeep(place, moved, back);
        await this.#appendLine(goneLine(item.id));
      };
      return { id: item.id, at: place.at, moved, undo };
    } catch (error) {
      if (isEarly) await this.#appendLine(goneLine(item.id));
      else if (folder.kind === "server" && toSyncError(error, "keep").kind === "unsupported") this.#duplicates = false;
      throw error;
    }
  }

  /** Records the item in the index. If that fails, the version is taken back into its place. */
  async #recordOrUndo(
    item: TrashItem,
    { spot: place, moved, signal }: CallOptions & { readonly spot: VersionPlace; readonly moved: boolean },
  ): Promise<void> {
    try {
      await this.#appendLine(itemLine(item));
    } catch (error) {
      await undoKeep(place, moved, { signal });
      throw error;
    }
  }

  #toItem({ side, entry, path, why, winner }: DiscardedVersion, { bin: folder, at }: VersionPlace): TrashItem {
    const { pair, start, session, sides } = this.#options;
    const { diskPath: disk, path: root } = sides[side].root;
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
      host: folder.kind === "server" ? "server" : "disk",
      at,
    };
  }

  #trashFolder(side: Side, call: CallOptions): Promise<TrashFolder> {
    return this.#trashFolders[side] ??= side === "local"
      ? localTrashFolder(this.#options)
      : remoteTrashFolder(this.#options, call);
  }

  /** Creates the folder of a version, once. */
  async #makeFolder(bin: TrashFolder, at: string, call: CallOptions): Promise<void> {
    const folder = dirname(at);
    const making = this.#madeFolders.get(folder) ??
      (bin.kind === "server" ? this.#makeOnServer(bin, folder, call) : makeTrashFolder({ base: bin.base, at }));
    this.#madeFolders.set(folder, making);
    await making;
  }

  async #makeOnServer(bin: ServerTrashFolder, folder: string, call: CallOptions): Promise<void> {
    if (folder === bin.folder) return await makeServerTrash(bin, call);
    await this.#makeFolder({ kind: "server", ...bin }, folder, call);
    await makeServerFolder(bin, folder, call);
  }

  async #appendLine(line: string): Promise<void> {
    await appendLine(this.#index, line);
  }
}
