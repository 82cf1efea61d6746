import fs from "node:fs";
import { cancelled, type ErrorKind, SyncError } from "../../core/errors.ts";
import { parentOf, type RelPath, root } from "../../core/path.ts";
import { isAbsence, lstat, lstatLater, lstatNow } from "./disk.ts";
import { codeOf } from "./errors.ts";
import { currentPath, descriptorPath, openFolder, OpenFolders, tryOpen } from "./open_folders.ts";
import { diskPath, withSeparator } from "./names.ts";
import type { DiskSession } from "./session.ts";

/** A folder in use by one operation: the root or one below it. */
export interface HeldFolder extends Disposable {
  /** The folder's path for the calls of this operation. */
  readonly folder: string;
  /** Returns the path of a name in the folder for the calls of this operation. */
  pathTo(name: string): string;
  /**
   * Rejects if the folder is no longer at the path where it was found: with refused if a link replaced it. Returns the
   * file info of the names in it, as lstat() does.
   */
  assertUnmoved(...names: readonly string[]): Promise<readonly (Deno.FileInfo | undefined)[]>;
  /** Does the same, but only if the folder could not be held open. Called after the work. */
  verifyAfterwards(): Promise<void>;
}

/** The settings for finding the folders of a root. */
export interface FoldersContext {
  readonly session: DiskSession;
  /** The root as given. It may be a link and is followed, once. */
  readonly folder: string;
  /** Whether folders may be held open. Without it, parents are compared before and after. */
  readonly holdFolders: boolean;
  error(kind: ErrorKind, why: string, facts: FolderOperation): SyncError;
}

/** The operation that needs a folder, for messages. */
export interface FolderOperation {
  readonly operation: string;
  readonly path: RelPath;
}

/**
 * The folders of one root. On Linux a folder is held open while an operation works in it, and names are resolved
 * through its descriptor (`/proc/self/fd/<n>/name`), so that another user who replaces a folder with a link cannot
 * redirect a call out of the root. On other systems the folder is compared by device and inode before and after. The
 * root is the folder that was found first: a replacement is refused.
 */
export class HeldFolders {
  readonly #context: FoldersContext;
  readonly #open = new OpenFolders();
  #base: Promise<RootFolder> | undefined;

  constructor(context: FoldersContext) {
    this.#context = context;
  }

  /**
   * Holds a folder for one operation. Rejects with notFound if it is absent, with refused if its path contains a link.
   */
  async hold(dir: RelPath, operation: string): Promise<HeldFolder> {
    const target = { operation, path: dir };
    const base = await this.#root(target);
    const { signal } = this.#context.session.lifetime;
    if (signal.aborted) throw cancelled(signal, operation);
    return base.fd === undefined
      ? await this.#holdByPath(base, target)
      : await this.#holdByDescriptor({ ...base, fd: base.fd }, target);
  }

  async #root(target: FolderOperation): Promise<RootFolder> {
    try {
      return await (this.#base ??= this.#findBase());
    } catch (error) {
      this.#base = undefined;
      if (codeOf(error) !== "ENOENT") throw error;
      throw this.#context.error("notFound", "the folder does not exist", { ...target, path: root });
    }
  }

