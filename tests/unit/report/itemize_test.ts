import assert from "node:assert/strict";
import { SyncError } from "../../../lib/core/errors.ts";
import { toRelPath } from "../../../lib/core/path.ts";
import { makeItemizer } from "../../../lib/report/itemize.ts";
import { done, download, failed, file, makeDir, planned, removal, run, upload } from "./given.ts";
import type { Action, Conflict } from "../../../lib/core/plan.ts";

const changed = new SyncError("changed", "It is not what was listed", { operation: "compare" });

Deno.test("itemizer() gives an upload with source, destination, length and touch", () => {
  assert.deepEqual(makeItemizer(run)(done(upload("a/b.txt", 7))), [{
    Type: "Upload",
    Action: "UploadNew",
    FileName: "/home/me/site/a/b.txt",
    Destination: "/var/www/a/b.txt",
    Length: 7,
    Side: "Local",
    Touch: { FileName: "/var/www/a/b.txt", LastWriteTime: "2026-11-21T12:00:00.000Z", Error: null },
    IsRestored: false,
    Error: null,
  }]);
});

Deno.test("itemizer() names the remote file as the source of a download", () => {
  const [item] = makeItemizer(run)(done(download("rSubDir/rFile.txt")));
  assert.ok(item?.Type === "Download");
  assert.deepEqual([item.FileName, item.Destination, item.Side], [
    "/var/www/rSubDir/rFile.txt",
    "/home/me/site/rSubDir/rFile.txt",
    "Remote",
  ]);
});

Deno.test("itemizer() puts a refused time into Touch, not among the failures", () => {
  const items = makeItemizer(run)(done(upload("a"), ["The time could not be set."]));
  assert.equal(items.length, 1);
  assert.ok(items[0]?.Type === "Upload");
  assert.equal(items[0].Touch?.Error, "The time could not be set.");
  assert.equal(items[0].Error, null);
});

Deno.test("itemizer() lists removed files and links, never folders", () => {
  const folder: Action = { ...removal("d"), target: { kind: "dir", path: toRelPath("d") } };
  const link: Action = { ...removal("l"), target: { kind: "link", path: toRelPath("l"), target: "x" } };
  const itemize = makeItemizer(run);
  assert.deepEqual(itemize(done(folder)), []);
  assert.deepEqual(itemize(done(makeDir("d"))), []);
  assert.equal(itemize(done(link))[0]?.Type, "Removal");
});

Deno.test("itemizer() lists the file that a folder replaced as removed", () => {
  const [item] = makeItemizer(run)(done({ ...makeDir("x"), replaces: file("x", 9) }));
  assert.ok(item?.Type === "Removal");
  assert.deepEqual([item.FileName, item.Length, item.Side], ["/var/www/x", 9, "Remote"]);
});

Deno.test("itemizer() tells both names of a move", () => {
  const [item] = makeItemizer(run)(
    done({ do: "move", to: "remote", path: toRelPath("new"), why: "moved", source: file("old") }),
  );
  assert.ok(item?.Type === "Move");
  assert.deepEqual([item.FileName, item.Destination], ["/var/www/old", "/var/www/new"]);
});

Deno.test("itemizer() gives a failure its kind, message and path, and no upload beside it", () => {
  const denied = new SyncError("denied", 'Cannot write "a.txt": access is denied', { operation: "write" });
  assert.deepEqual(makeItemizer(run)(failed(upload("a.txt"), denied)), [{
    Type: "Failure",
    Kind: "Denied",
    Message: 'Cannot write "a.txt": access is denied',
    FileName: "/home/me/site/a.txt",
    Destination: "/var/www/a.txt",
    Length: 3,
    Side: "Local",
    Action: "UploadNew",
    Error: 'Cannot write "a.txt": access is denied',
    Path: "a.txt",
  }]);
});

Deno.test("itemizer() reports a target that changed in between as failure and conflict", () => {
  const items = makeItemizer(run)(failed({ ...upload("a"), replaces: file("a", 8) }, changed));
  assert.deepEqual(items.map((item) => item.Type), ["Failure", "Conflict"]);
  assert.ok(items[1]?.Type === "Conflict");
  assert.deepEqual([items[1].Local?.Length, items[1].Remote?.Length, items[1].Winner], [3, 8, null]);
});

