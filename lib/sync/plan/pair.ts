import {
  type FileEntry,
  type Known,
  type LinkEntry,
  otherSide,
  type Reason,
  type Side,
  sides as bothSides,
} from "../../core/entry.ts";
import { compareTimes, isClose, sameChecksum, stepOf, type Verdict } from "../common/criteria.ts";
import { askFor, type Context, refuse } from "./context.ts";
import { canHideEdit, countUnproven, driftOf, inDoubt, isFine, weaknessOf } from "./doubt.ts";
import { brokenSide, comparesTime, editTimes, learn, markOf, sameContent, stampOf } from "./changes.ts";
import type { Row } from "./rows.ts";
import { quoted } from "../common/text.ts";

/** A name that is a file on both sides, and the side to change. */
export interface Pair {
  readonly row: Row;
  readonly local: FileEntry;
  readonly remote: FileEntry;
  readonly to: Side;
}

/** Plans one file of a one-way run: the first criterion, in their order, that finds a difference decides. */
export function planPair(context: Context, pair: Pair): void {
  const { draft, options } = context;
  const { row, to } = pair;
  const target = pair[to];
  const source = pair[otherSide(to)];
  const broken = brokenSide(context, pair, row.known);
  if (broken === otherSide(to)) {
    const why =
      `a run was ended while it wrote into it, and it may be half old, half new: bring it from the ${to} side first`;
    return refuse(context, broken, { path: source.path, kind: "changed", why });
  }
  const known = row.known?.kind === "file" ? row.known : undefined;
  const doubted = broken === undefined && known !== undefined ? inDoubt(context, pair, known) : [];
  // A source that was edited since the last run is copied, whatever happened to a target in doubt.
  const isEdited = known !== undefined && driftOf(context, otherSide(to), source, known) !== "still";
  if (doubted.length > 0 && !isEdited) {
    if (options.ask === "free" && !options.skipModified) return askFor(draft.unsure, row);
    countUnproven(context, pair, doubted);
  }
  const found: Judgement = broken === to ? { is: "copy", why: "checksum", overNewer: false } : judge(context, pair);
  if (options.skipModified && found.is === "touch") return;
  if (options.skipModified && found.is === "copy") {
    // A refusal: with -SkipModified every file that would be overwritten is reported, and the run is no full success.
    draft.refusals.push({ path: target.path, side: to, kind: "exists", why: "it differs, and -SkipModified keeps it" });
    return;
  }
  if (found.is === "ask") return askFor(draft.open, row);
  if (found.is === "askFree") return askFor(draft.free, row);
  if (found.is === "askUnsure") return askFor(draft.unsure, row);
  if (found.is === "askBack") return askFor(draft.doubtful, row);
  if (found.is === "unsettled") {
    const why = "its content could not be compared: the two sides give no checksum of one kind";
    return refuse(context, to, { path: target.path, kind: "unsupported", why });
  }
  if (found.is === "copy") {
    if (found.overNewer) note(context, pair, "replacedNewer", `the newer file on the ${to} side is replaced`);
    const how = options.inPlace ? { inPlace: true } as const : {};
    draft.actions.push({ do: "copy", to, path: target.path, why: found.why, source, replaces: target, ...how });
    return;
  }
  if (found.is === "touch" && source.modified !== undefined) {
    draft.actions.push({ do: "touch", to, path: target.path, why: "newer", target, modified: source.modified });
    return;
  }
  if (found.is === "keepNewer") {
    const tells = keepsTimes(context, otherSide(to), source);
    const why = tells || NEWER[to] === compareAcross(context, pair)
      ? `the file on the ${to} side is newer: kept`
      : `both sides changed, and times on the ${otherSide(to)} side only tell when files came there: kept`;
    note(context, pair, "keptNewer", `${why}; -Mirror replaces it`);
    return endDoubts(context, pair);
  }
  if (context.history !== undefined) remember(context, pair);
}

