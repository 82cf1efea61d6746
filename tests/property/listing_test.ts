import assert from "node:assert/strict";
import fc from "npm:fast-check@4.10.2";
import { otherSide } from "../../lib/core/entry.ts";
import { runs, seeded } from "../support/runs.ts";
import {
  playStory,
  quietSync,
  type SimulationState,
  syncOnce,
  type SyncRun,
  syncUntilStable,
  userEdit,
} from "../support/simulation/simulation.ts";
import { pairKey } from "../support/simulation/checks.ts";
import { anyDeceivedSync, anyStory, type Sync } from "../support/simulation/story.ts";

const checks = { numRuns: runs(600, 20_000, 20_000), ...seeded(20_260_202) };
const story = anyStory({ troubled: false, quiet: true });

/** Whatever both sides had in truth is still there on the side that was told lies. */
function assertNothingGone({ sides }: SimulationState, { sync, before, after }: SyncRun): void {
  if (sync.trouble.trouble !== "lie") return;
  const told = otherSide(sync.trouble.side);
  const there = before[sync.trouble.side];
  const left = new Set(Array.from(after[told].keys(), (path) => pairKey(sides, path)));
  for (const [path, content] of before[told]) {
    // In another spelling it can be found by its listing alone.
    const other = there.get(path);
    if (other === undefined || (other === null) !== (content === null)) continue;
    if (content === null && !sides[told].traits.hasDirs) continue;
    assert.ok(
      left.has(pairKey(sides, path)),
      `"${path}" is gone from the ${told} side, and the other side had it all the time`,
    );
  }
}

async function deceive(world: SimulationState, sync: Sync): Promise<void> {
  assertNothingGone(world, await syncOnce(world, sync));
}

Deno.test("run() removes nothing that the other side has, whatever its listing loses or mangles (P4, P9)", async () => {
  const given = fc.record({ story, sync: anyDeceivedSync });
  const property = fc.asyncProperty(given, async ({ story, sync }) => {
    const world = await playStory(story);
    await syncOnce(world, quietSync);
    await deceive(world, sync);
    await syncUntilStable(world);
  });
  await fc.assert(property, checks);
});

Deno.test("run() removes nothing that the other side has where both were edited since, and comes to rest after (P4, P5)", async () => {
  const edit = fc.record({
    side: fc.constantFrom("local", "remote" as const),
    how: fc.constantFrom("write", "delete", "rename" as const),
    path: fc.constantFrom("a", "b", "a/b", "b/a", "c"),
    to: fc.constantFrom("c", "a/c", "d"),
  });
  const given = fc.record({
    story,
    edits: fc.array(edit, { maxLength: 4 }),
    first: anyDeceivedSync,
    second: anyDeceivedSync,
  });
  const property = fc.asyncProperty(given, async ({ story, edits, first, second }) => {
    const world = await playStory(story);
    for (const { side, ...rest } of edits) await userEdit(world, side, { ...rest, content: "fresh", old: false });
    await deceive(world, first);
    await deceive(world, second);
    await syncUntilStable(world);
  });
  await fc.assert(property, checks);
});
