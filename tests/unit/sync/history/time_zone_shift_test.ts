import assert from "node:assert/strict";
import { toRelPath } from "../../../../lib/core/path.ts";
import { toSnapshot } from "../../../../lib/sync/scan/snapshot.ts";
import { applyShifts, findZoneShifts, toShiftNote } from "../../../../lib/sync/history/time_zone_shift.ts";
import type { Entry } from "../../../../lib/core/entry.ts";
import { toHistory } from "../../../support/planning/interpret.ts";
import type { BaseEntry, HistoryUpdate } from "../../../../lib/core/history.ts";

const HOUR = 3_600_000;
const NOON = Date.UTC(2026, 5, 1, 12);

interface Given {
  readonly by: number;
  readonly moved: number;
  readonly unmoved?: number;
  readonly resized?: number;
  readonly revision?: string;
}

/** The shifts found where so many files of the remote side moved, others did not, and others have another size too. */
function shiftsOf({ by, moved, unmoved = 0, resized = 0, revision }: Given) {
  const entries: Entry[] = [];
  const known: BaseEntry[] = [];
  for (let i = 0; i < moved + unmoved + resized; i++) {
    const path = toRelPath(`f${i}`);
    const then = { size: 3, modified: NOON + i * 1000, ...(revision === undefined ? {} : { revision }) };
    const modified = then.modified + (i < moved || i >= moved + unmoved ? by : 0);
    known.push({ path, kind: "file", local: then, remote: then });
    entries.push({ kind: "file", path, size: i < moved + unmoved ? 3 : 4, modified });
  }
  const local = toSnapshot(known.flatMap(({ path }) => [{ kind: "file", path, size: 3 } as const]));
  return findZoneShifts(toHistory(known), { local, remote: toSnapshot(entries) });
}

const cases: readonly [string, Given, number | undefined][] = [
  ["eleven files of eleven", { by: HOUR, moved: 11 }, HOUR],
  ["ten files", { by: HOUR, moved: 10 }, undefined],
  ["half of the files", { by: HOUR, moved: 20, unmoved: 20 }, undefined],
  ["one more than half", { by: HOUR, moved: 21, unmoved: 20 }, HOUR],
  ["a quarter of an hour back", { by: -HOUR / 4, moved: 30 }, -HOUR / 4],
  ["26 hours", { by: 26 * HOUR, moved: 30 }, 26 * HOUR],
  ["26 hours and a quarter", { by: 26.25 * HOUR, moved: 30 }, undefined],
  ["a minute more than an hour", { by: HOUR + 60_000, moved: 30 }, undefined],
  ["nothing", { by: 0, moved: 30 }, undefined],
  ["files of another size too, which count for nothing", { by: HOUR, moved: 11, resized: 40 }, HOUR],
  ["files that a revision tells apart", { by: HOUR, moved: 30, revision: "r" }, undefined],
  ["many files of many more", { by: HOUR, moved: 60, unmoved: 1000 }, undefined],
];

for (const [what, given, expected] of cases) {
  Deno.test(`findZoneShifts() ${expected === undefined ? "sees none in" : "sees"} ${what}`, () => {
    const found = shiftsOf(given);
    assert.deepEqual(found, expected === undefined ? [] : [{ side: "remote", ms: expected, count: given.moved }]);
  });
}

Deno.test("noteShift() tells how far and which way", () => {
  const why = (ms: number) => toShiftNote({ side: "remote", ms, count: 12 }).why;
  assert.match(why(HOUR), /^The times of 12 files on the remote side all moved 1 hour forward: /);
  assert.match(why(-5.75 * HOUR), / all moved 5 hours 45 minutes back: /);
});

Deno.test("applyShifts() saves the moved stamps beside what the run has learned", async () => {
  const then = { size: 3, modified: NOON };
  const base: BaseEntry = { path: toRelPath("f"), kind: "file", local: then, remote: then };
  const saved: HistoryUpdate[] = [];
  const pairHistory = {
    history: toHistory([base]),
    exists: true,
    roots: {},
    saveAhead: () => Promise.resolve(),
    save: (updates: Iterable<HistoryUpdate>) => Promise.resolve(void saved.push(...updates)),
    [Symbol.dispose]: () => {},
  };
  const remote = toSnapshot([{ kind: "file", path: base.path, size: 3, modified: NOON + HOUR }]);
  const shifts = [{ side: "remote", ms: HOUR, count: 12 }] as const;
  const moved = applyShifts(pairHistory, shifts, { snapshots: { local: toSnapshot([]), remote }, rootEntries: {} });
  const learned = { path: toRelPath("g"), base: undefined };
  await moved.save([learned], {});
  assert.deepEqual(saved, [
    { path: "f", base: { ...base, remote: { size: 3, modified: NOON + HOUR } } },
    learned,
  ]);
});
