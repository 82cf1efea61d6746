import { type ErrorKind, SyncError } from "../../core/errors.ts";
import {
  checkName,
  escapeForDisplay,
  explainUnstorableName,
  nameOf,
  parentOf,
  type RelPath,
  root,
} from "../../core/path.ts";
import { tempPath } from "../../core/temp_name.ts";
import type { DirEntry, Entry, FileEntry, LinkEntry } from "../../core/entry.ts";
import type { Precondition } from "../../core/backend.ts";
import { describeMismatch } from "../shared/preconditions.ts";
import {
  type DirNode,
  type FileNode,
  holdsNoFile,
  type MemoryOperation,
  nameKey,
  newDir,
  type NewFile,
  type Node,
  toNode,
  type TreeRules,
  withoutLooseRevision,
} from "./nodes.ts";

/**
 * A tree of files in memory. Every call is atomic: nothing happens between its check and its change. Throws SyncErrors.
 */
export class MemoryTree {
  readonly operations: MemoryOperation[] = [];
  readonly rules: TreeRules;
  readonly #top: DirNode;
  #count = 0;
  #answers = 0;

  constructor(rules: TreeRules) {
    this.rules = rules;
    this.#top = newDir("", rules.now());
  }

  stat(path: RelPath): Entry | undefined {
    const node = this.#find(path);
    return node && this.#entry(path, node);
  }

  list(path: RelPath): Entry[] {
    const node = this.#find(path);
    if (node === undefined) throw this.#error("notFound", "list", { path, why: "it does not exist" });
    if (node.kind !== "dir") throw this.#error("changed", "list", { path, why: "it is not a folder" });
    return [...node.children.values()].filter((child) => !this.#isEmptyPrefix(child)).map((child) =>
      this.#child(path, child)
    );
  }

  bytes(path: RelPath): Uint8Array<ArrayBuffer> {
    const node = this.#find(path);
    if (node === undefined) throw this.#error("notFound", "read", { path, why: "it does not exist" });
    if (node.kind !== "file") throw this.#error("changed", "read", { path, why: "it is not a file" });
    return node.bytes;
  }

  /** Throws the error that write() would throw now. */
  assertWritable(path: RelPath, options: Precondition): DirNode {
    const dir = this.#parent(path, "write");
    this.assertExpected(path, options, "write");
    const old = this.#find(path);
    if (old?.kind === "dir" || (old?.kind === "other" && old.entry.kind === "opaque")) {
      throw this.#error("exists", "write", { path, why: "something that is not a file exists there" });
    }
    return dir;
  }

  write(path: RelPath, bytes: Uint8Array<ArrayBuffer>, writing: NewFile): FileEntry {
    const dir = this.assertWritable(path, writing);
    const old = this.#find(path);
    const leftover = writing.tag === undefined ? undefined : this.#key(nameOf(tempPath(path, writing.tag)));
    if (leftover !== undefined && dir.children.get(leftover)?.kind !== "dir") dir.children.delete(leftover);
    const before = old?.kind === "file" ? old : undefined;
    const count = ++this.#count;
    const node: FileNode = {
      kind: "file",
      name: old?.name ?? nameOf(path),
      bytes,
      modified: this.rules.fileTime("written", { asked: writing.modified, had: before?.modified }),
      changed: this.#changeTime(),
      mode: before?.mode ?? (writing.mode ?? 0o644) & 0o777,
      id: `memory:${count}`,
      revision: `r${count}`,
    };
    this.#put(dir, node);
    this.operations.push({ do: "write", path });
    const spelled = checkName(parentOf(path), node.name);
    return this.#fileEntry(spelled.ok ? spelled.path : path, node);
  }

  /** Creates a folder; with `deep` also its parents. */
  makeDir(path: RelPath, { deep }: { readonly deep: boolean }): DirEntry {
    const old = this.#find(path);
    if (old?.kind === "dir") return this.#dirEntry(path, old);
    if (old !== undefined) {
      throw this.#error("exists", "make the folder", { path, why: "something that is not a folder exists there" });
    }
    if (deep && path !== root) this.makeDir(parentOf(path), { deep });
    const dir = this.#parent(path, "make the folder");
    const node = newDir(nameOf(path), this.rules.now());
    if (this.rules.traits.hasDirs) {
      this.#put(dir, node);
      this.operations.push({ do: "makeDir", path });
    }
    return this.#dirEntry(path, node);
  }