/** Plans a pair of links. Links have no times: another target is another content. */
export function planLinks(context: Context, row: Row, { to, source, target }: Links): void {
  if (source.target === target.target) return learn(context, row);
  if (context.options.criteria.length === 0) return;
  if (context.options.skipModified) {
    const why = "it points elsewhere, and modified files are skipped";
    context.draft.notes.push({ code: "skippedModified", path: target.path, side: to, why });
    return;
  }
  context.draft.actions.push({ do: "copy", to, path: target.path, why: "checksum", source, replaces: target });
}

interface Links {
  readonly to: Side;
  readonly source: LinkEntry;
  readonly target: LinkEntry;
}

type Judgement =
  | { readonly is: "same" | "keepNewer" | "touch" | "ask" | "askFree" | "askBack" | "askUnsure" | "unsettled" }
  | { readonly is: "copy"; readonly why: Reason; readonly overNewer: boolean };

const NEWER: Readonly<Record<Side, Verdict>> = { local: "localNewer", remote: "remoteNewer" };

function judge(context: Context, pair: Pair): Judgement {
  const { options, sides } = context;
  const traits = { local: sides.local.traits, remote: sides.remote.traits };
  for (const criterion of options.criteria) {
    if (criterion.name === "Time") {
      const judged = judgeTime(context, pair);
      if (judged !== undefined) return judged;
      continue;
    }
    const verdict = criterion.compare(pair.local, pair.remote, traits);
    if (verdict === "same") continue;
    if (verdict !== "unknown") return { is: "copy", why: criterion.why, overNewer: false };
    if (criterion.needs !== undefined) return { is: options.ask === "nothing" ? "unsettled" : "ask" };
  }
  return mendsTime(context, pair) ? { is: "touch" } : { is: "same" };
}

/** Applies the Time criterion. Returns undefined if it finds no difference, or cannot decide. */
function judgeTime(context: Context, pair: Pair): Judgement | undefined {
  const { row, local, remote, to } = pair;
  const known = row.known?.kind === "file" ? row.known : undefined;
  const own = known === undefined ? undefined : byOwnMarks(context, pair, known);
  if (own === "same") return undefined;
  if (own !== undefined && own !== "differ") return weigh(context, pair, { verdict: own, isOwn: true });
  const verdict = compareAcross(context, pair);
  if (own === "differ") return weighEdits(context, pair, verdict);
  const proof = byArrival(context, pair, verdict);
  if (proof !== undefined) return proof;
  if (verdict !== "same" && verdict !== "unknown") return weigh(context, pair, { verdict, isOwn: false });
  if (verdict === "unknown" || weaknessOf(context, pair) !== "young") return undefined;
  const equal = sameChecksum(local.checksum, remote.checksum);
  if (equal === undefined && context.options.ask === "free" && local.size === remote.size) return { is: "askUnsure" };
  if (equal === false) return weigh(context, pair, { verdict: NEWER[otherSide(to)], isOwn: true });
  if (equal === undefined) countUnproven(context, pair, bothSides);
  return undefined;
}

/**
 * Decides a file that was edited on both sides since they were equal. Equal times then prove nothing about the
 * contents, and a source with an upload time is not known to be the later edit.
 */
function weighEdits(context: Context, pair: Pair, verdict: Verdict): Judgement | undefined {
  const { local, remote, to } = pair;
  const from = otherSide(to);
  const equal = sameChecksum(local.checksum, remote.checksum);
  const tellsEdit = keepsTimes(context, from, pair[from]);
  const isTold = verdict !== "same" && verdict !== "unknown" && tellsEdit && keepsTimes(context, to, pair[to]);
  if (!isTold && equal === true) return undefined;
  // Files that were compared already and kept apart have no marks left.
  const isNew = pair.row.known?.local !== undefined || pair.row.known?.remote !== undefined;
  if (isNew && !isTold && equal === undefined && local.size === remote.size && context.options.ask === "free") {
    return { is: "askUnsure" };
  }
  if (verdict === NEWER[from] && !tellsEdit && !context.options.mirror) return { is: "keepNewer" };
  if (verdict === "same" && equal === undefined && isFine(context, pair)) return undefined;
  const isRanked = verdict !== "same" && verdict !== "unknown";
  return weigh(context, pair, { verdict: isRanked ? verdict : NEWER[from], isOwn: true });
}

