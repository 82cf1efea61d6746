import assert from "node:assert/strict";
import { decorate } from "../../../../lib/backends/layers/decorator.ts";
import { memory, type MemoryBackend } from "../../../../lib/backends/memory/mod.ts";
import { SyncError } from "../../../../lib/core/errors.ts";
import { toRelPath } from "../../../../lib/core/path.ts";
import { withoutDoubtful } from "../../../../lib/sync/confirm/confirmed_plan.ts";
import { toSnapshot } from "../../../../lib/sync/scan/snapshot.ts";
import type { Entry } from "../../../../lib/core/entry.ts";
import { faulty } from "../../../support/faulty.ts";
import { newMemory, openHistory } from "../../../support/simulation/history.ts";
import { noRemove, noWrite, recorded } from "../../../support/backend_assertions.ts";
import { pair, plant, ran, rejection, texts, toPlan } from "../fixtures.ts";
import { listing, planOf, ways, without } from "./lying_listing.ts";
import type { Action } from "../../../../lib/core/plan.ts";

for (const options of ways) {
  const name = options.removeDespiteFailures === true ? " with removeDespiteFailures" : "";
  Deno.test(`run()${name} removes nothing that one page of a listing missed, and says so`, async () => {
    const sides = pair({ "a": "1", "b": "2", "d/c": "3" }, { "a": "1", "b": "2", "d/c": "3", "old": "4" });
    const local = listing(sides.local, without("b"), 1);
    const { events, end } = await ran({ local, remote: sides.remote }, options);
    assert.deepEqual(planOf(events).refusals.map(({ path }) => path), ["b"]);
    const held = options.removeDespiteFailures === true ? [] : ["old"];
    assert.deepEqual(end.plan.heldRemovals.map(({ path }) => path), held);
    const left = await texts(sides.remote);
    assert.equal(left["b"], "2");
    assert.equal(left["old"], held.length > 0 ? "4" : undefined);
  });
}

Deno.test("run() plans the same under planOnly, and changes nothing", async () => {
  const sides = pair({ "a": "1", "b": "2" }, { "a": "1", "b": "2", "old": "4" });
  const { end } = await ran({
    local: noWrite(listing(sides.local, without("b"), 1)),
    remote: noWrite(sides.remote),
  }, { planOnly: true });
  assert.deepEqual([end.plan.actions, end.plan.refusals.length, end.plan.heldRemovals.length], [[], 1, 1]);
});

Deno.test("run() leaves a name alone that the other side hides, says so once, and removes the rest", async () => {
  const content = { "a": "1", ".env": "2", ".git/x": "3", "n/.env": "4" };
  const sides = pair({ ...content, "old": "5", "n/old": "6" }, content);
  const hiding = listing(
    sides.remote,
    ({ path, ...rest }) => /(^|\/)\./.test(path) ? [] : [{ path, ...rest } as Entry],
  );
  const { events, end } = await ran({ local: sides.local, remote: hiding }, { mode: "Local" });
  assert.deepEqual(end.plan.refusals, []);
  const hidden = planOf(events).notes.filter(({ code }) => code === "hiddenNames");
  assert.deepEqual(hidden.map(({ side, count }) => [side, count]), [["remote", 3]]);
  assert.deepEqual(await texts(sides.local), { ...content, ".git": null, "n": null });
});

Deno.test("run() leaves the folder of a hidden name where it is, though all else in it goes", async () => {
  const sides = pair({ "keep": "1", "d/Thumbs.db": "2", "d/old": "3" }, { "keep": "1", "d/Thumbs.db": "2" });
  const remote = listing(sides.remote, without("d", "d/Thumbs.db"));
  const { end } = await ran({ local: sides.local, remote }, { mode: "Local" });
  assert.ok(end.outcome === "applied" && end.applied.failures === 0);
  assert.deepEqual(await texts(sides.local), { "d": null, "d/Thumbs.db": "2", "keep": "1" });
});

