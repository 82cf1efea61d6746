import assert from "node:assert/strict";
import { toRelPath } from "../../../lib/core/path.ts";
import { readDisk, readTree, tree, usualTime } from "../../support/trees/tree.ts";

const literal = {
  "a.txt": "x",
  "dir/": {},
  "full/deep/b": "\u00e9",
  "full/l": { link: "deep/b" },
};

Deno.test("tree() names every folder in its entries, in the order of paths", () => {
  assert.deepEqual(tree(literal).entries.map((entry) => `${entry.kind} ${entry.path}`), [
    "file a.txt",
    "dir dir",
    "dir full",
    "dir full/deep",
    "file full/deep/b",
    "link full/l",
  ]);
});

Deno.test("tree() takes facts of files, and content from text or from size", () => {
  const [a, b] = tree({ a: { size: 3, modified: 10, mode: 0o600 }, b: { text: "1234", revision: "r9" } }).entries;
  assert.deepEqual(a, { kind: "file", path: "a", size: 3, modified: 10, mode: 0o600 });
  assert.deepEqual(b, { kind: "file", path: "b", size: 4, modified: usualTime, revision: "r9" });
});

Deno.test("tree() makes a snapshot, a memory backend and a disk folder that read back as the literal", async () => {
  const made = tree(literal);
  assert.equal(made.snapshot().get(toRelPath("full/deep/b"))?.kind, "file");
  assert.deepEqual(await readTree(made.memory()), literal);
  const disk = await Deno.makeTempDir();
  await made.disk(disk);
  assert.deepEqual(await readDisk(disk), literal);
  assert.deepEqual((await readDisk(disk, { times: true }))["a.txt"], { text: "x", modified: usualTime });
  await Deno.remove(disk, { recursive: true });
});