  remove(entry: Entry): void {
    const { path } = entry;
    if (entry.kind === "opaque") throw this.#error("refused", "remove", { path, why: entry.why });
    const node = this.#find(path);
    if (node === undefined) return;
    this.assertExpected(path, { expect: entry }, "remove");
    if (node.kind === "dir" && node.children.size > 0) {
      throw this.#error("changed", "remove", { path, why: "the folder is not empty" });
    }
    this.#delete(path);
    this.operations.push({ do: "remove", path });
  }

  rename(from: RelPath, to: RelPath, options: Precondition): void {
    const node = this.#find(from);
    if (node === undefined) throw this.#error("notFound", "rename", { path: from, why: "it does not exist" });
    this.#parent(to, "rename to");
    const taken = this.#find(to);
    if (taken !== node) this.assertExpected(to, options, "rename to");
    if (taken !== node && taken?.kind === "dir") {
      throw this.#error("exists", "rename to", { path: to, why: "a folder is there" });
    }
    this.#delete(from);
    // In a store without folders, a folder that became empty is absent now.
    const moved = node.kind === "file"
      ? {
        ...node,
        modified: this.rules.fileTime("renamed", { asked: undefined, had: node.modified }),
        changed: this.#changeTime(),
      }
      : node;
    this.#put(this.#parent(to, "rename to"), { ...moved, name: nameOf(to) });
    this.operations.push({ do: "rename", path: from, to });
  }

