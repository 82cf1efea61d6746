import assert from "node:assert/strict";
import type { Cell, Contestant, Score } from "./contest.ts";
import type { Measured } from "./measure.ts";
import { formatTable } from "./table.ts";

const contestants: readonly Contestant[] = [
  { name: "tandem", role: "ours", version: "1", command: () => undefined },
  { name: "slow", role: "rival", version: "1", command: () => undefined },
  { name: "fast", role: "rival", version: "1", command: () => undefined },
  { name: "rsync", role: "named", version: "1", command: () => undefined },
];
const cell: Cell = { work: "upload", data: "small", rtt: 0, bar: 0.5 };

function done(...seconds: readonly number[]): readonly Measured[] {
  return seconds.map((second) => ({ how: "done", ms: second * 1000, peakBytes: 20e6 }));
}

/** The fields of the only row. */
function row(
  over: Partial<Cell>,
  runs: Readonly<Record<string, readonly Measured[]>>,
): Readonly<Record<string, string>> {
  const scores: readonly Score[] = [{ cell: { ...cell, ...over }, runs: new Map(Object.entries(runs)) }];
  const [head, , fields] = formatTable(scores, contestants).split("\n").map((line) =>
    line.split("|").map((field) => field.trim())
  );
  return Object.fromEntries((head ?? []).map((name, index) => [name, fields?.[index] ?? ""]));
}

Deno.test("formatTable() compares the median with the best rival's, not with who is only named", () => {
  const { tandem, "÷ best rival": best, bar, "÷ rsync": rsync } = row({}, {
    tandem: done(1, 9, 2),
    slow: done(8, 8, 8),
    fast: done(4, 4, 5),
    rsync: done(1, 1, 1),
  });
  assert.deepEqual({ tandem, best, bar, rsync }, {
    tandem: "2.00 s 20 MB",
    best: "0.500",
    bar: "≤ 0.5 met",
    rsync: "2.00",
  });
});

Deno.test("formatTable() counts a named contestant where the row says so", () => {
  const { "÷ best rival": best, bar } = row({ alsoRivals: ["rsync"] }, {
    tandem: done(2),
    fast: done(4),
    rsync: done(1),
  });
  assert.deepEqual({ best, bar }, { best: "2.00", bar: "≤ 0.5 MISSED" });
});

Deno.test("formatTable() leaves a failed rival out and says why", () => {
  const runs = { tandem: done(2), slow: done(3), fast: [{ how: "failed", why: "not equal afterwards: b" }] } as const;
  assert.equal(row({}, runs)["÷ best rival"], "0.667");
  assert.equal(row({}, runs)["fast"], "failed");
  const text = formatTable([{ cell, runs: new Map(Object.entries(runs)) }], contestants);
  assert.ok(text.endsWith("fast, upload small at 0 ms: not equal afterwards: b"), text);
});

Deno.test("formatTable() takes a run that was cut off for at least its limit", () => {
  const capped: readonly Measured[] = [{ how: "capped", ms: 60_000 }];
  const only = row({ bar: 0.08 }, { tandem: done(3), slow: capped });
  assert.deepEqual([only["slow"], only["÷ best rival"], only["bar"]], [">60.0 s", "<0.050", "≤ 0.08 met"]);
  const open = row({ bar: 0.08 }, { tandem: done(6), slow: capped });
  assert.equal(open["bar"], "≤ 0.08 open");
  const ours = row({}, { tandem: capped, fast: done(6) });
  assert.deepEqual([ours["÷ best rival"], ours["bar"]], [">10.0", "≤ 0.5 MISSED"]);
});

Deno.test("formatTable() shows the bar without a verdict where ours did not run", () => {
  assert.equal(row({}, { fast: done(6) })["bar"], "≤ 0.5");
});
