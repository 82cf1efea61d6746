import { comparePaths, type RelPath } from "../../core/path.ts";
import type { Entry, Side } from "../../core/entry.ts";
import type { PlanSide } from "../common/options.ts";
import { folderOfTrash, type NameMatcher } from "./names.ts";
import type { BaseEntry, History } from "../../core/history.ts";

/**
 * One name on both sides and in history. `clash`: a side has several entries under this name; then the row has no
 * entry.
 */
export interface Row {
  readonly key: string;
  readonly local: Entry | undefined;
  readonly remote: Entry | undefined;
  readonly base: BaseEntry | undefined;
  readonly clash: Readonly<Record<Side, readonly Entry[]>> | undefined;
}

/** Rows in the order of their keys, a folder right before its content. Reading consumes a row. */
export interface Rows {
  next(): Row | undefined;
  /** Whether the next row is below the folder of this key. */
  hasBelow(key: string): boolean;
  /** Consumes the rows below the folder of this key, right after its own row was read. */
  takeBelow(key: string): Row[];
}

/**
 * Merges both snapshots and history into rows. Excluded are Tandem's own trash and entries whose name cannot be
 * synchronized (their path is for reports and has no counterpart).
 */
export function mergeRows(
  sides: Readonly<Record<Side, PlanSide>>,
  history: History | undefined,
  names: NameMatcher,
): Rows {
  const local = toStream(sides.local.snapshot, names, isPaired);
  const remote = toStream(sides.remote.snapshot, names, isPaired);
  const bases = toStream(history ?? [], names, () => true);
  return toRows(() => {
    const key = leastKey(local.key, remote.key, bases.key);
    if (key === undefined) return undefined;
    const here = pullItem(local, key);
    const there = pullItem(remote, key);
    const row: Row = { key, local: here, remote: there, base: pullBase(bases, key, [here, there]), clash: undefined };
    if (local.key === key || remote.key === key) {
      return {
        ...row,
        ...NO_ENTRIES,
        clash: { local: pullRest(local, key, here), remote: pullRest(remote, key, there) },
      };
    }
    if (names.folds) recordFolderSpelling(row, names);
    return row;
  });
}

/** Returns rows that were consumed before to be read again. */
export function replay(rows: readonly Row[]): Rows {
  let at = 0;
  return toRows(() => rows[at++]);
}

/** Whether `key` is below the folder of key `folder`. */
export function isBelow(key: string, folder: string): boolean {
  return folder === ""
    ? key !== ""
    : key.length > folder.length && key.startsWith(folder) && key[folder.length] === "/";
}

function toRows(read: () => Row | undefined): Rows {
  let ahead = read();
  const next = () => {
    const row = ahead;
    if (row !== undefined) ahead = read();
    return row;
  };
  const holds = (key: string) => ahead !== undefined && isBelow(ahead.key, key);
  return {
    next,
    hasBelow: holds,
    takeBelow(key) {
      const found: Row[] = [];
      while (holds(key)) {
        const row = next();
        if (row !== undefined) found.push(row);
      }
      return found;
    },
  };
}

interface Stream<T> {
  key: string | undefined;
  item: T | undefined;
  readonly advance: () => void;
}

function toStream<T extends { readonly path: RelPath }>(
  items: Iterable<T>,
  names: NameMatcher,
  wanted: (item: T) => boolean,
): Stream<T> {
  const next = names.folds ? readFolded(items, names) : readExact(items);
  const stream: Stream<T> = {
    key: undefined,
    item: undefined,
    advance() {
      do next(stream); while (stream.item !== undefined && !wanted(stream.item));
    },
  };
  stream.advance();
  return stream;
}

type ReadNext<T> = (into: Pick<Stream<T>, "key" | "item">) => void;

function readExact<T extends { readonly path: RelPath }>(items: Iterable<T>): ReadNext<T> {
  const iterator = items[Symbol.iterator]();
  return (into) => {
    const step = iterator.next();
    into.item = step.done === true ? undefined : step.value;
    into.key = into.item?.path;
  };
}

/** Reads the items in the order of their folded keys; names with the same key in the order of their own. */
function readFolded<T extends { readonly path: RelPath }>(items: Iterable<T>, names: NameMatcher): ReadNext<T> {
  const keyed = Array.from(items, (item) => ({ item, key: names.key(item.path) }));
  const compare = (a: Keyed<T>, b: Keyed<T>) => comparePaths(a.key, b.key) || comparePaths(a.item.path, b.item.path);
  if (!isSorted(keyed, compare)) keyed.sort(compare);
  let at = 0;
  return (into) => {
    const one = keyed[at++];
    into.item = one?.item;
    into.key = one?.key;
  };
}

interface Keyed<T> {
  readonly item: T;
  readonly key: string;
}

function isSorted<T>(items: readonly T[], compare: (a: T, b: T) => number): boolean {
  for (let i = 1; i < items.length; i++) {
    const [before, after] = [items[i - 1], items[i]];
    if (before !== undefined && after !== undefined && compare(before, after) > 0) return false;
  }
  return true;
}

function pullItem<T>(stream: Stream<T>, key: string): T | undefined {
  if (stream.key !== key) return undefined;
  const { item } = stream;
  stream.advance();
  return item;
}

/** Returns the history entry of the key; of several spellings the one that is still in use. */
function pullBase(bases: Stream<BaseEntry>, key: string, found: readonly (Entry | undefined)[]): BaseEntry | undefined {
  const first = pullItem(bases, key);
  const all = pullRest(bases, key, first);
  return all.find(({ path }) => found.some((entry) => entry?.path === path)) ?? first;
}

/** Returns all items of one key, the first of which was read already. */
function pullRest<T>(stream: Stream<T>, key: string, first: T | undefined): readonly T[] {
  const all = first === undefined ? [] : [first];
  for (let item = pullItem(stream, key); item !== undefined; item = pullItem(stream, key)) all.push(item);
  return all;
}

const NO_ENTRIES = { local: undefined, remote: undefined };

function leastKey(a: string | undefined, b: string | undefined, c: string | undefined): string | undefined {
  return lowerKey(lowerKey(a, b), c);
}

function lowerKey(a: string | undefined, b: string | undefined): string | undefined {
  if (a === undefined) return b;
  if (b === undefined || a === b) return a;
  return comparePaths(a, b) < 0 ? a : b;
}

function isPaired(entry: Entry): boolean {
  return !(entry.kind === "opaque" && entry.cause === "name") && folderOfTrash(entry.path) === undefined;
}

function recordFolderSpelling(row: Row, names: NameMatcher): void {
  if (row.local?.kind === "dir") names.recordSpelling("local", row.key, row.local.path);
  if (row.remote?.kind === "dir") names.recordSpelling("remote", row.key, row.remote.path);
}
