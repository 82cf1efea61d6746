import { randomBytes } from "node:crypto";
import { cancelled, type ErrorKind, SyncError } from "../../core/errors.ts";
import { nameOf, parentOf, type RelPath, root } from "../../core/path.ts";
import type { Entry } from "../../core/entry.ts";
import type { Call, Place } from "../../core/backend.ts";
import { isAbsence, lastingIdOf, lookAt, lstat, newPace, type Pace, toEntry } from "./disk.ts";
import { Folders, type Held } from "./held_folders.ts";
import { codeOf, type Doing, localError, toSyncError } from "./errors.ts";
import { broadPlace, diskPath, type Flavour, resolveFolder } from "./names.ts";
import type { LocalOptions, Opening } from "./types.ts";

/** Returns the state that all roots of one opening share. */
export function newOpening(flavour: Flavour, options: LocalOptions): Opening {
  const umask = flavour.sep === "/" ? Deno.umask() : 0;
  const proofKey = randomBytes(32).toString("hex");
  return { ...options, flavour, umask, proofKey, pace: newPace(), life: new AbortController() };
}

/**
 * A root on the disk: it resolves paths, returns entries, and holds the folders for operations, none of them reached
 * through a link. The root itself may be a link, which is followed.
 */
export class LocalRoot {
  readonly opening: Opening;
  readonly folder: string;
  readonly place: Place;
  readonly #folders: Folders;

  private constructor(opening: Opening, folder: string, place: Place) {
    this.opening = opening;
    this.folder = folder;
    this.place = place;
    const handles = opening.handles ?? Deno.build.os === "linux";
    const error = (...args: Parameters<LocalRoot["error"]>) => this.error(...args);
    this.#folders = new Folders({ opening, folder, handles, error });
  }

  /** Resolves a folder against `base`; it need not exist. Rejects with badInput for an unusable folder name. */
  static async at(opening: Opening, base: string, folder: string): Promise<LocalRoot> {
    const full = resolveFolder(opening.flavour, base, folder);
    const disk = await realPathOf(opening, full);
    const broad = broadPlace(opening.flavour, disk, await homeOf(opening));
    return new LocalRoot(opening, full, { path: full, disk, ...(broad === undefined ? {} : { broad }) });
  }

  get pace(): Pace {
    return this.opening.pace;
  }

  get umask(): number {
    return this.opening.umask;
  }

  /** The key that authenticates interrupted writes of this process, if no lasting key is given. */
  get proofKey(): string {
    return this.opening.proofKey;
  }

  get durable(): boolean {
    return this.opening.durable ?? true;
  }

  full(path: RelPath): string {
    return diskPath(this.opening.flavour, this.folder, path);
  }

  /** Throws if this root was closed or the call cancelled. */
  begin(operation: string, { signal }: Call): void {
    if (signal.aborted) throw cancelled(signal, operation);
    const { signal: life } = this.opening.life;
    if (life.aborted) throw cancelled(life, operation);
  }

  /** Runs the work and converts its errors to SyncErrors that name the path. */
  async doing<T>(operation: string, path: RelPath, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw toSyncError(error, this.#doing(operation, path));
    }
  }

  error(kind: ErrorKind, why: string, { operation, path }: { operation: string; path: RelPath }): SyncError {
    return localError(kind, why, this.#doing(operation, path));
  }

  /**
   * Returns the entry at the path, without following a link (except for the root); undefined if absent. `full`: its
   * disk path from inParent().
   */
  async look(path: RelPath, full: string): Promise<Entry | undefined> {
    if (path !== root) return await lookAt(this.pace, { path, full });
    try {
      const info = await this.pace(() => Deno.statSync(full), () => Deno.stat(full));
      const entry = toEntry(path, info, full);
      return entry.kind === "dir" ? { ...entry, fileId: lastingIdOf(info) } : entry;
    } catch (error) {
      if (isAbsence(error)) return undefined;
      throw error;
    }
  }

  /** Holds the folder for one operation; see Folders. */
  async hold(dir: RelPath, operation: string): Promise<Held> {
    return await this.#folders.hold(dir, operation);
  }

  /**
   * Runs the work with the entry's disk path, resolved through its parent folder; for the root, with the root's own
   * path.
   */
  async inParent<T>(path: RelPath, operation: string, work: (full: string) => Promise<T>): Promise<T> {
    if (path === root) return await work(this.folder);
    using held = await this.hold(parentOf(path), operation);
    const done = await work(held.at(nameOf(path)));
    await held.settle();
    return done;
  }

  /** Does the same for a regular file; rejects if it is absent or not a file. */
  async inFile(
    path: RelPath,
    { operation, signal }: Call & { readonly operation: string },
    work: (full: string, info: Deno.FileInfo) => Promise<void> | void,
  ): Promise<void> {
    await this.doing(operation, path, async () => {
      this.begin(operation, { signal });
      await this.inParent(path, operation, async (full) => {
        const info = await lstat(this.pace, full);
        if (info?.isFile !== true) throw this.noFile(info === undefined, { operation, path });
        await work(full, info);
      });
    });
  }

  noFile(isAbsent: boolean, facts: { readonly operation: string; readonly path: RelPath }): SyncError {
    return isAbsent
      ? this.error("notFound", "it does not exist", facts)
      : this.error("refused", "it is no regular file", facts);
  }

  #doing(operation: string, path: RelPath): Doing {
    return { operation, path, shown: path === root ? this.folder : this.full(path) };
  }
}

/** Returns the real path of the nearest existing ancestor, with the rest as written. */
async function realPathOf(opening: Opening, full: string): Promise<string> {
  const { flavour, pace } = opening;
  try {
    return await pace(() => Deno.realPathSync(full), () => Deno.realPath(full));
  } catch (error) {
    const parent = flavour.dirname(full);
    if (parent === full || codeOf(error) === undefined) throw toSyncError(error, { operation: "open", shown: full });
    return flavour.join(await realPathOf(opening, parent), flavour.basename(full));
  }
}

async function homeOf(opening: Opening): Promise<string | undefined> {
  const { home, flavour } = opening;
  if (home === undefined || !flavour.isAbsolute(home)) return undefined;
  return await realPathOf(opening, home);
}
