import assert from "node:assert/strict";
import { toRelPath } from "../../../../lib/core/path.ts";
import { deriveRoots, deriveUpdates, type RunFacts } from "../../../../lib/sync/history/derive.ts";
import { toSnapshot } from "../../../../lib/sync/scan/snapshot.ts";
import type { DirEntry, Entry, FileEntry, Side } from "../../../../lib/core/entry.ts";
import { ableTraits, toHistory } from "../../../support/planning/interpret.ts";
import type { Roots } from "../../../../lib/sync/common/roots.ts";
import type { BaseEntry, HistoryUpdate, SideStamp } from "../../../../lib/core/history.ts";
import type { Action, Plan } from "../../../../lib/core/plan.ts";

const listedAt = 1_800_000_000_000;
const old = listedAt - 3_600_000;
const file = (path: string, more: Partial<FileEntry> = {}): FileEntry => ({
  kind: "file",
  path: toRelPath(path),
  size: 3,
  modified: old,
  ...more,
});
const dir = (path: string, modified = old): DirEntry => ({ kind: "dir", path: toRelPath(path), modified });
const mark = (size = 3, modified = old): SideStamp => ({ size, modified });
const known = (path: string, more: Partial<BaseEntry> = {}): BaseEntry => ({
  path: toRelPath(path),
  kind: "file",
  local: mark(),
  remote: mark(),
  ...more,
});
const upload = (path: string, more: Partial<Extract<Action, { do: "copy" }>> = {}): Action => ({
  do: "copy",
  to: "remote",
  path: toRelPath(path),
  why: "new",
  source: file(path),
  ...more,
});
const removal = (path: string, to: Side = "remote"): Action => ({
  do: "remove",
  to,
  path: toRelPath(path),
  why: "gone",
  target: file(path),
});

interface Setting {
  readonly plan?: Partial<Plan>;
  readonly actions?: readonly (readonly [Action, "done" | "undone", Entry?])[];
  readonly known?: readonly BaseEntry[];
  readonly local?: readonly Entry[];
  readonly remote?: readonly Entry[];
  readonly seen?: RunFacts["seen"];
  readonly timeStep?: number;
  readonly otherClocks?: readonly Side[];
}

function facts(
  { plan, actions = [], known: before = [], local = [], remote = [], seen = {}, timeStep = 1, otherClocks = [] }:
    Setting,
): RunFacts {
  const none = { conflicts: [], refusals: [], heldRemovals: [], notes: [], historyUpdates: [], undecided: [] };
  const done = actions.filter(([, end]) => end === "done").map(([action, , result]) => [action, result] as const);
  const traits = { ...ableTraits, dirTimes: true, timeStep };
  return {
    plan: { ...none, ...plan, actions: actions.map(([action]) => action) },
    done: new Map(done),
    history: toHistory(before),
    before: { local: toSnapshot(local), remote: toSnapshot(remote) },
    seen,
    traits: { local: { ...traits, timeStep: 1 }, remote: traits },
    otherClocks,
    listedAt,
    endedAt: listedAt + 1000,
  };
}

const learned = (setting: Setting): readonly HistoryUpdate[] => deriveUpdates(facts(setting));
const listing = (...entries: readonly Entry[]) => ({
  remote: { entries: new Map(entries.map((entry) => [entry.path, entry])), folders: new Map() },
});

Deno.test("toLessons() learns a file that arrived by what its side lists, and by the version that was read", () => {
  const result = file("a", { modified: old - 500, revision: "r1" });
  const lessons = learned({ actions: [[upload("a"), "done", result]], seen: listing(result) });
  assert.deepEqual(lessons, [{
    path: "a",
    base: { path: "a", kind: "file", local: mark(), remote: { size: 3, modified: old - 500, revision: "r1" } },
  }]);
});

const behind = { otherClocks: ["remote"], timeStep: 1000 } as const;
const download = (path: string): Action => ({ ...upload(path), to: "local" });
const provenFrom = (given: Setting) => learned(given).map(({ base }) => [base?.unprovenSide, base?.provableFrom]);

Deno.test("deriveUpdates() trusts a server's time if a folder's time shows that its clock has passed it, and otherwise a step later", () => {
  const arrived = { actions: [[download("a"), "done", file("a")]], ...behind } as const;
  assert.deepEqual(provenFrom(arrived), [["remote", listedAt + 3000]]);
  assert.deepEqual(provenFrom({ ...arrived, remote: [dir("d", old + 1999)] }), [["remote", listedAt + 3000]]);
  assert.deepEqual(provenFrom({ ...arrived, remote: [dir("d", old + 2000)] }), [[undefined, undefined]]);
  assert.deepEqual(provenFrom({ ...arrived, otherClocks: [] }), [[undefined, undefined]]);
});

