import assert from "node:assert/strict";
import { toRelPath } from "../../../lib/core/path.ts";
import { isForeignLeftover } from "../../../lib/sync/scan/foreign_leftovers.ts";
import { ran, rejection, type Texts, texts } from "../sync/fixtures.ts";
import { memories, outcomeOf, put } from "./fixtures.ts";
import { both, inStep, notebook, remove } from "./two_way_fixtures.ts";

const leftovers = [
  "big.iso.filepart",
  ".unison.report.txt.4f3a.unison.tmp",
  ".syncthing.a.txt.tmp",
  "~syncthing~a.txt.tmp",
  ".~lock.budget.ods#",
  "film.mkv.part",
  "film.mkv.f3c1.partial",
  "~$budget.xlsx",
];

for (const name of leftovers) {
  Deno.test(`isForeignLeftover() knows ${name}, in any folder`, () => {
    assert.ok(isForeignLeftover(toRelPath(name)));
    assert.ok(isForeignLeftover(toRelPath(`d/e f/${name}`)));
  });
}

for (
  const name of [
    ...[
      "part",
      ".part",
      "d/.partial",
      "a.parts",
      "a.part/x",
      "~$",
      "d~$/x",
      "a~$b.txt",
      ".~lock.a",
      "#a#",
      "a.tmp",
      "x#",
    ],
    ...[".config.aB3dE6", "unison.tmp", "spart", "filepart", "a.part.txt", ".unison.x.unison.tmp.bak", "~$d/x.txt"],
  ]
) {
  Deno.test(`isForeignLeftover() takes ${name} for an ordinary file`, () => {
    assert.ok(!isForeignLeftover(toRelPath(name)));
  });
}

/** So many leftovers, each with its name as its text. */
const tree: Texts = Object.fromEntries(leftovers.map((name) => [`d/${name}`, name]));

for (const mode of ["Local", "Remote", "Both"] as const) {
  for (const side of ["local", "remote"] as const) {
    Deno.test(`run() in ${mode} neither carries nor removes leftovers of the ${side} side, and counts them once`, async () => {
      const sides = memories({ local: { "a": "1" }, remote: { "a": "1" } });
      for (const [path, text] of Object.entries(tree)) put(sides[side], path, text ?? "");
      put(sides[side], "e/x.part", "x");
      const before = { local: await texts(sides.local), remote: await texts(sides.remote) };
      const made = side === "local" ? before.local : before.remote;
      const { end } = await ran(sides, { mode, mirror: mode !== "Both", remove: true });
      assert.deepEqual(end.plan.actions.filter((action) => action.do !== "makeDir"), []);
      assert.deepEqual(await texts(sides[side]), made);
      const notes = end.plan.notes.filter(({ code }) => code === "foreign");
      assert.deepEqual(notes.map(({ count }) => count), [9]);
      assert.match(
        notes[0]?.why ?? "",
        /^9 leftovers of other programs left alone, such as "d\/.+"; -IncludeLeftovers /,
      );
      assert.deepEqual(end.plan.refusals, []);
    });
  }
}

Deno.test("run() overwrites no leftover with one of the other side, and nothing in its place", async () => {
  const local = { "x.part": "here", "y.part": "a file", "z": "1" };
  const sides = memories({ local, remote: { "x.part": "there, longer", "y.part/a": "in a folder", "z": "1" } });
  const before = await texts(sides.remote);
  for (const mode of ["Local", "Remote", "Both"] as const) {
    const outcome = await outcomeOf(sides, { mode, mirror: mode !== "Both", remove: true });
    assert.deepEqual([outcome.actions, outcome.failures], [[], []], mode);
    assert.deepEqual([await texts(sides.local), await texts(sides.remote)], [local, before]);
  }
});

Deno.test("run() removes what lies beside a leftover, and not its folder", async () => {
  const sides = memories({
    local: { "k": "1" },
    remote: { "k": "1", "d/e/x.part": "x", "d/e/old": "2", "d/f/old": "3" },
  });
  await outcomeOf(sides, { mode: "Remote", remove: true, allow: ["-MaxRemove 100%"] });
  assert.deepEqual(await texts(sides.remote), { "d": null, "d/e": null, "d/e/x.part": "x", "k": "1" });
});

Deno.test("run() in Both lets the deletion of a folder travel but for a leftover in it, run after run", async () => {
  const { sides, sync } = await inStep({ "d/e/a": "1", "d/b": "2", "k": "3", "l": "4", "m": "5" });
  put(sides.remote, "d/e/x.part", "half");
  await remove(sides.local, "d");
  for (const actions of [["remove remote d/b", "remove remote d/e/a"], []]) {
    const outcome = await sync();
    assert.deepEqual([outcome.actions.filter((action) => !action.startsWith("makeDir")), outcome.failures], [
      actions,
      [],
    ]);
    assert.equal((await texts(sides.remote))["d/e/x.part"], "half");
  }
  assert.equal((await texts(sides.local))["d/e/x.part"], undefined);
});

/** Two sides that synced leftovers as ordinary files, as earlier versions did. */
async function syncedBefore(texts: Texts) {
  const sides = memories({ local: texts, remote: texts });
  const book = notebook();
  await both(sides, book, { includeForeign: true });
  return { sides, book };
}

Deno.test("run() takes no leftover for deleted that was synced before, on either side, and history keeps it", async () => {
  const { sides, book } = await syncedBefore({ ...tree, "a": "1" });
  const known = [...book.known.keys()].sort();
  assert.ok(known.includes(toRelPath("d/film.mkv.part")));
  assert.deepEqual((await both(sides, book)).actions, []);
  assert.deepEqual([...book.known.keys()].sort(), known);
  for (const side of ["local", "remote"] as const) {
    assert.equal((await texts(sides[side]))["d/film.mkv.part"], "film.mkv.part");
  }
  // Gone on one side: it stays on the other, and comes back from there once leftovers are ordinary files again.
  await remove(sides.local, "d/film.mkv.part");
  assert.deepEqual((await both(sides, book)).actions, []);
  assert.deepEqual((await both(sides, book, { includeForeign: true })).actions, ["copy local d/film.mkv.part"]);
});

Deno.test("run() takes no side for emptied that holds leftovers alone", async () => {
  const { sides, book } = await syncedBefore({ "a.part": "1", "b.part": "2" });
  assert.deepEqual((await both(sides, book)).actions, []);
  await remove(sides.local, "a.part");
  await remove(sides.local, "b.part");
  assert.equal((await rejection(ran(sides, { mode: "Both", remove: true, pairHistory: book.open() }))).kind, "refused");
});

Deno.test("run() carries a file under its own name once its download is done, and the leftover is gone", async () => {
  const { sides, sync } = await inStep({ "a": "1" });
  put(sides.local, "film.mkv.part", "half");
  assert.deepEqual((await sync()).actions, []);
  await remove(sides.local, "film.mkv.part");
  put(sides.local, "film.mkv", "whole");
  assert.deepEqual((await sync()).actions, ["copy remote film.mkv"]);
  assert.deepEqual(await texts(sides.remote), { "a": "1", "film.mkv": "whole" });
});

Deno.test("run() carries leftovers as ordinary files where that is asked", async () => {
  const sides = memories({ local: { ...tree }, remote: { "old.part": "1", "k": "2" } });
  const outcome = await outcomeOf(sides, { mode: "Remote", remove: true, includeForeign: true });
  assert.deepEqual(outcome.notes, []);
  assert.deepEqual(await texts(sides.remote), { "d": null, ...tree });
});
