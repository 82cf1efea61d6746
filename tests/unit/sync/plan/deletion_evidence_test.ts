import assert from "node:assert/strict";
import { toRelPath } from "../../../../lib/core/path.ts";
import { type EvidenceFacts, toAbsenceCheck } from "../../../../lib/sync/plan/deletion_evidence.ts";
import { toSnapshot } from "../../../../lib/sync/scan/snapshot.ts";
import { tempPath } from "../../../../lib/core/temp_name.ts";
import type { DirEntry } from "../../../../lib/core/entry.ts";
import { ableTraits, toHistory } from "../../../support/planning/interpret.ts";
import { knownAs, notesOf, planFor, summarizeActions } from "../../../support/planning/planning.ts";
import type { BaseEntry } from "../../../../lib/core/history.ts";

const dir = (path: string, modified: number): DirEntry => ({ kind: "dir", path: toRelPath(path), modified });
const known = (path: string, modified: number): BaseEntry => {
  const mark = { size: 0, modified };
  return { path: toRelPath(path), kind: "dir", local: mark, remote: mark };
};

function untraced(path: string, given: Partial<EvidenceFacts>) {
  const traits = { ...ableTraits, dirTimes: true };
  const facts: EvidenceFacts = {
    snapshots: { local: toSnapshot([]), remote: toSnapshot([]) },
    traits: { local: traits, remote: traits },
    rootEntries: {},
    history: toHistory([]),
    roots: {},
    leftovers: { local: [], remote: [] },
    ...given,
  };
  return toAbsenceCheck(facts)(toRelPath(path), "local")?.folder;
}

const now = (...entries: readonly DirEntry[]) => ({ local: toSnapshot(entries), remote: toSnapshot([]) });

for (const [then, folder] of [[99, undefined], [100, "d"], [101, "d"]] as const) {
  Deno.test(`toUntraced() judges a folder of time 100 that was of ${then}`, () => {
    assert.equal(untraced("d/x", { snapshots: now(dir("d", 100)), history: toHistory([known("d", then)]) }), folder);
  });
}

Deno.test("toUntraced() asks the nearest folder that still exists", () => {
  const history = toHistory([known("d", 50), known("d/e", 100), known("d/e/f", 100)]);
  assert.equal(untraced("d/e/f/x", { snapshots: now(dir("d", 60)), history }), undefined);
  assert.equal(untraced("d/e/f/x", { snapshots: now(dir("d", 50)), history }), "d");
});

Deno.test("toUntraced() asks the root itself where no folder is left", () => {
  const roots = { local: { modified: 100 } };
  assert.equal(untraced("d/x", { roots, rootEntries: { local: dir("", 100) } }), "");
  assert.equal(untraced("d/x", { roots, rootEntries: { local: dir("", 101) } }), undefined);
});

Deno.test("toUntraced() takes no absence below another root for a deletion", () => {
  const rootEntries = { local: { ...dir("", 200), fileId: "2" } };
  assert.equal(untraced("x", { roots: { local: { id: "1", modified: 100 } }, rootEntries }), "");
});

Deno.test("toUntraced() takes no absence for a deletion where our own next version waits under its temporary name", () => {
  const temp = (path: string) => tempPath(toRelPath(path), "00112233445566aa");
  const leftovers = { local: [temp("d/x"), temp("y")], remote: [temp("d/z")] };
  assert.deepEqual(["d/x", "y", "d/z", "z"].map((path) => untraced(path, { leftovers })), [
    "d",
    "",
    undefined,
    undefined,
  ]);
});

Deno.test("toUntraced() says nothing where folders' times tell nothing", () => {
  const history = toHistory([known("d", 100)]);
  const traits = { local: ableTraits, remote: ableTraits };
  assert.equal(untraced("d/x", { snapshots: now(dir("d", 100)), history, traits }), undefined);
  assert.equal(untraced("d/x", { snapshots: now(dir("d", 100)) }), undefined);
});

const without = { unprovenAbsence: () => ({ folder: toRelPath("d"), why: "it is older" }) };

Deno.test("plan() brings back in Both what is missing without a trace, with one note for its folder", () => {
  const made = planFor({
    mode: "Both",
    remove: true,
    known: knownAs("d/", "d/a", "d/b", "d/c"),
    local: { "d/c": {} },
    remote: { "d/a": {}, "d/b": {}, "d/c": {} },
    ...without,
  });
  assert.deepEqual(summarizeActions(made.actions), ["copy local d/a restored", "copy local d/b restored"]);
  const notes = made.notes.filter(({ code }) => code === "untraced");
  assert.deepEqual(notes.map(({ count, side }) => [count, side]), [[2, "local"]]);
  assert.match(notes[0]?.why ?? "", /"d" on the local side/);
});

Deno.test("plan() holds one-way removals of what is missing without a trace, and only of what history knows", () => {
  const made = planFor({
    mode: "Remote",
    remove: true,
    known: knownAs("a"),
    local: { "c": {} },
    remote: { "a": {}, "b": {}, "c": {} },
    ...without,
  });
  assert.deepEqual([summarizeActions(made.actions), made.heldRemovals.map(({ path }) => path)], [[
    "remove remote b gone",
  ], ["a"]]);
  assert.ok(notesOf(made).includes("untraced"));
});
