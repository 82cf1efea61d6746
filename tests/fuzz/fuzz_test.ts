import assert from "node:assert/strict";
import { runs } from "../support/runs.ts";
import { fuzz } from "./fuzz.ts";
import { FuzzFault, type FuzzTarget } from "./target.ts";
import { targets } from "./targets.ts";

const tries = runs(2_000, 200_000, 5_000);

for (const target of targets) {
  Deno.test(`${target.name} holds against ${tries} mutated inputs`, async () => {
    const { tried, outcomes } = await fuzz(target, { seed: 11, goesOn: (count) => count < tries });
    assert.equal(tried, tries);
    assert.ok(outcomes > 3, `only ${outcomes} outcomes: the inputs do not reach the parser`);
  });
}

Deno.test("fuzz() finds an error that a parser must not throw, and names its input", async () => {
  const broken: FuzzTarget = {
    name: "broken",
    seeds: ["ab"],
    tokens: ["needle"],
    run(bytes) {
      if (new TextDecoder().decode(bytes).includes("needle")) {
        throw new TypeError("cannot read properties of undefined");
      }
      return bytes.length;
    },
    expects: (error) => error instanceof RangeError,
  };
  const attack = () => fuzz(broken, { seed: 1, goesOn: (count) => count < 1000 });
  await assert.rejects(
    attack,
    (error) => error instanceof FuzzFault && new TextDecoder().decode(error.input).includes("needle"),
  );
});
