import { type FileEntry, type LinkEntry, otherSide, type Side, sides as bothSides } from "../../core/entry.ts";
import { areTimesClose, compareTimes, sameChecksum, stepOf, type Verdict } from "../common/criteria.ts";
import { type PlanContext, refuse, requestChecksum } from "./context.ts";
import {
  canHideEdit,
  countUnproven,
  doubtfulSides,
  editDirection,
  equalityWeakness,
  haveFineTimes,
  isAcceptedAlteration,
} from "./doubt.ts";
import { comparesTime, editTimes, findPartialSide, recordEqual } from "./changes.ts";
import { type FilePair, recordKeptApart, recordPair } from "./record_pair.ts";
import type { Row } from "./rows.ts";
import { quote } from "../common/text.ts";
import type { BaseEntry } from "../../core/history.ts";
import type { Reason } from "../../core/plan.ts";

/** Plans one file of a one-way run: the first criterion, in their order, that finds a difference decides. */
export function planPair(context: PlanContext, pair: FilePair): void {
  const { builder, options } = context;
  const { row, to } = pair;
  const target = pair[to];
  const source = pair[otherSide(to)];
  const broken = findPartialSide(context, pair, row.base);
  if (broken === otherSide(to)) {
    const why =
      `an earlier run was interrupted while it wrote into it, so it may be half old and half new: copy it from the ${to} side first`;
    return refuse(context, broken, { path: source.path, kind: "changed", why });
  }
  const base = row.base?.kind === "file" ? row.base : undefined;
  if (broken === undefined && isAcceptedAlteration(context, pair, base)) return;
  const doubted = broken === undefined && base !== undefined ? doubtfulSides(context, pair, base) : [];
  // A source that was edited since the last run is copied, whatever happened to a target in doubt.
  const isEdited = base !== undefined && editDirection(context, otherSide(to), source, base) !== "still";
  if (doubted.length > 0 && !isEdited) {
    if (options.checksumPolicy === "free" && !options.skipModified) return requestChecksum(builder.unproven, row);
    countUnproven(context, pair, doubted);
  }
  const found: PairDecision = broken === to ? { is: "copy", why: "checksum", overNewer: false } : decide(context, pair);
  if (options.skipModified && found.is === "touch") return;
  if (options.skipModified && found.is === "copy") {
    // A refusal: with -SkipModified every file that would be overwritten is reported, and the run is no full success.
    builder.refusals.push({
      path: target.path,
      side: to,
      kind: "exists",
      why: "it differs, and -SkipModified keeps it",
    });
    return;
  }
  if (found.is === "ask") return requestChecksum(builder.undecided, row);
  if (found.is === "askFree") return requestChecksum(builder.free, row);
  if (found.is === "askUnsure") return requestChecksum(builder.unproven, row);
  if (found.is === "askBack") return requestChecksum(builder.doubtful, row);
  if (found.is === "unsettled") {
    const why =
      "its content could not be compared: the two sides offer no checksum of the same algorithm; choose other -Criteria";
    return refuse(context, to, { path: target.path, kind: "unsupported", why });
  }
  if (found.is === "copy") {
    if (found.overNewer) addNote(context, pair, "replacedNewer", `the newer file on the ${to} side is replaced`);
    // The remainder of a write under the final name is completed in place: it has no old content to protect.
    const isOwnRemainder = broken === to && context.sides[to].traits.directWrites === true;
    const how = options.inPlace || isOwnRemainder ? { inPlace: true } as const : {};
    builder.actions.push({ do: "copy", to, path: target.path, why: found.why, source, replaces: target, ...how });
    return;
  }
  if (found.is === "touch" && source.modified !== undefined) {
    builder.actions.push({ do: "touch", to, path: target.path, why: "newer", target, modified: source.modified });
    return;
  }
  if (found.is === "keepNewer") {
    const isEditTime = hasEditTime(context, otherSide(to), source);
    const why = isEditTime || NEWER[to] === compareSides(context, pair)
      ? `the file on the ${to} side is newer: kept`
      : `both sides changed, and the ${otherSide(to)} side only shows when a file was uploaded: kept`;
    addNote(context, pair, "keptNewer", `${why}; -Mirror replaces it`);
    return recordKeptApart(context, pair);
  }
  if (context.history !== undefined) recordPair(context, pair);
}

/** Plans a pair of links. Links have no times: another target is another content. */
export function planLinks(context: PlanContext, row: Row, { to, source, target }: LinkPair): void {
  if (source.target === target.target) return recordEqual(context, row);
  if (context.options.criteria.length === 0) return;
  if (context.options.skipModified) {
    const why = "it points elsewhere, and modified files are skipped";
    context.builder.notes.push({ code: "skippedModified", path: target.path, side: to, why });
    return;
  }
  context.builder.actions.push({ do: "copy", to, path: target.path, why: "checksum", source, replaces: target });
}

