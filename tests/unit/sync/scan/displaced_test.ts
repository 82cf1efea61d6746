import assert from "node:assert/strict";
import { toRelPath } from "../../../../lib/core/path.ts";
import { isDisplaced, resolveDisplaced } from "../../../../lib/sync/scan/displaced.ts";
import { displacedTag, tempPath } from "../../../../lib/core/temp_name.ts";
import type { FileEntry } from "../../../../lib/core/entry.ts";

const partial = "0123abcd";
const tag = `${partial}00112233`;
const file = (path: string, size = 1): FileEntry => ({ kind: "file", path: toRelPath(path), size, modified: 5 });
const aside = (path: string) => file(tempPath(toRelPath(path), displacedTag(tag)));

Deno.test("isDisplaced() knows the old versions of this pair alone", () => {
  assert.ok(isDisplaced(aside("d/f"), partial));
  assert.ok(!isDisplaced(aside("d/f"), "ffffffff"));
  assert.ok(!isDisplaced(file(tempPath(toRelPath("d/f"), tag)), partial), "what a broken transfer left");
  assert.ok(!isDisplaced({ kind: "dir", path: aside("d/f").path }, partial));
  assert.ok(!isDisplaced(aside("n".repeat(250)), partial), "a name that was cut short");
});

Deno.test("settleDisplaced() shows an old version under its own name unless the new one is there", () => {
  assert.deepEqual(resolveDisplaced([aside("d/f")], [file("d/g")]), {
    entries: [file("d/f")],
    displaced: [{ from: aside("d/f").path, to: "d/f" }],
    leftovers: [],
  });
  assert.deepEqual(resolveDisplaced([aside("d/f")], [file("d/f", 9)]), {
    entries: [],
    displaced: [],
    leftovers: [aside("d/f").path],
  });
});

Deno.test("settleDisplaced() gives one of two old versions the name, and leaves the other alone", () => {
  const other = file(tempPath(toRelPath("f"), displacedTag(`${partial}44556677`)));
  const settled = resolveDisplaced([aside("f"), other], []);
  assert.deepEqual(settled.entries.map(({ kind, path }) => [kind, path]), [["file", "f"], ["opaque", other.path]]);
  assert.deepEqual(settled.leftovers, []);
});
