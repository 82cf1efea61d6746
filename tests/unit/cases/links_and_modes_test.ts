import assert from "node:assert/strict";
import { followLinks } from "../../../lib/backends/layers/follow_links.ts";
import { toRelPath } from "../../../lib/core/path.ts";
import type { Entry } from "../../../lib/core/entry.ts";
import { freshDisk } from "../../support/disk.ts";
import { faulty } from "../../support/faulty.ts";
import { withOverrides } from "../../support/stacked.ts";
import { noWrite } from "../../support/backend_assertions.ts";
import { SyncError } from "../../../lib/core/errors.ts";
import { ran, signal, textOf, texts } from "../sync/fixtures.ts";
import { changes, disks, memories, outcomeOf, quiet } from "./fixtures.ts";

const up = { mode: "Remote" } as const;
const down = { mode: "Local" } as const;
const kinds = { "to file": "plain", "to dir": "dir", "dangling": "nowhere", "absolute": "/etc", "up": "../.." };

/** A local disk with a file, a folder and a link of each kind. */
async function linked() {
  const pair = await disks();
  await Deno.writeTextFile(`${pair.local.disk}/plain`, "p");
  await Deno.mkdir(`${pair.local.disk}/dir`);
  await Deno.writeTextFile(`${pair.local.disk}/dir/in`, "i");
  for (const [name, target] of Object.entries(kinds)) await Deno.symlink(target, `${pair.local.disk}/${name}`);
  return pair;
}

/** A folder outside both roots with something to lose. */
async function outside() {
  const place = await freshDisk();
  await Deno.writeTextFile(`${place.disk}/victim`, "untouched");
  return place;
}

Deno.test("LK-01 run() under -Links Skip lists each link once and sends the rest", async () => {
  await using pair = await linked();
  const outcome = await outcomeOf(pair.sides, up);
  const notes = Object.keys(kinds).map((name) => `link ${name}`).sort();
  assert.deepEqual(outcome, {
    ...quiet,
    notes,
    actions: ["copy remote dir/in", "copy remote plain", "makeDir remote dir"],
  });
});

Deno.test("LK-01 run() under -Links Keep makes each link again as it is, and then rests", async () => {
  await using pair = await linked();
  const remote = memories({}).remote;
  await ran({ local: pair.sides.local, remote }, { ...up, links: "Keep" });
  const found = await texts(remote);
  for (const [name, target] of Object.entries(kinds)) assert.equal(found[name], `-> ${target}`);
  const again = await outcomeOf({ local: pair.sides.local, remote: noWrite(remote) }, { ...up, links: "Keep" });
  assert.deepEqual(again, quiet);
});

/** What a run up from the first pair's local side does when its links are followed. */
async function followed(pair: Awaited<ReturnType<typeof disks>>, options = { outside: false }) {
  const local = await followLinks(noWrite(pair.sides.local), { ...options, signal });
  return await outcomeOf({ local, remote: pair.sides.remote }, up);
}

Deno.test("LK-01 run() under -Links Follow sends what links point to, and then rests", async () => {
  await using pair = await linked();
  await Deno.symlink("to dir/in", `${pair.local.disk}/far`);
  await Deno.symlink(`${pair.local.disk}/dir`, `${pair.local.disk}/by full path`);
  const notes = ["link absolute", "link dangling", "link up"];
  const outcome = await followed(pair);
  assert.deepEqual([outcome.notes, outcome.failures], [notes, []]);
  assert.deepEqual(await texts(pair.sides.remote), {
    "by full path": null,
    "by full path/in": "i",
    "dir": null,
    "dir/in": "i",
    "far": "i",
    "plain": "p",
    "to dir": null,
    "to dir/in": "i",
    "to file": "p",
  });
  assert.deepEqual(await followed(pair), { ...quiet, notes });
});

Deno.test("LK-02 run() under -Links Follow finds links that lead round in a circle, and sends nothing twice for them", async () => {
  await using pair = await disks();
  for (const dir of ["a/deep", "b"]) await Deno.mkdir(`${pair.local.disk}/${dir}`, { recursive: true });
  await Deno.writeTextFile(`${pair.local.disk}/a/x`, "1");
  const loops = { "self": "self", "one": "two", "two": "one", "root": ".", "a/up": "..", "a/deep/a": "../../a" };
  const across = { "a/other": "../b", "b/other": "../a" };
  for (const [path, target] of Object.entries({ ...loops, ...across })) {
    await Deno.symlink(target, `${pair.local.disk}/${path}`);
  }
  const { notes, failures } = await followed(pair);
  assert.deepEqual(failures, []);
  for (const path of Object.keys(loops)) assert.ok(notes.includes(`link ${path}`), path);
  const found = Object.keys(await texts(pair.sides.remote));
  assert.deepEqual(found, ["a", "a/deep", "a/other", "a/x", "b", "b/other", "b/other/deep", "b/other/x"]);
});

