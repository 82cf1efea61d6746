import { type Entry, otherSide, type Side } from "../../core/entry.ts";
import { isBlocked, skipBlocked } from "./blocked.ts";
import { entriesOf, folderOf, incompleteFolder, keepFields, type PlanContext } from "./context.ts";
import { removeFromHistory } from "./changes.ts";
import { replay, type Row } from "./rows.ts";
import { countUnprovenAbsence } from "./deletion_evidence.ts";
import { isLeaf } from "../common/leaves.ts";
import type { Action } from "../../core/plan.ts";

/**
 * Plans the removal from `side` of what the other side lacks: the row, and everything below it, in path order (the plan
 * is carried out with folders from the end, so that they are empty by then). Links, special files and unreadable
 * entries stay, and so does each folder that contains something that stays.
 */
export function removeBlock(
  context: PlanContext,
  row: Row,
  { side, below }: { side: Side; below: readonly Row[] },
): void {
  const { builder, removalBlock: holding } = context;
  const across = otherSide(side);
  const all = [row, ...below];
  const why = context.folderFacts[across].unnamed.has(folderOf(row.key))
    ? `it may be one of the names in its folder that the ${across} side cannot list; nothing next to such names is removed`
    : holding ?? unprovenAbsenceIn(context, all, side);
  const unproven = unprovenFolders(context, all, side);
  const staying = foldersThatStay(context, all, { side, mayNotGo: unproven });
  const heldFolders = new Map<string, string>();
  const rows = replay(all);
  for (let one = rows.next(); one !== undefined; one = rows.next()) {
    if (isBlocked(one)) {
      skipBlocked(context, one, rows);
      continue;
    }
    const target = one[side];
    const held = heldFolders.get(folderOf(one.key)) ?? incompleteFolder(context, folderOf(one.key)) ?? why;
    if (held !== undefined && target?.kind === "dir") heldFolders.set(one.key, held);
    if (target === undefined) removeFromHistory(context, one.base);
    if (
      target === undefined || (target.kind === "dir" && !canRemoveFolder(context, one.key, { side, stays: staying }))
    ) continue;
    if (held === undefined) builder.actions.push(toRemoval(context, target, side));
    else builder.heldRemovals.push({ path: target.path, side, kind: "refused", why: held });
  }
}

/** Returns why what the other side lacks is no deletion there. In mode Both that was checked before. */
function unprovenAbsenceIn(
  { options, builder }: PlanContext,
  rows: readonly Row[],
  side: Side,
): string | undefined {
  const base = rows[0]?.base;
  if (options.mode === "Both" || base === undefined) return undefined;
  const across = otherSide(side);
  const untraced = options.unprovenAbsence(base.path, across);
  if (untraced === undefined) return undefined;
  countUnprovenAbsence(builder, untraced, { side: across, count: rows.filter((row) => isLeaf(row[side])).length });
  return `nothing shows that it was deleted on the ${across} side`;
}

/** Returns the removals of everything in a folder, in path order; undefined if something in it must stay. */
export function removalsBelow(
  context: PlanContext,
  row: Row,
  { side, below }: { side: Side; below: readonly Row[] },
): readonly Action[] | undefined {
  if (foldersThatStay(context, [row, ...below], { side }).has(row.key)) return undefined;
  const removals: Action[] = [];
  for (const one of below) {
    const target = one[side];
    if (target === undefined || (target.kind === "dir" && !context.sides[side].traits.hasDirs)) continue;
    removals.push(toRemoval(context, target, side));
  }
  return removals;
}

/**
 * Returns the keys of the folders that contain something that stays, at any depth. Rows are read from the end, since a
 * folder's content follows it.
 */
function foldersThatStay(
  context: PlanContext,
  rows: readonly Row[],
  { side, mayNotGo }: { readonly side: Side; readonly mayNotGo?: ReadonlySet<string> },
): ReadonlySet<string> {
  const stays = new Set<string>();
  for (const row of rows.toReversed()) {
    if (context.folderFacts[side].stays.has(row.key) || mayNotGo?.has(row.key) === true) stays.add(row.key);
    const blocked = isBlocked(row) && entriesOf(row, side).length > 0;
    if (blocked || stays.has(row.key)) stays.add(folderOf(row.key));
  }
  return stays;
}

/**
 * Returns the keys of the folders that may be old ones: if the other side has no empty folders, their absence there
 * proves nothing.
 */
function unprovenFolders(context: PlanContext, rows: readonly Row[], side: Side): ReadonlySet<string> {
  const found = new Set<string>();
  if (context.sides[otherSide(side)].traits.hasDirs) return found;
  const held = foldersWithFiles(rows, side);
  for (const row of rows) if (row[side]?.kind === "dir" && !held.has(row.key)) found.add(row.key);
  return found;
}

/** Returns the keys of the folders that contain a file at any depth, or contained one at the last run. */
function foldersWithFiles(rows: readonly Row[], side: Side): ReadonlySet<string> {
  const found = new Set<string>();
  for (const row of rows.toReversed()) {
    const wasLeaf = row.base !== undefined && row.base.kind !== "dir";
    if (wasLeaf || isLeaf(row[side]) || found.has(row.key)) found.add(folderOf(row.key));
  }
  return found;
}

interface RemovalFacts {
  readonly side: Side;
  readonly stays: ReadonlySet<string>;
}

function canRemoveFolder(context: PlanContext, key: string, { side, stays }: RemovalFacts): boolean {
  return !stays.has(key) && context.sides[side].traits.hasDirs;
}

function toRemoval(context: PlanContext, target: Entry, side: Side): Action {
  const kept = target.kind === "dir" ? {} : keepFields(context, target, side);
  return { do: "remove", to: side, path: target.path, why: "gone", target, ...kept };
}
