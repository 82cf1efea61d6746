import assert from "node:assert/strict";
import { SyncError } from "../../../lib/core/errors.ts";
import { toRelPath } from "../../../lib/core/path.ts";
import { chooseCriteria } from "../../../lib/sync/common/criteria.ts";
import { faulty } from "../../support/faulty.ts";
import { noWrite } from "../../support/backend_assertions.ts";
import { NOON, signal, texts } from "../sync/fixtures.ts";
import { memories, put, quiet } from "./fixtures.ts";
import { assertInStep, both, inStep, notebook, remove } from "./two_way_fixtures.ts";

const later = NOON + 60_000;

Deno.test("TW-01 run() brings new, changed and deleted files of either side to the other in one run", async () => {
  const pair = await inStep({ "a": "1", "b": "2", "c": "3", "d": "4", "e": "5", "f": "6" });
  const { local, remote } = pair.sides;
  put(local, "a", "one", later);
  put(remote, "b", "two", later);
  await remove(local, "c");
  await remove(remote, "d");
  put(local, "new here", "n", later);
  put(remote, "new there", "t", later);
  await pair.sync();
  await assertInStep(pair, { "a": "one", "b": "two", "e": "5", "f": "6", "new here": "n", "new there": "t" });
});

Deno.test("TW-02 run() adopts one content that came to be on both sides, and makes no copy of it", async () => {
  const sides = memories({ local: { "a": "same" } });
  put(sides.remote, "a", "same", later);
  const book = notebook();
  const outcome = await both(sides, book);
  assert.deepEqual(outcome, { ...quiet, actions: ["touch remote a"] });
  assert.deepEqual(await both({ local: noWrite(sides.local), remote: noWrite(sides.remote) }, book), quiet);
  assert.deepEqual([...book.known.keys()], ["a"]);
});

Deno.test("TW-03 run() forgets what both sides deleted, and takes the name for new later on", async () => {
  const pair = await inStep({ "a": "1", "b": "2", "z": "26" });
  await remove(pair.sides.local, "a");
  await remove(pair.sides.remote, "a");
  assert.deepEqual(await pair.sync(), quiet);
  assert.equal(pair.book.known.has(toRelPath("a")), false);
  put(pair.sides.remote, "a", "again");
  assert.deepEqual((await pair.sync()).actions, ["copy local a"]);
});

Deno.test("TW-04 run() only learns what both sides changed alike", async () => {
  const pair = await inStep({ "a": "1" });
  for (const backend of [pair.sides.local, pair.sides.remote]) put(backend, "a", "both", later);
  assert.deepEqual(await pair.sync(), quiet);
  assert.equal(pair.book.known.get(toRelPath("a"))?.local?.size, 4);
});

Deno.test("TW-05 run() under KeepBoth leaves both versions on both sides, and rests", async () => {
  const pair = await inStep({ "a": "1" });
  put(pair.sides.local, "a", "mine", later);
  put(pair.sides.remote, "a", "theirs", later);
  await pair.sync({ conflict: "KeepBoth" });
  await assertInStep(pair, { "a": "theirs", "a (conflict test-host 2026-06-01 120000)": "mine" });
});

Deno.test("TW-07 run() never overwrites a conflict copy that is there already", async () => {
  const taken = "a (conflict test-host 2026-06-01 120000)";
  const pair = await inStep({ "a": "1", [taken]: "an earlier one" });
  put(pair.sides.local, "a", "mine", later);
  put(pair.sides.remote, "a", "theirs", later);
  await pair.sync({ conflict: "KeepBoth" });
  const next = "a (conflict test-host 2026-06-01 120000 2)";
  await assertInStep(pair, { "a": "theirs", [taken]: "an earlier one", [next]: "mine" });
});

Deno.test("TW-08 run() brings an edited file back where it was deleted, and says so", async () => {
  const pair = await inStep({ "a": "1", "b": "2" });
  put(pair.sides.local, "a", "edited", later);
  await remove(pair.sides.remote, "a");
  assert.deepEqual(await pair.sync(), { ...quiet, notes: ["restored"], actions: ["copy remote a"] });
  await assertInStep(pair, { "a": "edited", "b": "2" });
});

