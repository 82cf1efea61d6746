import assert from "node:assert/strict";
import { keyOf, parseKey, parsePrefix, resolveRootKey } from "../../../../lib/backends/gcs/keys.ts";
import { parseObject } from "../../../../lib/backends/gcs/object.ts";
import { root, toRelPath } from "../../../../lib/core/path.ts";

function spelled(key: string, size = 1) {
  const object = parseObject({ name: key, size: String(size), generation: "1", metageneration: "1" });
  const { dirs, entry } = parseKey(root, key, object);
  return [...dirs, ...(entry === undefined ? [] : [`${entry.kind} ${entry.path}`])];
}

Deno.test("spell() gives the folders on the way to a file, and the file", () => {
  assert.deepEqual(spelled("f"), ["file f"]);
  assert.deepEqual(spelled("a/b/f"), ["a", "a/b", "file a/b/f"]);
});

Deno.test("spell() takes an empty object that ends in a slash for its folder, one with content for a failure", () => {
  assert.deepEqual(spelled("a/b/", 0), ["a", "a/b"]);
  assert.deepEqual(spelled("a/", 5), ["a", "opaque a/(empty)"]);
});

Deno.test("spell() leaves the tree where a key can be no path (NM-10)", () => {
  assert.deepEqual(spelled("a//b"), ["a", "opaque a/(empty)"]);
  assert.deepEqual(spelled("/a"), ["opaque (empty)"]);
  assert.deepEqual(spelled("a/./b"), ["a", "opaque a/."]);
  assert.deepEqual(spelled("a/../../etc"), ["a", "opaque a/.."]);
  assert.deepEqual(spelled("../x"), ["opaque .."]);
  assert.deepEqual(spelled("a/line\nbreak"), ["a", "opaque a/line\\u000abreak"]);
  assert.deepEqual(spelled("//", 0), ["opaque (empty)"]);
  assert.equal(parsePrefix(root, "/").kind, "opaque");
  assert.deepEqual(parsePrefix(toRelPath("d"), "e/"), { kind: "dir", path: "d/e" });
});

Deno.test("rootKey() finds folders of a bucket, and none with an empty name", () => {
  assert.equal(resolveRootKey("", ""), "");
  assert.equal(resolveRootKey("", "/"), "");
  assert.equal(resolveRootKey("", "/a/b/"), "a/b");
  assert.equal(resolveRootKey("a/b", "c"), "a/b/c");
  assert.equal(resolveRootKey("a/b", "/c"), "c");
  assert.equal(resolveRootKey("a/b", "../c/."), "a/c");
  assert.equal(resolveRootKey("a", "../../.."), "");
  for (const wrong of ["//a", "/a//b", "a//"]) assert.equal(resolveRootKey("", wrong), undefined, wrong);
});

Deno.test("keyOf() puts a path below the root's key", () => {
  assert.equal(keyOf("", toRelPath("a/b")), "a/b");
  assert.equal(keyOf("site", toRelPath("a")), "site/a");
  assert.equal(keyOf("site", root), "site");
});