/**
 * Returns which side was edited since the last run, each compared with itself only (a server may not keep times, and
 * the clocks need not agree). "differ": both sides. A side without a mark was edited as well.
 */
function byOwnMarks(context: Context, pair: Pair, known: Known): Verdict {
  const { local, remote, to } = pair;
  const from = otherSide(to);
  const drift = {
    local: driftOf(context, "local", local, known),
    remote: driftOf(context, "remote", remote, known),
  };
  if (drift.local === "still" && drift.remote === "still") return bySuspects(context, { local, remote, to }, known);
  if (drift[to] === "still") return drift[from] === "older" ? NEWER[to] : NEWER[from];
  if (drift[from] !== "still") return "differ";
  // The mark of a target may be the time of our upload: a later edit than the source's can lie before it.
  return drift[to] === "older" && compareAcross(context, pair) !== NEWER[to] ? NEWER[from] : NEWER[to];
}

/** Decides a pair with unchanged marks: different contents are an edit hidden by a mark, the source's if possible. */
function bySuspects(context: Context, { to, ...files }: Omit<Pair, "row">, known: Known): Verdict {
  const suspects = bothSides.filter((side) => canHideEdit(context, side, files[side], known));
  if (suspects.length === 0 || sameChecksum(files.local.checksum, files.remote.checksum) !== false) return "same";
  return suspects.includes(otherSide(to)) ? NEWER[otherSide(to)] : NEWER[to];
}

function compareAcross({ sides }: Context, { local, remote }: Pair): Verdict {
  const steps = { local: stepOf(local, sides.local.traits), remote: stepOf(remote, sides.remote.traits) };
  return compareTimes(local.modified, remote.modified, steps);
}

interface Weighed {
  readonly verdict: Verdict;
  /** Whether the sides were equal and marks changed since: then an upload time, too, is evidence of another file. */
  readonly isOwn: boolean;
}

function weigh(context: Context, pair: Pair, { verdict, isOwn }: Weighed): Judgement | undefined {
  const { local, remote, to } = pair;
  const overNewer = verdict === NEWER[to];
  if (overNewer && !context.options.mirror) {
    const mayBeOne = !isOwn && pair.row.known?.kind !== "file" && local.size === remote.size &&
      isClose(local.modified, remote.modified);
    const equal = sameChecksum(local.checksum, remote.checksum);
    if (mayBeOne && equal === undefined && context.options.ask === "free") return { is: "askFree" };
    return mayBeOne && equal === true ? { is: "same" } : { is: "keepNewer" };
  }
  if (overNewer && !isOwn && !keepsTimes(context, to, pair[to])) return undefined;
  return byTime(context, pair, overNewer);
}

/**
 * Decides a copy that only a time calls for: a checksum without cost may prove it unnecessary. If the target cannot
 * keep times, it shows the time of the upload: a newer one proves nothing, an older one that the source was edited
 * since.
 */
function byTime(context: Context, { local, remote, to }: Pair, overNewer: boolean): Judgement {
  const copy = { is: "copy", why: "newer", overNewer } as const;
  if (local.size !== remote.size) return copy;
  const equal = sameChecksum(local.checksum, remote.checksum);
  const isMended = keepsTimes(context, to, to === "local" ? local : remote) &&
    !isClose(local.modified, remote.modified);
  if (equal === true) return { is: isMended ? "touch" : "same" };
  if (equal === undefined && context.options.ask === "free") return { is: "askFree" };
  return copy;
}

