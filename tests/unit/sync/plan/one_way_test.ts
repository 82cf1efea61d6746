import assert from "node:assert/strict";
import {
  knownAs,
  notesOf,
  planFor,
  type PlanInput,
  refusalsOf,
  summarizeActions,
} from "../../../support/planning/planning.ts";
import type { Plan } from "../../../../lib/core/plan.ts";

const up = (given: Omit<PlanInput, "mode">): Plan => planFor({ mode: "Remote", ...given });
const heldOf = ({ heldRemovals: held }: Plan) => held.map(({ side, path }) => `${side} ${path}`);

/** What is on one side only, in each mode. */
const oneSided:
  readonly (readonly [Pick<PlanInput, "mode" | "remove">, where: "local" | "remote", expected: readonly string[]])[] = [
    [{ mode: "Remote" }, "local", ["makeDir remote d new", "copy remote d/f new"]],
    [{ mode: "Remote", remove: true }, "local", ["makeDir remote d new", "copy remote d/f new"]],
    [{ mode: "Local" }, "local", []],
    [{ mode: "Local", remove: true }, "local", ["remove local d gone", "remove local d/f gone"]],
    [{ mode: "Both" }, "local", ["makeDir remote d new", "copy remote d/f new"]],
    [{ mode: "Both", remove: true }, "local", ["makeDir remote d new", "copy remote d/f new"]],
    [{ mode: "Remote" }, "remote", []],
    [{ mode: "Remote", remove: true }, "remote", ["remove remote d gone", "remove remote d/f gone"]],
    [{ mode: "Local" }, "remote", ["makeDir local d new", "copy local d/f new"]],
    [{ mode: "Local", remove: true }, "remote", ["makeDir local d new", "copy local d/f new"]],
    [{ mode: "Both" }, "remote", ["makeDir local d new", "copy local d/f new"]],
    [{ mode: "Both", remove: true }, "remote", ["makeDir local d new", "copy local d/f new"]],
  ];

for (const [choice, where, expected] of oneSided) {
  const name = `${choice.mode}${choice.remove ? " -Remove" : ""}, only ${where}`;
  Deno.test(`plan() handles a folder and a file on one side: ${name}`, () => {
    assert.deepEqual(summarizeActions(planFor({ ...choice, [where]: { "d/f": {} } }).actions), expected);
  });
}

Deno.test("plan() counts what it keeps on the target only", () => {
  const made = up({ remote: { "d/a": {}, b: {} } });
  assert.deepEqual(made.notes.map(({ code, count, side }) => [code, count, side]), [["onlyThere", 2, "remote"]]);
});

Deno.test("plan() makes empty folders too", () => {
  assert.deepEqual(summarizeActions(up({ local: { "d/e/": {} } }).actions), [
    "makeDir remote d new",
    "makeDir remote d/e new",
  ]);
});

Deno.test("UP-01 plan() says once how many empty folders a place without folders cannot hold", () => {
  const made = up({ local: { "d/e/": {}, "f/": {}, "g/h": {} }, traits: { hasDirs: false } });
  assert.deepEqual(summarizeActions(made.actions), ["copy remote g/h new"]);
  assert.deepEqual(made.notes.map(({ code, count }) => [code, count]), [["emptyFolders", 2]]);
});

Deno.test("plan() skips new files and folders under -SkipNew, and counts the files", () => {
  const made = up({ skipNew: true, local: { "d/a": {}, b: {}, c: { size: 6 } }, remote: { c: {} } });
  assert.deepEqual(summarizeActions(made.actions), ["copy remote c size"]);
  assert.deepEqual(made.notes.map(({ code, count }) => [code, count]), [["skippedNew", 2]]);
});

Deno.test("UP-14 plan() does not put a folder in the place of a file", () => {
  const made = up({ local: { "a/b": {}, "a/c/d": {}, e: {} }, remote: { a: {} } });
  assert.deepEqual(summarizeActions(made.actions), ["copy remote e new"]);
  assert.deepEqual(refusalsOf(made), ["local a exists", "local a/b exists", "local a/c/d exists"]);
});

Deno.test("DL-09 plan() does not put a file in the place of a folder", () => {
  const made = planFor({ mode: "Local", local: { "d/x": {} }, remote: { d: {}, e: {} } });
  assert.deepEqual(summarizeActions(made.actions), ["copy local e new"]);
  assert.deepEqual(refusalsOf(made), ["remote d exists"]);
});

Deno.test("plan() replaces a folder by a file under -Remove, and names all that goes with it", () => {
  const made = up({ remove: true, local: { d: {} }, remote: { "d/x": {}, "d/y/z": {} } });
  assert.deepEqual(summarizeActions(made.actions), [
    "copy remote d new",
    "remove remote d/x gone",
    "remove remote d/y gone",
    "remove remote d/y/z gone",
  ]);
  assert.equal(made.actions[0]?.do === "copy" && made.actions[0].replaces?.kind, "dir");
});

