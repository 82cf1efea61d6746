import assert from "node:assert/strict";
import { SyncError } from "../../../lib/core/errors.ts";
import { toRelPath } from "../../../lib/core/path.ts";
import { arrayLayout, type Layout, lineLayout, objectLayout, textLayout } from "../../../lib/report/layouts.ts";
import { toDifference, toErrorRecord, toPlanLine } from "../../../lib/report/records.ts";
import { makePaint } from "../../../lib/report/text.ts";
import { done, download, failed, file, makeDir, noon, planned, removal, run, upload } from "./given.ts";
import type { Action, SyncEvent } from "../../../lib/core/plan.ts";
import { startResult } from "../../../lib/report/result_builder.ts";

const error = toErrorRecord(new SyncError("auth", "Denied", { operation: "log in" }));
const plain = makePaint(false);

/** What the layout writes for a value, in one text. */
function show(layout: Layout, value: unknown): string {
  const written = layout.value(value);
  return typeof written === "string" ? written : [...written].join("");
}

function resultOf(events: readonly SyncEvent[], whatIf = false) {
  const fold = startResult({ ...run, whatIf }, { started: noon });
  for (const event of events) fold.add(event);
  return fold.end({ now: noon });
}

function text(isTerminal = true) {
  return textLayout({ paint: plain, isTerminal });
}

Deno.test("objectLayout() writes one object a line, lists inside, texts as they are", () => {
  const layout = objectLayout();
  const line = show(layout, resultOf([done(upload("\u4e16"))]));
  assert.equal(line.indexOf("\n"), line.length - 1);
  assert.equal(JSON.parse(line).Uploads[0].FileName, "/home/me/site/\u4e16");
  assert.equal(show(layout, "planned 3"), "planned 3\n");
  assert.equal(layout.end(undefined), "");
  assert.equal(JSON.parse(layout.end(error)).ExitCode, 4);
});

Deno.test("objectLayout() writes lists of any length in pieces", () => {
  const result = { ...resultOf([]), Uploads: Array.from({ length: 2500 }, (_, i) => ({ FileName: `\u4e16${i}` })) };
  const written = objectLayout().value(result);
  assert.ok(typeof written !== "string");
  const pieces = [...written];
  assert.ok(Math.max(...pieces.map((piece) => piece.length)) < 40_000);
  assert.deepEqual(JSON.parse(pieces.join("")), JSON.parse(JSON.stringify(result)));
  assert.equal(pieces.join("").indexOf("\n"), pieces.join("").length - 1);
});

Deno.test("arrayLayout() writes one array that grows", () => {
  const layout = arrayLayout();
  const all = show(layout, { a: 1 }) + show(layout, { a: 2 }) + layout.end(error);
  assert.deepEqual(JSON.parse(all), [{ a: 1 }, { a: 2 }, error]);
});

Deno.test("arrayLayout() writes an empty array for nothing, and only the text for a text", () => {
  assert.deepEqual(JSON.parse(arrayLayout().end(undefined)), []);
  assert.deepEqual(JSON.parse(arrayLayout().end(error)), [error]);
  const help = arrayLayout();
  assert.equal(show(help, "Usage") + help.end(undefined), "Usage\n");
});

Deno.test("lineLayout() ends with a result without lists", () => {
  const line = JSON.parse(show(lineLayout(), resultOf([done(upload("a")), done(removal("b"))])));
  const lists = "Uploads Downloads Removals Moves Conflicts Failures Warnings Notes".split(" ");
  assert.deepEqual(lists.filter((name) => name in line), []);
  assert.deepEqual([line.Type, line.UploadCount, line.RemovalCount, line.HeldReasons], ["SyncResult", 1, 1, []]);
});

Deno.test("textLayout() prints a result as its five lines", () => {
  assert.equal(
    show(text(), resultOf([done(download("rSubDir/rFile.txt"))])),
    "Uploads   : {}\n" +
      "Downloads : {/var/www/rSubDir/rFile.txt}\n" +
      "Removals  : {}\n" +
      "Failures  : {}\n" +
      "IsSuccess : True\n",
  );
});

