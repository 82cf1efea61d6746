import assert from "node:assert/strict";
import { knownAs, planFor, type PlanInput, START, summarizeActions } from "../../support/planning/planning.ts";
import type { Plan } from "../../../lib/core/plan.ts";

const both = (given: Omit<PlanInput, "mode">): Plan => planFor({ mode: "Both", ...given });
const later = { modified: START + 9000 };
const learnt = ({ historyUpdates: lessons }: Plan) =>
  lessons.map(({ path, base: known }) => `${known === undefined ? "forget" : "learn"} ${path}`);
const heldOf = ({ heldRemovals: held }: Plan) => held.map(({ side, path }) => `${side} ${path}`);

Deno.test("TW-10 plan() brings a deleted folder back whole when something in it changed", () => {
  const made = both({ remove: true, known: knownAs("d/", "d/x", "d/y"), remote: { "d/x": later, "d/y": {} } });
  assert.deepEqual(summarizeActions(made.actions), [
    "makeDir local d restored",
    "copy local d/x restored",
    "copy local d/y restored",
  ]);
});

Deno.test("TW-11 plan() removes the rest of a folder that the other side deleted whole", () => {
  const made = both({ remove: true, known: knownAs("d/", "d/x", "d/y"), remote: { "d/y": {} } });
  assert.deepEqual(summarizeActions(made.actions), ["remove remote d gone", "remove remote d/y gone"]);
  assert.deepEqual(learnt(made), ["forget d/x"]);
});

Deno.test("TW-12 plan() replaces an unchanged file by a folder, with and without -Remove", () => {
  for (const remove of [true, false]) {
    const made = both({ remove, known: knownAs("p"), local: { "p/x": {} }, remote: { p: {} } });
    assert.deepEqual(summarizeActions(made.actions), ["makeDir remote p new", "copy remote p/x new"]);
  }
});

Deno.test("TW-13 plan() leaves a changed file against a folder as an open conflict, whatever the policy", () => {
  for (const conflict of ["Newest", "Oldest", "Local", "Remote", "Larger", "Smaller", "KeepBoth", "Skip"] as const) {
    const made = both({ conflict, known: knownAs("p"), local: { "p/x": {} }, remote: { p: later } });
    assert.deepEqual([made.actions, made.historyUpdates], [[], []]);
    assert.deepEqual(made.conflicts.map(({ path, winner }) => [path, winner]), [["p", undefined]]);
  }
});

Deno.test("TW-28 plan() removes an empty folder that was deleted on one side", () => {
  const made = both({ remove: true, known: knownAs("d/"), local: { "d/": {} } });
  assert.deepEqual(summarizeActions(made.actions), ["remove local d gone"]);
});

Deno.test("plan() takes no empty folder for deleted where there are none", () => {
  const made = both({ remove: true, known: knownAs("d/"), local: { "d/": {} }, traits: { hasDirs: false } });
  assert.deepEqual([made.actions, made.historyUpdates], [[], []]);
});

Deno.test("plan() removes a folder whose files were deleted where there are no empty folders", () => {
  const made = both({ remove: true, known: knownAs("d/", "d/x"), local: { "d/x": {} }, traits: { hasDirs: false } });
  assert.deepEqual(summarizeActions(made.actions), ["remove local d gone", "remove local d/x gone"]);
});

Deno.test("plan() takes nothing below an unread folder for deleted", () => {
  const known = knownAs("d/", "d/x", "e");
  const made = both({ remove: true, known, local: { d: { opaque: "unreadable" } }, remote: { "d/x": {}, e: {} } });
  assert.deepEqual([made.actions, made.historyUpdates], [[], []]);
  assert.deepEqual(heldOf(made), ["remote e"]);
});

Deno.test("plan() forgets what both sides lack in a folder that comes back", () => {
  const made = both({ remove: true, known: knownAs("d/", "d/x", "d/z"), remote: { "d/x": later } });
  assert.deepEqual(learnt(made), ["forget d/z"]);
});

Deno.test("plan() leaves history below a skipped path untouched", () => {
  const made = both({ skipModified: true, known: knownAs("p/", "p/x"), local: { p: {} }, remote: { p: { size: 6 } } });
  assert.deepEqual([made.actions, made.historyUpdates], [[], []]);
});

Deno.test("plan() learns a folder's new spelling", () => {
  const sides = { local: { "dir/": {} }, remote: { "Dir/": {} } };
  const made = both({ known: knownAs("Dir/"), ...sides, traits: { caseSensitive: false } });
  assert.deepEqual(learnt(made), ["forget Dir", "learn dir"]);
});
