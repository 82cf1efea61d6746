import fc from "npm:fast-check@4.10.2";
import { runs } from "../support/runs.ts";
import { simulate } from "../support/simulation.ts";
import { anyStory, type Story } from "../support/simulation_story.ts";

/** A long run looks elsewhere each time, and prints the seed of what it finds. */
const numRuns = runs(300, 10_000);
const checks = { numRuns };

async function check(story: Story): Promise<void> {
  await simulate(story);
}

Deno.test("run() keeps every version and comes to rest with both sides equal, run after run in Both (P1-P3, P14, P15)", async () => {
  await fc.assert(fc.asyncProperty(anyStory({ troubled: false, quiet: true }), check), checks);
});

Deno.test("run() in any mode and with any options keeps what it may not give up, and then comes to rest (P1-P3, P14, P15)", async () => {
  await fc.assert(fc.asyncProperty(anyStory({ troubled: false, quiet: false }), check), checks);
});

Deno.test("run() among crashes, failures, other writers and cut listings loses nothing, and heals (P1-P3, P9, P12, P13)", async () => {
  await fc.assert(fc.asyncProperty(anyStory({ troubled: true, quiet: false }), check), checks);
});
