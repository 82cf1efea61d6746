import assert from "node:assert/strict";
import { dirname } from "node:path";
import { toRelPath } from "../../../lib/core/path.ts";
import { PairTrash } from "../../../lib/sync/trash/trash.ts";
import { assertParents, clearItem, listTrash, restoreItem } from "../../../lib/sync/trash/restore.ts";
import { withOverrides } from "../../support/stacked.ts";
import { canMount, mountSmall } from "../../support/small_disk.ts";
import { readDisk, readTree, tree } from "../../support/trees/tree.ts";
import { call, start, type TrashScene, withTrashScene } from "../../support/trash_scene.ts";

const ignore = Deno.build.os === "windows";
const runName = "2026-11-21 103205.000 local";

/** The folders above a kept "d/b", from the trash folder down. */
const levels = ["", "/p", `/p/${runName}`, `/p/${runName}/d`];

/** Puts a link where a folder was, to a copy of what it held outside of the trash. */
async function lead(folder: string): Promise<string> {
  const outside = await Deno.makeTempDir({ prefix: "tandem-outside-" });
  await Deno.rename(folder, `${outside}/victim`);
  await Deno.symlink(`${outside}/victim`, folder);
  return outside;
}

async function keptDeep({ trash, entry }: TrashScene): Promise<string> {
  const path = toRelPath("d/b");
  return (await trash.keep({ side: "local", entry: await entry("d/b"), path, why: "removed", take: true }, call)).at;
}

for (const level of levels) {
  Deno.test({
    name: `clearItem(), restoreItem(), prune() and keep() go through no link in the place of the trash's "${level}"`,
    ignore,
    fn: () =>
      withTrashScene(async (scene) => {
        const { home, root, local, trash } = scene;
        const at = await keptDeep(scene);
        const [item] = await listTrash(home);
        assert.ok(item !== undefined);
        const outside = await lead(`${home}${level}`);
        try {
          const before = await readDisk(outside);
          await assert.rejects(clearItem(item, { home, ...call }), { kind: "refused" });
          await assert.rejects(restoreItem(item, { home, target: local, ...call }), { kind: "refused" });
          await assert.rejects(trash.prune(0, start + 1, call), { kind: "refused" });
          await Deno.mkdir(`${root}/d`, { recursive: true });
          await Deno.writeTextFile(`${root}/d/c`, "another");
          const loser = { side: "local", path: toRelPath("d/c"), why: "removed", take: true } as const;
          await assert.rejects(trash.keep({ ...loser, entry: await scene.entry("d/c") }, call), { kind: "refused" });
          assert.deepEqual(await readDisk(outside), before);
          assert.equal(await Deno.readTextFile(at), "deep");
          assert.deepEqual(await readDisk(root), { "a": "old", "d/c": "another" });
        } finally {
          await Deno.remove(outside, { recursive: true });
        }
      }),
  });
}

Deno.test({
  name: "restoreItem() writes through no link in the root, and says which folder it is",
  ignore,
  fn: () =>
    withTrashScene(async (scene) => {
      const { home, root, local } = scene;
      await keptDeep(scene);
      const [item] = await listTrash(home);
      assert.ok(item !== undefined);
      const outside = await lead(`${root}/d`);
      try {
        await Deno.writeTextFile(`${outside}/victim/b`, "victim");
        const refused = { kind: "refused", message: /"d\/b" is not restored: "d" is no folder but a link/ };
        await assert.rejects(restoreItem(item, { home, target: local, ...call }), refused);
        await assert.rejects(assertParents(local, item.path, call), refused);
        await Deno.remove(`${outside}/victim/b`);
        await assert.rejects(restoreItem(item, { home, target: local, ...call }), refused);
        assert.deepEqual(await readDisk(outside), { "victim/": {} });
        assert.equal((await listTrash(home)).length, 1);
      } finally {
        await Deno.remove(outside, { recursive: true });
      }
    }),
});

