import {
  type FileEntry,
  type Known,
  type LinkEntry,
  otherSide,
  type Reason,
  type Side,
  sides as bothSides,
} from "../../core/entry.ts";
import { isClose, sameChecksum } from "../common/criteria.ts";
import { settle, winnerOf } from "./conflict.ts";
import { askFor, type Context, keepOf, refuse } from "./context.ts";
import { canHideEdit, countUnproven, driftOf, inDoubt, isFine, weaknessOf } from "./doubt.ts";
import {
  brokenSide,
  comparesTime,
  editTimes,
  isProvisional,
  learn,
  sameContent,
  type Since,
  since,
  wantsChecksum,
} from "./changes.ts";
import type { Row, Rows } from "./rows.ts";

/** Both versions of one name. */
export interface Versions<T> {
  readonly row: Row;
  readonly rows: Rows;
  readonly local: T;
  readonly remote: T;
}

/** Plans a file that both sides have. */
export function planFiles(context: Context, pair: Versions<FileEntry>): void {
  const { row, local, remote } = pair;
  const known = row.known?.kind === "file" ? row.known : undefined;
  if (known === undefined) return reconcile(context, pair);
  const broken = brokenSide(context, pair, known);
  if (broken !== undefined) return propagate(context, pair, otherSide(broken));
  // Recorded before a first copy that never began: the two were never known to be equal.
  if (known.begun !== undefined && known[otherSide(known.begun)] === undefined) return reconcile(context, pair);
  const equal = sameChecksum(local.checksum, remote.checksum);
  const found = { local: since(context, "local", local, known), remote: since(context, "remote", remote, known) };
  const doubted = inDoubt(context, pair, known);
  const isStill = bothSides.every((side) => driftOf(context, side, pair[side], known) === "still");
  // If the other side changed and history has no checksum, reading this side proves nothing.
  const isTelling = doubted.length > 0 && (isStill || known.checksum !== undefined);
  if (isTelling && context.options.ask === "free" && !context.options.skipModified) {
    return askFor(context.draft.unsure, row);
  }
  countUnproven(context, pair, doubted);
  const [here, there] = bothSides.map((side) => {
    if (isUntouchedBeside(pair, known, { side, found }) || doubted.includes(side)) return "same";
    if (equal === false && isClearedByOther(context, pair, known, side)) return "same";
    return resolve(context, found[side], equal);
  });
  if (here === "same" && there === "same") {
    const isSettled = doubted.length > 0 || known.begun !== undefined || isProven(context, pair, known);
    return isSettled ? learn(context, row, known.checksum) : undefined;
  }
  if (here === "unsettled" || there === "unsettled") return refuseUnsettled(context, row);
  const verdict = [here, there];
  if (verdict.includes("ask")) return context.options.skipModified ? undefined : askFor(context.draft.open, row);
  if (verdict.includes("askFree")) {
    const haveMoved = verdict.every((one) => one === "askFree" || one === "changed");
    const isHidden = haveMoved && sameContent(context, local, remote) === true;
    return askFor(isHidden ? context.draft.unsure : context.draft.free, row);
  }
  const changedHere = here === "changed";
  const changedThere = there === "changed";
  if (changedHere && changedThere) return reconcile(context, pair);
  if (equal === true || (!changedHere && !changedThere)) {
    // Times that are unchanged since both sides were equal need no correction.
    if (isStill) return learn(context, row, known.checksum);
    return mend(context, pair, here === "same" ? "remote" : there === "same" ? "local" : undefined);
  }
  propagate(context, pair, changedHere ? "local" : "remote");
}

/** Whether a checksum proved that the marks which could hide an edit hid none. */
function isProven(context: Context, pair: Versions<FileEntry>, known: Known): boolean {
  const doubted = bothSides.filter((side) => canHideEdit(context, side, pair[side], known));
  return doubted.length > 0 &&
    doubted.every((side) => sameChecksum(pair[side].checksum, known.checksum) === true);
}

/**
 * Whether the other side alone explains the different contents: this side's file is unchanged by its marks, and the
 * other side's time or size changed, or only the other side's mark could hide an edit.
 */
function isClearedByOther(context: Context, pair: Versions<FileEntry>, known: Known, side: Side): boolean {
  if (wantsChecksum(context) || !comparesTime(context) || known.checksum !== undefined) return false;
  if (driftOf(context, side, pair[side], known) !== "still") return false;
  const other = otherSide(side);
  if (driftOf(context, other, pair[other], known) !== "still") return true;
  return canHideEdit(context, other, pair[other], known) && !canHideEdit(context, side, pair[side], known);
}

