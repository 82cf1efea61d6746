import { comparePaths, parentOf, type RelPath, root } from "../../core/path.ts";
import type { Entry, Snapshot } from "../../core/entry.ts";

/** Returns a snapshot of the entries, given in any order. Folders above them may be missing among the entries. */
export function toSnapshot(entries: Iterable<Entry>): Snapshot {
  const given = Array.from(entries);
  return toTree(given) ?? snapshotOf(given.sort(compareEntries));
}

/**
 * Returns a snapshot of entries that form a tree; undefined if a path occurs twice, or is below something that is not a
 * folder among them.
 */
export function toTree(entries: readonly Entry[]): Snapshot | undefined {
  const sorted = sortByFolder(entries);
  return sorted === undefined ? undefined : snapshotOf(sorted);
}

function snapshotOf(sorted: readonly Entry[]): Snapshot {
  return {
    size: sorted.length,
    get: (path) => findEntry(sorted, path),
    [Symbol.iterator]: () => sorted[Symbol.iterator](),
  };
}

/**
 * Returns the entries in path order: each folder's children are sorted by themselves, which is twice as fast as
 * comparing the whole paths of a million entries. Undefined if a folder is missing among the entries, or a path occurs
 * twice.
 */
function sortByFolder(entries: readonly Entry[]): Entry[] | undefined {
  const folders = groupByFolder(entries);
  const sorted: Entry[] = [];
  let twice = false;
  const visit = (dir: RelPath) => {
    const children = folders.get(dir);
    let before: Entry | undefined;
    for (const child of children?.sort(compareSiblings) ?? []) {
      if (child.path === before?.path) twice = true;
      before = child;
      sorted.push(child);
      if (child.kind === "dir" && !twice) visit(child.path);
    }
  };
  visit(root);
  return twice || sorted.length !== entries.length ? undefined : sorted;
}

function groupByFolder(entries: readonly Entry[]): Map<RelPath, Entry[]> {
  const folders = new Map<RelPath, Entry[]>();
  let dir: RelPath | undefined;
  let children: Entry[] = [];
  for (const entry of entries) {
    const parent = parentOf(entry.path);
    if (parent !== dir) {
      dir = parent;
      children = folders.get(parent) ?? [];
      folders.set(parent, children);
    }
    children.push(entry);
  }
  return folders;
}

function compareSiblings(a: Entry, b: Entry): number {
  if (a.path === b.path) return compareEntries(a, b);
  return a.path < b.path ? -1 : 1;
}

/**
 * Compares by path, entries of one path by kind and cause, so that the order does not depend on that of the listing.
 */
function compareEntries(a: Entry, b: Entry): number {
  return comparePaths(a.path, b.path) || (tieKey(a) < tieKey(b) ? -1 : tieKey(a) > tieKey(b) ? 1 : 0);
}

function tieKey(entry: Entry): string {
  return entry.kind === "opaque" ? `${entry.kind} ${entry.cause} ${entry.why}` : entry.kind;
}

function findEntry(sorted: readonly Entry[], path: RelPath): Entry | undefined {
  let low = 0;
  let high = sorted.length - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const entry = sorted[middle];
    if (entry === undefined) return undefined;
    const order = comparePaths(entry.path, path);
    if (order === 0) return entry;
    if (order < 0) low = middle + 1;
    else high = middle - 1;
  }
  return undefined;
}