for (const proof of [true, false]) {
  Deno.test(`TW-09 run() lets a deletion ${proof ? "win over" : "yield to"} a touch whose content is ${proof ? "" : "not "}proven`, async () => {
    const pair = await inStep({ "a": "1", "b": "2" }, proof ? {} : { lacks: ["checksum"] });
    const known = pair.book.known.get(toRelPath("a"));
    assert.ok(known !== undefined);
    const sum = "sha256:6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b" as const;
    pair.book.known.set(known.path, { ...known, checksum: sum });
    await remove(pair.sides.local, "a");
    put(pair.sides.remote, "a", "1", later);
    const { actions } = await pair.sync();
    assert.deepEqual(actions, proof ? ["remove remote a"] : ["copy local a"]);
    await assertInStep(pair, proof ? { "b": "2" } : { "a": "1", "b": "2" });
  });
}

Deno.test("TW-09 run() hashes the local file that was touched while the server's was deleted", async () => {
  const pair = await inStep({ "a": "1", "b": "2" });
  const known = pair.book.known.get(toRelPath("a"));
  assert.ok(known !== undefined);
  pair.book.known.set(known.path, { ...known, checksum: "md5:c4ca4238a0b923820dcc509a6f75849b" });
  await remove(pair.sides.remote, "a");
  put(pair.sides.local, "a", "1", later);
  assert.deepEqual((await pair.sync()).actions, ["remove local a"]);
});

Deno.test("TW-14 run() carries a renamed file to its new name, and the old one goes", async () => {
  const pair = await inStep({ "a": "content", "z": "3" });
  await pair.sides.local.rename?.(toRelPath("a"), toRelPath("b"), { signal });
  await pair.sync();
  await assertInStep(pair, { "b": "content", "z": "3" });
});

Deno.test("TW-14 run() renames on the other side what was renamed here, unless moves are off or it cannot rename", async () => {
  for (const [moves, lacks, expected] of [[true, [], 1], [false, [], 0], [true, ["rename"], 0]] as const) {
    const tree = { "a": "content", "z": "3" };
    const sides = memories({ local: tree, remote: tree, dials: { lacks } });
    const book = notebook();
    await both(sides, book);
    await sides.local.rename?.(toRelPath("a"), toRelPath("b"), { signal });
    const { actions } = await both(sides, book, { moves });
    assert.equal(actions.filter((one) => one === "move remote b").length, expected, actions.join());
    assert.deepEqual(await texts(sides.remote), { "b": "content", "z": "3" });
  }
});

Deno.test("TW-15 run() keeps an edit of a file that was renamed on the other side", async () => {
  const pair = await inStep({ "a": "content", "z": "3" });
  await pair.sides.local.rename?.(toRelPath("a"), toRelPath("b"), { signal });
  put(pair.sides.remote, "a", "edited", later);
  await pair.sync();
  await assertInStep(pair, { "a": "edited", "b": "content", "z": "3" });
});

Deno.test("TW-16 run() keeps both names of a file that each side renamed", async () => {
  const pair = await inStep({ "a": "content", "z": "3" });
  await pair.sides.local.rename?.(toRelPath("a"), toRelPath("b"), { signal });
  await pair.sides.remote.rename?.(toRelPath("a"), toRelPath("c"), { signal });
  await pair.sync();
  await assertInStep(pair, { "b": "content", "c": "content", "z": "3" });
});

Deno.test("TW-17 run() swaps two names as a user did", async () => {
  const pair = await inStep({ "a": "one", "b": "the other" });
  put(pair.sides.local, "a", "the other", later);
  put(pair.sides.local, "b", "one", later + 1000);
  await pair.sync();
  await assertInStep(pair, { "a": "the other", "b": "one" });
});

Deno.test("TW-18 run() without history adopts what is equal, copies what is missing, and deletes nothing", async () => {
  const sides = memories({
    local: { "equal": "1", "differs": "mine", "here": "2" },
    remote: { "equal": "1", "differs": "theirs", "there": "3" },
  });
  const book = notebook();
  const { actions } = await both(sides, book, { conflict: "KeepBoth" });
  assert.ok(actions.every((action) => !action.startsWith("remove") && !action.endsWith(" equal")), actions.join());
  const copy = "differs (conflict test-host 2026-06-01 120000)";
  const all = { "differs": "theirs", [copy]: "mine", "equal": "1", "here": "2", "there": "3" };
  assert.deepEqual([await texts(sides.local), await texts(sides.remote)], [all, all]);
  assert.deepEqual(await both(sides, book), quiet);
});

