import assert from "node:assert/strict";
import { describeMismatch } from "../../../../lib/backends/shared/preconditions.ts";
import { toRelPath } from "../../../../lib/core/path.ts";
import type { Entry, FileEntry } from "../../../../lib/core/entry.ts";

const path = toRelPath("f");
const known: FileEntry = { kind: "file", path, size: 3, modified: 5000, revision: "r1" };
const dir: Entry = { kind: "dir", path, modified: 1 };
const link: Entry = { kind: "link", path, target: "a" };

const same: readonly (readonly [string, Entry | "absent", Entry | undefined])[] = [
  ["nothing where nothing is expected", "absent", undefined],
  ["the same file", known, { ...known }],
  ["a file whose mode and id are others", known, { ...known, mode: 0o600, fileId: "1:2" }],
  ["a file without a time, where the listing told one", known, { kind: "file", path, size: 3, revision: "r1" }],
  ["a file without a revision", known, { kind: "file", path, size: 3, modified: 5000 }],
  ["a time within the coarser step", { ...known, timeStep: 60_000 }, { ...known, modified: 64_999 }],
  ["a folder of another time", dir, { ...dir, modified: 2 }],
  ["the same link", link, { ...link }],
];
for (const [what, expect, found] of same) {
  Deno.test(`describeMismatch() takes ${what}`, () => assert.equal(describeMismatch(expect, found), undefined));
}

const other: readonly (readonly [string, Entry | "absent", Entry | undefined])[] = [
  ["anything where nothing is expected", "absent", known],
  ["nothing where a file is expected", known, undefined],
  ["a file of another size", known, { ...known, size: 4 }],
  ["a file of another time", known, { ...known, modified: 5001 }],
  ["a file of another revision", known, { ...known, revision: "r2" }],
  ["a folder for a file", known, dir],
  ["a link for a file", known, link],
  ["a file for a folder", dir, known],
  ["a link to elsewhere", link, { ...link, target: "b" }],
];
for (const [what, expect, found] of other) {
  Deno.test(`describeMismatch() refuses ${what}`, () => assert.equal(typeof describeMismatch(expect, found), "string"));
}
