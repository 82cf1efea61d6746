import assert from "node:assert/strict";
import { toRelPath } from "../../../../lib/core/path.ts";
import type { Side } from "../../../../lib/core/entry.ts";
import {
  knownAs,
  notesOf,
  planFor,
  type PlanInput,
  START,
  summarizeActions,
  sumOf,
} from "../../../support/planning/planning.ts";
import type { BaseEntry } from "../../../../lib/core/history.ts";

const at = (ms: number, more: object = {}) => ({ f: { modified: START + ms, ...more } });
const young = (unprovenSide: BaseEntry["unprovenSide"], more: Partial<BaseEntry> = {}): readonly BaseEntry[] =>
  knownAs("f").map((one) => ({
    ...one,
    ...more,
    ...(unprovenSide === undefined ? {} : { unprovenSide }),
  }));
const second = { traits: { timeStep: 1000 } };
const trash: NonNullable<PlanInput["keepDiscarded"]> = (path) => toRelPath(`.tandem-trash/${path}`);

for (const [mode, from] of [["Remote", "local"], ["Local", "remote"]] as const) {
  for (const unprovenSide of [undefined, "local", "remote", "both"] as const) {
    const mark = unprovenSide === undefined ? "old marks" : `young marks: ${unprovenSide}`;
    Deno.test(`plan() in ${mode} carries a source that is 1 s later than its own mark, ${mark}`, () => {
      const sides = { local: at(0), remote: at(0), [from]: at(1000) };
      const made = planFor({ mode, known: young(unprovenSide), ...second, ...sides });
      assert.deepEqual(summarizeActions(made.actions), [`copy ${from === "local" ? "remote" : "local"} f newer`]);
    });
  }

  Deno.test(`plan() in ${mode} carries a source of another size under the time of its mark`, () => {
    const sides = { local: at(0), remote: at(0), [from]: at(0, { size: 9 }) };
    assert.equal(planFor({ mode, known: young(undefined), ...second, ...sides }).actions.length, 1);
  });

  Deno.test(`plan() in ${mode} asks for the content of what looks as it was by a mark that was too young`, () => {
    const asked = (unprovenSide: Side) =>
      planFor({ mode, checksumPolicy: "free", known: young(unprovenSide), ...second, local: at(0), remote: at(0) })
        .unproven;
    assert.deepEqual([asked("local"), asked("remote")], [["f"], ["f"]]);
  });

  Deno.test(`plan() in ${mode} carries a source that is another under the same young mark`, () => {
    const sides = { local: at(0), remote: at(0), [from]: at(0, { checksum: sumOf("y") }) };
    const made = planFor({ mode, known: young(from, { checksum: sumOf("x") }), ...second, ...sides });
    assert.equal(made.actions.length, 1);
  });

  Deno.test(`plan() in ${mode} keeps a target that is another under the same young mark, says so, and asks no more`, () => {
    const to: Side = from === "local" ? "remote" : "local";
    const sides = { local: at(0), remote: at(0), [to]: at(0, { checksum: sumOf("y") }) };
    const known = young(to, { checksum: sumOf("x") });
    const made = planFor({ mode, known, ...second, ...sides });
    assert.deepEqual([made.actions, notesOf(made)], [[], ["keptNewer f"]]);
    const after = made.historyUpdates.flatMap(({ base: known }) => known === undefined ? [] : [known]);
    assert.deepEqual(after.map((one) => [one[to], one.unprovenSide]), [[undefined, undefined]]);
    const next = planFor({ mode, checksumPolicy: "free", known: after, ...second, local: at(0), remote: at(0) });
    assert.deepEqual([next.unproven, next.hashIfFree, notesOf(next), next.historyUpdates], [undefined, [], [
      "keptNewer f",
    ], []]);
    assert.equal(planFor({ mode, mirror: true, known, ...second, ...sides }).actions.length, 1);
  });
}

Deno.test("plan() settles a young mark whose content is proven, and says where nothing could be", () => {
  for (const mode of ["Remote", "Local", "Both"] as const) {
    const sum = { checksum: sumOf("x") };
    const known = young("both", sum);
    const proven = planFor({ mode, known, ...second, local: at(0, sum), remote: at(0, sum) });
    assert.deepEqual([
      proven.actions,
      notesOf(proven),
      proven.historyUpdates.map(({ base: known }) => known?.unprovenSide),
    ], [
      ...[[], [], [undefined]],
    ]);
    const unproven = planFor({ mode, known, ...second, local: at(0), remote: at(0) });
    assert.deepEqual([unproven.actions, notesOf(unproven)], [[], ["unproven"]], mode);
  }
});

Deno.test("plan() takes two edits of what was in step, of one size and second, for a conflict unless their contents are one", () => {
  const both = (given: Partial<PlanInput>) =>
    planFor({ mode: "Both", keepDiscarded: trash, known: young(undefined), ...second, ...given });
  const sides = { local: at(9300), remote: at(9000) };
  assert.deepEqual(both({ checksumPolicy: "free", ...sides }).unproven, ["f"]);
  assert.deepEqual(both(sides).conflicts.map(({ winner }) => winner), ["both"]);
  const sum = { checksum: sumOf("x") };
  const one = both({ local: at(9300, sum), remote: at(9000, sum) });
  assert.deepEqual([one.conflicts, one.actions, one.historyUpdates.length], [[], [], 1]);
});

