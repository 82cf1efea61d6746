import assert from "node:assert/strict";
import { Turns } from "../../../lib/net/semaphore.ts";
import { SyncError } from "../../../lib/core/errors.ts";
import { rejects } from "../../contract/rig.ts";

const { signal } = new AbortController();

Deno.test("next() gives turns in order of arrival, and tells when nobody waits", async () => {
  const turns = new Turns();
  const order: string[] = [];
  const all = ["a", "b", "c"].map((operation) => turns.wait({ signal, operation }).then(() => order.push(operation)));
  while (turns.next());
  await Promise.all(all);
  assert.deepEqual(order, ["a", "b", "c"]);
  assert.equal(turns.next(), false);
});

Deno.test("wait() that is cancelled takes nobody's turn", async () => {
  const turns = new Turns();
  const stop = new AbortController();
  const first = turns.wait({ signal: stop.signal, operation: "first" });
  const second = turns.wait({ signal, operation: "second" });
  stop.abort();
  await rejects(first, "cancelled");
  assert.equal(turns.next(), true);
  await second;
});

Deno.test("wait() ends at a standstill, and lasts while something moves", async () => {
  const turns = new Turns();
  const standstill = { timeout: 300, error: () => new SyncError("timeout", "nothing moved", { operation: "wait" }) };
  const moving = setInterval(() => turns.progress(), 50);
  let isOver = false;
  const waiting = turns.wait({ signal, operation: "wait" }, standstill).finally(() => isOver = true);
  waiting.catch(() => undefined);
  await new Promise((resolve) => setTimeout(resolve, 900));
  assert.equal(isOver, false);
  clearInterval(moving);
  await rejects(waiting, "timeout");
  assert.equal(turns.next(), false);
});
