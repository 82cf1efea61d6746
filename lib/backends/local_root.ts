import { cancelled, type ErrorKind, SyncError } from "../errors.ts";
import { parentOf, type RelPath, root } from "../path.ts";
import type { Entry } from "../types.ts";
import type { Call, Place } from "./backend.ts";
import { isAbsence, lstat, newPace, type Pace, toEntry } from "./local_disk.ts";
import { codeOf, type Doing, localError, toSyncError } from "./local_errors.ts";
import { broadPlace, diskPath, type Flavour, resolveFolder } from "./local_names.ts";

/** `home`: the user's home folder, which nobody means to empty. `durable`: every file is on the disk itself before it gets its name (the default), so that a power cut leaves no empty file under a good name. */
export interface LocalOptions {
  readonly home?: string | undefined;
  readonly durable?: boolean;
}

/** What all the roots of one opening share. */
export interface Opening extends LocalOptions {
  readonly flavour: Flavour;
  readonly pace: Pace;
  /** Bits that new files of this process do not get. */
  readonly umask: number;
  /** Aborted by dispose. */
  readonly life: AbortController;
}

/** Starts an opening. */
export function newOpening(flavour: Flavour, options: LocalOptions): Opening {
  const umask = flavour.sep === "/" ? Deno.umask() : 0;
  return { ...options, flavour, umask, pace: newPace(), life: new AbortController() };
}

/**
 * A root on the disk: where its paths lie, what is there, and that no link lies between the root and what is worked on. The root
 * itself may be a link; it is followed. Another user who can write below the root could still swap a folder for a link between
 * that look and the call behind it: the runtime has no calls that are relative to an open folder.
 */
export class LocalRoot {
  readonly opening: Opening;
  readonly folder: string;
  readonly place: Place;
  #real: string | undefined;

  private constructor(opening: Opening, folder: string, place: Place) {
    this.opening = opening;
    this.folder = folder;
    this.place = place;
  }

  /** The folder as seen from `base`; it need not exist. Throws badInput for what is no folder's name. */
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

  get durable(): boolean {
    return this.opening.durable ?? true;
  }

  full(path: RelPath): string {
    return diskPath(this.opening.flavour, this.folder, path);
  }

  /** Rejects when this root was closed or the call cancelled. */
  begin(operation: string, { signal }: Call): void {
    if (signal.aborted) throw cancelled(signal, operation);
    const { signal: life } = this.opening.life;
    if (life.aborted) throw cancelled(life, operation);
  }

  /** Does the work; what it throws becomes a SyncError that names the path. */
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

  /** What is at the path, not followed; undefined when nothing is. The root is followed. */
  async look(path: RelPath): Promise<Entry | undefined> {
    const full = this.full(path);
    if (path !== root) {
      const info = await lstat(this.pace, full);
      return info && toEntry(path, info, full);
    }
    try {
      const info = await this.pace(() => Deno.statSync(full), () => Deno.stat(full));
      const entry = toEntry(path, info, full);
      return entry.kind === "dir" ? { ...entry, fileId: folderId(info) } : entry;
    } catch (error) {
      if (isAbsence(error)) return undefined;
      throw error;
    }
  }

  /** Rejects unless the folder that holds `path` is there (notFound), with no link on the way (refused). */
  async checkParent(path: RelPath, operation: string): Promise<void> {
    if (path !== root) await this.checkFolder(parentOf(path), operation);
  }

  /** The same for the folder itself. The root's own existence is left to the call that follows. */
  async checkFolder(dir: RelPath, operation: string): Promise<void> {
    if (dir === root) return;
    const real = await this.#realPath(this.full(dir), dir, operation);
    this.#real ??= await this.#realPath(this.folder, root, operation);
    if (real === diskPath(this.opening.flavour, this.#real, dir)) return;
    // Another spelling of the same folder (case, Unicode form), or a link.
    for (let at = dir; at !== root; at = parentOf(at)) {
      const found = await this.look(at);
      if (found?.kind === "dir") continue;
      if (found === undefined) throw this.error("notFound", "its folder does not exist", { operation, path: at });
      throw this.error("refused", "it lies behind a link, and links are not followed", { operation, path: at });
    }
  }

  async #realPath(full: string, dir: RelPath, operation: string): Promise<string> {
    try {
      return await this.pace(() => Deno.realPathSync(full), () => Deno.realPath(full));
    } catch (error) {
      if (isAbsence(error)) throw this.error("notFound", "the folder does not exist", { operation, path: dir });
      throw error;
    }
  }

  #doing(operation: string, path: RelPath): Doing {
    return { operation, path, shown: path === root ? this.folder : this.full(path) };
  }
}

/** By its birth where the disk tells it, since numbers of inodes are used again, and those of disks change with each start. */
function folderId({ ino, dev, birthtime }: Deno.FileInfo): string {
  return birthtime === null ? `${dev}:${ino}` : `${ino}@${birthtime.getTime()}`;
}

/** The real path of the nearest ancestor that exists, and the rest as written. */
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
