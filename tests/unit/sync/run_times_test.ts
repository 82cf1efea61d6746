import assert from "node:assert/strict";
import type { Backend } from "../../../lib/core/backend.ts";
import { memory, type MemoryBackend } from "../../../lib/backends/memory/mod.ts";
import type { Mode } from "../../../lib/sync/common/options.ts";
import { SyncError } from "../../../lib/core/errors.ts";
import { run } from "../../../lib/sync/run.ts";
import { faulty } from "../../support/faulty.ts";
import { newMemory, openHistory } from "../../support/simulation/history.ts";
import type { SyncEvent } from "../../../lib/core/plan.ts";
import type { MemoryDials } from "../../../lib/backends/memory/options.ts";
import { decorate } from "../../../lib/backends/layers/decorator.ts";
import { toRelPath } from "../../../lib/core/path.ts";
import { fileAt, NOON, plant, signal, type Texts, texts, usual } from "./fixtures.ts";

const DAY = 86_400_000;
const tree = { "a": "one", "b": "two", "d/c": "three" };

/** A pair on one clock, its history, and runs over it. */
function pairOf(
  dials: MemoryDials,
  { local = {}, remote = {}, front = (backend) => backend, disk = {} }: {
    readonly local?: Texts;
    /** What the local disk is like. */
    readonly disk?: MemoryDials;
    readonly remote?: Texts;
    /** The remote side as runs see it. */
    readonly front?: (backend: Backend) => Backend;
  },
) {
  const clock = { ms: NOON };
  const now = () => clock.ms++;
  const sides = { local: memory({ ...disk, now }), remote: memory({ ...dials, now }) };
  plant(sides.local, local, NOON - DAY);
  plant(sides.remote, remote, NOON - DAY);
  const known = newMemory();
  return {
    sides,
    clock,
    /** Runs a minute later; gives what was done, what became of times, and what was read. */
    async sync(mode: Mode, more: { readonly mirror?: boolean } = {}) {
      clock.ms += 60_000;
      const events: SyncEvent[] = [];
      const running = run({ ...sides, remote: front(sides.remote) }, {
        ...usual,
        mode,
        remove: false,
        mirror: false,
        ...more,
        now,
        pairHistory: openHistory(known, () => false),
      });
      let step = await running.next();
      for (; step.done !== true; step = await running.next()) events.push(step.value);
      const done = events.flatMap((event) => event.type === "done" ? [event] : []);
      return {
        actions: done.map(({ action }) => `${action.do} ${action.to} ${action.path}`).sort(),
        untimed: done.filter(({ isTimeUnset: isUntimed }) => isUntimed === true).length,
        conflicts: step.value.plan.conflicts.length,
        refusals: step.value.plan.refusals.length,
        notes: step.value.plan.notes.map(({ code }) => code),
      };
    },
  };
}

/** The backend, each content that is read reported. */
function counting(inner: Backend, count: () => void): Backend {
  return decorate(inner, {
    call({ operation, run: work }) {
      if (operation === "read") count();
      return work();
    },
    walk: ({ run: work }) => work(),
  });
}

async function timesOf(backend: MemoryBackend): Promise<readonly (number | undefined)[]> {
  return await Promise.all(Object.keys(tree).map(async (path) => (await fileAt(backend, path)).modified));
}

const servers: Readonly<Record<string, MemoryDials>> = {
  "refuses times": { timeStep: 1000, times: "refused", lacks: ["checksum"] },
  "ignores times": { timeStep: 1000, times: "ignored", lacks: ["checksum"] },
  "gives a renamed file the time of that moment": { timeStep: 1000, times: "moved", lacks: ["checksum"] },
  "keeps no times": { timeStep: undefined, lacks: ["checksum"] },
  "rounds times up": { timeStep: 2000, roundsUp: true, lacks: ["checksum"] },
  "refuses times, its clock hours ahead": {
    timeStep: 1000,
    times: "refused",
    clockOff: 3 * 3_600_000,
    lacks: ["checksum"],
  },
  "ignores times, its clock hours behind": {
    timeStep: 1000,
    times: "ignored",
    clockOff: -5 * 3_600_000,
    lacks: ["checksum"],
  },
};