interface Standing {
  readonly side: Side;
  readonly found: Readonly<Record<Side, Since>>;
}

/**
 * Whether this side is taken as unchanged: history has no checksum to compare with, and only the other side shows a
 * change.
 */
function isUntouchedBeside({ local, remote }: Versions<FileEntry>, known: Known, { side, found }: Standing): boolean {
  const other = found[otherSide(side)];
  const differ = local.size !== remote.size || sameChecksum(local.checksum, remote.checksum) === false;
  const isOtherChanged = other === "changed" || other === "touched";
  return differ && isOtherChanged && found[side] === "unsure" && known.checksum === undefined &&
    !isProvisional(known, side);
}

type Resolved = "same" | "moved" | "changed" | "ask" | "askFree" | "unsettled";

/**
 * Decides an unproven state or requests a checksum. Without a checksum, equal marks mean "same" and other marks mean
 * "changed". `equal`: whether both sides' checksums are equal.
 */
function resolve(context: Context, found: Since, equal: boolean | undefined): Resolved {
  if (found === "same" || found === "moved" || found === "changed") return found;
  if (equal === true) return "moved";
  if (equal === false) return "changed";
  const { ask, skipModified } = context.options;
  if (wantsChecksum(context)) return ask === "nothing" ? "unsettled" : "ask";
  if (ask === "free" && !skipModified) return "askFree";
  return found === "unsure" ? "same" : "changed";
}

/** Plans two versions that history does not know. */
function reconcile(context: Context, pair: Versions<FileEntry>): void {
  const { row, local, remote } = pair;
  const { ask, skipModified } = context.options;
  const equal = sameContent(context, local, remote);
  const isProof = sameChecksum(local.checksum, remote.checksum) === true;
  if (equal === true && isProof) return mend(context, pair, undefined);
  const weakness = equal === true ? weaknessOf(context, pair) : undefined;
  // Two edits of files that were equal may have the same time at one clock step: then equal times prove little.
  const wereInStep = equal === true && row.known?.kind === "file" && comparesTime(context);
  const isHidden = wereInStep && !isFine(context, pair);
  if (wereInStep || (equal === true && weakness !== undefined)) {
    const { unsure, free } = context.draft;
    if (ask === "free" && !skipModified) return askFor(wereInStep || weakness === "young" ? unsure : free, row);
    if (!isHidden) countUnproven(context, pair, bothSides);
  }
  if (equal === true && !isHidden) return learn(context, row);
  if (skipModified) return skip(context, pair);
  if (equal === undefined || isHidden) {
    if (wantsChecksum(context)) {
      return ask === "nothing" ? refuseUnsettled(context, row) : askFor(context.draft.open, row);
    }
    if (ask === "free" && !isHidden) {
      return askFor(context.draft[isCarriedTwice(context, pair) ? "doubtful" : "free"], row);
    }
  }
  const why = row.known === undefined ? "both sides have it, with other content" : "it changed on both sides";
  settle(context, { ...pair, why });
}

/** Whether a conflict would transfer both versions. Reading one of them for a comparison then costs less. */
function isCarriedTwice(context: Context, pair: Versions<FileEntry>): boolean {
  return context.options.conflict !== "Skip" && winnerOf(context, pair) === undefined;
}

/** Replaces one side's version by the other side's, which supersedes it. */
export function propagate(context: Context, pair: Versions<FileEntry | LinkEntry>, from: Side): void {
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
 * Records proven equal content in history. Different times are corrected if possible: the time of the side `touched` is
 * set on the other; if it is unknown, the earlier time is taken for the time of the edit.
 */
function mend(context: Context, { row, local, remote }: Versions<FileEntry>, touched: Side | undefined): void {
  const verdict = editTimes(context, local, remote);
  const isOne = verdict === "same" || verdict === "unknown" || isClose(local.modified, remote.modified);
  if (isOne || context.options.skipModified) {
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

function refuseUnsettled(context: Context, row: Row): void {
  const path = row.local?.path ?? row.remote?.path;
  if (path === undefined) return;
  const why = "its content could not be compared: the two sides give no checksum of one kind";
  refuse(context, "remote", { path, kind: "unsupported", why });
}

/** Leaves a path and everything below it out of the plan; history keeps its entries. */
export function skip(context: Context, { row, rows }: Omit<Versions<unknown>, Side>): void {
  rows.below(row.key);
  const path = row.local?.path ?? row.remote?.path;
  if (path === undefined) return;
  context.draft.notes.push({ code: "skippedModified", path, why: "the sides differ, and modified files are skipped" });
}
