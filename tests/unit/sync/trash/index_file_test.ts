import assert from "node:assert/strict";
import fc from "npm:fast-check@4.10.2";
import { toRelPath } from "../../../../lib/core/path.ts";
import { appendLine, compactIndex, readIndex } from "../../../../lib/sync/trash/index_file.ts";
import {
  goneLine,
  itemLine,
  parseIndex,
  toRunName,
  toTrashPath,
  type TrashItem,
} from "../../../../lib/sync/trash/index.ts";

const home = "/state/trash";
const pair = "0123456789abcdef0123456789abcdef";
const when = Date.UTC(2026, 10, 21, 10, 32, 5);
const run = toRunName(when, "local");
const place = { home, pair };
const item: TrashItem = {
  id: "0123456789",
  pair,
  side: "local",
  path: toRelPath("d/b"),
  kind: "file",
  size: 4,
  modified: 1_700_000_000_000.5,
  why: "conflict",
  winner: "remote",
  when,
  session: "sftp://u@web1",
  root: "/data",
  disk: "/data",
  host: "disk",
  at: `${home}/${pair}/${run}/d/b`,
};
const onServer: TrashItem = { ...item, host: "server", at: `/home/u/.tandem-trash/${pair}/${run}/d/b` };

/** The line with some fields as no run writes them; undefined takes a field away. */
function forged(changes: Readonly<Record<string, unknown>>, from: TrashItem = item): string {
  return `${JSON.stringify({ ...from, ...changes })}\n`;
}

Deno.test("parseIndex() gives the items that were kept and not taken back, and says nothing of a line that was cut off", () => {
  const other = { ...item, id: "aaaaaaaaaa", path: toRelPath("a"), at: `${home}/${pair}/${run}/a` };
  const text = itemLine(item) + itemLine(other) + goneLine(other.id) +
    itemLine(onServer).replace("0123456789", "bbbbbbbbbb") +
    itemLine(other).slice(0, 40);
  assert.deepEqual(parseIndex(text, place), { items: [item, { ...onServer, id: "bbbbbbbbbb" }], refused: 0 });
});

const forgeries: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  "a path that leaves the root": { path: "../victim" },
  "a path that leaves it further down": { path: "d/../../victim", at: `${home}/${pair}/${run}/d/../../victim` },
  "a path that leaves its run, as its place does": { path: "d/../../victim", at: `${home}/${pair}/victim` },
  "a path with a dot that its place lacks": { path: "d/./b" },
  "an absolute path": { path: "/etc/passwd" },
  "no path": { path: "" },
  "a path with a control character": { path: "d\u001b/b" },
  "a path that is no text": { path: ["d", "b"] },
  "another pair": { pair: "f".repeat(32) },
  "a pair that is a way": { pair: "../../x" },
  "an id that is none": { id: "../../../a" },
  "an unknown side": { side: "both" },
  "an unknown kind": { kind: "dir" },
  "an unknown reason": { why: "because" },
  "an unknown winner": { winner: 1 },
  "an unknown host": { host: "elsewhere" },
  "a size below nothing": { size: -1 },
  "a size that is no whole number": { size: 0.5 },
  "a time that no calendar has": { when: 1e300 },
  "a time of an edit that is none": { modified: "now" },
  "a session with a line break": { session: "sftp://u@web1\n" },
  "a relative folder": { disk: "data" },
  "a folder with a way up": { disk: "/data/../etc" },
  "a place elsewhere": { at: "/etc/passwd" },
  "a place of another run": { at: `${home}/${pair}/other/d/b` },
  "a place of another path": { at: `${home}/${pair}/${run}/d/c` },
  "a place that only ends alike": { at: `/x${pair}/${run}/d/b` },
  "a missing field": { root: undefined },
};
for (const [what, changes] of Object.entries(forgeries)) {
  Deno.test(`parseIndex() refuses ${what}`, () => {
    assert.deepEqual(parseIndex(forged(changes), place), { items: [], refused: 1 });
  });
}

Deno.test("parseIndex() refuses what is JSON and no item", () => {
  for (const line of ["null", "1", '"a"', "[]", "{}", '{"gone":1}', '{"__proto__":{"gone":"a"}}']) {
    assert.deepEqual(parseIndex(`${line}\n`, place), { items: [], refused: 1 }, line);
  }
});

Deno.test("parseIndex() refuses a place on a server that its path does not lead to", () => {
  for (
    const at of ["", "x", `/${pair}/${run}/d/../d/b`, `/a/../${pair}/${run}/d/b`, `//${pair}/${run}/d/b`, "/etc/b"]
  ) {
    assert.deepEqual(parseIndex(forged({ at }, onServer), place), { items: [], refused: 1 }, at);
  }
  assert.equal(parseIndex(forged({ at: `/${pair}/${run}/d/b` }, onServer), place).items.length, 1);
});