for (const [what, dials] of Object.entries(servers)) {
  Deno.test(`run() uploads once to a server that ${what}, brings nothing back, and leaves the times here as they are`, async () => {
    const { sides, sync } = pairOf(dials, { local: tree });
    const before = await timesOf(sides.local);
    assert.equal((await sync("Remote")).actions.length, 4);
    for (const mode of ["Remote", "Local", "Both", "Local", "Remote"] as const) {
      const { actions, conflicts, notes } = await sync(mode);
      assert.deepEqual([actions, conflicts, notes], [[], 0, []], mode);
      if (mode !== "Both") assert.deepEqual((await sync(mode, { mirror: true })).actions, [], `${mode} -Mirror`);
    }
    assert.deepEqual(await timesOf(sides.local), before);
  });

  Deno.test(`run() carries one edit of either side with a server that ${what}`, async () => {
    const { sides, sync, clock } = pairOf(dials, { local: tree });
    await sync("Both");
    plant(sides.local, { "a": "ONE" }, clock.ms);
    assert.deepEqual((await sync("Both")).actions, ["copy remote a"]);
    plant(sides.remote, { "b": "TWO" }, clock.ms + (dials.clockOff ?? 0));
    assert.deepEqual((await sync("Both")).actions, ["copy local b"]);
    assert.deepEqual((await sync("Both")).actions, []);
    assert.deepEqual(await texts(sides.remote), await texts(sides.local));
  });
}

for (const times of ["refused", "ignored"] as const) {
  Deno.test(`run() tells of each upload whose time was ${times} that it has another`, async () => {
    const { sync } = pairOf({ timeStep: 1000, times }, { local: tree });
    assert.equal((await sync("Remote")).untimed, 3);
  });
}

Deno.test("run() in Both takes files that came to a server by other ways, and are those here, for no conflict", async () => {
  for (const mode of ["Both", "Local", "Remote"] as const) {
    const { sides, sync } = pairOf({ timeStep: undefined, lacks: ["checksum"] }, { local: tree });
    plant(sides.remote, tree, NOON - 1000);
    const before = await timesOf(sides.local);
    const { actions, conflicts } = await sync(mode);
    assert.deepEqual([actions, conflicts], [[], 0], mode);
    assert.deepEqual(await timesOf(sides.local), before);
  }
});

Deno.test("run() in Both lets no older version win that came to a server later", async () => {
  const { sides, sync, clock } = pairOf({ timeStep: undefined, lacks: ["checksum"] }, { local: tree });
  await sync("Both");
  plant(sides.local, { "a": "our newer edit" }, clock.ms);
  plant(sides.remote, { "a": "a restored one" }, clock.ms + 30_000);
  assert.equal((await sync("Both")).conflicts, 1);
  const [here, there] = [await texts(sides.local), await texts(sides.remote)];
  assert.deepEqual(here, there);
  assert.deepEqual(Object.values(here).filter((text) => text?.startsWith("o") || text?.startsWith("a ")).sort(), [
    ...["a restored one", "our newer edit"],
  ]);
});

Deno.test("run() takes a server from which nothing can be read for what it looks like, and says so once", async () => {
  const error = new SyncError("denied", "Not to be read", { operation: "read" });
  const front = (backend: Backend) => faulty(backend, { faults: [{ on: "read", error }] });
  const { sides, sync, clock } = pairOf({ timeStep: 1000, lacks: ["checksum"] }, { front });
  plant(sides.local, { "a": "one" }, clock.ms + 60_000);
  assert.deepEqual((await sync("Remote")).actions, ["copy remote a"]);
  const second = await sync("Remote");
  assert.deepEqual([second.actions, second.refusals, second.notes], [[], 0, ["unproven"]]);
  const third = await sync("Remote");
  assert.deepEqual([third.actions, third.refusals, third.notes], [[], 0, []]);
});

