import assert from "node:assert/strict";
import { toRelPath } from "../../../../lib/core/path.ts";
import type { ConflictPolicy } from "../../../../lib/sync/common/options.ts";
import type { Checksum } from "../../../../lib/core/entry.ts";
import {
  knownAs,
  notesOf,
  planFor,
  type PlanInput,
  refusalsOf,
  START,
  summarizeActions,
  sumOf,
} from "../../../support/planning/planning.ts";
import type { BaseEntry } from "../../../../lib/core/history.ts";
import type { Plan } from "../../../../lib/core/plan.ts";

const both = (given: Omit<PlanInput, "mode">): Plan => planFor({ mode: "Both", ...given });
const trash: NonNullable<PlanInput["keepDiscarded"]> = (path, side) => toRelPath(`.tandem-trash/${side}/${path}`);
const later = { modified: START + 9000 };
const learnt = ({ historyUpdates: lessons }: Plan) =>
  lessons.map(({ path, base: known }) => `${known === undefined ? "forget" : "learn"} ${path}`);
const heldOf = ({ heldRemovals: held }: Plan) => held.map(({ side, path }) => `${side} ${path}`);
const withSum = (checksum: Checksum): readonly BaseEntry[] => knownAs("f").map((known) => ({ ...known, checksum }));

Deno.test("plan() adopts files of equal size and time on the first run", () => {
  const adopted = { known: [], local: { f: { modified: START + 500 } }, remote: { f: { timeStep: 1000 } } };
  const made = both(adopted);
  assert.deepEqual([made.actions, learnt(made)], [[], ["learn f"]]);
});

Deno.test("plan() takes equal sizes less than two seconds apart, by a step or more, neither for equal nor for one newer than the other", () => {
  const sides = { local: { f: {} }, remote: { f: { modified: START + 1500 } } };
  assert.deepEqual(both({ known: [], checksumPolicy: "free", ...sides }).possiblyEqual, ["f"]);
  const made = both({ known: [], ...sides });
  assert.deepEqual([made.conflicts.map(({ winner }) => winner), learnt(made)], [["both"], []]);
});

Deno.test("plan() learns nothing where nothing is remembered", () => {
  assert.deepEqual(both({ local: { f: {} }, remote: { f: {} } }).historyUpdates, []);
});

Deno.test("plan() lets the newest win on the first run, the loser kept", () => {
  const made = both({ keepDiscarded: trash, local: { f: {} }, remote: { f: later } });
  assert.deepEqual(summarizeActions(made.actions), ["copy local f conflict"]);
  assert.equal(made.actions[0]?.do === "copy" && made.actions[0].backupPath, ".tandem-trash/local/f");
  assert.deepEqual(made.conflicts.map(({ path, winner, backupPath: kept }) => [path, winner, kept]), [
    ["f", "remote", ".tandem-trash/local/f"],
  ]);
});

Deno.test("TW-02 plan() settles equal sizes by a free checksum before it calls them a conflict", () => {
  const made = both({ checksumPolicy: "free", local: { f: {} }, remote: { f: later } });
  assert.deepEqual([made.hashIfFree, made.undecided, made.actions, made.conflicts], [["f"], [], [], []]);
});

Deno.test("TW-02 plan() asks for the content of equal sizes that a conflict would carry both", () => {
  const remote = { f: later };
  const asked = (conflict: ConflictPolicy, more: Partial<PlanInput> = {}) => {
    const { possiblyEqual: doubtful = [], hashIfFree: free = [] } = both({
      checksumPolicy: "free",
      conflict,
      local: { f: {} },
      remote,
      ...more,
    });
    return [doubtful, free];
  };
  for (const conflict of ["KeepBoth", "Larger", "Smaller"] as const) assert.deepEqual(asked(conflict), [["f"], []]);
  for (const conflict of ["Newest", "Oldest", "Local", "Remote", "Skip"] as const) {
    assert.deepEqual(asked(conflict), [[], ["f"]]);
  }
  assert.deepEqual(asked("Newest", { traits: { timeStep: undefined } }), [["f"], []]);
});

Deno.test("TW-02 plan() mends the later of two times when contents are proven equal", () => {
  const sides = { local: { f: { checksum: sumOf("x") } }, remote: { f: { checksum: sumOf("x"), ...later } } };
  const made = both({ known: [], ...sides });
  assert.deepEqual([summarizeActions(made.actions), made.conflicts], [["touch remote f newer"], []]);
  assert.equal(made.actions[0]?.do === "touch" && made.actions[0].modified, START);
});

