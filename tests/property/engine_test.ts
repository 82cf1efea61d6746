import assert from "node:assert/strict";
import fc from "npm:fast-check@4.10.2";
import { isWithin, type RelPath, toRelPath } from "../../lib/core/path.ts";
import { type FileEntry, type LinkEntry, sides as bothSides } from "../../lib/core/entry.ts";
import { utf8 } from "../support/content.ts";
import { runs, seeded } from "../support/runs.ts";
import {
  playStory,
  quietSync,
  simulate,
  type SimulationState,
  syncOnce,
  syncUntilStable,
  userEdit,
} from "../support/simulation/simulation.ts";
import { pairKey } from "../support/simulation/checks.ts";
import { contentsOf } from "../support/simulation/edits.ts";
import { anyQuietSync, anyStory, type Story } from "../support/simulation/story.ts";

const numRuns = runs(300, 10_000, 10_000);
const checks = { numRuns, ...seeded(20_260_101) };
const calmStory = anyStory({ troubled: false, quiet: true });

async function check(story: Story): Promise<void> {
  await simulate(story);
}

Deno.test("run() keeps every version and comes to rest with both sides equal, run after run in Both (P1-P3, P14, P15)", async () => {
  await fc.assert(fc.asyncProperty(calmStory, check), checks);
});

Deno.test("run() in any mode and with any options keeps what it may not give up, and then comes to rest (P1-P3, P14, P15)", async () => {
  await fc.assert(fc.asyncProperty(anyStory({ troubled: false, quiet: false }), check), checks);
});

Deno.test("run() among crashes, failures, other writers and cut listings loses nothing, and heals (P1-P3, P9, P12, P13)", async () => {
  await fc.assert(fc.asyncProperty(anyStory({ troubled: true, quiet: false }), check), checks);
});

Deno.test("run() ended at any change and run again ends as a run that nothing ended (P4)", async () => {
  const given = fc.record({ story: calmStory, sync: anyQuietSync, at: fc.nat(30), isDone: fc.boolean() });
  const property = fc.asyncProperty(given, async ({ story, sync, at, isDone }) => {
    const [whole, broken] = [await playStory(story), await playStory(story)];
    await syncOnce(whole, sync);
    await syncOnce(broken, { ...sync, trouble: { trouble: "crash", at, isDone } });
    await syncOnce(broken, sync);
    assert.deepEqual(await outline(broken), await outline(whole));
    await syncUntilStable(broken);
  });
  await fc.assert(property, checks);
});

Deno.test("run() brings a deletion on one side to the other, and never takes it back (P10)", async () => {
  const given = fc.record({ story: calmStory, at: fc.nat(20), side: fc.constantFrom("local", "remote" as const) });
  const property = fc.asyncProperty(given, async ({ story, at, side }) => {
    const world = await simulate(story);
    const { end } = await syncOnce(world, quietSync);
    fc.pre(end !== undefined && end.plan.refusals.length + end.plan.conflicts.length === 0);
    const paths = [...(await contentsOf(world.sides[side], { own: false })).keys()];
    const path = paths[at % paths.length];
    if (path === undefined) return;
    await userEdit(world, side, { how: "delete", path, to: path, content: "x", old: false });
    await syncOnce(world, quietSync);
    const left = await outline(world);
    for (const tree of [left.local, left.remote]) {
      const isBack = ([at, content]: readonly [string, string | null]) =>
        content !== null && isWithin(at as RelPath, pairKey(world.sides, path));
      assert.ok(!tree.some(isBack), `${path} came back`);
    }
  });
  await fc.assert(property, checks);
});

Deno.test("run() does the same for any order of listings, any number at once, and either kind of listing (P5, P18)", async () => {
  const given = fc.record({ story: anyStory({ troubled: false, quiet: false }), seed: fc.nat(9) });
  const property = fc.asyncProperty(given, async ({ story, seed }) => {
    const { local, remote } = story.dials;
    const lacks = (remote.lacks ?? []).includes("walk")
      ? (remote.lacks ?? []).filter((method) => method !== "walk")
      : [...remote.lacks ?? [], "walk" as const];
    const steps = story.steps.map((step) =>
      step.step === "sync" ? { step: step.step, sync: { ...step.sync, concurrency: 5 - step.sync.concurrency } } : step
    );
    const other: Story = { ...story, steps, dials: { local: { ...local, seed }, remote: { ...remote, seed, lacks } } };
    assert.deepEqual(await outline(await simulate(other)), await outline(await simulate(story)));
  });
  await fc.assert(property, checks);
});

Deno.test("run() does the same beside what it leaves out, and leaves that as it is (P11)", async () => {
  const property = fc.asyncProperty(anyStory({ troubled: false, quiet: false }), async (story) => {
    const beside = await playStory(story, (world) => {
      for (const side of bothSides) for (const entry of leftOut) world.sides[side].plant(entry, utf8(entry.path));
    });
    assert.deepEqual(await outline(beside), await outline(await playStory(story)));
    for (const side of bothSides) {
      const after = await contentsOf(beside.sides[side], { own: true });
      for (const entry of leftOut) {
        assert.equal(after.get(entry.path), entry.kind === "link" ? `-> ${entry.target}` : entry.path);
      }
    }
  });
  await fc.assert(property, checks);
});

/** What no run may see: the trash, a lock, a temporary file of another run, a link. */
const leftOut: readonly (FileEntry | LinkEntry)[] = [
  ...[".tandem-trash/old/a", ".tandem-lock", ".a.tandem-0123456789abcdef"].map((path) => (
    { kind: "file", path: toRelPath(path), size: path.length, modified: 1_700_000_000_000 } as const
  )),
  { kind: "link", path: toRelPath("link"), target: "a" },
];

/** What both sides hold, but for spellings, the times in the names of conflict copies, and folders where one side has none. */
async function outline({ sides }: SimulationState) {
  const hasDirs = sides.local.traits.hasDirs && sides.remote.traits.hasDirs;
  const read = async (side: "local" | "remote") =>
    [...await contentsOf(sides[side], { own: false })]
      .filter(([, content]) => hasDirs || content !== null)
      .map(([path, content]) =>
        [pairKey(sides, path).replaceAll(/ \(conflict here [^)]*\)/g, " (conflict)"), content] as const
      )
      .sort();
  return { local: await read("local"), remote: await read("remote") };
}
