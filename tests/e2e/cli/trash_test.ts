import assert from "node:assert/strict";
import { canLockFolder, lockFolder } from "../../support/lock_folder.ts";
import { counts } from "../../support/tandem.ts";
import { freshPair, type TwoFolders } from "../../support/two_folders.ts";

const isWindows = Deno.build.os === "windows";
const files = { "d/one": { text: "1" }, "two": { text: "2" } };

/** A pair of which one version lies in the trash: "d/one" of the local side, removed there. */
async function pairWithTrash(): Promise<TwoFolders> {
  const pair = await freshPair(files);
  assert.equal((await pair.sync("-Remove")).code, 0);
  await Deno.remove(`${pair.b}/d/one`);
  const ran = await pair.sync("-Remove");
  assert.deepEqual([ran.code, counts(ran)], [0, [0, 0, 1, 0, 0]], ran.stderr);
  return pair;
}

async function indexOf({ state }: TwoFolders): Promise<string> {
  for await (const { name } of Deno.readDir(`${state}/trash`)) {
    if (name.endsWith(".jsonl")) return `${state}/trash/${name}`;
  }
  throw new Error("nothing was kept");
}

Deno.test("Get-TrashItem, Restore-TrashItem and Clear-Trash believe no line that names a place outside of root and trash", async () => {
  await using pair = await pairWithTrash();
  const index = await indexOf(pair);
  const text = await Deno.readTextFile(index);
  await Deno.writeTextFile(`${pair.folder}/victim`, "victim");
  const line = text.trim().split("\n")[0] ?? "";
  const forge = (changes: object) => `${JSON.stringify({ ...JSON.parse(line), id: "ffffffffff", ...changes })}\n`;
  for (const changes of [{ path: "../victim" }, { at: `${pair.folder}/victim` }, { pair: "../../victim" }]) {
    await Deno.writeTextFile(index, text + forge(changes));
    const listed = await pair.run("Get-TrashItem");
    assert.deepEqual([listed.code, listed.objects().map(({ Path }) => Path)], [0, ["d/one"]], listed.stderr);
    assert.match(listed.stderr, /1 line that no run wrote, in/);
    for (const words of [["Restore-TrashItem", "ffffffffff"], ["Clear-Trash", "ffffffffff", "-Force"]]) {
      const ran = await pair.run(...words);
      assert.equal(ran.code, 2, ran.stderr);
      assert.match(ran.stderr, /holds no item/);
    }
    assert.equal(await Deno.readTextFile(`${pair.folder}/victim`), "victim");
  }
  const restored = await pair.run("Restore-TrashItem", JSON.parse(line).id);
  assert.equal(restored.code, 0, restored.stderr);
  assert.equal(await Deno.readTextFile(`${pair.a}/d/one`), "1");
});

Deno.test({
  name: "Restore-TrashItem neither writes nor takes anything through a folder that has become a link",
  ignore: isWindows,
  fn: async () => {
    await using pair = await pairWithTrash();
    const outside = `${pair.folder}/outside`;
    await Deno.mkdir(outside);
    await Deno.writeTextFile(`${outside}/one`, "victim");
    await Deno.remove(`${pair.a}/d`, { recursive: true }).catch(() => {});
    await Deno.symlink(outside, `${pair.a}/d`);
    const [item] = (await pair.run("Get-TrashItem")).objects();
    for (const words of [[], ["-Force"]]) {
      const ran = await pair.run("Restore-TrashItem", String(item?.["Id"]), ...words);
      assert.equal(ran.code, 3, ran.stderr);
      assert.match(ran.stderr, /"d" is no folder but a link/);
    }
    assert.equal(await Deno.readTextFile(`${outside}/one`), "victim");
  },
});

Deno.test({
  name: "Sync-Path is refused over a trash that others may write to, before anything is changed",
  ignore: isWindows,
  fn: async () => {
    await using pair = await pairWithTrash();
    await Deno.chmod(await indexOf(pair), 0o666);
    await Deno.writeTextFile(`${pair.a}/new`, "new");
    const ran = await pair.sync();
    assert.deepEqual([ran.code, (await pair.both())[1]["new"]], [3, undefined], ran.stderr);
    const listed = await pair.run("Get-TrashItem");
    assert.equal(listed.code, 3, listed.stderr);
    assert.match(listed.stderr, /"[^"]*\/state\/trash\/[0-9a-f]+\.jsonl" can be written to by others/);
  },
});

Deno.test({
  name: "Sync-Path overwrites and removes nothing that cannot be kept, and carries the rest",
  ignore: !await canLockFolder(),
  fn: async () => {
    await using pair = await freshPair({ ...files, "three": { text: "3" } });
    assert.equal((await pair.sync("-Remove")).code, 0);
    await Deno.mkdir(`${pair.state}/trash`, { mode: 0o700 });
    await using _lock = await lockFolder(`${pair.state}/trash`);
    await Deno.writeTextFile(`${pair.a}/two`, "edited here");
    await Deno.utime(`${pair.a}/two`, 1_750_000_000, 1_750_000_000);
    await Deno.writeTextFile(`${pair.b}/two`, "edited there, later");
    await Deno.remove(`${pair.b}/three`);
    await Deno.writeTextFile(`${pair.b}/new`, "new");
    const before = await pair.both();
    const ran = await pair.sync("-Remove");
    assert.equal(ran.code, 1, ran.stderr);
    assert.match(ran.stdout + ran.stderr, /cannot be kept in the trash before/);
    const after = await pair.both();
    assert.deepEqual(after, [{ ...before[0], "new": "new" }, before[1]]);
  },
});