Deno.test("LK-03 run() under -Links Follow leaves the folder only where it was allowed to", async () => {
  await using place = await outside();
  await using pair = await disks();
  await Deno.mkdir(`${place.disk}/sub`);
  await Deno.writeTextFile(`${place.disk}/sub/x`, "far");
  await Deno.symlink("sub/x", `${place.disk}/again`);
  const links = { "file": `${place.disk}/victim`, "dir": place.disk, "back": pair.local.disk };
  for (const [path, target] of Object.entries(links)) await Deno.symlink(target, `${pair.local.disk}/${path}`);
  assert.deepEqual(await followed(pair), { ...quiet, notes: ["link back", "link dir", "link file"] });
  assert.deepEqual(await texts(pair.sides.remote), {});
  assert.deepEqual((await followed(pair, { outside: true })).notes, ["link back"]);
  assert.deepEqual(await texts(pair.sides.remote), {
    "dir": null,
    "dir/again": "far",
    "dir/sub": null,
    "dir/sub/x": "far",
    "dir/victim": "untouched",
    "file": "untouched",
  });
});

for (const links of ["Skip", "Keep"] as const) {
  Deno.test(`LK-04 run() under -Links ${links} never writes through a link at the target's path`, async () => {
    await using place = await outside();
    await using pair = await disks();
    await Deno.symlink(`${place.disk}/victim`, `${pair.local.disk}/a`);
    await Deno.writeTextFile(`${pair.remote.disk}/a`, "attack");
    await ran(pair.sides, { ...down, links });
    assert.equal(await Deno.readTextFile(`${place.disk}/victim`), "untouched");
    assert.deepEqual(await texts(place.backend), { "victim": "untouched" });
  });

  Deno.test(`LK-05 run() under -Links ${links} neither writes nor removes behind a link among the parents`, async () => {
    await using place = await outside();
    await using pair = await disks();
    await Deno.symlink(place.disk, `${pair.local.disk}/d`);
    await Deno.mkdir(`${pair.remote.disk}/d/e`, { recursive: true });
    for (const path of ["d/victim", "d/new", "d/e/f"]) {
      await Deno.writeTextFile(`${pair.remote.disk}/${path}`, "attack");
    }
    await ran(pair.sides, { ...down, links });
    await Deno.remove(`${pair.remote.disk}/d`, { recursive: true });
    await Deno.writeTextFile(`${pair.remote.disk}/other`, "o");
    await ran(pair.sides, { ...down, links });
    assert.deepEqual(await texts(place.backend), { "victim": "untouched" });
  });

  Deno.test(`LK-06 run() under -Links ${links} makes nothing behind a link that the server lists before its content`, async () => {
    await using place = await outside();
    await using here = await freshDisk();
    const { remote } = memories({ remote: { "x/file": "attack", "good": "g" } });
    const link: Entry = { kind: "link", path: toRelPath("x"), target: place.disk };
    for (const walks of [true, false]) {
      const hostile = withOverrides(remote, {
        stat: async (inner, path, call) => path === "x" ? link : await inner.stat(path, call),
        ...(walks ? {} : { walk: undefined }),
        list: async (inner, dir, call) => [...dir === "" ? [link] : [], ...await inner.list(dir, call)],
        ...(walks
          ? {
            async *walk(inner, dir, call) {
              yield [link];
              for await (const batch of inner.walk?.(dir, call) ?? []) yield batch.filter(({ path }) => path !== "x");
            },
          }
          : {}),
      });
      await ran({ local: here.backend, remote: hostile }, { ...down, links });
      assert.deepEqual(await texts(place.backend), { "victim": "untouched" });
      assert.equal(await textOf(here.backend, "good"), "g");
    }
  });

  Deno.test(`LK-07 run() under -Links ${links} removes at most the link itself, never what it points to`, async () => {
    await using place = await outside();
    await using pair = await disks();
    await Deno.symlink(place.disk, `${pair.local.disk}/d`);
    await Deno.writeTextFile(`${pair.remote.disk}/a`, "1");
    const { actions } = await outcomeOf(pair.sides, { ...down, links });
    assert.deepEqual(actions, links === "Keep" ? ["copy local a", "remove local d"] : ["copy local a"]);
    assert.deepEqual(await texts(place.backend), { "victim": "untouched" });
  });
}

Deno.test("LK-05 run() writes nothing behind a link that takes a folder's place after the listing", async () => {
  await using place = await outside();
  await using pair = await disks();
  await Deno.mkdir(`${pair.local.disk}/d`);
  await Deno.mkdir(`${pair.remote.disk}/d`);
  await Deno.writeTextFile(`${pair.remote.disk}/d/victim`, "attack");
  const swap = async () => {
    await Deno.remove(`${pair.local.disk}/d`);
    await Deno.symlink(place.disk, `${pair.local.disk}/d`);
  };
  const local = faulty(pair.sides.local, { faults: [{ on: "write", times: 1, before: swap }] });
  assert.deepEqual((await outcomeOf({ ...pair.sides, local }, down)).failures, ["d/victim"]);
  assert.deepEqual(await texts(place.backend), { "victim": "untouched" });
});