Deno.test("deriveUpdates() waits for a slow clock to reach a time that the run itself set", () => {
  const sent = { actions: [[upload("a"), "done", file("a")]], ...behind, seen: listing(file("a")) } as const;
  assert.deepEqual(provenFrom(sent), [["remote", listedAt + 3000]]);
  assert.deepEqual(provenFrom({ ...sent, remote: [dir("d", old - 5000)] }), [["remote", listedAt + 8000]]);
});

Deno.test("deriveUpdates() asks for days-old times of files that are new to history no more, but for those of changed files", () => {
  const aged = file("a", { modified: old - 9 * 86_400_000 });
  const copy: Action = { do: "copy", to: "local", path: aged.path, why: "new", source: aged };
  const arrived = { actions: [[copy, "done", aged]], ...behind } as const;
  assert.deepEqual(provenFrom(arrived), [[undefined, undefined]]);
  assert.deepEqual(provenFrom({ ...arrived, known: [known("a")] }), [["remote", listedAt + 3000]]);
});

Deno.test("deriveUpdates() trusts the time of an unproven file once its content was compared late enough", () => {
  const compared = (provableFrom: number) => {
    const before = known("a", { unprovenSide: "remote", provableFrom });
    const plan = { historyUpdates: [{ path: before.path, base: known("a") }] };
    return provenFrom({ ...behind, plan, known: [before] });
  };
  assert.deepEqual(compared(listedAt + 1), [["remote", listedAt + 1]]);
  assert.deepEqual(compared(listedAt), [[undefined, undefined]]);
});

Deno.test("toLessons() learns nothing of a failure", () => {
  assert.deepEqual(learned({ actions: [[upload("a", { replaces: file("a") }), "undone"]], known: [known("a")] }), []);
  assert.deepEqual(learned({ actions: [[upload("a"), "undone"]] }), []);
});

Deno.test("toLessons() drops a path that one side still lacks, since nobody may take that for a deletion later", () => {
  const lessons = learned({ actions: [[upload("a"), "undone"]], known: [known("a")] });
  assert.deepEqual(lessons, [{ path: "a", base: undefined }]);
});

Deno.test("toLessons() keeps what it knows of a removal that is still to come", () => {
  assert.deepEqual(learned({ actions: [[removal("a"), "undone"]], known: [known("a")], remote: [file("a")] }), []);
});

Deno.test("toLessons() drops what was removed", () => {
  const lessons = learned({ actions: [[removal("a"), "done"]], known: [known("a")] });
  assert.deepEqual(lessons, [{ path: "a", base: undefined }]);
});

const foreign: Readonly<Record<string, FileEntry | undefined>> = {
  "another size": file("a", { size: 4 }),
  "another time": file("a", { modified: old + 5000 }),
  "another revision": file("a", { revision: "r2" }),
  "nothing": undefined,
};
for (const [what, seen] of Object.entries(foreign)) {
  Deno.test(`toLessons() learns nothing of a file whose side lists ${what} in the end`, () => {
    const result = file("a", { revision: "r1" });
    const end = seen === undefined || seen.revision !== undefined ? result : file("a");
    const lessons = learned({
      actions: [[upload("a"), "done", end]],
      seen: listing(...(seen === undefined ? [] : [seen])),
    });
    assert.deepEqual(lessons, []);
  });
}

Deno.test("toLessons() learns nothing of a source that was another one when it was read", () => {
  assert.deepEqual(learned({ actions: [[upload("a"), "done", file("a", { size: 5 })]] }), []);
  assert.deepEqual(learned({ actions: [[upload("a"), "done"]] }), []);
});

Deno.test("toLessons() remembers the time that a place shows in spite of the one that was asked for, to be settled by content", () => {
  const [lesson] = learned({ actions: [[upload("a"), "done", file("a", { modified: old + 60_000 })]] });
  assert.deepEqual([lesson?.base?.remote, lesson?.base?.unprovenSide], [mark(3, old + 60_000), "remote"]);
});

Deno.test("toLessons() goes by the listing where the answer to the write told another time", () => {
  const seen = file("a", { modified: listedAt + 500 });
  const [lesson] = learned({ actions: [[upload("a"), "done", file("a", { modified: 0 })]], seen: listing(seen) });
  assert.deepEqual([lesson?.base?.remote, lesson?.base?.unprovenSide], [mark(3, listedAt + 500), "remote"]);
});

Deno.test("toLessons() goes by the step of each entry, where a listing is coarser than its place", () => {
  const young = file("a", { modified: listedAt - 30_000, timeStep: 60_000 });
  const [lesson] = learned({ actions: [[upload("a"), "done", young]], seen: listing(young) });
  assert.equal(lesson?.base?.unprovenSide, "remote");
});

