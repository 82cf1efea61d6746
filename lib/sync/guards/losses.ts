import type { RelPath } from "../../core/path.ts";
import type { Action, Plan, Side, Snapshot } from "../../core/entry.ts";
import { countLeaves, isLeaf } from "../common/leaves.ts";

/** What a plan takes from one side. `removed`: files and links, in path order; `after`: how many the side holds then. */
export interface Loss {
  readonly removed: readonly RelPath[];
  readonly before: number;
  readonly after: number;
  /** Files and folders. */
  readonly actions: number;
}

/** The names that a message may hold. */
export function sampleOf(paths: readonly RelPath[]): readonly RelPath[] {
  return paths.slice(0, SAMPLE);
}

/** Sums up what the plan takes from a side, and what it brings. */
export function toLoss(plan: Plan, before: Readonly<Record<Side, Snapshot>>, side: Side): Loss {
  const removed: RelPath[] = [];
  let added = 0;
  let actions = 0;
  for (const action of plan.actions) {
    if (action.to !== side) continue;
    const gone = goneBy(action);
    if (gone !== undefined) removed.push(gone);
    if (action.do === "remove") actions++;
    if (action.do === "copy" && action.replaces?.kind !== action.source.kind) added++;
  }
  const count = countLeaves(before[side]);
  return { removed, before: count, after: count - removed.length + added, actions };
}

/** The file or link that is no more after the action. */
function goneBy(action: Action): RelPath | undefined {
  if (action.do === "remove") return isLeaf(action.target) ? action.path : undefined;
  if (action.do === "makeDir") return isLeaf(action.replaces) ? action.path : undefined;
  if (action.do !== "copy" || !isLeaf(action.replaces)) return undefined;
  return action.replaces?.kind === action.source.kind ? undefined : action.path;
}

const SAMPLE = 10;
