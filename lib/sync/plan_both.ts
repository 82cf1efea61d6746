import {
  type FileEntry,
  type Known,
  type LinkEntry,
  otherSide,
  type Reason,
  type Side,
  sides as bothSides,
} from "../types.ts";
import { sameChecksum } from "./criteria.ts";
import { isBlocked, passOver } from "./plan_blocked.ts";
import { leaveOpen, settle, winnerOf } from "./plan_conflict.ts";
import { askFor, type Context, isLeaf, keepOf, kindOf, refuse } from "./plan_context.ts";
import {
  brokenSide,
  editTimes,
  isProvisional,
  learn,
  newContent,
  sameContent,
  type Since,
  since,
  standingOf,
  wantsChecksum,
} from "./plan_history.ts";
import { makeAll, makeRow, replaceType } from "./plan_make.ts";
import { forgetUnlessUnnamed } from "./plan_oneway.ts";
import { removeBlock } from "./plan_remove.ts";
import { replay, type Row, type Rows } from "./plan_rows.ts";
import { countUntraced } from "./plan_trace.ts";

/**
 * Mode Both, by the three-way rules. What only one side changed since history was written goes to the other side; a deletion yields to
 * new content; where both have new content there is a conflict, settled by the policy. A path unknown to history is new wherever it is,
 * so without history nothing is ever removed.
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

/** Only one side has it: it is new there, or it was deleted on the other side. New content below a deleted folder brings all of it back. */
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

/** A side without empty folders has lost nothing when it lacks one. */
function isGoneForLackOfFolders(
  context: Context,
  row: Row,
  { to, block }: { to: Side; block: readonly Row[] },
): boolean {
  return row[otherSide(to)]?.kind === "dir" && !context.sides[to].traits.hasDirs && block.length === 1;
}

interface Versions<T> {
  readonly row: Row;
  readonly rows: Rows;
  readonly local: T;
  readonly remote: T;
}

function planFiles(context: Context, pair: Versions<FileEntry>): void {
  const { row, local, remote } = pair;
  const known = row.known?.kind === "file" ? row.known : undefined;
  if (known === undefined) return reconcile(context, pair);
  const broken = brokenSide(context, pair, known);
  if (broken !== undefined) return propagate(context, pair, otherSide(broken));
  // Noted before a first copy that never began: both were never known to be equal.
  if (known.begun !== undefined && known[otherSide(known.begun)] === undefined) return reconcile(context, pair);
  const equal = sameChecksum(local.checksum, remote.checksum);
  const found = { local: since(context, "local", local, known), remote: since(context, "remote", remote, known) };
  const [here, there] = bothSides.map((side) =>
    isUntouchedBeside(pair, known, { side, found }) ? "same" : resolve(context, found[side], equal)
  );
  if (here === "same" && there === "same") {
    if (isProven(pair, known) || known.begun !== undefined) learn(context, row, known.checksum);
    return;
  }
  if (here === "unsettled" || there === "unsettled") return refuseUnsettled(context, row);
  const verdict = [here, there];
  if (verdict.includes("ask")) return context.options.skipModified ? undefined : askFor(context.draft.open, row);
  if (verdict.includes("askFree")) return askFor(context.draft.free, row);
  const changedHere = here === "changed";
  const changedThere = there === "changed";
  if (changedHere && changedThere) return reconcile(context, pair);
  if (equal === true || (!changedHere && !changedThere)) {
    return mend(context, pair, here === "same" ? "remote" : there === "same" ? "local" : undefined);
  }
  propagate(context, pair, changedHere ? "local" : "remote");
}

/** Has a checksum shown that a mark too young to be trusted was right? */
function isProven(pair: Versions<FileEntry>, known: Known): boolean {
  const doubted = bothSides.filter((side) => isProvisional(known, side));
  return doubted.length > 0 &&
    doubted.every((side) => sameChecksum(pair[side].checksum, known.checksum) === true);
}

interface Standing {
  readonly side: Side;
  readonly found: Readonly<Record<Side, Since>>;
}

/** History holds no checksum to compare with, and only the other side shows a change: this one is taken for what it looks like. */
function isUntouchedBeside({ local, remote }: Versions<FileEntry>, known: Known, { side, found }: Standing): boolean {
  const other = found[otherSide(side)];
  const differ = local.size !== remote.size || sameChecksum(local.checksum, remote.checksum) === false;
  const isOtherChanged = other === "changed" || other === "touched";
  return differ && isOtherChanged && found[side] === "unsure" && known.checksum === undefined &&
    !isProvisional(known, side);
}

type Resolved = "same" | "moved" | "changed" | "ask" | "askFree" | "unsettled";

