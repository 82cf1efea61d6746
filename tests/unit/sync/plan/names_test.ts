import assert from "node:assert/strict";
import { folderOfTrash } from "../../../../lib/sync/plan/names.ts";
import { planFor, type PlanInput, refusalsOf, summarizeActions } from "../../../support/planning/planning.ts";

const up = (given: Omit<PlanInput, "mode">) => planFor({ mode: "Remote", ...given });
const blind = { caseSensitive: false };

Deno.test("plan() takes spellings for one file when either side does, and keeps the target's", () => {
  const given = { local: { "Dir/A.txt": { size: 6 } }, remote: { "dir/a.TXT": {} } };
  assert.deepEqual(summarizeActions(up({ ...given, traits: blind }).actions), ["copy remote dir/a.TXT size"]);
  assert.deepEqual(summarizeActions(up({ ...given, localTraits: blind }).actions), ["copy remote dir/a.TXT size"]);
});

Deno.test("plan() keeps spellings apart where both sides do", () => {
  const made = up({ local: { "A": {} }, remote: { "a": {} } });
  assert.deepEqual(summarizeActions(made.actions), ["copy remote A new"]);
});

Deno.test("plan() puts new files into the folder as the target spells it", () => {
  const made = up({ local: { "Dir/Sub/new": {}, "Dir/Sub/More/x": {} }, remote: { "dir/sub/old": {} }, traits: blind });
  assert.deepEqual(summarizeActions(made.actions), [
    "makeDir remote dir/sub/More new",
    "copy remote dir/sub/More/x new",
    "copy remote dir/sub/new new",
  ]);
  assert.equal(made.actions[2]?.do === "copy" && made.actions[2].source.path, "Dir/Sub/new");
});

Deno.test("NM-06 plan() fails both of two names that are one there, and removes neither", () => {
  const made = up({
    remove: true,
    local: { "A.txt": {}, "a.txt": {}, b: {} },
    remote: { "a.txt": {}, c: {} },
    traits: blind,
  });
  assert.deepEqual(refusalsOf(made), ["local A.txt exists", "local a.txt exists"]);
  assert.deepEqual(summarizeActions(made.actions), ["copy remote b new", "remove remote c gone"]);
  assert.match(made.refusals[0]?.why ?? "", /"A\.txt" and "a\.txt"/);
});

for (const [one, other] of [["ß", "SS"], ["K", "\u212a"], ["É", "e\u0301"]]) {
  Deno.test(`NM-06 plan() fails ${one} beside ${other} where case is not told apart`, () => {
    const made = up({ local: { [`${one}.txt`]: {}, [`${other}.txt`]: {} }, traits: { ...blind, normalizes: true } });
    assert.deepEqual([made.actions, made.refusals.length], [[], 2]);
  });
}

Deno.test("NM-04 plan() fails two Unicode forms of one name where they are not told apart", () => {
  const made = up({
    remove: true,
    local: { "\u00e9": {}, "e\u0301": {} },
    remote: { "\u00e9": {} },
    traits: { normalizes: true },
  });
  assert.deepEqual([made.actions, made.refusals.length], [[], 2]);
});

Deno.test("NM-05 plan() sees one file where only the Unicode form differs", () => {
  const made = up({ remove: true, local: { "\u00e9": {} }, remote: { "e\u0301": {} }, traits: { normalizes: true } });
  assert.deepEqual([made.actions, made.refusals], [[], []]);
});

Deno.test("plan() fails what lies in two folders that are one there", () => {
  const made = up({ remove: true, local: { "D/x": {}, "d/y": {} }, remote: { "d/z": {} }, traits: blind });
  assert.deepEqual(refusalsOf(made), ["local D exists", "local D/x exists", "local d exists", "local d/y exists"]);
  assert.deepEqual(made.actions, []);
});

Deno.test("plan() removes neither of two names of the target that are one here", () => {
  const made = up({ remove: true, local: { x: {} }, remote: { "D/x": {}, "d/y": {}, x: {} }, localTraits: blind });
  assert.deepEqual(made.actions, []);
  assert.deepEqual(refusalsOf(made), ["remote D exists", "remote D/x exists", "remote d exists", "remote d/y exists"]);
});

Deno.test("NM-11 plan() fails a name that is a file and a folder on one side", () => {
  const remote = { "a/": {}, "a": {}, "a/b": {}, "c": {} };
  const made = planFor({ mode: "Local", remove: true, local: { "a": {} }, remote });
  assert.deepEqual(summarizeActions(made.actions), ["copy local c new"]);
  assert.deepEqual(refusalsOf(made), ["remote a exists", "remote a exists", "remote a/b exists"]);
});

Deno.test("NM-07 plan() refuses names that the target cannot hold, with all below, before anything is written", () => {
  const made = up({ local: { "a:b/c/d": {}, "con": {}, "ok.": {}, "fine": {} }, traits: { names: "windows" } });
  assert.deepEqual(summarizeActions(made.actions), ["copy remote fine new"]);
  assert.deepEqual(refusalsOf(made), [
    "local a:b badInput",
    "local a:b/c/d badInput",
    "local con badInput",
    "local ok. badInput",
  ]);
});

Deno.test("NM-08 plan() refuses a name that is too long for the target", () => {
  const made = up({ local: { ["é".repeat(70)]: {}, ["e".repeat(140)]: {} }, traits: { maxNameBytes: 139 } });
  assert.deepEqual([made.actions, made.refusals.length], [[], 2]);
  const fits = up({ local: { ["é".repeat(70)]: {} }, traits: { maxNameBytes: 140 } });
  assert.deepEqual([fits.actions.length, fits.refusals], [1, []]);
});

Deno.test("plan() does not judge names that the target holds already", () => {
  const made = up({ local: { "a:b": { size: 6 } }, remote: { "a:b": {} }, traits: { names: "windows" } });
  assert.deepEqual(summarizeActions(made.actions), ["copy remote a:b size"]);
});

Deno.test("trashHolder() finds the folder that holds the reserved name, and no lookalike", () => {
  assert.equal(folderOfTrash(".tandem-trash"), "");
  assert.equal(folderOfTrash("a.tandem-trash/b/.tandem-trash/c"), "a.tandem-trash/b");
  assert.equal(folderOfTrash("a.tandem-trash/b"), undefined);
});
