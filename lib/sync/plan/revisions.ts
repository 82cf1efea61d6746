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
  for (const known of history) {
    const mark = known[side];
    if (known.kind !== "file" || mark?.revision === undefined) continue;
    const entry = snapshot.get(known.path);
    if (entry?.kind !== "file" || entry.revision === undefined) continue;
    common++;
    if (entry.revision === mark.revision || entry.size !== mark.size) continue;
    if (isSameTime(mark.modified, entry.modified, stepOf(entry, traits))) moved++;
  }
  return moved > FEW && moved * 2 > common;
}

const FEW = 10;
