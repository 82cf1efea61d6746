import assert from "node:assert/strict";
import type { RelPath } from "../../../lib/core/path.ts";
import { openHistory } from "../../../lib/sync/history/file.ts";
import {
  all,
  fileOf,
  known,
  open,
  pair,
  recordUpdates,
  saveUpdates,
  unsealHistory,
  withHistoryFolder,
} from "../../support/history_files.ts";

const damages: Readonly<Record<string, (bytes: Uint8Array) => Uint8Array>> = {
  "that is empty": () => new Uint8Array(),
  "that is no database": () => new TextEncoder().encode("hello"),
  "cut in two": (bytes) => bytes.slice(0, bytes.length >> 1),
  "cut by one page": (bytes) => bytes.slice(0, bytes.length - 4096),
};
for (const [what, damage] of Object.entries(damages)) {
  Deno.test(`openHistory() puts a file aside ${what}, and goes on without`, () =>
    withHistoryFolder(async (folder) => {
      await saveUpdates(folder, recordUpdates(...Array.from({ length: 600 }, (_, i) => known(`f${i}`))));
      const file = await fileOf(folder);
      const bytes = damage(await Deno.readFile(file));
      await Deno.writeFile(file, bytes);
      {
        using looking = await open(folder, {}, true);
        assert.deepEqual([looking.exists, all(looking), looking.unusable], [false, [], "it is damaged"]);
        assert.deepEqual(await Deno.readFile(file), bytes);
      }
      using history = await open(folder);
      assert.equal(history.exists, false);
      assert.match(history.unusable ?? "", /^it is damaged; the file was renamed to ".*\.unused-1"$/);
      assert.deepEqual(await Deno.readFile(`${file}.unused-1`), bytes);
      await history.save(recordUpdates(known("a")), {});
      using again = await open(folder);
      assert.deepEqual(all(again), [known("a")]);
    }));
}

Deno.test("openHistory() believes no file of which one byte is another", () =>
  withHistoryFolder(async (folder) => {
    const entries = Array.from({ length: 40 }, (_, i) => known(`folder/file ${i}`));
    await saveUpdates(folder, recordUpdates(...entries));
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
      if (history.exists) assert.deepEqual([at, all(history)], [at, before]);
      else refused++;
    }
    assert.ok(refused > 50, `${refused} refused`);
  }));

Deno.test("openHistory() does not use a file of a newer format, and keeps it", () =>
  withHistoryFolder(async (folder) => {
    await saveUpdates(folder, recordUpdates(known("a")));
    const file = await fileOf(folder);
    const { DatabaseSync } = await import("node:sqlite");
    const db = new DatabaseSync(file);
    db.exec(`UPDATE meta SET value = replace(value, '"format":2', '"format":3') WHERE key = 'head'`);
    db.close();
    using history = await open(folder);
    assert.match(history.unusable ?? "", /format 3.*renamed to/);
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
      "below a folder whose names a group may exchange": async (_: string, folder: string) => {
        await Deno.chown(`${folder}/..`, null, 12345);
        await Deno.chmod(`${folder}/..`, 0o775);
      },
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
      withHistoryFolder(async (folder) => {
        await saveUpdates(folder, recordUpdates(known("a")));
        await change(await fileOf(folder), folder);
        const before = Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();
        for (const readOnly of [true, false]) {
          using history = await open(folder, {}, readOnly);
          assert.deepEqual([history.exists, history.frozen, all(history), history.roots], [false, true, [], {}]);
          assert.match(history.unusable ?? "", /so its content is not trusted: .*[^.]$/);
          await history.saveAhead(recordUpdates(known("b")));
          await history.save(recordUpdates(known("b")), {});
        }
        assert.deepEqual(Array.from(Deno.readDirSync(folder), ({ name }) => name).sort(), before);
      }),
  });
}

Deno.test("openHistory() believes no content that this user's key does not seal", () =>
  withHistoryFolder(async (folder) => {
    await saveUpdates(folder, recordUpdates(known("a"), known("b")));
    using other = await openHistory({ folder, pair, key: new Uint8Array(32).fill(8), readOnly: true });
    assert.deepEqual([other.exists, all(other)], [false, []]);
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
      assert.deepEqual([forgery, history.exists, all(history)], [forgery, false, []]);
    }
  }));

