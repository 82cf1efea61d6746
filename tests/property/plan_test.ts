import assert from "node:assert/strict";
import fc from "npm:fast-check@4.10.2";
import { isWithin, type RelPath } from "../../lib/core/path.ts";
import { toPlanOptions } from "../../lib/sync/common/options.ts";
import { plan } from "../../lib/sync/plan/plan.ts";
import { toSnapshot } from "../../lib/sync/scan/snapshot.ts";
import { type Entry, otherSide, type Side } from "../../lib/core/entry.ts";
import { ableTraits, interpret, remember, toHistory, type Tree } from "../support/planning/interpret.ts";
import { anyMode, anyOptions, checks, historyOf, planTrees } from "../support/planning/plans.ts";
import { anyPath, anyStory, outline, treesOf } from "../support/trees/edited_trees.ts";
import type { BaseEntry, History } from "../../lib/core/history.ts";
import type { Action, Plan } from "../../lib/core/plan.ts";

/** Options that are the same from either side. */
const threeWay = toPlanOptions({ mode: "Both", remove: true, conflict: "Skip" });

Deno.test("plan() brings both sides in step where nothing conflicts, and then finds nothing to do (P2, P3)", () => {
  fc.assert(
    fc.property(anyStory, fc.boolean(), (story, moves) => {
      const { base, ...trees } = treesOf(story);
      const history = historyOf(base);
      const options = { ...threeWay, moves };
      const made = planTrees(trees, history, options);
      const after = interpret(made, trees);
      const open = made.conflicts.map(({ path }) => path);
      const settled = (tree: Tree) =>
        Object.fromEntries(
          Object.entries(outline(tree)).filter(([path]) => !open.some((at) => isWithin(path as RelPath, at))),
        );
      assert.deepEqual(settled(after.local), settled(after.remote));
      const again = planTrees(after, remember(made, history, after), options);
      assert.deepEqual([again.actions, again.historyUpdates], [[], []]);
      assert.deepEqual(again.conflicts.map(({ path }) => path), open);
    }),
    checks,
  );
});

Deno.test("plan() loses no version that no user superseded, and comes to rest (P1)", () => {
  const policy = fc.constantFrom("Newest", "Oldest", "Local", "Remote", "Larger", "Smaller", "KeepBoth" as const);
  fc.assert(
    fc.property(anyStory, policy, fc.boolean(), fc.boolean(), (story, conflict, knows, remove) => {
      const { base, ...trees } = treesOf(story);
      const options = toPlanOptions({ mode: "Both", remove, conflict, moves: true });
      const history = knows ? historyOf(base) : toHistory([]);
      const made = planTrees(trees, history, options);
      const after = interpret(made, trees);
      const held = new Set([after.local, after.remote].flatMap((tree) => Object.values(outline(tree))));
      for (const [side, tree] of Object.entries(trees)) {
        for (const [path, { entry, content }] of tree) {
          const superseded = knows && base.get(path)?.content === content && base.get(path)?.entry.kind === entry.kind;
          if (entry.kind === "file" && !superseded) {
            assert.ok(held.has(`file ${content}`), `${side} ${path} lost ${content}`);
          }
        }
      }
      const second = planTrees(after, remember(made, history, after), options);
      assert.deepEqual([second.actions, second.conflicts.filter(({ winner }) => winner !== undefined)], [[], []]);
    }),
    checks,
  );
});

Deno.test("plan() makes the target the image of the source under -Mirror -Remove, and never touches the source", () => {
  fc.assert(
    fc.property(anyStory, fc.constantFrom("local", "remote" as const), fc.boolean(), (story, to, moves) => {
      const { base: _base, ...trees } = treesOf(story);
      const mode = to === "local" ? "Local" : "Remote";
      const options = toPlanOptions({ mode, mirror: true, remove: true, moves });
      const made = planTrees(trees, undefined, options);
      assert.ok(made.actions.every((action) => action.to === to));
      const after = interpret(made, trees);
      assert.deepEqual(outline(after[to]), outline(trees[otherSide(to)]));
      assert.deepEqual(planTrees(after, undefined, options).actions, []);
    }),
    checks,
  );
});

