import assert from "node:assert/strict";
import fc from "npm:fast-check@4.10.2";
import { DAY, MINUTE } from "../../../../lib/backends/ftp/formats/line.ts";
import {
  formatTime,
  LineSplitter,
  type ParsedListing,
  parseTime,
} from "../../../../lib/backends/ftp/listing_parser.ts";
import { listParser } from "../../../../lib/backends/ftp/ls_parser.ts";
import { root } from "../../../../lib/core/path.ts";
import { runs } from "../../../support/runs.ts";

const now = Date.UTC(2026, 10, 22, 12, 0);
const settings = { dir: root, encoding: "utf8" as const, clock: { now, zoneOffset: 0 } };

function parseList(lines: readonly string[], given = settings): ParsedListing {
  const listing = listParser(given);
  for (const line of lines) listing.addLine(line);
  return listing.result();
}

/** The lines of bytes that come so many at a time, and whether they were whole. */
function linesOf(bytes: Uint8Array, piece = bytes.length): readonly string[] {
  const found: string[] = [];
  const lines = new LineSplitter((line) => found.push(line));
  for (let i = 0; i < bytes.length; i += Math.max(1, piece)) lines.take(bytes.subarray(i, i + piece));
  return lines.finish() ? found : [...found, "(cut)"];
}

/** The names of an incomplete folder, and how many lines cannot be read. */
function incompleteOf({ entries, unreadableCount: count }: ParsedListing) {
  const lines = entries.filter((one) => one.kind === "opaque" && one.incomplete === true);
  assert.equal(lines.length, 1);
  return { names: entries.filter((one) => !lines.includes(one)).map(({ path }) => path), count };
}

const at = (...parts: [number, number, number, number?, number?]) => Date.UTC(...parts);

const lists: readonly (readonly [string, unknown])[] = [
  ["-rw-r--r--    1 1000     1000         1234 Nov 22 07:48 a b", [
    "a b",
    1234,
    at(2026, 10, 22, 7, 48),
    MINUTE,
    0o644,
  ]],
  ["-rwxr-x---   1 user group 0 Nov 23 07:48 tomorrow", ["tomorrow", 0, at(2026, 10, 23, 7, 48), MINUTE, 0o750]],
  ["-rw-r--r--   1 user group 5 Dec 31 23:59 last year", ["last year", 5, at(2025, 11, 31, 23, 59), MINUTE, 0o644]],
  ["-rw-r--r--   1 user group 5 Feb 29 10:00 leap", ["leap", 5, at(2024, 1, 29, 10, 0), MINUTE, 0o644]],
  ["-rw-r--r--   1 user group 5 Jan  1  2020 old", ["old", 5, at(2020, 0, 1), DAY, 0o644]],
  ["-rw-r--r--   1 user 5 Jan  1  2020 no group", ["no group", 5, at(2020, 0, 1), DAY, 0o644]],
  ["-rw-r--r--   1 user group 5 1 Jan 2020 day first", ["day first", 5, at(2020, 0, 1), DAY, 0o644]],
  ["-rw-r--r--. 1 user group 5 2020-01-31 10:11 iso", ["iso", 5, at(2020, 0, 31, 10, 11), MINUTE, 0o644]],
  ["-rwsr-sr-t   1 user group 5 Jan  1  2020 set", ["set", 5, at(2020, 0, 1), DAY, 0o755]],
  ["-rw-r--r--   1 user group 5 Jan  1  2020  two blanks", [" two blanks", 5, at(2020, 0, 1), DAY, 0o644]],
  ["-rw-r--r--   1 user group 5 Jan  1  2020 a -> b", ["a -> b", 5, at(2020, 0, 1), DAY, 0o644]],
  ["-rw-r--r--   1 user group 5 Jan  1  2020 100 Jan 1 2020 x", ["100 Jan 1 2020 x", 5, at(2020, 0, 1), DAY, 0o644]],
  ["drwxr-xr-x   2 user group 4096 Nov 22 07:48 folder", "dir"],
  ["lrwxrwxrwx   1 user group 4 Nov 22 07:48 l -> f", "link"],
  ["prw-r--r--   1 user group 0 Nov 22 07:48 pipe", "special"],
  ["brw-rw----   1 root disk 8, 0 Nov 22 07:48 sda", "special"],
  ["11-22-26  07:48AM       <DIR>          folder", "dir"],
  ["11-22-26  07:48PM                 1234 a b", ["a b", 1234, at(2026, 10, 22, 19, 48), MINUTE, undefined]],
  ["11-22-2026  12:05AM              1,234 midnight", ["midnight", 1234, at(2026, 10, 22, 0, 5), MINUTE, undefined]],
  ["2026-11-22  07:48                 1234 iso", ["iso", 1234, at(2026, 10, 22, 7, 48), MINUTE, undefined]],
];

for (const [line, expected] of lists) {
  Deno.test(`parseList() reads "${line}"`, () => {
    const [found] = parseList([line]).entries;
    const shown = found?.kind === "file"
      ? [found.path, found.size, found.modified, found.timeStep, found.mode]
      : found?.kind === "opaque"
      ? found.cause
      : found?.kind;
    assert.deepEqual(shown, expected);
  });
}

