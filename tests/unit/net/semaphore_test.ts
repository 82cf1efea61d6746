import assert from "node:assert/strict";
import { WaitQueue } from "../../../lib/net/semaphore.ts";
import { SyncError } from "../../../lib/core/errors.ts";
import { assertRejects } from "../../contract/assertions.ts";

const { signal } = new AbortController();

Deno.test("next() gives turns in order of arrival, and tells when nobody waits", async () => {
  const turns = new WaitQueue();
  const order: string[] = [];
  const all = ["a", "b", "c"].map((operation) => turns.wait({ signal, operation }).then(() => order.push(operation)));
  while (turns.wakeNext());
  await Promise.all(all);
  assert.deepEqual(order, ["a", "b", "c"]);
  assert.equal(turns.wakeNext(), false);
});

Deno.test("wait() that is cancelled takes nobody's turn", async () => {
  const turns = new WaitQueue();
  const stop = new AbortController();
  const first = turns.wait({ signal: stop.signal, operation: "first" });
  const second = turns.wait({ signal, operation: "second" });
  stop.abort();
  await assertRejects(first, "cancelled");
  assert.equal(turns.wakeNext(), true);
  await second;
});

Deno.test("wait() ends at a standstill, and lasts while something moves", async () => {
  const turns = new WaitQueue();
  const standstill = { timeout: 300, error: () => new SyncError("timeout", "nothing moved", { operation: "wait" }) };
  const moving = setInterval(() => turns.noteProgress(), 50);
  let isOver = false;
  const waiting = turns.wait({ signal, operation: "wait" }, standstill).finally(() => isOver = true);
  waiting.catch(() => undefined);
  await new Promise((resolve) => setTimeout(resolve, 900));
  assert.equal(isOver, false);
  clearInterval(moving);
  await assertRejects(waiting, "timeout");
  assert.equal(turns.wakeNext(), false);
});
