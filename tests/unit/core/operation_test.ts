import assert from "node:assert/strict";
import { SyncError } from "../../../lib/core/errors.ts";
import { failureReason, operationError } from "../../../lib/core/operation.ts";
import { root, toRelPath } from "../../../lib/core/path.ts";

const { signal } = new AbortController();
const detail = { why: 'the server says: "no": really' };

Deno.test("operationError() names the call, its path and the reason", () => {
  const error = operationError({ operation: "list", path: root, signal }, "denied", detail);
  assert.equal(error.message, `Cannot list ".": ${detail.why}`);
  assert.deepEqual([error.kind, error.facts], ["denied", { operation: "list", path: "" }]);
  const shown = operationError({ operation: "list", path: root, displayName: "the bucket", signal }, "busy", detail);
  assert.equal(shown.message, `Cannot list the bucket: ${detail.why}`);
  assert.deepEqual(shown.facts, { operation: "list", transient: true });
});

for (const path of [root, toRelPath("a b/c")]) {
  Deno.test(`failureReason() leaves the reason alone, without the call and the path "${path}"`, () => {
    assert.equal(failureReason(operationError({ operation: "look at", path, signal }, "denied", detail)), detail.why);
  });
}

Deno.test("failureReason() returns any other message as it is", () => {
  for (const message of ["the listing ends early", 'Cannot read "a": it is gone', 'Cannot list "a"']) {
    assert.equal(failureReason(new SyncError("denied", message, { operation: "list" })), message);
  }
});
