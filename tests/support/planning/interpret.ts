import assert from "node:assert/strict";
import type { Traits } from "../../../lib/core/backend.ts";
import { parentOf, type RelPath, root, toRelPath } from "../../../lib/core/path.ts";
import { toSnapshot } from "../../../lib/sync/scan/snapshot.ts";
import {
  type Entry,
  type FileEntry,
  otherSide,
  type Side,
  sides as bothSides,
  type Snapshot,
} from "../../../lib/core/entry.ts";
import type { BaseEntry, History } from "../../../lib/core/history.ts";
import type { Action, Plan } from "../../../lib/core/plan.ts";

/** Something on a side: what its listing shows, and the content that the planner does not see. */
export interface TreeNode {
  readonly entry: Entry;
  readonly content: string;
}

export type Tree = ReadonlyMap<RelPath, TreeNode>;
export type Trees = Readonly<Record<Side, Tree>>;

/** Traits of a place that can do everything. */
export const ableTraits: Traits = {
  timeStep: 1,
  dirTimes: false,
  caseSensitive: true,
  normalizes: false,
  hasDirs: true,
  atomicWrite: true,
  atomicRename: true,
  maxConnections: 1,
  parallelFiles: 1,
  names: "posix",
  maxNameBytes: 255,
};

export function listTree(tree: Tree): Snapshot {
  return toSnapshot(Array.from(tree.values(), ({ entry }) => entry));
}

export function toHistory(known: Iterable<BaseEntry>): History {
  const sorted = Array.from(known).sort((a, b) => orderOf(a.path, b.path));
  const byPath = new Map(sorted.map((one) => [one.path, one]));
  return { size: sorted.length, get: (path) => byPath.get(path), [Symbol.iterator]: () => sorted[Symbol.iterator]() };
}

/**
 * Carries a plan out on trees that are values: keeps first and moved files taken out, then removals from the end, then the rest in order. Each action is held to
 * what it expects to find; a plan that does not fit the trees is an AssertionError.
 */
export function interpret(plan: Plan, before: Trees): Trees {
  const after = { local: new Map(before.local), remote: new Map(before.remote) };
  const moving = new Map<Action, TreeNode>();
  for (const action of plan.actions) {
    if (action.do === "copy") keepLoser(action, after);
    if (action.do === "move") moving.set(action, takeOut(action, after[action.to]));
  }
  for (const action of plan.actions.toReversed()) if (action.do === "remove") removeOne(action, after[action.to]);
  for (const action of plan.actions) {
    if (action.do !== "remove") perform(action, { before, after, moving });
  }
  return after;
}

/** What history holds after a run: the plan's lessons, and each path that was acted on, if both sides are equal there. */
export function remember(plan: Plan, history: History | undefined, after: Trees): History {
  const known = new Map(Array.from(history ?? [], (one) => [one.path, one]));
  for (const { path, base: learnt } of plan.historyUpdates) {
    if (learnt === undefined) known.delete(path);
    else known.set(path, learnt);
  }
  for (const action of plan.actions) {
    const { path } = action;
    if (action.do === "move") known.delete(action.source.path);
    const [local, remote] = [after.local.get(path), after.remote.get(path)];
    if (local === undefined || remote === undefined) known.delete(path);
    else if (local.entry.kind === remote.entry.kind && local.content === remote.content) {
      known.set(path, toKnown(path, local, remote));
    }
  }
  return toHistory(known.values());
}

export function toKnown(path: RelPath, local: TreeNode, remote: TreeNode): BaseEntry {
  const { entry } = local;
  if (entry.kind === "link") return { path, kind: "link", target: entry.target };
  if (entry.kind !== "file" || remote.entry.kind !== "file") return { path, kind: "dir" };
  const { checksum } = entry;
  const marks = { local: toMark(entry), remote: toMark(remote.entry) };
  return { path, kind: "file", ...marks, ...(checksum === undefined ? {} : { checksum }) };
}

function toMark({ size, modified, revision, fileId }: FileEntry): NonNullable<BaseEntry["local"]> {
  return {
    size,
    ...(modified === undefined ? {} : { modified }),
    ...(revision === undefined ? {} : { revision }),
    ...(fileId === undefined ? {} : { fileId }),
  };
}

