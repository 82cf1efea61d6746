import { isFatal, SyncError, toSyncError } from "../../core/errors.ts";
import { checkName, escapeForDisplay, isWithin, parentOf, type RelPath, root } from "../../core/path.ts";
import type { Checksum, DirEntry, Entry, FileEntry, LinkEntry, OpaqueEntry } from "../../core/entry.ts";
import type { Backend, BackendRoot, CallOptions, Content, ReadOptions, Traits } from "../../core/backend.ts";

/** The options of followLinks(). `outside`: links that lead out of the root are followed too. */
export interface FollowOptions extends CallOptions {
  readonly outside: boolean;
}

/**
 * Returns a read-only backend in which a link appears as its target. A link stays an opaque entry with a reason if it
 * is broken, or leads out of the root, to a special file, or to a folder that contains it. Writes are refused, since
 * they would change one file under two names. Disposing it closes nothing.
 */
export async function followLinks(inner: Backend, { outside, ...call }: FollowOptions): Promise<Backend> {
  const disk = inner.root.diskPath ?? inner.root.path;
  const [drive] = /^(?:[a-z]:[/\\]|\/)/i.exec(disk) ?? [];
  if (!outside || drive === undefined) return new LinkFollowingBackend(inner, { tree: inner, root });
  const tree = await inner.withRoot(drive, call);
  let start = root;
  for (const name of segmentsOf(disk.slice(drive.length), drive)) start = joinName(start, name);
  return new LinkFollowingBackend(inner, { tree, root: start });
}

/** The scope of link resolution: a tree, and the folder in it that is the root. */
interface LinkScope {
  readonly tree: Backend;
  readonly root: RelPath;
}

/** The target of a link and its path in the tree. */
interface LinkTarget {
  readonly path: RelPath;
  readonly entry: DirEntry | FileEntry;
}

/** The most links in a chain, as on Linux (path_resolution(7)). */
const MAX_HOPS = 40;

class LinkFollowingBackend implements Backend {
  readonly label: string;
  readonly traits: Traits;
  readonly root: BackendRoot;
  readonly fingerprint?: string;
  readonly checksum?: NonNullable<Backend["checksum"]>;
  readonly securityWarning?: NonNullable<Backend["securityWarning"]>;
  readonly #inner: Backend;
  readonly #scope: LinkScope;
  /** The targets of the listed links, by their paths below this root. */
  readonly #links = new Map<RelPath, RelPath>();

  constructor(inner: Backend, ground: LinkScope) {
    this.label = inner.label;
    this.traits = inner.traits;
    this.root = inner.root;
    this.#inner = inner;
    this.#scope = ground;
    if (inner.fingerprint !== undefined) this.fingerprint = inner.fingerprint;
    if (inner.securityWarning !== undefined) this.securityWarning = () => inner.securityWarning?.();
    const { tree } = ground;
    if (tree.checksum === undefined) return;
    this.checksum = async (entry, wanted, call): Promise<Checksum | undefined> =>
      await tree.checksum?.({ ...entry, path: this.#treePath(entry.path) }, wanted, call);
  }

  async withRoot(folder: string, call: CallOptions): Promise<Backend> {
    const outside = this.#scope.tree !== this.#inner;
    return await followLinks(await this.#inner.withRoot(folder, call), { outside, signal: call.signal });
  }

  async list(dir: RelPath, call: CallOptions): Promise<readonly Entry[]> {
    const real = this.#treePath(dir);
    const found: Entry[] = [];
    for (const entry of await this.#scope.tree.list(real, call)) {
      const path = rebase(entry.path, real, dir);
      found.push(entry.kind === "link" ? await this.#follow({ ...entry, path }, call) : { ...entry, path });
    }
    return found;
  }

  async stat(path: RelPath, call: CallOptions): Promise<Entry | undefined> {
    const real = this.#links.get(path) ?? this.#treePath(path);
    const entry = await this.#scope.tree.stat(real, call);
    if (entry?.kind === "link") return await this.#follow({ ...entry, path }, call);
    return entry && { ...entry, path };
  }

  async read(path: RelPath, options: ReadOptions): Promise<Content> {
    const real = this.#treePath(path);
    const { expect } = options;
    return await this.#scope.tree.read(real, {
      ...options,
      ...(expect === undefined ? {} : { expect: { ...expect, path: real } }),
    });
  }

  write(path: RelPath): Promise<never> {
    return Promise.reject(readOnlyError("write", path));
  }

  makeDir(path: RelPath): Promise<never> {
    return Promise.reject(readOnlyError("make the folder", path));
  }

  remove(entry: Entry): Promise<never> {
    return Promise.reject(readOnlyError("remove", entry.path));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  /** Returns the path in the tree, with the followed links in it resolved. */
  #treePath(path: RelPath): RelPath {
    for (let above = path; above !== root; above = parentOf(above)) {
      const real = this.#links.get(above);
      if (real !== undefined) return rebase(path, above, real);
    }
    return rebase(path, root, this.#scope.root);
  }

  async #follow(link: LinkEntry, call: CallOptions): Promise<Entry> {
    const { path, target } = link;
    const dir = this.#treePath(parentOf(path));
    const resolved = await this.#resolve({ dir, target, hops: 0 }, call).catch((error): OpaqueEntry => {
      const { kind, message } = toSyncError(error, "follow");
      if (isFatal(kind)) throw error;
      return { kind: "opaque", path, cause: "unreadable", why: message };
    });
    if (typeof resolved === "string") return opaque(link, resolved);
    if ("kind" in resolved) return { ...resolved, path };
    const { path: at, entry } = resolved;
    if (entry.kind === "dir" && this.#contains(at, parentOf(path))) {
      return opaque(link, "it leads to a folder that contains it");
    }
    this.#links.set(path, at);
    return { ...entry, path };
  }

