import { type Side, sides as bothSides, type Snapshot } from "../../core/entry.ts";
import { countRemovals, type RemovalCount, samplePaths } from "./losses.ts";
import { findAllChanged, findEmptied, findLostRoots, findRiskyRoots } from "./root_guards.ts";
import type { SafetyIssue, SafetyLimits } from "../common/options.ts";
import { countOf, quote } from "../common/text.ts";
import type { History } from "../../core/history.ts";
import type { Plan } from "../../core/plan.ts";

/**
 * Returns why this plan must not run. Pure. Each guard has a key of its own; a guard whose key is in `limits.allow` is
 * skipped. The guards count files and links, relative to their number before the run. A moved file does not count as
 * removed, a file replaced by another type does, and folders are not counted.
 */
export function findSafetyIssues(
  plan: Plan,
  before: Readonly<Record<Side, Snapshot>>,
  history: History | undefined,
  limits: SafetyLimits,
): readonly SafetyIssue[] {
  const losses = { local: countRemovals(plan, before, "local"), remote: countRemovals(plan, before, "remote") };
  const found = [
    ...findLostRoots(before, limits),
    ...findRiskyRoots(losses, limits),
    ...findEmptied(plan, losses, { before, history, limits }),
    ...findTooMany(losses, { history, limits }),
    ...findAllChanged(plan, { before, history, limits }),
  ];
  return found.filter(({ allowedBy }) => allowedBy === undefined || !limits.allow.includes(allowedBy));
}

/** Describes a danger in one sentence for the user: counts, names, and both ways to continue. */
export function describeSafetyIssue(issue: SafetyIssue): string {
  const { why, sample, count, allowedBy, code } = issue;
  const more = count > sample.length ? ` and ${count - sample.length} more` : "";
  const names = sample.length === 0 ? "" : ` (${sample.map(quote).join(", ")}${more})`;
  const asked = allowedBy === undefined ? "" : `, or with ${allowedBy} if this is meant`;
  return `${why}${names}; nothing was changed: ${WAYS_ON[code]}${asked}`;
}

const FEW = 10;
/** The number of files from which on half of a side is much, in mode Both. */
const SMALL = 5;
const WITHOUT_REMOVE = "run the same command without -Remove";
const WAYS_ON: Readonly<Record<SafetyIssue["code"], string>> = {
  emptySource: WITHOUT_REMOVE,
  emptiedRoot: "restore its content",
  lostRoot: "connect or mount its disk",
  broadRoot: "name a folder below it, or run the same command without -Remove and -Mirror",
  defaultedRoot: "write the folder out on the command line, or run the same command without -Remove",
  tooMany: WITHOUT_REMOVE,
  wrongFolder: `check both folders, ${WITHOUT_REMOVE}`,
  allChanged: "see whether a clock or a time zone was changed",
  noMarker: "mount its disk, or create the marker file",
};

interface GuardFacts {
  readonly history: History | undefined;
  readonly limits: SafetyLimits;
}

function* findTooMany(
  losses: Readonly<Record<Side, RemovalCount>>,
  { history, limits }: GuardFacts,
): Iterable<SafetyIssue> {
  for (const side of bothSides) {
    const { removed, before: total } = losses[side];
    const found = findExcess(losses[side], { history, limits });
    if (found === undefined) continue;
    const why = `${removed.length} of ${countOf(total, "file")} on the ${side} side would be removed, ${found.why}`;
    const count = removed.length;
    yield { code: found.code, side, count, total, sample: samplePaths(removed), allowedBy: "-MaxRemove 100%", why };
  }
}

/**
 * Compares the removals of a side with the limits. A limit given by the user is exact and may be reached. Otherwise, in
 * mode Both: more than half of five files or more. In one-way modes a deployment may rename most files each time, so the
 * limits are: more than ten removed, and the side left with fewer than half as many files as before; or, without
 * history, fewer than one in twenty of its names found in the source.
 */
function findExcess(
  { removed, before, after }: RemovalCount,
  { history, limits }: GuardFacts,
): { readonly code: "tooMany" | "wrongFolder"; readonly why: string } | undefined {
  const count = removed.length;
  const { maxRemove, mode } = limits;
  if (maxRemove !== undefined && "count" in maxRemove) {
    return count > maxRemove.count ? { code: "tooMany", why: `more than -MaxRemove ${maxRemove.count}` } : undefined;
  }
  if (maxRemove !== undefined) {
    const allowed = maxRemove.share * before;
    const why = `more than -MaxRemove ${Number((maxRemove.share * 100).toFixed(6))}%`;
    return count - allowed > before * ROUNDING ? { code: "tooMany", why } : undefined;
  }
  if (mode === "Both") {
    return before >= SMALL && count * 2 > before ? { code: "tooMany", why: "more than half" } : undefined;
  }
  if (count <= FEW) return undefined;
  if (after * 2 < before) {
    return { code: "tooMany", why: `which would leave it ${countOf(after, "file")}, fewer than half` };
  }
  const remembers = history !== undefined && history.size > 0;
  if (remembers || (before - count) * 20 >= before) return undefined;
  return {
    code: "wrongFolder",
    why: "and hardly any of its names exists on the other side: is this the right folder?",
  };
}

/** The tolerance for rounding errors: a share of 0.29 of 100 is slightly less than 29. */
const ROUNDING = 1e-9;
