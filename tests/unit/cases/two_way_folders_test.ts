import assert from "node:assert/strict";
import { toRelPath } from "../../../lib/core/path.ts";
import { Crash, faulty } from "../../support/faulty.ts";
import { noWrite } from "../../support/backend_assertions.ts";
import { NOON, plant, rejection, signal, textOf, texts } from "../sync/fixtures.ts";
import { outcomeOf, put, quiet } from "./fixtures.ts";
import { assertInStep, both, inStep, notebook, remove } from "./two_way_fixtures.ts";

const later = NOON + 60_000;

Deno.test("TW-10 run() loses no new content below a folder that was deleted on the other side", async () => {
  const pair = await inStep({ "d/x": "1", "d/y": "2", "z": "3" });
  await remove(pair.sides.local, "d");
  put(pair.sides.remote, "d/x", "edited", later);
  assert.deepEqual((await pair.sync()).notes, ["restored"]);
  await assertInStep(pair, { "d": null, "d/x": "edited", "d/y": "2", "z": "3" });
});

Deno.test("TW-10 run() that is ended while it brings a folder back takes nothing in it for deleted the next time", async () => {
  for (let at = 1; at <= 5; at++) {
    const pair = await inStep({ "d/x": "1", "d/y": "2", "z": "3" });
    await remove(pair.sides.local, "d");
    put(pair.sides.remote, "d/x", "edited", later);
    const local = faulty(pair.sides.local, { crash: new Crash(at, { isDone: true }) });
    const book = pair.book.open();
    await both({ local, remote: pair.sides.remote }, pair.book, {
      pairHistory: { ...book, saveAhead: book.saveAhead, save: () => Promise.resolve() },
    }).catch(() => undefined);
    await pair.sync();
    await assertInStep(pair, { "d": null, "d/x": "edited", "d/y": "2", "z": "3" });
  }
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
    const roots = { local: await pair.sides.local.withRoot("root", { signal }), remote: pair.sides.remote };
    const book = notebook();
    await outcomeOf({ ...roots, remote: await roots.remote.withRoot("root", { signal }) }, {
      mode: "Remote",
      mirror: false,
      remove: false,
      pairHistory: book.open(),
    });
    for (const how of ["gone", "file"]) {
      await remove(pair.sides[side], "root");
      if (how === "file") put(pair.sides[side], "root", "a file");
      const sides = {
        local: noWrite(await pair.sides.local.withRoot("root", { signal })),
        remote: noWrite(await pair.sides.remote.withRoot("root", { signal })),
      };
      assert.equal((await rejection(both(sides, book))).kind, how === "gone" ? "refused" : "badInput");
      if (how === "gone") plant(pair.sides[side], { "root/b": "2" });
    }
  });
}

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

Deno.test("TW-28 run() lets a folder's deletion travel though it holds an empty one that the other side cannot hold", async () => {
  const pair = await inStep({ "d/x": "1", "z": "3" }, { hasDirs: false });
  plant(pair.sides.local, { "d/hollow": null });
  await pair.sync();
  await remove(pair.sides.remote, "d/x");
  assert.deepEqual((await pair.sync()).actions, ["remove local d/x"]);
  assert.deepEqual(await texts(pair.sides.local), { "d": null, "d/hollow": null, "z": "3" });
  assert.deepEqual((await pair.sync()).actions, []);
});

Deno.test("TW-12 run() puts a folder in the place of a file where there are no folders but those of paths", async () => {
  const pair = await inStep({ "p": "file", "z": "3" }, { hasDirs: false });
  await remove(pair.sides.local, "p");
  plant(pair.sides.local, { "p/q": "1" }, later);
  await pair.sync();
  await assertInStep(pair, { "p": null, "p/q": "1", "z": "3" });
});

Deno.test("TW-13 run() tells a touched file against a new folder as an open conflict, never as nothing", async () => {
  const pair = await inStep({ "p": "file", "z": "3" }, { lacks: ["checksum"] });
  const known = pair.book.known.get(toRelPath("p"));
  assert.ok(known !== undefined);
  pair.book.known.set(known.path, { ...known, checksum: "sha256:00" });
  put(pair.sides.local, "p", "FILE", later);
  await remove(pair.sides.remote, "p");
  plant(pair.sides.remote, { "p/q": "1" }, later);
  assert.deepEqual((await pair.sync()).conflicts, ["p"]);
});

Deno.test("TW-12 run() takes an empty folder in a file's place for the file's deletion where the other side has no folders", async () => {
  const pair = await inStep({ "p": "file", "z": "3" }, { hasDirs: false });
  await remove(pair.sides.local, "p");
  plant(pair.sides.local, { "p/hollow": null });
  await pair.sync();
  assert.deepEqual(await texts(pair.sides.remote), { "z": "3" });
  assert.deepEqual(await texts(pair.sides.local), { "p": null, "p/hollow": null, "z": "3" });
});