Deno.test("plan() asks at the first contact where equal times prove little: young ones, and those of which one side tells a fraction", () => {
  const asked = (local: object, listedAt = Infinity) => {
    const made = planFor({
      mode: "Both",
      checksumPolicy: "free",
      known: [],
      listedAt,
      ...second,
      local: { f: local },
      remote: at(0),
    });
    return [made.unproven ?? [], made.hashIfFree];
  };
  assert.deepEqual(asked({ modified: START }), [[], []]);
  assert.deepEqual(asked({ modified: START + 300 }), [[], ["f"]]);
  assert.deepEqual(asked({ modified: START }, START + 1500), [["f"], []]);
});

Deno.test("plan() asks for the content of a file of the same size and time that was replaced or changed, and remembers its new state", () => {
  const recorded = (stamp: object) =>
    knownAs("f").map((one) => ({ ...one, local: { size: 5, modified: START, ...stamp } }));
  for (const mode of ["Remote", "Local", "Both"] as const) {
    const plans = (before: object, now: object) => {
      const given = { mode, known: recorded(before), ...second, local: at(0, now), remote: at(0) };
      const [asked, settled] = [planFor({ checksumPolicy: "free", ...given }), planFor(given)];
      return [asked.unproven ?? [], settled.actions, settled.historyUpdates.map(({ base }) => base?.local)];
    };
    const stamp = (more: object) => [{ size: 5, modified: START, ...more }];
    assert.deepEqual(plans({ fileId: "1:1" }, { fileId: "1:2" }), [["f"], [], stamp({ fileId: "1:2" })], mode);
    assert.deepEqual(plans({ changeTime: 1 }, { changeTime: 2 }), [["f"], [], stamp({ changeTime: 2 })], mode);
    const same = { fileId: "1:2", changeTime: 1 };
    assert.deepEqual(plans({ fileId: "1:1", changeTime: 1 }, same), [[], [], []], mode);
    assert.deepEqual(plans({}, { changeTime: 1 }), [[], [], stamp({ changeTime: 1 })], mode);
  }
});

Deno.test("plan() reads a source that was edited under its stamp once, if the target is newer and kept", () => {
  const [x, y] = [{ checksum: sumOf("x") }, { checksum: sumOf("y") }];
  const known = knownAs("f").map((one) => ({ ...one, ...x, local: { size: 5, modified: START, changeTime: 1 } }));
  const newer = at(9000, { size: 6 });
  const made = planFor({ mode: "Remote", known, ...second, local: at(0, { changeTime: 2, ...y }), remote: newer });
  assert.deepEqual([made.actions, notesOf(made)], [[], ["keptNewer f"]]);
  const after = made.historyUpdates.flatMap(({ base }) => base ?? []);
  assert.deepEqual(after.map(({ local }) => local), [undefined]);
  const next = { mode: "Remote", checksumPolicy: "free", known: after, ...second } as const;
  assert.equal(planFor({ ...next, local: at(0, { changeTime: 2 }), remote: newer }).unproven, undefined);
});

const tagged = (revision: string, more: object = {}) => ({ modified: START, revision, ...more });
const weak = { traits: { timeStep: 1000, weakRevisions: true } };
const withTag = (path: string): BaseEntry => {
  const mark = { size: 5, modified: START };
  return { path: toRelPath(path), kind: "file", local: mark, remote: { ...mark, revision: "1" } };
};

Deno.test("plan() believes a weak revision that stays only where size and time stay too", () => {
  const down = (remote: object, traits: PlanInput["traits"]) =>
    planFor({ mode: "Local", known: [withTag("f")], local: at(0), remote: { f: remote }, ...(traits && { traits }) });
  const edited = tagged("1", { modified: START + 5000 });
  assert.deepEqual(summarizeActions(down(edited, weak.traits).actions), ["copy local f newer"]);
  assert.deepEqual(summarizeActions(down(edited, { timeStep: 1000 }).actions), []);
  assert.deepEqual(summarizeActions(down(tagged("1"), weak.traits).actions), []);
});

Deno.test("plan() reads a file once whose weak revision alone moved, and goes by its time from then on", () => {
  for (const mode of ["Local", "Remote", "Both"] as const) {
    const given = { mode, known: [withTag("f")], local: at(0), remote: { f: tagged("2") }, ...weak };
    assert.deepEqual(planFor({ checksumPolicy: "free", ...given }).unproven, ["f"], mode);
    const sum = { checksum: sumOf("x") };
    const proven = planFor({ ...given, local: at(0, sum), remote: { f: tagged("2", sum) } });
    const after = proven.historyUpdates.flatMap(({ base: known }) => known === undefined ? [] : [known]);
    assert.deepEqual([proven.actions, after.map(({ remote }) => remote?.revision)], [[], [undefined]]);
    const next = planFor({
      mode,
      checksumPolicy: "free",
      known: after,
      local: at(0),
      remote: { f: tagged("3") },
      ...weak,
    });
    assert.deepEqual([next.unproven, next.actions, next.historyUpdates], [undefined, [], []]);
  }
});

Deno.test("plan() takes revisions that all moved at once, and nothing else, for what they are", () => {
  const names = Array.from({ length: 12 }, (_, i) => `f${i}`);
  const listing = (more: object) => Object.fromEntries(names.map((name) => [name, { modified: START, ...more }]));
  for (const mode of ["Local", "Remote", "Both"] as const) {
    const given = { mode, known: names.map(withTag), local: listing({}), remote: listing({ revision: "2" }) };
    const made = planFor({ checksumPolicy: "free", ...given, ...weak });
    assert.deepEqual([made.unproven, made.hashIfFree, made.actions], [undefined, [], []], mode);
  }
});
