import fc from "npm:fast-check@4.10.2";
import type { RelPath } from "../../../lib/core/path.ts";
import { type PlanOptions, toPlanOptions } from "../../../lib/sync/common/options.ts";
import { plan } from "../../../lib/sync/plan/plan.ts";
import type { Side, Snapshot } from "../../../lib/core/entry.ts";
import { ableTraits, listTree, toHistory, toKnown, type Tree, type Trees } from "./interpret.ts";
import { runs, seeded } from "../runs.ts";
import type { BaseEntry, History } from "../../../lib/core/history.ts";
import type { Plan } from "../../../lib/core/plan.ts";

/** One seed by default; a long run looks elsewhere each time, and prints the seed of what it finds. */
export const checks = { numRuns: runs(2000, 100_000, 100_000), ...seeded(20_260_101) };

const trash = (path: RelPath, side: Side) => `kept-${side}/${path.replaceAll("/", "_")}` as RelPath;
export const anyMode = fc.constantFrom("Local", "Remote", "Both" as const);
export const anyOptions = fc.record({
  mode: anyMode,
  remove: fc.boolean(),
  mirror: fc.boolean(),
  skipNew: fc.boolean(),
  skipModified: fc.boolean(),
  conflict: fc.constantFrom("Newest", "Oldest", "Larger", "Smaller", "Skip" as const),
  moves: fc.boolean(),
}).map((given) => toPlanOptions({ ...given, keepDiscarded: trash }));

function sidesOf(local: Snapshot, remote: Snapshot) {
  return { local: { snapshot: local, traits: ableTraits }, remote: { snapshot: remote, traits: ableTraits } };
}

export function planTrees({ local, remote }: Trees, history: History | undefined, options: PlanOptions): Plan {
  return plan(sidesOf(listTree(local), listTree(remote)), history, options);
}

export function historyOf(base: Tree): History {
  return toHistory(Array.from(base, ([path, thing]): BaseEntry => toKnown(path, thing, thing)));
}
