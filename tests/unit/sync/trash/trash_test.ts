import assert from "node:assert/strict";
import type { Backend } from "../../../../lib/core/backend.ts";
import { SyncError } from "../../../../lib/core/errors.ts";
import { toRelPath } from "../../../../lib/core/path.ts";
import { PairTrash } from "../../../../lib/sync/trash/trash.ts";
import { linkOnDisk, moveOnDisk } from "../../../../lib/sync/trash/disk.ts";
import { listTrash, restoreItem } from "../../../../lib/sync/trash/restore.ts";
import { withOverrides } from "../../../support/stacked.ts";
import { call, start, withTrashScene } from "../../../support/trash_scene.ts";
import { readDisk, readTree, tree } from "../../../support/trees/tree.ts";

const day = 86_400_000;

Deno.test("keep() takes a removed file away and keeps it under its own path", () =>
  withTrashScene(async ({ home, root, trash, entry }) => {
    const path = toRelPath("d/b");
    const kept = await trash.keep({ side: "local", entry: await entry("d/b"), path, why: "removed", take: true }, call);
    assert.deepEqual([kept.moved, kept.at], [true, `${home}/p/2026-11-21 103205.000 local/d/b`]);
    assert.equal(await Deno.readTextFile(kept.at), "deep");
    assert.deepEqual(await readDisk(root), { "a": "old", "d/": {} });
    const [item] = await listTrash(home);
    assert.deepEqual([item?.id, item?.path, item?.why, item?.when, item?.size], [kept.id, path, "removed", start, 4]);
  }));

Deno.test("keep() leaves a file that will be overwritten in its place", () =>
  withTrashScene(async ({ root, trash, entry }) => {
    const a = await entry("a");
    const kept = await trash.keep({ side: "local", entry: a, path: a.path, why: "conflict", take: false }, call);
    assert.equal(kept.moved, false);
    await Deno.writeTextFile(`${root}/new`, "new");
    await Deno.rename(`${root}/new`, `${root}/a`);
    assert.equal(await Deno.readTextFile(kept.at), "old");
  }));

Deno.test("keep() leaves a server's file in its place where the server can copy, and takes it away where it cannot", async () => {
  for (const lacks of [[], ["copy"]] as const) {
    const server = tree({ "home/r": "remote", "login/": {} }).memory({ lacks });
    const remote = await server.withRoot("/home", call);
    const reached = withOverrides(remote, {
      withRoot: (inner, folder, how) => inner.withRoot(folder === "~" ? "/login" : folder, how),
    });
    await withTrashScene(async ({ trash, entry }) => {
      const r = await entry("r", "remote");
      const loser = { side: "remote", entry: r, path: r.path, why: "overwritten", take: false } as const;
      assert.equal(await trash.mustMove(loser, call), lacks.length === 1);
      const kept = await trash.keep(loser, call);
      assert.equal(kept.moved, lacks.length === 1);
      assert.equal((await remote.stat(r.path, call))?.kind, kept.moved ? undefined : "file");
      assert.equal(
        Object.values(await readTree(server)).filter((text) => text === "remote").length,
        kept.moved ? 1 : 2,
      );
      await kept.undo(call);
      assert.deepEqual(await readTree(remote), { "r": "remote" });
      assert.equal(Object.values(await readTree(server)).filter((text) => text === "remote").length, 1);
    }, { remote: reached });
  }
});

