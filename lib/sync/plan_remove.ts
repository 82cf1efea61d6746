import { type Action, type Entry, otherSide, type Side } from "../types.ts";
import { isBlocked, passOver } from "./plan_blocked.ts";
import { type Context, entriesOf, folderOf, isLeaf, keepOf } from "./plan_context.ts";
import { forget } from "./plan_history.ts";
import { replay, type Row } from "./plan_rows.ts";

/**
 * Removes from `side` what the other side lacks: the row, and all below it, in path order (whoever carries the plan out removes folders
 * from the end, so that they are empty when their turn comes). Links and special files stay, what could not be read stays, and so does
 * each folder that holds something that stays.
 */
export function removeBlock(context: Context, row: Row, { side, below }: { side: Side; below: readonly Row[] }): void {
  const { draft, holding } = context;
  const across = otherSide(side);
  const why = context.surveys[across].unnamed.has(folderOf(row.key))
    ? `it may be one of the names in its folder that the ${across} side cannot give; nothing beside them is removed`
    : holding;
  const all = [row, ...below];
  const found = { stays: staying(context, all, side), filled: filled(all, side) };
  const rows = replay(all);
  for (let one = rows.next(); one !== undefined; one = rows.next()) {
    if (isBlocked(one)) {
      passOver(context, one, rows);
      continue;
    }
    const target = one[side];
    if (target === undefined) forget(context, one.known);
    if (target === undefined || (target.kind === "dir" && !mayGo(context, one.key, { side, ...found }))) continue;
    if (why === undefined) draft.actions.push(removal(context, target, side));
    else draft.held.push({ path: target.path, side, kind: "refused", why });
  }
}

/** The removals of all that a folder holds, in path order; undefined when something in it must stay. */
export function removalsBelow(
  context: Context,
  row: Row,
  { side, below }: { side: Side; below: readonly Row[] },
): readonly Action[] | undefined {
  if (staying(context, [row, ...below], side).has(row.key)) return undefined;
  const removals: Action[] = [];
  for (const one of below) {
    const target = one[side];
    if (target === undefined || (target.kind === "dir" && !context.sides[side].traits.hasDirs)) continue;
    removals.push(removal(context, target, side));
  }
  return removals;
}

/** Keys of the folders that hold something that stays, at whatever depth. What a folder holds comes after it, so the end is read first. */
function staying(context: Context, rows: readonly Row[], side: Side): ReadonlySet<string> {
  const stays = new Set<string>();
  for (const row of rows.toReversed()) {
    if (context.surveys[side].stays.has(row.key)) stays.add(row.key);
    const blocked = isBlocked(row) && entriesOf(row, side).length > 0;
    if (blocked || stays.has(row.key)) stays.add(folderOf(row.key));
  }
  return stays;
}

/** Keys of the folders that hold a file, at whatever depth, or held one when history was written. */
function filled(rows: readonly Row[], side: Side): ReadonlySet<string> {
  const found = new Set<string>();
  for (const row of rows.toReversed()) {
    const wasLeaf = row.known !== undefined && row.known.kind !== "dir";
    if (wasLeaf || isLeaf(row[side]) || found.has(row.key)) found.add(folderOf(row.key));
  }
  return found;
}

interface Going {
  readonly side: Side;
  readonly stays: ReadonlySet<string>;
  readonly filled: ReadonlySet<string>;
}

/** May the folder go? Where the other side cannot hold empty folders, only one that held something is known to be gone there. */
function mayGo(context: Context, key: string, { side, stays, filled }: Going): boolean {
  if (stays.has(key) || !context.sides[side].traits.hasDirs) return false;
  return context.sides[otherSide(side)].traits.hasDirs || filled.has(key);
}

function removal(context: Context, target: Entry, side: Side): Action {
  const kept = target.kind === "dir" ? {} : keepOf(context, target, side);
  return { do: "remove", to: side, path: target.path, why: "gone", target, ...kept };
}