Deno.test("parseIndex() finds what lies in a trash folder that was moved along, in the root and next to it", () => {
  const places: Readonly<Record<string, string>> = {
    [`/old/place/${pair}/${run}/d/b`]: `${home}/${pair}/${run}/d/b`,
    [`/data/.tandem-trash/${pair}/${run}/d/b`]: `/data/.tandem-trash/${pair}/${run}/d/b`,
    [`/.tandem-trash/${pair}/${run}/d/b`]: `/.tandem-trash/${pair}/${run}/d/b`,
    [`/etc/.tandem-trash/${pair}/${run}/d/b`]: `${home}/${pair}/${run}/d/b`,
  };
  for (const [at, found] of Object.entries(places)) {
    assert.equal(parseIndex(forged({ at }), place).items[0]?.at, found);
  }
});

Deno.test("parseIndex() believes no place outside of a trash folder, whatever a line says", () => {
  const words = fc.constantFrom(
    "..",
    ".",
    "",
    "a",
    "d/b",
    "/",
    "/etc",
    home,
    pair,
    run,
    "local",
    "remote",
    "disk",
    "server",
    ".tandem-trash",
  );
  const way = fc.array(words, { maxLength: 6 }).map((parts) => parts.join("/"));
  const value = fc.oneof(way, fc.jsonValue(), fc.constantFrom(when, 0, -1));
  const fields = fc.constantFrom(...Object.keys(item));
  fc.assert(
    fc.property(fc.dictionary(fields, value, { maxKeys: 4 }), fc.constantFrom(item, onServer), (changes, from) => {
      const { items, refused } = parseIndex(forged(changes, from), place);
      assert.equal(items.length + refused, 1);
      for (const found of items) {
        const tail = `/${pair}/${toRunName(found.when, found.side)}/${toRelPath(found.path)}`;
        assert.ok(found.at.endsWith(tail) && !found.at.split("/").includes(".."), found.at);
        if (found.host === "server") continue;
        const { base } = toTrashPath(found);
        assert.ok(base === home || base.endsWith("/.tandem-trash"), base);
      }
    }),
    { numRuns: 3000 },
  );
});

async function within(test: (home: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "tandem-index-" });
  try {
    await test(`${folder}/trash`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("appendLine() makes an index for this user alone, and is read after a line that was cut off", () =>
  within(async (home) => {
    const here = { ...item, at: `${home}/${pair}/${run}/d/b` };
    await appendLine({ home, pair }, itemLine(here).slice(0, 50));
    await appendLine({ home, pair }, itemLine(here));
    assert.deepEqual(await readIndex({ home, pair }), { items: [here], refused: 0 });
    if (Deno.build.os === "windows") return;
    const modes = [home, `${home}/${pair}.jsonl`].map((path) => (Deno.statSync(path).mode ?? 0) & 0o777);
    assert.deepEqual(modes, [0o700, 0o600]);
  }));

Deno.test("tidyIndex() drops what is no more, and nothing as long as a line is refused", () =>
  within(async (home) => {
    const index = { home, pair };
    const here = { ...item, at: `${home}/${pair}/${run}/d/b` };
    const file = `${home}/${pair}.jsonl`;
    await appendLine(index, itemLine(here));
    for (let i = 0; i < 40; i++) {
      await appendLine(index, itemLine({ ...here, id: "aaaaaaaaaa" }) + goneLine("aaaaaaaaaa"));
    }
    await appendLine(index, forged({ path: "../victim" }));
    const full = await Deno.readTextFile(file);
    await compactIndex(index);
    assert.equal(await Deno.readTextFile(file), full);
    await Deno.writeTextFile(file, full.replace("../victim", "x").replace(forged({ path: "x" }), ""));
    await compactIndex(index);
    assert.deepEqual(await readIndex(index), { items: [here], refused: 0 });
    assert.equal((await Deno.readTextFile(file)).split("\n").length, 2);
  }));

const foreignIndexes: Readonly<Record<string, (file: string, home: string) => Promise<void>>> = {
  "that is a link": async (file) => {
    await Deno.rename(file, `${file}.else`);
    await Deno.symlink(`${file}.else`, file);
  },
  "that others may write to": (file) => Deno.chmod(file, 0o622),
  "in a folder that others may write to": (_, home) => Deno.chmod(home, 0o777),
  "in a folder that is a link": async (_, home) => {
    await Deno.rename(home, `${home}.else`);
    await Deno.symlink(`${home}.else`, home);
  },
};
for (const [what, change] of Object.entries(foreignIndexes)) {
  Deno.test({
    name: `readIndex() and appendLine() refuse an index ${what}`,
    ignore: Deno.build.os === "windows",
    fn: () =>
      within(async (home) => {
        const index = { home, pair };
        await appendLine(index, goneLine("a"));
        const before = await Deno.readTextFile(`${home}/${pair}.jsonl`);
        await change(`${home}/${pair}.jsonl`, home);
        await assert.rejects(readIndex(index), { kind: "refused" });
        await assert.rejects(appendLine(index, goneLine("b")), { kind: "refused" });
        assert.equal(await Deno.readTextFile(`${home}/${pair}.jsonl`), before);
      }),
  });
}
