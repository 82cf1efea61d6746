import assert from "node:assert/strict";
import fc from "npm:fast-check@4.10.2";
import { parseDate } from "../../../lib/http/date.ts";
import { runs } from "../../support/runs.ts";

const time = Date.UTC(2026, 2, 1, 12, 0, 5);

for (
  const [text, expected] of [
    ["Sun, 01 Mar 2026 12:00:05 GMT", time],
    ["Sun, 1 Mar 2026 12:00:05 GMT", time],
    ["Sun, 01 Mar 2026 12:00:05 GMT+00:00", time],
    ["Sun, 01 Mar 2026 12:00:05 GMT-00:00", time],
    ["Sun, 01 Mar 2026 12:00:05 +0000", time],
    ["Sun, 01 Mar 2026 14:00:05 +0200", time],
    ["Sun, 01 Mar 2026 12:00:05 UTC", time],
    ["sun, 01 mar 2026 12:00:05 gmt", time],
    ["Sunday, 01-Mar-26 12:00:05 GMT", time],
    ["Sunday, 01-Mar-2026 12:00:05 GMT", time],
    ["Sunday, 06-Nov-94 08:49:37 GMT", Date.UTC(1994, 10, 6, 8, 49, 37)],
    ["Sun Mar  1 12:00:05 2026", time],
    ["Sun Mar 11 12:00:05 2026", Date.UTC(2026, 2, 11, 12, 0, 5)],
    ["2026-03-01T12:00:05Z", time],
    ["2026-03-01T12:00:05.250Z", time + 250],
    ["2026-03-01T12:00:05.123456789Z", time + 123],
    ["2026-03-01T13:00:05+01:00", time],
    ["2026-03-01T07:00:05-05:00", time],
    ["2026-03-01 12:00:05", time],
    [" Sun, 01 Mar 2026 12:00:05 GMT ", time],
  ] as const
) {
  Deno.test(`parseDate() reads "${text}"`, () => assert.equal(parseDate(text), expected));
}

Deno.test("parseDate() knows no other texts, and no times that no calendar has", () => {
  for (
    const text of [
      undefined,
      "",
      "0",
      "2026",
      "Invalid Date",
      "yesterday",
      "2026-11-22",
      "1 Foo 2026 00:00:00 GMT",
      "Sun, 31 Feb 2026 12:00:00 GMT",
      "Sun, 00 Mar 2026 12:00:00 GMT",
      "Sun, 01 Mar 2026 25:00:00 GMT",
      "Sun, 01 Mar 2026 12:60:00 GMT",
      "Sun, 01 Mar 2026 12:00:00 GMT and more",
      "2026-13-01T12:00:00Z",
    ]
  ) assert.equal(parseDate(text), undefined, text);
});

Deno.test("parseDate() ends on any text", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 100 }), (text) => {
      const found = parseDate(text);
      assert.ok(found === undefined || Number.isFinite(found));
    }),
    { numRuns: runs(500, 20_000) },
  );
});