Deno.test("plan() takes nothing from any side without -Remove", () => {
  fc.assert(
    fc.property(anyStory, anyMode, (story, mode) => {
      const { base, ...trees } = treesOf(story);
      const made = planTrees(
        trees,
        historyOf(base),
        toPlanOptions({ mode, mirror: mode !== "Both", conflict: "Skip" }),
      );
      const after = interpret(made, trees);
      const replaced = made.actions.filter((action) => "replaces" in action && action.replaces?.kind === "dir");
      for (const side of ["local", "remote"] as const) {
        for (const path of trees[side].keys()) {
          if (!replaced.some((action) => action.to === side && isWithin(path, action.path))) {
            assert.ok(after[side].has(path), path);
          }
        }
      }
      if (mode !== "Both") assert.deepEqual(replaced, []);
    }),
    checks,
  );
});

Deno.test("plan() is the same for any order of the listing, and the second time (P5)", () => {
  fc.assert(
    fc.property(anyStory, anyOptions, fc.boolean(), fc.infiniteStream(fc.nat()), (story, options, folds, stream) => {
      const { base, ...trees } = treesOf(story);
      const traits = { ...ableTraits, caseSensitive: !folds };
      const planOf = (order: (entries: Entry[]) => Entry[]) => {
        const list = (tree: Tree) => toSnapshot(order(Array.from(tree.values(), ({ entry }) => entry)));
        const sides = {
          local: { snapshot: list(trees.local), traits },
          remote: { snapshot: list(trees.remote), traits },
        };
        return plan(sides, historyOf(base), options);
      };
      const made = planOf((entries) => entries);
      assert.deepEqual(planOf((entries) => entries), made);
      assert.deepEqual(planOf((entries) => shuffle(entries, stream)), made);
      assert.deepEqual(JSON.parse(JSON.stringify(made)).actions, made.actions);
    }),
    checks,
  );
});

Deno.test("plan() is the same from the other side (P6)", () => {
  fc.assert(
    fc.property(anyStory, anyOptions, (story, options) => {
      const { base, local, remote } = treesOf(story);
      fc.pre(options.conflict === "Skip" || !("link" in kindsOf(local)) || !("link" in kindsOf(remote)));
      const made = planTrees({ local, remote }, historyOf(base), options);
      fc.pre(made.conflicts.every(({ winner }) => winner !== "both"));
      const mode = options.mode === "Both" ? "Both" : options.mode === "Local" ? "Remote" : "Local";
      const mirrored = planTrees({ local: remote, remote: local }, mirrorHistory(historyOf(base)), {
        ...options,
        mode,
      });
      assert.deepEqual(sketch(mirrored), sketch(made, otherSide));
    }),
    checks,
  );
});

Deno.test("plan() acts only where the sides differ (P7)", () => {
  fc.assert(
    fc.property(anyStory, anyOptions, (story, options) => {
      const { base, ...trees } = treesOf({ ...story, sums: true });
      const made = planTrees(trees, historyOf(base), { ...options, conflict: "Skip" });
      const [local, remote] = [outline(trees.local), outline(trees.remote)];
      for (const action of made.actions) {
        if (action.do === "touch") assert.equal(local[action.path], remote[action.path]);
        else assert.notEqual(local[action.path], remote[action.path], `${action.do} ${action.path}`);
      }
    }),
    checks,
  );
});

Deno.test("plan() gives actions that may be done side by side: folders, then files in any order, then removals (P8)", () => {
  fc.assert(
    fc.property(anyStory, anyOptions, fc.infiniteStream(fc.nat()), (story, options, stream) => {
      const { base, ...trees } = treesOf(story);
      const made = planTrees(trees, historyOf(base), options);
      const isDir = (action: Action) => action.do === "makeDir";
      const isRemoval = (action: Action) => action.do === "remove";
      const depth = ({ path }: Action) => path.split("/").length;
      const byDepth = (actions: readonly Action[]) => shuffle([...actions], stream).sort((a, b) => depth(a) - depth(b));
      const transfers = made.actions.filter((action) => !isDir(action) && !isRemoval(action));
      fc.pre(transfers.every((action) => action.do !== "copy" || action.backupPath === undefined));
      const actions = [
        ...byDepth(made.actions.filter(isDir)),
        ...shuffle(transfers, stream),
        ...byDepth(made.actions.filter(isRemoval)),
      ];
      const [inOrder, shuffled] = [interpret(made, trees), interpret({ ...made, actions }, trees)];
      for (const side of ["local", "remote"] as const) {
        assert.deepEqual(outline(shuffled[side]), outline(inOrder[side]));
      }
    }),
    checks,
  );
});

