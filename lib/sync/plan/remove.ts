import { type Action, type Entry, otherSide, type Side } from "../../core/entry.ts";
import { isBlocked, passOver } from "./blocked.ts";
import { type Context, entriesOf, folderOf, keepOf } from "./context.ts";
import { forget } from "./changes.ts";
import { replay, type Row } from "./rows.ts";
import { countUntraced } from "./deletion_evidence.ts";
import { isLeaf } from "../common/leaves.ts";

/**
 * Removes from `side` what the other side lacks: the row, and all below it, in path order (whoever carries the plan out removes folders
 * from the end, so that they are empty when their turn comes). Links and special files stay, what could not be read stays, and so does
 * each folder that holds something that stays.
 */
export function removeBlock(context: Context, row: Row, { side, below }: { side: Side; below: readonly Row[] }): void {
  const { draft, holding } = context;
  const across = otherSide(side);
  const all = [row, ...below];
  const why = context.surveys[across].unnamed.has(folderOf(row.key))
    ? `it may be one of the names in its folder that the ${across} side cannot give; nothing beside them is removed`
    : holding ?? untracedIn(context, all, side);
  const mayNotGo = unprovenFolders(context, all, side);
  const stays = staying(context, all, { side, mayNotGo });
  const rows = replay(all);
  for (let one = rows.next(); one !== undefined; one = rows.next()) {
    if (isBlocked(one)) {
      passOver(context, one, rows);
      continue;
    }
    const target = one[side];
    if (target === undefined) forget(context, one.known);
    if (target === undefined || (target.kind === "dir" && !mayGo(context, one.key, { side, stays }))) continue;
    if (why === undefined) draft.actions.push(removal(context, target, side));
    else draft.held.push({ path: target.path, side, kind: "refused", why });
  }
}

/** Why what the other side lacks is no deletion there; in Both that was asked before. */
function untracedIn({ options, draft }: Context, rows: readonly Row[], side: Side): string | undefined {
  const known = rows[0]?.known;
  if (options.mode === "Both" || known === undefined) return undefined;
  const across = otherSide(side);
  const untraced = options.untraced(known.path, across);
  if (untraced === undefined) return undefined;
  countUntraced(draft, untraced, { side: across, count: rows.filter((row) => isLeaf(row[side])).length });
  return `nothing shows that it was deleted on the ${across} side`;
}

/** The removals of all that a folder holds, in path order; undefined when something in it must stay. */
export function removalsBelow(
  context: Context,
  row: Row,
  { side, below }: { side: Side; below: readonly Row[] },
): readonly Action[] | undefined {
  if (staying(context, [row, ...below], { side }).has(row.key)) return undefined;
  const removals: Action[] = [];
  for (const one of below) {
    const target = one[side];
    if (target === undefined || (target.kind === "dir" && !context.sides[side].traits.hasDirs)) continue;
    removals.push(removal(context, target, side));
  }
  return removals;
}

/** Keys of the folders that hold something that stays, at whatever depth. What a folder holds comes after it, so the end is read first. */
function staying(
  context: Context,
  rows: readonly Row[],
  { side, mayNotGo }: { readonly side: Side; readonly mayNotGo?: ReadonlySet<string> },
): ReadonlySet<string> {
  const stays = new Set<string>();
  for (const row of rows.toReversed()) {
    if (context.surveys[side].stays.has(row.key) || mayNotGo?.has(row.key) === true) stays.add(row.key);
    const blocked = isBlocked(row) && entriesOf(row, side).length > 0;
    if (blocked || stays.has(row.key)) stays.add(folderOf(row.key));
  }
  return stays;
}

/** Keys of the folders that may have been there all along: where the other side has no empty ones, its lack of them says nothing. */
function unprovenFolders(context: Context, rows: readonly Row[], side: Side): ReadonlySet<string> {
  const found = new Set<string>();
  if (context.sides[otherSide(side)].traits.hasDirs) return found;
  const held = filled(rows, side);
  for (const row of rows) if (row[side]?.kind === "dir" && !held.has(row.key)) found.add(row.key);
  return found;
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
}

function mayGo(context: Context, key: string, { side, stays }: Going): boolean {
  return !stays.has(key) && context.sides[side].traits.hasDirs;
}

function removal(context: Context, target: Entry, side: Side): Action {
  const kept = target.kind === "dir" ? {} : keepOf(context, target, side);
  return { do: "remove", to: side, path: target.path, why: "gone", target, ...kept };
}
