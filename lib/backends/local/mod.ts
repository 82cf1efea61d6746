import fs from "node:fs";
import { createHash, getHashes, hash } from "node:crypto";
import { posix, win32 } from "node:path";
import { badInput, SyncError } from "../../core/errors.ts";
import { escapeForDisplay, nameOf, type RelPath, root } from "../../core/path.ts";
import type { Checksum, DirEntry, Entry, FileEntry, LinkEntry } from "../../core/entry.ts";
import type {
  Backend,
  BackendRoot,
  Body,
  CallOptions,
  Content,
  Precondition,
  ReadOptions,
  Traits,
  WriteOptions,
} from "../../core/backend.ts";
import { assertUnchanged, describeMismatch } from "../shared/preconditions.ts";
import { canOthersChange, isAbsence, setMode, statNames } from "./disk.ts";
import { codeOf } from "./errors.ts";
import { addressFolder, type PathRules } from "./names.ts";
import { readFile } from "./read.ts";
import { LocalRoot, newDiskSession } from "./root.ts";
import { newTempPath, writeFile } from "./write.ts";
import type { LocalOptions } from "./types.ts";
import type { ConnectContext } from "../../core/protocol.ts";

/** Opens a folder on a disk of this machine, absolute or relative to the current folder. It need not exist. Rejects with badInput for an unusable folder name. */
export async function openLocal(folder: string, options: LocalOptions & CallOptions): Promise<Backend> {
  const at = await LocalRoot.open(newDiskSession(flavour, options), Deno.cwd(), folder);
  return new LocalFolder(at, { label: at.folder, isOpener: true });
}

/** Opens a `file:` address as the remote side: a disk or a network share. */
export async function openFile(target: ConnectContext, _call: CallOptions): Promise<Backend> {
  const folder = addressFolder(flavour, target.address);
  if (folder === undefined) throw badInput('The address "file:" names no folder; write file:///path.');
  const home = target.env(isWindows ? "USERPROFILE" : "HOME");
  const at = await LocalRoot.open(newDiskSession(flavour, { home }), Deno.cwd(), folder);
  return new LocalFolder(at, { label: `file://${folder}`, isOpener: true });
}

const isWindows = Deno.build.os === "windows";
const isRoot = !isWindows && Deno.uid() === 0;
const isMac = Deno.build.os === "darwin";
const flavour: PathRules = isWindows ? win32 : posix;
const traits: Traits = {
  timeStep: 1,
  dirTimes: true,
  caseSensitive: !isWindows && !isMac,
  normalizes: isMac,
  hasDirs: true,
  atomicWrite: true,
  atomicRename: true,
  inPlace: true,
  maxConnections: 64,
  parallelFiles: 32,
  names: isWindows ? "windows" : "posix",
  maxNameBytes: 255,
  showsDots: true,
};
/** Names processed between two checks of the signal. */
const BATCH = 64;

class LocalFolder implements Backend {
  readonly label: string;
  readonly traits = traits;
  readonly root: BackendRoot;
  readonly setMode?: NonNullable<Backend["setMode"]>;
  readonly makeLink?: NonNullable<Backend["makeLink"]>;
  readonly flush?: NonNullable<Backend["flush"]>;
  readonly #root: LocalRoot;
  readonly #isOpener: boolean;
  /** The first folder listed as root that other users can change. */
  #riskyFolder: string | undefined;

  constructor(at: LocalRoot, { label, isOpener }: { readonly label: string; readonly isOpener: boolean }) {
    this.label = label;
    this.root = at.root;
    this.#root = at;
    this.#isOpener = isOpener;
    // Windows has no such modes, and links need a privilege that few users have.
    if (isWindows) return;
    if (at.durable) this.flush = (dirs, call) => this.#flush(dirs, call);
    this.setMode = (path, mode, call) => this.#setMode(path, mode, call);
    this.makeLink = (path, target, options) => this.#makeLink(path, target, options);
  }

  async withRoot(folder: string, call: CallOptions): Promise<Backend> {
    this.#root.assertActive("open", call);
    const { session: opening, folder: base } = this.#root;
    return new LocalFolder(await LocalRoot.open(opening, base, folder), { label: this.label, isOpener: false });
  }

