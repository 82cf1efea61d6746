import assert from "node:assert/strict";
import type { Backend } from "../../../../lib/core/backend.ts";
import { type CallHandlers, decorate } from "../../../../lib/backends/layers/decorator.ts";
import { root } from "../../../../lib/core/path.ts";
import { call } from "../../../contract/assertions.ts";
import { pair, ran, texts } from "../fixtures.ts";
import { listing, ways, without } from "./lying_listing.ts";

/** A backend that finds nothing by a look but its root. */
function blind(inner: Backend): Backend {
  const around: CallHandlers = {
    call: async (attempt) => {
      const isLook = attempt.operation === "stat" && attempt.path !== root;
      return isLook ? undefined as Awaited<ReturnType<typeof attempt.run>> : await attempt.run();
    },
    walk: ({ run }) => run(),
  };
  return decorate(inner, around);
}

for (const options of ways) {
  const name = options.removeDespiteFailures === true ? " with removeDespiteFailures" : "";
  Deno.test(`run()${name} removes nothing for a side whose looks do not find what it lists`, async () => {
    const content = { "a": "1", "b": "2", "d/c": "3", "d/e": "4" };
    const sides = pair(content, content);
    const local = blind(listing(sides.local, without("b", "d/e")));
    const { end } = await ran({ local, remote: sides.remote }, options);
    assert.deepEqual(end.plan.refusals.map(({ path }) => path), ["b", "d/e"]);
    assert.match(end.plan.refusals[0]?.why ?? "", /lists "a" and says that it is not there/);
    assert.deepEqual(await texts(sides.remote), { ...content, d: null });
  });
}

Deno.test("run() removes what a control that vanished meanwhile says nothing about", async () => {
  const sides = pair({ "a": "1", "c": "2" }, { "a": "1", "b": "2", "c": "2" });
  const local = decorate(sides.local, {
    call: async (attempt) => {
      const isLook = attempt.operation === "stat" && attempt.path !== root;
      const [entry] = isLook ? (await sides.local.list(root, call)).filter(({ path }) => path === "a") : [];
      if (entry !== undefined) await sides.local.remove(entry, call);
      return await attempt.run();
    },
    walk: ({ run }) => run(),
  });
  const { end } = await ran({ local, remote: sides.remote }, { mode: "Remote" });
  assert.deepEqual(end.plan.refusals, []);
  assert.equal((await texts(sides.remote))["b"], undefined);
});
