import { createHash } from "node:crypto";
import type { DirEntry, Entry, FileEntry } from "../../core/entry.ts";
import type { Precondition, Traits } from "../../core/backend.ts";
import type { Revisions } from "./options.ts";
import type { TimeRule } from "./times.ts";
import type { RelPath } from "../../core/path.ts";

/** The rules of a tree: how names are compared, what its listings report, and its clock (ms since the epoch). */
export interface TreeRules {
  readonly traits: Traits;
  readonly modes: boolean;
  readonly fileIds: boolean;
  readonly changeTimes: boolean;
  readonly revisions: Revisions;
  readonly fileTime: TimeRule;
  now(): number;
}

/** The metadata of a written file. */
export interface NewFile extends Precondition {
  readonly modified?: number;
  readonly mode?: number;
  readonly tag?: string;
}

/** A node of a memory tree; `name` in its stored spelling. */
export type Node = FileNode | DirNode | OtherNode;
export interface FileNode {
  readonly kind: "file";
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly modified: number;
  /** The time of the last write, rename or change of its metadata. */
  readonly changed: number;
  readonly mode: number;
  readonly id: string;
  readonly revision: string;
}
export interface DirNode {
  readonly kind: "dir";
  readonly name: string;
  readonly children: Map<string, Node>;
  modified: number;
  readonly mode: number;
}
interface OtherNode {
  readonly kind: "other";
  readonly name: string;
  readonly entry: Exclude<Entry, FileEntry | DirEntry>;
}

/** Returns an empty folder. */
export function newDir(name: string, modified: number): DirNode {
  return { kind: "dir", name, children: new Map(), modified, mode: 0o755 };
}

/**
 * Returns the node that an entry describes. If the entry lacks an id, a revision or a time, `count` and `now` supply
 * them.
 */
export function toNode(
  name: string,
  { entry, bytes, count, now }: {
    readonly entry: Entry;
    readonly bytes: Uint8Array<ArrayBuffer>;
    readonly count: number;
    readonly now: number;
  },
): Node {
  if (entry.kind === "dir") return { ...newDir(name, entry.modified ?? now), mode: entry.mode ?? 0o755 };
  if (entry.kind !== "file") return { kind: "other", name, entry };
  return {
    kind: "file",
    name,
    bytes,
    modified: entry.modified ?? now,
    changed: entry.changeTime ?? now,
    mode: entry.mode ?? 0o644,
    id: entry.fileId ?? `memory:${count}`,
    revision: entry.revision ?? `r${count}`,
  };
}

/** Returns the entries in an order that depends only on the seed and on them. */
export function shuffled(entries: readonly Entry[], seed: number): readonly Entry[] {
  const order = (entry: Entry) => createHash("md5").update(`${seed} ${entry.path}`).digest("hex");
  return entries.map((entry) => ({ entry, at: order(entry) })).sort((a, b) => a.at < b.at ? -1 : 1).map(({ entry }) =>
    entry
  );
}

/** Returns the entry without its revision if that differs in each reply: no precondition can use it. */
export function withoutLooseRevision(entry: Entry | undefined, revisions: Revisions): Entry | undefined {
  if (entry?.kind !== "file" || revisions !== "loose") return entry;
  const { revision: _, ...rest } = entry;
  return rest;
}

/** One change in the journal, numbered by its index. Paths are relative to the top of the tree. */
export interface MemoryOperation {
  readonly do: "write" | "makeDir" | "remove" | "rename" | "makeLink" | "setModified" | "setMode";
  readonly path: RelPath;
  readonly to?: RelPath;
}

/** Returns the same key for all spellings of a name that are equal by the traits. */
export function nameKey(name: string, { caseSensitive, normalizes }: Traits): string {
  const composed = normalizes ? name.normalize("NFC") : name;
  return caseSensitive ? composed : composed.toLowerCase().toUpperCase().toLowerCase();
}

/** Whether the node is a folder without a file in it, at any depth. */
export function holdsNoFile(node: Node): boolean {
  return node.kind === "dir" && [...node.children.values()].every(holdsNoFile);
}