Deno.test("parseList() takes the zone of the server off", () => {
  const clock = { now, zoneOffset: -5 * 60 * MINUTE };
  const [found] = parseList(["-rw-r--r-- 1 u g 5 Nov 22 06:30 f"], { ...settings, clock }).entries;
  assert.ok(found?.kind === "file");
  assert.equal(found.modified, at(2026, 10, 22, 11, 30));
});

Deno.test("parseList() leaves out the folder itself and says that it was there", () => {
  const lines = ["total 8", "drwxr-xr-x 2 u g 4096 Nov 22 07:48 .", "drwxr-xr-x 2 u g 4096 Nov 22 07:48 .."];
  assert.deepEqual(parseList(lines), {
    entries: [],
    showsSelf: true,
    lineCount: 2,
    unreadableCount: 0,
    fingerprint: "",
  });
});

const file = "-rw-r--r-- 1 u g 5 Nov 22 06:30 f";
for (
  const line of [
    "what is this",
    "ls: ./broken: Permission denied",
    "ls: cannot access 'x': Permission denied",
    "?????????? ? ? ? ?            ? x",
    "-rw-r--r-- 1 u g 5 Feb 31  2020 x",
    "lrwxrwxrwx 1 u g 5 Nov 22 06:30 a -> b -> c",
  ]
) {
  Deno.test(`parseList() drops no line like "${line}": nothing beside it may count as absent`, () => {
    const { entries, unreadableCount: unread } = parseList([file, line]);
    assert.equal(unread, 1);
    assert.deepEqual(entries.map((one) => one.kind === "opaque" ? one.cause : one.path), ["f", "name"]);
    assert.deepEqual([parseList([line])].map(incompleteOf), [{ names: [], count: 1 }]);
    assert.deepEqual([parseList([line, file, line])].map(incompleteOf), [{ names: ["f"], count: 2 }]);
  });
}

Deno.test("parseList() passes over the sum in any language, and takes no lone bare name for one", () => {
  for (const sum of ["total 8", "insgesamt 12", "итого 4,0K", "total: 3"]) {
    const { entries, unreadableCount: unread } = parseList([sum, file]);
    assert.deepEqual([entries.length, unread], [1, 0], sum);
  }
  assert.equal(parseList(["total 0"]).lineCount, 0);
  assert.deepEqual(incompleteOf(parseList(["report 2026"])), { names: [], count: 1 });
  assert.deepEqual(incompleteOf(parseList(["report 2026", "index.html"])), { names: [], count: 2 });
});

Deno.test("a name that a listing gives twice with different facts is none to be relied on", () => {
  const other = "drwxr-xr-x 1 u g 5 Nov 22 06:30 f";
  for (const [lines, expected] of [[[file, file], "file"], [[file, other], "unreadable"]] as const) {
    const { entries: [one, ...more] } = parseList(lines);
    assert.deepEqual([one?.kind === "opaque" ? one.cause : one?.kind, more.length], [expected, 0]);
  }
});

Deno.test("LineSplitter puts lines together however they come, and tells one that is cut", () => {
  const text = new TextEncoder().encode("one\r\ntwo\r\n\r\nthree");
  for (const piece of [1, 2, 4, 5, 100]) assert.deepEqual(linesOf(text, piece), ["one", "two", "(cut)"]);
  assert.deepEqual(linesOf(new TextEncoder().encode("one\ntwo\n"), 2), ["one", "two"]);
});

Deno.test("LineSplitter takes no endless line, and no two kinds of ends", () => {
  const piece = new Uint8Array(1 << 16).fill(120);
  const lines = new LineSplitter(() => {});
  assert.throws(() => {
    for (;;) lines.take(piece);
  }, RangeError);
  const long = "type=file;size=1; a\n".repeat(5000);
  assert.throws(() => linesOf(new TextEncoder().encode(`${long}b\r\n`), 1000), RangeError);
});

Deno.test("LineSplitter keeps a lone line feed inside a name where lines end in CRLF", () => {
  assert.deepEqual(linesOf(new TextEncoder().encode("a\nb\r\nc\r\n")), ["a\nb", "c"]);
});

Deno.test("parseTime() refuses days that do not exist", () => {
  for (const text of ["20260231000000", "20261322000000", "20260101240000", "2026", "x"]) {
    assert.equal(parseTime(text), undefined, text);
  }
});

Deno.test("parseTime() of formatTime() is the second", () => {
  fc.assert(
    fc.property(fc.integer({ min: Date.UTC(1, 0, 1), max: Date.UTC(9999, 11, 31) }), (ms) => {
      const text = formatTime(ms);
      assert.ok(text !== undefined);
      if (ms < Date.UTC(100, 0, 1)) return;
      assert.equal(parseTime(text), Math.floor(ms / 1000) * 1000);
    }),
    { numRuns: runs(200, 5000) },
  );
});
