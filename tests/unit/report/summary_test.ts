import assert from "node:assert/strict";
import { SyncError } from "../../../lib/core/errors.ts";
import { toRelPath } from "../../../lib/core/path.ts";
import { describeFirstRun, describePlan, summarize } from "../../../lib/report/summary.ts";
import { done, download, failed, makeDir, noon, planned, removal, run, upload } from "./given.ts";
import type { Plan, SyncEvent } from "../../../lib/core/plan.ts";
import { startResult } from "../../../lib/report/result_builder.ts";

const denied = new SyncError("denied", "No", { operation: "write" });

function summaryOf(events: readonly SyncEvent[], whatIf = false): string | undefined {
  const fold = startResult({ ...run, whatIf }, { started: noon });
  for (const event of events) fold.add(event);
  return summarize(fold.end({ now: noon + 4200 }));
}

Deno.test("summarize() says nothing when nothing was done and nothing failed", () => {
  assert.equal(summaryOf([planned({})]), undefined);
});

Deno.test("summarize() leaves the error that ended the run to itself", () => {
  const lost = new SyncError("connection", "The server went away", { operation: "write" });
  assert.equal(summarize(startResult(run, { started: noon }).end({ now: noon, error: lost })), undefined);
});

Deno.test("summarize() is one sentence with counts, sizes and time", () => {
  const events = [
    ...[1, 2, 3].map((i) => done(upload(`f${i}`, 4_133_333))),
    done(removal("g")),
    failed(upload("h"), denied),
    failed(upload("i"), denied),
  ];
  assert.equal(summaryOf(events), "3 files uploaded (12.4 MB), 1 removed, 2 failed, in 4.2 s");
});

Deno.test("summarize() tells folders, downloads and held removals with the reason", () => {
  const held: SyncEvent = { type: "held", action: removal("x"), why: "a file failed" };
  assert.equal(
    summaryOf([done(makeDir("d")), done(download("e", 1)), held]),
    "1 file downloaded (1 byte), 1 folder made, 1 removal held back (a file failed), in 4.2 s",
  );
});

Deno.test("summarize() says under -WhatIf that nothing was changed", () => {
  assert.equal(
    summaryOf([planned({ actions: [upload("a")] })], true),
    "What if: 1 file uploaded (3 bytes), nothing was changed",
  );
});

const plan = (actions: Plan["actions"]): Plan => ({
  ...{ actions, conflicts: [], refusals: [], heldRemovals: [] },
  ...{ notes: [], historyUpdates: [], undecided: [] },
});

Deno.test("describeFirstRun() counts what is on one side only, and says nothing where nothing is", () => {
  const news = [upload("a", 5), upload("b", 1), download("c", 2)];
  assert.match(describeFirstRun(plan(news)) ?? "", /: 2 files only on the local side, 1 file only on the remote side;/);
  const newer = { ...upload("a", 5), why: "newer" } as const;
  assert.equal(describeFirstRun(plan([newer, removal("c")])), undefined);
});

Deno.test("describePlan() counts what a plan would do", () => {
  const folder = { kind: "dir", path: toRelPath("o") } as const;
  assert.equal(
    describePlan(
      plan([makeDir("d"), upload("d/a", 5), download("b", 2), removal("c"), { ...removal("o"), target: folder }]),
    ),
    "1 file to upload (5 bytes), 1 file to download (2 bytes), 1 file to remove, 1 folder to make, 1 folder to remove",
  );
  assert.equal(describePlan(plan([])), "nothing to do");
});
