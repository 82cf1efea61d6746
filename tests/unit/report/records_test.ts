import assert from "node:assert/strict";
import { SyncError } from "../../../lib/core/errors.ts";
import { root, toRelPath } from "../../../lib/core/path.ts";
import { actionName, fileNameOf, toDifference, toErrorRecord, toIso, toPlanLine } from "../../../lib/report/records.ts";
import { download, file, makeDir, noon, removal, run, upload } from "./given.ts";
import type { Action } from "../../../lib/core/plan.ts";

Deno.test("toDifference() says what is there on both sides of an update", () => {
  const action: Action = { ...upload("a/b.txt", 5), why: "newer", replaces: file("a/b.txt", 4, noon - 1000) };
  assert.deepEqual(toDifference(action, run), {
    Type: "Difference",
    Action: "UploadUpdate",
    Path: "a/b.txt",
    IsDirectory: false,
    Reason: "newer",
    Local: { FileName: "/home/me/site/a/b.txt", LastWriteTime: "2026-11-21T12:00:00.000Z", Length: 5 },
    Remote: { FileName: "/var/www/a/b.txt", LastWriteTime: "2026-11-21T11:59:59.000Z", Length: 4 },
  });
});

Deno.test("toDifference() gives null for the side that lacks the file", () => {
  assert.equal(toDifference(upload("a.txt"), run).Remote, null);
  assert.equal(toDifference(download("a.txt"), run).Local, null);
  assert.equal(toDifference(removal("a.txt"), run).Local, null);
  assert.equal(toDifference(removal("a.txt"), run).Remote?.FileName, "/var/www/a.txt");
});

Deno.test("toDifference() shows a folder without length", () => {
  const { Action, IsDirectory, Local } = toDifference(makeDir("d"), run);
  assert.deepEqual({ Action, IsDirectory, Local }, {
    Action: "UploadNew",
    IsDirectory: true,
    Local: { FileName: "/home/me/site/d", LastWriteTime: null, Length: null },
  });
});

Deno.test("toDifference() shows both versions of a conflict", () => {
  const conflict = { path: toRelPath("c"), local: file("c", 1), remote: file("c", 2), why: "both changed" };
  const { Action, Local, Remote, Reason } = toDifference(conflict, run);
  assert.deepEqual([Action, Local?.Length, Remote?.Length, Reason], ["Conflict", 1, 2, "both changed"]);
});

Deno.test("nameAction() tells direction, and new from update", () => {
  const touch: Action = {
    do: "touch",
    to: "remote",
    path: toRelPath("t"),
    why: "newer",
    target: file("t"),
    modified: noon,
  };
  const names = [
    actionName(upload("a")),
    actionName({ ...upload("a"), replaces: file("a") }),
    actionName(download("a")),
    actionName({ ...download("a"), replaces: file("a") }),
    actionName(removal("a")),
    actionName({ ...removal("a"), to: "local" }),
    actionName(touch),
    actionName({ do: "move", to: "local", path: toRelPath("n"), why: "moved", source: file("o") }),
  ];
  assert.deepEqual(names, [
    "UploadNew",
    "UploadUpdate",
    "DownloadNew",
    "DownloadUpdate",
    "DeleteRemote",
    "DeleteLocal",
    "TouchRemote",
    "MoveLocal",
  ]);
});

Deno.test("placeOf() writes each side's paths as that side does", () => {
  const at = (localPath: string, remotePath: string) => ({ ...run, localPath, remotePath });
  const path = toRelPath("a/b");
  assert.equal(fileNameOf(at("/", "/"), "local", path), "/a/b");
  assert.equal(fileNameOf(at("/l/", "/r"), "local", path), "/l/a/b");
  assert.equal(fileNameOf(at("/l", "/r/"), "remote", path), "/r/a/b");
  assert.equal(fileNameOf(at("C:\\lDir\\", "/"), "local", path), "C:\\lDir\\a\\b");
  assert.equal(fileNameOf(at("C:\\lDir", "/"), "local", path), "C:\\lDir\\a\\b");
  assert.equal(fileNameOf(at("\\\\nas\\share", "/"), "local", path), "\\\\nas\\share\\a\\b");
  assert.equal(fileNameOf(at("/l", "/r"), "local", root), "/l");
});

Deno.test("placeOf() keeps a backslash that ends a POSIX folder's name", () => {
  assert.equal(fileNameOf({ ...run, localPath: "/odd\\" }, "local", toRelPath("a")), "/odd\\/a");
});

Deno.test("toPlanLine() says where the differences belong", () => {
  assert.deepEqual(toPlanLine(run, { Actions: 2 }), {
    Type: "Plan",
    LocalPath: "/home/me/site",
    RemotePath: "/var/www",
    Mode: "Remote",
    Session: "sftp://deploy@web1",
    Actions: 2,
  });
});

Deno.test("toErrorRecord() has the kind's code, id and category", () => {
  const error = new SyncError("hostKey", "The key changed", { operation: "connect" });
  assert.deepEqual(toErrorRecord(error), {
    Type: "Error",
    ExitCode: 4,
    ErrorId: "HostKey",
    Category: "SecurityError",
    Kind: "HostKey",
    Message: "The key changed",
    Path: null,
  });
});

Deno.test("toErrorRecord() takes the process' exit code and the error's own id", () => {
  const error = new SyncError("badInput", "No such parameter", { operation: "bind", id: "NamedParameterNotFound" });
  const record = toErrorRecord(error, 1);
  assert.deepEqual([record.ExitCode, record.ErrorId], [1, "NamedParameterNotFound"]);
});

Deno.test("toIso() gives null for a time that no calendar holds", () => {
  assert.equal(toIso(8.64e15 + 1), null);
  assert.equal(toIso(undefined), null);
  assert.equal(toIso(0), "1970-01-01T00:00:00.000Z");
});
