import assert from "node:assert/strict";
import { memory } from "../../../../lib/backends/memory/mod.ts";
import { type RelPath, toRelPath } from "../../../../lib/core/path.ts";
import { Relisting } from "../../../../lib/sync/common/relisting.ts";
import { withOverrides } from "../../../support/stacked.ts";

const signal = new AbortController().signal;

for (const stray of ["other/f", "d/e/f", "../f", "/d/f", "d", ""]) {
  Deno.test(`a second listing of a folder that names ${JSON.stringify(stray)} proves nothing of what it lacks`, async () => {
    const entry = { kind: "file", path: stray as RelPath, size: 1 } as const;
    const backend = withOverrides(memory(), { list: () => Promise.resolve([entry]) });
    const relisting = new Relisting(backend, { signal, key: (path) => path.toLowerCase() });
    await assert.rejects(relisting.find(toRelPath("d/f")), { kind: "unexpected" });
  });
}

Deno.test("a second listing finds an entry, and one under the same key", async () => {
  const entry = { kind: "file", path: toRelPath("d/F"), size: 1 } as const;
  const backend = withOverrides(memory(), { list: () => Promise.resolve([entry]) });
  const relisting = new Relisting(backend, { signal, key: (path) => path.toLowerCase() });
  assert.equal(await relisting.find(toRelPath("d/f")), entry);
  assert.equal(await relisting.find(toRelPath("d/g")), undefined);
});

Deno.test("a second listing with a line that cannot be read proves nothing of what it lacks", async () => {
  const line = { kind: "opaque", path: toRelPath("d/line"), cause: "name", why: "a line", incomplete: true } as const;
  const entry = { kind: "file", path: toRelPath("d/f"), size: 1 } as const;
  const backend = withOverrides(memory(), { list: () => Promise.resolve([entry, line]) });
  const relisting = new Relisting(backend, { signal });
  await relisting.assertFoundOrAbsent(entry.path);
  await assert.rejects(relisting.assertFoundOrAbsent(toRelPath("d/g")), { kind: "unexpected", message: "a line" });
});
