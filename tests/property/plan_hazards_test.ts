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

Deno.test("plan() removes, moves and replaces nothing beside a line that cannot be read, on either side", () => {
  fc.assert(
    fc.property(anyStory, anyOptions, anyUnreadLines, (story, options, lines) => {
      const { base, ...told } = treesOf(story);
      const trees = { local: withUnread(told.local, lines, "local"), remote: withUnread(told.remote, lines, "remote") };
      const made = planTrees(trees, historyOf(base), options);
      interpret(made, trees);
      for (const side of ["local", "remote"] as const) {
        for (const { entry } of trees[side].values()) {
          if (entry.kind !== "opaque") continue;
          const folder = parentOf(entry.path);
          const lost = made.actions.filter((action) =>
            lostBy(action).some((path) => parentOf(path) === folder || (action.to === side && isWithin(folder, path)))
          );
          assert.deepEqual(lost, []);
        }
      }
    }),
    checks,
  );
});

const anyUnreadLines = fc.array(
  fc.record({ folder: fc.oneof(fc.constant(""), anyPath), side: fc.constantFrom("local", "remote" as const) }),
  { minLength: 1, maxLength: 3 },
);

/** The tree with a line that cannot be read in each of the folders that it holds. */
function withUnread(tree: Tree, lines: readonly { folder: string; side: Side }[], side: Side): Tree {
  const planted = new Map(tree);
  for (const { folder, side: own } of lines) {
    if (own !== side || (folder !== "" && tree.get(folder as RelPath)?.entry.kind !== "dir")) continue;
    const path = (folder === "" ? "line" : `${folder}/line`) as RelPath;
    const entry = { kind: "opaque", path, cause: "name", why: "a line cannot be read", incomplete: true } as const;
    planted.set(path, { content: "line", entry });
  }
  return planted;
}

/** The paths at which the action ends what was there, other than by a new version of a file. */
function lostBy(action: Action): readonly RelPath[] {
  if (action.do === "remove") return [action.path];
  if (action.do === "move") return [action.source.path];
  if (action.do === "touch" || action.replaces === undefined) return [];
  const kind = action.do === "copy" ? action.source.kind : "dir";
  return action.replaces.kind === kind ? [] : [action.path];
}

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
