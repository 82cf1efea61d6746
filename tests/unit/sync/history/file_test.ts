import assert from "node:assert/strict";
import { toRelPath } from "../../../../lib/core/path.ts";
import {
  all,
  fileOf,
  known,
  open,
  recordUpdates,
  removalUpdate,
  saveUpdates,
  withHistoryFolder,
} from "../../../support/history_files.ts";
import type { BaseEntry } from "../../../../lib/core/history.ts";

Deno.test("openHistory() knows nothing at first, and writes nothing for that", () =>
  withHistoryFolder(async (folder) => {
    using history = await open(folder);
    assert.deepEqual([history.exists, history.unusable, all(history), history.roots], [false, undefined, [], {}]);
    await assert.rejects(Deno.stat(folder), Deno.errors.NotFound);
  }));

Deno.test("openHistory() gives back what was saved, as it was", () =>
  withHistoryFolder(async (folder) => {
    const entries = [
      known("a", { unprovenSide: "both", provableFrom: 9, checksum: "sha256:00" }),
      known("d", { kind: "dir", local: { size: 0, modified: 7 }, remote: { size: 0 } }),
      { path: toRelPath("d/l"), kind: "link" as const, target: "../a" },
      known("e", { local: { size: 0 } }),
      known("f", { local: { size: 0, changeTime: 8 } }),
    ];
    await saveUpdates(folder, recordUpdates(...entries));
    using history = await open(folder);
    assert.deepEqual(all(history), entries);
    assert.deepEqual([history.exists, history.history.size], [true, 5]);
    assert.deepEqual(history.roots, { local: { id: "i", modified: 5 } });
    assert.deepEqual(history.history.get(toRelPath("d/l")), entries[2]);
    assert.equal(history.history.get(toRelPath("d/k")), undefined);
  }));

Deno.test("openHistory() gives entries in path order, whatever characters the names have", () =>
  withHistoryFolder(async (folder) => {
    const names = [
      "a",
      "a/b",
      "a b",
      "a!",
      "a/\ue000",
      "a/😀",
      "a/\uff01",
      "a/\ud7ff",
      "a/\ud7fe",
      "a/é",
      "a/\ufffc/x",
    ];
    await saveUpdates(folder, recordUpdates(...names.map((name) => known(name))));
    using history = await open(folder);
    const order = [
      "a",
      "a/b",
      "a/é",
      "a/\ud7fe",
      "a/\ud7ff",
      "a/😀",
      "a/\ue000",
      "a/\ufffc/x",
      "a/\uff01",
      "a b",
      "a!",
    ];
    const sorted = order.toSorted((a, b) => compare(a, b));
    assert.deepEqual(all(history).map(({ path }) => path), sorted);
    for (const name of names) assert.equal(history.history.get(toRelPath(name))?.path, name);
  }));

/** By UTF-16 units, "/" below all: in other words than the program's. */
function compare(a: string, b: string): number {
  const [x, y] = [a, b].map((path) => path.replaceAll("/", "\0"));
  return (x ?? "") < (y ?? "") ? -1 : 1;
}

Deno.test("save() changes, adds and drops entries among many", () =>
  withHistoryFolder(async (folder) => {
    const many = Array.from({ length: 3000 }, (_, i) => known(`d${i % 7}/file ${String(i).padStart(5, "0")}`));
    await saveUpdates(folder, recordUpdates(...many));
    const changed = known("d3/file 00003", { checksum: "md5:1" });
    await saveUpdates(folder, [
      removalUpdate("d0/file 00000"),
      ...recordUpdates(changed, known("zz"), known("a")),
      removalUpdate("nobody"),
    ]);
    using history = await open(folder);
    const paths = many.map(({ path }) => path as string).filter((path) => path !== "d0/file 00000");
    assert.deepEqual(all(history).map(({ path }) => path), [...paths, "zz", "a"].sort(compare));
    assert.deepEqual([history.history.size, history.history.get(changed.path)], [3001, changed]);
  }));

