import assert from "node:assert/strict";
import { unsealHistory } from "../../support/history_files.ts";
import { canLockFolder, lockFolder } from "../../support/lock_folder.ts";
import { canMount, mountSmall } from "../../support/small_disk.ts";
import { counts } from "../../support/tandem.ts";
import { freshPair, type TwoFolders } from "../../support/two_folders.ts";

const isWindows = Deno.build.os === "windows";
const isRoot = Deno.uid() === 0;
const canLock = await canLockFolder();
const hasMounts = await canMount();
const stranger = 4242;
const files = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`k${i}`, { text: String(i) }]));

/** The first file of a folder of the state. */
async function firstIn(folder: string): Promise<string> {
  for await (const { name } of Deno.readDir(folder)) return `${folder}/${name}`;
  throw new Error(`nothing in ${folder}`);
}

async function chownAll(path: string): Promise<void> {
  await Deno.chown(path, stranger, stranger);
  for await (const { name } of Deno.readDir(path)) await Deno.chown(`${path}/${name}`, stranger, stranger);
}

async function intoLink(path: string): Promise<void> {
  await Deno.rename(path, `${path}.else`);
  await Deno.symlink(`${path}.else`, path);
}

/** What makes a history another user's, or possibly so. */
const foreignHistories: Readonly<Record<string, (folder: string) => Promise<void>>> = {
  "that others may write to": async (folder) => await Deno.chmod(await firstIn(folder), 0o666),
  "in a folder that others may write to": (folder) => Deno.chmod(folder, 0o777),
  "that is a link": async (folder) => await intoLink(await firstIn(folder)),
  "in a folder that is a link": intoLink,
  ...(isRoot ? { "of another user": chownAll } : {}),
};
for (const [what, change] of Object.entries(foreignHistories)) {
  Deno.test({
    name: `Sync-Path removes nothing by a history ${what}`,
    ignore: isWindows,
    fn: async () => {
      await using pair = await freshPair(files);
      assert.equal((await pair.sync()).code, 0);
      await change(`${pair.state}/history`);
      await Deno.remove(`${pair.b}/k1`);
      const refused = await pair.sync("-Remove");
      assert.deepEqual([refused.code, counts(refused)], [3, [0, 0, 0, 0, 1]], refused.stderr);
      assert.match(refused.stderr, /so its content is not trusted/);
      const kept = await pair.sync();
      assert.deepEqual([kept.code, counts(kept)], [0, [1, 0, 0, 0, 0]], kept.stderr);
      assert.match(kept.stderr, /nothing counts as deleted/);
      assert.equal(await Deno.readTextFile(`${pair.a}/k1`), "1");
    },
  });
}

Deno.test("Sync-Path removes nothing by a history that was copied from another pair", async () => {
  await using pair = await freshPair(files);
  assert.equal((await pair.sync()).code, 0);
  const mine = await firstIn(`${pair.state}/history`);
  await Deno.mkdir(`${pair.folder}/c`);
  assert.equal((await pair.run("Sync-Path", pair.a, `file://${pair.folder}/c`, "-Mode", "Both")).code, 0);
  for await (const { name } of Deno.readDir(`${pair.state}/history`)) {
    if (!mine.endsWith(name)) await Deno.copyFile(`${pair.state}/history/${name}`, mine);
  }
  await Deno.remove(`${pair.b}/k1`);
  const ran = await pair.sync("-Remove");
  assert.deepEqual([ran.code, counts(ran)], [0, [1, 0, 0, 0, 0]], ran.stderr);
});

Deno.test("Sync-Path removes nothing by a history without a seal, seals it, and removes by it from then on", async () => {
  await using pair = await freshPair(files);
  assert.equal((await pair.sync()).code, 0);
  unsealHistory(await firstIn(`${pair.state}/history`));
  await new Promise((resolve) => setTimeout(resolve, 1100));
  await Deno.remove(`${pair.b}/k1`);
  const first = await pair.sync("-Remove");
  assert.deepEqual([first.code, counts(first)], [0, [1, 0, 0, 0, 0]], first.stderr);
  assert.match(first.stderr, /has no seal.*nothing counts as deleted/);
  await new Promise((resolve) => setTimeout(resolve, 1100));
  await Deno.remove(`${pair.b}/k2`);
  const second = await pair.sync("-Remove");
  assert.deepEqual([second.code, counts(second)], [0, [0, 0, 1, 0, 0]], second.stderr);
});

Deno.test({
  name:
    "Sync-Path removes nothing by a history that cannot be written; without -Remove it goes on, and the history is its failure",
  ignore: !canLock,
  fn: async () => {
    await using pair = await freshPair(files);
    const history = ["-HistoryPath", `${pair.folder}/history`];
    assert.equal((await pair.sync(...history)).code, 0);
    await using _lock = await lockFolder(`${pair.folder}/history`);
    await Deno.remove(`${pair.b}/k1`);
    const refused = await pair.sync("-Remove", ...history);
    assert.deepEqual([refused.code, counts(refused)], [3, [0, 0, 0, 0, 1]], refused.stderr);
    assert.match(refused.stderr, /needs a state folder.*-HistoryPath/);
    await Deno.writeTextFile(`${pair.a}/new`, "new");
    const oneWay = await pair.run("Sync-Path", pair.a, `file://${pair.b}`, "-Mode", "Remote", ...history);
    assert.deepEqual([oneWay.code, counts(oneWay)], [1, [2, 0, 0, 0, 1]], oneWay.stderr);
    assert.match(oneWay.stderr, /The history of this pair could not be written/);
  },
});

