import {
  type Entry,
  type FileEntry,
  otherSide,
  type Side,
  sides as bothSides,
  type Snapshot,
} from "../../core/entry.ts";
import { type RemovalCount, samplePaths } from "./losses.ts";
import { isSameTime, sameChecksum } from "../common/criteria.ts";
import type { SafetyIssue, SafetyLimits } from "../common/options.ts";
import type { RelPath } from "../../core/path.ts";
import { countOf, quote } from "../common/text.ts";
import { countLeaves } from "../common/leaves.ts";
import { type BaseEntry, type History, isOnlyBegun } from "../../core/history.ts";
import type { Plan } from "../../core/plan.ts";

/** Finds roots that do not exist, or that are not proven to be the intended ones. */
export function* findLostRoots(before: Readonly<Record<Side, Snapshot>>, limits: SafetyLimits): Iterable<SafetyIssue> {
  for (const side of bothSides) {
    const { missing, hasHistory, moved } = limits.roots[side];
    const total = countLeaves(before[side]);
    const none = { side, count: 0, total, sample: [] };
    const isSource = limits.mode !== "Both" && side !== targetsOf(limits)[0];
    const matters = hasHistory === true || moved === true || (isSource && limits.remove);
    if (missing === true && matters) {
      const past = hasHistory === true ? "existed in an earlier run" : "may be on a disk that is not mounted";
      const why = `The root of the ${side} side is missing, and ${past}`;
      yield { code: "lostRoot", ...none, allowedBy: "-AllowMissingRoot", why };
    }
    for (const { name, present } of limits.markers ?? []) {
      if (present[side]) continue;
      const why = `The root of the ${side} side does not contain ${quote(name)}, which -RequireMarker requires`;
      yield { code: "noMarker", ...none, allowedBy: undefined, why };
    }
  }
}

/** Finds roots that are hardly meant to be emptied. */
export function* findRiskyRoots(
  losses: Readonly<Record<Side, RemovalCount>>,
  limits: SafetyLimits,
): Iterable<SafetyIssue> {
  for (const side of targetsOf(limits)) {
    const { risk, defaulted } = limits.roots[side];
    const { removed, before: total, actions } = losses[side];
    const facts = { side, count: removed.length, total, sample: samplePaths(removed) };
    if (risk !== undefined && (limits.remove || limits.mirror)) {
      const words = [limits.remove ? "-Remove" : "", limits.mirror ? "-Mirror" : ""].filter((word) => word !== "");
      const why = `The root of the ${side} side is ${risk}, and ${
        words.join(" and ")
      } would make it like another folder`;
      yield { code: "broadRoot", ...facts, allowedBy: "-AllowRoot", why };
    }
    if (defaulted !== true || actions === 0) continue;
    const why = `No folder was named for the ${side} side, and ${
      countOf(removed.length, "file")
    } in it would be removed`;
    yield { code: "defaultedRoot", ...facts, allowedBy: undefined, why };
  }
}

/** The facts for a guard that examines the whole tree. */
export interface TreeFacts {
  readonly before: Readonly<Record<Side, Snapshot>>;
  readonly history: History | undefined;
  readonly limits: SafetyLimits;
}

/**
 * Finds an empty source, which looks like a disk that is not mounted. In mode Both it finds an empty side that had
 * files at the last run.
 */
export function* findEmptied(
  plan: Plan,
  losses: Readonly<Record<Side, RemovalCount>>,
  { before, history, limits }: TreeFacts,
): Iterable<SafetyIssue> {
  const allowedBy = "-AllowEmptySource";
  if (limits.mode !== "Both") {
    const side: Side = limits.mode === "Local" ? "local" : "remote";
    const { removed, before: total, actions } = losses[side];
    const source = otherSide(side);
    // Removals that are held for lack of evidence count as well: every file of the source is gone.
    const untraced = plan.notes.some(({ code }) => code === "untraced")
      ? plan.heldRemovals.map(({ path }) => path)
      : [];
    if (!limits.remove || actions + untraced.length === 0 || countLeaves(before[source]) > 0) return;
    const gone = actions === 0 ? untraced : removed;
    const why = `The ${source} side contains no file, and ${gone.length} of ${
      countOf(total, "file")
    } on the ${side} side would go`;
    yield { code: "emptySource", side, count: gone.length, total, sample: samplePaths(gone), allowedBy, why };
    return;
  }
  if (bothSides.every((side) => losses[side].before > 0)) return;
  const recorded = Array.from(history ?? []).filter((base) => base.kind !== "dir" && !isOnlyBegun(base))
    .map(({ path }) => path);
  if (recorded.length < 2) return;
  for (const side of bothSides) {
    if (losses[side].before > 0) continue;
    const gone = recorded.filter((path) => !isForeign(before[side].get(path)));
    if (gone.length < 2) continue;
    const why = `The ${side} side is empty, and contained ${
      countOf(gone.length, "file")
    } when both sides were last equal`;
    yield {
      code: "emptiedRoot",
      side,
      count: gone.length,
      total: 0,
      sample: samplePaths(gone),
      allowedBy,
      why,
    };
  }
}

/**
 * Finds a side of which most files have another time and the old size, as after a time zone change or a touch of the
 * whole tree. Mode Both only.
 */
export function* findAllChanged(plan: Plan, { before, history, limits }: TreeFacts): Iterable<SafetyIssue> {
  if (limits.mode !== "Both" || history === undefined) return;
  if (plan.actions.length + plan.undecided.length + (plan.hashIfFree?.length ?? 0) <= FEW) return;
  // A corrected time does not count: the contents were proven equal.
  const sent = new Set<RelPath>([
    ...plan.undecided,
    ...(plan.hashIfFree ?? []),
    ...plan.conflicts.map(({ path }) => path),
  ]);
  for (const action of plan.actions) if (action.do === "copy") sent.add(action.source.path).add(action.path);
  for (const side of bothSides) {
    let common = 0;
    const touched: BaseEntry["path"][] = [];
    for (const base of history) {
      const entry = before[side].get(base.path);
      if (base.kind !== "file" || entry?.kind !== "file") continue;
      common++;
      if (sent.has(entry.path) && hasOnlyTimeChanged(entry, base, side)) touched.push(base.path);
    }
    const count = touched.length;
    if (count <= FEW || count * 2 <= common) continue;
    const why = `${count} of ${countOf(common, "file")} on the ${side} side changed their time but not their size`;
    yield {
      code: "allChanged",
      side,
      count,
      total: common,
      sample: samplePaths(touched),
      allowedBy: "-AllowAllChanged",
      why,
    };
  }
}

/** Whether the entry is the leftover of another program, which is there though it is left alone. */
function isForeign(entry: Entry | undefined): boolean {
  return entry?.kind === "opaque" && entry.cause === "foreign";
}

const FEW = 10;

function targetsOf({ mode }: SafetyLimits): readonly Side[] {
  if (mode === "Both") return bothSides;
  return mode === "Local" ? ["local"] : ["remote"];
}

function hasOnlyTimeChanged(entry: FileEntry, base: BaseEntry, side: Side): boolean {
  const stamp = base[side];
  if (stamp === undefined || stamp.size !== entry.size) return false;
  if (sameChecksum(entry.checksum, base.checksum) === true) return false;
  if (stamp.revision !== undefined && stamp.revision === entry.revision) return false;
  return !isSameTime(stamp.modified, entry.modified, entry.timeStep ?? 0);
}
