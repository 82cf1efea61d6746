import { type FileEntry, type LinkEntry, otherSide, type Side, sides as bothSides } from "../../core/entry.ts";
import { areTimesClose, sameChecksum } from "../common/criteria.ts";
import { pickWinner, resolveConflict } from "./conflict.ts";
import { keepFields, type PlanContext, refuse, requestChecksum } from "./context.ts";
import {
  canHideEdit,
  countUnproven,
  doubtfulSides,
  editDirection,
  equalityWeakness,
  haveFineTimes,
  isAcceptedAlteration,
} from "./doubt.ts";
import {
  changeSince,
  type ChangeState,
  comparesChecksum,
  comparesTime,
  editTimes,
  findPartialSide,
  isUnproven,
  lacksChangeTime,
  recordEqual,
  sameContent,
} from "./changes.ts";
import type { Row, Rows } from "./rows.ts";
import type { BaseEntry } from "../../core/history.ts";
import type { Reason } from "../../core/plan.ts";

/** Both versions of one name. */
export interface VersionPair<T> {
  readonly row: Row;
  readonly rows: Rows;
  readonly local: T;
  readonly remote: T;
}

/** Plans a file that both sides have. */
export function planFiles(context: PlanContext, pair: VersionPair<FileEntry>): void {
  const { row, local, remote } = pair;
  const base = row.base?.kind === "file" ? row.base : undefined;
  if (base === undefined) return planBothChanged(context, pair);
  const broken = findPartialSide(context, pair, base);
  if (broken !== undefined) {
    // The remainder of a write under the final name is completed in place: it has no old content to protect.
    const inPlace = context.sides[broken].traits.directWrites === true;
    return copyOver(context, pair, otherSide(broken), inPlace ? { inPlace } : {});
  }
  // Recorded before a first copy that never began: the two were never known to be equal.
  if (base.partialSide !== undefined && base[otherSide(base.partialSide)] === undefined) {
    return planBothChanged(context, pair);
  }
  if (isAcceptedAlteration(context, pair, base)) return;
  const equal = sameChecksum(local.checksum, remote.checksum);
  const found = {
    local: changeSince(context, "local", local, base),
    remote: changeSince(context, "remote", remote, base),
  };
  const doubted = doubtfulSides(context, pair, base);
  const isStill = bothSides.every((side) => editDirection(context, side, pair[side], base) === "still");
  // If the other side changed and history has no checksum, reading this side proves nothing.
  const isTelling = doubted.length > 0 && (isStill || base.checksum !== undefined);
  if (isTelling && context.options.checksumPolicy === "free" && !context.options.skipModified) {
    return requestChecksum(context.builder.unproven, row);
  }
  countUnproven(context, pair, doubted);
  const [here, there] = bothSides.map((side) => {
    if (isUnchangedBeside(pair, base, { side, found }) || doubted.includes(side)) return "same";
    if (equal === false && isExplainedByOther(context, pair, base, side)) return "same";
    return resolveChange(context, found[side], equal);
  });
  if (here === "same" && there === "same") {
    const isSettled = doubted.length > 0 || base.partialSide !== undefined || areDoubtsCleared(context, pair, base) ||
      lacksChangeTime(base, pair);
    return isSettled ? recordEqual(context, row, base.checksum) : undefined;
  }
  if (here === "unsettled" || there === "unsettled") return refuseUndecided(context, row);
  const verdict = [here, there];
  if (verdict.includes("ask")) {
    return context.options.skipModified ? undefined : requestChecksum(context.builder.undecided, row);
  }
  if (verdict.includes("askFree")) {
    const haveMoved = verdict.every((one) => one === "askFree" || one === "changed");
    const isHidden = haveMoved && sameContent(context, local, remote) === true;
    return requestChecksum(isHidden ? context.builder.unproven : context.builder.free, row);
  }
  const changedHere = here === "changed";
  const changedThere = there === "changed";
  if (changedHere && changedThere) return planBothChanged(context, pair);
  if (equal === true || (!changedHere && !changedThere)) {
    // Times that are unchanged since both sides were equal need no correction.
    if (isStill) return recordEqual(context, row, base.checksum);
    return alignTimes(context, pair, here === "same" ? "remote" : there === "same" ? "local" : undefined);
  }
  copyOver(context, pair, changedHere ? "local" : "remote");
}

/** Whether a checksum proved that the stamps which could hide an edit hid none. */
function areDoubtsCleared(context: PlanContext, pair: VersionPair<FileEntry>, base: BaseEntry): boolean {
  const doubted = bothSides.filter((side) => canHideEdit(context, side, pair[side], base));
  return doubted.length > 0 &&
    doubted.every((side) => sameChecksum(pair[side].checksum, base.checksum) === true);
}

/**
 * Whether the other side alone explains the different contents: this side's file is unchanged by its stamps, and the
 * other side's time or size changed, or only the other side's stamp could hide an edit.
 */
function isExplainedByOther(context: PlanContext, pair: VersionPair<FileEntry>, base: BaseEntry, side: Side): boolean {
  if (comparesChecksum(context) || !comparesTime(context) || base.checksum !== undefined) return false;
  if (editDirection(context, side, pair[side], base) !== "still") return false;
  const other = otherSide(side);
  if (editDirection(context, other, pair[other], base) !== "still") return true;
  return canHideEdit(context, other, pair[other], base) && !canHideEdit(context, side, pair[side], base);
}

interface SideChange {
  readonly side: Side;
  readonly found: Readonly<Record<Side, ChangeState>>;
}

/**
 * Whether this side is taken as unchanged: history has no checksum to compare with, and only the other side shows a
 * change.
 */
