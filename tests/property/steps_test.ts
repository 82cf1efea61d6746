import fc from "npm:fast-check@4.10.2";
import { runs, seeded } from "../support/runs.ts";
import { playSteps } from "../support/simulation/steps.ts";
import { anyStepsStory } from "../support/simulation/steps_story.ts";

const checks = { numRuns: runs(1000, 100_000, 10_000), ...seeded(20_261_130) };

for (const [what, lies] of [["that keep times at any step", false], ["that refuse times, or lie", true]] as const) {
  Deno.test(`run() carries every edit or tells of it, however soon it follows another, on servers ${what}`, async () => {
    await fc.assert(fc.asyncProperty(anyStepsStory({ lies }), playSteps), checks);
  });
}