  async list(dir: RelPath, call: CallOptions): Promise<readonly Entry[]> {
    const at = this.#root;
    return await at.runOperation("list", dir, async () => {
      at.assertActive("list", call);
      using held = await at.hold(dir, "list");
      const { folder } = held;
      if (isRoot && this.#riskyFolder === undefined && canOthersChange(await Deno.stat(folder))) {
        this.#riskyFolder = at.full(dir);
      }
      const names = await at.schedule(
        () => Array.from(Deno.readDirSync(folder), (found) => found.name),
        async () => (await Array.fromAsync(Deno.readDir(folder))).map((found) => found.name),
      );
      const found: Entry[] = [];
      for (let i = 0; i < names.length; i += BATCH) {
        at.assertActive("list", call);
        for (const entry of await statNames(at.schedule, dir, held.pathTo(""), names.slice(i, i + BATCH))) {
          found.push(entry);
        }
      }
      await held.verifyAfterwards();
      return found;
    });
  }

  async stat(path: RelPath, call: CallOptions): Promise<Entry | undefined> {
    const [at, operation] = [this.#root, "look at"];
    return await at.runOperation(operation, path, async () => {
      at.assertActive(operation, call);
      try {
        return await at.withEntryPath(path, operation, (full) => at.stat(path, full));
      } catch (error) {
        if (isAbsence(error) || (error instanceof SyncError && error.kind === "notFound")) return undefined;
        throw error;
      }
    });
  }

  async read(path: RelPath, options: ReadOptions): Promise<Content> {
    const at = this.#root;
    const { signal: life } = at.session.lifetime;
    return await at.runOperation("read", path, async () => {
      at.assertActive("read", options);
      return await at.withEntryPath(
        path,
        "read",
        (full) => readFile(at.schedule, { path, diskPath: full, shown: at.full(path) }, { ...options, life }),
      );
    });
  }

  async write(path: RelPath, body: Body, options: WriteOptions): Promise<FileEntry> {
    return await this.#root.runOperation("write", path, async () => {
      this.#root.assertActive("write", options);
      return await writeFile(this.#root, path, body, options);
    });
  }

  async makeDir(path: RelPath, call: CallOptions): Promise<DirEntry> {
    const [at, operation] = [this.#root, "make the folder"];
    return await at.runOperation(operation, path, async () => {
      at.assertActive(operation, call);
      return await at.withEntryPath(path, operation, async (full) => {
        const recursive = path === root;
        try {
          await at.schedule(() => Deno.mkdirSync(full, { recursive }), () => Deno.mkdir(full, { recursive }));
        } catch (error) {
          if (codeOf(error) !== "EEXIST") throw error;
        }
        const made = await at.stat(path, full);
        if (made?.kind === "dir") return made;
        throw at.error("exists", "something that is no folder is there", { operation, path });
      });
    });
  }

  async remove(entry: Entry, call: CallOptions): Promise<void> {
    const [at, operation] = [this.#root, "remove"];
    const { path } = entry;
    await at.runOperation(operation, path, async () => {
      at.assertActive(operation, call);
      if (entry.kind === "opaque") throw at.error("refused", entry.why, { operation, path });
      try {
        await at.withEntryPath(path, operation, async (full) => {
          const found = await at.stat(path, full);
          if (found === undefined) return;
          const why = describeMismatch(entry, found);
          if (why !== undefined) throw at.error("changed", why, { operation, path });
          if (found.kind === "dir") await at.schedule(() => fs.rmdirSync(full), () => fs.promises.rmdir(full));
          else await at.schedule(() => fs.unlinkSync(full), () => fs.promises.unlink(full));
        });
      } catch (error) {
        if (!isAbsence(error) && !(error instanceof SyncError && error.kind === "notFound")) throw error;
      }
    });
  }

  async rename(from: RelPath, to: RelPath, options: CallOptions & Precondition): Promise<void> {
    const [at, operation] = [this.#root, "rename"];
    await at.runOperation(operation, from, async () => {
      at.assertActive(operation, options);
      await at.withEntryPath(from, operation, (source) =>
        at.withEntryPath(to, operation, async (target) => {
          const found = await at.stat(to, target);
          assertUnchanged(options, found, { operation: "rename to", shown: at.full(to), backend: "file" });
          await at.schedule(() => Deno.renameSync(source, target), () => Deno.rename(source, target));
        }));
    });
  }

  async copy(from: RelPath, to: RelPath, options: CallOptions & Precondition): Promise<void> {
    const { signal } = options;
    const source = await this.stat(from, options);
    if (source?.kind !== "file") throw this.#root.noFileError(source === undefined, { operation: "copy", path: from });
    const { size, modified, mode } = source;
    const body: Body = (start = 0, end = size) =>
      this.read(from, { signal, offset: start, length: end - start, expect: source });
    const kept = { ...(modified === undefined ? {} : { modified }), ...(mode === undefined ? {} : { mode }) };
    await this.write(to, body, { ...options, size, ...kept });
  }

  async #flush(dirs: readonly RelPath[], call: CallOptions): Promise<void> {
    const at = this.#root;
    for (const dir of dirs) {
      await at.runOperation("flush", dir, async () => {
        at.assertActive("flush", call);
        try {
          using held = await at.hold(dir, "flush");
          using folder = await Deno.open(held.folder);
          await folder.sync();
        } catch (error) {
          if (!isAbsence(error) && !(error instanceof SyncError && error.kind === "notFound")) throw error;
        }
      });
    }
  }

  async setModified(path: RelPath, modified: number, call: CallOptions): Promise<void> {
    const operation = "set the time of";
    await this.#root.withFilePath(path, { operation, ...call }, async (full) => {
      // For times before 1970, this call, the only one that does not follow links, accepts only whole seconds.
      const time = new Date(modified < 0 ? Math.floor(modified / 1000) * 1000 : modified);
      await this.#root.schedule(() => fs.lutimesSync(full, time, time), () => fs.promises.lutimes(full, time, time));
    });
  }