Deno.test("run() moves nothing whose old name is still there, but brings the new one", async () => {
  const sides = pair({ "a": "content", "b": "content" }, { "a": "content", "old": "x" });
  const local = listing(sides.local, without("a"), 1);
  const { end } = await ran({ local, remote: sides.remote }, { criteria: [] });
  assert.deepEqual(end.plan.refusals.map(({ path }) => path), ["a"]);
  assert.deepEqual(await texts(sides.remote), { "a": "content", "b": "content", "old": "x" });
});

Deno.test("run() replaces no file by a folder that a listing only said was one", async () => {
  const sides = pair({ "a": "1", "b": "2" }, { "a": "1", "b": "2", "old": "3" });
  const local = listing(sides.local, (entry) => entry.path === "a" ? [{ kind: "dir", path: entry.path }] : [entry], 1);
  const { end } = await ran({ local, remote: noRemove(sides.remote) });
  assert.deepEqual(end.plan.refusals.map(({ path }) => path), ["a"]);
  assert.deepEqual(await texts(sides.remote), { "a": "1", "b": "2", "old": "3" });
});

Deno.test("run() replaces no folder by a file that a listing only said was one", async () => {
  const content = { "d/a": "1", "b": "2" };
  const sides = pair(content, { ...content, "old": "3" });
  const local = listing(sides.local, (entry) => {
    if (entry.path === "d") return [{ kind: "file", path: entry.path, size: 1 }];
    return entry.path === "d/a" ? [] : [entry];
  }, 2);
  await ran({ local, remote: noRemove(sides.remote) });
  assert.deepEqual(await texts(sides.remote), { ...content, "d": null, "old": "3" });
});

Deno.test("run() in Both takes no listing's gap for a deletion", async () => {
  // Without folders' times nothing else tells a deletion from a gap.
  const sides = pair({ "a": "1", "b": "2", "c": "3" }, { "a": "1", "b": "2", "c": "3" }, { dirTimes: false });
  const known = newMemory();
  const remembered = () => openHistory(known, () => false);
  await ran(sides, { mode: "Both", mirror: false, pairHistory: remembered() });
  const remote = listing(sides.remote, without("b"), 1);
  const { end } = await ran({ local: noRemove(sides.local), remote }, {
    mode: "Both",
    mirror: false,
    pairHistory: remembered(),
  });
  assert.deepEqual(end.plan.refusals.map(({ path }) => path), ["b"]);
  const after = await ran(sides, { mode: "Both", mirror: false, pairHistory: remembered() });
  assert.deepEqual(after.end.plan.actions, []);
});

Deno.test("run() does not remove what it cannot ask for", async () => {
  const sides = pair({ "a": "1" }, { "a": "1", "old": "2", "other": "3" });
  const denied = new SyncError("denied", "no right to look", { operation: "stat" });
  const local = faulty(sides.local, { faults: [{ on: "stat", path: "old", error: denied }] });
  const { end } = await ran({ local, remote: noRemove(sides.remote) });
  assert.match(end.plan.refusals[0]?.why ?? "", /no right to look/);
  assert.deepEqual(end.plan.heldRemovals.map(({ path }) => path), ["other"]);
});

Deno.test("run() rejects with nothing changed when the server is lost while absences are confirmed", async () => {
  const sides = pair({ "a": "1", "n": "new" }, { "a": "1", "old": "2" });
  const lost = new SyncError("connection", "the line is dead", { operation: "stat" });
  const dead = { on: "stat", error: lost } as const;
  const local = faulty(sides.local, { faults: [{ ...dead, path: "old" }, { ...dead, path: "", nth: 2 }] });
  assert.equal((await rejection(ran({ local, remote: noWrite(sides.remote) }))).kind, "connection");
  // One path over which it breaks off is no more than that.
  const once = faulty(sides.local, { faults: [{ ...dead, path: "old" }] });
  const { end } = await ran({ local: once, remote: noRemove(sides.remote) });
  assert.deepEqual(end.plan.refusals.map(({ path }) => path), ["old"]);
});

