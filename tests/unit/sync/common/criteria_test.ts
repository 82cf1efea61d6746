import assert from "node:assert/strict";
import { toRelPath } from "../../../../lib/core/path.ts";
import {
  areTimesClose,
  chooseCriteria,
  compareTimes,
  criteria,
  isRecent,
  isSameTime,
  MAX_AHEAD_MS,
  sameChecksum,
} from "../../../../lib/sync/common/criteria.ts";
import type { Checksum, FileEntry } from "../../../../lib/core/entry.ts";
import { ableTraits } from "../../../support/planning/interpret.ts";

const fine = { local: 1, remote: 1 };
const minute = { local: 1, remote: 60_000 };
const day = { local: 1, remote: 86_400_000 };
const noon = Date.UTC(2026, 5, 1, 12);

for (const step of [1, 1000, 2000]) {
  const steps = { local: 1, remote: step };
  Deno.test(`compareTimes() takes times apart by less than the coarser step of ${step} ms for one`, () => {
    assert.equal(compareTimes(noon + step - 1, noon, steps), "same");
    assert.equal(compareTimes(noon, noon + step - 1, steps), "same");
    assert.equal(compareTimes(noon + step, noon, steps), "localNewer");
    assert.equal(compareTimes(noon, noon + step, steps), "remoteNewer");
  });
}

Deno.test("isClose() finds less than two seconds between two clocks to prove nothing", () => {
  assert.deepEqual(
    [areTimesClose(noon, noon + 1999), areTimesClose(noon + 2000, noon), areTimesClose(noon, undefined)],
    [
      ...[true, false, false],
    ],
  );
});

Deno.test("compareTimes() sees one time within a unit of the coarser side", () => {
  assert.equal(compareTimes(noon + 59_999, noon, minute), "same");
  assert.equal(compareTimes(noon, noon + 59_999, { local: 60_000, remote: 1 }), "same");
});

Deno.test("compareTimes() sees a difference in the next unit of the coarser side", () => {
  assert.equal(compareTimes(noon + 60_000, noon, minute), "localNewer");
  assert.equal(compareTimes(noon - 2001, noon, minute), "remoteNewer");
});

Deno.test("compareTimes() lets a day begin at the server's midnight", () => {
  const midnight = Date.UTC(2026, 5, 1, 22);
  assert.equal(compareTimes(midnight + 23 * 3_600_000, midnight, day), "same");
  assert.equal(compareTimes(midnight + 26 * 3_600_000, midnight, day), "localNewer");
});

Deno.test("compareTimes() finds no drift where a place rounds to even seconds, up or down", () => {
  const fat = { local: 1, remote: 2000 };
  assert.equal(compareTimes(noon + 3000, noon + 2000, fat), "same");
  assert.equal(compareTimes(noon + 3000, noon + 4000, fat), "same");
});

Deno.test("compareTimes() knows nothing of a time that is not told", () => {
  assert.equal(compareTimes(undefined, noon, fine), "unknown");
  assert.equal(compareTimes(noon, undefined, fine), "unknown");
});

Deno.test("compareTimes() handles times before 1970 and after 2038", () => {
  assert.equal(compareTimes(-86_400_000, -86_400_000 + 999, { local: 1, remote: 1000 }), "same");
  assert.equal(compareTimes(2 ** 33 * 1000, noon, fine), "localNewer");
});

Deno.test("sameStamp() compares one place with itself exactly", () => {
  assert.equal(isSameTime(noon, noon + 1, 1), false);
  assert.equal(isSameTime(noon, noon + 1, 1000), true);
  assert.equal(isSameTime(undefined, undefined, 1), true);
  assert.equal(isSameTime(undefined, noon, 1), false);
});

Deno.test("sameChecksum() compares sums of one algorithm only", () => {
  assert.equal(sameChecksum("md5:AB", "md5:ab"), true);
  assert.equal(sameChecksum("md5:ab", "md5:cd"), false);
  assert.equal(sameChecksum("md5:ab", "sha256:ab"), undefined);
  assert.equal(sameChecksum(undefined, "md5:ab"), undefined);
});

Deno.test("chooseCriteria() puts what was asked for in the order in which it decides", () => {
  const names = (...given: readonly string[]) => chooseCriteria(given).map(({ name }) => name);
  assert.deepEqual(names("Checksum", "Time"), ["Time", "Checksum"]);
  assert.deepEqual(names("Either"), ["Time", "Size"]);
  assert.deepEqual(names("either", "SIZE", "checksum"), ["Time", "Size", "Checksum"]);
  assert.deepEqual(names("None"), []);
});

Deno.test("chooseCriteria() refuses a word that is no criterion", () => {
  assert.throws(() => chooseCriteria(["Moon"]), RangeError);
});

Deno.test("criteria holds the values of -Criteria in the order of help", () => {
  assert.deepEqual(criteria.map(({ name }) => name), ["None", "Time", "Size", "Either", "Checksum"]);
});

Deno.test("the Checksum criterion needs no sum where sizes differ", () => {
  const [checksum] = chooseCriteria(["Checksum"]);
  const file = (size: number, sum?: Checksum): FileEntry => ({
    kind: "file",
    path: toRelPath("a"),
    size,
    ...(sum === undefined ? {} : { checksum: sum }),
  });
  const traits = { local: ableTraits, remote: ableTraits };
  assert.equal(checksum?.compare(file(1), file(2), traits), "differ");
  assert.equal(checksum?.compare(file(1), file(1), traits), "unknown");
  assert.equal(checksum?.compare(file(1, "md5:a"), file(1, "md5:b"), traits), "differ");
  assert.equal(checksum?.compare(file(1, "md5:a"), file(1, "md5:a"), traits), "same");
});

Deno.test("isRecent() counts a time of a clock that is ahead as its present, and one beyond every time zone as set", () => {
  const now = 1_700_000_000_000;
  const span = 2000;
  for (
    const [modified, recent] of [
      [now - span, false],
      [now - span + 1, true],
      [now + 3 * 3_600_000, true],
      [now + MAX_AHEAD_MS - 1, true],
      [now + MAX_AHEAD_MS, false],
    ] as const
  ) {
    assert.equal(isRecent(modified, now, span), recent, String(modified - now));
  }
});
