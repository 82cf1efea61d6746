import assert from "node:assert/strict";
import { toRelPath } from "../../../lib/core/path.ts";
import { toConflictName } from "../../../lib/sync/conflict_name.ts";

const stamp = { host: "web1", now: Date.UTC(2026, 10, 21, 10, 32, 5) };

Deno.test("toConflictName() names host and time before the extension, in the same folder", () => {
  const name = (path: string, attempt = 0) => toConflictName(toRelPath(path), stamp, attempt);
  assert.equal(name("a/b.tar.gz"), "a/b.tar (conflict web1 2026-11-21 103205).gz");
  assert.equal(name("b"), "b (conflict web1 2026-11-21 103205)");
  assert.equal(name(".profile"), ".profile (conflict web1 2026-11-21 103205)");
  assert.equal(name("b.txt", 2), "b (conflict web1 2026-11-21 103205 3).txt");
});

Deno.test("toConflictName() keeps a name of 255 bytes within 255 bytes, cutting no character in two", () => {
  const name = toConflictName(toRelPath(`${"\u4e16".repeat(83)}.txt`), stamp, 0);
  const bytes = new TextEncoder().encode(name).length;
  assert.ok(bytes <= 255 && bytes > 252 && name.isWellFormed(), `${bytes} bytes: ${name}`);
  assert.ok(name.endsWith(" (conflict web1 2026-11-21 103205).txt"));
});

Deno.test("toConflictName() makes a host's odd name harmless", () => {
  const name = toConflictName(toRelPath("a"), { ...stamp, host: 'x/..\\y:"*?<>|' }, 0);
  assert.equal(name, "a (conflict x-..-y- 2026-11-21 103205)");
});
