import assert from "node:assert/strict";
import type { MemoryBackend } from "../../../lib/backends/memory.ts";
import { toRelPath } from "../../../lib/path.ts";
import { noWrite } from "../../support/watch.ts";
import { NOON, plant, rejection, signal, textOf, type Texts, texts } from "../sync/rig.ts";
import { memories, outcomeOf, put, quiet } from "./rig.ts";
import { both, notebook } from "./tw_rig.ts";

const later = NOON + 60_000;

/** Two sides that hold the same and know it. */
async function inStep(tree: Texts, dials = {}) {
  const sides = memories({ local: tree, remote: tree, dials });
  const book = notebook();
  assert.deepEqual(await both(sides, book), quiet);
  return { sides, book, sync: (options = {}) => both(sides, book, options) };
}

/** Fails unless both sides hold this, and the next run finds nothing to do. */
async function assertInStep({ sides, sync }: Awaited<ReturnType<typeof inStep>>, expected: Texts): Promise<void> {
  assert.deepEqual(await texts(sides.local), expected);
  assert.deepEqual(await texts(sides.remote), expected);
  assert.deepEqual((await sync()).actions, []);
}

/** A user deletes a file, or a folder with all it holds. */
async function remove(backend: MemoryBackend, path: string): Promise<void> {
  const entry = await backend.stat(toRelPath(path), { signal });
  assert.ok(entry !== undefined, path);
  if (entry.kind === "dir") {
    for (const child of await Array.fromAsync(backend.list(entry.path, { signal }))) await remove(backend, child.path);
  }
  const now = await backend.stat(entry.path, { signal });
  if (now !== undefined) await backend.remove(now, { signal });
}

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

Deno.test("TW-10 run() loses no new content below a folder that was deleted on the other side", async () => {
  const pair = await inStep({ "d/x": "1", "d/y": "2", "z": "3" });
  await remove(pair.sides.local, "d");
  put(pair.sides.remote, "d/x", "edited", later);
  assert.deepEqual((await pair.sync()).notes, ["restored"]);
  await assertInStep(pair, { "d": null, "d/x": "edited", "d/y": "2", "z": "3" });
});

Deno.test("TW-11 run() ends a folder that one side deleted whole and the other in part", async () => {
  const pair = await inStep({ "d/x": "1", "d/y": "2", "z": "3" });
  await remove(pair.sides.local, "d");
  await remove(pair.sides.remote, "d/x");
  await pair.sync();
  await assertInStep(pair, { "z": "3" });
});

Deno.test("TW-12 run() puts a folder in the place of a file that the other side left alone", async () => {
  const pair = await inStep({ "p": "file", "z": "3" });
  await remove(pair.sides.local, "p");
  plant(pair.sides.local, { "p/q": "1", "p/r/s": "2" }, later);
  await pair.sync();
  await assertInStep(pair, { "p": null, "p/q": "1", "p/r": null, "p/r/s": "2", "z": "3" });
});

Deno.test("TW-13 run() leaves a changed file against a folder as they are, as an open conflict", async () => {
  const pair = await inStep({ "p": "file", "z": "3" });
  await remove(pair.sides.local, "p");
  plant(pair.sides.local, { "p/q": "1" }, later);
  put(pair.sides.remote, "p", "edited", later);
  for (let i = 0; i < 2; i++) assert.deepEqual(await pair.sync(), { ...quiet, conflicts: ["p"] });
  assert.deepEqual(await texts(pair.sides.local), { "p": null, "p/q": "1", "z": "3" });
  assert.deepEqual(await texts(pair.sides.remote), { "p": "edited", "z": "3" });
});

Deno.test("TW-14 run() carries a renamed file to its new name, and the old one goes", async () => {
  const pair = await inStep({ "a": "content", "z": "3" });
  await pair.sides.local.rename?.(toRelPath("a"), toRelPath("b"), { signal });
  await pair.sync();
  await assertInStep(pair, { "b": "content", "z": "3" });
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

Deno.test("TW-22 run() refuses when all files of one side changed their times at once", async () => {
  const tree = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`f${i}`, `${i}`]));
  const pair = await inStep(tree, { lacks: ["checksum"] });
  plant(pair.sides.remote, tree, NOON + 3_601_000);
  const sides = { local: noWrite(pair.sides.local), remote: noWrite(pair.sides.remote) };
  const error = await rejection(both(sides, pair.book));
  assert.deepEqual([error.kind, error.message.includes("-AllowAllChanged")], ["refused", true]);
});

for (const side of ["local", "remote"] as const) {
  Deno.test(`TW-23 run() refuses when the ${side} side was emptied`, async () => {
    const pair = await inStep({ "a": "1", "d/b": "2", "c": "3" });
    for (const path of ["a", "d", "c"]) await remove(pair.sides[side], path);
    const sides = { local: noWrite(pair.sides.local), remote: noWrite(pair.sides.remote) };
    const error = await rejection(both(sides, pair.book));
    assert.deepEqual([error.kind, error.message.includes("-AllowEmptySource")], ["refused", true]);
  });

  Deno.test(`TW-24 run() refuses when the ${side} root is gone or a file`, async () => {
    const pair = await inStep({ "a": "1", "root/b": "2" });
    const roots = { local: await pair.sides.local.at("root", { signal }), remote: pair.sides.remote };
    const book = notebook();
    await outcomeOf({ ...roots, remote: await roots.remote.at("root", { signal }) }, {
      mode: "Remote",
      mirror: false,
      remove: false,
      remembered: book.open(),
    });
    for (const how of ["gone", "file"]) {
      await remove(pair.sides[side], "root");
      if (how === "file") put(pair.sides[side], "root", "a file");
      const sides = {
        local: noWrite(await pair.sides.local.at("root", { signal })),
        remote: noWrite(await pair.sides.remote.at("root", { signal })),
      };
      assert.equal((await rejection(both(sides, book))).kind, how === "gone" ? "refused" : "badInput");
      if (how === "gone") plant(pair.sides[side], { "root/b": "2" });
    }
  });
}

Deno.test("TW-27 run() brings the version that is left once a user settled a conflict by deleting the other", async () => {
  const pair = await inStep({ "a": "1", "z": "3" });
  put(pair.sides.local, "a", "mine", later);
  put(pair.sides.remote, "a", "theirs", later);
  assert.deepEqual((await pair.sync({ conflict: "Skip" })).conflicts, ["a"]);
  await remove(pair.sides.local, "a");
  await pair.sync({ conflict: "Skip" });
  await assertInStep(pair, { "a": "theirs", "z": "3" });
});

Deno.test("TW-28 run() makes an empty folder, and removes it when it is deleted", async () => {
  const pair = await inStep({ "z": "3" });
  plant(pair.sides.local, { "hollow": null });
  await pair.sync();
  await assertInStep(pair, { "hollow": null, "z": "3" });
  await remove(pair.sides.remote, "hollow");
  await pair.sync();
  await assertInStep(pair, { "z": "3" });
  assert.equal(await textOf(pair.sides.local, "z"), "3");
});