Deno.test("run() removes a name that the other side cannot hold", async () => {
  const sides = { local: memory(), remote: memory({ names: "windows" }) };
  plant(sides.local, { "a": "1", "what?": "2" });
  plant(sides.remote, { "a": "1" });
  const denied = new SyncError("badInput", "no such name", { operation: "stat" });
  const remote = faulty(sides.remote, { faults: [{ on: "stat", path: "what?", error: denied }] });
  await ran({ local: sides.local, remote }, { mode: "Local" });
  assert.deepEqual(await texts(sides.local), { "a": "1" });
});

Deno.test("run() follows a server that folds names without saying so from one spelling to another", async () => {
  const sides = { local: memory(), remote: memory() };
  plant(sides.local, { "readme": "1", "b": "2" });
  plant(sides.remote, { "README": "1", "b": "2" });
  const folding = decorate(sides.remote, {
    call: async (attempt) => {
      const result = await attempt.run();
      if (attempt.operation !== "stat" || attempt.path !== "readme") return result;
      const entry = await sides.remote.stat("README" as Entry["path"], attempt);
      return { ...entry, path: attempt.path } as typeof result;
    },
    walk: ({ run }) => run(),
  });
  const { end } = await ran({ local: sides.local, remote: folding }, { mode: "Local" });
  assert.deepEqual(end.plan.refusals, []);
  assert.deepEqual(await texts(sides.local), { "README": "1", "b": "2" });
});

Deno.test("run() finds a file in the other Unicode form where one side folds them", async () => {
  const sides = { local: memory({ normalizes: true }), remote: memory() };
  plant(sides.local, { "caf\u00e9": "1", "b": "2" });
  plant(sides.remote, { "cafe\u0301": "1", "b": "2" });
  const remote = listing(sides.remote, without("cafe\u0301"), 1);
  const { end } = await ran({ local: noRemove(sides.local), remote }, { mode: "Local" });
  assert.equal(end.plan.refusals.length, 1);
});

Deno.test("run() replaces no file for a folder whose name folds to that of a file that a listing lost", async () => {
  const sides = pair({ "a": "1", "A/x": "2" }, { "a": "1" }, { caseSensitive: false });
  const local = listing(sides.local, without("a"));
  const { end } = await ran({ local, remote: sides.remote }, { mode: "Remote" });
  assert.ok(end.plan.refusals.length > 0);
  assert.equal((await texts(sides.remote))["a"], "1");
});

const many = Object.fromEntries(Array.from({ length: 1500 }, (_, i) => [`d${i % 3}/f${i}`, "x"]));

function plantMany(backend: MemoryBackend): void {
  plant(backend, { "stays": "1", ...many, "d0/.env": "2" });
}

Deno.test("run() lists folders again where many removals are to be confirmed, and looks at the names that servers hide", async () => {
  const sides = { local: memory(), remote: memory() };
  plantMany(sides.local);
  plant(sides.remote, { "stays": "1", "d0/f0": "x", "d1/f1": "x", "d0/.env": "2" });
  const first = listing(sides.remote, without("d1/f1"), 4);
  const { backend, calls } = recorded(listing(first, without("d0/.env")));
  const options = { mode: "Local", maxRemove: { share: 1 } } as const;
  const { end } = await ran({ local: sides.local, remote: backend }, options);
  assert.deepEqual(end.plan.refusals.map(({ path }) => path), ["d1/f1"]);
  assert.equal((await texts(sides.local))["d0/.env"], "2");
  const looks = calls.filter((call) => call.startsWith("stat d")).length;
  assert.ok(looks > 0 && looks <= 1000, `${looks} looks`);
});

