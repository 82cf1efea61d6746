import assert from "node:assert/strict";
import { memory } from "../../lib/backends/memory/mod.ts";
import { SyncError } from "../../lib/core/errors.ts";
import { Crash, faulty } from "../support/faulty.ts";
import { noRemove, noWrite } from "../support/backend_assertions.ts";
import { brief, NOON, plant, ran, rejection, type Texts, texts } from "../unit/sync/fixtures.ts";
import type { RunOptions } from "../../lib/sync/run_options.ts";
import type { MemoryDials } from "../../lib/backends/memory/options.ts";

const here: Texts = {
  "a": "new",
  "d/b": "22",
  "d/e/c": "333",
  "same": "x",
  "t/u/v": "was a file there",
  "p": "was a folder there",
  "empty": null,
};
const there: Texts = {
  "a": "other",
  "same": "x",
  "t": "a file",
  "p/q/r": "in a folder",
  "p/s": "too",
  "old/x": "1",
  "old/y/z": "2",
};

function start(dials: MemoryDials = {}) {
  const sides = { local: memory(dials), remote: memory(dials) };
  plant(sides.local, here, NOON);
  plant(sides.remote, there, NOON - 60_000);
  return sides;
}

const ways: readonly (Partial<RunOptions> & { readonly mode: RunOptions["mode"]; readonly dials?: MemoryDials })[] = [
  { mode: "Remote" },
  { mode: "Local" },
  { mode: "Remote", dials: { lacks: ["rename"] } },
  { mode: "Both", mirror: false, conflict: "KeepBoth" },
];

for (const { dials, ...options } of ways) {
  const name = `${options.mode}${dials === undefined ? "" : ` without ${dials.lacks}`}`;
  for (const isDone of [false, true]) {
    Deno.test(`run() in ${name}, ended ${isDone ? "after" : "before"} any of its changes, is completed by the next run`, async () => {
      const whole = start(dials);
      const counting = new Crash(Infinity);
      const { end } = await ran({
        local: faulty(whole.local, { crash: counting }),
        remote: faulty(whole.remote, { crash: counting }),
      }, options);
      assert.ok(end.outcome === "applied" && end.applied.failures === 0);
      const expected = [await texts(whole.local), await texts(whole.remote)];
      assert.ok(counting.count >= 10, `only ${counting.count} changes`);
      for (let at = 1; at <= counting.count; at++) {
        const sides = start(dials);
        const crash = new Crash(at, { isDone });
        await ran(
          { local: faulty(sides.local, { crash }), remote: faulty(sides.remote, { crash }) },
          { ...options, concurrency: 1 + at % 3 },
        );
        await ran(sides, options);
        assert.deepEqual([await texts(sides.local), await texts(sides.remote)], expected, `ended at change ${at}`);
        const { end } = await ran({ local: noWrite(sides.local), remote: noWrite(sides.remote) }, options);
        assert.ok(end.plan.actions.length === 0, `ended at change ${at}: the third run still has something to do`);
      }
    });
  }
}

Deno.test("run() removes nothing when a folder of the source could not be read", async () => {
  const sides = { local: memory({ lacks: ["walk"] }), remote: memory() };
  plant(sides.local, { "a": "1", "secret/x": "2" });
  plant(sides.remote, { "old": "3", "secret/x": "2", "secret/y": "4" });
  const denied = new SyncError("denied", "no right", { operation: "list" });
  const local = faulty(sides.local, { faults: [{ on: "list", path: "secret", error: denied }] });
  const { end } = await ran({ local, remote: noRemove(sides.remote) });
  assert.deepEqual(end.plan.heldRemovals.map(({ path }) => path), ["old"]);
  assert.deepEqual(end.plan.refusals.map(({ path }) => path), ["secret"]);
  assert.deepEqual(await texts(sides.remote), {
    "a": "1",
    "old": "3",
    "secret": null,
    "secret/x": "2",
    "secret/y": "4",
  });
});

Deno.test("run() with removeDespiteFailures removes outside of the folder that could not be read only", async () => {
  const sides = { local: memory({ lacks: ["walk"] }), remote: memory() };
  plant(sides.local, { "a": "1", "secret/x": "2" });
  plant(sides.remote, { "old": "3", "secret/y": "4" });
  const cut = new SyncError("unexpected", "broke off", { operation: "list" });
  const local = faulty(sides.local, { faults: [{ on: "list", path: "secret", truncate: 0, broken: cut }] });
  await ran({ local, remote: sides.remote }, { removeDespiteFailures: true });
  assert.deepEqual(await texts(sides.remote), { "a": "1", "secret": null, "secret/y": "4" });
});

