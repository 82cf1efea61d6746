import type { RelPath } from "../../core/path.ts";
import type { Side, Snapshot } from "../../core/entry.ts";
import { countLeaves, isLeaf } from "../common/leaves.ts";
import type { Action, Plan } from "../../core/plan.ts";

/**
 * The removals of a plan on one side. `removed`: files and links, in path order; `after`: the number that the side has
 * after the run.
 */
export interface RemovalCount {
  readonly removed: readonly RelPath[];
  readonly before: number;
  readonly after: number;
  /** The number of removed files and folders. */
  readonly actions: number;
}

/** Returns the first paths, as many as a message may contain. */
export function samplePaths(paths: readonly RelPath[]): readonly RelPath[] {
  return paths.slice(0, SAMPLE);
}

/** Counts what the plan removes from a side and adds to it. */
export function countRemovals(plan: Plan, before: Readonly<Record<Side, Snapshot>>, side: Side): RemovalCount {
  const removed: RelPath[] = [];
  let added = 0;
  let actions = 0;
  for (const action of plan.actions) {
    if (action.to !== side) continue;
    const gone = removedBy(action);
    if (gone !== undefined) removed.push(gone);
    if (action.do === "remove") actions++;
    if (action.do === "copy" && action.replaces?.kind !== action.source.kind) added++;
  }
  const count = countLeaves(before[side]);
  return { removed, before: count, after: count - removed.length + added, actions };
}

/** Returns the file or link that no longer exists after the action. */
function removedBy(action: Action): RelPath | undefined {
  if (action.do === "remove") return isLeaf(action.target) ? action.path : undefined;
  if (action.do === "makeDir") return isLeaf(action.replaces) ? action.path : undefined;
  if (action.do !== "copy" || !isLeaf(action.replaces)) return undefined;
  return action.replaces?.kind === action.source.kind ? undefined : action.path;
}

const SAMPLE = 10;