function takeOut({ source, to }: Extract<Action, { readonly do: "move" }>, tree: Growing[Side]): TreeNode {
  const moved = tree.get(source.path);
  assert.deepEqual(moved?.entry, source, `${to} ${source.path} is not what was to be moved`);
  tree.delete(source.path);
  return moved ?? { entry: source, content: "" };
}

type Growing = Readonly<Record<Side, Map<RelPath, TreeNode>>>;

function keepLoser({ to, path, backupPath: keep }: Extract<Action, { readonly do: "copy" }>, after: Growing): void {
  if (keep === undefined) return;
  const loser = after[to].get(path);
  assert.ok(loser !== undefined, `nothing to keep at ${path}`);
  assert.ok(!after[to].has(keep), `${keep} is taken`);
  after[to].set(keep, { ...loser, entry: { ...loser.entry, path: keep } });
}

function removeOne(
  { path, target, to, backupPath: keep }: Extract<Action, { readonly do: "remove" }>,
  tree: Growing[Side],
): void {
  const found = tree.get(path);
  assert.deepEqual(found?.entry, target, `${to} ${path} is not what was to be removed`);
  if (target.kind === "dir") {
    for (const inside of tree.keys()) assert.ok(parentOf(inside) !== path, `${to} ${path} still holds ${inside}`);
  }
  if (found !== undefined && keep !== undefined) tree.set(keep, { ...found, entry: { ...found.entry, path: keep } });
  tree.delete(path);
}

function perform(
  action: Exclude<Action, { readonly do: "remove" }>,
  { before, after, moving }: {
    readonly before: Trees;
    readonly after: Growing;
    readonly moving: ReadonlyMap<Action, TreeNode>;
  },
): void {
  const { to, path } = action;
  const tree = after[to];
  const parent = parentOf(path);
  assert.ok(parent === root || tree.get(parent)?.entry.kind === "dir", `${to} ${path} has no folder to lie in`);
  if (action.do === "touch") {
    assert.deepEqual(tree.get(path)?.entry, action.target);
    const content = tree.get(path)?.content ?? "";
    tree.set(path, { content, entry: { ...action.target, modified: action.modified } });
    return;
  }
  if (action.do === "move") {
    const moved = moving.get(action);
    assert.ok(moved !== undefined && !tree.has(path), `${to} ${path} cannot be moved to`);
    tree.set(path, { ...moved, entry: { ...moved.entry, path } });
    return;
  }
  assert.deepEqual(tree.get(path)?.entry, action.replaces, `${to} ${path} is not what was to be replaced`);
  if (action.do === "makeDir") {
    tree.set(path, { content: "", entry: { kind: "dir", path } });
    return;
  }
  const { source } = action;
  const given = before[otherSide(to)].get(source.path) ?? after[otherSide(to)].get(source.path) ??
    after[to].get(source.path);
  assert.ok(given !== undefined, `${path} has no source ${source.path}`);
  tree.set(path, { content: given.content, entry: arrived(source, path) });
}

/** As the other side lists it: a new file there has marks of its own. */
function arrived(source: Entry, path: RelPath): Entry {
  if (source.kind !== "file") return { ...source, path };
  const { revision: _revision, fileId: _fileId, mode: _mode, timeStep: _timeStep, ...plain } = source;
  return { ...plain, path };
}

function orderOf(a: string, b: string): number {
  const [x, y] = [a.replaceAll("/", "\0"), b.replaceAll("/", "\0")];
  return x < y ? -1 : x > y ? 1 : 0;
}

/** All sides' contents, to see whether any was lost. */
export function contentsOf(trees: Trees): ReadonlySet<string> {
  return new Set(bothSides.flatMap((side) => Array.from(trees[side].values(), ({ content }) => content)));
}

/** A tree from "path" → thing without its path. */
export function toTree(things: Readonly<Record<string, (path: RelPath) => TreeNode>>): Tree {
  return new Map(Object.entries(things).map(([path, make]) => [toRelPath(path), make(toRelPath(path))]));
}