Deno.test("run() holds removals when an upload fails, and does them once it succeeds", async () => {
  const sides = start();
  const full = new SyncError("full", "no space left", { operation: "write" });
  const remote = faulty(sides.remote, { faults: [{ on: "write", path: "d/b", error: full }] });
  const { events } = await ran({ local: sides.local, remote });
  const told = brief(events);
  assert.ok(told.includes("failed copy d/b") && told.includes("done copy d/e/c") && told.includes("held remove old/x"));
  const left = await texts(sides.remote);
  assert.deepEqual([left["old/x"], left["t"], left["p/s"]], ["1", "a file", "too"]);
  await ran(sides);
  assert.deepEqual(await texts(sides.remote), await texts(sides.local));
});

for (const side of ["local", "remote"] as const) {
  Deno.test(`run() rejects, with nothing changed, when the ${side} root cannot be listed`, async () => {
    const sides = start({ lacks: ["walk"] });
    const denied = new SyncError("denied", "no right to look", { operation: "list" });
    const broken = faulty(sides[side], { faults: [{ on: "list", path: "", error: denied }] });
    const error = await rejection(
      ran({ local: noWrite(sides.local), remote: noWrite(sides.remote), [side]: broken }),
    );
    assert.equal(error.kind, "denied");
    assert.match(error.message, /no right to look/);
  });
}

Deno.test("run() rejects, with nothing changed, when the server is lost while it is listed", async () => {
  const sides = start({ lacks: ["walk"] });
  const lost = new SyncError("connection", "the line is dead", { operation: "list" });
  const remote = faulty(noWrite(sides.remote), {
    faults: [{ on: "list", path: "old", error: lost }, { on: "stat", nth: 2, error: lost }],
  });
  assert.equal((await rejection(ran({ local: noWrite(sides.local), remote }))).kind, "connection");
});

Deno.test("run() leaves one folder alone over which the server breaks off, and does the rest", async () => {
  const sides = { local: memory(), remote: memory({ lacks: ["walk"] }) };
  plant(sides.local, { "old/x": "1", "d/y": "2" });
  plant(sides.remote, { "old/x": "other", "d/z": "3" });
  const lost = new SyncError("connection", "the line is dead", { operation: "list", transient: true });
  const remote = faulty(sides.remote, { faults: [{ on: "list", path: "old", error: lost }] });
  const { end } = await ran({ local: sides.local, remote });
  assert.deepEqual(end.plan.refusals.map(({ path }) => path), ["old"]);
  assert.deepEqual(await texts(sides.remote), { "d": null, "d/y": "2", "d/z": "3", "old": null, "old/x": "other" });
});

Deno.test("run() takes no server that stays overloaded for another run of the pair", async () => {
  const sides = { local: memory(), remote: memory() };
  plant(sides.local, { "a": "1" });
  const busy = new SyncError("busy", "the store asks for fewer requests", { operation: "list", transient: true });
  const remote = faulty(sides.remote, { faults: [{ on: ["list", "walk"], error: busy }] });
  assert.equal((await rejection(ran({ local: noWrite(sides.local), remote }))).kind, "connection");
});

Deno.test("run() never writes over a change made right before its own", async () => {
  const sides = start();
  const before = () => Promise.resolve(plant(sides.remote, { "a": "somebody's" }, NOON + 5000));
  const remote = faulty(sides.remote, { faults: [{ on: "write", path: "a", before }] });
  const { events } = await ran({ local: sides.local, remote });
  assert.ok(brief(events).includes("failed copy a"));
  assert.equal((await texts(sides.remote))["a"], "somebody's");
});

Deno.test("run() never removes what was changed right before", async () => {
  const sides = start();
  const before = () => Promise.resolve(plant(sides.remote, { "old/x": "somebody's" }, NOON + 5000));
  const remote = faulty(sides.remote, { faults: [{ on: "remove", path: "old/x", before }] });
  await ran({ local: sides.local, remote });
  const left = await texts(sides.remote);
  assert.deepEqual([left["old/x"], left["old/y/z"]], ["somebody's", undefined]);
});