Deno.test("keep() leaves what a server's trash holds alone when the same place is wanted again, or the file changes meanwhile", async () => {
  const server = tree({ "home/r": "remote", "login/": {} }).memory();
  const remote = await server.withRoot("/home", call);
  const edit = { now: () => Promise.resolve() };
  const whole = async () => {
    const inner = await remote.withRoot("/", call);
    return withOverrides(inner, { copy: async (_, ...args) => (await inner.copy?.(...args), await edit.now()) });
  };
  const reached = withOverrides(remote, {
    withRoot: async (inner, folder, how) =>
      folder === "/" ? await whole() : await inner.withRoot(folder === "~" ? "/login" : folder, how),
  });
  const kept = async () => Object.entries(await readTree(server)).filter(([path]) => path.startsWith("login/"));
  await withTrashScene(async ({ trash, entry }) => {
    const r = await entry("r", "remote");
    const loser = { side: "remote", entry: r, path: r.path, why: "overwritten", take: false } as const;
    await trash.keep(loser, call);
    const before = await kept();
    assert.equal(before.length, 1);
    await assert.rejects(trash.keep(loser, call), { kind: "changed" });
    assert.deepEqual(await kept(), before);
    edit.now = async () =>
      void await remote.write(r.path, () => Promise.resolve(new Uint8Array(9)), { ...call, size: 9 });
    await assert.rejects(trash.keep({ ...loser, path: toRelPath("else") }, call), { kind: "changed" });
    assert.deepEqual(await kept(), before);
  }, { remote: reached });
});

Deno.test("keep() takes a server's file away from the second on where the server's disk has no second names", async () => {
  const server = tree({ "home/r": "remote", "login/": {} }).memory({ lacks: ["copy"] });
  const none = () => Promise.reject(new SyncError("unsupported", "no second names", { operation: "hardLink" }));
  const rooted = (inner: Backend): Backend =>
    withOverrides(inner, {
      hardLink: none,
      withRoot: async (_, folder, how) => rooted(await inner.withRoot(folder === "~" ? "/login" : folder, how)),
    });
  await withTrashScene(async ({ trash, entry, remote }) => {
    const r = await entry("r", "remote");
    const loser = { side: "remote", entry: r, path: r.path, why: "overwritten", take: false } as const;
    assert.equal(await trash.mustMove(loser, call), false);
    await assert.rejects(trash.keep(loser, call), { kind: "unsupported" });
    assert.equal((await remote.stat(r.path, call))?.kind, "file");
    assert.equal(await trash.mustMove(loser, call), true);
    assert.equal((await trash.keep(loser, call)).moved, true);
  }, { remote: rooted(await server.withRoot("/home", call)) });
});

Deno.test("keep() copies a remote file to this machine where the server has no place for it", () =>
  withTrashScene(async ({ home, remote, trash, entry }) => {
    const r = await entry("r", "remote");
    const kept = await trash.keep({ side: "remote", entry: r, path: r.path, why: "removed", take: true }, call);
    assert.deepEqual([kept.moved, kept.at.startsWith(`${home}/p/`)], [false, true]);
    assert.equal(await Deno.readTextFile(kept.at), "remote");
    assert.deepEqual(await readTree(remote), { "r": "remote" });
  }, { lacks: ["rename"] }));

Deno.test("keep() keeps nothing that is not what was listed", () =>
  withTrashScene(async ({ home, root, trash, entry }) => {
    const a = await entry("a");
    await Deno.writeTextFile(`${root}/a`, "another");
    for (const take of [true, false]) {
      const loser = { side: "local", entry: a, path: a.path, why: "removed", take } as const;
      await assert.rejects(trash.keep(loser, call), { kind: "changed" });
    }
    assert.deepEqual(await listTrash(home), []);
    assert.equal(await Deno.readTextFile(`${root}/a`), "another");
  }));

Deno.test("keep() rejects where the trash cannot be written, and the file stays", () =>
  withTrashScene(async ({ home, root, trash, entry }) => {
    await Deno.mkdir(home, { recursive: true });
    await Deno.writeTextFile(`${home}/p`, "in the way");
    const a = await entry("a");
    const loser = { side: "local", entry: a, path: a.path, why: "removed", take: true } as const;
    await assert.rejects(trash.keep(loser, call), { name: "SyncError", message: /^Not removed: "a"/ });
    assert.equal(await Deno.readTextFile(`${root}/a`), "old");
  }));

