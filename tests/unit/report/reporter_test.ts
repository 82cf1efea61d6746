import assert from "node:assert/strict";
import { SyncError } from "../../../lib/errors.ts";
import { toRelPath } from "../../../lib/path.ts";
import { toDifference, toPlanLine } from "../../../lib/report/records.ts";
import { makeReporter, type OutputFormat } from "../../../lib/report/reporter.ts";
import { startResult } from "../../../lib/report/result.ts";
import type { Run, SyncEvent } from "../../../lib/types.ts";
import { done, failed, noon, planned, removal, run, upload } from "./given.ts";

const lost = new SyncError("connection", "The server went away", { operation: "write" });
const denied = new SyncError("denied", "access is denied", { operation: "write" });

interface Given {
  readonly format?: OutputFormat;
  readonly out?: boolean;
  readonly err?: boolean;
  readonly color?: boolean;
}

/** A reporter with streams that remember, in one list too: [stream, text]. */
function given({ format = "Auto", out = false, err = false, color = false }: Given = {}) {
  const all: ["out" | "err", string][] = [];
  const ticks = new Set<() => void>();
  let broken: { readonly out?: Error; readonly err?: Error } = {};
  const sink = (stream: "out" | "err") => async (text: string) => {
    // A slow stream: the progress line's turn comes while this text is on its way.
    for (const tick of ticks) tick();
    await Promise.resolve();
    if (broken[stream] !== undefined) throw broken[stream];
    all.push([stream, text]);
  };
  const reporter = makeReporter(format, {
    out: sink("out"),
    err: sink("err"),
    columns: () => 80,
    outIsTerminal: out,
    errIsTerminal: err,
    color,
  }, {
    now: () => 0,
    every(_ms, tick) {
      ticks.add(tick);
      return () => void ticks.delete(tick);
    },
  });
  const text = (stream: "out" | "err") => all.filter(([name]) => name === stream).map(([, text]) => text).join("");
  return {
    reporter,
    all,
    ticks,
    break: (streams: typeof broken) => broken = streams,
    get out() {
      return text("out");
    },
    get err() {
      return text("err");
    },
    get lines() {
      return text("out").split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
    },
  };
}

/** Hands a run's events to the reporter, then its result. */
async function tell(
  { reporter }: ReturnType<typeof given>,
  events: readonly SyncEvent[],
  options: {
    readonly whatIf?: boolean;
    readonly quiet?: boolean;
    readonly verbose?: boolean;
    readonly mute?: boolean;
  } = {},
) {
  const { whatIf = false, quiet = false, verbose = false } = options;
  const its: Run = { ...run, whatIf };
  const fold = startResult(its, { started: noon });
  for (const event of events) {
    fold.add(event);
    if (!options.mute) reporter.event(event, { run: its, quiet, verbose });
  }
  await reporter.result(fold.end({ now: noon + 1000 }), { quiet, verbose });
}

const events: readonly SyncEvent[] = [
  { type: "scanned", side: "local", entries: 3 },
  planned({
    actions: [upload("a"), upload("b"), removal("c")],
    refusals: [{ path: toRelPath("r"), kind: "denied", why: "no" }],
  }),
  { type: "started", action: upload("a") },
  done(upload("a")),
  failed(upload("b"), denied),
  { type: "held", action: removal("c"), why: "a file failed" },
];

Deno.test("makeReporter() writes the list view at a terminal and JSON lines on a pipe under Auto", async () => {
  const terminal = given({ out: true });
  await tell(terminal, events);
  assert.ok(terminal.out.startsWith("Uploads   : {/home/me/site/a}\n"));
  const pipe = given();
  await tell(pipe, events);
  assert.deepEqual([pipe.lines.length, pipe.lines[0].Type, pipe.lines[0].Uploads.length], [1, "SyncResult", 1]);
});

Deno.test("makeReporter() obeys -OutputFormat before the terminal", async () => {
  const text = given({ format: "Text" });
  await tell(text, events);
  assert.ok(text.out.startsWith("Uploads "));
  const json = given({ format: "Json", out: true });
  await tell(json, events);
  await json.reporter.end();
  assert.equal(JSON.parse(json.out)[0].Type, "SyncResult");
});