Deno.test("toLessons() remembers the time of an upload where a place keeps no other", () => {
  const result = file("a", { modified: listedAt + 400 });
  const [lesson] = learned({ actions: [[upload("a"), "done", result]], seen: listing(result) });
  assert.deepEqual([lesson?.base?.local, lesson?.base?.remote], [mark(), mark(3, listedAt + 400)]);
  assert.equal(lesson?.base?.unprovenSide, "remote");
});

for (const [age, provisional] of [[1999, "both"], [2000, undefined]] as const) {
  Deno.test(`toLessons() trusts a time ${age} ms old ${provisional === undefined ? "" : "only provisionally"}`, () => {
    const young = file("a", { modified: listedAt - age });
    const [lesson] = learned({ actions: [[upload("a", { source: young }), "done", young]] });
    assert.equal(lesson?.base?.unprovenSide, provisional);
  });
}

Deno.test("toLessons() goes by the place's step where that is coarser", () => {
  const young = file("a", { modified: listedAt - 30_000 });
  const setting = { actions: [[upload("a", { source: young }), "done", young]], timeStep: 60_000 } as const;
  assert.equal(learned(setting)[0]?.base?.unprovenSide, "remote");
});

Deno.test("toLessons() doubts no mark that has a revision", () => {
  const young = file("a", { modified: listedAt, revision: "r" });
  const [lesson] = learned({ actions: [[upload("a", { source: young }), "done", young]] });
  assert.equal(lesson?.base?.unprovenSide, undefined);
});

Deno.test("toLessons() adopts what the plan found equal, and no folder's time that is too young", () => {
  const lessons = [{ path: toRelPath("d"), base: { path: toRelPath("d"), kind: "dir" as const } }];
  const both = { local: [dir("d")], remote: [dir("d", listedAt - 1)] };
  assert.deepEqual(learned({ plan: { historyUpdates: lessons }, ...both }), [{
    path: "d",
    base: { path: "d", kind: "dir", local: { size: 0, modified: old } },
  }]);
  const before = [known("d", { kind: "dir", local: { size: 0, modified: old }, remote: { size: 0, modified: 5 } })];
  assert.deepEqual(learned({ plan: { historyUpdates: lessons }, ...both, known: before }), []);
});

Deno.test("toLessons() keeps a folder's time while something is missing in it that is known", () => {
  const lessons = [{ path: toRelPath("d"), base: { path: toRelPath("d"), kind: "dir" as const } }];
  const then = { size: 0, modified: 5 };
  const setting = {
    plan: { historyUpdates: lessons },
    actions: [[removal("d/x"), "undone"]],
    known: [known("d", { kind: "dir", local: then, remote: then }), known("d/x")],
    local: [dir("d")],
    remote: [dir("d"), file("d/x")],
  } as const;
  const [lesson] = learned(setting);
  assert.deepEqual([lesson?.base?.local, lesson?.base?.remote], [then, { size: 0, modified: old }]);
});

Deno.test("toLessons() moves what is known of a file that was renamed", () => {
  const source = file("a", { fileId: "1:1", checksum: "sha256:0" });
  const action: Action = { do: "move", to: "remote", path: toRelPath("b"), why: "moved", source };
  const lessons = learned({
    actions: [[action, "done", { ...source, path: toRelPath("b") }]],
    known: [known("a")],
    local: [file("b")],
    remote: [source],
  });
  assert.deepEqual(lessons, [
    { path: "a", base: undefined },
    {
      path: "b",
      base: {
        path: "b",
        kind: "file",
        local: mark(),
        remote: { size: 3, modified: old, fileId: "1:1" },
        checksum: "sha256:0",
      },
    },
  ]);
});

Deno.test("toLessons() learns the time that was set right", () => {
  const target = file("a", { modified: old - 9000, checksum: "sha256:0" });
  const action: Action = { do: "touch", to: "remote", path: target.path, why: "newer", target, modified: old };
  const [lesson] = learned({ actions: [[action, "done", file("a")]], local: [file("a")], remote: [target] });
  assert.deepEqual([lesson?.base?.local, lesson?.base?.remote, lesson?.base?.checksum], [
    mark(),
    mark(),
    "sha256:0",
  ]);
});

Deno.test("toLessons() forgets another spelling of what it learns", () => {
  const action = upload("A", { source: file("a") });
  const lessons = learned({ actions: [[action, "done", file("A")]], known: [known("A")] });
  assert.deepEqual(lessons.map(({ path, base: known }) => [path, known?.path]), [["A", undefined], ["a", "a"]]);
});

Deno.test("toRoots() remembers each root's id, and its time once that can be trusted", () => {
  const roots: Roots = { local: { id: "1", modified: 5 }, remote: { id: "2" } };
  const entries = { local: { ...dir("", listedAt), fileId: "3" }, remote: dir("") };
  assert.deepEqual(deriveRoots(facts({}), entries, roots), {
    local: { id: "3", modified: 5 },
    remote: { id: "2", modified: old },
  });
});
