import assert from "node:assert/strict";
import { SyncError } from "../../../lib/core/errors.ts";
import { toRelPath } from "../../../lib/core/path.ts";
import { exitCode } from "../../../lib/report/result.ts";
import { done, download, failed, file, makeDir, noon, planned, removal, run, upload } from "./given.ts";
import type { Action, SyncEvent } from "../../../lib/core/plan.ts";
import { startResult } from "../../../lib/report/result_builder.ts";

const lost = new SyncError("connection", "The server went away", { operation: "write" });
const denied = new SyncError("denied", "No", { operation: "write" });

function resultOf(
  events: readonly SyncEvent[],
  options: { readonly error?: SyncError; readonly whatIf?: boolean } = {},
) {
  const fold = startResult({ ...run, whatIf: options.whatIf ?? false }, { started: noon });
  for (const event of events) fold.add(event);
  return fold.end({ now: noon + 4250, error: options.error });
}

Deno.test("startResult() says which run it was, when it began and how many seconds it took", () => {
  const { Type, Session, LocalPath, RemotePath, Mode, Started, Duration, IsWhatIf } = resultOf([]);
  assert.deepEqual({ Type, Session, LocalPath, RemotePath, Mode, Started, Duration, IsWhatIf }, {
    Type: "SyncResult",
    Session: "sftp://deploy@web1",
    LocalPath: "/home/me/site",
    RemotePath: "/var/www",
    Mode: "Remote",
    Started: "2026-11-21T12:00:00.000Z",
    Duration: 4.25,
    IsWhatIf: false,
  });
});

Deno.test("startResult() has every list and every count the views name", () => {
  const names = Object.keys(resultOf([]));
  const wanted =
    "Uploads Downloads Removals Conflicts Failures IsSuccess IsWhatIf Session LocalPath RemotePath Mode Started " +
    "Duration Bytes UploadCount DownloadCount RemovalCount ConflictCount FailureCount FoldersMade FoldersRemoved " +
    "HeldRemovals Restored";
  assert.deepEqual(wanted.split(" ").filter((name) => !names.includes(name)), []);
});

Deno.test("startResult() counts what was done", () => {
  const folder: Action = { ...removal("old"), target: { kind: "dir", path: toRelPath("old") } };
  const touch: Action = {
    do: "touch",
    to: "remote",
    path: toRelPath("t"),
    why: "newer",
    target: file("t"),
    modified: noon,
  };
  const result = resultOf([
    done(makeDir("d")),
    done(upload("d/a", 10)),
    done({ ...upload("b", 5), why: "restored" }),
    done(download("c", 2)),
    done(removal("x")),
    done(folder),
    done(touch),
    { type: "done", action: { ...touch, path: toRelPath("u") }, isTimeUnset: true },
    done({ do: "move", to: "remote", path: toRelPath("n"), why: "moved", source: file("o") }),
  ]);
  const { UploadCount, DownloadCount, RemovalCount, FailureCount, FoldersMade, FoldersRemoved, Restored, Bytes } =
    result;
  assert.deepEqual([UploadCount, DownloadCount, RemovalCount, FailureCount], [2, 1, 1, 0]);
  assert.deepEqual([FoldersMade, FoldersRemoved, Restored, Bytes], [1, 1, 1, 17]);
  assert.deepEqual([result.TouchCount, result.MoveCount, result.IsSuccess, result.ExitCode], [1, 1, true, 0]);
});

Deno.test("startResult() counts what is listed", () => {
  const result = resultOf([done(upload("a")), done(upload("b")), done(removal("c")), failed(upload("d"), denied)]);
  assert.deepEqual(
    [result.UploadCount, result.RemovalCount, result.FailureCount],
    [result.Uploads.length, result.Removals.length, result.Failures.length],
  );
});

Deno.test("startResult() fails with exit code 1 when a file failed", () => {
  const result = resultOf([done(upload("a")), failed(upload("b"), denied)]);
  assert.deepEqual([result.IsSuccess, result.ExitCode, result.UploadCount], [false, 1, 1]);
});

Deno.test("startResult() has exit code 1 for an open conflict", () => {
  const open = { path: toRelPath("c"), local: file("c"), remote: file("c", 4), why: "both changed" };
  const result = resultOf([planned({ conflicts: [open] })]);
  assert.deepEqual([result.ExitCode, result.ConflictCount, result.Failures[0]?.Kind], [1, 1, "Conflict"]);
});

Deno.test("startResult() counts removals held by the plan and by the run, with the reasons once", () => {
  const held = { path: toRelPath("h"), side: "remote", kind: "refused", why: "a folder could not be read" } as const;
  const result = resultOf([
    planned({ heldRemovals: [held, { ...held, path: toRelPath("i") }] }),
    { type: "held", action: removal("j"), why: "a file failed" },
  ]);
  assert.deepEqual([result.HeldRemovals, result.HeldReasons], [3, ["a folder could not be read", "a file failed"]]);
  assert.deepEqual([result.IsSuccess, result.ExitCode], [true, 1]);
});

Deno.test("startResult() makes a failure of the error that ended the run", () => {
  const result = resultOf([], { error: lost });
  assert.deepEqual([result.IsSuccess, result.Failures[0]?.Kind, result.Failures[0]?.Message], [
    false,
    "Connection",
    "The server went away",
  ]);
});

