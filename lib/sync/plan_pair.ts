import { type FileEntry, type LinkEntry, otherSide, type Reason, type Side } from "../types.ts";
import { type Criterion, sameChecksum, sameStamp, stepOf, type Verdict } from "./criteria.ts";
import { askFor, type Context, quoted, refuse } from "./plan_context.ts";
import { brokenSide, comparesTime, editTimes, learn, sameContent, since } from "./plan_history.ts";
import type { Row } from "./plan_rows.ts";

/** A name that both sides have as a file, and the side that changes. */
export interface Pair {
  readonly row: Row;
  readonly local: FileEntry;
  readonly remote: FileEntry;
  readonly to: Side;
}

/** Decides one file of a one-way run by the criteria, in their order: the first that tells the two apart decides. */
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
  const found: Judgement = broken === to ? { is: "copy", why: "checksum", overNewer: false } : judge(context, pair);
  if (options.skipModified && found.is === "touch") return;
  if (options.skipModified && found.is === "copy") {
    // Whoever forbids overwriting wants to hear of every file that would have been: the run is not a full success.
    draft.refusals.push({ path: target.path, side: to, kind: "exists", why: "it differs, and -SkipModified keeps it" });
    return;
  }
  if (found.is === "ask") return askFor(draft.open, row);
  if (found.is === "askFree") return askFor(draft.free, row);
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
    note(context, pair, "keptNewer", `the file on the ${to} side is newer: kept; -Mirror replaces it`);
  }
  if (context.history !== undefined) remember(context, pair);
}

/** Links have no times: another target is another content. */
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
  | { readonly is: "same" | "keepNewer" | "touch" | "ask" | "askFree" | "unsettled" }
  | { readonly is: "copy"; readonly why: Reason; readonly overNewer: boolean };

const NEWER: Readonly<Record<Side, Verdict>> = { local: "localNewer", remote: "remoteNewer" };

function judge(context: Context, pair: Pair): Judgement {
  const { options } = context;
  for (const criterion of options.criteria) {
    const verdict = verdictOf(context, criterion, pair);
    const proof = criterion.name === "Time" ? byArrival(context, pair, verdict) : undefined;
    if (proof !== undefined) return proof;
    if (verdict === "same") continue;
    if (verdict === "unknown") {
      if (criterion.needs === undefined) continue;
      return { is: options.ask === "nothing" ? "unsettled" : "ask" };
    }
    if (verdict === "differ") return { is: "copy", why: criterion.why, overNewer: false };
    const overNewer = verdict === NEWER[pair.to];
    if (overNewer && !options.mirror) return { is: "keepNewer" };
    if (overNewer && !keepsTimes(context, pair.to, pair[pair.to])) continue;
    return byTime(context, pair, overNewer);
  }
  return mendsTime(context, pair) ? { is: "touch" } : { is: "same" };
}

/**
 * Only a time speaks for this copy: a checksum that costs nothing may prove it needless. Where the target cannot keep times, its own
 * time is the time of the upload: newer says nothing there, older says that the source was edited since.
 */
function byTime(context: Context, { local, remote, to }: Pair, overNewer: boolean): Judgement {
  const copy = { is: "copy", why: "newer", overNewer } as const;
  if (local.size !== remote.size) return copy;
  const equal = sameChecksum(local.checksum, remote.checksum);
  if (equal === true) return { is: keepsTimes(context, to, to === "local" ? local : remote) ? "touch" : "same" };
  if (equal === undefined && context.options.ask === "free") return { is: "askFree" };
  return copy;
}

/**
 * A time that tells when a file came there, at or after the other's edit, proves nothing: a checksum that costs no transfer tells whether
 * they are equal, and then history need not ask again. Undefined where the time speaks, or only the other criteria are left.
 */
function byArrival(context: Context, { local, remote, to }: Pair, verdict: Verdict): Judgement | undefined {
  if (local.size !== remote.size || !(local.isArrival || remote.isArrival)) return undefined;
  const target = to === "local" ? local : remote;
  if (verdict !== "same" && !(verdict === NEWER[to] && target.isArrival)) return undefined;
  const equal = sameChecksum(local.checksum, remote.checksum);
  if (equal === undefined) return context.options.ask === "free" ? { is: "askFree" } : undefined;
  return equal ? { is: "same" } : { is: "copy", why: "checksum", overNewer: false };
}

/**
 * Where the far side's file is still the one that history saw, its time is what the near side's was then (a server may not keep times):
 * the near side is then compared with itself, exactly.
 */
function verdictOf(context: Context, criterion: Criterion, { row, local, remote }: Pair): Verdict {
  const { sides } = context;
  if (criterion.name !== "Time" || row.known?.kind !== "file" || row.known.local?.modified === undefined) {
    return criterion.compare(local, remote, { local: sides.local.traits, remote: sides.remote.traits });
  }
  const then = row.known.local.modified;
  if (since(context, "remote", remote, row.known) !== "same" || local.modified === undefined) {
    return criterion.compare(local, remote, { local: sides.local.traits, remote: sides.remote.traits });
  }
  if (sameStamp(then, local.modified, stepOf(local, sides.local.traits))) return "same";
  return local.modified > then ? "localNewer" : "remoteNewer";
}

/** Content proven equal by the Checksum criterion alone: the time that would have caused a copy is set right. */
function mendsTime(context: Context, { local, remote, to }: Pair): boolean {
  if (comparesTime(context) || sameChecksum(local.checksum, remote.checksum) !== true) return false;
  const verdict = editTimes(context, local, remote);
  return verdict === NEWER[otherSide(to)] || (verdict === NEWER[to] && context.options.mirror);
}

function keepsTimes(context: Context, side: Side, entry: FileEntry): boolean {
  return context.sides[side].traits.timeStep !== undefined && !entry.isArrival;
}

function remember(context: Context, { row, local, remote }: Pair): void {
  const { known } = row;
  const unchanged = known?.kind === "file" && known.begun === undefined &&
    since(context, "local", local, known) === "same" &&
    since(context, "remote", remote, known) === "same";
  if (!unchanged && sameContent(context, local, remote) === true) learn(context, row);
}

function note(context: Context, pair: Pair, code: string, why: string): void {
  const { path } = pair[pair.to];
  context.draft.notes.push({ code, path, side: pair.to, why: `${quoted(path)}: ${why}` });
}