Deno.test("openHistory() reads no journal that lies beside a file", () =>
  withHistoryFolder(async (folder) => {
    await saveUpdates(folder, recordUpdates(known("a")));
    const file = await fileOf(folder);
    for (const end of ["-journal", "-wal", "-shm"]) await Deno.writeTextFile(`${file}${end}`, "junk", { mode: 0o600 });
    using history = await open(folder);
    assert.deepEqual(all(history), [known("a")]);
  }));

Deno.test("openHistory() tells that a file of an older version carries no seal, and save() seals it though nothing is new", () =>
  withHistoryFolder(async (folder) => {
    await saveUpdates(folder, recordUpdates(known("a")));
    unsealHistory(await fileOf(folder));
    {
      using history = await open(folder);
      assert.deepEqual([history.exists, history.unsealed, all(history)], [true, true, [known("a")]]);
      await history.save([], history.roots);
    }
    using sealed = await open(folder);
    assert.deepEqual([sealed.exists, sealed.unsealed, all(sealed)], [true, false, [known("a")]]);
  }));

Deno.test("openHistory() takes no name that could not have passed the gate from a file without a seal", () =>
  withHistoryFolder(async (folder) => {
    await saveUpdates(folder, recordUpdates(known("a"), known("b/x")));
    const { DatabaseSync } = await import("node:sqlite");
    const db = new DatabaseSync(await fileOf(folder));
    db.exec(`UPDATE blocks SET body = replace(body, 'b/x', '../x')`);
    db.close();
    unsealHistory(await fileOf(folder));
    using history = await open(folder, {}, true);
    assert.deepEqual([history.exists, all(history)], [false, []]);
  }));

Deno.test("save() seals nothing that was put in the place of what was read", () =>
  withHistoryFolder(async (folder) => {
    await saveUpdates(folder, recordUpdates(known("a")));
    const file = await fileOf(folder);
    await Deno.copyFile(file, `${folder}/mine`);
    using forger = await openHistory({ folder, pair, key: new Uint8Array(32), readOnly: false });
    await forger.save(recordUpdates(known("forged")), {});
    await Deno.rename(file, `${folder}/forged`);
    await Deno.rename(`${folder}/mine`, file);
    using history = await open(folder);
    await Deno.copyFile(`${folder}/forged`, file);
    await assert.rejects(history.save(recordUpdates(known("b")), {}), { name: "SyncError" });
    using after = await open(folder, {}, true);
    assert.equal(after.exists, false);
  }));

Deno.test("openHistory() counts a file that was cut anywhere as none unless all of it can be proven, and never fails for it", () =>
  withHistoryFolder(async (folder) => {
    await saveUpdates(folder, recordUpdates(...Array.from({ length: 300 }, (_, i) => known(`folder/file ${i}`))));
    using uncut = await open(folder);
    const whole = all(uncut);
    let refused = 0;
    const file = await fileOf(folder);
    const good = await Deno.readFile(file);
    const lengths = Array.from({ length: 400 }, (_, i) => i < 120 ? i : Math.floor(good.length * i / 400));
    for (const length of [...lengths, good.length - 1]) {
      await Deno.writeFile(file, good.subarray(0, length));
      using history = await open(folder, {}, true);
      assert.deepEqual([length, history.frozen, all(history)], [length, false, history.exists ? whole : []]);
      if (!history.exists) refused++;
    }
    assert.ok(refused > 360, `${refused} refused`);
  }));

Deno.test({
  name: "save() writes a file and folders for this user alone, whatever the umask",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withHistoryFolder(async (folder) => {
      const before = Deno.umask(0);
      try {
        await saveUpdates(folder, recordUpdates(known("a")));
        await saveUpdates(folder, recordUpdates(known("b")));
      } finally {
        Deno.umask(before);
      }
      const modes = [folder, await fileOf(folder)].map((path) => (Deno.statSync(path).mode ?? 0) & 0o777);
      assert.deepEqual(modes, [0o700, 0o600]);
    }),
});
