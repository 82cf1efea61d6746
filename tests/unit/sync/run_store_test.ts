import assert from "node:assert/strict";
import { memory } from "../../../lib/backends/memory/mod.ts";
import { SyncError } from "../../../lib/core/errors.ts";
import { faulty } from "../../support/faulty.ts";
import { withOverrides } from "../../support/stacked.ts";
import { newMemory, openHistory } from "../../support/simulation/history.ts";
import { fileAt, plant, ran, signal, texts } from "./fixtures.ts";

/** A folder of a store: it is there as long as it holds something. */
function folderOfStore() {
  return withOverrides(memory({ hasDirs: false }), {
    async stat(inner, path, call) {
      const isEmpty = path === "" && (await inner.list(path, call)).length === 0;
      return isEmpty ? undefined : await inner.stat(path, call);
    },
    list: (inner, path, call) => inner.list(path, call),
  });
}

for (const mode of ["Remote", "Both", "Local"] as const) {
  Deno.test(`run() in ${mode} takes a store's folder that is known and holds nothing any more for an empty one`, async () => {
    const known = newMemory();
    const remembered = () => openHistory(known, () => false);
    const sides = { local: memory(), remote: folderOfStore() };
    plant(sides.local, { "a": "1", "b": "2" });
    const full = new SyncError("full", "no space", { operation: "write" });
    const failing = faulty(sides.remote, { faults: [{ on: "write", error: full }] });
    await ran({ local: sides.local, remote: failing }, { mode: "Remote", pairHistory: remembered() });
    assert.equal(known.isKnown, true);
    const { end } = await ran(sides, { mode, mirror: false, remove: false, pairHistory: remembered() });
    assert.ok(end.outcome === "applied" && end.applied.failures === 0);
    assert.deepEqual(await texts(sides.remote), mode === "Local" ? {} : { "a": "1", "b": "2" });
  });
}

Deno.test("run() in Both brings the removal of the last object along, and goes on from there", async () => {
  const known = newMemory();
  const sides = { local: memory(), remote: folderOfStore() };
  const options = () => ({ mode: "Both", mirror: false, pairHistory: openHistory(known, () => false) }) as const;
  plant(sides.local, { "a": "1" });
  await ran(sides, options());
  await sides.local.remove(await fileAt(sides.local, "a"), { signal });
  await ran(sides, options());
  plant(sides.local, { "b": "2" });
  await ran(sides, options());
  assert.deepEqual([await texts(sides.local), await texts(sides.remote)], [{ "b": "2" }, { "b": "2" }]);
});

Deno.test("run() in Both with -Remove begins in a place of a store that nobody has used yet, which is no missing folder", async () => {
  const local = memory();
  plant(local, { "a": "1" });
  const store = memory({ hasDirs: false });
  const remote = withOverrides(store, {
    stat: (inner, path, call) => path === "" ? Promise.resolve(undefined) : inner.stat(path, call),
  });
  await ran({ local, remote }, { mode: "Both", remove: true, mirror: false });
  assert.deepEqual(await texts(store), { "a": "1" });
});
