import assert from "node:assert/strict";
import { openLocal } from "../../../lib/backends/local/mod.ts";
import type { Backend } from "../../../lib/core/backend.ts";
import { toRelPath } from "../../../lib/core/path.ts";
import { isSame, pattern } from "../../support/content.ts";
import { faulty } from "../../support/faulty.ts";
import { withOverrides } from "../../support/stacked.ts";
import { failure, NOON, ran, signal, textOf, texts } from "../sync/fixtures.ts";
import { type Disks, disks, memories, outcomeOf, put, quiet } from "./fixtures.ts";

const mirror = { mode: "Remote" } as const;
const size = 1_000_000;

/** The backend, where `act` happens each time right after a content was opened and again after its first chunk. */
function disturbed(inner: Backend, path: string, act: () => Promise<void>): Backend {
  return withOverrides(inner, {
    async read(real, at, options) {
      const content = await real.read(at, options);
      if (at !== path || content instanceof Uint8Array) return content;
      let chunks = 0;
      return content.pipeThrough(
        new TransformStream({
          async transform(chunk, controller) {
            if (chunks++ === 0) await act();
            controller.enqueue(chunk);
          },
        }),
      );
    },
  });
}

/** A large file here, an old version of it there, one more new file. */
async function large(): Promise<Disks & { readonly file: string }> {
  const pair = await disks();
  const file = `${pair.local.disk}/a`;
  await Deno.writeFile(file, pattern(size, 1));
  await Deno.writeTextFile(`${pair.local.disk}/b`, "2");
  await Deno.writeTextFile(`${pair.remote.disk}/a`, "old");
  return { ...pair, file };
}

Deno.test("FL-01 run() of a file that never stops growing leaves the old version, and brings it once it rests", async () => {
  await using pair = await large();
  const { file, sides } = pair;
  const grow = () => Deno.writeFile(file, new Uint8Array(1000), { append: true });
  const { events } = await ran({ ...sides, local: disturbed(sides.local, "a", grow) }, mirror);
  assert.equal(failure(events).kind, "changed");
  assert.deepEqual(await texts(sides.remote), { "a": "old", "b": "2" });
  assert.deepEqual((await outcomeOf(sides, mirror)).actions, ["copy remote a"]);
  assert.ok(isSame(await Deno.readFile(`${pair.remote.disk}/a`), await Deno.readFile(file)));
});

Deno.test("FL-02 run() of a file that is cut short meanwhile shows nothing but the old or the short version", async () => {
  await using pair = await large();
  const { file, sides } = pair;
  const cut = () => Deno.truncate(file, 10);
  const outcome = await outcomeOf({ ...sides, local: disturbed(sides.local, "a", cut) }, mirror);
  assert.ok(outcome.actions.includes("copy remote b"));
  const found = await Deno.readFile(`${pair.remote.disk}/a`);
  assert.ok(
    isSame(found, pattern(size, 1).slice(0, 10)) || new TextDecoder().decode(found) === "old",
    `${found.length}`,
  );
});

Deno.test("FL-03 run() of a file that is replaced meanwhile, size and time alike, sends one version whole", async () => {
  await using pair = await large();
  const { file, sides } = pair;
  const time = new Date(NOON);
  await Deno.utime(file, time, time);
  let done = false;
  const replace = async () => {
    if (done) return;
    done = true;
    await Deno.writeFile(`${file}.other`, pattern(size, 2));
    await Deno.utime(`${file}.other`, time, time);
    await Deno.rename(`${file}.other`, file);
  };
  const outcome = await outcomeOf({ ...sides, local: disturbed(sides.local, "a", replace) }, mirror);
  assert.deepEqual(outcome.actions, ["copy remote a", "copy remote b"]);
  const found = await Deno.readFile(`${pair.remote.disk}/a`);
  assert.ok(done && (isSame(found, pattern(size, 1)) || isSame(found, pattern(size, 2))));
});

