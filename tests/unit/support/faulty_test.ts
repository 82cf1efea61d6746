import assert from "node:assert/strict";
import { memory } from "../../../lib/backends/memory/mod.ts";
import { SyncError } from "../../../lib/core/errors.ts";
import { assertRejects, entries, folder, paths, put, text } from "../../contract/assertions.ts";
import { Crash, faulty, linkLost } from "../../support/faulty.ts";
import { tree } from "../../support/trees/tree.ts";

const denied = new SyncError("denied", "No", { operation: "test" });

Deno.test("faulty() fails the calls that its fault names, and no others", async () => {
  const place = tree({ a: "1", b: "2" }).memory();
  const backend = faulty(place, { faults: [{ on: "read", path: "a", nth: 2, times: 1, error: denied }] });
  assert.equal(await text(backend, "a"), "1");
  assert.equal(await text(backend, "b"), "2");
  await assertRejects(text(backend, "a"), "denied");
  assert.equal(await text(backend, "a"), "1");
});

Deno.test("faulty() loses a reply after the change was made", async () => {
  const place = memory();
  await assertRejects(put(faulty(place, { faults: [{ on: "write", lost: linkLost() }] }), "f", "x"), "connection");
  assert.equal(await text(place, "f"), "x");
});

Deno.test("faulty() cuts contents and listings", async () => {
  const place = tree({ a: "12345", b: "2" }).memory();
  const backend = faulty(place, {
    faults: [{ on: "read", truncate: 3 }, { on: "list", nth: 2, truncate: 1, broken: denied }],
  });
  assert.equal(await text(backend, "a"), "123");
  assert.equal((await entries(backend)).length, 2);
  await assertRejects(entries(backend), "denied");
});

Deno.test("faulty() lets somebody else act just before a call", async () => {
  const place = memory();
  const backend = faulty(place, { faults: [{ on: "makeDir", before: async () => void await put(place, "d", "x") }] });
  await assertRejects(folder(backend, "d"), "exists");
});

Deno.test("Crash stops all that share it at its numbered change, done or not", async () => {
  for (const isDone of [false, true]) {
    const places = [memory(), memory()] as const;
    const crash = new Crash(3, { isDone });
    const [a, b] = places.map((place) => faulty(place, { crash }));
    assert.ok(a !== undefined && b !== undefined);
    await put(a, "1", "x");
    await put(b, "2", "x");
    assert.deepEqual(await paths(a), ["1"]);
    await assertRejects(put(a, "3", "x"), "unexpected");
    await assertRejects(paths(b), "unexpected");
    await assertRejects(put(b, "4", "x"), "unexpected");
    assert.deepEqual(await paths(places[0]), isDone ? ["1", "3"] : ["1"]);
    assert.deepEqual(await paths(places[1]), ["2"]);
  }
});
