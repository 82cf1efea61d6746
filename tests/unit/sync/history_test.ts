import assert from "node:assert/strict";
import { type RelPath, toRelPath } from "../../../lib/path.ts";
import { openHistory, type Remembered } from "../../../lib/sync/history.ts";
import type { PairIdentity } from "../../../lib/sync/pair_name.ts";
import type { Known, Lesson } from "../../../lib/types.ts";
import { unsealHistory } from "../../support/history_files.ts";

const pair: PairIdentity = {
  machine: "m",
  local: "/here",
  server: "sftp://u@web1",
  remote: "/there",
  peer: "SHA256:a",
};
const key = new Uint8Array(32).fill(7);
const open = (folder: string, more: Partial<PairIdentity> = {}, readOnly = false) =>
  openHistory({ folder, pair: { ...pair, ...more }, key, readOnly });
const known = (path: string, more: Partial<Known> = {}): Known => ({
  path: toRelPath(path),
  kind: "file",
  local: { size: 3, modified: 1_700_000_000_123.25, fileId: "1:2" },
  remote: { size: 3, modified: 1_700_000_000_000, revision: "r" },
  ...more,
});
const learn = (...all: readonly Known[]): Lesson[] => all.map((one) => ({ path: one.path, known: one }));
const drop = (path: string): Lesson => ({ path: toRelPath(path), known: undefined });