  /** Whether the tree's folder contains this path or one of its parents, with links resolved. */
  #contains(at: RelPath, path: RelPath): boolean {
    for (let above = path;; above = parentOf(above)) {
      if (isWithin(this.#treePath(above), at)) return true;
      if (above === root) return false;
    }
  }

  /** Returns the entry at a link's target, or why it cannot be resolved, as a clause. */
  async #resolve(
    { dir, target, hops }: { readonly dir: RelPath; readonly target: string; readonly hops: number },
    call: CallOptions,
  ): Promise<LinkTarget | OpaqueEntry | string> {
    if (hops > MAX_HOPS) return "it leads to itself";
    const { tree } = this.#scope;
    const below = belowRoot(target, tree.root);
    if (below === OUTSIDE) return OUTSIDE;
    let at = below === undefined ? dir : root;
    let entry: Entry | undefined;
    const names = segmentsOf(below ?? target, tree.root.path);
    for (const [nth, name] of names.entries()) {
      if (entry?.kind === "file") return NOWHERE;
      if (name === "..") {
        if (at === root) return OUTSIDE;
        [at, entry] = [parentOf(at), undefined];
        continue;
      }
      const next = checkName(at, name);
      if (!next.ok) return next.why;
      entry = await tree.stat(next.path, call);
      if (entry === undefined) return NOWHERE;
      if (entry.kind === "opaque") return entry;
      if (entry.kind === "link") {
        const rest = [entry.target, ...names.slice(nth + 1)].join("/");
        return await this.#resolve({ dir: at, target: rest, hops: hops + 1 }, call);
      }
      at = next.path;
    }
    entry ??= await tree.stat(at, call);
    return entry?.kind === "dir" || entry?.kind === "file" ? { path: at, entry } : NOWHERE;
  }
}

const NOWHERE = "its target does not exist";
const OUTSIDE = "it leads out of the folder, and -AllowLinksOutside was not given";

function opaque({ path, target }: LinkEntry, why: string): OpaqueEntry {
  return { kind: "opaque", path, cause: "link", why: `it is a link to "${escapeForDisplay(target)}": ${why}` };
}

/** Returns the part of an absolute target below the tree's root; undefined for a relative target. */
function belowRoot(target: string, { path, diskPath: disk = path }: BackendRoot): string | undefined {
  if (!/^(?:[a-z]:)?[/\\]/i.test(target)) return undefined;
  for (const base of [path, disk].map((one) => one.replace(/[/\\]+$/, ""))) {
    const rest = target.slice(base.length);
    if (target.startsWith(base) && /^(?:[/\\]|$)/.test(rest)) return rest;
  }
  return OUTSIDE;
}

/** Returns the path's segments by the separators of the disk of `beside`, without ".". */
function segmentsOf(path: string, beside: string): readonly string[] {
  const between = /^[a-z]:|\\/i.test(beside) ? /[/\\]/ : "/";
  return path.split(between).filter((name) => name !== "" && name !== ".");
}

/** Replaces the prefix `from` of a path with `to`. */
function rebase(path: RelPath, from: RelPath, to: RelPath): RelPath {
  const rest = from === root ? path : path.slice(from.length + 1);
  return (to === root || rest === "" ? `${to}${rest}` : `${to}/${rest}`) as RelPath;
}

function joinName(dir: RelPath, name: string): RelPath {
  const next = checkName(dir, name);
  if (!next.ok) {
    throw new SyncError("unsupported", `Links cannot be followed here: ${next.why}`, { operation: "follow" });
  }
  return next.path;
}

function readOnlyError(operation: string, path: RelPath): SyncError {
  const message = `Cannot ${operation} "${escapeForDisplay(path)}": links are followed on the source side only`;
  return new SyncError("refused", message, { operation, path });
}