Deno.test("itemizer() makes no conflict of a folder that could not be emptied", () => {
  const folder: Action = { ...removal("d"), target: { kind: "dir", path: toRelPath("d") } };
  assert.deepEqual(makeItemizer(run)(failed(folder, changed)).map((item) => item.Type), ["Failure"]);
});

Deno.test("itemizer() makes refusals and open conflicts of the plan failures", () => {
  const items = makeItemizer(run)(planned({
    conflicts: [{ path: toRelPath("c"), local: file("c"), remote: file("c", 4), why: "both changed" }],
    refusals: [{ path: toRelPath("d"), side: "remote", kind: "denied", why: "the folder cannot be read" }],
  }));
  const short = items.map((item) => item.Type === "Failure" ? [item.Type, item.Kind, item.Path] : [item.Type]);
  assert.deepEqual(short, [["Conflict"], ["Failure", "Conflict", "c"], ["Failure", "Denied", "d"]]);
  assert.ok(items[2]?.Type === "Failure");
  assert.deepEqual([items[2].FileName, items[2].Side, items[2].Message], [
    "/var/www/d",
    "Remote",
    "the folder cannot be read",
  ]);
});

const settled: Conflict = {
  path: toRelPath("c"),
  local: file("c"),
  remote: file("c", 4),
  why: "both changed",
  winner: "remote",
  backupPath: toRelPath(".tandem-trash/c"),
};
const settling: Action = {
  ...download("c", 4),
  why: "conflict",
  replaces: file("c"),
  backupPath: toRelPath(".tandem-trash/c"),
};

Deno.test("itemizer() tells of a settled conflict when the loser was overwritten, and not before", () => {
  const itemize = makeItemizer(run);
  assert.deepEqual(itemize(planned({ actions: [settling], conflicts: [settled] })), []);
  const items = itemize({ type: "done", action: settling, trashed: { id: "0a1b", path: "/trash/run/c" } });
  assert.deepEqual(items.map((item) => item.Type), ["Download", "Conflict"]);
  assert.ok(items[1]?.Type === "Conflict");
  assert.deepEqual([items[1].Winner, items[1].Loser, items[1].Kept], ["Remote", "Local", "/trash/run/c"]);
  assert.match(items[1].Message, /the remote version won.*"\/trash\/run\/c".*Restore-TrashItem 0a1b/);
});

Deno.test("itemizer() does not say where a loser lies that is not there yet", () => {
  const itemize = makeItemizer({ ...run, whatIf: true });
  const [, item] = itemize(planned({ actions: [settling], conflicts: [settled] }));
  assert.ok(item?.Type === "Conflict");
  assert.deepEqual([item.Winner, item.Kept], ["Remote", null]);
});

Deno.test("itemizer() tells of both versions where both are kept", () => {
  const itemize = makeItemizer(run);
  itemize(planned({ conflicts: [{ ...settled, winner: "both", backupPath: toRelPath("c (conflict)") }] }));
  const copy = itemize(done({ ...upload("c (conflict)"), why: "conflict" }));
  assert.deepEqual(copy.map((item) => item.Type), ["Upload"]);
  const [, item] = itemize(done(settling));
  assert.ok(item?.Type === "Conflict");
  assert.deepEqual([item.Winner, item.Loser, item.Kept], ["Both", null, "/home/me/site/c (conflict)"]);
});

Deno.test("itemizer() takes the lists from the plan under -WhatIf", () => {
  const items = makeItemizer({ ...run, whatIf: true })(planned({
    actions: [makeDir("d"), upload("d/a"), removal("gone"), settling],
    conflicts: [settled],
  }));
  assert.deepEqual(items.map((item) => item.Type), ["Upload", "Removal", "Download", "Conflict"]);
});

Deno.test("itemizer() gives the time of a link no touch", () => {
  const link: Action = { ...upload("l"), source: { kind: "link", path: toRelPath("l"), target: "t" } };
  const [item] = makeItemizer(run)(done(link));
  assert.ok(item?.Type === "Upload");
  assert.deepEqual([item.Touch, item.Length], [null, null]);
});
