import assert from "node:assert/strict";
import fc from "npm:fast-check@4.10.2";
import { isWithin, parentOf, type RelPath } from "../../lib/core/path.ts";
import type { OpaqueEntry, Side } from "../../lib/core/entry.ts";
import { interpret, type Tree } from "../support/planning/interpret.ts";
import { anyOptions, checks, historyOf, planTrees } from "../support/planning/plans.ts";
import { anyPath, anyStory, treesOf } from "../support/trees/edited_trees.ts";
import type { Action, Plan } from "../../lib/core/plan.ts";

Deno.test("plan() does nothing at or below what must not be touched, and removes nothing beside a name that cannot be given", () => {
  fc.assert(
    fc.property(anyStory, anyOptions, fc.array(anySpot, { minLength: 1, maxLength: 3 }), (story, options, spots) => {
      const { base, ...told } = treesOf(story);
      const trees = { local: plant(told.local, spots, "local"), remote: plant(told.remote, spots, "remote") };
      const made = planTrees(trees, historyOf(base), options);
      interpret(made, trees);
      for (const side of ["local", "remote"] as const) {
        for (const { entry } of trees[side].values()) {
          if (entry.kind !== "opaque") continue;
          if (entry.cause === "name") {
            assert.deepEqual(removedBeside(made, entry.path, { side, tree: trees[side] }), []);
          } else assertUntouched(made, entry.path);
          if (entry.cause === "unreadable" && options.remove) {
            assert.ok(made.actions.every(({ do: verb }) => verb !== "remove"));
          }
        }
      }
    }),
    checks,
  );
});

const anySpot = fc.record({
  path: anyPath,
  cause: fc.constantFrom("link", "special", "unreadable", "name" as const),
  side: fc.constantFrom("local", "remote" as const),
});

/** The tree with something odd in the place of what was there, where a folder can hold it. */
function plant(
  tree: Tree,
  spots: readonly { path: string; cause: OpaqueEntry["cause"]; side: Side }[],
  side: Side,
): Tree {
  const planted = new Map(tree);
  for (const { cause, ...spot } of spots) {
    const path = (cause === "name" ? `${spot.path}\ufffd` : spot.path) as RelPath;
    const dir = parentOf(path);
    if (spot.side !== side || (dir !== "" && planted.get(dir)?.entry.kind !== "dir")) continue;
    for (const at of [...planted.keys()]) if (isWithin(at, path)) planted.delete(at);
    planted.set(path, { content: cause, entry: { kind: "opaque", path, cause, why: "it is odd" } });
  }
  return planted;
}

function assertUntouched({ actions, historyUpdates: lessons }: Plan, path: RelPath): void {
  assert.deepEqual(actions.filter((action) => isWithin(action.path, path)), []);
  assert.deepEqual(lessons.filter((lesson) => isWithin(lesson.path, path)), []);
}

/** Removals, on the other side, of what may be the name that `side` cannot give at `path`; not those that a new type of a known name causes. */
function removedBeside(
  { actions }: Plan,
  path: RelPath,
  { side, tree }: { side: Side; tree: Tree },
): readonly Action[] {
  const isReplaced = (removal: Action) =>
    actions.some((action) => action.do === "copy" && action.to === removal.to && isWithin(removal.path, action.path));
  return actions.filter((action) =>
    action.do === "remove" && action.to !== side && parentOf(action.path) === parentOf(path) &&
    !tree.has(action.path) &&
    !isReplaced(action)
  );
}
