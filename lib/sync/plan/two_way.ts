import { type LinkEntry, otherSide, type Side } from "../../core/entry.ts";
import { isBlocked, skipBlocked } from "./blocked.ts";
import { copyOver, planFiles, skipPath, type VersionPair } from "./two_way_files.ts";
import { leaveOpen } from "./conflict.ts";
import { type PlanContext, requestChecksum } from "./context.ts";
import { isDoubtful } from "./doubt.ts";
import { comparesChecksum, entryChange, findNewContent, recordEqual } from "./changes.ts";
import { createAll, createRow, replaceType } from "./create.ts";
import { removeUnlessUnnamed } from "./one_way.ts";
import { removeBlock } from "./remove.ts";
import { replay, type Row, type Rows } from "./rows.ts";
import { countUnprovenAbsence } from "./deletion_evidence.ts";
import { describeKind } from "../common/text.ts";
import { isLeaf } from "../common/leaves.ts";

/**
 * Plans mode Both by three-way comparison. Changes of only one side since the last run are propagated to the other
 * side. New content wins over a deletion. New content on both sides is a conflict, resolved by the policy. A path
 * unknown to history is new on whichever side it is, so without history nothing is ever removed.
 */
export function planTwoWay(context: PlanContext, rows: Rows): void {
  for (let row = rows.next(); row !== undefined; row = rows.next()) {
    const { local, remote } = row;
    if (isBlocked(row)) skipBlocked(context, row, rows);
    else if (local === undefined && remote === undefined) removeUnlessUnnamed(context, row);
    else if (local === undefined) planOneSided(context, row, { on: "remote", rows });
    else if (remote === undefined) planOneSided(context, row, { on: "local", rows });
    else if (local.kind === "dir" && remote.kind === "dir") recordEqual(context, row);
    else if (local.kind === "file" && remote.kind === "file") planFiles(context, { row, rows, local, remote });
    else if (local.kind === "link" && remote.kind === "link") planLinks(context, { row, rows, local, remote });
    else planTypes(context, row, rows);
  }
}

/**
 * Plans an entry that only one side has: it is new there, or was deleted on the other side. New content below a deleted
 * folder restores the whole folder.
 */
function planOneSided(context: PlanContext, row: Row, { on, rows }: { on: Side; rows: Rows }): void {
  const { options, builder } = context;
  const to = otherSide(on);
  if (row.base === undefined) {
    if (!options.skipNew) createRow(context, row, { to, rows, why: "new" });
    else if (isLeaf(row[on])) builder.counts.skippedNew++;
    return;
  }
  const below = rows.takeBelow(row.key);
  const block = [row, ...below];
  const found = options.remove ? findNewContent(context, on, block) : "some";
  if (found === "ask") return requestChecksums(context, block, on);
  const untraced = found === "none" ? options.unprovenAbsence(row.base.path, to) : undefined;
  if (untraced !== undefined) countUnprovenAbsence(builder, untraced, { side: to, count: countLeavesOn(block, on) });
  else if (found === "none") return removeBlock(context, row, { side: on, below });
  if (isUnsupportedEmptyFolder(context, row, { to, block })) return;
  createAll(context, replay(block), to);
}

function countLeavesOn(rows: readonly Row[], side: Side): number {
  return rows.filter((row) => isLeaf(row[side])).length;
}

/** Whether the row is an empty folder that side `to` lacks only because it cannot hold empty folders. */
function isUnsupportedEmptyFolder(
  context: PlanContext,
  row: Row,
  { to, block }: { to: Side; block: readonly Row[] },
): boolean {
  return row[otherSide(to)]?.kind === "dir" && !context.sides[to].traits.hasDirs && block.length === 1;
}

function planLinks(context: PlanContext, pair: VersionPair<LinkEntry>): void {
  const { row, local, remote } = pair;
  if (local.target === remote.target) return recordEqual(context, row);
  if (context.options.skipModified) return skipPath(context, pair);
  const here = entryChange(context, "local", local, row.base);
  const there = entryChange(context, "remote", remote, row.base);
  if (here === "same") return copyOver(context, pair, "remote");
  if (there === "same") return copyOver(context, pair, "local");
  leaveOpen(context, { ...pair, why: "both sides changed where this link points, and a link cannot be kept twice" });
}

/** Plans a file opposite a folder or a link: the side whose content is all known to history is replaced. */
function planTypes(context: PlanContext, row: Row, rows: Rows): void {
  const below = rows.takeBelow(row.key);
  const block = [row, ...below];
  const here = findNewContent(context, "local", block);
  const there = findNewContent(context, "remote", block);
  if (context.options.skipModified) return skipPath(context, { row, rows });
  if (here === "ask" || there === "ask") {
    requestChecksums(context, block, "local");
    return requestChecksums(context, block, "remote");
  }
  if (here === "some" && there === "some") {
    const [mine, yours] = [row.local, row.remote].map((entry) => entry === undefined ? "nothing" : describeKind(entry));
    return leaveOpen(context, {
      row,
      rows,
      why: `it is ${mine} on the local side and ${yours} on the remote side, both new`,
    });
  }
  const to: Side = here === "some" ? "remote" : "local";
  const rest = replay(below);
  replaceType(context, row, { to, rows: rest });
  createAll(context, rest, to);
}

function requestChecksums(context: PlanContext, rows: readonly Row[], side: Side): void {
  const { undecided: open, free, unproven: unsure } = context.builder;
  for (const row of rows) {
    const entry = row[side];
    if (entry?.kind !== "file" || entryChange(context, side, entry, row.base) !== "ask") continue;
    const isHidden = row.base !== undefined && isDoubtful(context, side, entry, row.base);
    requestChecksum(comparesChecksum(context) ? open : isHidden ? unsure : free, row);
  }
}