Deno.test("undo() gives back what was kept for nothing", () =>
  withTrashScene(async ({ home, root, trash, entry }) => {
    const before = await readDisk(root, { times: true });
    for (const take of [true, false]) {
      const a = await entry("a");
      const kept = await trash.keep({ side: "local", entry: a, path: a.path, why: "removed", take }, call);
      await kept.undo(call);
      assert.deepEqual(await readDisk(root, { times: true }), before);
    }
    assert.deepEqual(await listTrash(home), []);
  }));

Deno.test("keep() keeps losers in the local root where there is no other folder", () =>
  withTrashScene(async ({ root, local, remote, entry }) => {
    const trash = new PairTrash({ home: undefined, pair: "p", sides: { local, remote }, start, session: "s" });
    const a = await entry("a");
    const kept = await trash.keep({ side: "local", entry: a, path: a.path, why: "removed", take: true }, call);
    assert.equal(kept.at, `${root}/.tandem-trash/p/2026-11-21 103205.000 local/a`);
    assert.equal((await listTrash(`${root}/.tandem-trash`)).length, 1);
  }));

Deno.test("prune() removes what is old enough, but no loser of a conflict, and leaves no empty folders", () =>
  withTrashScene(async ({ home, trash, entry }) => {
    const [a, b] = [await entry("a"), await entry("d/b")];
    await trash.keep({ side: "local", entry: a, path: a.path, why: "conflict", take: true }, call);
    const gone = await trash.keep({ side: "local", entry: b, path: b.path, why: "removed", take: true }, call);
    await trash.prune(30, start + 30 * day, call);
    assert.equal((await listTrash(home)).length, 2);
    await trash.prune(30, start + 30 * day + 1, call);
    assert.deepEqual((await listTrash(home)).map(({ path }) => path), ["a"]);
    await assert.rejects(Deno.stat(gone.at.slice(0, -2)), Deno.errors.NotFound);
  }));

Deno.test("restoreItem() brings a file back with its time, over nothing that is there", () =>
  withTrashScene(async ({ home, root, local, trash, entry }) => {
    const before = await readDisk(root, { times: true });
    const b = await entry("d/b");
    await trash.keep({ side: "local", entry: b, path: b.path, why: "removed", take: true }, call);
    const [item] = await listTrash(home);
    assert.ok(item !== undefined);
    await Deno.writeTextFile(`${root}/d/b`, "another");
    await assert.rejects(restoreItem(item, { home, target: local, ...call }), { kind: "exists", message: /-Force/ });
    await Deno.remove(`${root}/d`, { recursive: true });
    await restoreItem(item, { home, target: local, ...call });
    assert.deepEqual(await readDisk(root, { times: true }), before);
    assert.deepEqual(await listTrash(home), []);
  }));

Deno.test("keep() keeps both sides' losers of one path apart", () =>
  withTrashScene(async ({ home, root, remote, trash, entry }) => {
    await Deno.writeTextFile(`${root}/r`, "local");
    const [mine, theirs] = [await entry("r"), await entry("r", "remote")];
    await trash.keep({ side: "local", entry: mine, path: mine.path, why: "removed", take: true }, call);
    await trash.keep({ side: "remote", entry: theirs, path: theirs.path, why: "removed", take: true }, call);
    const texts = (await listTrash(home)).map(({ at }) => Deno.readTextFileSync(at)).sort();
    assert.deepEqual([texts, remote.rename], [["local", "remote"], undefined]);
  }, { lacks: ["rename"] }));

for (const [name, act] of [["moveOnDisk", moveOnDisk], ["linkOnDisk", linkOnDisk]] as const) {
  Deno.test(`${name}() leaves a version alone that took the place of the one that was listed`, () =>
    withTrashScene(async ({ root, entry }) => {
      const a = await entry("a");
      await Deno.writeTextFile(`${root}/a`, "edited at the last moment");
      await assert.rejects(act(a, { from: `${root}/a`, to: { base: root, at: `${root}/kept` } }), { kind: "changed" });
      assert.deepEqual(await readDisk(root), { "a": "edited at the last moment", "d/b": "deep" });
    }));
}
