import assert from "node:assert/strict";
import { memory } from "../../../lib/backends/memory/mod.ts";
import { chooseCriteria } from "../../../lib/sync/common/criteria.ts";
import type { Mode } from "../../../lib/sync/common/options.ts";
import { tempPath } from "../../../lib/core/temp_name.ts";
import type { Side } from "../../../lib/core/entry.ts";
import { withOverrides } from "../../support/stacked.ts";
import { newMemory, openHistory } from "../../support/simulation/history.ts";
import { listOnce, noWrite, recorded } from "../../support/backend_assertions.ts";
import { brief, failure, fileAt, NOON, plant, ran, rejection, signal, type Texts, texts, usual } from "./fixtures.ts";
import type { Plan, SyncEvent } from "../../../lib/core/plan.ts";
import type { MemoryDials } from "../../../lib/backends/memory/options.ts";

function pair(here: Texts, there: Texts, dials: Partial<Record<Side, MemoryDials>> = {}) {
  const [local, remote] = [memory(dials.local), memory(dials.remote)];
  plant(local, here);
  plant(remote, there);
  return { local, remote };
}

async function both(sides: ReturnType<typeof pair>): Promise<readonly Texts[]> {
  return [await texts(sides.local), await texts(sides.remote)];
}

function plannedBy(events: readonly SyncEvent[]): Plan {
  const planned = events.find((event) => event.type === "planned");
  assert.ok(planned !== undefined, "there was no plan");
  return planned.plan;
}

/** Backends of places that are no folder yet. */
function absent(dials: MemoryDials = {}) {
  let made = false;
  const inner = memory(dials);
  return withOverrides(inner, {
    stat: (backend, path, call) => path === "" && !made ? Promise.resolve(undefined) : backend.stat(path, call),
    makeDir(backend, path, call) {
      made ||= path === "";
      return backend.makeDir(path, call);
    },
  });
}

const apart: Texts = { "a": "1", "d/b": "22", "d/e/c": "333", "same": "x" };
const there: Texts = { "same": "x", "old": "0000", "x/y": "9" };

for (const mode of ["Remote", "Local", "Both"] as const) {
  Deno.test(`run() in ${mode} ends with equal trees, and does nothing the second time`, async () => {
    const sides = pair(apart, there);
    await ran(sides, { mode, mirror: mode !== "Both" });
    const [here, across] = await both(sides);
    assert.deepEqual(here, across);
    const before = [sides.local, sides.remote].map((side) => side.operations.length);
    const { events } = await ran(
      { local: noWrite(listOnce(sides.local)), remote: noWrite(listOnce(sides.remote)) },
      { mode, mirror: mode !== "Both" },
    );
    assert.deepEqual(plannedBy(events).actions, []);
    assert.deepEqual([sides.local, sides.remote].map((side) => side.operations.length), before);
  });
}

Deno.test("run() tells what it found, then the plan, then what it does", async () => {
  const { events, end } = await ran(pair({ "a": "1" }, {}));
  assert.deepEqual(events.map((event) => event.type), ["scanned", "scanned", "planned", "started", "progress", "done"]);
  assert.ok(end.outcome === "applied" && end.applied.failures === 0);
});

Deno.test("run() with planOnly writes nothing, and plans what the real run does", async () => {
  const sides = pair(apart, there);
  const { events, end } = await ran({ local: noWrite(sides.local), remote: noWrite(sides.remote) }, { planOnly: true });
  assert.equal(end.outcome, "planned");
  assert.deepEqual(plannedBy(events), plannedBy((await ran(sides)).events));
});

Deno.test("run() with planOnly does not make a root that is missing", async () => {
  const local = memory();
  plant(local, { "a": "1" });
  const { events } = await ran({ local, remote: noWrite(absent()) }, { planOnly: true, remove: false });
  assert.deepEqual(plannedBy(events).actions.map((action) => action.path), ["a"]);
});

Deno.test("run() makes a missing root that is written to", async () => {
  const local = memory();
  plant(local, { "a": "1" });
  const remote = absent();
  await ran({ local, remote }, { remove: false });
  assert.deepEqual(await texts(remote), { "a": "1" });
});

