import { comparePaths, type RelPath, toRelPath } from "../../core/path.ts";
import { type Checksum, type Side } from "../../core/entry.ts";
import type { BaseEntry, HistoryUpdate, SideStamp } from "../../core/history.ts";

/**
 * Blocks of entries by the key of their first entry. `last`: the last block that begins at or before this key; `next`:
 * the first key of the block after it.
 */
export interface BlockStore {
  last(key: string): { readonly first: string; readonly body: string } | undefined;
  next(key: string): string | undefined;
  remove(first: string): void;
  add(first: string, body: string): void;
}

/**
 * Returns the path in a form whose UTF-8 bytes sort as comparePaths() sorts paths: "/" becomes U+0001, which no path
 * contains, and the code units that UTF-8 orders differently from UTF-16 (surrogates and those above them) become two
 * units, the first of them U+D7FF.
 */
export function toKey(path: RelPath): string {
  const key = path.replaceAll("/", "\u0001");
  return EXOTIC.test(key) ? key.replace(EXOTICS, escapeUnit) : key;
}

/**
 * Returns a block of entries in path order as text. The text stores columns, which are parsed several times faster than
 * rows.
 */
function packBlock(entries: readonly BaseEntry[]): string {
  const rest: Record<number, RareFields> = {};
  entries.forEach(({ unprovenSide, provableFrom, checksum, target, partialSide }, at) => {
    if ([unprovenSide, checksum, target, partialSide].every((one) => one === undefined)) return;
    rest[at] = {
      ...(partialSide === undefined ? {} : { begun: partialSide }),
      ...(unprovenSide === undefined ? {} : { provisional: unprovenSide }),
      ...(unprovenSide === undefined || provableFrom === undefined ? {} : { provableFrom }),
      ...(checksum === undefined ? {} : { checksum }),
      ...(target === undefined ? {} : { target }),
    };
  });
  const block: Block = {
    paths: entries.map(({ path }) => path),
    kinds: entries.map(({ kind }) => kind.slice(0, 1)).join(""),
    local: entries.flatMap(({ local }) => toCells(local)),
    remote: entries.flatMap(({ remote }) => toCells(remote)),
    ...toChangeTimes(entries),
    rest,
  };
  return JSON.stringify(block);
}

/** Parses a block that packBlock() made. Throws on anything else. */
export function unpackBlock(text: string): readonly BaseEntry[] {
  const { paths, kinds, local, remote, localChanged, remoteChanged, rest }: Block = JSON.parse(text);
  return paths.map((path, at) => {
    const kind = KINDS[kinds[at] ?? ""];
    if (kind === undefined) throw new TypeError(`no kind of entry is called "${kinds[at]}"`);
    const here = fromCells(local, at, localChanged);
    const there = fromCells(remote, at, remoteChanged);
    return {
      path: at === 0 ? toRelPath(path) : path as RelPath,
      kind,
      ...(here === undefined ? {} : { local: here }),
      ...(there === undefined ? {} : { remote: there }),
      ...fromRareFields(rest[at]),
    };
  });
}

/**
 * Rewrites the blocks that the updates, given in path order, concern. Returns by how much the number of entries grew.
 */
export function applyUpdates(store: BlockStore, updates: readonly HistoryUpdate[]): number {
  const keys = updates.map(({ path }) => toKey(path));
  let more = 0;
  for (let at = 0, to = 0; at < updates.length; at = to) {
    const key = keys[at] ?? "";
    const block = store.last(key);
    const end = store.next(key);
    const isOver = (other: string | undefined) => other === undefined || (end !== undefined && other >= end);
    for (to = at + 1; !isOver(keys[to]);) to++;
    const entries = block === undefined ? [] : unpackBlock(block.body);
    const learned = mergeUpdates(entries, updates.slice(at, to));
    if (block !== undefined) store.remove(block.first);
    for (const cut of splitBlocks(learned)) if (cut[0] !== undefined) store.add(toKey(cut[0].path), packBlock(cut));
    more += learned.length - entries.length;
  }
  return more;
}

/**
 * Whether the path is between the first and the last of these entries, so that they contain its entry if there is one.
 */
export function coversPath(entries: readonly BaseEntry[], path: RelPath): boolean {
  const [first, last] = [entries[0], entries.at(-1)];
  if (first === undefined || last === undefined) return false;
  return comparePaths(first.path, path) <= 0 && comparePaths(path, last.path) <= 0;
}

/** Returns the entry of the path by binary search in entries in path order. */
export function findEntry(entries: readonly BaseEntry[], path: RelPath): BaseEntry | undefined {
  let low = 0;
  let high = entries.length - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const one = entries[middle];
    if (one === undefined) return undefined;
    const order = comparePaths(one.path, path);
    if (order === 0) return one;
    if (order < 0) low = middle + 1;
    else high = middle - 1;
  }
  return undefined;
}

