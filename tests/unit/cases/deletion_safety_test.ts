import assert from "node:assert/strict";
import { SyncError } from "../../../lib/core/errors.ts";
import { faulty } from "../../support/faulty.ts";
import { withOverrides } from "../../support/stacked.ts";
import { noRemove, noWrite } from "../../support/backend_assertions.ts";
import { NOON, ran, rejection, type Texts, texts } from "../sync/fixtures.ts";
import { changes, memories, outcomeOf, put, quiet } from "./fixtures.ts";

const mirror = { mode: "Remote" } as const;
const denied = new SyncError("denied", "550 no right", { operation: "list" });

/** So many small files. */
function files(count: number, prefix = "f"): Texts {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`${prefix}${i}`, `${i}`]));
}

Deno.test("MD-01 run() removes what is too much from the bottom up, after every transfer, and lists each", async () => {
  const sides = memories({ local: { "a": "1", "b": "2" }, remote: { "x": "3", "d/e/f": "4", "d/g": "5" } });
  const remote = changes(sides.remote);
  const outcome = await outcomeOf({ local: sides.local, remote: remote.backend }, { ...mirror, concurrency: 1 });
  assert.deepEqual(remote.of(), [
    ...["write a", "write b", "remove d/e/f", "remove d/g", "remove x", "remove d/e", "remove d"],
  ]);
  assert.deepEqual(outcome.actions.filter((action) => action.startsWith("remove")), [
    ...["remove remote d", "remove remote d/e", "remove remote d/e/f", "remove remote d/g", "remove remote x"],
  ]);
});

Deno.test("MD-02 run() removes nothing when an upload failed, and says why", async () => {
  const sides = memories({ local: { "a": "1", "b": "2" }, remote: { "old": "3" } });
  const remote = faulty(noRemove(sides.remote), { faults: [{ on: "write", path: "a", error: denied }] });
  const { events } = await ran({ local: sides.local, remote }, mirror);
  const held = events.find((event) => event.type === "held");
  assert.ok(held?.type === "held" && held.action.path === "old" && held.why === "another action failed");
  assert.deepEqual(await texts(sides.remote), { "b": "2", "old": "3" });
});

for (const side of ["local", "remote"] as const) {
  Deno.test(`MD-03 run() removes nothing after a listing of the ${side} side failed, and transfers the rest`, async () => {
    const tree = { "d/x": "1", "keep": "k" };
    const sides = memories({ local: { ...tree, "new": "n" }, remote: { ...tree, "d/y": "2", "old": "3" } });
    const faults = [{ on: "list", path: "d", error: denied }] as const;
    const blind = { ...sides, [side]: faulty(withOverrides(sides[side], { walk: undefined }), { faults }) };
    const outcome = await outcomeOf(blind, mirror);
    assert.deepEqual(outcome, { ...quiet, failures: ["d"], held: ["old"], actions: ["copy remote new"] });
    assert.equal((await texts(sides.remote))["d/y"], "2");
  });
}

Deno.test("MD-04 run() refuses an empty source but for its key", async () => {
  const sides = memories({ local: { "only a folder": null }, remote: files(100) });
  const error = await rejection(ran({ local: sides.local, remote: noWrite(sides.remote) }, mirror));
  assert.equal(error.kind, "refused");
  assert.match(error.message, /100.*-AllowEmptySource/s);
  await ran(sides, { ...mirror, allow: ["-AllowEmptySource", "-MaxRemove 100%"] });
  assert.deepEqual(await texts(sides.remote), { "only a folder": null });
});

Deno.test("MD-05 run() refuses a root without its marker, and names it", async () => {
  const sides = memories({ local: { "a": "1" }, remote: { "a": "1", "ok": "", "b": "2" } });
  const options = { ...mirror, markers: ["ok"] };
  const error = await rejection(ran({ local: sides.local, remote: noWrite(sides.remote) }, options));
  assert.deepEqual([error.kind, /local side.*"ok"/.test(error.message)], ["refused", true]);
  put(sides.local, "ok", "");
  assert.deepEqual((await outcomeOf(sides, options)).actions, ["remove remote b"]);
});

Deno.test("MD-05 run() wants each of several markers, in folders below both roots too", async () => {
  const sides = memories({
    local: { "ok": "", "d/e/ok": "" },
    remote: { "ok": "", "d/e/ok": "", "f/x": "1" },
  });
  const markers = ["ok", "d/e/ok"];
  assert.deepEqual((await outcomeOf(sides, { ...mirror, markers })).failures, []);
  const error = await rejection(
    ran({ local: sides.local, remote: noWrite(sides.remote) }, { ...mirror, markers: [...markers, "f/ok", "d/ok"] }),
  );
  assert.equal(error.kind, "refused");
  for (const side of ["local", "remote"]) {
    for (const name of ["f/ok", "d/ok"]) {
      assert.match(error.message, new RegExp(`${side} side does not contain "${name}"`));
    }
  }
  const bad = await rejection(ran(sides, { ...mirror, markers: ["../ok"] }));
  assert.deepEqual([bad.kind, /"\.\.\/ok"/.test(bad.message)], ["badInput", true]);
});

for (
  const [name, maxRemove, removed, refused] of [
    ["a count, one too many", { count: 10 }, 11, true],
    ["a count that is reached", { count: 10 }, 10, false],
    ["a share, one too many", { share: 0.5 }, 51, true],
    ["a share that is reached", { share: 0.5 }, 50, false],
  ] as const
) {
  Deno.test(`MD-06 run() under -MaxRemove with ${name} ${refused ? "removes nothing" : "goes on"}`, async () => {
    const sides = memories({ local: files(100 - removed), remote: files(100) });
    if (!refused) {
      assert.equal((await outcomeOf(sides, { ...mirror, maxRemove })).actions.length, removed);
      return;
    }
    const error = await rejection(
      ran({ local: sides.local, remote: noWrite(sides.remote) }, { ...mirror, maxRemove }),
    );
    assert.deepEqual([error.kind, error.message.includes(`${removed} of 100 files`)], ["refused", true]);
  });
}

Deno.test("MD-07 run() counts what was renamed on the source as removed where nothing proves a move", async () => {
  const sides = memories({ local: { ...files(49), ...files(51, "renamed") }, remote: files(100) });
  const error = await rejection(
    ran({ local: sides.local, remote: noWrite(sides.remote) }, { ...mirror, maxRemove: { share: 0.5 } }),
  );
  assert.equal(error.kind, "refused");
});

Deno.test("MD-12 run() refuses a root that nobody means to empty without its key", async () => {
  const sides = memories({ local: { "a": "1" }, remote: { "b": "2" } });
  const remote = { ...noWrite(sides.remote), root: { path: "/", risk: "a disk's root" } };
  const error = await rejection(ran({ local: sides.local, remote }, mirror));
  assert.deepEqual([error.kind, /a disk's root.*-AllowRoot/s.test(error.message)], ["refused", true]);
});

Deno.test("MD-16 run() leaves a file that came into a folder after it was listed, and the folder", async () => {
  const sides = memories({ local: { "a": "1" }, remote: { "d/e/x": "2", "d/y": "3", "a": "1" } });
  const come = () => Promise.resolve(put(sides.remote, "d/e/new", "somebody's", NOON));
  const remote = faulty(sides.remote, { faults: [{ on: "remove", path: "d/e/x", before: come }] });
  const outcome = await outcomeOf({ local: sides.local, remote }, mirror);
  assert.deepEqual(outcome.failures, ["d", "d/e"]);
  assert.deepEqual(await texts(sides.remote), { "a": "1", "d": null, "d/e": null, "d/e/new": "somebody's" });
});
