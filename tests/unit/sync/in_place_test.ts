import assert from "node:assert/strict";
import type { Backend } from "../../../lib/core/backend.ts";
import { SyncError } from "../../../lib/core/errors.ts";
import { toRelPath } from "../../../lib/core/path.ts";
import { type ActionOptions, runAction } from "../../../lib/sync/apply/action.ts";
import { transfer } from "../../../lib/sync/apply/transfer.ts";
import { PairTrash } from "../../../lib/sync/trash/trash.ts";
import { listTrash } from "../../../lib/sync/trash/restore.ts";
import { type Disk, freshDisk } from "../../support/disk.ts";
import { withOverrides } from "../../support/stacked.ts";
import { memory } from "../../../lib/backends/memory/mod.ts";
import { fileAt, owners, plant, rejection, signal } from "./fixtures.ts";
import type { Copy } from "../../../lib/sync/common/sides.ts";

const a = toRelPath("a");
const call = { signal };

Deno.test("perform() in place with a trash keeps a copy of what it replaces, and the file stays the one it was", async () => {
  await using scene = await newScene();
  await Deno.writeTextFile(`${scene.place.disk}/a`, "old");
  await Deno.link(`${scene.place.disk}/a`, `${scene.place.disk}/other`);
  const { ino } = await Deno.lstat(`${scene.place.disk}/a`);
  const outcome = await runAction(await scene.copy(), scene.sides, scene.options);
  assert.ok("kept" in outcome && outcome.kept !== undefined);
  assert.equal(await Deno.readTextFile(outcome.kept.path), "old");
  assert.equal((await Deno.lstat(`${scene.place.disk}/a`)).ino, ino);
  assert.equal(await Deno.readTextFile(`${scene.place.disk}/other`), "the new version");
  const [item] = await listTrash(scene.home);
  assert.equal(item?.why, "overwritten");
});

Deno.test("perform() in place keeps the old version in the trash when it breaks half way, and nothing there when it had not begun", async () => {
  for (const [at, kept] of [[0, 0], [1, 1]] as const) {
    await using scene = await newScene();
    await Deno.writeTextFile(`${scene.place.disk}/a`, "old");
    const remote = breaking(scene.sides.remote, at);
    const error = await rejection(runAction(await scene.copy(), { ...scene.sides, remote }, scene.options));
    assert.equal(error.kind, "connection");
    assert.equal(/half old, half new/.test(error.message), at > 0);
    const items = await listTrash(scene.home);
    assert.equal(items.length, kept);
    for (const item of items) assert.equal(await Deno.readTextFile(item.at), "old");
    if (at === 0) assert.equal(await Deno.readTextFile(`${scene.place.disk}/a`), "old");
  }
});

Deno.test("perform() in place with a trash leaves an edit that came after the listing", async () => {
  await using scene = await newScene();
  await Deno.writeTextFile(`${scene.place.disk}/a`, "old");
  const action = await scene.copy();
  const remote = withOverrides(scene.sides.remote, {
    read: async (inner, path, options) => {
      await Deno.writeTextFile(`${scene.place.disk}/a`, "an edit");
      return await inner.read(path, options);
    },
  });
  assert.equal((await rejection(runAction(action, { ...scene.sides, remote }, scene.options))).kind, "changed");
  assert.equal(await Deno.readTextFile(`${scene.place.disk}/a`), "an edit");
  assert.deepEqual(await listTrash(scene.home), []);
});

Deno.test("transfer() in place says that a file is half written when its source vanishes meanwhile", async () => {
  await using scene = await newScene();
  await Deno.writeTextFile(`${scene.place.disk}/a`, "old");
  const action = await scene.copy();
  const remote = breaking(scene.sides.remote, 1, async () => {
    const entry = await scene.sides.remote.stat(a, call);
    if (entry !== undefined) await scene.sides.remote.remove(entry, call);
    return new SyncError("notFound", "It is gone", { operation: "read" });
  });
  const options = { ...call, owner: owners.local, onBytes: () => {}, onWarning: () => {} };
  const error = await rejection(transfer(action, { ...scene.sides, remote }, options));
  assert.match(error.message, /half old, half new/);
});

interface Scene extends AsyncDisposable {
  readonly place: Disk;
  readonly home: string;
  readonly sides: { readonly local: Backend; readonly remote: Backend };
  readonly options: ActionOptions;
  copy(): Promise<Copy>;
}

/** A local disk that is written to, a remote in memory that holds a new version of "a", and a trash on that disk. */
async function newScene(): Promise<Scene> {
  const place = await freshDisk();
  const home = await Deno.makeTempDir({ prefix: "tandem-trash-" });
  const remote = memory();
  plant(remote, { "a": "the new version" });
  const sides = { local: place.backend, remote };
  const trash = new PairTrash({ home, pair: "p", sides, start: 0, session: "memory" });
  return {
    place,
    home,
    sides,
    options: { ...call, owners, trash, onBytes: () => {} },
    async copy() {
      const replaces = await fileAt(place.backend, "a");
      return {
        do: "copy",
        to: "local",
        path: a,
        why: "newer",
        source: await fileAt(remote, "a"),
        replaces,
        inPlace: true,
      };
    },
    async [Symbol.asyncDispose]() {
      await place[Symbol.asyncDispose]();
      await Deno.remove(home, { recursive: true });
    },
  };
}

/** A place whose content breaks off behind so many bytes. */
function breaking(
  inner: Backend,
  at: number,
  why = () => Promise.resolve(new SyncError("connection", "The link is gone", { operation: "read" })),
): Backend {
  return withOverrides(inner, {
    read: (): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> => {
      let told = 0;
      return Promise.resolve(
        new ReadableStream({
          async pull(controller) {
            if (told === at) return controller.error(await why());
            told++;
            controller.enqueue(new TextEncoder().encode("x"));
          },
        }),
      );
    },
  });
}
