import { cancelled, type ErrorKind, SyncError } from "../../core/errors.ts";
import { nameOf, parentOf, type RelPath, root } from "../../core/path.ts";
import type { Entry } from "../../core/entry.ts";
import type { BackendRoot, CallOptions } from "../../core/backend.ts";
import { type DiskScheduler, isAbsence, lastingIdOf, lstat, stat, toEntry } from "./disk.ts";
import { type HeldFolder, HeldFolders } from "./held_folders.ts";
import { codeOf, type DiskContext, diskError, toSyncError } from "./errors.ts";
import { diskPath, explainRisk, resolveFolder } from "./names.ts";
import type { DiskSession } from "./session.ts";

/**
 * A root on the disk: it resolves paths, returns entries, and holds the folders for operations, none of them reached
 * through a link. The root itself may be a link, which is followed.
 */
export class LocalRoot {
  readonly session: DiskSession;
  readonly folder: string;
  readonly root: BackendRoot;
  readonly #folders: HeldFolders;

  private constructor(session: DiskSession, folder: string, backendRoot: BackendRoot) {
    this.session = session;
    this.folder = folder;
    this.root = backendRoot;
    const holdFolders = session.holdFolders ?? Deno.build.os === "linux";
    const error = (...args: Parameters<LocalRoot["error"]>) => this.error(...args);
    this.#folders = new HeldFolders({ session, folder, holdFolders, error });
  }

  /** Resolves a folder against `base`; it need not exist. Rejects with badInput for an unusable folder name. */
  static async open(session: DiskSession, base: string, folder: string): Promise<LocalRoot> {
    const diskPath = resolveFolder(session.flavour, base, folder);
    const disk = await realPathOf(session, diskPath);
    const risk = explainRisk(session.flavour, disk, await realHome(session));
    return new LocalRoot(session, diskPath, {
      path: diskPath,
      diskPath: disk,
      ...(risk === undefined ? {} : { risk }),
    });
  }

  get schedule(): DiskScheduler {
    return this.session.schedule;
  }

  get umask(): number {
    return this.session.umask;
  }

  /** The key that authenticates interrupted writes of this process, if no lasting key is given. */
  get partialFileKey(): string {
    return this.session.partialFileKey;
  }

  get durable(): boolean {
    return this.session.durable ?? true;
  }

  diskPathOf(path: RelPath): string {
    return diskPath(this.session.flavour, this.folder, path);
  }

  /** Throws if this root was closed or the call cancelled. */
  assertActive(operation: string, { signal }: CallOptions): void {
    if (signal.aborted) throw cancelled(signal, operation);
    const { signal: lifetime } = this.session.lifetime;
    if (lifetime.aborted) throw cancelled(lifetime, operation);
  }

  /** Runs the work and converts its errors to SyncErrors that name the path. */
  async runOperation<T>(operation: string, path: RelPath, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw toSyncError(error, this.#contextOf(operation, path));
    }
  }

  error(kind: ErrorKind, why: string, { operation, path }: { operation: string; path: RelPath }): SyncError {
    return diskError(kind, why, this.#contextOf(operation, path));
  }

  /**
   * Returns the entry at the path, without following a link (except for the root); undefined if absent. `full`: its
   * disk path from withEntryPath().
   */
  async stat(path: RelPath, full: string): Promise<Entry | undefined> {
    if (path !== root) return await stat(this.schedule, { path, diskPath: full });
    try {
      const info = await this.schedule(() => Deno.statSync(full), () => Deno.stat(full));
      const entry = toEntry(path, info, full);
      return entry.kind === "dir" ? { ...entry, fileId: lastingIdOf(info) } : entry;
    } catch (error) {
      if (isAbsence(error)) return undefined;
      throw error;
    }
  }

  /** Holds the folder for one operation; see Folders. */
  async hold(dir: RelPath, operation: string): Promise<HeldFolder> {
    return await this.#folders.hold(dir, operation);
  }

  /**
   * Runs the work with the entry's disk path, resolved through its parent folder; for the root, with the root's own
   * path.
   */
  async withEntryPath<T>(path: RelPath, operation: string, work: (full: string) => Promise<T>): Promise<T> {
    if (path === root) return await work(this.folder);
    using held = await this.hold(parentOf(path), operation);
    const done = await work(held.pathTo(nameOf(path)));
    await held.verifyAfterwards();
    return done;
  }

  /** Does the same for a regular file; rejects if it is absent or not a file. */
  async withFilePath(
    path: RelPath,
    { operation, signal }: CallOptions & { readonly operation: string },
    work: (full: string, info: Deno.FileInfo) => Promise<void> | void,
  ): Promise<void> {
    await this.runOperation(operation, path, async () => {
      this.assertActive(operation, { signal });
      await this.withEntryPath(path, operation, async (full) => {
        const info = await lstat(this.schedule, full);
        if (info?.isFile !== true) throw this.noFileError(info === undefined, { operation, path });
        await work(full, info);
      });
    });
  }

  noFileError(isAbsent: boolean, facts: { readonly operation: string; readonly path: RelPath }): SyncError {
    return isAbsent
      ? this.error("notFound", "it does not exist", facts)
      : this.error("refused", "it is not a regular file", facts);
  }

  #contextOf(operation: string, path: RelPath): DiskContext {
    return { operation, path, diskPath: path === root ? this.folder : this.diskPathOf(path) };
  }
}

/** Whether the error says that the entry, or a folder above it, does not exist. */
export function isNotFound(error: unknown): boolean {
  return isAbsence(error) || (error instanceof SyncError && error.kind === "notFound");
}

/** Returns the real path of the nearest existing ancestor, with the rest as written. */
async function realPathOf(session: DiskSession, folder: string): Promise<string> {
  const { flavour, schedule } = session;
  try {
    return await schedule(() => Deno.realPathSync(folder), () => Deno.realPath(folder));
  } catch (error) {
    const parent = flavour.dirname(folder);
    if (parent === folder || codeOf(error) === undefined) {
      throw toSyncError(error, { operation: "open", diskPath: folder });
    }
    return flavour.join(await realPathOf(session, parent), flavour.basename(folder));
  }
}

async function realHome(session: DiskSession): Promise<string | undefined> {
  const { home, flavour } = session;
  if (home === undefined || !flavour.isAbsolute(home)) return undefined;
  return await realPathOf(session, home);
}
