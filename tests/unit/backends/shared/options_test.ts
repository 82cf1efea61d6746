import assert from "node:assert/strict";
import { numberOption } from "../../../../lib/backends/shared/options.ts";
import { isResumableFailure, MIN_RESUME_BYTES, resumeOffset } from "../../../../lib/backends/shared/upload_resume.ts";

Deno.test("numberOption() takes a number from 0 on, otherwise the fallback", () => {
  assert.deepEqual(["0", "7", "1.5"].map((text) => numberOption(text, 3)), [0, 7, 1.5]);
  for (const text of [undefined, "", "x", "-1", "Infinity"]) assert.equal(numberOption(text, 3), 3, text);
});

Deno.test("resumeOffset() sends the end of a leftover again, and resumes none that is too small or too long", () => {
  const size = 2 * MIN_RESUME_BYTES;
  assert.equal(resumeOffset(MIN_RESUME_BYTES, size), MIN_RESUME_BYTES - (1 << 20));
  assert.equal(resumeOffset(size, size), size - (1 << 20));
  assert.equal(resumeOffset(MIN_RESUME_BYTES - 1, size), undefined);
  assert.equal(resumeOffset(size + 1, size), undefined);
});

Deno.test("isResumableFailure() is true for what interrupts an upload, not for what refuses it", () => {
  assert.ok((["connection", "timeout", "busy", "cancelled"] as const).every(isResumableFailure));
  assert.ok(!(["changed", "full", "denied", "exists", "unexpected"] as const).some(isResumableFailure));
});
