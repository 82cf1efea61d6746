import assert from "node:assert/strict";
import { SyncError } from "../../../lib/core/errors.ts";
import { backoffDelay, connectWithRetry, withRetry } from "../../../lib/net/backoff.ts";
import { assertRejects } from "../../contract/assertions.ts";

const { signal } = new AbortController();
const fast = { signal, operation: "test", firstDelay: 1, maxDelay: 1 };

/** Work that fails with these errors first, and counts its calls. */
function failing(...errors: readonly SyncError[]) {
  const left = [...errors];
  const made = { calls: 0 };
  const work = () => {
    made.calls++;
    const error = left.shift();
    return error === undefined ? Promise.resolve("done") : Promise.reject(error);
  };
  return { work, made };
}

function transient(kind: "connection" | "busy" = "connection"): SyncError {
  return new SyncError(kind, "not now", { operation: "test", transient: true });
}

Deno.test("backoffDelay() doubles up to the longest wait; half of it is random if asked for", () => {
  const backoff = { firstDelay: 100, maxDelay: 350 };
  assert.deepEqual([1, 2, 3, 60].map((failures) => backoffDelay(failures, backoff)), [100, 200, 350, 350]);
  assert.equal(backoffDelay(2, { ...backoff, random: () => 0 }), 100);
});

Deno.test("withRetry() retries transient failures only, and as often as it may", async () => {
  const some = failing(transient(), transient());
  assert.equal(await withRetry(some.work, fast), "done");
  const many = failing(...Array.from({ length: 9 }, () => transient()));
  await assertRejects(withRetry(many.work, { ...fast, attempts: 3 }), "connection");
  assert.equal(many.made.calls, 3);
  const refused = failing(new SyncError("denied", "no", { operation: "test" }));
  await assertRejects(withRetry(refused.work, fast), "denied");
  assert.equal(refused.made.calls, 1);
});

Deno.test("withRetry() begins no attempt after its time, and none that is not worth it", async () => {
  const late = failing(transient(), transient());
  await assertRejects(withRetry(late.work, { ...fast, attempts: Infinity, within: 0 }), "connection");
  assert.equal(late.made.calls, 1);
  const vain = failing(transient());
  await assertRejects(withRetry(vain.work, { ...fast, isRetryable: () => false }), "connection");
  assert.equal(vain.made.calls, 1);
});

Deno.test("connectWithRetry() calls a server that stays overloaded a failed connection", async () => {
  const { work } = failing(...Array.from({ length: 4 }, () => transient("busy")));
  await assertRejects(connectWithRetry(work, fast), "connection");
});
