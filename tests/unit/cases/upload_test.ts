import assert from "node:assert/strict";
import { memory } from "../../../lib/backends/memory/mod.ts";
import { SyncError } from "../../../lib/core/errors.ts";
import { root, toRelPath } from "../../../lib/core/path.ts";
import { chooseCriteria } from "../../../lib/sync/common/criteria.ts";
import { collect, isSame, pattern } from "../../support/content.ts";
import { faulty } from "../../support/faulty.ts";
import { noWrite } from "../../support/backend_assertions.ts";
import { NOON, plant, ran, rejection, signal, textOf, texts } from "../sync/fixtures.ts";
import { changes, memories, outcomeOf, put, quiet } from "./fixtures.ts";

const plain = { mode: "Remote", mirror: false, remove: false } as const;
const checksum = { ...plain, criteria: chooseCriteria(["Time", "Checksum"]) };
const sizes = { "empty": 0, "one": 1, "d/block": 65536, "d/e/f/big": 5 * 1024 * 1024 + 1 };

/** A deep local tree and a remote root that does not exist. */
async function deep(dials = {}) {
  const local = memory();
  for (const [path, size] of Object.entries(sizes)) put(local, path, pattern(size, size));
  local.plant({ kind: "dir", path: toRelPath("d/hollow") });
  const whole = memory(dials);
  return { local, whole, remote: await whole.withRoot("a/b", { signal }) };
}

Deno.test("UP-01 run() uploads a deep tree into a root that is missing, and nothing else happens there", async () => {
  const { whole, ...sides } = await deep();
  await ran(sides, plain);
  for (const [path, size] of Object.entries(sizes)) {
    const found = await collect(await sides.remote.read(toRelPath(path), { signal }));
    assert.ok(isSame(found, pattern(size, size)), path);
  }
  const made = whole.operations.map((one) => `${one.do} ${one.path}`).sort();
  assert.deepEqual(made, [
    ...["a", "a/b", "a/b/d", "a/b/d/e", "a/b/d/e/f", "a/b/d/hollow"].map((dir) => `makeDir ${dir}`),
    ...["a/b/d/block", "a/b/d/e/f/big", "a/b/empty", "a/b/one"].map((file) => `write ${file}`),
  ]);
});

Deno.test("UP-01 run() says once that a place without folders holds no empty one", async () => {
  const { whole: _whole, ...sides } = await deep({ hasDirs: false });
  assert.deepEqual((await outcomeOf(sides, plain)).notes, ["emptyFolders"]);
});

Deno.test("UP-02 run() changes nothing the second time", async () => {
  const { whole: _whole, ...sides } = await deep();
  await ran(sides, plain);
  const again = { local: noWrite(sides.local), remote: noWrite(sides.remote) };
  assert.deepEqual(await outcomeOf(again, plain), quiet);
});

Deno.test("UP-03 run() sends the one file that is newer, and touches no other", async () => {
  const sides = memories({ local: { "a": "one", "b": "two", "d/c": "six" } });
  await ran(sides, plain);
  put(sides.local, "b", "TWO", NOON + 5000);
  const remote = changes(sides.remote);
  await ran({ local: sides.local, remote: remote.backend }, plain);
  assert.deepEqual(remote.of(), ["write b"]);
  assert.equal(await textOf(sides.remote, "b"), "TWO");
});

Deno.test("UP-04 run() sends a file of another size though its time was set back", async () => {
  const sides = memories({ local: { "a": "longer" }, remote: { "a": "short" } });
  assert.deepEqual((await outcomeOf(sides, plain)).actions, ["copy remote a"]);
  assert.equal(await textOf(sides.remote, "a"), "longer");
});

Deno.test("UP-05 run() sets the time of a touched file under a checksum, and is silent from then on", async () => {
  const sides = memories({ local: { "a": "same" }, remote: { "a": "same" } });
  put(sides.local, "a", "same", NOON + 60_000);
  assert.deepEqual((await outcomeOf(sides, checksum)).actions, ["touch remote a"]);
  assert.deepEqual(sides.remote.operations.map((one) => one.do), ["setModified"]);
  assert.deepEqual(await outcomeOf({ local: noWrite(sides.local), remote: noWrite(sides.remote) }, checksum), quiet);
});

Deno.test("UP-06 run() finds other bytes of one size and time by checksum only, and then sends them", async () => {
  const sides = memories({ local: { "a": "new!" }, remote: { "a": "old!" } });
  assert.deepEqual(await outcomeOf(sides, plain), quiet);
  assert.deepEqual((await outcomeOf(sides, checksum)).actions, ["copy remote a"]);
  assert.equal(await textOf(sides.remote, "a"), "new!");
});

