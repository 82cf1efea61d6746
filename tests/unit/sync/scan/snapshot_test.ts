import assert from "node:assert/strict";
import fc from "npm:fast-check@4.10.2";
import { comparePaths, type RelPath, toRelPath } from "../../../../lib/core/path.ts";
import { toSnapshot } from "../../../../lib/sync/scan/snapshot.ts";
import type { Entry } from "../../../../lib/core/entry.ts";
import { runs } from "../../../support/runs.ts";

const file = (path: string): Entry => ({ kind: "file", path: toRelPath(path), size: 1 });
const dir = (path: string): Entry => ({ kind: "dir", path: toRelPath(path) });
const paths = (entries: readonly Entry[]) => Array.from(toSnapshot(entries), ({ path }) => path);

Deno.test("toSnapshot() puts a folder right before what it holds", () => {
  assert.deepEqual(paths([file("a b"), file("a/z"), file("a!"), dir("a"), file("a/b")]), [
    "a",
    "a/b",
    "a/z",
    "a b",
    "a!",
  ]);
});

Deno.test("toSnapshot() sorts what lies below a folder that is no entry", () => {
  assert.deepEqual(paths([file("b"), file("a/b/c"), file("a")]), ["a", "a/b/c", "b"]);
});

Deno.test("toSnapshot() keeps both of two entries of one path", () => {
  const twice = [dir("a"), file("a"), file("a/b")];
  assert.deepEqual(Array.from(toSnapshot(twice)), Array.from(toSnapshot(twice.toReversed())));
  assert.deepEqual(Array.from(toSnapshot(twice), ({ kind, path }) => [kind, path]), [["dir", "a"], ["file", "a"], [
    "file",
    "a/b",
  ]]);
});

Deno.test("toSnapshot() finds each entry by its path, and nothing else", () => {
  const entries = ["a", "a/b", "a/c", "a b", "é", "z"].map(file);
  const snapshot = toSnapshot(entries);
  for (const entry of entries) assert.equal(snapshot.get(entry.path), entry);
  for (const absent of ["", "a/", "a/bb", "b", "zz"]) assert.equal(snapshot.get(absent as RelPath), undefined);
});

Deno.test("toSnapshot() gives one order, that of comparePaths, whatever the order of the listing", () => {
  const name = fc.constantFrom("a", "b", "a b", "a.b", "é", "Z", "-");
  const tree = fc.uniqueArray(fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join("/")), {
    maxLength: 12,
  });
  fc.assert(
    fc.property(tree, fc.boolean(), fc.nat(), (leaves, withDirs, seed) => {
      const above = leaves.flatMap((path) => path.split("/").map((_, i, all) => all.slice(0, i).join("/")).slice(1));
      const dirs = withDirs ? [...new Set(above)].filter((path) => !leaves.includes(path)).map(dir) : [];
      const entries = [...leaves.map(file), ...dirs];
      const start = entries.length === 0 ? 0 : seed % entries.length;
      const turned = [...entries.slice(start), ...entries.slice(0, start)];
      assert.deepEqual(paths(turned), entries.map(({ path }) => path).sort(comparePaths));
    }),
    { numRuns: runs(300, 10_000), seed: 1 },
  );
});
