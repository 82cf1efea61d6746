import { comparePaths, type RelPath } from "../../core/path.ts";
import type { Side } from "../../core/entry.ts";
import type { PlanOptions, PlanSide } from "../common/options.ts";
import { planTwoWay } from "./two_way.ts";
import { toPlanContext } from "./context.ts";
import { noteCounts } from "./create.ts";
import { replaceByMoves } from "./moves.ts";
import { planOneWay } from "./one_way.ts";
import { mergeRows } from "./rows.ts";
import type { History } from "../../core/history.ts";
import type { Plan } from "../../core/plan.ts";

/**
 * Returns the plan of a run. Pure: equal input yields an equal plan; there is no disk, network or clock access.
 * Invariants:
 * 1. Every action is for a path that both snapshots describe reliably: nothing is created, replaced or removed at or
 *    below a name that could not be read, is a link or a special file, or equals another name of its side.
 * 2. Nothing is removed but what the other side is known to lack, with `remove` (or, if a new type replaces an old one,
 *    as the mode allows); and no folder that contains something that stays.
 * 3. In mode Both no version is overwritten that the other side's version does not supersede, unless it is kept under
 *    another name.
 *
 * Actions are in path order, a folder before its content; removals too, so they are carried out from the end. The
 * actions of one conflict are adjacent, the one that keeps the discarded version first. `history` covers exactly what
 * the masks include; without a history nothing is recorded.
 */
export function plan(
  sides: Readonly<Record<Side, PlanSide>>,
  history: History | undefined,
  options: PlanOptions,
): Plan {
  const context = toPlanContext(sides, history, options);
  const rows = mergeRows(sides, history, context.names);
  if (options.mode === "Both") planTwoWay(context, rows);
  else planOneWay(context, rows, options.mode === "Local" ? "local" : "remote");
  noteCounts(context);
  const { builder } = context;
  return {
    actions: options.moves && options.remove ? replaceByMoves(context) : builder.actions,
    conflicts: builder.conflicts,
    refusals: builder.refusals.sort(byPath),
    heldRemovals: builder.heldRemovals,
    notes: builder.notes.sort(byPath),
    historyUpdates: builder.historyUpdates,
    ...(builder.restored.length === 0 ? {} : { restored: builder.restored }),
    undecided: builder.undecided,
    hashIfFree: builder.free,
    ...(builder.doubtful.length === 0 ? {} : { possiblyEqual: builder.doubtful }),
    ...(builder.unproven.length === 0 ? {} : { unproven: builder.unproven }),
  };
}

/** Compares by path, items without a path last; then by side. */
function byPath(
  a: { readonly path?: RelPath; readonly side?: Side },
  b: { readonly path?: RelPath; readonly side?: Side },
): number {
  if (a.path === undefined || b.path === undefined) return Number(a.path === undefined) - Number(b.path === undefined);
  return comparePaths(a.path, b.path) || Number(a.side === "remote") - Number(b.side === "remote");
}
