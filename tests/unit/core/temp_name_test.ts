import assert from "node:assert/strict";
import { toRelPath } from "../../../lib/core/path.ts";
import { tempPath, tempTag, tempTarget, undottedTempPath } from "../../../lib/core/temp_name.ts";

const tag = "0123456789abcdef";

Deno.test("tempPath() stands beside the target, hidden, with its tag", () => {
  assert.equal(tempPath(toRelPath("dir/a.txt"), tag), "dir/.a.txt.tandem-0123456789abcdef");
  assert.equal(tempPath(toRelPath("a.txt"), tag), ".a.txt.tandem-0123456789abcdef");
});

Deno.test("tempPath() of a long name is cut between characters, to the limit", () => {
  const temp = tempPath(toRelPath("\u{1f600}".repeat(63)), tag);
  assert.equal(new TextEncoder().encode(temp).length, 253);
  assert.ok(temp.isWellFormed());
  assert.equal(new TextEncoder().encode(tempPath(toRelPath("x".repeat(255)), tag, 143)).length, 143);
});

Deno.test("tempTag() knows temporary names of ours by their whole form", () => {
  assert.equal(tempTag(".a.tandem-0123456789abcdef"), tag);
  assert.equal(tempTag("x/.a.b.tandem-0123456789abcdef"), tag);
  for (
    const other of [
      "a.tandem-0123456789abcdef",
      ".a.tandem-0123456789abcde",
      ".a.tandem-0123456789abcdef0",
      ".a.tandem-0123456789ABCDEF",
      ".a.tandem-0123456789abcdef/b",
      "..tandem-0123456789abcdef",
      ".tandem-trash",
      "",
    ]
  ) {
    assert.equal(tempTag(other), undefined, other);
  }
});

Deno.test("undottedTempPath() is known again by its tag and its target, and no name like it is", () => {
  for (const name of ["a.txt", "dir/a.txt", "dir/ä b", "a.tandem-0123456789abcdef"]) {
    const temp = undottedTempPath(toRelPath(name), tag);
    assert.match(temp, new RegExp(`^${name}\\.tandem-${tag}-[0-9a-f]{8}$`));
    assert.deepEqual([tempTag(temp), tempTarget(temp)], [tag, name]);
    const other = temp.slice(0, -1) + (temp.endsWith("0") ? "1" : "0");
    for (const foreign of [other, temp.slice(0, -9), `x${temp}`, `${temp}.bak`, temp.replace(tag, "f".repeat(16))]) {
      const isBelow = foreign.startsWith("xdir/");
      assert.equal(tempTag(foreign), isBelow ? tag : undefined, foreign);
    }
  }
});

Deno.test("undottedTempPath() of a long name is cut between characters, to the limit", () => {
  const temp = undottedTempPath(toRelPath("\u{1f600}".repeat(63)), tag);
  assert.ok(new TextEncoder().encode(temp).length <= 255 && temp.isWellFormed());
  assert.equal(new TextEncoder().encode(undottedTempPath(toRelPath("x".repeat(255)), tag, 143)).length, 143);
  assert.equal(tempTag(temp), tag);
});