const missing: readonly [Mode, Side, boolean, string][] = [
  ["Remote", "local", false, "badInput"],
  ["Remote", "local", true, "refused"],
  ["Local", "remote", false, "badInput"],
  ["Local", "remote", true, "refused"],
  ["Both", "local", false, "badInput"],
  ["Both", "local", true, "refused"],
];
for (const [mode, side, remove, kind] of missing) {
  Deno.test(`run() in ${mode} without its ${side} root, -Remove ${remove ? "on" : "off"}, is ${kind}`, async () => {
    const there = memory();
    plant(there, { "a": "1" });
    const sides = { local: noWrite(there), remote: noWrite(there), [side]: noWrite(absent()) };
    const error = await rejection(ran(sides, { mode, remove, mirror: false }));
    assert.equal(error.kind, kind);
    assert.match(error.message, new RegExp(`The ${side} folder .* does not exist`));
  });
}

for (const remove of [false, true]) {
  Deno.test(`run() in Both makes a remote root that does not exist yet, -Remove ${remove ? "on" : "off"}`, async () => {
    const local = memory();
    plant(local, { "a": "1" });
    const remote = absent();
    await ran({ local, remote }, { mode: "Both", remove, mirror: false });
    assert.deepEqual([await texts(local), await texts(remote)], [{ "a": "1" }, { "a": "1" }]);
  });
}

for (const remove of [false, true]) {
  Deno.test(`run() in Both misses a remote root that an earlier run has seen, -Remove ${remove ? "on" : "off"}`, async () => {
    const local = memory();
    plant(local, { "a": "1" });
    const remembered = openHistory({ ...newMemory(), isKnown: true }, () => false);
    const sides = { local: noWrite(local), remote: noWrite(absent()) };
    const error = await rejection(ran(sides, { mode: "Both", remove, mirror: false, pairHistory: remembered }));
    assert.deepEqual([error.kind, error.message.includes("-AllowMissingRoot")], ["refused", true]);
    assert.match(error.message, /The remote folder .* does not exist: is a disk unplugged/);
  });
}

Deno.test("run() refuses a root that is a file", async () => {
  const local = withOverrides(memory(), { stat: (_inner, path) => Promise.resolve({ kind: "file", path, size: 1 }) });
  const error = await rejection(ran({ local, remote: noWrite(memory()) }));
  assert.equal(error.kind, "badInput");
  assert.match(error.message, /is a file/);
});

const overlaps: readonly [string, string, boolean][] = [
  ["/a/b", "/a/b", true],
  ["/a/b", "/a/b/c", true],
  ["/a/b/c", "/a/b/", true],
  ["/", "/a", true],
  ["/a/b", "/a/bc", false],
  ["C:\\a", "C:\\a\\b", true],
];
for (const [here, across, isOverlap] of overlaps) {
  Deno.test(`run() ${isOverlap ? "refuses" : "takes"} ${here} and ${across} on one disk`, async () => {
    const at = (disk: string) => withOverrides(memory(), { root: { path: disk, diskPath: disk } });
    const work = ran({ local: at(here), remote: at(across) }, { remove: false });
    if (isOverlap) assert.equal((await rejection(work)).kind, "badInput");
    else await work;
  });
}

const byContent = { criteria: chooseCriteria(["Checksum"]), mirror: true };

Deno.test("run() by checksum finds a change that neither size nor time shows", async () => {
  const sides = pair({ "a": "one", "b": "same" }, { "a": "two", "b": "same" });
  const { events } = await ran(sides, byContent);
  assert.deepEqual(plannedBy(events).actions.map((action) => action.path), ["a"]);
  assert.deepEqual(await texts(sides.remote), { "a": "one", "b": "same" });
});

Deno.test("run() says what will be read back, and does not do it under noReadBack", async () => {
  const sides = pair({ "a": "one" }, { "a": "two" }, { remote: { lacks: ["checksum"] } });
  const error = await rejection(
    ran({ local: sides.local, remote: noWrite(sides.remote) }, { ...byContent, noReadBack: true }),
  );
  assert.equal(error.kind, "badInput");
  assert.match(error.message, /1 file \(3 bytes\)/);
  const { events } = await ran(sides, byContent);
  const note = events.find((event) => event.type === "noted");
  assert.ok(note?.type === "noted" && note.note.code === "readBack" && note.note.count === 1);
  assert.deepEqual(await texts(sides.remote), { "a": "one" });
});

Deno.test("run() sends nothing for a time alone when a free checksum shows equal content", async () => {
  const sides = pair({}, {});
  plant(sides.local, { "a": "same" }, NOON + 60_000);
  plant(sides.remote, { "a": "same" }, NOON);
  const remote = recorded(sides.remote);
  await ran({ local: sides.local, remote: remote.backend });
  assert.ok(!remote.calls.some((call) => /^(write|read) /.test(call)), remote.calls.join(", "));
  assert.equal((await fileAt(sides.remote, "a")).modified, NOON + 60_000);
});

