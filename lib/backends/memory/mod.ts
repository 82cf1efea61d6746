import { createHash, getHashes } from "node:crypto";
import { posix } from "node:path";
import { cancelled, SyncError } from "../../core/errors.ts";
import { type RelPath, root, toRelPath } from "../../core/path.ts";
import type { Checksum, DirEntry, Entry, FileEntry, LinkEntry } from "../../core/entry.ts";
import type {
  Backend,
  Body,
  Call,
  Content,
  Expecting,
  Place,
  ReadOptions,
  Traits,
  WriteOptions,
} from "../../core/backend.ts";
import { gathered } from "./content.ts";
import { type Revisions, shuffled } from "./nodes.ts";
import { type TimeDials, type TimeKeeping, toStamp } from "./times.ts";
import { type MemoryOperation, MemoryTree } from "./tree.ts";

/** The simulated properties of the tree. The defaults are a fast, exact, case-sensitive disk. */
export interface MemoryDials extends Partial<Traits>, TimeDials {
  /** The latency of every call in ms. */
  readonly latency?: number;
  /** The seed of the order of listings. */
  readonly seed?: number;
  /** The clock, in ms since the epoch; by default it advances one second at each read. */
  now?(): number;
  sleep?(ms: number): Promise<void>;
  readonly modes?: boolean;
  readonly fileIds?: boolean;
  readonly revisions?: Revisions;
  /** Optional methods that this backend lacks. */
  readonly lacks?: readonly OptionalMethod[];
}

export type OptionalMethod = "rename" | "copy" | "makeLink" | "setModified" | "setMode" | "checksum" | "walk";

export interface MemoryBackend extends Backend {
  /** Every change made through any client of this tree, in order. */
  readonly operations: readonly MemoryOperation[];
  /** Returns another connection to the same tree, which is closed separately. */
  client(): MemoryBackend;
  /** Adds an entry below the top like an external program: without checks or a journal entry, with its parent folders. A file without content has zeros. */
  plant(entry: Entry, content?: Uint8Array<ArrayBuffer>): void;
}

/** Returns an in-memory tree: the same calls in the same order return the same results. */
export function memory(dials: MemoryDials = {}): MemoryBackend {
  const { latency = 0, seed, now, sleep, modes = true, fileIds = true, revisions = false, lacks = [], ...more } = dials;
  const { times = "kept", clockOff = 0, roundsUp = false, ...given } = more;
  const traits: Traits = { ...usualTraits, ...given };
  let tick = START;
  const clock = now ?? (() => tick += 1000);
  const itsNow = () => clock() + clockOff;
  const stamp = toStamp(traits, { times, roundsUp }, itsNow);
  const world: World = {
    tree: new MemoryTree({ traits, modes, fileIds, revisions, stamp, now: itsNow }),
    times,
    lacks,
    seed,
    wait: latency === 0 ? () => Promise.resolve() : () => (sleep ?? sleepReally)(latency),
  };
  return newClient(world);
}

const START = Date.UTC(2026, 0, 1);
const SMALL = 256 * 1024;
const CHUNK = 64 * 1024;
const usualTraits: Traits = {
  timeStep: 1,
  dirTimes: true,
  caseSensitive: true,
  normalizes: false,
  hasDirs: true,
  atomicWrite: true,
  atomicRename: true,
  maxConnections: 16,
  parallelFiles: 16,
  names: "posix",
  maxNameBytes: 255,
  showsDots: true,
};

interface World {
  readonly tree: MemoryTree;
  readonly times: TimeKeeping;
  readonly lacks: readonly OptionalMethod[];
  readonly seed: number | undefined;
  wait(): Promise<void>;
}

interface View {
  readonly at: RelPath;
  readonly life: AbortController;
  readonly isOpener: boolean;
}

function newClient(world: World): MemoryBackend {
  const folder = new MemoryFolder(world, { at: root, life: new AbortController(), isOpener: true });
  return Object.assign(folder, {
    operations: world.tree.operations,
    client: () => newClient(world),
    plant: (entry: Entry, content?: Uint8Array<ArrayBuffer>) =>
      world.tree.plant(entry, content ?? new Uint8Array(entry.kind === "file" ? entry.size : 0)),
  });
}