interface LinkPair {
  readonly to: Side;
  readonly source: LinkEntry;
  readonly target: LinkEntry;
}

type PairDecision =
  | { readonly is: "same" | "keepNewer" | "touch" | "ask" | "askFree" | "askBack" | "askUnsure" | "unsettled" }
  | { readonly is: "copy"; readonly why: Reason; readonly overNewer: boolean };

const NEWER: Readonly<Record<Side, Verdict>> = { local: "localNewer", remote: "remoteNewer" };

function decide(context: PlanContext, pair: FilePair): PairDecision {
  const { options, sides } = context;
  const traits = { local: sides.local.traits, remote: sides.remote.traits };
  for (const criterion of options.criteria) {
    if (criterion.name === "Time") {
      const judged = decideByTime(context, pair);
      if (judged !== undefined) return judged;
      continue;
    }
    const verdict = criterion.compare(pair.local, pair.remote, traits);
    if (verdict === "same") continue;
    if (verdict !== "unknown") return { is: "copy", why: criterion.why, overNewer: false };
    if (criterion.needs !== undefined) return { is: options.checksumPolicy === "nothing" ? "unsettled" : "ask" };
  }
  return shouldAlignTime(context, pair) ? { is: "touch" } : { is: "same" };
}

/** Applies the Time criterion. Returns undefined if it finds no difference, or cannot decide. */
function decideByTime(context: PlanContext, pair: FilePair): PairDecision | undefined {
  const { row, local, remote, to } = pair;
  const base = row.base?.kind === "file" ? row.base : undefined;
  const own = base === undefined ? undefined : compareWithBase(context, pair, base);
  if (own === "same") return undefined;
  if (own !== undefined && own !== "differ") return applyTimeVerdict(context, pair, { verdict: own, isOwn: true });
  const verdict = compareSides(context, pair);
  if (own === "differ") return decideBothEdited(context, pair, verdict);
  const proof = decideByUploadTime(context, pair, verdict);
  if (proof !== undefined) return proof;
  if (verdict !== "same" && verdict !== "unknown") return applyTimeVerdict(context, pair, { verdict, isOwn: false });
  if (verdict === "unknown" || equalityWeakness(context, pair) !== "young") return undefined;
  const equal = sameChecksum(local.checksum, remote.checksum);
  if (equal === undefined && context.options.checksumPolicy === "free" && local.size === remote.size) {
    return { is: "askUnsure" };
  }
  if (equal === false) return applyTimeVerdict(context, pair, { verdict: NEWER[otherSide(to)], isOwn: true });
  if (equal === undefined) countUnproven(context, pair, bothSides);
  return undefined;
}

/**
 * Decides a file that was edited on both sides since they were equal. Equal times then prove nothing about the
 * contents, and a source with an upload time is not known to be the later edit.
 */
function decideBothEdited(context: PlanContext, pair: FilePair, verdict: Verdict): PairDecision | undefined {
  const { local, remote, to } = pair;
  const from = otherSide(to);
  const equal = sameChecksum(local.checksum, remote.checksum);
  const tellsEdit = hasEditTime(context, from, pair[from]);
  const isTold = verdict !== "same" && verdict !== "unknown" && tellsEdit && hasEditTime(context, to, pair[to]);
  if (!isTold && equal === true) return undefined;
  // Files that were compared already and kept apart have no stamps left.
  const isNew = pair.row.base?.local !== undefined || pair.row.base?.remote !== undefined;
  if (
    isNew && !isTold && equal === undefined && local.size === remote.size && context.options.checksumPolicy === "free"
  ) {
    return { is: "askUnsure" };
  }
  if (verdict === NEWER[from] && !tellsEdit && !context.options.mirror) return { is: "keepNewer" };
  if (verdict === "same" && equal === undefined && haveFineTimes(context, pair)) return undefined;
  const isRanked = verdict !== "same" && verdict !== "unknown";
  return applyTimeVerdict(context, pair, { verdict: isRanked ? verdict : NEWER[from], isOwn: true });
}

/**
 * Returns which side was edited since the last run, each compared with itself only (a server may not keep times, and
 * the clocks need not agree). "differ": both sides. A side without a stamp was edited as well.
 */
function compareWithBase(context: PlanContext, pair: FilePair, base: BaseEntry): Verdict {
  const { local, remote, to } = pair;
  const from = otherSide(to);
  const drift = {
    local: editDirection(context, "local", local, base),
    remote: editDirection(context, "remote", remote, base),
  };
  if (drift.local === "still" && drift.remote === "still") return findHiddenEdit(context, { local, remote, to }, base);
  if (drift[to] === "still") return drift[from] === "older" ? NEWER[to] : NEWER[from];
  if (drift[from] !== "still") return "differ";
  // The stamp of a target may be the time of our upload: a later edit than the source's can lie before it.
  return drift[to] === "older" && compareSides(context, pair) !== NEWER[to] ? NEWER[from] : NEWER[to];
}

