import assert from "node:assert/strict";
import { memory, type MemoryBackend, type MemoryDials } from "../../../lib/backends/memory.ts";
import type { Mode } from "../../../lib/sync/options.ts";
import { run } from "../../../lib/sync/run.ts";
import { newMemory, recall } from "../../support/simulation_memory.ts";
import type { SyncEvent } from "../../../lib/types.ts";
import { fileAt, NOON, plant, type Texts, texts, usual } from "./rig.ts";

const DAY = 86_400_000;
const tree = { "a": "one", "b": "two", "d/c": "three" };

/** A pair on one clock, its history, and runs over it. */
function pairOf(dials: MemoryDials, { local = {}, remote = {} }: { readonly local?: Texts; readonly remote?: Texts }) {
  const clock = { ms: NOON };
  const now = () => clock.ms++;
  const sides = { local: memory({ now }), remote: memory({ ...dials, now }) };
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
      const running = run(sides, {
        ...usual,
        mode,
        remove: false,
        mirror: false,
        ...more,
        now,
        remembered: recall(known, () => false),
      });
      let step = await running.next();
      for (; step.done !== true; step = await running.next()) events.push(step.value);
      const done = events.flatMap((event) => event.type === "done" ? [event] : []);
      return {
        actions: done.map(({ action }) => `${action.do} ${action.to} ${action.path}`).sort(),
        untimed: done.filter(({ isUntimed }) => isUntimed === true).length,
        conflicts: step.value.plan.conflicts.length,
        notes: step.value.plan.notes.map(({ code }) => code),
      };
    },
  };
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
