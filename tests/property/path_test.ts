import assert from "node:assert/strict";
import { posix, win32 } from "node:path";
import fc from "npm:fast-check@4.10.2";
import { diskPath } from "../../lib/backends/local/names.ts";
import {
  checkName,
  comparePaths,
  escapeForDisplay,
  foldPath,
  nameOf,
  parentOf,
  root,
  toRelPath,
} from "../../lib/core/path.ts";
import { tempPath, tempTag } from "../../lib/core/temp_name.ts";
import { runs } from "../support/runs.ts";

const options = { numRuns: runs(2000, 100_000) };
/** Names out of what has fooled tools before, and anything at all. */
const hostile = fc.string({
  unit: fc.constantFrom(
    ...[
      "",
      ".",
      "..",
      "/",
      "\\",
      ":",
      "%2f",
      "\0",
      "\n",
      "\x1b",
      "\x9b",
      "\u00e9",
      "e\u0301",
      "\u212a",
      "CON",
      "nul",
      " ",
      "a",
      "A",
    ],
    ...["\ufffd", "\ud800", "\u202e", "\u00b9", "COM1", "$", "?", "*", "~", "\uff0e", "\u{1f600}"],
  ),
  maxLength: 6,
});
const names = fc.oneof(hostile, fc.string({ unit: "binary", maxLength: 20 }), fc.string({ maxLength: 300 }));
const good = names.filter((name) => checkName(root, name).ok);
const paths = fc.array(good, { minLength: 1, maxLength: 4 }).map((all) => toRelPath(all.join("/")));
const rules = fc.record({ caseSensitive: fc.boolean(), normalizes: fc.boolean() });

Deno.test("gate() refuses a name, or gives a path that stays inside and leads back to that name", () => {
  fc.assert(
    fc.property(paths, names, (dir, name) => {
      const gated = checkName(dir, name);
      if (!gated.ok) return void assert.equal(escapeForDisplay(nameOf(gated.displayPath)), nameOf(gated.displayPath));
      assert.equal(nameOf(gated.path), name);
      assert.equal(parentOf(gated.path), dir);
      assert.equal(posix.resolve("/root/here", gated.path), `/root/here/${dir}/${name}`);
      assert.equal(toRelPath(gated.path), gated.path);
    }),
    options,
  );
});

Deno.test("diskPath() is refused, or inside the root under exactly its own name, on both systems", () => {
  fc.assert(
    fc.property(paths, (path) => {
      assert.equal(posix.resolve(diskPath(posix, "/root/here", path)), `/root/here/${path}`);
      const full = attempt(() => diskPath(win32, "C:\\root\\here", path));
      if (full === undefined) return;
      assert.equal(win32.resolve(full), full);
      assert.equal(win32.relative("C:\\root\\here", full).replaceAll("\\", "/"), path);
    }),
    options,
  );
});

Deno.test("diskPath() gives two paths two places", () => {
  fc.assert(
    fc.property(paths, paths, (a, b) => {
      const [x, y] = [a, b].map((path) => attempt(() => diskPath(win32, "C:\\", path)));
      assert.equal(x === y && x !== undefined, a === b && x !== undefined);
    }),
    options,
  );
});

Deno.test("comparePaths() is a total order that keeps every folder before and beside what it holds", () => {
  fc.assert(
    fc.property(paths, paths, paths, (a, b, c) => {
      assert.equal(Math.sign(comparePaths(a, b)), -Math.sign(comparePaths(b, a)));
      assert.equal(comparePaths(a, b) === 0, a === b);
      if (comparePaths(a, b) < 0 && comparePaths(b, c) < 0) assert.ok(comparePaths(a, c) < 0);
      assert.ok(parentOf(a) === root || comparePaths(parentOf(a), a) < 0);
    }),
    options,
  );
});

Deno.test("foldPath() is stable, and keeps the segments apart", () => {
  fc.assert(
    fc.property(paths, rules, (path, how) => {
      const key = foldPath(path, how);
      assert.equal(foldPath(key, how), key);
      assert.equal(key.split("/").length, path.split("/").length);
    }),
    options,
  );
});

Deno.test("printable() leaves nothing to act on and is stable", () => {
  fc.assert(
    fc.property(names, (name) => {
      const shown = escapeForDisplay(name);
      assert.equal(escapeForDisplay(shown), shown);
      assert.ok(shown.isWellFormed());
      // deno-lint-ignore no-control-regex
      assert.doesNotMatch(shown, /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/);
    }),
    options,
  );
});

Deno.test("tempPath() is a name of its own beside the target, that fits and tells its tag", () => {
  const tags = fc.stringMatching(/^[0-9a-f]{16}$/);
  fc.assert(
    fc.property(paths, tags, fc.integer({ min: 60, max: 255 }), (path, tag, maxBytes) => {
      const temp = tempPath(path, tag, maxBytes);
      assert.equal(parentOf(temp), parentOf(path));
      assert.ok(new TextEncoder().encode(nameOf(temp)).length <= maxBytes);
      assert.ok(checkName(parentOf(path), nameOf(temp)).ok);
      assert.equal(tempTag(temp), tag);
      assert.notEqual(temp, path);
    }),
    options,
  );
});

function attempt(work: () => string): string | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