Deno.test("UP-07 run() plans without writing what the real run then carries out", async () => {
  const sides = memories({ local: { "a": "new", "d/b": "1", "e": null }, remote: { "a": "other", "old/x": "1" } });
  const options = { mode: "Remote", mirror: true, remove: true } as const;
  const dry = await ran({ local: noWrite(sides.local), remote: noWrite(sides.remote) }, { ...options, planOnly: true });
  const real = await ran(sides, options);
  assert.ok(dry.end.plan.actions.length > 4);
  assert.equal(JSON.stringify(dry.end.plan), JSON.stringify(real.end.plan));
});

Deno.test("UP-08 run() keeps what only the target has, and calls it no failure", async () => {
  const sides = memories({ local: { "a": "1" }, remote: { "a": "1", "extra": "2" } });
  assert.deepEqual(await outcomeOf(sides, plain), { ...quiet, notes: ["onlyThere"] });
  assert.deepEqual(sides.remote.operations, []);
});

Deno.test("UP-09 run() keeps a newer target unless mirrored, and says what it did", async () => {
  const sides = memories({ local: { "a": "mine" } });
  put(sides.remote, "a", "theirs", NOON + 60_000);
  assert.deepEqual(await outcomeOf(sides, plain), { ...quiet, notes: ["keptNewer a"] });
  const mirrored = await outcomeOf(sides, { ...plain, mirror: true });
  assert.deepEqual(mirrored, { ...quiet, notes: ["replacedNewer a"], actions: ["copy remote a"] });
  assert.equal(await textOf(sides.remote, "a"), "mine");
});

Deno.test("UP-10 run() that skips modified files sends the new ones, and names the one left alone", async () => {
  const sides = memories({ local: { "a": "other", "b": "2", "c": "3" }, remote: { "a": "first" } });
  put(sides.local, "a", "other", NOON + 60_000);
  const outcome = await outcomeOf(sides, { ...plain, skipModified: true });
  const actions = ["copy remote b", "copy remote c"];
  assert.deepEqual(outcome, { ...quiet, failures: ["a"], actions });
  assert.equal(await textOf(sides.remote, "a"), "first");
});

for (const remove of [false, true]) {
  Deno.test(`UP-11 run() without a source changes nothing, -Remove ${remove ? "on" : "off"}`, async () => {
    const sides = memories({ remote: { "a": "1" } });
    const denied = new SyncError("denied", "no right to look", { operation: "list" });
    const local = await sides.local.withRoot("not/there", { signal });
    const locked = faulty(sides.local, { faults: [{ on: ["list", "walk"], path: root, error: denied }] });
    const remote = noWrite(sides.remote);
    const options = { ...plain, remove };
    assert.equal((await rejection(ran({ local, remote }, options))).kind, remove ? "refused" : "badInput");
    assert.equal((await rejection(ran({ local: locked, remote }, options))).kind, "denied");
    assert.deepEqual(await texts(sides.remote), { "a": "1" });
  });
}

Deno.test("UP-13 run() leaves the old version when its source breaks off at 300 KiB, and sends the others", async () => {
  const sides = memories({ local: { "b": "2" }, remote: { "a": "old", "gone": "x" } });
  put(sides.local, "a", pattern(1024 * 1024), NOON + 60_000);
  const broken = new SyncError("unexpected", "EIO", { operation: "read" });
  const local = faulty(sides.local, { faults: [{ on: "read", path: "a", truncate: 300 * 1024, broken }] });
  const outcome = await outcomeOf({ local, remote: sides.remote }, { mode: "Remote" });
  assert.deepEqual(outcome, { ...quiet, failures: ["a"], held: ["gone"], actions: ["copy remote b"] });
  assert.deepEqual(await texts(sides.remote), { "a": "old", "b": "2", "gone": "x" });
});

Deno.test("UP-14 run() leaves a file alone where a folder belongs, says what is blocked, and sends the others", async () => {
  const sides = memories({ local: { "a/b": "inside", "c": "3" }, remote: { "a": "a file" } });
  const outcome = await outcomeOf(sides, plain);
  assert.deepEqual(outcome, { ...quiet, failures: ["a", "a/b"], actions: ["copy remote c"] });
  assert.equal(await textOf(sides.remote, "a"), "a file");
});

Deno.test("UP-14 run() counts a file in a folder's place once each, whatever stands below it", async () => {
  const sides = memories({ local: { "a/b/c": "inside" } });
  plant(sides.remote, { "a": "-> elsewhere" });
  const outcome = await outcomeOf(sides, plain);
  assert.deepEqual([outcome.failures, outcome.actions], [[], []]);
  assert.deepEqual(await texts(sides.remote), { "a": "-> elsewhere" });
});
