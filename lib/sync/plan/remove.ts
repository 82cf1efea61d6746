import { type Action, type Entry, otherSide, type Side } from "../../core/entry.ts";
import { isBlocked, passOver } from "./blocked.ts";
import { type Context, entriesOf, folderOf, keepOf } from "./context.ts";
import { forget } from "./changes.ts";
import { replay, type Row } from "./rows.ts";
import { countUntraced } from "./deletion_evidence.ts";
import { isLeaf } from "../common/leaves.ts";

/**
 * Plans the removal from `side` of what the other side lacks: the row, and everything below it, in path order (the plan
 * is carried out with folders from the end, so that they are empty by then). Links, special files and unreadable
 * entries stay, and so does each folder that contains something that stays.
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

/** Returns why what the other side lacks is no deletion there. In mode Both that was checked before. */
function untracedIn({ options, draft }: Context, rows: readonly Row[], side: Side): string | undefined {
  const known = rows[0]?.known;
  if (options.mode === "Both" || known === undefined) return undefined;
  const across = otherSide(side);
  const untraced = options.untraced(known.path, across);
  if (untraced === undefined) return undefined;
  countUntraced(draft, untraced, { side: across, count: rows.filter((row) => isLeaf(row[side])).length });
  return `nothing shows that it was deleted on the ${across} side`;
}

/** Returns the removals of everything in a folder, in path order; undefined if something in it must stay. */
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

/**
 * Returns the keys of the folders that contain something that stays, at any depth. Rows are read from the end, since a
 * folder's content follows it.
 */
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

/**
 * Returns the keys of the folders that may be old ones: if the other side has no empty folders, their absence there
 * proves nothing.
 */
function unprovenFolders(context: Context, rows: readonly Row[], side: Side): ReadonlySet<string> {
  const found = new Set<string>();
  if (context.sides[otherSide(side)].traits.hasDirs) return found;
  const held = filled(rows, side);
  for (const row of rows) if (row[side]?.kind === "dir" && !held.has(row.key)) found.add(row.key);
  return found;
}

/** Returns the keys of the folders that contain a file at any depth, or contained one at the last run. */
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
