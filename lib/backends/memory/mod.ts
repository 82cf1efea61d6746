import { createHash, getHashes } from "node:crypto";
import { posix } from "node:path";
import { cancelled, SyncError } from "../../core/errors.ts";
import { type RelPath, root, toRelPath } from "../../core/path.ts";
import type { Checksum, DirEntry, Entry, FileEntry, LinkEntry } from "../../core/entry.ts";
import {
  type Backend,
  type BackendRoot,
  type Body,
  type CallOptions,
  type Content,
  type Precondition,
  type ReadOptions,
  SMALL_FILE_BYTES,
  type Traits,
  type WriteOptions,
} from "../../core/backend.ts";
import { readExactly } from "../../net/byte_stream.ts";
import { type MemoryOperation, shuffled } from "./nodes.ts";
import { defaultTraits, type MemoryDials, type OptionalMethod, type TimeKeeping } from "./options.ts";
import { makeTimeRule } from "./times.ts";
import { MemoryTree } from "./tree.ts";

/** A backend in memory, and what a test sees of it. */
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
  const { changeTimes = false, times = "kept", clockOff = 0, roundsUp = false, ...given } = more;
  const traits: Traits = { ...defaultTraits, ...given };
  let tick = START;
  const clock = now ?? (() => tick += 1000);
  const itsNow = () => clock() + clockOff;
  const stamp = makeTimeRule(traits, { times, roundsUp }, itsNow);
  const state: MemoryState = {
    tree: new MemoryTree({ traits, modes, fileIds, changeTimes, revisions, fileTime: stamp, now: itsNow }),
    times,
    lacks,
    seed,
    wait: latency === 0 ? () => Promise.resolve() : () => (sleep ?? sleepReally)(latency),
  };
  return newClient(state);
}

const START = Date.UTC(2026, 0, 1);
const CHUNK = 64 * 1024;
interface MemoryState {
  readonly tree: MemoryTree;
  readonly times: TimeKeeping;
  readonly lacks: readonly OptionalMethod[];
  readonly seed: number | undefined;
  wait(): Promise<void>;
}

interface ClientView {
  readonly root: RelPath;
  readonly lifetime: AbortController;
  readonly isOpener: boolean;
}

function newClient(state: MemoryState): MemoryBackend {
  const folder = new MemoryFolder(state, { root, lifetime: new AbortController(), isOpener: true });
  return Object.assign(folder, {
    operations: state.tree.operations,
    client: () => newClient(state),
    plant: (entry: Entry, content?: Uint8Array<ArrayBuffer>) =>
      state.tree.plant(entry, content ?? new Uint8Array(entry.kind === "file" ? entry.size : 0)),
  });
}

class MemoryFolder implements Backend {
  readonly label = "memory";
  readonly traits: Traits;
  readonly root: BackendRoot;
  readonly rename?: NonNullable<Backend["rename"]>;
  readonly copy?: NonNullable<Backend["copy"]>;
  readonly makeLink?: NonNullable<Backend["makeLink"]>;
  readonly setModified?: NonNullable<Backend["setModified"]>;
  readonly setMode?: NonNullable<Backend["setMode"]>;
  readonly checksum?: NonNullable<Backend["checksum"]>;
  readonly walk?: NonNullable<Backend["walk"]>;
  readonly #state: MemoryState;
  readonly #view: ClientView;

  constructor(world: MemoryState, view: ClientView) {
    this.traits = world.tree.rules.traits;
    this.root = { path: `/${view.root}`, isOrdinary: true };
    this.#state = world;
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

  async withRoot(folder: string, call: CallOptions): Promise<Backend> {
    await this.#startCall("open", call);
    const path = toRelPath(posix.resolve(this.root.path, folder).slice(1));
    return new MemoryFolder(this.#state, { ...this.#view, root: path, isOpener: false });
  }

  async list(dir: RelPath, call: CallOptions): Promise<readonly Entry[]> {
    await this.#startCall("list", call);
    const found = this.#state.tree.list(this.#treePath(dir));
    const ordered = this.#state.seed === undefined ? found : shuffled(found, this.#state.seed);
    return Array.from(ordered, (entry) => this.#rebased(entry));
  }

  async stat(path: RelPath, call: CallOptions): Promise<Entry | undefined> {
    await this.#startCall("look at", call);
    const found = this.#state.tree.stat(this.#treePath(path));
    return found && this.#rebased(found);
  }

  async read(path: RelPath, options: ReadOptions): Promise<Content> {
    await this.#startCall("read", options);
    const full = this.#treePath(path);
    this.#state.tree.assertExpected(full, options, "read");
    const bytes = this.#state.tree.bytes(full);
    const start = options.offset ?? 0;
    const end = Math.min(bytes.length, start + (options.length ?? Infinity));
    if (end - start <= SMALL_FILE_BYTES) return bytes.slice(start, end);
    let at = start;
    return new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull: async (controller) => {
        await this.#startCall("read", options);
        controller.enqueue(bytes.slice(at, Math.min(at + CHUNK, end)));
        at += CHUNK;
        if (at < end) return;
        this.#state.tree.assertExpected(full, options, "read");
        controller.close();
      },
    }, { highWaterMark: 0 });
  }

  async write(path: RelPath, body: Body, options: WriteOptions): Promise<FileEntry> {
    await this.#startCall("write", options);
    const { tree } = this.#state;
    const full = this.#treePath(path);
    tree.assertWritable(full, options);
    const { signal, size, onBytes } = options;
    // A copy, because the caller keeps the memory of its content.
    const bytes = (await readExactly(body(), { signal, operation: "write", path: full, size, onBytes })).slice();
    if (this.traits.directWrites === true) return await this.#writeDirectly(full, bytes, options);
    if (!this.traits.atomicWrite) {
      tree.assertWritable(full, options);
      const mode = tree.hide(full) ?? options.mode;
      await this.#state.wait();
      const kept = mode === undefined ? {} : { mode };
      return this.#afterWrite(tree.write(full, bytes, { ...options, ...kept, expect: "absent" }), options);
    }
    await this.#startCall("write", options);
    return this.#afterWrite(tree.write(full, bytes, options), options);
  }

  /** Writes under the final name: for a moment the file holds half of the content. */
  async #writeDirectly(full: RelPath, bytes: Uint8Array<ArrayBuffer>, options: WriteOptions): Promise<FileEntry> {
    const { tree } = this.#state;
    if (options.inPlace !== true && tree.stat(full) !== undefined) {
      throw new SyncError("unsupported", `Cannot replace "${full}": it cannot be renamed`, { operation: "write" });
    }
    await options.onDirectWrite?.();
    await this.#startCall("write", options);
    const { modified: _, ...half } = options;
    tree.write(full, bytes.slice(0, bytes.length >> 1), half);
    await this.#startCall("write", options);
    const { expect: _expect, ...whole } = options;
    return this.#afterWrite(tree.write(full, bytes, whole), options);
  }