Deno.test("LK-08 run() skips a pipe and a socket with one note each, and waits for neither", async () => {
  await using pair = await disks();
  assert.ok((await new Deno.Command("mkfifo", { args: [`${pair.local.disk}/pipe`] }).output()).success);
  using _socket = Deno.listen({ transport: "unix", path: `${pair.local.disk}/socket` });
  await Deno.writeTextFile(`${pair.local.disk}/a`, "1");
  await Deno.writeTextFile(`${pair.remote.disk}/pipe`, "stays");
  const outcome = await outcomeOf(pair.sides, up);
  assert.deepEqual(outcome, { ...quiet, notes: ["special pipe", "special socket"], actions: ["copy remote a"] });
  assert.equal(await Deno.readTextFile(`${pair.remote.disk}/pipe`), "stays");
});

Deno.test("LK-09 run() carries two names of one file as two, and rewrites the one that changed alone", async () => {
  await using pair = await disks();
  await Deno.writeTextFile(`${pair.remote.disk}/a`, "1");
  await Deno.link(`${pair.remote.disk}/a`, `${pair.remote.disk}/b`);
  assert.deepEqual((await outcomeOf(pair.sides, down)).actions, ["copy local a", "copy local b"]);
  await Deno.remove(`${pair.local.disk}/b`);
  await Deno.link(`${pair.local.disk}/a`, `${pair.local.disk}/b`);
  await Deno.remove(`${pair.remote.disk}/a`);
  await Deno.writeTextFile(`${pair.remote.disk}/a`, "rewritten");
  await ran(pair.sides, down);
  assert.deepEqual(await texts(pair.sides.local), { "a": "rewritten", "b": "1" });
});

Deno.test("LK-10 run() takes no bit of a peer's mode but that a new file is a program, and a replaced file keeps its own", async () => {
  await using pair = await disks();
  const { disk } = pair.local;
  for (const name of ["script", "data", "key"]) await Deno.writeTextFile(`${pair.remote.disk}/${name}`, "newer");
  await Deno.chmod(`${pair.remote.disk}/script`, 0o4777);
  await Deno.chmod(`${pair.remote.disk}/data`, 0o4666);
  await Deno.chmod(`${pair.remote.disk}/key`, 0o777);
  await Deno.writeTextFile(`${disk}/key`, "old");
  await Deno.chmod(`${disk}/key`, 0o600);
  await Deno.writeTextFile(`${disk}/usual`, "");
  const usual = (await Deno.stat(`${disk}/usual`)).mode ?? 0;
  await ran(pair.sides, { ...down, remove: false });
  assert.equal((await Deno.stat(`${disk}/script`)).mode, usual | (0o111 & ~Deno.umask()));
  assert.equal((await Deno.stat(`${disk}/data`)).mode, usual);
  assert.equal((await Deno.stat(`${disk}/key`)).mode, 0o100600);
  assert.equal(await Deno.readTextFile(`${disk}/key`), "newer");
});

Deno.test("LK-11 run() removes nothing where a folder of the source could not be read", async () => {
  const sides = memories({ local: { "d/x": "1", "a": "1" }, remote: { "d/x": "1", "d/only": "2", "e": "3" } });
  const denied = new SyncError("denied", "EACCES", { operation: "list" });
  const local = faulty(withOverrides(sides.local, { walk: undefined }), {
    faults: [{ on: "list", path: "d", error: denied }],
  });
  const outcome = await outcomeOf({ local, remote: sides.remote }, up);
  assert.deepEqual(outcome, { ...quiet, failures: ["d"], held: ["e"], actions: ["copy remote a"] });
  const despite = await outcomeOf({ local, remote: sides.remote }, { ...up, removeDespiteFailures: true });
  assert.deepEqual(despite, { ...quiet, failures: ["d"], actions: ["remove remote e"] });
  assert.equal((await texts(sides.remote))["d/only"], "2");
});

Deno.test("LK-12 run() fails what may not be read or written, brings the rest, and changes no mode", async () => {
  const sides = memories({ local: { "closed": null }, remote: { "secret": "1", "closed/f": "2", "good": "3" } });
  const denied = new SyncError("denied", "no right", { operation: "open" });
  const remote = faulty(sides.remote, { faults: [{ on: "read", path: "secret", error: denied }] });
  const local = changes(faulty(sides.local, { faults: [{ on: "write", path: "closed/f", error: denied }] }));
  const outcome = await outcomeOf({ local: local.backend, remote }, down);
  assert.deepEqual(outcome, { ...quiet, failures: ["closed/f", "secret"], actions: ["copy local good"] });
  assert.ok(local.of().every((call) => !call.startsWith("setMode")));
});

Deno.test("LK-13 run() sees no change in a mode alone", async () => {
  await using pair = await disks();
  await Deno.writeTextFile(`${pair.local.disk}/script`, "s");
  await ran(pair.sides, up);
  await Deno.chmod(`${pair.local.disk}/script`, 0o755);
  for (const mode of ["Remote", "Both"] as const) {
    const sides = { local: noWrite(pair.sides.local), remote: noWrite(pair.sides.remote) };
    assert.deepEqual(await outcomeOf(sides, { mode, mirror: mode !== "Both" }), quiet);
  }
  await using again = await pair.sides.remote.withRoot(".", { signal });
  assert.deepEqual(await texts(again), { "script": "s" });
});
