import assert from "node:assert/strict";
import { chooseCriteria } from "../../../lib/sync/common/criteria.ts";
import { noWrite } from "../../support/backend_assertions.ts";
import { NOON, ran, textOf, texts } from "../sync/fixtures.ts";
import { disks, memories, outcomeOf, put, quiet } from "./fixtures.ts";
import { both, notebook, remove } from "./two_way_fixtures.ts";
import type { MemoryDials } from "../../../lib/backends/memory/options.ts";

const up = { mode: "Remote", remove: false } as const;

for (
  const [id, timeStep, what] of [["TM-01", 1000, "seconds"], ["TM-02", 2000, "even seconds"], [
    "TM-03",
    60_000,
    "minutes",
  ]] as const
) {
  Deno.test(`${id} run() onto a place that counts ${what} has nothing to do the second and the third time`, async () => {
    const sides = memories({ dials: { timeStep } });
    for (let i = 0; i < 8; i++) put(sides.local, `f${i}`, "x", NOON + i * 777 + 1);
    await ran(sides, up);
    const idle = { local: noWrite(sides.local), remote: noWrite(sides.remote) };
    for (let i = 0; i < 2; i++) assert.deepEqual(await outcomeOf(idle, { ...up, mirror: true }), quiet);
    assert.deepEqual(await outcomeOf(idle, { mode: "Local", mirror: true, remove: false }), quiet);
  });
}

Deno.test("TM-01 run() sends a file that changed its size within the second", async () => {
  const sides = memories({ dials: { timeStep: 1000 } });
  put(sides.local, "a", "one", NOON + 100);
  await ran(sides, up);
  put(sides.local, "a", "longer", NOON + 700);
  assert.deepEqual((await outcomeOf(sides, up)).actions, ["copy remote a"]);
});

for (const [what, skew] of [["three hours ahead", 3 * 3_600_000], ["a day behind", -86_400_000]] as const) {
  for (const timeStep of [1, undefined]) {
    Deno.test(`TM-05 run() with a server ${what} that keeps ${timeStep === undefined ? "no times" : "times"} sees no change where none is`, async () => {
      let now = NOON;
      const dials: MemoryDials = { timeStep, now: () => (now += 1000) + skew, lacks: ["checksum"] };
      const sides = memories({ local: { "a": "1", "d/b": "2" }, at: NOON - 86_400_000, dials });
      const book = notebook();
      await both(sides, book, { now: () => now + 60_000 });
      assert.deepEqual(await both({ local: noWrite(sides.local), remote: noWrite(sides.remote) }, book), quiet);
      now += 600_000;
      put(sides.remote, "a", "!", now + skew);
      assert.deepEqual((await both(sides, book)).actions, ["copy local a"]);
      assert.deepEqual(await texts(sides.local), { "a": "!", "d": null, "d/b": "2" });
    });
  }
}

/** Long before the run, so that its marks are to be trusted. */
const THEN = NOON - 30 * 86_400_000;
const zoned = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`d${i % 3}/f${i}`, `${i}`]));

/** Two sides in step, of which the remote one then shows all its times in another zone. */
async function moveZone(hours: number, mode: "Both" | "Remote") {
  const tree = { "d0": null, "d1": null, "d2": null, ...zoned };
  const sides = memories({ local: tree, remote: tree, dials: { lacks: ["checksum"] }, at: THEN });
  const book = notebook();
  const sync = (options = {}) =>
    both(sides, book, { mode, ...options, criteria: chooseCriteria(["Either"]), mirror: mode === "Remote" });
  await sync();
  for (const [path, text] of Object.entries(zoned)) put(sides.remote, path, text, THEN + hours * 3_600_000);
  return { sides, sync };
}

for (const mode of ["Both", "Remote"] as const) {
  for (const hours of [1, -9.5]) {
    const what =
      `${mode}: run() transfers nothing and meets no conflict when the server's zone moves all times by ${hours} hours`;
    Deno.test(`TM-06 ${what}`, async () => {
      const { sides, sync } = await moveZone(hours, mode);
      const notes = ["zoneShift"];
      assert.deepEqual(await sync(), { ...quiet, notes });
      assert.deepEqual(await sync(), quiet);
      put(sides.local, "d1/f1", "edited", THEN + 60_000);
      assert.deepEqual((await sync()).actions, ["copy remote d1/f1"]);
      assert.deepEqual([sides.local.operations, sides.remote.operations.length > 0], [[], true]);
    });
  }
}

Deno.test("TM-06 run() sees an edit, a deletion and a new file amid a change of zone", async () => {
  const { sides, sync } = await moveZone(1, "Both");
  put(sides.remote, "d0/f0", "longer than before", THEN + 3_700_000);
  put(sides.local, "d0/new", "new", THEN);
  await remove(sides.local, "d1/f1");
  const { actions } = await sync();
  assert.deepEqual(actions.toSorted(), ["copy local d0/f0", "copy remote d0/new", "remove remote d1/f1"]);
  assert.deepEqual(await sync(), quiet);
});

Deno.test("TM-08 run() brings an older version that was put back, once history knows the newer one", async () => {
  const sides = memories({ local: { "a": "newer" }, remote: { "a": "newer" } });
  const book = notebook();
  await both(sides, book);
  put(sides.local, "a", "from a backup", NOON - 86_400_000);
  assert.deepEqual((await both(sides, book)).actions, ["copy remote a"]);
  assert.equal(await textOf(sides.remote, "a"), "from a backup");
});

for (
  const [what, ms] of [["2076", Date.UTC(2076, 5, 1)], ["1955", Date.UTC(1955, 5, 1)], [
    "2^33 s",
    2 ** 33 * 1000,
  ]] as const
) {
  Deno.test(`TM-09 run() carries a time of ${what}, and does not carry it again`, async () => {
    await using pair = await disks();
    const sides = memories({});
    put(sides.local, "a", "x", ms);
    for (const given of [sides, { local: pair.sides.local, remote: sides.remote }]) {
      const mode = given === sides ? "Remote" : "Local";
      await ran(given, { mode, remove: false });
      const idle = { local: noWrite(given.local), remote: noWrite(given.remote) };
      assert.deepEqual((await outcomeOf(idle, { mode, mirror: true, remove: false })).actions, []);
    }
  });
}

Deno.test("TM-10 run() finds another content of one size and time that was written right after the listing", async () => {
  const sides = memories({ dials: { timeStep: 2000 } });
  put(sides.remote, "a", "one", NOON);
  const book = notebook();
  await both(sides, book, { now: () => NOON + 500 });
  assert.equal(await textOf(sides.local, "a"), "one");
  put(sides.remote, "a", "two", NOON);
  await both(sides, book, { now: () => NOON + 600_000 });
  assert.equal(await textOf(sides.local, "a"), "two");
  assert.deepEqual(await both({ local: noWrite(sides.local), remote: noWrite(sides.remote) }, book), quiet);
});
