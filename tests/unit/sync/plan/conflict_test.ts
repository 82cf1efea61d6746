import assert from "node:assert/strict";
import { type RelPath, toRelPath } from "../../../../lib/core/path.ts";
import type { ConflictPolicy } from "../../../../lib/sync/common/options.ts";
import {
  knownAs,
  type Listing,
  planFor,
  type PlanInput,
  START,
  summarizeActions,
} from "../../../support/planning/planning.ts";

const trash: NonNullable<PlanInput["keepDiscarded"]> = (path) => toRelPath(`.tandem-trash/${path}`);
const both = (given: Omit<PlanInput, "mode">) => planFor({ mode: "Both", keepDiscarded: trash, ...given });
const at = (seconds: number, size = 5) => ({ f: { modified: START + seconds * 1000, size } });

const policies: readonly (readonly [ConflictPolicy, local: Listing, remote: Listing, winner: string])[] = [
  ["Newest", at(60, 6), at(30, 9), "local"],
  ["Newest", at(30, 9), at(60, 6), "remote"],
  ["Newest", at(30, 9), at(31, 6), "both"],
  ["Oldest", at(60, 6), at(30, 9), "remote"],
  ["Oldest", at(30, 9), at(60, 6), "local"],
  ["Oldest", at(30, 9), at(31, 6), "both"],
  ["Local", at(30, 6), at(60, 9), "local"],
  ["Remote", at(60, 9), at(30, 6), "remote"],
  ["Larger", at(30, 9), at(60, 6), "local"],
  ["Larger", at(60, 6), at(30, 9), "remote"],
  ["Larger", at(60, 6), at(30, 6), "both"],
  ["Smaller", at(30, 9), at(60, 6), "remote"],
  ["Smaller", at(60, 6), at(30, 9), "local"],
  ["Smaller", at(60, 6), at(30, 6), "both"],
  ["KeepBoth", at(60, 6), at(30, 9), "both"],
  ["Skip", at(60, 6), at(30, 9), "undefined"],
];

for (const [conflict, local, remote, winner] of policies) {
  Deno.test(`TW-06 plan() settles by ${conflict}: ${JSON.stringify([local.f, remote.f])}: ${winner}`, () => {
    const made = both({ conflict, known: knownAs("f"), local, remote });
    assert.deepEqual(made.conflicts.map((one) => `${one.path} ${one.winner}`), [`f ${winner}`]);
    const actions = {
      local: ["copy remote f conflict"],
      remote: ["copy local f conflict"],
      both: ["copy local f conflict", "copy remote f (conflict) conflict"],
      undefined: [],
    };
    assert.deepEqual(summarizeActions(made.actions), actions[winner as keyof typeof actions]);
  });
}

for (const conflict of ["Newest", "Oldest"] as const) {
  Deno.test(`plan() settles ${conflict} as KeepBoth where a time is no time of an edit`, () => {
    const made = both({ conflict, local: at(60, 6), remote: at(30, 9), traits: { timeStep: undefined } });
    assert.deepEqual(made.conflicts.map(({ winner }) => winner), ["both"]);
  });
}

Deno.test("plan() settles as KeepBoth where the loser cannot be kept", () => {
  const made = both({ keepDiscarded: () => undefined, local: at(60, 6), remote: at(30, 9) });
  assert.deepEqual(made.conflicts.map(({ winner, backupPath: kept }) => [winner, kept]), [["both", "f (conflict)"]]);
});

Deno.test("TW-05 plan() keeps the local version under its new name before it is replaced, and sends it from there", () => {
  const made = both({ conflict: "KeepBoth", local: at(60, 6), remote: at(30, 9) });
  const [first, second] = made.actions;
  assert.equal(first?.do === "copy" && first.backupPath, "f (conflict)");
  assert.equal(second?.do === "copy" && second.source.path, "f (conflict)");
  assert.equal(second?.do === "copy" && second.source.kind === "file" && second.source.size, 6);
});

Deno.test("TW-07 plan() takes the next free name for a conflict copy, free on both sides", () => {
  const local = { ...at(60, 6), "f (conflict)": {} };
  const remote = { ...at(30, 9), "f (conflict)": {}, "f (conflict 2)": {} };
  const made = both({ conflict: "KeepBoth", local, remote });
  assert.equal(made.conflicts[0]?.backupPath, "f (conflict 3)");
});

Deno.test("plan() gives two conflict copies two names", () => {
  const conflictName = (_path: RelPath, attempt: number) => toRelPath(`copy ${attempt}`);
  const sides = { local: { a: { size: 1 }, b: { size: 1 } }, remote: { a: { size: 2 }, b: { size: 2 } } };
  const made = both({ conflict: "KeepBoth", conflictName, ...sides });
  assert.deepEqual(made.conflicts.map(({ backupPath: kept }) => kept), ["copy 0", "copy 1"]);
});

Deno.test("plan() gives a conflict copy no name that is taken in another spelling", () => {
  const conflictName = (_path: RelPath, attempt: number) => toRelPath(attempt === 0 ? "COPY" : "copy 2");
  const local = { ...at(60, 6), copy: {} };
  const made = both({ conflict: "KeepBoth", conflictName, local, remote: at(30, 9), traits: { caseSensitive: false } });
  assert.equal(made.conflicts[0]?.backupPath, "copy 2");
});

Deno.test("plan() leaves a conflict open when no name is free for the copy", () => {
  const made = both({ conflict: "KeepBoth", conflictName: (path) => path, local: at(60, 6), remote: at(30, 9) });
  assert.deepEqual([made.actions, made.conflicts.map(({ winner }) => winner)], [[], [undefined]]);
});

Deno.test("plan() leaves links that both sides turned elsewhere as an open conflict", () => {
  const made = both({ conflict: "Local", local: { l: { link: "x" } }, remote: { l: { link: "y" } } });
  assert.deepEqual([made.actions, made.conflicts.map(({ path, winner }) => [path, winner])], [[], [["l", undefined]]]);
});

Deno.test("plan() puts the remote copy beside the remote file as that side spells its folder", () => {
  const sides = { local: { "Dir/f": { size: 6 } }, remote: { "dir/f": {} } };
  const made = both({ conflict: "KeepBoth", ...sides, traits: { caseSensitive: false } });
  assert.deepEqual(summarizeActions(made.actions), [
    "copy local Dir/f conflict",
    "copy remote dir/f (conflict) conflict",
  ]);
});

Deno.test("plan() keeps what history knew of an open conflict", () => {
  const made = both({ conflict: "Skip", known: knownAs("f/", "f/x"), local: at(60, 6), remote: at(30, 9) });
  assert.deepEqual([made.actions, made.historyUpdates], [[], []]);
});
