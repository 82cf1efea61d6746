import { otherSide, type Side } from "../../core/entry.ts";
import { isBlocked, skipBlocked } from "./blocked.ts";
import { folderOf, type PlanContext } from "./context.ts";
import { recordEqual, removeFromHistory } from "./changes.ts";
import { createRow, refuseType, replaceType } from "./create.ts";
import { planLinks, planPair } from "./pair.ts";
import { removeBlock } from "./remove.ts";
import { replay, type Row, type Rows } from "./rows.ts";
import { isLeaf } from "../common/leaves.ts";

/** Plans the modes Local and Remote: side `to` becomes like the other side, which is never changed. */
export function planOneWay(context: PlanContext, rows: Rows, to: Side): void {
  const from = otherSide(to);
  for (let row = rows.next(); row !== undefined; row = rows.next()) {
    const source = row[from];
    const target = row[to];
    if (isBlocked(row)) skipBlocked(context, row, rows);
    else if (source === undefined && target === undefined) removeUnlessUnnamed(context, row);
    else if (source === undefined) planObsolete(context, row, { to, rows });
    else if (target === undefined) planNew(context, row, { to, rows });
    else if (source.kind === "dir" && target.kind === "dir") recordEqual(context, row);
    else if (row.local?.kind === "file" && row.remote?.kind === "file") {
      planPair(context, { row, local: row.local, remote: row.remote, to });
    } else if (source.kind === "link" && target.kind === "link") planLinks(context, row, { to, source, target });
    else planOtherType(context, row, { to, rows });
  }
}

/** Removes from history what neither side has, unless it may be one of the names that a side cannot list. */
export function removeUnlessUnnamed(context: PlanContext, row: Row): void {
  const folder = folderOf(row.key);
  const { local, remote } = context.folderFacts;
  if (!local.unnamed.has(folder) && !remote.unnamed.has(folder)) removeFromHistory(context, row.base);
}

interface RowTarget {
  readonly to: Side;
  readonly rows: Rows;
}

function planObsolete(context: PlanContext, row: Row, { to, rows }: RowTarget): void {
  const below = rows.takeBelow(row.key);
  if (context.options.remove) return removeBlock(context, row, { side: to, below });
  const block = replay([row, ...below]);
  for (let one = block.next(); one !== undefined; one = block.next()) {
    if (isBlocked(one)) {
      skipBlocked(context, one, block);
      continue;
    }
    if (isLeaf(one[to])) context.builder.counts.onlyThere++;
    removeFromHistory(context, one.base);
  }
}

function planNew(context: PlanContext, row: Row, { to, rows }: RowTarget): void {
  if (!context.options.skipNew) return createRow(context, row, { to, rows, why: "new" });
  if (isLeaf(row[otherSide(to)])) context.builder.counts.skippedNew++;
  removeFromHistory(context, row.base);
}

function planOtherType(context: PlanContext, row: Row, { to, rows }: RowTarget): void {
  const { options, builder } = context;
  const target = row[to];
  if (target !== undefined && (options.skipModified || (options.skipNew && row[otherSide(to)]?.kind === "dir"))) {
    rows.takeBelow(row.key);
    const why = "it is of another type on the other side, and such changes are skipped";
    builder.notes.push({ code: "skippedModified", path: target.path, side: to, why });
  } else if (options.remove) replaceType(context, row, { to, rows });
  else refuseType(context, row, { to, rows });
}
