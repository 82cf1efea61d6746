import assert from "node:assert/strict";
import { toRelPath } from "../../../lib/core/path.ts";
import { toTempTag } from "../../../lib/sync/common/temp_tag.ts";
import { tempPath } from "../../../lib/core/temp_name.ts";
import { withOverrides } from "../../support/stacked.ts";
import {
  applied,
  brief,
  entryAt,
  fileAt,
  makeDir,
  NOON,
  owners,
  pair,
  plant,
  remove,
  texts,
  upload,
  uploads,
} from "./fixtures.ts";
import type { Action } from "../../../lib/core/plan.ts";

Deno.test("apply() puts a folder in the place of a file, and the file is gone at the end", async () => {
  const sides = pair({ "p/q/r": "new" }, { "p": "old" });
  const { events } = await applied(
    [makeDir("p", await entryAt(sides.remote, "p")), makeDir("p/q"), ...await uploads(sides, "p/q/r")],
    sides,
  );
  assert.deepEqual(brief(events), ["done makeDir p", "done makeDir p/q", "done copy p/q/r"]);
  assert.deepEqual(await texts(sides.remote), { "p": null, "p/q": null, "p/q/r": "new" });
});

Deno.test("apply() puts a folder in the place of a file where nothing can be renamed", async () => {
  const sides = pair({ "p/q": "new" }, { "p": "old" }, { lacks: ["rename"] });
  await applied([makeDir("p", await entryAt(sides.remote, "p")), ...await uploads(sides, "p/q")], sides);
  assert.deepEqual(await texts(sides.remote), { "p": null, "p/q": "new" });
});

Deno.test("apply() leaves the file in its place while something else failed", async () => {
  const sides = pair({ "a": "1", "p/q": "new" }, { "a": "came meanwhile", "p": "old" });
  const { events } = await applied(
    [...await uploads(sides, "a"), makeDir("p", await entryAt(sides.remote, "p")), ...await uploads(sides, "p/q")],
    sides,
  );
  assert.deepEqual(brief(events), ["failed copy a", "held makeDir p", "held copy p/q"]);
  assert.deepEqual(await texts(sides.remote), { "a": "came meanwhile", "p": "old" });
});

Deno.test("apply() keeps the file aside while the folder in its place is not filled", async () => {
  const sides = pair({ "p/q": "1", "p/r": "2" }, { "p": "old" });
  const seen = await entryAt(sides.remote, "p");
  const remote = withOverrides(sides.remote, {
    write: (inner, path, ...rest) => path === "p/q" ? Promise.reject(new Error("no room")) : inner.write(path, ...rest),
  });
  const { events } = await applied([makeDir("p", seen), ...await uploads(sides, "p/q", "p/r")], {
    local: sides.local,
    remote,
  }, { concurrency: 1 });
  assert.deepEqual(brief(events), ["done makeDir p", "failed copy p/q", "done copy p/r", "noted aside p"]);
  const left = Object.entries(await texts(sides.remote));
  assert.deepEqual(left.map(([, text]) => text).sort(), ["2", null, "old"].sort());
});

Deno.test("apply() moves no file aside that is no longer what the plan saw", async () => {
  const sides = pair({ "p/q": "new" }, { "p": "old" });
  const seen = await entryAt(sides.remote, "p");
  plant(sides.remote, { "p": "newer" }, NOON + 1000);
  const { events } = await applied([makeDir("p", seen), ...await uploads(sides, "p/q")], sides);
  assert.deepEqual(brief(events), ["failed makeDir p", "failed copy p/q"]);
  assert.deepEqual(await texts(sides.remote), { "p": "newer" });
});

for (const lacks of [[], ["rename"]] as const) {
  const where = lacks.length === 0 ? "" : " where nothing can be renamed";
  Deno.test(`apply() puts a file in the place of a folder${where}`, async () => {
    const sides = pair({ "d": "new" }, { "d/e/f": "old" }, { lacks });
    const removals = await Promise.all(["d/e", "d/e/f"].map(async (path) => remove(await entryAt(sides.remote, path))));
    const { events } = await applied(
      [upload("d", await fileAt(sides.local, "d"), await entryAt(sides.remote, "d")), ...removals],
      sides,
    );
    assert.deepEqual(brief(events), ["done remove d/e/f", "done remove d/e", "done copy d"]);
    assert.deepEqual(await texts(sides.remote), { "d": "new" });
  });
}

