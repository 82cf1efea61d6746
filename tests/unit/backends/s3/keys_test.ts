import assert from "node:assert/strict";
import { KeyParser, type ListedObject, toPrefix } from "../../../../lib/backends/s3/keys.ts";
import { toRelPath } from "../../../../lib/core/path.ts";
import { toSnapshot } from "../../../../lib/sync/scan/snapshot.ts";
import type { Entry } from "../../../../lib/core/entry.ts";

function read(keys: readonly (string | ListedObject)[], prefix = ""): readonly Entry[] {
  const reader = new KeyParser(prefix);
  return keys.flatMap((
    one,
  ) => [...reader.parseObject(typeof one === "string" ? { key: one, size: 1, etag: "e" } : one)]);
}

const brief = (entries: readonly Entry[]) =>
  entries.map((entry) => `${entry.kind} ${entry.path}${entry.kind === "opaque" ? ` (${entry.cause})` : ""}`);

Deno.test("KeyReader gives files behind the folders that they imply, each folder once", () => {
  assert.deepEqual(brief(read(["a", "d/e/f", "d/e/g", "d/h"])), [
    "file a",
    "dir d",
    "dir d/e",
    "file d/e/f",
    "file d/e/g",
    "file d/h",
  ]);
});

Deno.test("KeyReader gives size and revision, and paths below its prefix", () => {
  assert.deepEqual(read([{ key: "site/a", size: 7, etag: "x" }], toPrefix("/site")), [
    { kind: "file", path: "a", size: 7, revision: "x" },
  ]);
});

Deno.test("KeyReader takes a marker for a folder, and its own root's for nothing", () => {
  const marker = (key: string) => ({ key, size: 0, etag: "e" });
  assert.deepEqual(brief(read([marker("p/"), marker("p/d/"), marker("p/d/e/")], "p/")), ["dir d", "dir d/e"]);
});

const odd: readonly (readonly [string, string])[] = [
  ["a//b", "a/\u2215b"],
  ["/a", "\u2215a"],
  ["a/./b", "a/.\u2215b"],
  ["a/../b", "a/..\u2215b"],
  ["../../x", "..\u2215..\u2215x"],
  ["..", ".."],
  ["a/", "a/(empty)"],
  ["//", "\u2215\u2215"],
  ["a/\u0001", "a/\\u0001"],
  ["a\u0000b/c", "a\\u0000b\u2215c"],
  ["bad\ufffd", "bad\ufffd"],
];

for (const [key, shown] of odd) {
  Deno.test(`NM-10 SE-09 SE-22 the key ${JSON.stringify(key)} is reported and never a path`, () => {
    const found = read([{ key, size: 3, etag: "e" }]).filter((entry) => entry.kind !== "dir");
    assert.deepEqual(found.map(({ kind, path }) => [kind, path]), [["opaque", shown]]);
    assert.ok(found[0]?.kind === "opaque" && found[0].cause === "name" && found[0].why !== "");
  });
}

Deno.test("NM-10 a key of 1024 bytes is a file like any other", () => {
  const key = Array.from({ length: 4 }, () => "n".repeat(255)).join("/") + "x";
  assert.equal(new TextEncoder().encode(key).length, 1024);
  assert.deepEqual(read([key]).at(-1)?.kind, "file");
});

Deno.test("HG-04 keys in the order of UTF-8 bytes make the same snapshot as in that of UTF-16 units", () => {
  const names = ["a", "\u{1f600}", "\uff5e", "\ue000", "z/\u{10000}", "z/\uffee"];
  const encoder = new TextEncoder();
  const byBytes = names.toSorted((a, b) => {
    const [x, y] = [encoder.encode(a), encoder.encode(b)];
    const at = x.findIndex((byte, i) => byte !== y[i]);
    return (x[at] ?? -1) - (y[at] ?? -1);
  });
  assert.notDeepEqual(byBytes, names.toSorted());
  const snapshot = toSnapshot(read(byBytes));
  assert.deepEqual(Array.from(snapshot, ({ path }) => path), Array.from(toSnapshot(read(names)), ({ path }) => path));
  for (const name of names) assert.equal(snapshot.get(toRelPath(name))?.kind, "file");
});

Deno.test("NM-11 an object beside a folder of its name gives the path twice, for the scan to report", () => {
  assert.deepEqual(brief(read(["a", "a/b"])), ["file a", "dir a", "file a/b"]);
});