Deno.test("makeReporter() writes a line per item as it is done under JsonLines, then the counts", async () => {
  const lines = given({ format: "JsonLines" });
  await tell(lines, events);
  assert.deepEqual(lines.lines.map((line) => line.Type), ["Failure", "Upload", "Failure", "SyncResult"]);
  const { Uploads, UploadCount, FailureCount, HeldRemovals } = lines.lines[3];
  assert.deepEqual([Uploads, UploadCount, FailureCount, HeldRemovals], [undefined, 1, 2, 1]);
});

Deno.test("makeReporter() writes each item once, whether events came or only the result", async () => {
  const silent = given({ format: "JsonLines" });
  await tell(silent, events, { mute: true });
  assert.deepEqual(silent.lines.map((line) => line.Type), ["Upload", "Failure", "Failure", "SyncResult"]);
  const twice = given({ format: "JsonLines" });
  await tell(twice, events);
  await tell(twice, events);
  assert.equal(twice.lines.filter((line) => line.Type === "Upload").length, 2);
});

Deno.test("makeReporter() writes the failure that ended the run under JsonLines", async () => {
  const { reporter, ...rest } = given({ format: "JsonLines" });
  const fold = startResult(run, { started: noon });
  fold.add(done(upload("a")));
  reporter.event(done(upload("a")), { run });
  await reporter.result(fold.end({ now: noon, error: lost }));
  assert.equal(rest.all.length >= 2, true);
  const types = rest.all.filter(([stream]) => stream === "out").map(([, text]) => JSON.parse(text).Type);
  assert.deepEqual(types, ["Upload", "Failure", "SyncResult"]);
});

Deno.test("makeReporter() says one sentence on stderr, and none under -Quiet", async () => {
  const loud = given();
  await tell(loud, events);
  assert.equal(
    loud.err,
    "1 file uploaded (3 bytes), 2 failed, 1 removal held back (a file failed), in 1.0 s\n",
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

Deno.test("makeReporter() shows an error with its command, and ends JSON with a record of it", async () => {
  const pipe = given();
  await pipe.reporter.error(lost, { command: "New-Session" });
  await pipe.reporter.end({ exitCode: 4 });
  assert.equal(pipe.err, "New-Session: The server went away\n");
  assert.deepEqual(pipe.lines.map((line) => [line.Type, line.ExitCode, line.Message]), [
    ["Error", 4, "The server went away"],
  ]);
  const text = given({ format: "Text" });
  await text.reporter.error(lost);
  await text.reporter.end();
  assert.deepEqual([text.err, text.out], ["The server went away\n", ""]);
});

Deno.test("makeReporter() keeps an error of any size within three lines and 600 bytes", async () => {
  const log = given();
  const message = `Cannot find "${"\u65e5".repeat(3000)}"\n\u001b[2J\nc\nd ${"e".repeat(999)}`;
  await log.reporter.error(new SyncError("badInput", message, { operation: "bind" }), { command: "Sync-Path" });
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

Deno.test("makeReporter() rejects with what standard output rejected with, and still tells errors", async () => {
  const pipe = given();
  pipe.break({ out: new Error("EPIPE") });
  await assert.rejects(pipe.reporter.result({ a: 1 }), /EPIPE/);
  await pipe.reporter.error(lost);
  assert.equal(pipe.err, "The server went away\n");
  await assert.rejects(pipe.reporter.end(), /EPIPE/);
});

Deno.test("makeReporter() goes on when standard error is closed", async () => {
  const pipe = given();
  pipe.break({ err: new Error("EPIPE") });
  await tell(pipe, events);
  assert.equal(pipe.lines.length, 1);
});

Deno.test("makeReporter() never writes a session's seal to a terminal", async () => {
  const ticket = { Type: "Session", Seal: "c2VhbA==", Secret: "c2VjcmV0", HostKey: null };
  for (const format of ["Auto", "Json", "JsonLines"] as const) {
    const terminal = given({ format, out: true });
    await terminal.reporter.result(ticket);
    assert.equal(/c2Vh|c2Vj/.test(terminal.out), false, format);
  }
  const pipe = given();
  await pipe.reporter.result(ticket);
  assert.deepEqual(pipe.lines, [ticket]);
});
