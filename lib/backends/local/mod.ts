import { createHash, getHashes, hash } from "node:crypto";
import { posix, win32 } from "node:path";
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
import type { Checksum, DirEntry, Entry, FileEntry } from "../../core/entry.ts";
import { badInput, SyncError } from "../../core/errors.ts";
import { escapeForDisplay, type RelPath } from "../../core/path.ts";
import type { ConnectContext } from "../../core/protocol.ts";
import { flush, makeDir, makeLink, remove, rename, setMode, setModified } from "./changes.ts";
import { canOthersChange } from "./disk.ts";
import { list } from "./list.ts";
import { addressFolder, type PathRules } from "./names.ts";
import { readFile } from "./read.ts";
import { isNotFound, LocalRoot } from "./root.ts";
import { type LocalOptions, newDiskSession } from "./session.ts";
import { writeFile } from "./write.ts";

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
    if (at.durable) this.flush = (dirs, call) => flush(at, dirs, call);
    this.setMode = (path, mode, call) => setMode(at, path, mode, call);
    this.makeLink = (path, target, options) => makeLink(at, path, target, options);
  }

  async withRoot(folder: string, call: CallOptions): Promise<Backend> {
    this.#root.assertActive("open", call);
    const { session, folder: base } = this.#root;
    return new LocalFolder(await LocalRoot.open(session, base, folder), { label: this.label, isOpener: false });
  }

  async list(dir: RelPath, call: CallOptions): Promise<readonly Entry[]> {
    return await list(this.#root, dir, {
      ...call,
      onFolder: async (folder) => {
        if (!isRoot || this.#riskyFolder !== undefined) return;
        if (canOthersChange(await Deno.stat(folder))) this.#riskyFolder = this.#root.diskPathOf(dir);
      },
    });
  }

  async stat(path: RelPath, call: CallOptions): Promise<Entry | undefined> {
    const [at, operation] = [this.#root, "look at"];
    return await at.runOperation(operation, path, async () => {
      at.assertActive(operation, call);
      try {
        return await at.withEntryPath(path, operation, (full) => at.stat(path, full));
      } catch (error) {
        if (isNotFound(error)) return undefined;
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
        (full) => readFile(at.schedule, { path, diskPath: full, shown: at.diskPathOf(path) }, { ...options, life }),
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
    return await makeDir(this.#root, path, call);
  }

  async remove(entry: Entry, call: CallOptions): Promise<void> {
    await remove(this.#root, entry, call);
  }

  async rename(from: RelPath, to: RelPath, options: CallOptions & Precondition): Promise<void> {
    await rename(this.#root, { from, to }, options);
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

  async setModified(path: RelPath, modified: number, call: CallOptions): Promise<void> {
    await setModified(this.#root, path, modified, call);
  }

  nanosecondsOf({ path, modified }: FileEntry): number | undefined {
    if (modified === undefined) return undefined;
    const now = this.#root.session.nanoseconds.of(this.#root.diskPathOf(path));
    if (now === undefined) return undefined;
    const beyond = now - BigInt(Math.floor(modified)) * 1_000_000n;
    return beyond >= 0n && beyond < 1_000_000n ? Number(beyond) : undefined;
  }

  securityWarning(): string | undefined {
    if (this.#riskyFolder === undefined) return undefined;
    const folder = escapeForDisplay(this.#riskyFolder);
    return `This run has the rights of root, and other users can change "${folder}": their files are copied with those rights. Run it as their user if possible.`;
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
}