Deno.test("FL-04 run() notes a source that is deleted meanwhile, and the target keeps its version", async () => {
  const sides = memories({ local: { "a": "newer", "b": "2" }, remote: { "a": "old" } });
  const remove = async () => {
    const entry = await sides.local.stat(toRelPath("a"), { signal });
    if (entry !== undefined) await sides.local.remove(entry, { signal });
  };
  const local = faulty(sides.local, { faults: [{ on: "read", path: "a", times: 1, before: remove }] });
  const outcome = await outcomeOf({ local, remote: sides.remote }, mirror);
  assert.deepEqual(outcome, { ...quiet, notes: ["vanished a"], actions: ["copy remote b"] });
  assert.equal(await textOf(sides.remote, "a"), "old");
});

for (const concern of ["size", "time", "kind"] as const) {
  Deno.test(`FL-05 run() overwrites nothing whose ${concern} is another than it was planned for`, async () => {
    const sides = memories({ local: { "a": "newer", "b": "2" }, remote: { "a": "old" } });
    const change = () => {
      if (concern === "size") put(sides.remote, "a", "longer");
      else if (concern === "time") put(sides.remote, "a", "OLD", NOON + 60_000);
      else sides.remote.plant({ kind: "dir", path: toRelPath("a") });
      return Promise.resolve();
    };
    const remote = faulty(sides.remote, { faults: [{ on: "write", path: "a", before: change }] });
    const { events } = await ran({ local: sides.local, remote }, mirror);
    assert.equal(failure(events).kind, "changed");
    assert.equal((await texts(sides.remote))["a"], { size: "longer", time: "OLD", kind: null }[concern]);
  });
}

for (const concern of ["size", "time", "kind"] as const) {
  Deno.test(`FL-06 run() removes nothing whose ${concern} is another than it was planned for`, async () => {
    const sides = memories({ local: { "b": "2" }, remote: { "a": "old" } });
    const change = () => {
      if (concern === "size") put(sides.remote, "a", "longer");
      else if (concern === "time") put(sides.remote, "a", "OLD", NOON + 60_000);
      else sides.remote.plant({ kind: "link", path: toRelPath("a"), target: "b" });
      return Promise.resolve();
    };
    const remote = faulty(sides.remote, { faults: [{ on: "remove", path: "a", before: change }] });
    assert.deepEqual((await outcomeOf({ local: sides.local, remote }, mirror)).failures, ["a"]);
    assert.equal((await texts(sides.remote))["a"], { size: "longer", time: "OLD", kind: "-> b" }[concern]);
  });
}

Deno.test("FL-07 run() leaves fifty files that appear during it alone, and brings them the next time", async () => {
  const sides = memories({ local: { "a": "1", "d/b": "2" } });
  const appear = () => {
    for (let i = 0; i < 50; i++) put(sides.local, `d/new${i}`, `${i}`);
    return Promise.resolve();
  };
  const local = faulty(sides.local, { faults: [{ on: "read", times: 1, before: appear }] });
  assert.deepEqual(await outcomeOf({ local, remote: sides.remote }, mirror), {
    ...quiet,
    actions: ["copy remote a", "copy remote d/b", "makeDir remote d"],
  });
  assert.equal((await outcomeOf(sides, mirror)).actions.length, 50);
  assert.deepEqual(await texts(sides.remote), await texts(sides.local));
});

Deno.test("FL-05 run() on a disk overwrites nothing that changed after its content was carried", async () => {
  await using pair = await large();
  const { sides } = pair;
  const change = () => Deno.writeTextFile(`${pair.remote.disk}/a`, "somebody's");
  await ran({ ...sides, local: disturbed(sides.local, "a", change) }, mirror);
  assert.equal(await Deno.readTextFile(`${pair.remote.disk}/a`), "somebody's");
  await using again = await openLocal(pair.remote.disk, { signal });
  assert.deepEqual(Object.keys(await texts(again)), ["a", "b"]);
});

Deno.test("FL-05 run() gives back what somebody wrote to a file right before it is moved aside for a folder", async () => {
  const sides = memories({ local: { "p/q": "1" }, remote: { "p": "a file" } });
  const change = () => Promise.resolve(put(sides.remote, "p", "somebody's", NOON + 60_000));
  const remote = faulty(sides.remote, { faults: [{ on: "rename", path: "p", times: 1, before: change }] });
  const outcome = await outcomeOf({ local: sides.local, remote }, mirror);
  assert.ok(outcome.failures.includes("p"), JSON.stringify(outcome));
  assert.deepEqual(await texts(sides.remote), { "p": "somebody's" });
});
