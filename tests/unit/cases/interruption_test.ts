import assert from "node:assert/strict";
import { addLayers } from "../../../lib/backends/layers/stack.ts";
import { SyncError } from "../../../lib/core/errors.ts";
import { toRelPath } from "../../../lib/core/path.ts";
import { tempPath } from "../../../lib/core/temp_name.ts";
import { openHistory } from "../../../lib/sync/history/file.ts";
import { toTempOwner, toTempTag } from "../../../lib/sync/common/temp_tag.ts";
import { Crash, faulty, linkLost } from "../../support/faulty.ts";
import { withOverrides } from "../../support/stacked.ts";
import { noWrite } from "../../support/backend_assertions.ts";
import { fileAt, plant, rejection, signal, textOf, texts, usual } from "../sync/fixtures.ts";
import { changes, memories, outcomeOf, quiet, watchDurability } from "./fixtures.ts";
import { both, notebook } from "./two_way_fixtures.ts";

const mirror = { mode: "Remote" } as const;
const dozen = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`old/${i}`, `${i}`]));

Deno.test("IN-03 run() that ended before its history was written finds equal contents the next time, and no conflict", async () => {
  const sides = memories({ local: { "a": "mine", "d/b": "2" }, remote: { "c": "theirs" } });
  const book = notebook();
  const full = new SyncError("full", "no room for the history", { operation: "save" });
  const broken = { ...book.open(), save: () => Promise.reject(full) };
  const { notes } = await both(sides, book, { pairHistory: broken });
  assert.ok(notes.includes("unremembered"), notes.join());
  assert.equal(book.known.size, 0);
  assert.deepEqual(await both({ local: noWrite(sides.local), remote: noWrite(sides.remote) }, book), quiet);
  assert.deepEqual([...book.known.keys()].sort(), ["a", "c", "d", "d/b"]);
});

Deno.test("IN-03 run() changes nothing where it cannot be written that what comes back was not deleted", async () => {
  const sides = memories({ local: { "a": "mine", "b": "2" }, remote: {} });
  const book = notebook();
  await both(sides, book);
  await sides.remote.remove(await fileAt(sides.remote, "a"), { signal });
  const full = new SyncError("full", "no room for the history", { operation: "save" });
  const broken = { ...book.open(), saveAhead: () => Promise.reject(full) };
  const guarded = { local: noWrite(sides.local), remote: noWrite(sides.remote) };
  await assert.rejects(both(guarded, book, { pairHistory: broken }), { kind: "refused", message: /no room/ });
});

