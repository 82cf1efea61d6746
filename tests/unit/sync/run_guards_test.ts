import assert from "node:assert/strict";
import { memory } from "../../../lib/backends/memory/mod.ts";
import type { Side } from "../../../lib/core/entry.ts";
import { withOverrides } from "../../support/stacked.ts";
import { noWrite } from "../../support/backend_assertions.ts";
import { plant, ran, rejection, type Texts, texts } from "./fixtures.ts";
import type { Plan, SyncEvent } from "../../../lib/core/plan.ts";
import type { MemoryDials } from "../../../lib/backends/memory/options.ts";

function pair(here: Texts, there: Texts, dials: Partial<Record<Side, MemoryDials>> = {}) {
  const [local, remote] = [memory(dials.local), memory(dials.remote)];
  plant(local, here);
  plant(remote, there);
  return { local, remote };
}

function plannedBy(events: readonly SyncEvent[]): Plan {
  const planned = events.find((event) => event.type === "planned");
  assert.ok(planned !== undefined, "there was no plan");
  return planned.plan;
}

Deno.test("run() is refused for a danger, in words, after its plan and before any change", async () => {
  const many = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`f${i}`, "x"]));
  const sides = pair({}, many);
  const events: SyncEvent[] = [];
  const hear = (event: SyncEvent) => void events.push(event);
  const error = await rejection(ran({ local: noWrite(sides.local), remote: noWrite(sides.remote) }, { hear }));
  assert.equal(error.kind, "refused");
  assert.match(error.message, /-AllowEmptySource/);
  assert.equal(plannedBy(events).actions.length, 20);
});

Deno.test("run() goes on in spite of a danger when its key was given, or the user says yes", async () => {
  const allowed = pair({}, { "a": "1" });
  await ran(allowed, { allow: ["-AllowEmptySource"] });
  assert.deepEqual(await texts(allowed.remote), {});
  const asked = pair({}, { "a": "1" });
  await ran(asked, { allowIssues: (dangers) => Promise.resolve(dangers[0]?.code === "emptySource") });
  assert.deepEqual(await texts(asked.remote), {});
  const denied = pair({}, { "a": "1" });
  assert.equal((await rejection(ran(denied, { allowIssues: () => Promise.resolve(false) }))).kind, "refused");
  assert.deepEqual(await texts(denied.remote), { "a": "1" });
});

Deno.test("run() does not ask under planOnly, nor about what no key allows", async () => {
  const ask = () => assert.fail("it asked");
  const sides = pair({}, { "a": "1" });
  assert.equal((await rejection(ran(sides, { planOnly: true, allowIssues: ask }))).kind, "refused");
  assert.equal((await rejection(ran(sides, { markers: ["marker"], allowIssues: ask }))).kind, "refused");
});

Deno.test("run() refuses a broad root for -Remove and -Mirror without -AllowRoot", async () => {
  const sides = pair({ "a": "1" }, {});
  const remote = withOverrides(sides.remote, { root: { path: "/", risk: "the login folder" } });
  const error = await rejection(ran({ local: sides.local, remote }, { remove: false }));
  assert.match(error.message, /the login folder.*-AllowRoot/s);
  await ran({ local: sides.local, remote }, { remove: false, allow: ["-AllowRoot"] });
  assert.deepEqual(await texts(sides.remote), { "a": "1" });
});

Deno.test("run() never removes from a root that nobody named", async () => {
  const sides = pair({ "a": "1" }, { "a": "1", "b": "2" });
  const error = await rejection(ran(sides, { defaulted: ["remote"], allow: ["-AllowRoot"] }));
  assert.equal(error.kind, "refused");
  assert.deepEqual(await texts(sides.remote), { "a": "1", "b": "2" });
});

Deno.test("run() wants the marker in both roots", async () => {
  const sides = pair({ "mark": "", "a": "1" }, { "mark": "" });
  await ran(sides, { markers: ["mark"], remove: false });
  assert.deepEqual(await texts(sides.remote), { "mark": "", "a": "1" });
  const error = await rejection(ran(pair({ "mark": "" }, { "b": "" }), { markers: ["mark"] }));
  assert.match(error.message, /"mark"/);
  assert.equal((await rejection(ran(sides, { markers: ["../x"] }))).kind, "badInput");
});

Deno.test("run() asks for the plan as a whole, and does nothing on no", async () => {
  const sides = pair({ "a": "1" }, {});
  const { end } = await ran({ local: sides.local, remote: noWrite(sides.remote) }, {
    approve: () => Promise.resolve(false),
  });
  assert.equal(end.outcome, "declined");
  await ran(sides, { approve: (made) => Promise.resolve(made.actions.length === 1) });
  assert.deepEqual(await texts(sides.remote), { "a": "1" });
});