Deno.test("plan() asks for needed checksums under the Checksum criterion, and fails what has none", () => {
  const given = { criteria: "Checksum", local: { f: {} }, remote: { f: {} } };
  assert.deepEqual(both({ checksumPolicy: "needed", ...given }).undecided, ["f"]);
  assert.deepEqual(refusalsOf(both(given)), ["remote f unsupported"]);
});

Deno.test("plan() takes equal sizes for equal files under Size alone", () => {
  const made = both({ criteria: "Size", local: { f: {} }, remote: { f: later } });
  assert.deepEqual([made.actions, made.conflicts], [[], []]);
});

Deno.test("plan() removes nothing without history", () => {
  const made = both({ remove: true, local: { a: {}, "d/x": {} }, remote: { b: {} } });
  assert.deepEqual(summarizeActions(made.actions), [
    "copy remote a new",
    "copy local b new",
    "makeDir remote d new",
    "copy remote d/x new",
  ]);
});

Deno.test("TW-01 plan() brings every kind of change of one side to the other", () => {
  const made = both({
    remove: true,
    known: knownAs("gone-here", "gone-there", "same", "mod-here", "mod-there"),
    local: { "gone-there": {}, same: {}, "mod-here": later, "mod-there": {}, "new-here": {} },
    remote: { "gone-here": {}, same: {}, "mod-here": {}, "mod-there": { size: 7 }, "new-there": {} },
  });
  assert.deepEqual(summarizeActions(made.actions), [
    "remove remote gone-here gone",
    "remove local gone-there gone",
    "copy remote mod-here newer",
    "copy local mod-there size",
    "copy remote new-here new",
    "copy local new-there new",
  ]);
  assert.deepEqual([made.conflicts, made.historyUpdates], [[], []]);
});

Deno.test("plan() keeps what it overwrites and removes in Both", () => {
  const made = both({
    remove: true,
    keepDiscarded: trash,
    known: knownAs("f", "g"),
    local: { f: later },
    remote: { f: {}, g: {} },
  });
  const kept = made.actions.map((action) => "backupPath" in action ? action.backupPath : undefined);
  assert.deepEqual(kept, [".tandem-trash/remote/f", ".tandem-trash/remote/g"]);
});

Deno.test("TM-08 plan() brings an older time to the other side when only one side changed", () => {
  const made = both({ known: knownAs("f"), local: { f: { modified: START - 9000, size: 4 } }, remote: { f: {} } });
  assert.deepEqual(summarizeActions(made.actions), ["copy remote f size"]);
});

Deno.test("TM-05 plan() compares each side with itself alone", () => {
  const known: BaseEntry = {
    path: toRelPath("f"),
    kind: "file",
    local: { size: 5, modified: START },
    remote: { size: 5, modified: START + 86_400_000 },
  };
  const made = both({ known: [known], local: { f: {} }, remote: { f: { modified: START + 86_400_000 } } });
  assert.deepEqual([made.actions, made.historyUpdates], [[], []]);
});

Deno.test("TM-07 plan() finds an overwrite by its revision", () => {
  const known = knownAs("f").map((one) => ({ ...one, remote: { size: 5, modified: START, revision: "1" } }));
  const made = both({ known, local: { f: {} }, remote: { f: { revision: "2" } } });
  assert.deepEqual(summarizeActions(made.actions), ["copy local f checksum"]);
  assert.deepEqual(both({ known, local: { f: {} }, remote: { f: { revision: "1", ...later } } }).actions, []);
});

Deno.test("TM-03 plan() sees no change in a listing that grew coarser", () => {
  const mark = { size: 5, modified: START + 3_660_000 };
  const known: BaseEntry = { path: toRelPath("f"), kind: "file", local: mark, remote: mark };
  const remote = { f: { modified: START, timeStep: 86_400_000 } };
  const made = both({ known: [known], local: { f: { modified: START + 3_660_000 } }, remote });
  assert.deepEqual([made.actions, made.conflicts], [[], []]);
});

Deno.test("TM-10 plan() asks for the checksum of a file whose mark was too young", () => {
  const known = withSum(sumOf("x")).map((one) => ({ ...one, unprovenSide: "local" as const }));
  const remote = { f: {} };
  assert.deepEqual(both({ known, checksumPolicy: "free", local: { f: {} }, remote }).unproven, ["f"]);
  const same = both({ known, local: { f: { checksum: sumOf("x") } }, remote });
  assert.deepEqual([same.actions, learnt(same)], [[], ["learn f"]]);
  assert.deepEqual(summarizeActions(both({ known, local: { f: { checksum: sumOf("y") } }, remote }).actions), [
    "copy remote f checksum",
  ]);
});