  async #findBase(): Promise<RootFolder> {
    const { session: { schedule, lifetime }, folder, holdFolders } = this.#context;
    const real = await schedule(() => Deno.realPathSync(folder), () => Deno.realPath(folder));
    if (!holdFolders) return { real, id: await this.#idOf(real) };
    const fd = await openFolder(schedule, real);
    try {
      if (await currentPath(schedule, fd) === real) {
        lifetime.signal.addEventListener("abort", () => (fs.closeSync(fd), this.#open.close()), { once: true });
        return { real, id: undefined, fd };
      }
    } catch (error) {
      fs.closeSync(fd);
      // Without /proc, or without permission to read it, folders are compared instead.
      if (error instanceof Deno.errors.NotCapable || isAbsence(error)) return { real, id: await this.#idOf(real) };
      throw error;
    }
    fs.closeSync(fd);
    throw this.#context.error("changed", REPLACED, { operation: "open", path: root });
  }

  /** Opens the folder through the root's descriptor and verifies by its real path that no link redirected it. */
  async #holdByDescriptor(base: RootFolder & { readonly fd: number }, target: FolderOperation): Promise<HeldFolder> {
    const { schedule, flavour } = this.#context.session;
    const { path: dir } = target;
    const wanted = diskPath(flavour, base.real, dir);
    const below = `${descriptorPath(base.fd)}/${dir === root ? "." : dir}`;
    const { folder, isNew } = this.#open.take(dir, () => tryOpen(schedule, below));
    const release = () => this.#open.release(folder);
    try {
      const found = await folder.opened;
      // Another operation has opened it, maybe long ago: it may have moved since.
      const path = found === undefined || isNew ? found?.path : await currentPath(schedule, found.fd);
      if (found !== undefined && path === wanted) return this.#toHeldFolder(found.fd, wanted, { target, release });
    } catch (error) {
      release();
      throw error;
    }
    this.#open.forget(folder);
    release();
    return isNew ? await this.#descend(base, target) : await this.#holdByDescriptor(base, target);
  }

  /**
   * Opens one path segment after another, none through a link. It reports the exact error, and accepts another spelling
   * of a folder's name.
   */
  async #descend(
    base: RootFolder & { readonly fd: number },
    { operation, path: dir }: FolderOperation,
  ): Promise<HeldFolder> {
    const { session: { schedule }, error: fail } = this.#context;
    if (await currentPath(schedule, base.fd) !== base.real) {
      const isGone = await lstat(schedule, base.real) === undefined;
      const why = isGone ? "the folder does not exist" : REPLACED;
      throw fail(isGone ? "notFound" : "changed", why, { operation, path: root });
    }
    let fd = await openFolder(schedule, `${descriptorPath(base.fd)}/.`);
    try {
      let at = root;
      for (const name of dir === root ? [] : dir.split("/")) {
        at = (at === root ? name : `${at}/${name}`) as RelPath;
        const above = fd;
        const full = `${descriptorPath(above)}/${name}`;
        const info = await lstat(schedule, full);
        if (info === undefined) throw fail("notFound", "its folder does not exist", { operation, path: at });
        if (info.isSymlink) throw fail("refused", LINK_IN_PATH, { operation, path: at });
        // If a file is there, the system reports that itself.
        fd = await openFolder(schedule, full);
        fs.closeSync(above);
      }
      const [held, real] = [fd, await currentPath(schedule, fd)];
      const target = { operation, path: dir };
      return this.#toHeldFolder(held, real, { target, release: () => fs.closeSync(held) });
    } catch (error) {
      fs.closeSync(fd);
      throw error;
    }
  }

  #toHeldFolder(
    fd: number,
    path: string,
    { target, release }: { readonly target: FolderOperation; release(): void },
  ): HeldFolder {
    const { session: { schedule }, error: fail } = this.#context;
    const { operation, path: dir } = target;
    const folder = descriptorPath(fd);
    const at = (name: string) => `${folder}/${name}`;
    return {
      folder,
      pathTo: at,
      assertUnmoved: async (...names) => {
        const [real, found] = await schedule(
          () => [Deno.readLinkSync(folder), names.map((name) => lstatNow(at(name)))] as const,
          async () =>
            [await Deno.readLink(folder), await Promise.all(names.map((name) => lstatLater(at(name))))] as const,
          1 + names.length,
        );
        if (real === path) return found;
        // Throws the exact error if a link replaced the folder or it is absent.
        (await this.hold(dir, operation))[Symbol.dispose]();
        throw fail("changed", REPLACED, { operation, path: dir });
      },
      verifyAfterwards: () => Promise.resolve(),
      [Symbol.dispose]: release,
    };
  }

  /** Returns the folder by its path, without a descriptor; assertUnmoved() compares it again. */
  async #holdByPath(base: RootFolder, target: FolderOperation): Promise<HeldFolder> {
    const { session: { flavour }, folder, error: fail } = this.#context;
    const full = diskPath(flavour, folder, target.path);
    const id = await this.#verifiedId(base, target);
    const prefix = withSeparator(flavour, full);
    const at = (name: string) => prefix + name;
    const { schedule } = this.#context.session;
    const mustStay = async (...names: readonly string[]) => {
      if (await this.#verifiedId(base, target) !== id) throw fail("changed", REPLACED, target);
      return await Promise.all(names.map((name) => lstat(schedule, at(name))));
    };
    return {
      folder: full,
      pathTo: at,
      assertUnmoved: mustStay,
      verifyAfterwards: async () => void await mustStay(),
      [Symbol.dispose]: () => {},
    };
  }

  /**
   * Returns device and inode of the folder; rejects if it is absent or reached through a link, or if the root was
   * replaced.
   */
  async #verifiedId(base: RootFolder, { operation, path: dir }: FolderOperation): Promise<string | undefined> {
    const { session: { schedule, flavour }, folder, error: fail } = this.#context;
    const full = diskPath(flavour, folder, dir);
    let real: string;
    try {
      real = await schedule(() => Deno.realPathSync(full), () => Deno.realPath(full));
    } catch (error) {
      if (!isAbsence(error)) throw error;
      throw fail("notFound", dir === root ? "the folder does not exist" : "its folder does not exist", {
        operation,
        path: dir,
      });
    }
    if (real !== diskPath(flavour, base.real, dir)) {
      // Another spelling of the same folder (case, Unicode form), or a link.
      for (let at = dir; at !== root; at = parentOf(at)) {
        const info = await lstat(schedule, diskPath(flavour, folder, at));
        if (info === undefined) throw fail("notFound", "its folder does not exist", { operation, path: at });
        if (info.isSymlink) throw fail("refused", LINK_IN_PATH, { operation, path: at });
      }
    }
    if (await this.#idOf(base.real) !== base.id) throw fail("changed", REPLACED, { operation, path: root });
    return await this.#idOf(real);
  }

  async #idOf(real: string): Promise<string | undefined> {
    const info = await lstat(this.#context.session.schedule, real);
    return info === undefined || info.ino === null ? undefined : `${info.dev}:${info.ino}`;
  }
}

/** The root as it was found first: its real path, and the id that distinguishes it from another folder at that path. */
interface RootFolder {
  readonly real: string;
  readonly id: string | undefined;
  readonly fd?: number;
}

const REPLACED = "another folder replaced it meanwhile";
const LINK_IN_PATH = "its path contains a link, and links are not followed";
