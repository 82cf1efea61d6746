import assert from "node:assert/strict";
import { SyncError } from "../../../lib/core/errors.ts";
import { delay, unlessAborted } from "../../../lib/net/abort.ts";
import { assertRejects } from "../../contract/assertions.ts";

const operation = "test";

Deno.test("unlessAborted() returns what the work does, and its error", async () => {
  const { signal } = new AbortController();
  assert.equal(await unlessAborted(Promise.resolve(1), { signal, operation }), 1);
  await assertRejects(
    unlessAborted(Promise.reject(new SyncError("full", "x", { operation })), { signal, operation }),
    "full",
  );
});

Deno.test("unlessAborted() ends at once with an aborted signal, whatever the work does", async () => {
  const stop = new AbortController();
  const never = Promise.withResolvers<void>().promise;
  const waiting = unlessAborted(never, { signal: stop.signal, operation });
  stop.abort();
  await assertRejects(waiting, "cancelled");
  const failing = Promise.reject(new Error("late"));
  await assertRejects(unlessAborted(failing, { signal: stop.signal, operation }), "cancelled");
});

Deno.test("delay() leaves no timer when its signal is aborted", async () => {
  const stop = new AbortController();
  const waiting = delay(60_000, { signal: stop.signal, operation });
  stop.abort();
  await assertRejects(waiting, "cancelled");
});
