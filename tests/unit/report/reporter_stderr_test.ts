import assert from "node:assert/strict";
import { SyncError } from "../../../lib/core/errors.ts";
import { toDifference, toPlanLine } from "../../../lib/report/records.ts";
import { done, planned, run, upload } from "./given.ts";
import { events, type Given, given, tell } from "./streams.ts";
import type { SyncEvent } from "../../../lib/core/plan.ts";

const lost = new SyncError("connection", "The server went away", { operation: "write" });
Deno.test("makeReporter() says one sentence on stderr and what failed, and nothing under -Quiet", async () => {
  const loud = given();
  await tell(loud, events);
  assert.equal(
    loud.err,
    "1 file uploaded (3 bytes), 2 failed, 1 removal held back (a file failed), in 1.0 s\n  r: no\n  b: access is denied\n",
  );
  const quiet = given();
  await tell(quiet, events, { quiet: true });
  assert.equal(quiet.err, "");
});

Deno.test("makeReporter() says nothing on stderr when nothing had to be done", async () => {
  const note = { code: "onlyThere", count: 3, why: "3 files exist only there" };
  const log = given();
  await tell(log, [planned({ notes: [note] })]);
  assert.equal(log.err, "");
  const terminal = given({ err: true });
  await tell(terminal, [planned({ notes: [note] })]);
  assert.match(terminal.err, /3 files exist only there\n$/);
});

Deno.test("makeReporter() tells a note that stands for many paths at once, and once", async () => {
  const note = { code: "readBack", count: 2, why: "2 files are read back" };
  const log = given();
  await tell(log, [{ type: "noted", note }, planned({}), done(upload("a"))]);
  assert.equal(log.err, "2 files are read back\n1 file uploaded (3 bytes), in 1.0 s\n");
});

Deno.test("makeReporter() warns ten times a run at most, -Quiet or not", async () => {
  const log = given();
  await tell(log, Array.from({ length: 12 }, (_, i) => done(upload(`f${i}`), ["no time"])), { quiet: true });
  const lines = log.err.trimEnd().split("\n");
  assert.deepEqual([lines.length, lines[0], lines[10]], [11, 'Warning: "f0": no time', "Warning: and 2 more warnings"]);
});

Deno.test("makeReporter() tells each action under -Verbose", async () => {
  const log = given();
  await tell(log, events, { verbose: true });
  const lines = log.err.split("\n").filter((line) => line.startsWith("VERBOSE: "));
  assert.deepEqual(lines, [
    "VERBOSE: Listed the local side: 3 files and folders",
    "VERBOSE: Upload new /var/www/a (3 bytes)",
    "VERBOSE: Failed: Upload new /var/www/b (3 bytes): access is denied",
    "VERBOSE: Held back: Delete remote /var/www/c: a file failed",
  ]);
});

Deno.test("makeReporter() keeps an error of any size within three lines and 600 bytes", async () => {
  const log = given();
  const message = `Cannot find "${"\u65e5".repeat(3000)}"\n\u001b[2J\nc\nd ${"e".repeat(999)}`;
  await log.reporter.error(new SyncError("badInput", message, { operation: "bind" }));
  assert.ok(log.err.trimEnd().split("\n").length <= 3);
  assert.ok(new TextEncoder().encode(log.err).length <= 600);
  assert.equal(log.err.includes("\u001b"), false);
});

Deno.test("makeReporter() leaves a refusal room for its ten names", async () => {
  const log = given();
  const names = Array.from({ length: 10 }, (_, i) => `"folder/with/a/rather/long/path/to/the/file number ${i}.txt"`);
  const message = `Refused: ${names.join(", ")} would go; add -MaxRemove 100% or leave -Remove out`;
  await log.reporter.error(new SyncError("refused", message, { operation: "check" }));
  assert.equal(log.err, `${message}\n`);
});

Deno.test("makeReporter() colours errors only at a terminal that wants colours", async () => {
  const stderrOf = async (streams: Given) => {
    const sinks = given(streams);
    await sinks.reporter.error(lost);
    return sinks.err;
  };
  assert.equal(await stderrOf({ err: true, color: true }), "\u001b[31mThe server went away\u001b[39m\n");
  assert.equal(await stderrOf({ err: true }), "The server went away\n");
  assert.equal(await stderrOf({ color: true }), "The server went away\n");
});

Deno.test("makeReporter() draws progress only where stderr is a terminal, and not under -Quiet", () => {
  const scanned: SyncEvent = { type: "scanned", side: "local", entries: 3 };
  const ticking = (streams: Given, quiet = false) => {
    const { reporter, ticks } = given(streams);
    reporter.event(scanned, { run, quiet });
    return ticks.size;
  };
  assert.deepEqual([ticking({ err: true }), ticking({ out: true }), ticking({ err: true }, true)], [1, 0, 0]);
});

Deno.test("makeReporter() takes the progress line away before anything else is written", async () => {
  const terminal = given({ out: true, err: true });
  terminal.reporter.event({ type: "scanned", side: "local", entries: 3 }, { run });
  for (const tick of terminal.ticks) tick();
  await terminal.reporter.warn("careful");
  for (const tick of terminal.ticks) tick();
  await tell(terminal, [planned({}), done(upload("a"))]);
  await terminal.reporter.end();
  let line = "";
  for (const [, text] of terminal.all) {
    if (text.startsWith("\r")) line = text.replace(/^\r/, "").replace("\u001b[K", "");
    else assert.equal(line, "", `"${text}" was written over "${line}"`);
  }
  assert.equal(line, "");
  assert.equal(terminal.ticks.size, 0);
});

Deno.test("makeReporter() takes the progress line away for a question", async () => {
  const terminal = given({ err: true });
  terminal.reporter.event({ type: "scanned", side: "local", entries: 3 }, { run });
  for (const tick of terminal.ticks) tick();
  await terminal.reporter.pause();
  assert.equal(terminal.all.at(-1)?.[1], "\r\u001b[K");
  assert.equal(terminal.ticks.size, 0);
});

Deno.test("makeReporter() says at a terminal that nothing differs", async () => {
  const stderrOf = async (out: boolean, records: readonly object[]) => {
    const sinks = given({ out });
    for (const record of records) await sinks.reporter.result(record);
    await sinks.reporter.end();
    return sinks.err;
  };
  const [plan, difference] = [toPlanLine(run, {}), toDifference(upload("a"), run)];
  assert.equal(await stderrOf(true, [plan]), "Nothing differs.\n");
  assert.equal(await stderrOf(true, [plan, difference]), "");
  assert.equal(await stderrOf(false, [plan]), "");
  assert.equal(await stderrOf(true, []), "");
});

Deno.test("makeReporter() goes on when standard error is closed", async () => {
  const pipe = given();
  pipe.break({ err: new Error("EPIPE") });
  await tell(pipe, events);
  assert.equal(pipe.lines.length, 1);
});
