import assert from "node:assert/strict";
import { mlsdParser, optsMlstCommand, parseMlst } from "../../../../lib/backends/ftp/mlsd_parser.ts";
import type { ListSettings, ParsedListing } from "../../../../lib/backends/ftp/listing_parser.ts";
import { root, toRelPath } from "../../../../lib/core/path.ts";

const settings: ListSettings = { dir: root, encoding: "utf8" };

function parseMlsd(lines: readonly string[], given = settings): ParsedListing {
  const listing = mlsdParser(given);
  for (const line of lines) listing.addLine(line);
  return listing.result();
}

Deno.test("parseMlsd() reads files, folders and links, and drops the folder itself", () => {
  const lines = [
    "type=cdir;modify=20261122074700; .",
    "type=pdir;modify=20261122074700; ..",
    "modify=20261122074700.123;size=5;Type=File;UNIX.mode=0644;  leading",
    "type=dir;sizd=4096;UNIX.mode=0755; folder",
    "type=OS.unix=slink:/etc;size=4; l",
    "type=OS.unix=symlink;size=4; m",
    "type=unknown;size=0; pipe",
    "type=file; no size",
  ];
  const { entries, showsSelf: here } = parseMlsd(lines, { dir: toRelPath("d"), encoding: "utf8" });
  assert.ok(here);
  assert.deepEqual(entries.map((one) => [one.path, one.kind === "opaque" ? one.cause : one.kind]), [
    ["d/ leading", "file"],
    ["d/folder", "dir"],
    ["d/l", "link"],
    ["d/m", "link"],
    ["d/pipe", "special"],
    ["d/no size", "unreadable"],
  ]);
  assert.deepEqual(entries[0], {
    kind: "file",
    path: "d/ leading",
    size: 5,
    modified: Date.UTC(2026, 10, 22, 7, 47, 0, 123),
    mode: 0o644,
  });
});

Deno.test("parseMlsd() lets no name out of its folder", () => {
  for (const name of ["../x", "/etc/passwd", "a\u0007b", "\u00ff", ""]) {
    const [found] = parseMlsd([`type=file;size=1; ${name}`]).entries;
    assert.ok(found?.kind === "opaque" && found.cause === "name", JSON.stringify(name));
  }
});

Deno.test("parseMlsd() reads names as Latin-1 where the server writes them so", () => {
  const [found] = parseMlsd(["type=file;size=1; \u00fc"], { ...settings, encoding: "latin1" }).entries;
  assert.equal(found?.path, "\u00fc");
});

const factsOf = "type=file;size=5;modify=20261122074700;";
const names: readonly (readonly [string, string])[] = [
  ["UNIX.group=0;UNIX.groupname=domain users;UNIX.mode=0644; index.html", "index.html"],
  ["UNIX.groupname=domain users; index.html", "index.html"],
  ["UNIX.groupname=;UNIX.mode=0644; a; b", "a; b"],
  ["UNIX.ownername=a b c;UNIX.mode=0644;  x;y=1; z", " x;y=1; z"],
  [" type = file; x", "type = file; x"],
  ["perm=adfr;  ; ;", " ; ;"],
];
for (const [rest, name] of names) {
  Deno.test(`parseMlsd() finds the name "${name}" in "…;${rest}"`, () => {
    const { entries, unreadableCount: unread } = parseMlsd([factsOf + rest]);
    assert.deepEqual([entries.map(({ path }) => path), unread], [[name], 0]);
  });
}

const doubtful = [
  "UNIX.groupname=a; b;UNIX.mode=0644; index.html",
  "UNIX.mode=0644;UNIX.groupname=a; b; index.html",
  "UNIX.groupname=domain users index.html",
  "type=dir; index.html",
  "perm=ad fr; index.html",
  "size=5 index.html",
  "domain users; index.html",
  " unique=1; UNIX.mode=0644; index.html",
  "x.target=; size=1; index.html",
];
for (const rest of doubtful) {
  Deno.test(`parseMlsd() makes no name of "…;${rest}", and nothing beside it may count as absent`, () => {
    const { entries, unreadableCount: unread } = parseMlsd([`${factsOf} good`, factsOf + rest]);
    assert.equal(unread, 1);
    assert.deepEqual(entries.map((one) => one.kind === "opaque" ? one.cause : one.path), ["good", "name"]);
    const [only, ...others] = parseMlsd([factsOf + rest]).entries;
    assert.deepEqual([only?.kind === "opaque" && only.incomplete, others.length], [true, 0]);
  });
}

Deno.test("parseMlsd() makes a folder of lines without facts an incomplete one", () => {
  for (const line of ["name only", " type=file;size=1; a"]) {
    const [only, ...others] = parseMlsd([line]).entries;
    assert.deepEqual([only?.kind === "opaque" && only.incomplete, others.length], [true, 0], line);
  }
});

Deno.test("optsMlstCommand() asks for the facts that are used where others come by default", () => {
  const cases = [
    ["type*;size*;modify*;UNIX.mode*;UNIX.groupname*;unique*;", "OPTS MLST type;size;modify;UNIX.mode;unique;"],
    ["Type;Size;Modify;Perm;", "OPTS MLST Type;Size;Modify;"],
    ["type*;size*;modify*;", undefined],
    ["type*;size*;modify*;perm;", undefined],
    ["type*;perm*;", undefined],
    ["", undefined],
    [undefined, undefined],
  ] as const;
  for (const [offered, command] of cases) assert.equal(optsMlstCommand(offered), command, offered);
});

Deno.test("parseMlst() reads the facts of one path, whatever the server calls it", () => {
  const text = "250-Start\n type=file;size=7;modify=20200131235959; /else/where\n250 End";
  const expected = { kind: "file", path: "f", size: 7, modified: Date.UTC(2020, 0, 31, 23, 59, 59) };
  assert.deepEqual(parseMlst(text, toRelPath("f")), expected);
});