Deno.test("plan() replaces a file by a folder under -Remove", () => {
  const made = up({ remove: true, local: { "d/x": {} }, remote: { d: {} } });
  assert.deepEqual(summarizeActions(made.actions), ["makeDir remote d new", "copy remote d/x new"]);
  assert.equal(made.actions[0]?.do === "makeDir" && made.actions[0].replaces?.kind, "file");
});

Deno.test("plan() keeps a folder that holds a link from being replaced by a file", () => {
  const made = up({ remove: true, local: { d: {} }, remote: { "d/x": {}, "d/l": { opaque: "link" } } });
  assert.deepEqual([made.actions, refusalsOf(made)], [[], ["local d exists"]]);
});

Deno.test("plan() leaves another type alone under -SkipModified", () => {
  const made = up({ remove: true, skipModified: true, local: { d: {} }, remote: { "d/x": {} } });
  assert.deepEqual([made.actions, made.refusals, notesOf(made)], [[], [], ["skippedModified d"]]);
});

Deno.test("LK-11 plan() leaves all alone where the source could not be read, and says so once", () => {
  const made = up({ local: { d: { opaque: "unreadable" }, e: {} }, remote: { "d/x/y": {} } });
  assert.deepEqual(summarizeActions(made.actions), ["copy remote e new"]);
  assert.deepEqual(refusalsOf(made), ["local d denied"]);
});

Deno.test("plan() writes nothing where the target could not be read", () => {
  const made = up({ local: { "d/x/y": {}, e: {} }, remote: { d: { opaque: "unreadable" } } });
  assert.deepEqual(summarizeActions(made.actions), ["copy remote e new"]);
  assert.deepEqual(refusalsOf(made), ["remote d denied"]);
});

Deno.test("MD-03 plan() holds every removal after a failed listing", () => {
  const made = up({ remove: true, local: { d: { opaque: "unreadable" } }, remote: { "d/x": {}, "e/f": {}, g: {} } });
  assert.deepEqual(made.actions, []);
  assert.deepEqual(heldOf(made), ["remote e", "remote e/f", "remote g"]);
  assert.match(made.heldRemovals[0]?.why ?? "", /"d" could not be read.*-RemoveDespiteFailures/);
});

Deno.test("plan() removes outside of what could not be read with -RemoveDespiteFailures", () => {
  const local = { d: { opaque: "unreadable" } } as const;
  const made = up({ remove: true, removeDespiteFailures: true, local, remote: { "d/x": {}, g: {} } });
  assert.deepEqual(summarizeActions(made.actions), ["remove remote g gone"]);
});

Deno.test("plan() replaces no folder by a file after a failed listing", () => {
  const made = up({ remove: true, local: { u: { opaque: "unreadable" }, d: {} }, remote: { "d/x": {} } });
  assert.deepEqual([made.actions, refusalsOf(made)], [[], ["local d exists", "local u denied"]]);
});

Deno.test("LK-08 plan() notes links and special files once each, and removes nothing in their place", () => {
  const local = { l: { opaque: "link" }, p: { opaque: "special" } } as const;
  const made = up({ remove: true, local, remote: { "l/x": {}, p: {}, q: {} } });
  assert.deepEqual(summarizeActions(made.actions), ["remove remote q gone"]);
  assert.deepEqual(made.notes.map(({ code, path, count }) => [code, path, count]), [["link", "l", 1], [
    "special",
    "p",
    1,
  ]]);
  assert.deepEqual([made.refusals, made.heldRemovals], [[], []]);
});

Deno.test("LK-05 plan() writes nothing through a link of the target", () => {
  const made = up({ mirror: true, remove: true, local: { "l/x": {} }, remote: { l: { opaque: "link" } } });
  assert.deepEqual([made.actions, notesOf(made)], [[], ["link l"]]);
});

Deno.test("plan() says nothing of links that only the target has, unless they stay in spite of -Remove", () => {
  const remote = { l: { opaque: "link" } } as const;
  assert.deepEqual(up({ remote }).notes, []);
  assert.deepEqual(notesOf(up({ remote, remove: true })), ["link l"]);
});

Deno.test("plan() notes a link that both sides have only once", () => {
  const sides = { local: { l: { opaque: "link" } }, remote: { l: { opaque: "link" } } } as const;
  assert.deepEqual(notesOf(up(sides)), ["link l"]);
});

Deno.test("plan() keeps a folder that holds something that stays, and removes the rest of it", () => {
  const made = up({ remove: true, remote: { "d/e/l": { opaque: "link" }, "d/e/x": {}, "d/y/z": {} } });
  assert.deepEqual(summarizeActions(made.actions), [
    "remove remote d/e/x gone",
    "remove remote d/y gone",
    "remove remote d/y/z gone",
  ]);
});

