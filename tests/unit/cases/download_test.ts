import assert from "node:assert/strict";
import { SyncError } from "../../../lib/core/errors.ts";
import { toRelPath } from "../../../lib/core/path.ts";
import { tempTag } from "../../../lib/core/temp_name.ts";
import type { Entry } from "../../../lib/core/entry.ts";
import { collect, isSame, pattern } from "../../support/content.ts";
import { faulty } from "../../support/faulty.ts";
import { withOverrides } from "../../support/stacked.ts";
import { noWrite } from "../../support/backend_assertions.ts";
import { failure, NOON, ran, signal, textOf, texts } from "../sync/fixtures.ts";
import type { PairHistory } from "../../../lib/sync/history/file.ts";
import { notebook } from "./two_way_fixtures.ts";
import { disks, memories, outcomeOf, put, quiet, watchDurability } from "./fixtures.ts";

const plain = { mode: "Local", mirror: false, remove: false } as const;
const mirror = { mode: "Local" } as const;

Deno.test("DL-01 run() downloads a deep tree with its times, and makes folders as every program does", async () => {
  await using pair = await disks();
  const remote = memories({ remote: { "one": "1", "d/hollow": null } }).remote;
  put(remote, "d/e/big", pattern(5 * 1024 * 1024 + 1), NOON - 7000);
  put(remote, "d/empty", "");
  const local = await pair.local.backend.withRoot("new/root", { signal });
  await ran({ local, remote }, plain);
  const disk = `${pair.local.disk}/new/root`;
  assert.ok(isSame(await Deno.readFile(`${disk}/d/e/big`), pattern(5 * 1024 * 1024 + 1)));
  assert.equal((await Deno.stat(`${disk}/d/e/big`)).mtime?.getTime(), NOON - 7000);
  await Deno.mkdir(`${pair.remote.disk}/made by hand`);
  const usual = (await Deno.stat(`${pair.remote.disk}/made by hand`)).mode;
  for (const dir of ["", "/d", "/d/e", "/d/hollow"]) assert.equal((await Deno.stat(disk + dir)).mode, usual, dir);
  assert.deepEqual(await outcomeOf({ local: noWrite(local), remote: noWrite(remote) }, plain), quiet);
});

Deno.test("DL-02 run() leaves who reads the old file with the old content, and shows the new one whole", async () => {
  await using pair = await disks();
  const remote = memories({}).remote;
  put(remote, "f", pattern(300_000, 2));
  await Deno.writeFile(`${pair.local.disk}/f`, pattern(400_000, 1));
  using reader = await Deno.open(`${pair.local.disk}/f`);
  const seen: string[] = [];
  const look = async () => {
    const names = await Array.fromAsync(Deno.readDir(pair.local.disk), ({ name }) => name);
    seen.push(...names.filter((name) => tempTag(name) === undefined));
    assert.ok(isSame(await Deno.readFile(`${pair.local.disk}/f`), pattern(400_000, 1)), "new before it was whole");
  };
  const watched = faulty(remote, { faults: [{ on: "read", before: look }] });
  await ran({ local: pair.local.backend, remote: watched }, mirror);
  assert.deepEqual(seen, ["f"]);
  assert.ok(isSame(await Deno.readFile(`${pair.local.disk}/f`), pattern(300_000, 2)));
  assert.ok(isSame(await collect(reader.readable), pattern(400_000, 1)));
});

Deno.test("DL-03 run() notes a file that vanished after the listing, keeps its other copy, and brings the rest", async () => {
  const sides = memories({ local: { "a": "old" }, remote: { "a": "newer", "b": "2", "c": "3" } });
  const gone = async () => {
    const entry = await sides.remote.stat(toRelPath("a"), { signal });
    if (entry !== undefined) await sides.remote.remove(entry, { signal });
  };
  const remote = faulty(sides.remote, { faults: [{ on: "read", path: "a", times: 1, before: gone }] });
  const outcome = await outcomeOf({ local: sides.local, remote }, mirror);
  assert.deepEqual(outcome, { ...quiet, notes: ["vanished a"], actions: ["copy local b", "copy local c"] });
  assert.deepEqual(await texts(sides.local), { "a": "old", "b": "2", "c": "3" });
});

Deno.test("DL-04 run() takes no content for whole that is shorter than its listing", async () => {
  const sides = memories({ local: { "a": "old" }, remote: { "a": "newer", "b": "2" } });
  const remote = faulty(sides.remote, { faults: [{ on: "read", path: "a", truncate: 3 }] });
  const { events } = await ran({ local: sides.local, remote }, mirror);
  assert.equal(failure(events).kind, "changed");
  assert.deepEqual(await texts(sides.local), { "a": "old", "b": "2" });
});

Deno.test("DL-05 run() brings a file that grew since the listing in its present version, whole", async () => {
  const sides = memories({ local: { "a": "old" }, remote: { "a": "newer" } });
  const grow = () => Promise.resolve(put(sides.remote, "a", "newer and longer", NOON + 60_000));
  const remote = faulty(sides.remote, { faults: [{ on: "read", path: "a", times: 1, before: grow }] });
  assert.deepEqual((await outcomeOf({ local: sides.local, remote }, mirror)).actions, ["copy local a"]);
  assert.equal(await textOf(sides.local, "a"), "newer and longer");
});