Deno.test("TW-03 plan() forgets what both sides deleted", () => {
  const made = both({ remove: true, known: knownAs("d/", "d/f") });
  assert.deepEqual([made.actions, learnt(made)], [[], ["forget d", "forget d/f"]]);
});

Deno.test("TW-04 plan() only learns what both sides changed alike", () => {
  const made = both({ known: knownAs("f"), local: { f: { size: 8, ...later } }, remote: { f: { size: 8, ...later } } });
  assert.deepEqual([made.actions, made.conflicts, learnt(made)], [[], [], ["learn f"]]);
});

Deno.test("TW-08 plan() lets an edit survive a deletion", () => {
  const made = both({ remove: true, known: knownAs("f"), local: { f: later } });
  assert.deepEqual([summarizeActions(made.actions), notesOf(made)], [["copy remote f restored"], ["restored"]]);
});

Deno.test("TW-09 plan() lets a deletion win over a touch whose content is proven", () => {
  const known = withSum(sumOf("x"));
  const touched = { f: { ...later, checksum: sumOf("x") } };
  assert.deepEqual(summarizeActions(both({ remove: true, known, remote: touched }).actions), ["remove remote f gone"]);
  assert.deepEqual(summarizeActions(both({ remove: true, known, remote: { f: later } }).actions), [
    "copy local f restored",
  ]);
  assert.deepEqual(both({ remove: true, known, checksumPolicy: "free", remote: { f: later } }).hashIfFree, ["f"]);
});

Deno.test("plan() brings back what was deleted without -Remove, and says so", () => {
  const made = both({ known: knownAs("d/", "d/f"), remote: { "d/f": {} } });
  assert.deepEqual(summarizeActions(made.actions), ["makeDir local d restored", "copy local d/f restored"]);
  assert.match(made.notes[0]?.why ?? "", /^1 file .*-Remove lets deletions travel$/);
});

Deno.test("TW-15 plan() keeps an edit of a file that was renamed on the other side", () => {
  const made = both({ remove: true, known: knownAs("a"), local: { b: {} }, remote: { a: later } });
  assert.deepEqual(summarizeActions(made.actions), ["copy local a restored", "copy remote b new"]);
});

Deno.test("TW-16 plan() keeps both names of a file that was renamed on both sides", () => {
  const made = both({ remove: true, known: knownAs("a"), local: { b: {} }, remote: { c: {} } });
  assert.deepEqual([summarizeActions(made.actions), learnt(made)], [["copy remote b new", "copy local c new"], [
    "forget a",
  ]]);
});

Deno.test("plan() takes nothing beside a name that is no Unicode for deleted", () => {
  const known = knownAs("d/", "d/x", "d/gone");
  const made = both({ remove: true, known, local: { "d/\ufffd": { opaque: "name" } }, remote: { "d/x": {} } });
  assert.deepEqual([made.actions, heldOf(made), made.historyUpdates], [[], ["remote d/x"], []]);
});

Deno.test("plan() takes a link that came in a file's place for no deletion", () => {
  const made = both({ remove: true, known: knownAs("f"), local: { f: { opaque: "link" } }, remote: { f: {} } });
  assert.deepEqual([made.actions, made.historyUpdates, notesOf(made)], [[], [], ["link f"]]);
});

Deno.test("plan() leaves plan and history of skipped paths untouched", () => {
  const made = both({
    skipNew: true,
    skipModified: true,
    known: knownAs("f"),
    local: { f: later, "d/new": {} },
    remote: { f: {}, also: {} },
  });
  assert.deepEqual([made.actions, made.historyUpdates, made.conflicts], [[], [], []]);
  assert.deepEqual(notesOf(made), ["skippedModified f", "skippedNew"]);
});

Deno.test("plan() pairs history with names as the coarser side does", () => {
  const made = both({
    remove: true,
    known: knownAs("A.txt"),
    remote: { "a.txt": {} },
    traits: { caseSensitive: false },
  });
  assert.deepEqual(summarizeActions(made.actions), ["remove remote a.txt gone"]);
});

Deno.test("plan() brings a link that points elsewhere to the other side", () => {
  const known: BaseEntry = { path: toRelPath("l"), kind: "link", target: "x" };
  const made = both({ known: [known], local: { l: { link: "y" } }, remote: { l: { link: "x" } } });
  assert.deepEqual(summarizeActions(made.actions), ["copy remote l checksum"]);
});
