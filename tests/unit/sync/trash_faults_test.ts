import assert from "node:assert/strict";
import type { Backend, Content } from "../../../lib/core/backend.ts";
import { SyncError } from "../../../lib/core/errors.ts";
import { toRelPath } from "../../../lib/core/path.ts";
import { PairTrash } from "../../../lib/sync/trash/trash.ts";
import type { DiscardedVersion, KeptVersion } from "../../../lib/sync/trash/trash.ts";
import { listTrash } from "../../../lib/sync/trash/restore.ts";
import { canLockFolder, lockFolder } from "../../support/lock_folder.ts";
import { withOverrides } from "../../support/stacked.ts";
import { canMount, mountBind, mountSmall } from "../../support/small_disk.ts";
import { readDisk, readTree, tree } from "../../support/trees/tree.ts";
import { call, start, type TrashScene, withTrashScene } from "../../support/trash_scene.ts";

const hasMounts = await canMount();
const canLock = await canLockFolder();
const large = 200_000;

/** Everything in a folder of this disk, whoever it belongs to, but for indexes. */
async function keptIn(home: string): Promise<readonly string[]> {
  return Object.keys(await readDisk(home)).filter((path) =>
    !path.endsWith("/") && !path.endsWith(".jsonl") && path !== "filler"
  );
}

async function keep({ trash }: TrashScene, loser: Omit<DiscardedVersion, "path" | "why">): Promise<KeptVersion> {
  return await trash.keep({ ...loser, path: loser.entry.path, why: loser.take ? "removed" : "overwritten" }, call);
}

/** A remote without renames, so that what loses is copied to this machine. */
function copying(read?: (content: Content) => Content): Backend {
  const inner = tree({ "r": { size: large } }).memory({ lacks: ["rename"] });
  return withOverrides(inner, {
    read: async (place, path, how) => {
      const content = await place.read(path, how);
      return read === undefined ? content : read(content);
    },
  });
}

/** Disks on which nothing can be kept, and the kind of error that says so. */
const disks: Readonly<
  Record<
    string,
    { readonly kind: string; readonly spoil: (disk: Awaited<ReturnType<typeof mountSmall>>) => Promise<void> }
  >
> = {
  "full": { kind: "full", spoil: (disk) => disk.fill() },
  "read-only": { kind: "denied", spoil: (disk) => disk.setReadOnly() },
  "too small for the file": { kind: "full", spoil: () => Promise.resolve() },
};
for (const [what, { kind, spoil }] of Object.entries(disks)) {
  Deno.test({
    name: `keep() rejects where the trash's disk is ${what}, and nothing is left of what was begun`,
    ignore: !hasMounts,
    fn: () =>
      withTrashScene(async (scene) => {
        await Deno.mkdir(scene.home, { recursive: true });
        await using disk = await mountSmall(scene.home, 65_536);
        await spoil(disk);
        for (const take of [true, false]) {
          const entry = await scene.entry("r", "remote");
          await assert.rejects(keep(scene, { side: "remote", entry, take }), { kind });
        }
        assert.deepEqual([await listTrash(scene.home), await keptIn(scene.home)], [[], []]);
        assert.equal((await scene.remote.stat(toRelPath("r"), call))?.kind, "file");
      }, { remote: copying() }),
  });
}

Deno.test({
  name: "keep() rejects where the trash allows no new name, and the file stays",
  ignore: !canLock,
  fn: () =>
    withTrashScene(async (scene) => {
      await Deno.mkdir(`${scene.home}/p`, { recursive: true, mode: 0o700 });
      await using _lock = await lockFolder(`${scene.home}/p`);
      for (const take of [true, false]) {
        await assert.rejects(keep(scene, { side: "local", entry: await scene.entry("a"), take }), { kind: "denied" });
      }
      assert.deepEqual(await readDisk(scene.root), { "a": "old", "d/b": "deep" });
    }),
});

Deno.test("keep() keeps nothing that its list cannot name, and the file stays", () =>
  withTrashScene(async (scene) => {
    await Deno.mkdir(`${scene.home}/p.jsonl`, { recursive: true, mode: 0o700 });
    for (const take of [true, false]) {
      await assert.rejects(keep(scene, { side: "local", entry: await scene.entry("a"), take }), { name: "SyncError" });
    }
    const r = await scene.entry("r", "remote");
    await assert.rejects(keep(scene, { side: "remote", entry: r, take: true }), { name: "SyncError" });
    assert.deepEqual(await keptIn(scene.home), []);
    assert.deepEqual(await readDisk(scene.root), { "a": "old", "d/b": "deep" });
  }, { lacks: ["rename"] }));