/** What stays unproven is asked for, or decided: looks the same → the same, looks touched → changed. `equal`: both sides' checksums. */
function resolve(context: Context, found: Since, equal: boolean | undefined): Resolved {
  if (found === "same" || found === "moved" || found === "changed") return found;
  if (equal === true) return "moved";
  if (equal === false) return "changed";
  const { ask, skipModified } = context.options;
  if (wantsChecksum(context)) return ask === "nothing" ? "unsettled" : "ask";
  if (ask === "free" && !skipModified) return "askFree";
  return found === "unsure" ? "same" : "changed";
}

/** Both have a version that history does not know. */
function reconcile(context: Context, pair: Versions<FileEntry>): void {
  const { row, local, remote } = pair;
  const equal = sameContent(context, local, remote);
  if (equal === true && sameChecksum(local.checksum, remote.checksum) === true) return mend(context, pair, undefined);
  if (equal === true) return learn(context, row);
  if (context.options.skipModified) return skip(context, pair);
  if (equal === undefined) {
    const { ask } = context.options;
    if (wantsChecksum(context)) {
      return ask === "nothing" ? refuseUnsettled(context, row) : askFor(context.draft.open, row);
    }
    if (ask === "free") return askFor(context.draft[isCarriedTwice(context, pair) ? "doubtful" : "free"], row);
  }
  const why = row.known === undefined ? "both sides have it, with other content" : "it changed on both sides";
  settle(context, { ...pair, why });
}

/** Would a conflict carry both versions? Then reading one to compare them costs less. */
function isCarriedTwice(context: Context, pair: Versions<FileEntry>): boolean {
  return context.options.conflict !== "Skip" && winnerOf(context, pair) === undefined;
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

/** A file against a folder or a link: the side whose content is all known to history yields. */
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

/** One side's version supersedes the other's. */
function propagate(context: Context, pair: Versions<FileEntry | LinkEntry>, from: Side): void {
  if (context.options.skipModified) return skip(context, pair);
  const to = otherSide(from);
  const [source, target] = [pair[from], pair[otherSide(from)]];
  const why = reasonFor(context, { source, target, from });
  const kept = keepOf(context, target, to);
  context.draft.actions.push({ do: "copy", to, path: target.path, why, source, replaces: target, ...kept });
}

interface Superseding {
  readonly source: FileEntry | LinkEntry;
  readonly target: FileEntry | LinkEntry;
  readonly from: Side;
}

function reasonFor(context: Context, { source, target, from }: Superseding): Reason {
  if (source.kind !== "file" || target.kind !== "file") return "checksum";
  const [local, remote] = from === "local" ? [source, target] : [target, source];
  const verdict = editTimes(context, local, remote);
  if (verdict === (from === "local" ? "localNewer" : "remoteNewer")) return "newer";
  return source.size === target.size ? "checksum" : "size";
}

/**
 * Content proven equal: history learns it. Times that differ are set right where they can be: the touched side's time goes to the other, and
 * where nobody knows who touched, the earlier one is taken for the time of the edit.
 */
function mend(context: Context, { row, local, remote }: Versions<FileEntry>, touched: Side | undefined): void {
  const verdict = editTimes(context, local, remote);
  if (verdict === "same" || verdict === "unknown" || context.options.skipModified) {
    return learn(context, row, row.known?.checksum);
  }
  const earlier: Side = verdict === "localNewer" ? "remote" : "local";
  const from = touched ?? earlier;
  const to = otherSide(from);
  const [source, target] = from === "local" ? [local, remote] : [remote, local];
  if (source.modified === undefined) return;
  const { modified } = source;
  context.draft.actions.push({ do: "touch", to, path: target.path, why: "newer", target, modified });
}

function askForNew(context: Context, rows: readonly Row[], side: Side): void {
  const list = wantsChecksum(context) ? context.draft.open : context.draft.free;
  for (const row of rows) {
    const entry = row[side];
    if (entry?.kind === "file" && standingOf(context, side, entry, row.known) === "ask") askFor(list, row);
  }
}

function refuseUnsettled(context: Context, row: Row): void {
  const path = row.local?.path ?? row.remote?.path;
  if (path === undefined) return;
  const why = "its content could not be compared: the two sides give no checksum of one kind";
  refuse(context, "remote", { path, kind: "unsupported", why });
}

/** Leaves plan and history of a path, and of what is below it, untouched. */
function skip(context: Context, { row, rows }: Omit<Versions<unknown>, Side>): void {
  rows.below(row.key);
  const path = row.local?.path ?? row.remote?.path;
  if (path === undefined) return;
  context.draft.notes.push({ code: "skippedModified", path, why: "the sides differ, and modified files are skipped" });
}