/** Runs with a folder of its own. */
async function within(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "tandem-history-" });
  try {
    await test(`${folder}/deep/history`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function saved(folder: string, lessons: readonly Lesson[]): Promise<void> {
  using history = await open(folder);
  await history.save(lessons, { local: { id: "i", modified: 5 } });
}

async function fileOf(folder: string): Promise<string> {
  for await (const { name } of Deno.readDir(folder)) if (name.endsWith(".sqlite")) return `${folder}/${name}`;
  throw new Error("no history was written");
}

function all({ history }: Remembered): Known[] {
  return Array.from(history);
}

Deno.test("openHistory() knows nothing at first, and writes nothing for that", () =>
  within(async (folder) => {
    using history = await open(folder);
    assert.deepEqual([history.known, history.unusable, all(history), history.roots], [false, undefined, [], {}]);
    await assert.rejects(Deno.stat(folder), Deno.errors.NotFound);
  }));

Deno.test("openHistory() gives back what was saved, as it was", () =>
  within(async (folder) => {
    const entries = [
      known("a", { provisional: "both", checksum: "sha256:00" }),
      known("d", { kind: "dir", local: { size: 0, modified: 7 }, remote: { size: 0 } }),
      { path: toRelPath("d/l"), kind: "link" as const, target: "../a" },
      known("e", { local: { size: 0 } }),
    ];
    await saved(folder, learn(...entries));
    using history = await open(folder);
    assert.deepEqual(all(history), entries);
    assert.deepEqual([history.known, history.history.size], [true, 4]);
    assert.deepEqual(history.roots, { local: { id: "i", modified: 5 } });
    assert.deepEqual(history.history.get(toRelPath("d/l")), entries[2]);
    assert.equal(history.history.get(toRelPath("d/k")), undefined);
  }));

Deno.test("openHistory() gives entries in path order, whatever characters the names have", () =>
  within(async (folder) => {
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
    await saved(folder, learn(...names.map((name) => known(name))));
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
  within(async (folder) => {
    const many = Array.from({ length: 3000 }, (_, i) => known(`d${i % 7}/file ${String(i).padStart(5, "0")}`));
    await saved(folder, learn(...many));
    const changed = known("d3/file 00003", { checksum: "md5:1" });
    await saved(folder, [drop("d0/file 00000"), ...learn(changed, known("zz"), known("a")), drop("nobody")]);
    using history = await open(folder);
    const paths = many.map(({ path }) => path as string).filter((path) => path !== "d0/file 00000");
    assert.deepEqual(all(history).map(({ path }) => path), [...paths, "zz", "a"].sort(compare));
    assert.deepEqual([history.history.size, history.history.get(changed.path)], [3001, changed]);
  }));

Deno.test("note() drops paths at once, and what is left can be read and saved", () =>
  within(async (folder) => {
    await saved(folder, learn(known("a"), known("b"), known("c/d")));
    using history = await open(folder);
    await history.note([drop("b"), drop("nobody")]);
    using other = await open(folder);
    for (const one of [history, other]) assert.deepEqual(all(one).map(({ path }) => path), ["a", "c/d"]);
    assert.deepEqual([history.history.get(toRelPath("b")), history.history.size], [undefined, 2]);
    await history.save(learn(known("e")), history.roots);
    using last = await open(folder);
    assert.deepEqual(all(last).map(({ path }) => path), ["a", "c/d", "e"]);
    assert.deepEqual(last.roots, { local: { id: "i", modified: 5 } });
  }));

Deno.test("note() writes nothing to forget where nothing is known, or may be written", () =>
  within(async (folder) => {
    using none = await open(folder);
    await none.note([drop("a")]);
    await assert.rejects(Deno.stat(folder), Deno.errors.NotFound);
    await saved(folder, learn(known("a")));
    using looking = await open(folder, {}, true);
    await looking.note([drop("a")]);
    using history = await open(folder);
    assert.equal(history.history.size, 1);
  }));

Deno.test("note() writes what was begun before anything else is known, and save() keeps it", () =>
  within(async (folder) => {
    using first = await open(folder);
    const begun = known("a", { begun: "remote" });
    await first.note(learn(begun));
    using killed = await open(folder);
    assert.deepEqual(all(killed), [begun]);
    await first.save(learn(known("b")), {});
    using last = await open(folder);
    assert.deepEqual(all(last), [begun, known("b")]);
  }));

Deno.test("save() leaves the file's bytes alone when nothing is new", () =>
  within(async (folder) => {
    await saved(folder, learn(known("a")));
    const file = await fileOf(folder);
    const before = await Deno.stat(file);
    await saved(folder, []);
    assert.deepEqual((await Deno.stat(file)).mtime, before.mtime);
  }));

Deno.test("save() writes nothing where nothing may be written", () =>
  within(async (folder) => {
    await saved(folder, learn(known("a")));
    using looking = await open(folder, {}, true);
    await looking.save([drop("a")], {});
    using history = await open(folder);
    assert.equal(history.history.size, 1);
  }));

Deno.test("save() keeps the old history when it breaks", () =>
  within(async (folder) => {
    await saved(folder, learn(known("a")));
    using history = await open(folder);
    const broken = {
      path: toRelPath("b"),
      get known(): Known {
        throw new Error("cut");
      },
    };
    await assert.rejects(history.save([broken], {}), { name: "SyncError" });
    using after = await open(folder);
    assert.deepEqual(all(after), [known("a")]);
    await saved(folder, learn(known("c")));
    using later = await open(folder);
    assert.equal(later.history.size, 2);
  }));

Deno.test("openHistory() keeps pairs apart", () =>
  within(async (folder) => {
    await saved(folder, learn(known("a")));
    for (const other of [{ machine: "n" }, { local: "/elsewhere" }, { server: "sftp://u@web2" }, { remote: "/" }]) {
      using history = await open(folder, other);
      assert.deepEqual([history.known, history.unusable], [false, undefined]);
    }
    using same = await open(folder);
    assert.equal(same.known, true);
  }));

Deno.test("openHistory() does not use what was written for another host key, and says so", () =>
  within(async (folder) => {
    await saved(folder, learn(known("a")));
    using history = await open(folder, { peer: "SHA256:b" });
    assert.equal(history.known, false);
    assert.match(history.unusable ?? "", /host key.*put aside/);
  }));

Deno.test("openHistory() does not use a file that was copied from another pair", () =>
  within(async (folder) => {
    await saved(folder, learn(known("a")));
    const mine = await fileOf(folder);
    using other = await open(folder, { local: "/elsewhere" });
    await other.save(learn(known("b")), {});
    const files = Array.from(Deno.readDirSync(folder), ({ name }) => `${folder}/${name}`);
    const theirs = files.find((file) => file !== mine) ?? "";
    await Deno.copyFile(theirs, mine);
    using history = await open(folder);
    assert.match(history.unusable ?? "", /belongs to the local folder "\/elsewhere"/);
    assert.deepEqual(all(history), []);
  }));

const damages: Readonly<Record<string, (bytes: Uint8Array) => Uint8Array>> = {
  "that is empty": () => new Uint8Array(),
  "that is no database": () => new TextEncoder().encode("hello"),
  "cut in two": (bytes) => bytes.slice(0, bytes.length >> 1),
  "cut by one page": (bytes) => bytes.slice(0, bytes.length - 4096),
};
for (const [what, damage] of Object.entries(damages)) {
  Deno.test(`openHistory() puts a file aside ${what}, and goes on without`, () =>
    within(async (folder) => {
      await saved(folder, learn(...Array.from({ length: 600 }, (_, i) => known(`f${i}`))));
      const file = await fileOf(folder);
      const bytes = damage(await Deno.readFile(file));
      await Deno.writeFile(file, bytes);
      {
        using looking = await open(folder, {}, true);
        assert.deepEqual([looking.known, all(looking), looking.unusable], [false, [], "it is damaged"]);
        assert.deepEqual(await Deno.readFile(file), bytes);
      }
      using history = await open(folder);
      assert.equal(history.known, false);
      assert.match(history.unusable ?? "", /^it is damaged; it was put aside as ".*\.unused-1"$/);
      assert.deepEqual(await Deno.readFile(`${file}.unused-1`), bytes);
      await history.save(learn(known("a")), {});
      using again = await open(folder);
      assert.deepEqual(all(again), [known("a")]);
    }));
}

Deno.test("openHistory() believes no file of which one byte is another", () =>
  within(async (folder) => {
    const entries = Array.from({ length: 40 }, (_, i) => known(`folder/file ${i}`));
    await saved(folder, learn(...entries));
    const file = await fileOf(folder);
    const good = await Deno.readFile(file);
    using whole = await open(folder);
    const before = all(whole);
    let refused = 0;
    for (let at = 0; at < good.length; at += 41) {
      const bad = good.slice();
      bad[at] = (bad[at] ?? 0) ^ 0x10;
      await Deno.writeFile(file, bad);
      using history = await open(folder, {}, true);
      if (history.known) assert.deepEqual([at, all(history)], [at, before]);
      else refused++;
    }
    assert.ok(refused > 50, `${refused} refused`);
  }));

Deno.test("openHistory() does not use a file of a newer format, and keeps it", () =>
  within(async (folder) => {
    await saved(folder, learn(known("a")));
    const file = await fileOf(folder);
    const { DatabaseSync } = await import("node:sqlite");
    const db = new DatabaseSync(file);
    db.exec(`UPDATE meta SET value = replace(value, '"format":2', '"format":3') WHERE key = 'head'`);
    db.close();
    using history = await open(folder);
    assert.match(history.unusable ?? "", /format 3.*put aside/);
    assert.equal(history.history.get("a" as RelPath), undefined);
  }));

/** What lets another user decide over a history: the file and its folder are given. */
const foreignFiles: Readonly<Record<string, (file: string, folder: string) => Promise<void>>> = {
  "that others may write to": (file) => Deno.chmod(file, 0o606),
  "that a group may write to": (file) => Deno.chmod(file, 0o620),
  "in a folder that others may write to": (_, folder) => Deno.chmod(folder, 0o777),
  "below a folder whose names every user may exchange": (_, folder) => Deno.chmod(`${folder}/..`, 0o777),
  "that is a link": async (file) => {
    await Deno.rename(file, `${file}.else`);
    await Deno.symlink(`${file}.else`, file);
  },
  "in a folder that is a link": async (_, folder) => {
    await Deno.rename(folder, `${folder}.else`);
    await Deno.symlink(`${folder}.else`, folder);
  },
  "that is a folder": async (file) => {
    await Deno.remove(file);
    await Deno.mkdir(file);
  },
  "beside which lies a journal that others may write to": async (file) => {
    await Deno.writeTextFile(`${file}-wal`, "");
    await Deno.chmod(`${file}-wal`, 0o666);
  },
  "beside which a journal is a link": (file) => Deno.symlink(file, `${file}-journal`),
  ...(Deno.uid() === 0
    ? {
      "of another user": (file: string) => Deno.chown(file, 12345, 12345),
      "in a folder of another user": (_: string, folder: string) => Deno.chown(folder, 12345, 12345),
    }
    : {}),
};
for (const [what, change] of Object.entries(foreignFiles)) {
  Deno.test({
    name: `openHistory() does not use a file ${what}, leaves it alone and writes none`,
    ignore: Deno.build.os === "windows",
    fn: () =>
      within(async (folder) => {
        await saved(folder, learn(known("a")));
        await change(await fileOf(folder), folder);
        const before = Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();
        for (const readOnly of [true, false]) {
          using history = await open(folder, {}, readOnly);
          assert.deepEqual([history.known, history.frozen, all(history), history.roots], [false, true, [], {}]);
          assert.match(history.unusable ?? "", /so what it holds is not trusted: .*[^.]$/);
          await history.note(learn(known("b")));
          await history.save(learn(known("b")), {});
        }
        assert.deepEqual(Array.from(Deno.readDirSync(folder), ({ name }) => name).sort(), before);
      }),
  });
}

Deno.test("openHistory() believes no content that this user's key does not seal", () =>
  within(async (folder) => {
    await saved(folder, learn(known("a"), known("b")));
    using other = await openHistory({ folder, pair, key: new Uint8Array(32).fill(8), readOnly: true });
    assert.deepEqual([other.known, all(other)], [false, []]);
    assert.match(other.unusable ?? "", /another key/);
    const file = await fileOf(folder);
    const good = await Deno.readFile(file);
    const { DatabaseSync } = await import("node:sqlite");
    const forgeries = [
      `UPDATE blocks SET body = replace(body, '"a"', '"c"')`,
      `DELETE FROM blocks`,
      `UPDATE meta SET value = replace(value, '"modified":5', '"modified":6') WHERE key = 'head'`,
      `UPDATE meta SET value = replace(value, '"local":"/here"', '"local":"/here "') WHERE key = 'head'`,
      `DELETE FROM meta WHERE key = 'seal'`,
      `UPDATE meta SET value = '' WHERE key = 'seal'`,
    ];
    for (const forgery of forgeries) {
      await Deno.writeFile(file, good);
      const db = new DatabaseSync(file);
      db.exec(forgery);
      db.close();
      using history = await open(folder, {}, true);
      assert.deepEqual([forgery, history.known, all(history)], [forgery, false, []]);
    }
  }));

Deno.test("openHistory() reads no journal that lies beside a file", () =>
  within(async (folder) => {
    await saved(folder, learn(known("a")));
    const file = await fileOf(folder);
    for (const end of ["-journal", "-wal", "-shm"]) await Deno.writeTextFile(`${file}${end}`, "junk", { mode: 0o600 });
    using history = await open(folder);
    assert.deepEqual(all(history), [known("a")]);
  }));

Deno.test("openHistory() tells that a file of an older version carries no seal, and save() seals it though nothing is new", () =>
  within(async (folder) => {
    await saved(folder, learn(known("a")));
    unsealHistory(await fileOf(folder));
    {
      using history = await open(folder);
      assert.deepEqual([history.known, history.unsealed, all(history)], [true, true, [known("a")]]);
      await history.save([], history.roots);
    }
    using sealed = await open(folder);
    assert.deepEqual([sealed.known, sealed.unsealed, all(sealed)], [true, false, [known("a")]]);
  }));

Deno.test("openHistory() takes no name that could not have passed the gate from a file without a seal", () =>
  within(async (folder) => {
    await saved(folder, learn(known("a"), known("b/x")));
    const { DatabaseSync } = await import("node:sqlite");
    const db = new DatabaseSync(await fileOf(folder));
    db.exec(`UPDATE blocks SET body = replace(body, 'b/x', '../x')`);
    db.close();
    unsealHistory(await fileOf(folder));
    using history = await open(folder, {}, true);
    assert.deepEqual([history.known, all(history)], [false, []]);
  }));

Deno.test("save() seals nothing that was put in the place of what was read", () =>
  within(async (folder) => {
    await saved(folder, learn(known("a")));
    const file = await fileOf(folder);
    await Deno.copyFile(file, `${folder}/mine`);
    using forger = await openHistory({ folder, pair, key: new Uint8Array(32), readOnly: false });
    await forger.save(learn(known("forged")), {});
    await Deno.rename(file, `${folder}/forged`);
    await Deno.rename(`${folder}/mine`, file);
    using history = await open(folder);
    await Deno.copyFile(`${folder}/forged`, file);
    await assert.rejects(history.save(learn(known("b")), {}), { name: "SyncError" });
    using after = await open(folder, {}, true);
    assert.equal(after.known, false);
  }));

Deno.test("openHistory() counts a file that was cut anywhere as none unless all of it can be proven, and never fails for it", () =>
  within(async (folder) => {
    await saved(folder, learn(...Array.from({ length: 300 }, (_, i) => known(`folder/file ${i}`))));
    using uncut = await open(folder);
    const whole = all(uncut);
    let refused = 0;
    const file = await fileOf(folder);
    const good = await Deno.readFile(file);
    const lengths = Array.from({ length: 400 }, (_, i) => i < 120 ? i : Math.floor(good.length * i / 400));
    for (const length of [...lengths, good.length - 1]) {
      await Deno.writeFile(file, good.subarray(0, length));
      using history = await open(folder, {}, true);
      assert.deepEqual([length, history.frozen, all(history)], [length, false, history.known ? whole : []]);
      if (!history.known) refused++;
    }
    assert.ok(refused > 360, `${refused} refused`);
  }));

Deno.test({
  name: "save() writes a file and folders for this user alone, whatever the umask",
  ignore: Deno.build.os === "windows",
  fn: () =>
    within(async (folder) => {
      const before = Deno.umask(0);
      try {
        await saved(folder, learn(known("a")));
        await saved(folder, learn(known("b")));
      } finally {
        Deno.umask(before);
      }
      const modes = [folder, await fileOf(folder)].map((path) => (Deno.statSync(path).mode ?? 0) & 0o777);
      assert.deepEqual(modes, [0o700, 0o600]);
    }),
});
