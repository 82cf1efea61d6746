import assert from "node:assert/strict";
import { setImmediate } from "node:timers";
import { canOthersChange, newDiskScheduler } from "../../../../lib/backends/local/disk.ts";
import { statNames } from "../../../../lib/backends/local/list.ts";
import { root } from "../../../../lib/core/path.ts";
import { freshDisk } from "../../../support/disk.ts";

Deno.test("newPace() calls on this thread while calls are quick", async () => {
  const pace = newDiskScheduler(() => 0);
  const made = [];
  for (let i = 0; i < 100; i++) made.push(await pace(() => "here", () => Promise.resolve("pool")));
  assert.ok(made.every((where) => where === "here"));
});

Deno.test("newPace() goes to the pool after a slow call, tries again, and stays longer each time", async () => {
  let time = 0;
  const pace = newDiskScheduler(() => time);
  const made: string[] = [];
  for (let i = 0; i < 300; i++) {
    const slow = () => {
      time += 5;
      return "here";
    };
    made.push(await pace(slow, () => Promise.resolve("pool")));
  }
  const tries = made.flatMap((where, i) => where === "here" ? [i] : []);
  assert.deepEqual(tries, [0, 65, 194]);
});

Deno.test("newPace() lets other work have its turn", async () => {
  let time = 0;
  const pace = newDiskScheduler(() => time);
  let isTurn = false;
  setImmediate(() => void (isTurn = true));
  for (let i = 0; i < 10; i++) await pace(() => void (time += 1), () => Promise.resolve());
  assert.ok(!isTurn);
  for (let i = 0; i < 10; i++) await pace(() => void (time += 1), () => Promise.resolve());
  assert.ok(isTurn);
});

Deno.test("newPace() gives errors as they are, from both", async () => {
  const pace = newDiskScheduler(() => 0);
  const fail = () => {
    throw new RangeError("x");
  };
  await assert.rejects(pace(fail, () => Promise.resolve()), RangeError);
});

Deno.test("look() shows what cannot be looked at as unreadable, and leaves out what has vanished", async () => {
  await using place = await freshDisk();
  await Deno.writeTextFile(`${place.disk}/f`, "x");
  const name = "x".repeat(300);
  for (const clock of [() => 0, alwaysSlow()]) {
    const pace = newDiskScheduler(clock);
    await pace(() => {}, () => Promise.resolve());
    const found = await statNames(pace, root, `${place.disk}/`, ["f", "vanished", name]);
    assert.deepEqual(found.map((entry) => [entry.kind, entry.path]), [["file", "f"], ["opaque", name]]);
    assert.ok(found[1]?.kind === "opaque" && found[1].cause === "unreadable");
  }
});

Deno.test("isOpenToOthers() tells whether others than root can change a folder", () => {
  const rows: readonly (readonly [number, number, number, boolean])[] = [
    [0, 0, 0o40755, false],
    [0, 0, 0o40775, false],
    [0, 100, 0o40755, false],
    [0, 100, 0o40775, true],
    [0, 0, 0o41777, true],
    [1000, 1000, 0o40700, true],
  ];
  for (const [uid, gid, mode, is] of rows) assert.equal(canOthersChange({ uid, gid, mode }), is, mode.toString(8));
});

/** A clock by which every call is slow. */
function alwaysSlow(): () => number {
  let time = 0;
  return () => time += 5;
}