/**
 * Decides a pair with an upload time that is not earlier than the other side's edit and therefore proves nothing. A
 * checksum decides, and may cost one read of a file that would otherwise be downloaded; history then makes a second one
 * unnecessary. Undefined if the times are evidence, or only the other criteria are left.
 */
function byArrival(context: Context, { local, remote, to }: Pair, verdict: Verdict): Judgement | undefined {
  if (local.size !== remote.size) return undefined;
  const tells = { local: keepsTimes(context, "local", local), remote: keepsTimes(context, "remote", remote) };
  if (tells.local && tells.remote) return undefined;
  const comesLater = verdict === NEWER[otherSide(to)] && !tells[otherSide(to)];
  if (verdict !== "same" && !comesLater && !(verdict === NEWER[to] && !tells[to])) return undefined;
  const equal = sameChecksum(local.checksum, remote.checksum);
  if (equal !== undefined) return equal ? { is: "same" } : { is: "copy", why: "checksum", overNewer: false };
  if (context.options.ask !== "free") return undefined;
  return { is: comesLater ? "askBack" : "askFree" };
}

/** Whether to correct a time that would cause a copy, since the Checksum criterion alone proves the content equal. */
function mendsTime(context: Context, { local, remote, to }: Pair): boolean {
  if (comparesTime(context) || sameChecksum(local.checksum, remote.checksum) !== true) return false;
  const verdict = editTimes(context, local, remote);
  if (isClose(local.modified, remote.modified)) return false;
  return verdict === NEWER[otherSide(to)] || (verdict === NEWER[to] && context.options.mirror);
}

function keepsTimes(context: Context, side: Side, entry: FileEntry): boolean {
  return context.sides[side].traits.timeStep !== undefined && !entry.isArrival;
}

function remember(context: Context, { row, local, remote }: Pair): void {
  const known = row.known?.kind === "file" ? row.known : undefined;
  const isStill = known !== undefined && known.begun === undefined &&
    bothSides.every((side) => driftOf(context, side, side === "local" ? local : remote, known) === "still");
  if (!isStill) {
    if (sameContent(context, local, remote) === true) learn(context, row);
  } else if (bothSides.some((side) => canHideEdit(context, side, side === "local" ? local : remote, known))) {
    learn(context, row, known.checksum);
  }
}

/**
 * Updates history for files that are kept apart, so that they are not read again in each run: doubts end, a target that
 * differs under the same mark loses its mark and counts as edited, and files proven different have no marks.
 */
function endDoubts(context: Context, { row, to, ...files }: Pair): void {
  const known = row.known?.kind === "file" ? row.known : undefined;
  if (context.history === undefined || known?.begun !== undefined) return;
  const isApart = sameChecksum(files.local.checksum, files.remote.checksum) === false;
  const haveMoved = known === undefined ||
    bothSides.every((side) => driftOf(context, side, files[side], known) !== "still");
  if (isApart && haveMoved) {
    const path = known?.path ?? files.local.path;
    return void context.draft.lessons.push({ path, known: { path, kind: "file" } });
  }
  if (known === undefined) return;
  const mark = known[to];
  const from = otherSide(to);
  const isHidden = mark?.size === files[to].size && stampOf(context, to, files[to], mark) !== "time";
  const isDoubted = known[from] !== undefined && canHideEdit(context, from, files[from], known) &&
    driftOf(context, from, files[from], known) === "still";
  const { provisional, [to]: _, ...rest } = known;
  if (provisional === undefined && !isHidden && !isDoubted) return;
  const source = isDoubted ? { [from]: markOf(context, from, files[from], known) } : {};
  const target = isHidden || mark === undefined ? {} : { [to]: mark };
  context.draft.lessons.push({ path: known.path, known: { ...rest, ...source, ...target } });
}

function note(context: Context, pair: Pair, code: string, why: string): void {
  const { path } = pair[pair.to];
  context.draft.notes.push({ code, path, side: pair.to, why: `${quoted(path)}: ${why}` });
}