Deno.test("run() reads nothing back for a time alone", async () => {
  const sides = pair({}, {}, { remote: { lacks: ["checksum"] } });
  plant(sides.local, { "a": "same" }, NOON + 60_000);
  plant(sides.remote, { "a": "same" }, NOON);
  const remote = recorded(sides.remote);
  const { events } = await ran({ local: sides.local, remote: remote.backend });
  assert.ok(!remote.calls.includes("read a"), remote.calls.join(", "));
  assert.deepEqual(brief(events), ["done copy a"]);
});

Deno.test("run() in Both keeps both versions of a conflict on both sides", async () => {
  const sides = pair({ "a.txt": "mine" }, { "a.txt": "their version" });
  await ran(sides, { mode: "Both", mirror: false, conflict: "KeepBoth" });
  const expected = { "a (conflict test-host 2026-06-01 120000).txt": "mine", "a.txt": "their version" };
  assert.deepEqual(await both(sides), [expected, expected]);
});

Deno.test("run() rejects with the scan's error, and stops the other scan", async () => {
  const sides = pair({ "a": "1" }, {});
  const remote = withOverrides(sides.remote, { walk: undefined, list: () => assert.fail("listed") });
  const error = await rejection(ran({ local: sides.local, remote }));
  assert.equal(error.kind, "unexpected");
});

Deno.test("run() rejects with cancelled when it is cancelled before the first change", async () => {
  const sides = pair({ "a": "1" }, {});
  const stop = new AbortController();
  const hear = (event: SyncEvent) => event.type === "planned" && stop.abort();
  const error = await rejection(
    ran({ local: sides.local, remote: noWrite(sides.remote) }, {
      signal: stop.signal,
      hear: (event) => void hear(event),
    }),
  );
  assert.equal(error.kind, "cancelled");
});

Deno.test("run() overwrites nothing that changed since the plan", async () => {
  const sides = pair({ "a": "new" }, { "a": "old!" });
  const { events } = await ran(sides, {
    hear: (event) => event.type === "planned" && plant(sides.remote, { "a": "somebody's" }, NOON + 9000),
  });
  assert.equal(failure(events).kind, "changed");
  assert.deepEqual(await texts(sides.remote), { "a": "somebody's" });
});

Deno.test("run() leaves what appears during it to the next run", async () => {
  const sides = pair({ "a": "1" }, {});
  await ran(sides, { hear: (event) => event.type === "planned" && plant(sides.local, { "b": "2" }) });
  assert.deepEqual(await texts(sides.remote), { "a": "1" });
  await ran(sides);
  assert.deepEqual(await texts(sides.remote), { "a": "1", "b": "2" });
});

Deno.test("run() removes what a broken run of the same pair left, and nothing of another pair", async () => {
  const sides = pair({ "a": "1" }, {});
  let half = "";
  const remote = withOverrides(sides.remote, {
    write(_inner, path, _body, { tag = "" }) {
      half = tempPath(path, tag);
      plant(sides.remote, { [half]: "1" });
      return Promise.reject(new Error("broken"));
    },
  });
  await ran({ local: sides.local, remote });
  assert.deepEqual(Object.keys(await texts(sides.remote)), [half]);
  await ran(sides, { owner: "somebody else" });
  assert.deepEqual(Object.keys(await texts(sides.remote)), [half, "a"]);
  await ran(sides, usual);
  assert.deepEqual(await texts(sides.remote), { "a": "1" });
});

Deno.test("run() lists both sides at the same time", async () => {
  const begun: string[] = [];
  const gate = Promise.withResolvers<void>();
  const waiting = (name: string) =>
    withOverrides(memory({ lacks: ["walk"] }), {
      async list(inner, path, call) {
        begun.push(name);
        if (begun.length === 2) gate.resolve();
        await gate.promise;
        return await inner.list(path, call);
      },
    });
  await ran({ local: waiting("local"), remote: waiting("remote") }, { signal, remove: false });
  assert.deepEqual(begun.sort(), ["local", "remote"]);
});

Deno.test("run() tells what its places caution against, once a side", async () => {
  const sides = pair({ "a": "1" }, {});
  const remote = withOverrides(sides.remote, { securityWarning: () => "others can change it" });
  const { events } = await ran({ local: sides.local, remote }, { mode: "Remote" });
  const notes = events.flatMap((event) => event.type === "noted" ? [[event.note.side, event.note.why]] : []);
  assert.deepEqual(notes, [["remote", "others can change it"]]);
});
