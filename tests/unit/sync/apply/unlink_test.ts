import assert from "node:assert/strict";
import { SyncError } from "../../../../lib/core/errors.ts";
import { toRelPath } from "../../../../lib/core/path.ts";
import type { DirEntry } from "../../../../lib/core/entry.ts";
import { withOverrides } from "../../../support/stacked.ts";
import { applied, brief, entryAt, failure, fileAt, pair, remove, texts, upload } from "../fixtures.ts";

const there = { "l/x": "1", "l/in/y": "2", "d/z": "3" };

async function removals(sides: ReturnType<typeof pair>, ...paths: readonly string[]) {
  return await Promise.all(paths.map(async (path) => remove(await entryAt(sides.remote, path))));
}

Deno.test("apply() asks for a folder that goes whole whether it is a link, before anything in it is removed", async () => {
  const sides = pair({}, there);
  const asked: string[] = [];
  const remote = withOverrides(sides.remote, {
    removeLink: (_inner, { path }: DirEntry) => {
      asked.push(path);
      assert.deepEqual(sides.remote.operations, []);
      return Promise.resolve(path === "l");
    },
  });
  const actions = await removals(sides, "l", "l/x", "l/in", "l/in/y", "d", "d/z");
  const { events, end } = await applied(actions, { local: sides.local, remote });
  assert.deepEqual(asked.toSorted(), ["d", "l"]);
  assert.deepEqual(sides.remote.operations.map((one) => `${one.do} ${one.path}`), ["remove d/z", "remove d"]);
  assert.deepEqual(
    brief(events).toSorted(),
    ["d", "d/z", "l", "l/in", "l/in/y", "l/x"].map((path) => `done remove ${path}`),
  );
  assert.equal(end.failures, 0);
});

Deno.test("apply() asks for each folder in a folder that goes, from the top down, but for none behind a link", async () => {
  const sides = pair({}, { "a/l/in/x": "1", "a/b/y": "2" });
  const asked: string[] = [];
  const remote = withOverrides(sides.remote, {
    removeLink: (_inner, { path }: DirEntry) => {
      asked.push(path);
      return Promise.resolve(path === "a/l");
    },
  });
  const actions = await removals(sides, "a", "a/l", "a/l/in", "a/l/in/x", "a/b", "a/b/y");
  await applied(actions, { local: sides.local, remote });
  assert.deepEqual([asked[0], asked.slice(1).toSorted()], ["a", ["a/b", "a/l"]]);
  assert.ok(!sides.remote.operations.some((one) => one.do === "remove" && one.path.startsWith("a/l")));
});

Deno.test("apply() leaves a link that is to be left alone with all that seems to be in it: one failure", async () => {
  const sides = pair({}, there);
  const refused = new SyncError("refused", "it is a link", { operation: "remove" });
  const remote = withOverrides(sides.remote, { removeLink: () => Promise.reject(refused) });
  const { events } = await applied(await removals(sides, "l", "l/x", "l/in", "l/in/y"), { local: sides.local, remote });
  assert.equal(failure(events), refused);
  assert.deepEqual(brief(events), ["failed remove l", "held remove l/x", "held remove l/in/y", "held remove l/in"]);
  assert.deepEqual(sides.remote.operations, []);
});

Deno.test("apply() asks no link of a folder from which only some files go, nor where a backend has no such links", async () => {
  const sides = pair({}, there);
  const remote = withOverrides(sides.remote, { removeLink: () => Promise.reject(new Error("not asked")) });
  await applied(await removals(sides, "l/x"), { local: sides.local, remote });
  await applied(await removals(sides, "d", "d/z"), sides);
  assert.deepEqual(await texts(sides.remote), { "l": null, "l/in": null, "l/in/y": "2" });
});

Deno.test("apply() removes a link in a file's place, and none of what it points to", async () => {
  const sides = pair({ "l": "file" }, { "l/x": "1" });
  const remote = withOverrides(sides.remote, {
    removeLink: (_inner, { path }: DirEntry) => {
      assert.equal(path, "l");
      assert.deepEqual(sides.remote.operations.map((one) => one.do), ["write"]);
      return Promise.resolve(true);
    },
  });
  const replaces = await entryAt(sides.remote, "l");
  const actions = [upload("l", await fileAt(sides.local, "l"), replaces), ...await removals(sides, "l/x")];
  const { events } = await applied(actions, { local: sides.local, remote });
  assert.ok(brief(events).includes("done remove l/x"));
  assert.ok(!sides.remote.operations.some((one) => one.do === "remove" && one.path === toRelPath("l/x")));
});
