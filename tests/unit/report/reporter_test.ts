import assert from "node:assert/strict";
import { SyncError } from "../../../lib/core/errors.ts";
import { done, noon, run, upload } from "./given.ts";
import { events, given, tell } from "./streams.ts";
import { startResult } from "../../../lib/report/result_builder.ts";

const lost = new SyncError("connection", "The server went away", { operation: "write" });
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
  await tell(twice, events, { mute: true });
  assert.equal(twice.lines.filter((line) => line.Type === "Upload").length, 3);
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

Deno.test("makeReporter() shows an error, and ends JSON with a record of it", async () => {
  const pipe = given();
  await pipe.reporter.error(lost);
  await pipe.reporter.end({ exitCode: 4 });
  assert.equal(pipe.err, "The server went away\n");
  assert.deepEqual(pipe.lines.map((line) => [line.Type, line.ExitCode, line.Message]), [
    ["Error", 4, "The server went away"],
  ]);
  const text = given({ format: "Text" });
  await text.reporter.error(lost);
  await text.reporter.end();
  assert.deepEqual([text.err, text.out], ["The server went away\n", ""]);
});

Deno.test("makeReporter() rejects with what standard output rejected with, and still tells errors", async () => {
  const pipe = given();
  pipe.break({ out: new Error("EPIPE") });
  await assert.rejects(pipe.reporter.result({ a: 1 }), /EPIPE/);
  await pipe.reporter.error(lost);
  assert.equal(pipe.err, "The server went away\n");
  await assert.rejects(pipe.reporter.end(), /EPIPE/);
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