class MemoryFolder implements Backend {
  readonly label = "memory";
  readonly traits: Traits;
  readonly place: Place;
  readonly rename?: NonNullable<Backend["rename"]>;
  readonly copy?: NonNullable<Backend["copy"]>;
  readonly makeLink?: NonNullable<Backend["makeLink"]>;
  readonly setModified?: NonNullable<Backend["setModified"]>;
  readonly setMode?: NonNullable<Backend["setMode"]>;
  readonly checksum?: NonNullable<Backend["checksum"]>;
  readonly walk?: NonNullable<Backend["walk"]>;
  readonly #world: World;
  readonly #view: View;

  constructor(world: World, view: View) {
    this.traits = world.tree.rules.traits;
    this.place = { path: `/${view.at}` };
    this.#world = world;
    this.#view = view;
    const has = (method: OptionalMethod) => !world.lacks.includes(method);
    if (has("rename")) this.rename = (from, to, options) => this.#rename(from, to, options);
    if (has("copy")) this.copy = (from, to, options) => this.#copy(from, to, options);
    if (has("makeLink")) this.makeLink = (path, target, options) => this.#makeLink(path, target, options);
    if (has("setModified")) this.setModified = (path, modified, call) => this.#set(path, { modified }, call);
    if (has("setMode")) this.setMode = (path, mode, call) => this.#set(path, { mode }, call);
    if (has("checksum")) this.checksum = (entry, wanted, call) => this.#checksum(entry, wanted, call);
    if (has("walk")) this.walk = (dir, call) => this.#walk(dir, call);
  }

  async at(folder: string, call: Call): Promise<Backend> {
    await this.#begin("open", call);
    const path = toRelPath(posix.resolve(this.place.path, folder).slice(1));
    return new MemoryFolder(this.#world, { ...this.#view, at: path, isOpener: false });
  }

  async list(dir: RelPath, call: Call): Promise<readonly Entry[]> {
    await this.#begin("list", call);
    const found = this.#world.tree.list(this.#full(dir));
    const ordered = this.#world.seed === undefined ? found : shuffled(found, this.#world.seed);
    return Array.from(ordered, (entry) => this.#rebased(entry));
  }

  async stat(path: RelPath, call: Call): Promise<Entry | undefined> {
    await this.#begin("look at", call);
    const found = this.#world.tree.look(this.#full(path));
    return found && this.#rebased(found);
  }

  async read(path: RelPath, options: ReadOptions): Promise<Content> {
    await this.#begin("read", options);
    const full = this.#full(path);
    this.#world.tree.check(full, options, "read");
    const bytes = this.#world.tree.bytes(full);
    const start = options.offset ?? 0;
    const end = Math.min(bytes.length, start + (options.length ?? Infinity));
    if (end - start <= SMALL) return bytes.slice(start, end);
    let at = start;
    return new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull: async (controller) => {
        await this.#begin("read", options);
        controller.enqueue(bytes.slice(at, Math.min(at + CHUNK, end)));
        at += CHUNK;
        if (at < end) return;
        this.#world.tree.check(full, options, "read");
        controller.close();
      },
    }, { highWaterMark: 0 });
  }

  async write(path: RelPath, body: Body, options: WriteOptions): Promise<FileEntry> {
    await this.#begin("write", options);
    const { tree } = this.#world;
    const full = this.#full(path);
    tree.checkWrite(full, options);
    const bytes = await gathered(body, options, full);
    if (!this.traits.atomicWrite) {
      tree.checkWrite(full, options);
      const mode = tree.hide(full) ?? options.mode;
      await this.#world.wait();
      const kept = mode === undefined ? {} : { mode };
      return this.#written(tree.write(full, bytes, { ...options, ...kept, expect: "absent" }), options);
    }
    await this.#begin("write", options);
    return this.#written(tree.write(full, bytes, options), options);
  }

