import type { Side } from "../../core/entry.ts";
import { isSameTime, stepOf } from "../common/criteria.ts";
import type { PlanSide } from "../common/options.ts";
import type { History } from "../../core/history.ts";

/**
 * Whether the revisions of most files changed and nothing else did, on a backend with weak revisions. Then each answer
 * has its own revisions, and they are ignored.
 */
export function hasVolatileRevisions(
  side: Side,
  { snapshot, traits }: PlanSide,
  history: History | undefined,
): boolean {
  if (traits.weakRevisions !== true || history === undefined) return false;
  let common = 0;
  let moved = 0;
  for (const base of history) {
    const stamp = base[side];
    if (base.kind !== "file" || stamp?.revision === undefined) continue;
    const entry = snapshot.get(base.path);
    if (entry?.kind !== "file" || entry.revision === undefined) continue;
    common++;
    if (entry.revision === stamp.revision || entry.size !== stamp.size) continue;
    if (isSameTime(stamp.modified, entry.modified, stepOf(entry, traits))) moved++;
  }
  return moved > FEW && moved * 2 > common;
}

const FEW = 10;
