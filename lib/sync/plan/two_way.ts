import { type LinkEntry, otherSide, type Side } from "../../core/entry.ts";
import { isBlocked, passOver } from "./blocked.ts";
import { planFiles, propagate, skip, type Versions } from "./two_way_files.ts";
import { leaveOpen } from "./conflict.ts";
import { askFor, type Context } from "./context.ts";
import { isDoubted } from "./doubt.ts";
import { learn, newContent, standingOf, wantsChecksum } from "./changes.ts";
import { makeAll, makeRow, replaceType } from "./create.ts";
import { forgetUnlessUnnamed } from "./one_way.ts";
import { removeBlock } from "./remove.ts";
import { replay, type Row, type Rows } from "./rows.ts";
import { countUntraced } from "./deletion_evidence.ts";
import { kindOf } from "../common/text.ts";
import { isLeaf } from "../common/leaves.ts";

/**
 * Plans mode Both by three-way comparison. Changes of only one side since the last run are propagated to the other
 * side. New content wins over a deletion. New content on both sides is a conflict, resolved by the policy. A path
 * unknown to history is new on whichever side it is, so without history nothing is ever removed.
 */
export function planBoth(context: Context, rows: Rows): void {
  for (let row = rows.next(); row !== undefined; row = rows.next()) {
    const { local, remote } = row;
    if (isBlocked(row)) passOver(context, row, rows);
    else if (local === undefined && remote === undefined) forgetUnlessUnnamed(context, row);
    else if (local === undefined) planOneSided(context, row, { on: "remote", rows });
    else if (remote === undefined) planOneSided(context, row, { on: "local", rows });
    else if (local.kind === "dir" && remote.kind === "dir") learn(context, row);
    else if (local.kind === "file" && remote.kind === "file") planFiles(context, { row, rows, local, remote });
    else if (local.kind === "link" && remote.kind === "link") planLinks(context, { row, rows, local, remote });
    else planTypes(context, row, rows);
  }
}

/**
 * Plans an entry that only one side has: it is new there, or was deleted on the other side. New content below a deleted
 * folder restores the whole folder.
 */
function planOneSided(context: Context, row: Row, { on, rows }: { on: Side; rows: Rows }): void {
  const { options, draft } = context;
  const to = otherSide(on);
  if (row.known === undefined) {
    if (!options.skipNew) makeRow(context, row, { to, rows, why: "new" });
    else if (isLeaf(row[on])) draft.counts.skippedNew++;
    return;
  }
  const below = rows.below(row.key);
  const block = [row, ...below];
  const found = options.remove ? newContent(context, on, block) : "some";
  if (found === "ask") return askForNew(context, block, on);
  const untraced = found === "none" ? options.untraced(row.known.path, to) : undefined;
  if (untraced !== undefined) countUntraced(draft, untraced, { side: to, count: leavesOf(block, on) });
  else if (found === "none") return removeBlock(context, row, { side: on, below });
  if (isGoneForLackOfFolders(context, row, { to, block })) return;
  makeAll(context, replay(block), to);
}

function leavesOf(rows: readonly Row[], side: Side): number {
  return rows.filter((row) => isLeaf(row[side])).length;
}

/** Whether the row is an empty folder that side `to` lacks only because it cannot hold empty folders. */
function isGoneForLackOfFolders(
  context: Context,
  row: Row,
  { to, block }: { to: Side; block: readonly Row[] },
): boolean {
  return row[otherSide(to)]?.kind === "dir" && !context.sides[to].traits.hasDirs && block.length === 1;
}

function planLinks(context: Context, pair: Versions<LinkEntry>): void {
  const { row, local, remote } = pair;
  if (local.target === remote.target) return learn(context, row);
  if (context.options.skipModified) return skip(context, pair);
  const here = standingOf(context, "local", local, row.known);
  const there = standingOf(context, "remote", remote, row.known);
  if (here === "same") return propagate(context, pair, "remote");
  if (there === "same") return propagate(context, pair, "local");
  leaveOpen(context, { ...pair, why: "both sides changed where this link points, and a link cannot be kept twice" });
}

/** Plans a file opposite a folder or a link: the side whose content is all known to history is replaced. */
function planTypes(context: Context, row: Row, rows: Rows): void {
  const below = rows.below(row.key);
  const block = [row, ...below];
  const here = newContent(context, "local", block);
  const there = newContent(context, "remote", block);
  if (context.options.skipModified) return skip(context, { row, rows });
  if (here === "ask" || there === "ask") {
    askForNew(context, block, "local");
    return askForNew(context, block, "remote");
  }
  if (here === "some" && there === "some") {
    const [mine, yours] = [row.local, row.remote].map((entry) => entry === undefined ? "nothing" : kindOf(entry));
    return leaveOpen(context, {
      row,
      rows,
      why: `it is ${mine} on the local side and ${yours} on the remote side, both new`,
    });
  }
  const to: Side = here === "some" ? "remote" : "local";
  const rest = replay(below);
  replaceType(context, row, { to, rows: rest });
  makeAll(context, rest, to);
}

function askForNew(context: Context, rows: readonly Row[], side: Side): void {
  const { open, free, unsure } = context.draft;
  for (const row of rows) {
    const entry = row[side];
    if (entry?.kind !== "file" || standingOf(context, side, entry, row.known) !== "ask") continue;
    const isHidden = row.known !== undefined && isDoubted(context, side, entry, row.known);
    askFor(wantsChecksum(context) ? open : isHidden ? unsure : free, row);
  }
}