/** What makes the rest of the state another user's, or possibly so. */
const foreignStates: Readonly<Record<string, (pair: TwoFolders) => Promise<void>>> = {
  "a lock that others may write to": async ({ state }) => await Deno.chmod(await firstIn(`${state}/locks`), 0o666),
  "a lock that is a link": async ({ state }) => await intoLink(await firstIn(`${state}/locks`)),
  "a folder of locks that is a link": ({ state }) => intoLink(`${state}/locks`),
  "a state folder that is a link": ({ state }) => intoLink(state),
  "a state folder that others may write to": ({ state }) => Deno.chmod(state, 0o777),
  "a state folder that every user can exchange": ({ folder }) => Deno.chmod(folder, 0o777),
  "a machine id that others can write": async ({ state }) => {
    for await (const { name } of Deno.readDir(state)) {
      if (name.startsWith("machine-id")) await Deno.chmod(`${state}/${name}`, 0o666);
    }
  },
  ...(isRoot
    ? {
      "locks of another user": ({ state }: TwoFolders) => chownAll(`${state}/locks`),
      "a state folder of another user": ({ state }: TwoFolders) => Deno.chown(state, stranger, stranger),
    }
    : {}),
};
for (const [what, change] of Object.entries(foreignStates)) {
  Deno.test({
    name: `Sync-Path is refused over ${what}, before anything is changed`,
    ignore: isWindows,
    fn: async () => {
      await using pair = await freshPair(files);
      assert.equal((await pair.sync()).code, 0);
      await Deno.writeTextFile(`${pair.a}/new`, "new");
      await change(pair);
      for (const mode of ["Both", "Remote"]) {
        const ran = await pair.run("Sync-Path", pair.a, `file://${pair.b}`, "-Mode", mode);
        assert.deepEqual([ran.code, counts(ran)], [3, [0, 0, 0, 0, 1]], ran.stderr);
        assert.match(ran.stderr, /so its content is not trusted/);
      }
      assert.deepEqual((await pair.both())[1]["new"], undefined);
    },
  });
}

interface Breakable extends AsyncDisposable {
  break(): Promise<void>;
}

/** Ways in which a state folder lets nothing be written; prepared before there is a state, broken once there is one. */
const unwritable: Readonly<Record<string, { readonly can: boolean; prepare(pair: TwoFolders): Promise<Breakable> }>> = {
  "that allows no new name": { can: canLock, prepare: ({ state }) => Promise.resolve(lockLater(state)) },
  "whose locks allow no new name": {
    can: canLock,
    prepare: ({ state }) => Promise.resolve(lockLater(`${state}/locks`)),
  },
  "on a disk that is full": {
    can: hasMounts,
    async prepare({ state }) {
      const disk = await mountSmall(state, 262_144);
      return { break: () => disk.fill(), [Symbol.asyncDispose]: () => disk[Symbol.asyncDispose]() };
    },
  },
  "on a disk that is read-only": {
    can: hasMounts,
    async prepare({ state }) {
      const disk = await mountSmall(state, 262_144);
      return { break: () => disk.setReadOnly(), [Symbol.asyncDispose]: () => disk[Symbol.asyncDispose]() };
    },
  },
};

function lockLater(folder: string): Breakable {
  const stack = new AsyncDisposableStack();
  return {
    break: async () => void stack.use(await lockFolder(folder)),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

for (const [what, { can, prepare }] of Object.entries(unwritable)) {
  Deno.test({
    name: `Sync-Path goes on with a warning over a state folder ${what}, and -Mode Both -Remove is refused`,
    ignore: !can,
    fn: async () => {
      await using pair = await freshPair(files);
      await using state = await prepare(pair);
      assert.equal((await pair.sync()).code, 0);
      await Deno.writeTextFile(`${pair.a}/new`, "new");
      await Deno.remove(`${pair.b}/k1`);
      await state.break();
      const refused = await pair.sync("-Remove");
      assert.deepEqual([refused.code, counts(refused)], [3, [0, 0, 0, 0, 1]], refused.stderr);
      assert.match(refused.stderr, /needs a state folder.*TANDEM_STATE.*without -Remove/);
      const oneWay = await pair.run("Sync-Path", pair.a, `file://${pair.b}`, "-Mode", "Remote");
      assert.deepEqual([oneWay.code, counts(oneWay)], [0, [2, 0, 0, 0, 0]], oneWay.stderr);
      assert.match(oneWay.stderr, /nothing is remembered from one run to the next/);
      await Deno.writeTextFile(`${pair.b}/k2`, "edited");
      const both = await pair.sync();
      assert.deepEqual([both.code, counts(both)], [0, [0, 1, 0, 1, 0]], both.stderr);
      assert.match(both.stderr, /nothing is remembered from one run to the next/);
      const kept = (await pair.both())[0];
      assert.ok(Object.entries(kept).some(([path, text]) => path.startsWith(".tandem-trash/") && text === "2"));
    },
  });
}