function isUnchangedBeside(
  { local, remote }: VersionPair<FileEntry>,
  base: BaseEntry,
  { side, found }: SideChange,
): boolean {
  const other = found[otherSide(side)];
  const differ = local.size !== remote.size || sameChecksum(local.checksum, remote.checksum) === false;
  const isOtherChanged = other === "changed" || other === "touched";
  return differ && isOtherChanged && found[side] === "unsure" && base.checksum === undefined &&
    !isUnproven(base, side);
}

type Resolution = "same" | "moved" | "changed" | "ask" | "askFree" | "unsettled";

/**
 * Decides an unproven state or requests a checksum. Without a checksum, equal stamps mean "same" and other stamps mean
 * "changed". `equal`: whether both sides' checksums are equal.
 */
function resolveChange(context: PlanContext, found: ChangeState, equal: boolean | undefined): Resolution {
  if (found === "same" || found === "moved" || found === "changed") return found;
  if (equal === true) return "moved";
  if (equal === false) return "changed";
  const { checksumPolicy: ask, skipModified } = context.options;
  if (comparesChecksum(context)) return ask === "nothing" ? "unsettled" : "ask";
  if (ask === "free" && !skipModified) return "askFree";
  return found === "unsure" ? "same" : "changed";
}

/** Plans two versions that history does not know. */
function planBothChanged(context: PlanContext, pair: VersionPair<FileEntry>): void {
  const { row, local, remote } = pair;
  const { checksumPolicy: ask, skipModified } = context.options;
  const equal = sameContent(context, local, remote);
  const isProof = sameChecksum(local.checksum, remote.checksum) === true;
  if (equal === true && isProof) return alignTimes(context, pair, undefined);
  const weakness = equal === true ? equalityWeakness(context, pair) : undefined;
  // Two edits of files that were equal may have the same time at one clock step: then equal times prove little.
  const wereInStep = equal === true && row.base?.kind === "file" && comparesTime(context);
  const isHidden = wereInStep && !haveFineTimes(context, pair);
  if (wereInStep || (equal === true && weakness !== undefined)) {
    const { unproven: unsure, free } = context.builder;
    if (ask === "free" && !skipModified) {
      return requestChecksum(wereInStep || weakness === "young" ? unsure : free, row);
    }
    if (!isHidden) countUnproven(context, pair, bothSides);
  }
  if (equal === true && !isHidden) return recordEqual(context, row);
  if (skipModified) return skipPath(context, pair);
  if (equal === undefined || isHidden) {
    if (comparesChecksum(context)) {
      return ask === "nothing" ? refuseUndecided(context, row) : requestChecksum(context.builder.undecided, row);
    }
    if (ask === "free" && !isHidden) {
      return requestChecksum(context.builder[transfersBoth(context, pair) ? "doubtful" : "free"], row);
    }
  }
  const why = row.base === undefined ? "both sides have it, with other content" : "it changed on both sides";
  resolveConflict(context, { ...pair, why });
}

/** Whether a conflict would transfer both versions. Reading one of them for a comparison then costs less. */
function transfersBoth(context: PlanContext, pair: VersionPair<FileEntry>): boolean {
  return context.options.conflict !== "Skip" && pickWinner(context, pair) === undefined;
}

/** Replaces one side's version by the other side's, which supersedes it. */
export function copyOver(
  context: PlanContext,
  pair: VersionPair<FileEntry | LinkEntry>,
  from: Side,
  how: { readonly inPlace?: true } = {},
): void {
  if (context.options.skipModified) return skipPath(context, pair);
  const to = otherSide(from);
  const [source, target] = [pair[from], pair[otherSide(from)]];
  const why = copyReason(context, { source, target, from });
  const kept = keepFields(context, target, to);
  context.builder.actions.push({ do: "copy", to, path: target.path, why, source, replaces: target, ...kept, ...how });
}

interface CopyPair {
  readonly source: FileEntry | LinkEntry;
  readonly target: FileEntry | LinkEntry;
  readonly from: Side;
}

function copyReason(context: PlanContext, { source, target, from }: CopyPair): Reason {
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
function alignTimes(
  context: PlanContext,
  { row, local, remote }: VersionPair<FileEntry>,
  touched: Side | undefined,
): void {
  const verdict = editTimes(context, local, remote);
  const isOne = verdict === "same" || verdict === "unknown" || areTimesClose(local.modified, remote.modified);
  if (isOne || context.options.skipModified) {
    return recordEqual(context, row, row.base?.checksum);
  }
  const earlier: Side = verdict === "localNewer" ? "remote" : "local";
  const from = touched ?? earlier;
  const to = otherSide(from);
  const [source, target] = from === "local" ? [local, remote] : [remote, local];
  if (source.modified === undefined) return;
  const { modified } = source;
  context.builder.actions.push({ do: "touch", to, path: target.path, why: "newer", target, modified });
}

function refuseUndecided(context: PlanContext, row: Row): void {
  const path = row.local?.path ?? row.remote?.path;
  if (path === undefined) return;
  const why =
    "its content could not be compared: the two sides offer no checksum of the same algorithm; choose other -Criteria";
  refuse(context, "remote", { path, kind: "unsupported", why });
}

/** Leaves a path and everything below it out of the plan; history keeps its entries. */
export function skipPath(context: PlanContext, { row, rows }: Omit<VersionPair<unknown>, Side>): void {
  rows.takeBelow(row.key);
  const path = row.local?.path ?? row.remote?.path;
  if (path === undefined) return;
  context.builder.notes.push({
    code: "skippedModified",
    path,
    why: "the sides differ, and modified files are skipped",
  });
}