  securityWarning(): string | undefined {
    if (this.#riskyFolder === undefined) return undefined;
    const folder = escapeForDisplay(this.#riskyFolder);
    return `This run has the rights of root, and other users can change "${folder}": what they put there is carried with those rights. Run it as their user where that is possible.`;
  }

  async withDiskPath<T>(path: RelPath, work: (at: string) => Promise<T>, call: CallOptions): Promise<T> {
    this.#root.assertActive("keep", call);
    return await this.#root.runOperation("keep", path, () => this.#root.withEntryPath(path, "keep", work));
  }

  async checksum(entry: FileEntry, wanted: readonly string[], call: CallOptions): Promise<Checksum | undefined> {
    this.#root.assertActive("read", call);
    const offered = getHashes();
    const algorithm = wanted.find((name) => offered.includes(name));
    if (algorithm === undefined) return undefined;
    const content = await this.read(entry.path, { ...call, expect: entry });
    if (content instanceof Uint8Array) return `${algorithm}:${hash(algorithm, content, "hex")}`;
    const sum = createHash(algorithm);
    for await (const chunk of content) sum.update(chunk);
    return `${algorithm}:${sum.digest("hex")}`;
  }

  [Symbol.asyncDispose](): Promise<void> {
    const closed = new SyncError("cancelled", `"${this.label}" was closed`, { operation: "close" });
    if (this.#isOpener) this.#root.session.lifetime.abort(closed);
    return Promise.resolve();
  }

  async #setMode(path: RelPath, mode: number, call: CallOptions): Promise<void> {
    const operation = "set the mode of";
    const doing = { operation, path, diskPath: this.#root.full(path) };
    await this.#root.withFilePath(
      path,
      { operation, ...call },
      (full, info) => setMode({ diskPath: full, context: doing }, { mode, info }),
    );
  }

  async #makeLink(path: RelPath, target: string, options: CallOptions & Precondition): Promise<LinkEntry> {
    const [at, operation] = [this.#root, "make the link"];
    return await at.runOperation(operation, path, async () => {
      at.assertActive(operation, options);
      return await at.withEntryPath(path, operation, async (full) => {
        const found = await at.stat(path, full);
        assertUnchanged(options, found, { operation, shown: at.full(path), backend: "file" });
        if (found?.kind === "dir" || found?.kind === "opaque") {
          throw at.error("exists", "it is taken", { operation, path });
        }
        if (found === undefined) await Deno.symlink(target, full);
        else await this.#replaceWithLink(path, full, target);
        return { kind: "link", path, target };
      });
    });
  }

  async #replaceWithLink(path: RelPath, full: string, target: string): Promise<void> {
    const temp = full.slice(0, -nameOf(path).length) + nameOf(newTempPath(path));
    await Deno.symlink(target, temp);
    await Deno.rename(temp, full);
  }
}