Deno.test("MD-08 plan() keeps the folders that hold something excluded", () => {
  const made = up({ remove: true, remote: { "d/e/x": {}, "f/": {} }, hidden: { remote: ["d/e"] } });
  assert.deepEqual(summarizeActions(made.actions), ["remove remote d/e/x gone", "remove remote f gone"]);
});

Deno.test("plan() sees no trash, at any depth, and keeps the folder that holds it", () => {
  const trash = { ".tandem-trash/a": {}, "d/.tandem-trash/b": {}, "d/x": {}, "my.tandem-trash/c": {} };
  assert.deepEqual(summarizeActions(up({ local: trash }).actions), [
    "makeDir remote d new",
    "copy remote d/x new",
    "makeDir remote my.tandem-trash new",
    "copy remote my.tandem-trash/c new",
  ]);
  assert.deepEqual(summarizeActions(up({ remove: true, remote: trash }).actions), [
    "remove remote d/x gone",
    "remove remote my.tandem-trash gone",
    "remove remote my.tandem-trash/c gone",
  ]);
});

Deno.test("plan() fails a name that is no Unicode, and removes nothing beside it", () => {
  const local = { "d/\ufffd.txt": { opaque: "name" }, "d/a": {}, "e/b": {}, "d/s/k": {} } as const;
  const made = up({ remove: true, local, remote: { "d/x": {}, "d/t/y": {}, "d/s/z": {}, "e/w": {} } });
  assert.deepEqual(refusalsOf(made), ["local d/\ufffd.txt badInput"]);
  assert.deepEqual(made.actions.filter((action) => action.do === "remove").map(({ path }) => path), ["d/s/z", "e/w"]);
  assert.deepEqual(heldOf(made), ["remote d/t", "remote d/t/y", "remote d/x"]);
});

Deno.test("plan() removes nothing beside a line that cannot be read, on the side of that line either, and goes on elsewhere", () => {
  const remote = { "d/?": { opaque: "line" }, "d/x": {}, "d/t/y": {}, "e/w": {} } as const;
  const made = up({ remove: true, removeDespiteFailures: true, local: { "d/new": {}, "e/v": {} }, remote });
  assert.deepEqual(refusalsOf(made), ["remote d/? badInput"]);
  assert.deepEqual(heldOf(made), ["remote d/t", "remote d/t/y", "remote d/x"]);
  assert.deepEqual(summarizeActions(made.actions), [
    "copy remote d/new new",
    "copy remote e/v new",
    "remove remote e/w gone",
  ]);
});

Deno.test("plan() keeps a folder of the target that holds a name it cannot give", () => {
  const made = up({ remove: true, remote: { "d/\ufffd": { opaque: "name" }, "d/x": {} } });
  assert.deepEqual(summarizeActions(made.actions), ["remove remote d/x gone"]);
});

Deno.test("plan() keeps empty folders where the source can hold none", () => {
  const given = { mode: "Local", remove: true, traits: { hasDirs: false } } as const;
  const made = planFor({ ...given, local: { "d/e/": {}, "f/x": {} } });
  assert.deepEqual(summarizeActions(made.actions), ["remove local f gone", "remove local f/x gone"]);
});

Deno.test("plan() forgets what a one-way run leaves on one side only", () => {
  const made = up({ known: knownAs("a", "b", "c"), skipNew: true, local: { b: {} }, remote: { c: {} } });
  assert.deepEqual(made.historyUpdates.map(({ path, base: known }) => [path, known]), [["a", undefined], [
    "b",
    undefined,
  ], [
    "c",
    undefined,
  ]]);
});

Deno.test("plan() prints as JSON", () => {
  const made = up({ remove: true, local: { "d/a": {}, b: { opaque: "link" } }, remote: { c: {}, b: {} } });
  assert.deepEqual(JSON.parse(JSON.stringify(made)), made);
});

Deno.test("plan() takes the shown form of a name for nothing but a report", () => {
  const shown = { "a\\u0001": { opaque: "name" } } as const;
  const made = planFor({ mode: "Local", local: shown, remote: { "a\\u0001": {} } });
  assert.deepEqual([summarizeActions(made.actions), refusalsOf(made)], [["copy local a\\u0001 new"], [
    "local a\\u0001 badInput",
  ]]);
});

Deno.test("plan() takes a name that begins like a folder's for something else", () => {
  const made = up({
    remove: true,
    local: { "a b": { size: 6 }, "a.c": {} },
    remote: { "a/x": {}, "a b": {}, "a.c": {} },
  });
  assert.deepEqual(summarizeActions(made.actions), [
    "remove remote a gone",
    "remove remote a/x gone",
    "copy remote a b size",
  ]);
});

Deno.test("plan() replaces a folder of any number of files", () => {
  const many = Object.fromEntries(Array.from({ length: 150_000 }, (_, i) => [`d/${i}`, {}]));
  assert.equal(up({ remove: true, local: { d: {} }, remote: many }).actions.length, 150_001);
});