Deno.test("run() in Both carries a second save of the same second to a server without checksums, and sees no conflict in it", async () => {
  const { sides, sync, clock } = pairOf({ timeStep: 1000, lacks: ["checksum"] }, {});
  const saved = clock.ms + 60_000;
  plant(sides.local, { "a": "one" }, saved);
  await sync("Both");
  plant(sides.local, { "a": "two" }, saved + 400);
  const second = await sync("Both");
  assert.deepEqual([second.actions, second.conflicts, second.notes], [["copy remote a"], 0, []]);
  assert.deepEqual(await texts(sides.remote), { "a": "two" });
});

for (const ahead of [0, 90_000, 5 * 3_600_000, -2000, -90_000, -5 * 3_600_000]) {
  for (const timeStep of [1000, 60_000]) {
    Deno.test(`run() carries a second edit within a step of ${timeStep} ms from a server whose clock is off by ${ahead} ms`, async () => {
      const { sides, sync, clock } = pairOf({ timeStep, clockOff: ahead, fileIds: false, lacks: ["checksum"] }, {
        local: tree,
      });
      await sync("Both");
      for (const mode of ["Local", "Both"] as const) {
        const step = Math.ceil((clock.ms + 60_000 + ahead) / timeStep) * timeStep;
        plant(sides.remote, { "b": "TWO" }, step - 500);
        assert.deepEqual((await sync(mode)).actions, ["copy local b"]);
        plant(sides.remote, { "b": "2WO" }, step - 400);
        assert.deepEqual((await sync(mode)).actions, ["copy local b"]);
        assert.deepEqual((await sync(mode)).actions, []);
      }
    });
  }
}

for (
  const [what, disk] of [["file ids", { fileIds: true }], ["change times", {
    fileIds: false,
    changeTimes: true,
  }]] as const
) {
  Deno.test(`run() carries an edit whose time was set back, and files that were swapped, on a disk with ${what}`, async () => {
    const [dials, places] = [{ timeStep: 1000, lacks: ["checksum"] }, { local: tree, disk }] as const;
    for (const mode of ["Remote", "Both"] as const) {
      const { sides, sync } = pairOf(dials, places);
      await sync(mode);
      plant(sides.local, { "a": "ONE" }, NOON - DAY);
      assert.deepEqual((await sync(mode)).actions, ["copy remote a"]);
      const [a, b, swap] = [toRelPath("a"), toRelPath("b"), toRelPath("swap")];
      for (const [from, to] of [[a, swap], [b, a], [swap, b]] as const) {
        await sides.local.rename?.(from, to, { signal });
      }
      assert.deepEqual((await sync(mode)).actions, ["copy remote a", "copy remote b"]);
      assert.deepEqual((await sync(mode)).actions, []);
      assert.deepEqual(await texts(sides.remote), await texts(sides.local));
    }
  });
}

Deno.test("run() compares files once whose modes alone changed, and reads nothing from then on", async () => {
  let reads = 0;
  const front = (backend: Backend) => counting(backend, () => void reads++);
  const disk = { changeTimes: true };
  const { sides, sync } = pairOf({ timeStep: 1000, lacks: ["checksum"] }, { local: tree, disk, front });
  for (let i = 0; i < 3; i++) await sync("Both");
  for (const path of Object.keys(tree)) await sides.local.setMode?.(toRelPath(path), 0o600, { signal });
  reads = 0;
  for (const expected of [3, 3, 3]) {
    const { actions, notes } = await sync("Both");
    assert.deepEqual([actions, notes, reads], [[], [], expected]);
  }
});

Deno.test("run() one way replaces no later edit whose time lies before that of our upload", async () => {
  const { sides, sync, clock } = pairOf({ timeStep: 1000, times: "refused", lacks: ["checksum"] }, { local: tree });
  await sync("Remote");
  plant(sides.remote, { "a": "longer", "b": "TWO" }, clock.ms - 3_600_000);
  const kept = await sync("Remote");
  assert.deepEqual([kept.actions, kept.notes], [[], ["keptNewer", "keptNewer"]]);
  assert.deepEqual((await sync("Remote")).actions, []);
  plant(sides.remote, { "a": "older1" }, NOON - 2 * DAY);
  assert.deepEqual((await sync("Remote")).actions, ["copy remote a"]);
  assert.deepEqual((await sync("Remote", { mirror: true })).actions, ["copy remote b"]);
});