const cuts: Readonly<Record<string, (content: Content) => Content>> = {
  "is cut short": (content) =>
    content instanceof Uint8Array ? content.subarray(0, 1000) : content.pipeThrough(first(1000)),
  "breaks": () =>
    new ReadableStream({
      pull: (controller) => controller.error(new SyncError("connection", "The line is gone", { operation: "read" })),
    }),
};
for (const [what, cut] of Object.entries(cuts)) {
  Deno.test(`keep() rejects where the copy ${what}, and nothing is left of it`, () =>
    withTrashScene(async (scene) => {
      for (const take of [true, false]) {
        const entry = await scene.entry("r", "remote");
        await assert.rejects(keep(scene, { side: "remote", entry, take }), { name: "SyncError" });
      }
      assert.deepEqual([await listTrash(scene.home), await keptIn(scene.home)], [[], []]);
    }, { remote: copying(cut) }));
}

Deno.test({
  name: "keep() copies where a rename within one disk fails, whole or not at all",
  ignore: !hasMounts,
  fn: () =>
    withTrashScene(async (scene) => {
      await Deno.mkdir(scene.home, { recursive: true, mode: 0o700 });
      const elsewhere = await Deno.makeTempDir({ prefix: "tandem-bound-" });
      try {
        // Two mounts of one disk: one device, and no rename from one to the other.
        await using _mount = await mountBind(elsewhere, scene.home);
        const kept = await keep(scene, { side: "local", entry: await scene.entry("a"), take: true });
        assert.deepEqual([kept.moved, await Deno.readTextFile(kept.at)], [false, "old"]);
        const local = withOverrides(scene.local, {
          read: async (inner, ...args) => {
            const content = await inner.read(...args);
            return content instanceof Uint8Array ? content.subarray(1) : content.pipeThrough(first(1));
          },
        });
        const cut = new PairTrash({
          home: scene.home,
          pair: "p",
          sides: { local, remote: scene.remote },
          start,
          session: "s",
        });
        const b = await scene.entry("d/b");
        const loser = { side: "local", entry: b, path: b.path, why: "removed", take: true } as const;
        await assert.rejects(cut.keep(loser, call), { name: "SyncError", message: /^Not removed: "d\/b"/ });
        assert.deepEqual((await listTrash(scene.home)).map(({ path }) => path), ["a"]);
        assert.deepEqual(await readDisk(scene.root), { "a": "old", "d/b": "deep" });
      } finally {
        await Deno.remove(elsewhere, { recursive: true });
      }
    }),
});

Deno.test("keep() rejects where a server's trash is full, and the file stays", async () => {
  const full = () => Promise.reject(new SyncError("full", "The disk is full", { operation: "write" }));
  const server = tree({ "home/r": "remote", "login/": {} }).memory();
  const rooted = (inner: Backend): Backend =>
    withOverrides(inner, {
      rename: full,
      copy: full,
      withRoot: async (_, folder, how) => rooted(await inner.withRoot(folder === "~" ? "/login" : folder, how)),
    });
  await withTrashScene(async (scene) => {
    for (const take of [true, false]) {
      const entry = await scene.entry("r", "remote");
      await assert.rejects(keep(scene, { side: "remote", entry, take }), { kind: "full" });
    }
    assert.deepEqual(await listTrash(scene.home), []);
    assert.equal((await readTree(scene.remote))["r"], "remote");
  }, { remote: rooted(await server.withRoot("/home", call)) });
});

Deno.test("keep() rejects where a server's copy is cut short, and nothing is left of it", async () => {
  const server = tree({ "home/r": "remote", "login/": {} }).memory();
  const rooted = (inner: Backend): Backend =>
    withOverrides(inner, {
      copy: async (place, _, to, { signal }) =>
        void await place.write(to, () => Promise.resolve(new Uint8Array(3)), { signal, size: 3 }),
      withRoot: async (_, folder, how) => rooted(await inner.withRoot(folder === "~" ? "/login" : folder, how)),
    });
  await withTrashScene(async (scene) => {
    const entry = await scene.entry("r", "remote");
    await assert.rejects(keep(scene, { side: "remote", entry, take: false }), { message: /no whole copy/ });
    assert.deepEqual(await listTrash(scene.home), []);
    const files = Object.keys(await readTree(server)).filter((path) => !path.endsWith("/"));
    assert.deepEqual(files, ["home/r"]);
  }, { remote: rooted(await server.withRoot("/home", call)) });
});

function first(bytes: number): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  let left = bytes;
  return new TransformStream({
    transform(chunk, controller) {
      controller.enqueue(chunk.subarray(0, left));
      left -= Math.min(left, chunk.length);
    },
  });
}
