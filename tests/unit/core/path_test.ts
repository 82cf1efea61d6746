import assert from "node:assert/strict";
import {
  checkName,
  comparePaths,
  escapeForDisplay,
  explainUnstorableName,
  foldPath,
  isWithin,
  nameOf,
  parentOf,
  root,
  toRelPath,
} from "../../../lib/core/path.ts";

const dir = toRelPath("a/b");

/** What a peer may say to get out of the root, into a device, or past a reader. */
const refused: readonly (readonly [string, string])[] = [
  ["an empty name", ""],
  ["the folder itself", "."],
  ["the folder above", ".."],
  ["a path out of the root", "../../x"],
  ["a path out of the root, in the middle", "a/../../x"],
  ["an absolute path", "/etc/x"],
  ["a slash at the end", "x/"],
  ["a slash alone", "/"],
  ["two slashes", "//"],
  ["a NUL", "a\0b"],
  ["a NUL at the end", "a.txt\0"],
  ["a line break", "a\nb"],
  ["a carriage return", "a\rb"],
  ["CR LF and a command", "a\r\nDELE b"],
  ["a tab", "a\tb"],
  ["an escape sequence", "\x1b[2J"],
  ["DEL", "a\x7f"],
  ["C1, the one-byte escape", "a\x9b2J"],
  ["C1, next line", "a\x85b"],
  ["the replacement character", "a\ufffdb"],
  ["half a surrogate pair", "a\ud800"],
  ["the other half", "\udc00a"],
];
for (const [what, name] of refused) {
  Deno.test(`gate() refuses ${what}`, () => {
    const gated = checkName(dir, name);
    assert.ok(!gated.ok);
    assert.ok(gated.why.length > 0);
    assert.equal(escapeForDisplay(gated.displayPath), gated.displayPath);
    assert.ok(gated.displayPath.startsWith("a/b/") && gated.displayPath.split("/").length === 3);
  });
  Deno.test(`toRelPath() refuses ${what}`, () => {
    if (name === "") return assert.equal(toRelPath(name), root);
    if (!name.includes("/")) assert.throws(() => toRelPath(`a/${name}`), RangeError);
    if (name.startsWith("/") || name.endsWith("/") || name.includes("..")) {
      assert.throws(() => toRelPath(name), RangeError);
    }
  });
}

for (
  const name of [
    "...",
    "..x",
    "x..",
    " ",
    "-rf",
    "~",
    "%2e%2e",
    "%2F",
    "..%5c",
    "\uff0e\uff0e",
    "C:",
    "a\\b",
    "..\\x",
    "\u202etxt",
  ]
) {
  Deno.test(`gate() lets ${JSON.stringify(name)} through as one segment, decoding nothing`, () => {
    assert.deepEqual(checkName(dir, name), { ok: true, path: `a/b/${name}` });
    assert.deepEqual(checkName(root, name), { ok: true, path: name });
  });
}

/** Names that mean a device, a stream, another drive or another name on Windows. */
const unfitForWindows: readonly string[] = [
  ...["NUL", "nul", "Con", "PRN", "aux", "CONIN$", "conout$", "COM1", "com9", "LPT1", "lpt9", "COM0", "LPT0"],
  ...["COM\u00b9", "com\u00b2", "LPT\u00b3", "nul.txt", "NUL.tar.gz", "con.", "CON .txt", "aux  .c", "COM1.log"],
  ...["nul:", "a:", "a:b", "C:", "C:x", "file:stream", "file::$DATA", "a\\b", "..\\x", "\\", "\\\\?\\x"],
  ...["a<b", "a>b", 'a"b', "a|b", "a?b", "a*b", "a.", "a ", "a. .", "...", " ", ". ."],
];
for (const name of unfitForWindows) {
  Deno.test(`unfit() keeps ${JSON.stringify(name)} off Windows and lets it onto POSIX`, () => {
    assert.ok(explainUnstorableName(name, "windows") !== undefined);
    assert.equal(explainUnstorableName(name, "posix"), undefined);
  });
}
for (
  const name of [
    "console",
    "CONFIG",
    "auxiliary",
    "com",
    "com10",
    "COM1x",
    "lpt",
    "nul-1",
    "xnul",
    "my.nul",
    ".con",
    "a b",
    "a.b",
    "caf\u00e9",
    "[x]",
    "%00",
    "com\u2074",
  ]
) {
  Deno.test(`unfit() lets ${JSON.stringify(name)} onto Windows`, () =>
    assert.equal(explainUnstorableName(name, "windows"), undefined));
}