/** Decides a pair with unchanged stamps: different contents are an edit hidden by a stamp, the source's if possible. */
function findHiddenEdit(context: PlanContext, { to, ...files }: Omit<FilePair, "row">, base: BaseEntry): Verdict {
  const suspects = bothSides.filter((side) => canHideEdit(context, side, files[side], base));
  if (suspects.length === 0 || sameChecksum(files.local.checksum, files.remote.checksum) !== false) return "same";
  return suspects.includes(otherSide(to)) ? NEWER[otherSide(to)] : NEWER[to];
}

function compareSides({ sides }: PlanContext, { local, remote }: FilePair): Verdict {
  const steps = { local: stepOf(local, sides.local.traits), remote: stepOf(remote, sides.remote.traits) };
  return compareTimes(local.modified, remote.modified, steps);
}

interface TimeVerdict {
  readonly verdict: Verdict;
  /** Whether the sides were equal and stamps changed since: then an upload time, too, is evidence of another file. */
  readonly isOwn: boolean;
}

function applyTimeVerdict(
  context: PlanContext,
  pair: FilePair,
  { verdict, isOwn }: TimeVerdict,
): PairDecision | undefined {
  const { local, remote, to } = pair;
  const overNewer = verdict === NEWER[to];
  if (overNewer && !context.options.mirror) {
    const mayBeOne = !isOwn && pair.row.base?.kind !== "file" && local.size === remote.size &&
      areTimesClose(local.modified, remote.modified);
    const equal = sameChecksum(local.checksum, remote.checksum);
    if (mayBeOne && equal === undefined && context.options.checksumPolicy === "free") return { is: "askFree" };
    return mayBeOne && equal === true ? { is: "same" } : { is: "keepNewer" };
  }
  if (overNewer && !isOwn && !hasEditTime(context, to, pair[to])) return undefined;
  return decideTimeCopy(context, pair, overNewer);
}

/**
 * Decides a copy that only a time calls for: a checksum without cost may prove it unnecessary. If the target cannot
 * keep times, it shows the time of the upload: a newer one proves nothing, an older one that the source was edited
 * since.
 */
function decideTimeCopy(context: PlanContext, { local, remote, to }: FilePair, overNewer: boolean): PairDecision {
  const copy = { is: "copy", why: "newer", overNewer } as const;
  if (local.size !== remote.size) return copy;
  const equal = sameChecksum(local.checksum, remote.checksum);
  const isMended = hasEditTime(context, to, to === "local" ? local : remote) &&
    !areTimesClose(local.modified, remote.modified);
  if (equal === true) return { is: isMended ? "touch" : "same" };
  if (equal === undefined && context.options.checksumPolicy === "free") return { is: "askFree" };
  return copy;
}

/**
 * Decides a pair with an upload time that is not earlier than the other side's edit and therefore proves nothing. A
 * checksum decides, and may cost one read of a file that would otherwise be downloaded; history then makes a second one
 * unnecessary. Undefined if the times are evidence, or only the other criteria are left.
 */
function decideByUploadTime(
  context: PlanContext,
  { local, remote, to }: FilePair,
  verdict: Verdict,
): PairDecision | undefined {
  if (local.size !== remote.size) return undefined;
  const tells = { local: hasEditTime(context, "local", local), remote: hasEditTime(context, "remote", remote) };
  if (tells.local && tells.remote) return undefined;
  const comesLater = verdict === NEWER[otherSide(to)] && !tells[otherSide(to)];
  if (verdict !== "same" && !comesLater && !(verdict === NEWER[to] && !tells[to])) return undefined;
  const equal = sameChecksum(local.checksum, remote.checksum);
  if (equal !== undefined) return equal ? { is: "same" } : { is: "copy", why: "checksum", overNewer: false };
  if (context.options.checksumPolicy !== "free") return undefined;
  return { is: comesLater ? "askBack" : "askFree" };
}

/** Whether to correct a time that would cause a copy, since the Checksum criterion alone proves the content equal. */
function shouldAlignTime(context: PlanContext, { local, remote, to }: FilePair): boolean {
  if (comparesTime(context) || sameChecksum(local.checksum, remote.checksum) !== true) return false;
  const verdict = editTimes(context, local, remote);
  if (areTimesClose(local.modified, remote.modified)) return false;
  return verdict === NEWER[otherSide(to)] || (verdict === NEWER[to] && context.options.mirror);
}

function hasEditTime(context: PlanContext, side: Side, entry: FileEntry): boolean {
  return context.sides[side].traits.timeStep !== undefined && !entry.isUploadTime;
}

function addNote(context: PlanContext, pair: FilePair, code: string, why: string): void {
  const { path } = pair[pair.to];
  context.builder.notes.push({ code, path, side: pair.to, why: `${quote(path)}: ${why}` });
}