Deno.test("run() finds the names that servers hide among thousands that are gone", async () => {
  const hidden = Array.from({ length: 12 }, (_, i) => `f${i * 300 + 151}~`);
  const sides = { local: memory(), remote: memory() };
  plant(sides.local, Object.fromEntries(Array.from({ length: 4000 }, (_, i) => [`f${i}`, "x"])));
  plant(sides.remote, { "stays": "1" });
  for (const tree of [sides.local, sides.remote]) plant(tree, Object.fromEntries(hidden.map((name) => [name, "y"])));
  const remote = listing(sides.remote, without(...hidden));
  await ran({ local: sides.local, remote }, { mode: "Local", maxRemove: { share: 1 } });
  assert.deepEqual(Object.keys(await texts(sides.local)).sort(), [...hidden, "stays"].sort());
});

Deno.test("withDoubts() leaves a folder that holds something that stays, and fails nothing for it", () => {
  const [dir, file] = [toRelPath("d"), toRelPath("d/x")];
  const gone = { do: "remove", to: "local", why: "gone" } as const;
  const folder: Action = { ...gone, path: dir, target: { kind: "dir", path: dir } };
  const inside: Action = { ...gone, path: file, target: { kind: "file", path: file, size: 1 } };
  const sides = pair({}, {});
  const snapshots = { local: toSnapshot([]), remote: toSnapshot([]) };
  const doubts = new Map([[inside, { is: "hidden", why: "it stays" } as const]]);
  const options = { sides, snapshots, history: undefined, removeDespiteFailures: false };
  const { actions, refusals, heldRemovals: held } = withoutDoubtful(toPlan([folder, inside]), doubts, options);
  assert.deepEqual([actions, refusals, held], [[], [], []]);
});

Deno.test("run() looks at nothing again where nothing is removed", async () => {
  const sides = pair({ "a": "1", "b": "2" }, { "a": "1", "old": "2" });
  const { backend, calls } = recorded(sides.local);
  await ran({ local: backend, remote: sides.remote }, { remove: false });
  assert.deepEqual(calls.filter((call) => call !== "stat " && call.startsWith("stat")), []);
});

Deno.test("run() refuses, with nothing changed, where most of what is listed is not there", async () => {
  const sides = pair({ "a": "1", "b": "2", "d/c": "3" }, { "a": "1", "b": "2", "d/c": "3" });
  const remote = listing(sides.remote, (entry) => {
    return [
      entry.kind === "file" ? { ...entry, path: entry.path.replace(/[^/]+$/, "users; $&") as Entry["path"] } : entry,
    ];
  });
  for (const remove of [true, false]) {
    const error = await rejection(
      ran({ local: noWrite(sides.local), remote }, { mode: "Local", remove, maxRemove: { share: 1 } }),
    );
    assert.equal(error.kind, "refused");
    assert.match(error.message, /is wrong.*users; /);
  }
});

Deno.test("run() goes on where one of few new files vanished before it was looked at", async () => {
  const sides = pair({}, { "a": "1" });
  const before = async () =>
    await sides.remote.remove({ kind: "file", path: "a" as Entry["path"], size: 1 }, {
      signal: new AbortController().signal,
    });
  const remote = faulty(sides.remote, { faults: [{ on: "stat", path: "a", times: 1, before }] });
  const { events } = await ran({ local: sides.local, remote }, { mode: "Local" });
  assert.ok(events.some((event) => event.type === "noted" && event.note.code === "vanished"));
});

Deno.test("run() takes a file for a failure that is listed and cannot be read, and removes nothing", async () => {
  const sides = pair({ "a": "1", "old": "0" }, { "a": "1", "b": "2", "c": "3" });
  const missing = new SyncError("notFound", "no such file", { operation: "read" });
  const remote = faulty(sides.remote, {
    faults: [
      { on: "read", path: "b", error: missing },
    ],
  });
  const gone = decorate(remote, {
    call: async (attempt) => {
      const result = await attempt.run();
      return attempt.operation === "stat" && attempt.path === "b" ? undefined as typeof result : result;
    },
    walk: ({ run }) => run(),
  });
  const { events, end } = await ran({ local: noRemove(sides.local), remote: gone }, { mode: "Local" });
  assert.ok(end.outcome === "applied" && end.applied.failures === 1);
  assert.ok(events.some((event) => event.type === "held" && event.action.path === "old"));
});