Deno.test("unfit() counts UTF-8 bytes, up to the limit and no further", () => {
  assert.equal(explainUnstorableName("\u00e9".repeat(127) + "x", "posix"), undefined);
  assert.equal(explainUnstorableName("\u00e9".repeat(128), "posix"), "the name is longer than 255 bytes");
  assert.equal(explainUnstorableName("x".repeat(143), "posix", 143), undefined);
  assert.equal(explainUnstorableName("x".repeat(144), "posix", 143), "the name is longer than 143 bytes");
  assert.equal(explainUnstorableName("\u{1f600}".repeat(64), "windows"), "the name is longer than 255 bytes");
});

Deno.test("parentOf() and nameOf() take a path apart", () => {
  assert.deepEqual([parentOf(toRelPath("a/b/c")), nameOf(toRelPath("a/b/c"))], ["a/b", "c"]);
  assert.deepEqual([parentOf(toRelPath("a")), nameOf(toRelPath("a"))], ["", "a"]);
  assert.deepEqual([parentOf(root), nameOf(root)], ["", ""]);
});

Deno.test("isWithin() tells a folder from one whose name begins alike", () => {
  assert.ok(isWithin(toRelPath("site/a"), toRelPath("site")));
  assert.ok(isWithin(toRelPath("site"), toRelPath("site")));
  assert.ok(!isWithin(toRelPath("site2/a"), toRelPath("site")));
  assert.ok(!isWithin(toRelPath("sit"), toRelPath("site")));
  assert.ok(isWithin(toRelPath("x"), root));
});

Deno.test("comparePaths() puts a folder right before what it holds", () => {
  const sorted = ["a", "a/b", "a/b/c", "a/z", "a b", "a!", "a.txt", "a0", "b"];
  assert.deepEqual([...sorted].sort(comparePaths), ["a", "a/b", "a/b/c", "a/z", "a b", "a!", "a.txt", "a0", "b"]);
  assert.equal(comparePaths("a", "a"), 0);
});

Deno.test("foldPath() gives one key to what differs only in case", () => {
  const rules = { caseSensitive: false, normalizes: false };
  for (
    const [a, b] of [["README", "readme"], ["Stra\u00dfe", "STRASSE"], ["\u1e9e", "\u00df"], ["\u212a", "k"], [
      "\u03a3\u0391\u03a3",
      "\u03c3\u03b1\u03c3",
    ]] as const
  ) {
    assert.equal(foldPath(a, rules), foldPath(b, rules), `${a} and ${b}`);
  }
  assert.notEqual(foldPath("a", rules), foldPath("b", rules));
});

Deno.test("foldPath() gives one key to Unicode forms where names are normalized, and keeps case", () => {
  const rules = { caseSensitive: true, normalizes: true };
  assert.equal(foldPath("caf\u00e9", rules), foldPath("cafe\u0301", rules));
  assert.notEqual(foldPath("Caf\u00e9", rules), foldPath("caf\u00e9", rules));
});

Deno.test("foldPath() leaves names alone where they are told apart exactly", () => {
  const rules = { caseSensitive: true, normalizes: false };
  for (const name of ["Caf\u00e9", "cafe\u0301", "\u212a"]) assert.equal(foldPath(name, rules), name);
});

Deno.test("foldPath() agrees for every character with its own upper, lower, composed and decomposed form", () => {
  const rules = { caseSensitive: false, normalizes: true };
  const wrong: string[] = [];
  for (let code = 1; code < 0x110000; code++) {
    if (code >= 0xd800 && code < 0xe000) continue;
    const point = String.fromCodePoint(code);
    const forms = [point.toUpperCase(), point.toLowerCase(), point.normalize("NFD"), point.normalize("NFC")];
    if (forms.every((form) => form === point)) continue;
    const key = foldPath(point, rules);
    if ([key, ...forms].some((form) => foldPath(form, rules) !== key)) wrong.push(code.toString(16));
  }
  assert.deepEqual(wrong, []);
});

Deno.test("printable() shows what a terminal or a log could act on, and nothing else", () => {
  assert.equal(escapeForDisplay("\x1b[31m\r\n"), "\\u001b[31m\\u000d\\u000a");
  assert.equal(
    escapeForDisplay("a\x9bb\u2028c\u202ed\u2066e\u061cf\ufeff"),
    "a\\u009bb\\u2028c\\u202ed\\u2066e\\u061cf\\ufeff",
  );
  assert.equal(escapeForDisplay("a\ud800b"), "a\ufffdb");
  assert.equal(
    escapeForDisplay("caf\u00e9 \u4e16\u754c \u{1f600} ::error %0A"),
    "caf\u00e9 \u4e16\u754c \u{1f600} ::error %0A",
  );
});
