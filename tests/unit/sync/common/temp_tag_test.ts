import assert from "node:assert/strict";
import { toRelPath } from "../../../../lib/core/path.ts";
import { toTempOwner, toTempTag } from "../../../../lib/sync/common/temp_tag.ts";
import { tempPath, tempTag } from "../../../../lib/core/temp_name.ts";
import type { FileEntry } from "../../../../lib/core/entry.ts";

const file: FileEntry = { kind: "file", path: toRelPath("a/b"), size: 3, modified: 1000 };

Deno.test("toOwner() gives the same owner for the same words, another for any other", () => {
  const one = toTempOwner(["me", "/here", "remote"]);
  assert.deepEqual(one, toTempOwner(["me", "/here", "remote"]));
  assert.notEqual(one.partial, toTempOwner(["me", "/here", "local"]).partial);
  assert.notEqual(one.partial, toTempOwner(["me/", "here", "remote"]).partial);
  assert.notEqual(one.partial, one.aside);
});

Deno.test("toTag() stands in a temporary name and is read back from it", () => {
  const tag = toTempTag(toTempOwner(["me"]), "partial", file);
  assert.match(tag, /^[0-9a-f]{16}$/);
  assert.equal(tempTag(tempPath(file.path, tag)), tag);
});

Deno.test("toTag() changes with every mark of the source's version", () => {
  const owner = toTempOwner(["me"]);
  const versions: readonly FileEntry[] = [
    file,
    { ...file, path: toRelPath("a/c") },
    { ...file, size: 4 },
    { ...file, modified: 1001 },
    { ...file, revision: "1" },
    { ...file, fileId: "1" },
  ];
  const tags = versions.map((version) => toTempTag(owner, "partial", version));
  assert.equal(new Set(tags).size, versions.length);
  assert.ok(tags.every((tag) => tag.startsWith(owner.partial)));
});

Deno.test("toTag() of a link changes with what it points to", () => {
  const link = { kind: "link", path: toRelPath("l"), target: "a" } as const;
  const owner = toTempOwner(["me"]);
  assert.notEqual(toTempTag(owner, "aside", link), toTempTag(owner, "aside", { ...link, target: "b" }));
});

Deno.test("toTag() cannot be told by the owner's part, which a name shows, and the version, which a server knows", () => {
  const [one, other] = [toTempOwner(["a secret", "/here"]), toTempOwner(["another secret", "/here"])];
  assert.notEqual(toTempTag({ ...other, partial: one.partial }, "partial", file), toTempTag(one, "partial", file));
  assert.ok(!toTempTag(one, "partial", file).includes(one.key.slice(0, 8)));
});