Deno.test("IN-04 save() has the history on the disk before it takes the old one's place, and its name there after", async () => {
  const folder = await Deno.makeTempDir({ prefix: "tandem-history-" });
  const pair = { machine: "m", local: "/here", server: "sftp://web1", remote: "/there" };
  try {
    using history = await openHistory({ folder, pair, key: new Uint8Array(32), readOnly: false });
    using disk = watchDurability();
    const path = toRelPath("a");
    await history.save([{ path, base: { path, kind: "dir" } }], {});
    assert.deepEqual(disk.order, ["sync", "rename", "sync"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("IN-09 run() carries each change out once when the replies to all of them are lost once", async () => {
  const sides = memories({ local: { "a": "1", "d/b": "2" }, remote: { "a": "old!", "old/x": "3" } });
  const faults = ["write", "makeDir", "remove"].map((on) => ({ on: on as "write", times: 1, lost: linkLost() }));
  const inner = changes(sides.remote);
  const remote = addLayers(faulty(inner.backend, { faults }), { retry: { sleep: () => Promise.resolve() } });
  const { failures } = await outcomeOf({ local: sides.local, remote }, mirror);
  assert.deepEqual(failures, []);
  assert.deepEqual(await texts(sides.remote), await texts(sides.local));
  const writes = inner.of().filter((call) => call.startsWith("write"));
  assert.equal(new Set(writes).size, writes.length, writes.join());
});

Deno.test("IN-14 run() whose lock was taken over removes nothing, and leaves what would make room", async () => {
  const sides = memories({ local: { "a": "1", "p/q": "2" }, remote: { "old": "3", "p": "a file" } });
  const outcome = await outcomeOf(sides, { ...mirror, isLockOwner: () => Promise.resolve(false) });
  assert.ok(outcome.held.includes("old") && outcome.actions.includes("copy remote a"));
  assert.equal((await texts(sides.remote))["old"], "3");
});

Deno.test("IN-14 run() whose lock is taken over while it removes stops removing", async () => {
  const old = Object.fromEntries(Array.from({ length: 600 }, (_, i) => [`old/${String(i).padStart(3, "0")}`, ""]));
  const sides = memories({ local: { "a": "1" }, remote: old });
  let looks = 0;
  const isLockOwner = () => Promise.resolve(++looks <= 2);
  const outcome = await outcomeOf(sides, { ...mirror, isLockOwner, allow: ["-MaxRemove 100%"] });
  const left = Object.keys(await texts(sides.remote)).filter((path) => path.startsWith("old/")).length;
  assert.ok(left > 0 && left < 600, `${left} are left`);
  assert.ok(outcome.held.includes("old/599") && outcome.held.includes("old"));
});

Deno.test("IN-19 run() whose last rename fails leaves the old version, and no temporary file", async () => {
  const sides = memories({ local: { "a": "mine" }, remote: { "a": "theirs" } });
  const locked = new SyncError("denied", "423 Locked", { operation: "rename" });
  const local = withOverrides(sides.local, { rename: () => Promise.reject(locked) });
  const { failures } = await both({ local, remote: sides.remote }, notebook(), { conflict: "KeepBoth" });
  assert.ok(failures.includes("a"));
  assert.deepEqual(await texts(sides.local), { "a": "mine" });
  assert.equal(await textOf(sides.remote, "a"), "theirs");
});

Deno.test("IN-20 run() removes leftovers of its own from where it writes alone, and no user's file of such a name", async () => {
  const sides = memories({ local: { "a": "1" }, remote: {} });
  const words = (side: string) => [usual.owner, "memory", "/", "memory", "/", side];
  const source = await fileAt(sides.local, "a");
  const own = (side: string) => tempPath(toRelPath("x"), toTempTag(toTempOwner(words(side)), "partial", source));
  const users = ["x.tandem-0011223344556677", ".x.tandem-0011", ".x.tandem-00112233445566zz"];
  plant(sides.local, { [own("local")]: "half", ...Object.fromEntries(users.map((name) => [name, "user's"])) });
  plant(sides.remote, { [own("remote")]: "half" });
  await outcomeOf(sides, mirror);
  const everything = Object.fromEntries([["a", "1"], ...users.map((name) => [name, "user's"])].sort());
  assert.deepEqual(await texts(sides.remote), everything);
  assert.deepEqual((await texts(sides.local))[own("local")], "half");
});

Deno.test("IN-21 run() ended among its removals is finished by the next, and nothing comes back", async () => {
  const tree = { ...dozen, "stays": "s" };
  const sides = memories({ local: tree, remote: tree });
  const book = notebook();
  await both(sides, book);
  for (const name of Object.keys(dozen)) {
    await sides.local.remove(await fileAt(sides.local, name), { signal: usual.signal });
  }
  const folder = await sides.local.stat(toRelPath("old"), { signal: usual.signal });
  assert.ok(folder !== undefined);
  await sides.local.remove(folder, { signal: usual.signal });
  const crash = new Crash(7);
  const dead = { ...book.open(), save: () => Promise.resolve() };
  const ended = { local: faulty(sides.local, { crash }), remote: faulty(sides.remote, { crash }) };
  await both(ended, book, { pairHistory: dead, allow: ["-MaxRemove 100%"] });
  assert.equal(Object.keys(await texts(sides.remote)).length, 16);
  await both(sides, book, { allow: ["-MaxRemove 100%"] });
  assert.deepEqual([await texts(sides.remote), await texts(sides.local)], [{ "stays": "s" }, { "stays": "s" }]);
  assert.deepEqual([...book.known.keys()], ["stays"]);
});

Deno.test("IN-18 run() that the server stops trusting removes nothing, and asks it no more", async () => {
  const sides = memories({ local: { "a": "1", "b": "2", "c": "3" }, remote: { "old": "4" } });
  const expired = new SyncError("auth", "530 session expired", { operation: "write" });
  const inner = faulty(sides.remote, { faults: [{ on: ["write", "remove", "stat"], nth: 3, error: expired }] });
  const remote = changes(inner);
  const outcome = await outcomeOf({ local: sides.local, remote: remote.backend }, { ...mirror, concurrency: 1 });
  assert.ok(outcome.failures.length > 0);
  assert.deepEqual(outcome.held, ["old"]);
  assert.ok(remote.of().every((call) => !call.startsWith("remove")));
});

Deno.test("IN-18 run() rejects before any change when the server stops trusting us while it lists", async () => {
  const sides = memories({ local: { "a": "1" }, remote: { "d/x": "4" } });
  const expired = new SyncError("auth", "530 session expired", { operation: "list" });
  const remote = faulty(withOverrides(noWrite(sides.remote), { walk: undefined }), {
    faults: [{ on: "list", path: "d", error: expired }],
  });
  assert.equal((await rejection(outcomeOf({ local: sides.local, remote }, mirror))).kind, "auth");
});