Deno.test("DL-05 run() cuts off no file whose server sends more than it lists", async () => {
  const sides = memories({ local: { "a": "old" }, remote: { "a": "newer" } });
  const read = () => Promise.resolve(new TextEncoder().encode("newer and longer"));
  const { events } = await ran({ local: sides.local, remote: withOverrides(sides.remote, { read }) }, mirror);
  assert.equal(failure(events).kind, "changed");
  assert.equal(await textOf(sides.local, "a"), "old");
});

Deno.test("DL-07 run() on a full disk keeps the old version, removes nothing, and converges once there is room", async () => {
  const sides = memories({ local: { "a": "old", "gone": "x" }, remote: { "b": "2" } });
  put(sides.remote, "a", pattern(1024 * 1024));
  const full = new SyncError("full", "no space left on the disk", { operation: "write", path: toRelPath("a") });
  const local = withOverrides(sides.local, {
    async write(inner, path, body, options) {
      if (path !== "a") return await inner.write(path, body, options);
      await collect(await body(0, 600_000));
      throw full;
    },
  });
  const outcome = await outcomeOf({ local, remote: sides.remote }, mirror);
  assert.deepEqual(outcome, { ...quiet, failures: ["a"], held: ["gone"], actions: ["copy local b"] });
  assert.deepEqual(await texts(sides.local), { "a": "old", "b": "2", "gone": "x" });
  await ran(sides, mirror);
  assert.deepEqual(await texts(sides.local), await texts(sides.remote));
});

Deno.test("DL-09 run() leaves a file alone where a remote folder belongs, and says so", async () => {
  const sides = memories({ local: { "a": "unrelated" }, remote: { "a/b": "1", "c": "2" } });
  const outcome = await outcomeOf(sides, plain);
  assert.deepEqual(outcome, { ...quiet, failures: ["a", "a/b"], actions: ["copy local c"] });
  assert.equal(await textOf(sides.local, "a"), "unrelated");
});

Deno.test("DL-11 run() from a server that tells no times writes none that never was, and then rests", async () => {
  await using pair = await disks();
  const remote = memories({ remote: { "a": "1", "d/b": "2" } }).remote;
  const timeless = <E extends Entry | undefined>(entry: E): E => {
    if (entry?.kind !== "file") return entry;
    const { modified: _modified, ...rest } = entry;
    return rest as E;
  };
  const silent = withOverrides(remote, {
    traits: { ...remote.traits, timeStep: undefined },
    stat: async (inner, path, call) => timeless(await inner.stat(path, call)),
    walk: undefined,
    list: async (inner, dir, call) => (await inner.list(dir, call)).map(timeless),
  });
  const began = Date.now();
  await ran({ local: pair.local.backend, remote: silent }, plain);
  const time = (await Deno.stat(`${pair.local.disk}/d/b`)).mtime?.getTime() ?? 0;
  assert.ok(time >= began - 60_000, new Date(time).toISOString());
  assert.deepEqual(await outcomeOf({ local: noWrite(pair.local.backend), remote: noWrite(silent) }, plain), quiet);
});

Deno.test("DL-12 run() replaces a large file by an empty one, and lists it", async () => {
  const sides = memories({ remote: { "a": "" } });
  put(sides.local, "a", pattern(1024 * 1024), NOON - 60_000);
  assert.deepEqual(await outcomeOf(sides, plain), { ...quiet, actions: ["copy local a"] });
  assert.equal(await textOf(sides.local, "a"), "");
});

Deno.test("DL-12 run() brings the content of a file that is listed as empty and is not", async () => {
  const sides = memories({ local: { "a": "old" }, remote: { "a": "content" } });
  const empty = <E extends Entry | undefined>(entry: E): E => entry?.kind === "file" ? { ...entry, size: 0 } : entry;
  const remote = withOverrides(sides.remote, {
    walk: undefined,
    list: async (inner, dir, call) => (await inner.list(dir, call)).map(empty),
  });
  assert.deepEqual((await outcomeOf({ local: sides.local, remote }, mirror)).actions, ["copy local a"]);
  assert.equal(await textOf(sides.local, "a"), "content");
});

Deno.test("DL-08 run() has the folders it wrote to on the disk before history says so", async () => {
  await using pair = await disks();
  const { remote } = memories({ remote: { "a": "1", "d/b": "2" } });
  using disk = watchDurability();
  const book = notebook().open();
  const saved: string[] = [];
  const save: PairHistory["save"] = async (lessons, roots) => {
    saved.push(disk.order.join(" "));
    await book.save(lessons, roots);
  };
  await ran({ local: pair.local.backend, remote }, { ...plain, concurrency: 1, pairHistory: { ...book, save } });
  assert.deepEqual(saved, ["sync rename sync rename sync sync"]);
});

Deno.test("DL-08 run() remembers nothing where a folder cannot be brought to the disk", async () => {
  await using pair = await disks();
  const { remote } = memories({ remote: { "a": "1" } });
  const full = new SyncError("full", "no room", { operation: "flush" });
  const local = withOverrides(pair.local.backend, { flush: () => Promise.reject(full) });
  const book = notebook();
  await ran({ local, remote }, { ...plain, pairHistory: book.open() });
  assert.equal(book.known.size, 0);
});

Deno.test("DL-08 run() has each file's bytes on the disk before it shows them", async () => {
  await using pair = await disks();
  const { remote } = memories({ remote: { "a": "1", "d/b": "2", "c": "3" } });
  using disk = watchDurability();
  await ran({ local: pair.local.backend, remote }, { ...plain, concurrency: 1 });
  assert.deepEqual(disk.order, ["sync", "rename", "sync", "rename", "sync", "rename"]);
});