Deno.test("note() drops paths at once, and what is left can be read and saved", () =>
  withHistoryFolder(async (folder) => {
    await saveUpdates(folder, recordUpdates(known("a"), known("b"), known("c/d")));
    using history = await open(folder);
    await history.saveAhead([removalUpdate("b"), removalUpdate("nobody")]);
    using other = await open(folder);
    for (const one of [history, other]) assert.deepEqual(all(one).map(({ path }) => path), ["a", "c/d"]);
    assert.deepEqual([history.history.get(toRelPath("b")), history.history.size], [undefined, 2]);
    await history.save(recordUpdates(known("e")), history.roots);
    using last = await open(folder);
    assert.deepEqual(all(last).map(({ path }) => path), ["a", "c/d", "e"]);
    assert.deepEqual(last.roots, { local: { id: "i", modified: 5 } });
  }));

Deno.test("note() writes nothing to forget where nothing is known, or may be written", () =>
  withHistoryFolder(async (folder) => {
    using none = await open(folder);
    await none.saveAhead([removalUpdate("a")]);
    await assert.rejects(Deno.stat(folder), Deno.errors.NotFound);
    await saveUpdates(folder, recordUpdates(known("a")));
    using looking = await open(folder, {}, true);
    await looking.saveAhead([removalUpdate("a")]);
    using history = await open(folder);
    assert.equal(history.history.size, 1);
  }));

Deno.test("note() writes what was begun before anything else is known, and save() keeps it", () =>
  withHistoryFolder(async (folder) => {
    using first = await open(folder);
    const begun = known("a", { partialSide: "remote" });
    await first.saveAhead(recordUpdates(begun));
    using killed = await open(folder);
    assert.deepEqual(all(killed), [begun]);
    await first.save(recordUpdates(known("b")), {});
    using last = await open(folder);
    assert.deepEqual(all(last), [begun, known("b")]);
  }));

Deno.test("save() leaves the file's bytes alone when nothing is new", () =>
  withHistoryFolder(async (folder) => {
    await saveUpdates(folder, recordUpdates(known("a")));
    const file = await fileOf(folder);
    const before = await Deno.stat(file);
    await saveUpdates(folder, []);
    assert.deepEqual((await Deno.stat(file)).mtime, before.mtime);
  }));

Deno.test("save() writes nothing where nothing may be written", () =>
  withHistoryFolder(async (folder) => {
    await saveUpdates(folder, recordUpdates(known("a")));
    using looking = await open(folder, {}, true);
    await looking.save([removalUpdate("a")], {});
    using history = await open(folder);
    assert.equal(history.history.size, 1);
  }));

Deno.test("save() keeps the old history when it breaks", () =>
  withHistoryFolder(async (folder) => {
    await saveUpdates(folder, recordUpdates(known("a")));
    using history = await open(folder);
    const broken = {
      path: toRelPath("b"),
      get base(): BaseEntry {
        throw new Error("cut");
      },
    };
    await assert.rejects(history.save([broken], {}), { name: "SyncError" });
    using after = await open(folder);
    assert.deepEqual(all(after), [known("a")]);
    await saveUpdates(folder, recordUpdates(known("c")));
    using later = await open(folder);
    assert.equal(later.history.size, 2);
  }));

Deno.test("openHistory() keeps pairs apart", () =>
  withHistoryFolder(async (folder) => {
    await saveUpdates(folder, recordUpdates(known("a")));
    for (const other of [{ machine: "n" }, { local: "/elsewhere" }, { server: "sftp://u@web2" }, { remote: "/" }]) {
      using history = await open(folder, other);
      assert.deepEqual([history.exists, history.unusable], [false, undefined]);
    }
    using same = await open(folder);
    assert.equal(same.exists, true);
  }));

Deno.test("openHistory() does not use what was written for another host key, and says so", () =>
  withHistoryFolder(async (folder) => {
    await saveUpdates(folder, recordUpdates(known("a")));
    using history = await open(folder, { peer: "SHA256:b" });
    assert.equal(history.exists, false);
    assert.match(history.unusable ?? "", /host key.*renamed to/);
  }));

Deno.test("openHistory() does not use a file that was copied from another pair", () =>
  withHistoryFolder(async (folder) => {
    await saveUpdates(folder, recordUpdates(known("a")));
    const mine = await fileOf(folder);
    using other = await open(folder, { local: "/elsewhere" });
    await other.save(recordUpdates(known("b")), {});
    const files = Array.from(Deno.readDirSync(folder), ({ name }) => `${folder}/${name}`);
    const theirs = files.find((file) => file !== mine) ?? "";
    await Deno.copyFile(theirs, mine);
    using history = await open(folder);
    assert.match(history.unusable ?? "", /belongs to the local folder "\/elsewhere"/);
    assert.deepEqual(all(history), []);
  }));