  async makeDir(path: RelPath, call: Call): Promise<DirEntry> {
    await this.#begin("make the folder", call);
    return this.#rebased(this.#world.tree.makeDir(this.#full(path), { deep: path === root }));
  }

  async remove(entry: Entry, call: Call): Promise<void> {
    await this.#begin("remove", call);
    this.#world.tree.remove({ ...entry, path: this.#full(entry.path) });
  }

  [Symbol.asyncDispose](): Promise<void> {
    const closed = new SyncError("cancelled", "The memory backend was closed", { operation: "close" });
    if (this.#view.isOpener) this.#view.life.abort(closed);
    return Promise.resolve();
  }

  async #rename(from: RelPath, to: RelPath, options: Call & Expecting): Promise<void> {
    await this.#begin("rename", options);
    this.#world.tree.rename(this.#full(from), this.#full(to), this.#expecting(options));
  }

  async #copy(from: RelPath, to: RelPath, options: Call & Expecting): Promise<void> {
    await this.#begin("copy", options);
    const { tree } = this.#world;
    const source = tree.look(this.#full(from));
    const bytes = tree.bytes(this.#full(from));
    const modified = source?.kind === "file" && source.modified !== undefined ? { modified: source.modified } : {};
    tree.write(this.#full(to), bytes, { ...this.#expecting(options), ...modified });
  }

  async #makeLink(path: RelPath, target: string, options: Call & Expecting): Promise<LinkEntry> {
    await this.#begin("make the link", options);
    return this.#rebased(this.#world.tree.makeLink(this.#full(path), target, this.#expecting(options)));
  }

  async #set(
    path: RelPath,
    change: { readonly modified: number } | { readonly mode: number },
    call: Call,
  ): Promise<void> {
    await this.#begin("set", call);
    if ("modified" in change && this.#world.times === "refused") {
      throw new SyncError("denied", `Cannot set the time of "${path}": it is refused`, {
        operation: "set the time of",
      });
    }
    this.#world.tree.set(this.#full(path), change);
  }

  async #checksum(entry: FileEntry, wanted: readonly string[], call: Call): Promise<Checksum | undefined> {
    await this.#begin("read", call);
    const algorithm = wanted.find((name) => getHashes().includes(name));
    if (algorithm === undefined) return undefined;
    const full = this.#full(entry.path);
    this.#world.tree.check(full, { expect: entry }, "read");
    return `${algorithm}:${createHash(algorithm).update(this.#world.tree.bytes(full)).digest("hex")}`;
  }

  async *#walk(dir: RelPath, call: Call): AsyncIterable<readonly Entry[]> {
    const children = await this.list(dir, call);
    yield children;
    for (const child of children) if (child.kind === "dir") yield* this.#walk(child.path, call);
  }

  /** Waits for the latency of a call; rejects if it is cancelled or this client was closed. */
  async #begin(operation: string, call: Call): Promise<void> {
    this.#check(operation, call);
    await this.#world.wait();
    this.#check(operation, call);
  }

  #check(operation: string, { signal }: Call): void {
    if (signal.aborted) throw cancelled(signal, operation);
    const { signal: life } = this.#view.life;
    if (life.aborted) throw cancelled(life, operation);
  }

  #full(path: RelPath): RelPath {
    const { at } = this.#view;
    if (at === root || path === root) return at === root ? path : at;
    return toRelPath(`${at}/${path}`);
  }

  #expecting({ expect }: Expecting): Expecting {
    return expect === undefined ? {} : { expect };
  }

  #written(entry: FileEntry, { modified, onWarning }: WriteOptions): FileEntry {
    const { times } = this.#world;
    if (times === "refused" && modified !== undefined) onWarning?.(`The time of "${entry.path}" is refused`, "time");
    return this.#rebased(entry);
  }

  /** Returns an entry of the tree with its path relative to this root. */
  #rebased<E extends Entry>(entry: E): E {
    const { at } = this.#view;
    return at === root ? entry : { ...entry, path: entry.path.slice(at.length + 1) };
  }
}

function sleepReally(ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  setTimeout(resolve, ms);
  return promise;
}