  async makeDir(path: RelPath, call: CallOptions): Promise<DirEntry> {
    await this.#startCall("make the folder", call);
    return this.#rebased(this.#state.tree.makeDir(this.#treePath(path), { deep: path === root }));
  }

  async remove(entry: Entry, call: CallOptions): Promise<void> {
    await this.#startCall("remove", call);
    this.#state.tree.remove({ ...entry, path: this.#treePath(entry.path) });
  }

  [Symbol.asyncDispose](): Promise<void> {
    const closed = new SyncError("cancelled", "The memory backend was closed", { operation: "close" });
    if (this.#view.isOpener) this.#view.lifetime.abort(closed);
    return Promise.resolve();
  }

  async #rename(from: RelPath, to: RelPath, options: CallOptions & Precondition): Promise<void> {
    await this.#startCall("rename", options);
    this.#state.tree.rename(this.#treePath(from), this.#treePath(to), this.#expecting(options));
  }

  async #copy(from: RelPath, to: RelPath, options: CallOptions & Precondition): Promise<void> {
    await this.#startCall("copy", options);
    const { tree } = this.#state;
    const source = tree.stat(this.#treePath(from));
    const bytes = tree.bytes(this.#treePath(from));
    const modified = source?.kind === "file" && source.modified !== undefined ? { modified: source.modified } : {};
    tree.write(this.#treePath(to), bytes, { ...this.#expecting(options), ...modified });
  }

  async #makeLink(path: RelPath, target: string, options: CallOptions & Precondition): Promise<LinkEntry> {
    await this.#startCall("make the link", options);
    return this.#rebased(this.#state.tree.makeLink(this.#treePath(path), target, this.#expecting(options)));
  }

  async #set(
    path: RelPath,
    change: { readonly modified: number } | { readonly mode: number },
    call: CallOptions,
  ): Promise<void> {
    await this.#startCall("set", call);
    if ("modified" in change && this.#state.times === "refused") {
      throw new SyncError("denied", `Cannot set the time of "${path}": it is refused`, {
        operation: "set the time of",
      });
    }
    this.#state.tree.set(this.#treePath(path), change);
  }

  async #checksum(entry: FileEntry, wanted: readonly string[], call: CallOptions): Promise<Checksum | undefined> {
    await this.#startCall("read", call);
    const algorithm = wanted.find((name) => getHashes().includes(name));
    if (algorithm === undefined) return undefined;
    const full = this.#treePath(entry.path);
    this.#state.tree.assertExpected(full, { expect: entry }, "read");
    return `${algorithm}:${createHash(algorithm).update(this.#state.tree.bytes(full)).digest("hex")}`;
  }

  async *#walk(dir: RelPath, call: CallOptions): AsyncIterable<readonly Entry[]> {
    const children = await this.list(dir, call);
    yield children;
    for (const child of children) if (child.kind === "dir") yield* this.#walk(child.path, call);
  }

  /** Waits for the latency of a call; rejects if it is cancelled or this client was closed. */
  async #startCall(operation: string, call: CallOptions): Promise<void> {
    this.#assertActive(operation, call);
    await this.#state.wait();
    this.#assertActive(operation, call);
  }

  #assertActive(operation: string, { signal }: CallOptions): void {
    if (signal.aborted) throw cancelled(signal, operation);
    const { signal: life } = this.#view.lifetime;
    if (life.aborted) throw cancelled(life, operation);
  }

  #treePath(path: RelPath): RelPath {
    const { root: at } = this.#view;
    if (at === root || path === root) return at === root ? path : at;
    return toRelPath(`${at}/${path}`);
  }

  #expecting({ expect }: Precondition): Precondition {
    return expect === undefined ? {} : { expect };
  }

  #afterWrite(entry: FileEntry, { modified, onWarning }: WriteOptions): FileEntry {
    const { times } = this.#state;
    if (times === "refused" && modified !== undefined) onWarning?.(`The time of "${entry.path}" is refused`, "time");
    return this.#rebased(entry);
  }

  /** Returns an entry of the tree with its path relative to this root. */
  #rebased<E extends Entry>(entry: E): E {
    const { root: at } = this.#view;
    return at === root ? entry : { ...entry, path: entry.path.slice(at.length + 1) };
  }
}

function sleepReally(ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  setTimeout(resolve, ms);
  return promise;
}