Deno.test("apply() leaves a folder that gained a file, and no trace of the file that was to take its place", async () => {
  const sides = pair({ "d": "new" }, { "d/f": "old" });
  const actions = [
    upload("d", await fileAt(sides.local, "d"), await entryAt(sides.remote, "d")),
    remove(await entryAt(sides.remote, "d/f")),
  ];
  plant(sides.remote, { "d/g": "somebody's" });
  const { events } = await applied(actions, sides);
  assert.deepEqual(brief(events), ["done remove d/f", "failed copy d"]);
  assert.deepEqual(await texts(sides.remote), { "d": null, "d/g": "somebody's" });
});

Deno.test("apply() leaves a folder alone, and no trace, when what was to take its place is held", async () => {
  const sides = pair({ "a": "1", "d": "new" }, { "a": "came meanwhile", "d/f": "old" });
  const { events } = await applied([
    ...await uploads(sides, "a"),
    upload("d", await fileAt(sides.local, "d"), await entryAt(sides.remote, "d")),
    remove(await entryAt(sides.remote, "d/f")),
  ], sides);
  assert.deepEqual(brief(events), ["failed copy a", "held remove d/f", "held copy d"]);
  assert.deepEqual(await texts(sides.remote), { "a": "came meanwhile", "d": null, "d/f": "old" });
});

Deno.test("apply() keeps the loser of a conflict before its place is taken", async () => {
  const sides = pair({ "a": "mine" }, { "a": "theirs" });
  const [mine, theirs] = [await fileAt(sides.local, "a"), await fileAt(sides.remote, "a")];
  const kept = toRelPath("a (conflict)");
  const { fileId: _fileId, ...second } = { ...mine, path: kept };
  const { end } = await applied([
    { do: "copy", to: "local", path: mine.path, why: "conflict", source: theirs, replaces: mine, backupPath: kept },
    { do: "copy", to: "remote", path: kept, why: "conflict", source: second },
  ], sides);
  assert.equal(end.failures, 0);
  const both = { "a": "theirs", "a (conflict)": "mine" };
  assert.deepEqual([await texts(sides.local), await texts(sides.remote)], [both, both]);
});

for (const lacks of [["rename"], ["rename", "copy"]] as const) {
  Deno.test(`apply() keeps the loser of a conflict without ${lacks.join(" and ")}`, async () => {
    const sides = pair({ "a": "mine" }, { "a": "theirs" }, { lacks });
    const [mine, theirs] = [await fileAt(sides.local, "a"), await fileAt(sides.remote, "a")];
    await applied([
      {
        do: "copy",
        to: "remote",
        path: mine.path,
        why: "conflict",
        source: mine,
        replaces: theirs,
        backupPath: toRelPath("k/a"),
      },
    ], sides);
    assert.deepEqual(await texts(sides.remote), { "a": "mine", "k": null, "k/a": "theirs" });
  });
}

Deno.test("apply() keeps a loser only as the plan saw it", async () => {
  const sides = pair({ "a": "mine" }, { "a": "theirs" });
  const [mine, theirs] = [await fileAt(sides.local, "a"), await fileAt(sides.remote, "a")];
  plant(sides.local, { "a": "changed" }, NOON + 1000);
  const { events } = await applied([
    {
      do: "copy",
      to: "local",
      path: mine.path,
      why: "conflict",
      source: theirs,
      replaces: mine,
      backupPath: toRelPath("k"),
    },
  ], sides);
  assert.deepEqual(brief(events), ["failed copy a"]);
  assert.deepEqual(await texts(sides.local), { "a": "changed" });
});

Deno.test("apply() puts away what is to be kept instead of removing it", async () => {
  const sides = pair({}, { "a": "old" });
  await applied([{ ...remove(await entryAt(sides.remote, "a")), backupPath: toRelPath("kept/a") } as Action], sides);
  assert.deepEqual(await texts(sides.remote), { "kept": null, "kept/a": "old" });
});

Deno.test("apply() removes leftovers of our own, but for what a failed transfer may be continued from", async () => {
  const sides = pair({ "a": "1", "b": "2" }, { "a": "came meanwhile" });
  const [a, b] = await uploads(sides, "a", "b");
  const useless = tempPath(toRelPath("x"), toTempTag(owners.remote, "partial", await fileAt(sides.local, "b")));
  const wanted = tempPath(toRelPath("a"), toTempTag(owners.remote, "partial", await fileAt(sides.local, "a")));
  plant(sides.remote, { [useless]: "half", [wanted]: "half" });
  assert.ok(a !== undefined && b !== undefined);
  const leftovers = { local: [], remote: [toRelPath(useless), toRelPath(wanted)] };
  await applied([a, b], sides, { leftovers });
  assert.deepEqual(await texts(sides.remote), { [wanted]: "half", "a": "came meanwhile", "b": "2" });
});