  makeLink(path: RelPath, target: string, options: Precondition): LinkEntry {
    const dir = this.#parent(path, "make the link");
    this.assertExpected(path, options, "make the link");
    const why = "a folder is there";
    if (this.#find(path)?.kind === "dir") throw this.#error("exists", "make the link", { path, why });
    const entry: LinkEntry = { kind: "link", path, target };
    this.#put(dir, { kind: "other", name: nameOf(path), entry });
    this.operations.push({ do: "makeLink", path });
    return entry;
  }

  /** Sets the time or the mode of a file. */
  set(path: RelPath, change: { readonly modified: number } | { readonly mode: number }): void {
    const isTime = "modified" in change;
    const operation = isTime ? "set the time of" : "set the mode of";
    const node = this.#find(path);
    if (node === undefined) throw this.#error("notFound", operation, { path, why: "it does not exist" });
    const isFit = node.kind === "file" || (node.kind === "dir" && path !== root && !isTime);
    if (!isFit) throw this.#error("refused", operation, { path, why: "it is not a file" });
    const changed = "modified" in change
      ? { modified: this.rules.fileTime("set", { asked: change.modified, had: node.modified }) }
      : { mode: change.mode & 0o777 };
    const now = node.kind === "file" ? { changed: this.#changeTime() } : {};
    this.#parent(path, operation).children.set(this.#key(node.name), { ...node, ...changed, ...now });
    this.operations.push({ do: isTime ? "setModified" : "setMode", path });
  }

  /** Adds an entry like an external program: without checks or a journal entry, with its parent folders. */
  plant(entry: Entry, bytes: Uint8Array<ArrayBuffer>): void {
    let dir = this.#top;
    const names = entry.path.split("/");
    const name = names.pop() ?? "";
    for (const each of names) {
      const next = dir.children.get(this.#key(each));
      const made = next?.kind === "dir" ? next : newDir(each, this.rules.now());
      dir.children.set(this.#key(each), made);
      dir = made;
    }
    const count = ++this.#count;
    dir.children.set(this.#key(name), toNode(name, { entry, bytes, count, now: this.rules.now() }));
  }

  /** Removes the name, like a server that cannot replace a file atomically; returns the file's mode. */
  hide(path: RelPath): number | undefined {
    const node = this.#find(path);
    if (node?.kind !== "file") return undefined;
    this.#delete(path);
    return node.mode;
  }

  /** Throws kind "changed" unless the precondition in the options holds. */
  assertExpected(path: RelPath, { expect }: Precondition, operation: string): void {
    if (expect === undefined) return;
    const why = describeMismatch(expect, withoutLooseRevision(this.stat(path), this.rules.revisions));
    if (why !== undefined) throw this.#error("changed", operation, { path, why });
  }

  #find(path: RelPath): Node | undefined {
    if (path === root) return this.#top;
    const dir = this.#find(parentOf(path));
    const node = dir?.kind === "dir" ? dir.children.get(this.#key(nameOf(path))) : undefined;
    return node === undefined || this.#isEmptyPrefix(node) ? undefined : node;
  }

  /** Returns the parent folder of `path`; creates it if the simulated store has no folders of its own. */
  #parent(path: RelPath, operation: string): DirNode {
    const { names, maxNameBytes, hasDirs } = this.rules.traits;
    const why = explainUnstorableName(nameOf(path), names, maxNameBytes);
    if (why !== undefined) throw this.#error("unsupported", operation, { path, why });
    const at = parentOf(path);
    const found = this.#find(at);
    if (found?.kind === "dir") return found;
    if (found !== undefined) {
      const isLink = found.kind === "other" && found.entry.kind === "link";
      throw this.#error(isLink ? "refused" : "changed", operation, { path, why: "its folder is not a folder" });
    }
    if (hasDirs) throw this.#error("notFound", operation, { path, why: "its folder does not exist" });
    const made = newDir(nameOf(at), this.rules.now());
    this.#parent(at, operation).children.set(this.#key(made.name), made);
    return made;
  }

  #put(dir: DirNode, node: Node): void {
    dir.children.set(this.#key(node.name), node);
    dir.modified = this.rules.now();
  }

  #delete(path: RelPath): void {
    const dir = this.#find(parentOf(path));
    if (dir?.kind !== "dir") return;
    dir.children.delete(this.#key(nameOf(path)));
    dir.modified = this.rules.now();
    const isEmpty = dir.children.size === 0 && dir !== this.#top;
    if (isEmpty && !this.rules.traits.hasDirs) this.#delete(parentOf(path));
  }

  /** Whether the node is a folder without files in a store that has folders only as prefixes of file paths. */
  #isEmptyPrefix(node: Node): boolean {
    return !this.rules.traits.hasDirs && node !== this.#top && holdsNoFile(node);
  }

  /** Returns the same key for all spellings of a name that are equal by the traits. */
  #key(name: string): string {
    return nameKey(name, this.rules.traits);
  }

  #entry(path: RelPath, node: Node): Entry {
    return path === root ? this.#dirEntry(root, this.#top) : this.#child(parentOf(path), node);
  }

  #child(dir: RelPath, node: Node): Entry {
    const gated = checkName(dir, node.name);
    if (!gated.ok) return { kind: "opaque", path: gated.displayPath, cause: "name", why: gated.why };
    switch (node.kind) {
      case "file":
        return this.#fileEntry(gated.path, node);
      case "dir":
        return this.#dirEntry(gated.path, node);
      case "other":
        return { ...node.entry, path: gated.path };
      default:
        return node satisfies never;
    }
  }

  #fileEntry(path: RelPath, { bytes, modified, changed, mode, id, revision }: FileNode): FileEntry {
    const { modes, fileIds, changeTimes, revisions } = this.rules;
    const ofAll = revisions === "stale" ? "r" : revision;
    const shown = revisions === "loose" ? `${revision} ${++this.#answers}` : ofAll;
    const more = { ...(modes && { mode }), ...(fileIds && { fileId: id }), ...(revisions && { revision: shown }) };
    return { kind: "file", path, size: bytes.length, modified, ...more, ...(changeTimes && { changeTime: changed }) };
  }

  #dirEntry(path: RelPath, { modified, mode }: DirNode): DirEntry {
    const { traits, modes } = this.rules;
    return { kind: "dir", path, ...(traits.dirTimes && { modified }), ...(modes && { mode }) };
  }

  /** Returns the time of a change now. The clock is read only if listings contain that time: each reading may advance it. */
  #changeTime(): number {
    return this.rules.changeTimes ? this.rules.now() : 0;
  }

  #error(kind: ErrorKind, operation: string, { path, why }: { path: RelPath; why: string }): SyncError {
    const message = `Cannot ${operation} "${escapeForDisplay(path)}": ${why}`;
    return new SyncError(kind, message, { operation, path, backend: "memory" });
  }
}