Deno.test("plan() does not care for the clock of a side (P19)", () => {
  fc.assert(
    fc.property(anyStory, fc.integer({ min: -90_000_000, max: 90_000_000 }), (story, ms) => {
      const { base, local, remote } = treesOf({ ...story, sums: true });
      const made = planTrees({ local, remote }, historyOf(base), threeWay);
      const known = Array.from(
        historyOf(base),
        (one) => ({ ...one, ...(one.remote && { remote: shiftMark(one.remote, ms) }) }),
      );
      const shifted = planTrees({ local, remote: shiftTree(remote, ms) }, toHistory(known), threeWay);
      const acts = ({ actions, conflicts }: Plan) => [
        actions.filter((action) => action.do !== "touch").map((action) => `${action.do} ${action.to} ${action.path}`),
        conflicts.map(({ path }) => path),
      ];
      assert.deepEqual(acts(shifted), acts(made));
    }),
    checks,
  );
});

Deno.test("plan() brings a deletion to the other side once both are in step (P10)", () => {
  fc.assert(
    fc.property(anyStory, anyPath, fc.constantFrom("local", "remote" as const), (story, path, side) => {
      const { base } = treesOf(story);
      const deleted = new Map(Array.from(base).filter(([at]) => !isWithin(at, path as RelPath)));
      const trees = side === "local" ? { local: deleted, remote: base } : { local: base, remote: deleted };
      const after = interpret(planTrees(trees, historyOf(base), threeWay), trees);
      assert.deepEqual([outline(after.local), outline(after.remote)], [outline(deleted), outline(deleted)]);
    }),
    checks,
  );
});

function kindsOf(tree: Tree): Readonly<Record<string, true>> {
  return Object.fromEntries(Array.from(tree.values(), ({ entry }) => [entry.kind, true] as const));
}

function shuffle<T>(items: readonly T[], stream: fc.Stream<number>): T[] {
  const shuffled = [...items];
  for (let i = shuffled.length - 1; i > 0; i--) {
    const j = (stream.next().value ?? 0) % (i + 1);
    const [a, b] = [shuffled[i], shuffled[j]];
    if (a !== undefined && b !== undefined) [shuffled[i], shuffled[j]] = [b, a];
  }
  return shuffled;
}

function shiftTree(tree: Tree, ms: number): Tree {
  return new Map(Array.from(tree, ([path, thing]) => {
    const { entry } = thing;
    if (entry.kind !== "file" || entry.modified === undefined) return [path, thing];
    return [path, { ...thing, entry: { ...entry, modified: entry.modified + ms } }];
  }));
}

function shiftMark(mark: NonNullable<BaseEntry["remote"]>, ms: number): NonNullable<BaseEntry["remote"]> {
  return mark.modified === undefined ? mark : { ...mark, modified: mark.modified + ms };
}

function mirrorHistory(history: History): History {
  return toHistory(Array.from(history, ({ local, remote, ...known }): BaseEntry => ({
    ...known,
    ...(remote === undefined ? {} : { local: remote }),
    ...(local === undefined ? {} : { remote: local }),
  })));
}

/** What a plan does, with its sides turned over where `turn` says so; words aside. */
function sketch(made: Plan, turn: (side: Side) => Side = (side) => side): unknown {
  const said = (side: Side | undefined) => side === undefined ? "" : turn(side);
  return {
    actions: made.actions.map((action) => `${action.do} ${said(action.to)} ${action.path} ${action.why}`),
    conflicts: made.conflicts.map(({ path, winner }) => `${path} ${winner === "both" ? winner : said(winner)}`),
    refusals: made.refusals.map(({ path, side, kind }) => `${path} ${said(side)} ${kind}`).sort(),
    lessons: made.historyUpdates.map(({ path, base: known }) => `${path} ${known?.kind}`),
    notes: made.notes.map(({ code, path, count }) => `${code} ${path} ${count}`),
  };
}