Deno.test({
  name: "keep() leaves a trash folder alone that is a link in the root, and the file stays",
  ignore,
  fn: () =>
    withTrashScene(async ({ root, local, remote, entry }) => {
      const outside = await Deno.makeTempDir({ prefix: "tandem-outside-" });
      try {
        await Deno.symlink(outside, `${root}/.tandem-trash`);
        const trash = new PairTrash({ home: undefined, pair: "p", sides: { local, remote }, start, session: "s" });
        const a = await entry("a");
        const loser = { side: "local", entry: a, path: a.path, why: "removed", take: true } as const;
        await assert.rejects(trash.keep(loser, call), { kind: "refused", message: /^Not removed: "a"/ });
        assert.deepEqual([...Deno.readDirSync(outside)], []);
        assert.equal(await Deno.readTextFile(`${root}/a`), "old");
      } finally {
        await Deno.remove(outside, { recursive: true });
      }
    }),
});

Deno.test({
  name: "keep() copies to the state folder's trash where the one in the root is a link",
  ignore: !await canMount(),
  fn: () =>
    withTrashScene(async ({ home, root, trash, entry }) => {
      await Deno.mkdir(home, { recursive: true });
      await using _disk = await mountSmall(home, 65_536);
      await Deno.symlink(home, `${root}/.tandem-trash`);
      const a = await entry("a");
      const loser = { side: "local", entry: a, path: a.path, why: "removed", take: true } as const;
      const kept = await trash.keep(loser, call);
      assert.deepEqual([kept.at, kept.moved], [`${home}/p/${runName}/a`, false]);
      assert.equal(await Deno.readTextFile(kept.at), "old");
    }),
});

Deno.test({
  name: "restoreItem() takes nothing from the trash that is no file any more",
  ignore,
  fn: () =>
    withTrashScene(async (scene) => {
      const at = await keptDeep(scene);
      const [item] = await listTrash(scene.home);
      assert.ok(item !== undefined);
      await Deno.remove(at);
      await new Deno.Command("mkfifo", { args: [at] }).output();
      await assert.rejects(restoreItem(item, { home: scene.home, target: scene.local, ...call }), { kind: "refused" });
    }),
});

Deno.test("clearItem() and restoreItem() go through no link in a server's trash, keep() makes no folder through one", async () => {
  const trashed = "login/.tandem-trash/p/2026-11-21 103205.000 remote";
  for (const folder of ["login/.tandem-trash", "login/.tandem-trash/p", trashed, `${trashed}/d`]) {
    const server = tree({ "home/d/r": "remote", "login/": {} }).memory();
    const remote = await server.withRoot("/home", call);
    // A folder that turned into a link to one that holds the same.
    const turned = { path: "" };
    const whole = await remote.withRoot("/", call);
    const stat: typeof whole.stat = async (path, how) => {
      const found = await whole.stat(path, how);
      return path === turned.path && found !== undefined ? { kind: "link", path, target: "/elsewhere" } : found;
    };
    const reached = withOverrides(remote, {
      withRoot: async (inner, to, how) =>
        to === "/"
          ? withOverrides(whole, { stat: (_, ...args) => stat(...args) })
          : await inner.withRoot(to === "~" ? "/login" : to, how),
    });
    await withTrashScene(async ({ home, trash, entry }) => {
      const r = await entry("d/r", "remote");
      const loser = { side: "remote", entry: r, path: r.path, why: "removed", take: true } as const;
      const kept = await trash.keep(loser, call);
      assert.equal(kept.at, `/${trashed}/d/r`);
      const [item] = await listTrash(home);
      assert.ok(item !== undefined);
      const before = await readTree(server);
      turned.path = folder;
      await assert.rejects(clearItem(item, { home, server: reached, ...call }), { kind: "refused" });
      await assert.rejects(restoreItem(item, { home, server: reached, target: remote, ...call }), { kind: "refused" });
      assert.deepEqual(await readTree(server), before);
      turned.path = "";
      await restoreItem(item, { home, server: reached, target: remote, ...call });
      assert.equal((await readTree(remote))["d/r"], "remote");
      if (dirname(folder) === trashed) return;
      turned.path = folder;
      const sides = { local: remote, remote: reached };
      const again = new PairTrash({ home, pair: "p", sides, start, session: "s" });
      const there = await again.keep({ ...loser, entry: await entry("d/r", "remote") }, call);
      assert.ok(there.at.startsWith(home), there.at);
    }, { remote: reached });
  }
});