Deno.test("startResult() keeps the code that promises no change only until the first action begins", () => {
  assert.equal(resultOf([planned({ actions: [upload("a")] })], { error: lost }).ExitCode, 4);
  assert.equal(resultOf([{ type: "started", action: upload("a") }], { error: lost }).ExitCode, 1);
  const refused = new SyncError("refused", "Too many removals", { operation: "check" });
  assert.equal(resultOf([planned({ actions: [removal("a")] })], { error: refused }).ExitCode, 3);
});

Deno.test("startResult() is interrupted with 130 whatever was done", () => {
  const stop = new SyncError("cancelled", "Interrupted", { operation: "sync" });
  assert.equal(resultOf([{ type: "started", action: upload("a") }, done(upload("a"))], { error: stop }).ExitCode, 130);
});

Deno.test("startResult() lists the plan under -WhatIf and exits 0 though paths are refused", () => {
  const result = resultOf([planned({
    actions: [makeDir("d"), upload("d/a", 6), removal("x")],
    refusals: [{ path: toRelPath("r"), kind: "denied", why: "no" }],
  })], { whatIf: true });
  assert.deepEqual([result.UploadCount, result.RemovalCount, result.FoldersMade, result.Bytes], [1, 1, 1, 6]);
  assert.deepEqual([result.IsWhatIf, result.IsSuccess, result.ExitCode], [true, false, 0]);
});

Deno.test("startResult() lists nothing of a plan that was not carried out", () => {
  const result = resultOf([planned({ actions: [upload("a"), removal("b"), makeDir("d")] })]);
  assert.deepEqual([result.UploadCount, result.RemovalCount, result.FoldersMade], [0, 0, 0]);
});

Deno.test("startResult() keeps a note once, though plan and event tell it", () => {
  const note = { code: "link", path: toRelPath("l"), side: "local", why: "a link: skipped" } as const;
  const result = resultOf([planned({ notes: [note] }), { type: "noted", note }]);
  assert.deepEqual(result.Notes, [{ Code: "link", Count: null, Path: "l", Side: "Local", Message: "a link: skipped" }]);
});

Deno.test("startResult() warns of a settled conflict, which costs exit code 1 only if asked for", () => {
  const replaces = file("c");
  const action: Action = { ...download("c"), why: "conflict", replaces };
  const plan = planned({
    actions: [action],
    conflicts: [{ path: toRelPath("c"), local: replaces, remote: file("c", 4), why: "both changed", winner: "remote" }],
  });
  for (const [failOnConflict, code] of [[false, 0], [true, 1]] as const) {
    const fold = startResult(run, { started: noon, failOnConflict });
    fold.add(plan);
    fold.add(done(action));
    const result = fold.end({ now: noon });
    assert.deepEqual([result.ExitCode, result.ConflictCount, result.FailureCount], [code, 1, 0]);
    assert.deepEqual(result.Warnings, ['"c": both changed: the remote version won']);
  }
});

Deno.test("startResult() has exit code 6 only when asked and nothing had to be done", () => {
  const quiet = startResult(run, { started: noon, failIfNothing: true });
  assert.equal(quiet.end({ now: noon }).ExitCode, 6);
  const busy = startResult(run, { started: noon, failIfNothing: true });
  busy.add(done(upload("a")));
  assert.equal(busy.end({ now: noon }).ExitCode, 0);
});

Deno.test("startResult() never has a negative duration, whatever the clock does", () => {
  assert.equal(startResult(run, { started: noon }).end({ now: noon - 5000 }).Duration, 0);
});

Deno.test("exitCode() is the common code, else 1, and 130 above all", () => {
  const codes = (...all: number[]) => all.map((ExitCode) => ({ ExitCode }));
  assert.equal(exitCode([], []), 0);
  assert.equal(exitCode(codes(0, 0), []), 0);
  assert.equal(exitCode(codes(4, 4), []), 4);
  assert.equal(exitCode(codes(0, 4), []), 1);
  assert.equal(exitCode(codes(0, 130), []), 130);
  assert.equal(exitCode([], [lost]), 4);
  assert.equal(exitCode(codes(0), [lost]), 1);
  assert.equal(exitCode(codes(4), [lost]), 4);
});

Deno.test("startResult() has one warning for all the times that a place does not keep, and one for each other thing", () => {
  const untimed = (path: string, ...more: readonly string[]): SyncEvent => ({
    type: "done",
    action: upload(path),
    warnings: [...more, `The server refused to set the time of "${path}"`],
    isTimeUnset: true,
  });
  const of = (...events: readonly SyncEvent[]) => resultOf(events).Warnings;
  assert.deepEqual(of(untimed("a")), ['"a": The server refused to set the time of "a"']);
  assert.deepEqual(of(untimed("a", "No mode")), ['"a": No mode; The server refused to set the time of "a"']);
  assert.deepEqual(of(untimed("a"), done(upload("m"), ["no mode"]), untimed("b"), untimed("c")), [
    '"m": no mode',
    '"a": The server refused to set the time of "a"; the same happened to 2 other files. Their content is correct',
  ]);
});