Deno.test("textLayout() prints four names and a mark for more", () => {
  const result = resultOf(["a", "b", "c", "d", "e"].map((name) => done(upload(name))));
  const [line] = show(text(), result).split("\n");
  assert.equal(line, "Uploads   : {/home/me/site/a, /home/me/site/b, /home/me/site/c, /home/me/site/d\u2026}");
});

Deno.test("textLayout() spells out failures below, twenty at most", () => {
  const denied = new SyncError("denied", "access is denied", { operation: "write" });
  const few = show(text(), resultOf([failed(upload("a.txt"), denied)]));
  assert.match(few, /Failures {2}: \{\/home\/me\/site\/a\.txt\}\nIsSuccess : False\n {2}a\.txt: access is denied\n$/);
  const many = show(text(), resultOf(Array.from({ length: 23 }, (_, i) => failed(upload(`f${i}`), denied))));
  assert.equal(many.split("\n").length, 5 + 20 + 1 + 1);
  assert.match(many, /\n {2}and 3 more failures\n$/);
});

Deno.test("textLayout() shows names from a peer harmlessly", () => {
  const opaque = { path: toRelPath("x\u202ey"), kind: "denied", why: "\u001b[2J##vso[x]" } as const;
  const output = show(text(), resultOf([planned({ refusals: [opaque] })]));
  assert.deepEqual(["\u001b", "\u202e", "##vso"].filter((unit) => output.includes(unit)), []);
});

Deno.test("textLayout() prints What if lines before the result, at a terminal only", () => {
  const result = resultOf([planned({ actions: [makeDir("d"), upload("d/a"), removal("b")] })], true);
  assert.ok(
    show(text(), result).startsWith(
      'What if: Performing the operation "Upload new" on target "/var/www/d/a".\n' +
        'What if: Performing the operation "Delete remote" on target "/var/www/b".\nUploads ',
    ),
  );
  assert.ok(show(text(false), result).startsWith("Uploads "));
});

Deno.test("textLayout() lists differences below one head", () => {
  const layout = text();
  const update: Action = { ...download("c d.txt", 12_400_000), replaces: file("c d.txt") };
  const lines = [
    show(layout, toPlanLine(run, {})),
    show(layout, toDifference(makeDir("dir"), run)),
    show(layout, toDifference(upload("a.txt", 5), run)),
    show(layout, toDifference(update, run)),
    show(layout, toDifference(removal("b"), run)),
  ].join("");
  assert.equal(
    lines,
    "Action                Size  Modified (UTC)       Path\n" +
      "Upload new                                       dir/\n" +
      "Upload new         5 bytes  2026-11-21 12:00:00  a.txt\n" +
      "Download update    12.4 MB  2026-11-21 12:00:00  c d.txt\n" +
      "Delete remote      3 bytes  2026-11-21 12:00:00  b\n",
  );
});

Deno.test("textLayout() parts two results by an empty line", () => {
  const layout = text();
  show(layout, resultOf([]));
  assert.ok(show(layout, resultOf([])).startsWith("\nUploads "));
});

Deno.test("textLayout() shows a session's address and key, never what opens it", () => {
  const ticket = {
    Type: "Session",
    Address: { Scheme: "sftp", UserName: "me", HostName: "web1", PortNumber: 2222, Path: "/www", Pins: [] },
    HostKey: "SHA256:abc",
    Expires: "2026-11-21T12:10:00.000Z",
    Secret: "c2VjcmV0",
    Seal: "c2VhbA==",
  };
  assert.equal(
    show(text(), ticket),
    "Address : sftp://me@web1:2222/www\nHostKey : SHA256:abc\nExpires : 2026-11-21T12:10:00.000Z\n",
  );
});

Deno.test("textLayout() shows any object by its properties, secrets hidden, functions left out", () => {
  const value = { userName: "me", password: () => "x", Password: "hunter2", List: ["a", "b"], Flag: false, None: null };
  assert.equal(
    show(text(), value),
    "userName : me\nPassword : ********\nList     : {a, b}\nFlag     : False\nNone     : \n",
  );
});

Deno.test("textLayout() prints commands as a table and texts as they are", () => {
  const layout = text();
  assert.equal(
    show(layout, { Type: "Command", Name: "Sync-Path", Summary: "Makes folders the same." }),
    "Sync-Path                Makes folders the same.\n",
  );
  assert.equal(show(layout, "help\ntext"), "help\ntext\n");
});