Deno.test("TW-21 run() ends with the same trees and the same report for any number of connections", async () => {
  const tree = (prefix: string) => Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`${prefix}${i}`, `${i}`]));
  const results = [];
  for (const concurrency of [1, 4, 16]) {
    const sides = memories({ local: tree("mine/"), remote: tree("theirs/") });
    const { actions } = await both(sides, notebook(), { concurrency });
    results.push([actions, await texts(sides.local), await texts(sides.remote)]);
  }
  assert.deepEqual(results[1], results[0]);
  assert.deepEqual(results[2], results[0]);
});

Deno.test("TW-27 run() brings the version that is left once a user settled a conflict by deleting the other", async () => {
  const pair = await inStep({ "a": "1", "z": "3" });
  put(pair.sides.local, "a", "mine", later);
  put(pair.sides.remote, "a", "theirs", later);
  assert.deepEqual((await pair.sync({ conflict: "Skip" })).conflicts, ["a"]);
  await remove(pair.sides.local, "a");
  await pair.sync({ conflict: "Skip" });
  await assertInStep(pair, { "a": "theirs", "z": "3" });
});

Deno.test("TW-01 run() makes up for a removal that a failure held back, and never takes the deletion back", async () => {
  const pair = await inStep({ "a": "1", "b": "2", "z": "3" });
  await remove(pair.sides.local, "a");
  put(pair.sides.local, "b", "changed", later);
  const full = new SyncError("full", "no room", { operation: "write" });
  const remote = faulty(pair.sides.remote, { faults: [{ on: "write", path: "b", error: full }] });
  assert.deepEqual((await both({ local: pair.sides.local, remote }, pair.book)).held, ["a"]);
  assert.deepEqual((await pair.sync()).actions, ["copy remote b", "remove remote a"]);
  await assertInStep(pair, { "b": "changed", "z": "3" });
});

Deno.test("TW-01 run() under -Criteria Checksum lets the deletion travel of a file that it brought the last time", async () => {
  const pair = await inStep({ "a": "1", "z": "3" });
  const options = { criteria: chooseCriteria(["Either", "Checksum"]) };
  put(pair.sides.remote, "b", "2", later);
  assert.deepEqual((await pair.sync(options)).actions, ["copy local b"]);
  await remove(pair.sides.local, "b");
  assert.deepEqual((await pair.sync(options)).actions, ["remove remote b"]);
});

for (const text of ["2", "longer"]) {
  Deno.test(`TW-01 run() under -Criteria Checksum takes an edit of one side for no conflict, its size ${text === "2" ? "the same" : "another"}`, async () => {
    const sides = memories({ local: { "a": "1", "z": "3" } });
    const [book, options] = [notebook(), { criteria: chooseCriteria(["Either", "Checksum"]) }];
    await both(sides, book, options);
    put(sides.local, "a", text, later);
    assert.deepEqual(await both(sides, book, options), { ...quiet, actions: ["copy remote a"] });
    put(sides.remote, "a", "!", later + 60_000);
    assert.deepEqual(await both(sides, book, options), { ...quiet, actions: ["copy local a"] });
  });
}

Deno.test("TW-02 run() on a server without times and checksums reads equal sizes back before it takes them for conflicts", async () => {
  const dials = { timeStep: undefined, lacks: ["checksum"] } as const;
  const sides = memories({ local: { "same": "1", "other": "a" }, remote: { "same": "1", "other": "b" }, dials });
  const first = await both(sides, notebook());
  const copy = Object.keys(await texts(sides.local)).find((path) => path.startsWith("other ("));
  assert.ok(copy !== undefined);
  assert.deepEqual(first, {
    ...quiet,
    notes: ["readBack"],
    actions: [`copy local other`, `copy remote ${copy}`],
  });
  const strict = memories({ local: { "same": "1" }, remote: { "same": "1" }, dials });
  assert.equal((await both(strict, notebook(), { noReadBack: true })).actions.length, 2);
});
