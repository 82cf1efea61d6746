import assert from "node:assert/strict";
import { Semaphore, WaitQueue } from "../../../lib/net/semaphore.ts";
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

Deno.test("Semaphore runs as much work at once as it has permits, in order, and gives them back after a failure", async () => {
  const semaphore = new Semaphore(2);
  const begun: number[] = [];
  const gates = [0, 1, 2, 3].map(() => Promise.withResolvers<void>());
  const running = gates.map((gate, nth) =>
    semaphore.use(() => {
      begun.push(nth);
      return gate.promise;
    }, { signal, operation: "test" })
  );
  assert.deepEqual(begun, [0, 1]);
  assert.equal(semaphore.tryAcquire(), false);
  const failed = assertRejects(running[1] ?? Promise.resolve(), "full");
  gates[1]?.reject(new SyncError("full", "x", { operation: "test" }));
  await failed;
  for (const gate of gates) gate.resolve();
  await Promise.allSettled(running);
  assert.deepEqual(begun, [0, 1, 2, 3]);
  assert.ok(semaphore.tryAcquire() && semaphore.tryAcquire() && !semaphore.tryAcquire());
  semaphore.release();
  assert.ok(semaphore.tryAcquire());
});

Deno.test("Semaphore starts no work for a caller whose signal is aborted", async () => {
  const semaphore = new Semaphore(1);
  const never = () => Promise.reject(new Error("started"));
  await assertRejects(semaphore.use(never, { signal: AbortSignal.abort(), operation: "test" }), "cancelled");
  assert.ok(semaphore.tryAcquire());
});
