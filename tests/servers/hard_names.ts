import { pattern } from "../support/content.ts";

/** Names that listings, encoders, shells, patterns or programs stumble over; all of them are valid on a Unix disk. */
const hardNames = [
  ...["plain", ".dot", "..two", "...", " leading", "trailing ", "two  blanks", "dot.", "a -> b", "."],
  ...["-dash", "--help", "~", "~user", "#hash#", "a#b", "a?b", "a*b", "a[b]", "a{b}", "a;b", "a;type=i", "a=b", "a&b"],
  ...[
    "a+b",
    "a%b",
    "%41",
    "%2F",
    "100%",
    "a:b",
    "C:",
    "a|b",
    "a<b>",
    'a"b',
    "a'b",
    "a`b",
    "$HOME",
    "$(x)",
    "!x",
    "a\\b",
  ],
  ...[
    "a@b",
    "a,b",
    "a^b",
    "(a)",
    "é",
    "e\u0301x",
    "ß",
    "İ",
    "日本語",
    "한국어",
    "العربية",
    "😀",
    "👩‍👩‍👧",
    "a\u200bb",
    "\u00a0x",
    "a\u2028b",
  ],
  ...[
    "UPPER",
    "upper",
    "con",
    "nul.txt",
    "total 12",
    "-rw-r--r-- 1 x x 1 Jan  1 00:00 fake",
    "index.html",
    "index",
    "0",
  ],
  ...["null", "__proto__", "constructor", "Jan  1 2020 x", "x".repeat(220), "語".repeat(70), "lost+found", "e&eacute;"],
].filter((name) => name !== ".");

const folders = ["", "dir", "d & é #1", ".hidden dir"];

/** 300 files: each hard name in four folders, of 0 to 2,999 bytes. */
export function hardTree(): Readonly<Record<string, Uint8Array>> {
  const paths = folders.flatMap((dir) => hardNames.map((name) => dir === "" ? name : `${dir}/${name}`));
  const filler = Array.from({ length: 300 - paths.length }, (_, index) => `deep/er/${index % 7}/f${index}`);
  return Object.fromEntries(
    [...paths, ...filler].map((path, index) => [path, pattern((index * 97) % 3000, index)]),
  );
}