/** Returns the updates in path order; of several updates about one path the last one counts. */
export function sortUpdates(updates: Iterable<HistoryUpdate>): readonly HistoryUpdate[] {
  const given = Array.isArray(updates) ? updates as readonly HistoryUpdate[] : Array.from(updates);
  if (given.every((one, at) => at === 0 || comparePaths(given[at - 1]?.path ?? "", one.path) < 0)) return given;
  const last = new Map<RelPath, HistoryUpdate>();
  for (const update of given) last.set(update.path, update);
  return [...last.values()].sort((a, b) => comparePaths(a.path, b.path));
}

/** The number of entries per block. A block that exceeds twice as many is split. */
const BLOCK = 256;

/** Returns the entries with these updates applied; both arguments and the result are in path order. */
function mergeUpdates(entries: readonly BaseEntry[], updates: readonly HistoryUpdate[]): readonly BaseEntry[] {
  const learned: BaseEntry[] = [];
  let at = 0;
  for (const { path, base } of updates) {
    for (let entry = entries[at]; entry !== undefined; entry = entries[++at]) {
      const order = comparePaths(entry.path, path);
      if (order > 0) break;
      if (order < 0) learned.push(entry);
    }
    if (base !== undefined) learned.push(base);
  }
  return [...learned, ...entries.slice(at)];
}

/** Splits the entries into blocks of BLOCK entries if they exceed the limit of one block. */
function splitBlocks(entries: readonly BaseEntry[]): readonly (readonly BaseEntry[])[] {
  if (entries.length <= 2 * BLOCK) return entries.length === 0 ? [] : [entries];
  const blocks: (readonly BaseEntry[])[] = [];
  for (let at = 0; at < entries.length; at += BLOCK) blocks.push(entries.slice(at, at + BLOCK));
  return blocks;
}

type Cell = number | string | null;

/** Fields that few entries have, under the keys they have on the disk. */
interface RareFields {
  readonly provisional?: Side | "both";
  readonly provableFrom?: number;
  readonly checksum?: Checksum;
  readonly target?: string;
  readonly begun?: Side;
}

/**
 * A block's columns. `local`, `remote`: four cells per entry, size, modified, revision and fileId; a size of null means
 * no stamp. `localChanged`, `remoteChanged`: one change time per entry, missing if the side lists none; older versions
 * neither write nor read these two.
 */
interface Block {
  readonly paths: readonly string[];
  readonly kinds: string;
  readonly local: readonly Cell[];
  readonly remote: readonly Cell[];
  readonly localChanged?: readonly Cell[];
  readonly remoteChanged?: readonly Cell[];
  readonly rest: Readonly<Record<number, RareFields>>;
}

const KINDS: Readonly<Record<string, BaseEntry["kind"]>> = { f: "file", d: "dir", l: "link" };
const CELLS = 4;
const FIRST_EXOTIC = 0xd7ff;
const SHIFT = 0x4000;
const EXOTIC = /[\ud7ff-\uffff]/;
const EXOTICS = /[\ud7ff-\uffff]/g;

function escapeUnit(unit: string): string {
  return String.fromCharCode(FIRST_EXOTIC, SHIFT + unit.charCodeAt(0) - FIRST_EXOTIC);
}

function fromRareFields({ begun, provisional, ...rest }: RareFields = {}): Partial<BaseEntry> {
  return {
    ...rest,
    ...(begun === undefined ? {} : { partialSide: begun }),
    ...(provisional === undefined ? {} : { unprovenSide: provisional }),
  };
}

function toCells(stamp: SideStamp | undefined): readonly Cell[] {
  if (stamp === undefined) return [null, null, null, null];
  return [stamp.size, stamp.modified ?? null, stamp.revision ?? null, stamp.fileId ?? null];
}

/** Returns the columns of change times, as far as there are any. */
function toChangeTimes(entries: readonly BaseEntry[]): Pick<Block, "localChanged" | "remoteChanged"> {
  const column = (side: Side) => entries.map((entry) => entry[side]?.changeTime ?? null);
  const [local, remote] = [column("local"), column("remote")];
  return {
    ...(local.some((time) => time !== null) ? { localChanged: local } : {}),
    ...(remote.some((time) => time !== null) ? { remoteChanged: remote } : {}),
  };
}

function fromCells(cells: readonly Cell[], at: number, changeTimes: readonly Cell[] = []): SideStamp | undefined {
  const from = at * CELLS;
  const size = cells[from];
  if (typeof size !== "number") return undefined;
  const modified = cells[from + 1];
  const revision = cells[from + 2];
  const fileId = cells[from + 3];
  const changeTime = changeTimes[at];
  return {
    size,
    ...(typeof modified === "number" ? { modified } : {}),
    ...(typeof revision === "string" ? { revision } : {}),
    ...(typeof fileId === "string" ? { fileId } : {}),
    ...(typeof changeTime === "number" ? { changeTime } : {}),
  };
}
