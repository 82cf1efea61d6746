import { otherSide, type Side } from "../../core/entry.ts";
import { isBlocked, passOver } from "./blocked.ts";
import { type Context, folderOf } from "./context.ts";
import { forget, learn } from "./changes.ts";
import { makeRow, refuseType, replaceType } from "./create.ts";
import { planLinks, planPair } from "./pair.ts";
import { removeBlock } from "./remove.ts";
import { replay, type Row, type Rows } from "./rows.ts";
import { isLeaf } from "../common/leaves.ts";

/** Plans the modes Local and Remote: side `to` becomes like the other side, which is never changed. */
export function planOneWay(context: Context, rows: Rows, to: Side): void {
  const from = otherSide(to);
  for (let row = rows.next(); row !== undefined; row = rows.next()) {
    const source = row[from];
    const target = row[to];
    if (isBlocked(row)) passOver(context, row, rows);
    else if (source === undefined && target === undefined) forgetUnlessUnnamed(context, row);
    else if (source === undefined) planObsolete(context, row, { to, rows });
    else if (target === undefined) planNew(context, row, { to, rows });
    else if (source.kind === "dir" && target.kind === "dir") learn(context, row);
    else if (row.local?.kind === "file" && row.remote?.kind === "file") {
      planPair(context, { row, local: row.local, remote: row.remote, to });
    } else if (source.kind === "link" && target.kind === "link") planLinks(context, row, { to, source, target });
    else planOtherType(context, row, { to, rows });
  }
}

/** Removes from history what neither side has, unless it may be one of the names that a side cannot list. */
export function forgetUnlessUnnamed(context: Context, row: Row): void {
  const folder = folderOf(row.key);
  const { local, remote } = context.surveys;
  if (!local.unnamed.has(folder) && !remote.unnamed.has(folder)) forget(context, row.known);
}

interface Where {
  readonly to: Side;
  readonly rows: Rows;
}

function planObsolete(context: Context, row: Row, { to, rows }: Where): void {
  const below = rows.below(row.key);
  if (context.options.remove) return removeBlock(context, row, { side: to, below });
  const block = replay([row, ...below]);
  for (let one = block.next(); one !== undefined; one = block.next()) {
    if (isBlocked(one)) {
      passOver(context, one, block);
      continue;
    }
    if (isLeaf(one[to])) context.draft.counts.onlyThere++;
    forget(context, one.known);
  }
}

function planNew(context: Context, row: Row, { to, rows }: Where): void {
  if (!context.options.skipNew) return makeRow(context, row, { to, rows, why: "new" });
  if (isLeaf(row[otherSide(to)])) context.draft.counts.skippedNew++;
  forget(context, row.known);
}

function planOtherType(context: Context, row: Row, { to, rows }: Where): void {
  const { options, draft } = context;
  const target = row[to];
  if (target !== undefined && (options.skipModified || (options.skipNew && row[otherSide(to)]?.kind === "dir"))) {
    rows.below(row.key);
    const why = "it is of another type on the other side, and such changes are skipped";
    draft.notes.push({ code: "skippedModified", path: target.path, side: to, why });
  } else if (options.remove) replaceType(context, row, { to, rows });
  else refuseType(context, row, { to, rows });
}
