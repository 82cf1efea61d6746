import assert from "node:assert/strict";
import type { Backend } from "../../../../lib/core/backend.ts";
import { openLocal } from "../../../../lib/backends/local/mod.ts";
import { LocalRoot } from "../../../../lib/backends/local/root.ts";
import { newDiskSession } from "../../../../lib/backends/local/session.ts";
import { posix } from "node:path";
import { root, toRelPath } from "../../../../lib/core/path.ts";
import { tempPath } from "../../../../lib/core/temp_name.ts";
import { pattern, streamBody, wholeBody } from "../../../support/content.ts";
import { freshDisk } from "../../../support/disk.ts";
import { assertRejects, call, file, folder, get, paths, put, text } from "../../../contract/assertions.ts";

const d = toRelPath("d");
const f = toRelPath("f");
const tag = "0123456789abcdef";
const ways = Deno.build.os === "linux" ? [true, false] : [false];

Deno.test({
  name:
    "a held folder stays the one that was found: nothing is made, renamed or removed behind a link that took its place",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using place = await freshDisk();
    await using outside = await freshDisk();
    await folder(place.backend, "d");
    await put(outside.backend, "theirs", "x");
    const at = await newRoot(place.disk);
    {
      using held = await at.hold(d, "write");
      await swapForLink(`${place.disk}/d`, outside.disk);
      await Deno.writeTextFile(held.pathTo("made"), "x");
      await Deno.rename(held.pathTo("made"), held.pathTo("renamed"));
      await assert.rejects(Deno.remove(held.pathTo("theirs")), Deno.errors.NotFound);
      assert.deepEqual(Array.from(Deno.readDirSync(held.folder), ({ name }) => name), ["renamed"]);
      await assertRejects(held.assertUnmoved(), "refused");
    }
    assert.deepEqual(await paths(outside.backend), ["theirs"]);
    assert.equal(await text(place.backend, "was/renamed"), "x");
    at.session.lifetime.abort();
  },
});

for (const handles of ways) {
  const how = handles ? "held open" : "compared";

  Deno.test(`a folder that is ${how} must stay: another folder or a link in its place is refused`, async () => {
    await using place = await freshDisk();
    await folder(place.backend, "d");
    const at = await newRoot(place.disk, handles);
    {
      using held = await at.hold(d, "write");
      await held.assertUnmoved();
      await Deno.rename(`${place.disk}/d`, `${place.disk}/was`);
      await assertRejects(held.assertUnmoved(), "notFound");
      await Deno.mkdir(`${place.disk}/d`);
      await assertRejects(held.assertUnmoved(), "changed");
      await Deno.remove(`${place.disk}/d`);
      await Deno.symlink("was", `${place.disk}/d`);
      await assertRejects(held.assertUnmoved(), "refused");
    }
    at.session.lifetime.abort();
  });

  Deno.test(`a root whose folders are ${how} is the one that was found first: another in its place is not worked on`, async () => {
    await using place = await freshDisk();
    await Deno.mkdir(`${place.disk}/root/d`, { recursive: true });
    await Deno.mkdir(`${place.disk}/other/d`, { recursive: true });
    await using backend = await openLocal(`${place.disk}/root`, { ...call, holdFolders: handles });
    await put(backend, "d/f", "mine");
    await put(backend, "f", "mine");
    await Deno.writeTextFile(`${place.disk}/other/d/f`, "secret");
    await Deno.rename(`${place.disk}/root`, `${place.disk}/was`);
    await assertRejects(get(backend, "d/f"), "notFound");
    for (const swap of [() => Deno.rename(`${place.disk}/other`, `${place.disk}/root`), linkToOther]) {
      await swap();
      await worksNowhere(backend);
    }
    assert.deepEqual(await paths(place.backend, "other/d"), ["other/d/f"]);
    assert.deepEqual(await paths(place.backend, "other"), ["other/d"]);

    async function linkToOther(): Promise<void> {
      await Deno.rename(`${place.disk}/root`, `${place.disk}/other`);
      await Deno.symlink("other", `${place.disk}/root`);
    }
  });

  Deno.test(`a folder below a link that came meanwhile is refused by every operation (${how})`, async () => {
    await using place = await freshDisk();
    await using outside = await freshDisk();
    await using backend = await openLocal(place.disk, { ...call, holdFolders: handles });
    await folder(backend, "d");
    await put(backend, "f", "mine");
    const known = await put(backend, "d/f", "x");
    await put(outside.backend, "f", "x", known.modified);
    await swapForLink(`${place.disk}/d`, outside.disk);
    const inside = toRelPath("d/f");
    const calls: readonly (() => Promise<unknown> | undefined)[] = [
      () => backend.list(d, call),
      () => backend.stat(inside, call),
      () => backend.read(inside, call),
      () => backend.write(inside, wholeBody("new"), { ...call, size: 3 }),
      () => backend.write(inside, wholeBody("new"), { ...call, size: 3, inPlace: true }),
      () => backend.makeDir(toRelPath("d/new"), call),
      () => backend.remove(known, call),
      () => backend.rename?.(inside, toRelPath("g"), call),
      () => backend.rename?.(f, toRelPath("d/g"), call),
      () => backend.makeLink?.(toRelPath("d/l"), "f", call),
      () => backend.setModified?.(inside, 1000, call),
      () => backend.setMode?.(inside, 0o777, call),
      () => backend.checksum?.(known, ["sha256"], call),
      () => backend.flush?.([d], call),
    ];
    const before = await Deno.lstat(`${outside.disk}/f`);
    for (const one of calls) await assertRejects((async () => await one())(), "refused");
    const after = await Deno.lstat(`${outside.disk}/f`);
    assert.deepEqual([after.mode, after.mtime, after.ino], [before.mode, before.mtime, before.ino]);
    assert.deepEqual(await paths(outside.backend), ["f"]);
    assert.equal(await text(outside.backend, "f"), "x");
  });
}

Deno.test("read() gives no byte of another file that has the size and the time of the expected one", async () => {
  await using place = await freshDisk();
  const expect = await put(place.backend, "f", "mine", 1_700_000_000_000);
  await Deno.writeTextFile(`${place.disk}/other`, "root");
  await Deno.utime(`${place.disk}/other`, 1_700_000_000, 1_700_000_000);
  await Deno.rename(`${place.disk}/other`, `${place.disk}/f`);
  await assertRejects(place.backend.read(f, { ...call, expect }), "changed");
});

Deno.test("write() sets no mode through a link that took its temporary file's name, and puts no other file in place", async () => {
  for (const plant of ["link", "file"]) {
    await using place = await freshDisk();
    await Deno.writeTextFile(`${place.disk}/f`, "old", { mode: 0o644 });
    await Deno.writeTextFile(`${place.disk}/victim`, "theirs", { mode: 0o644 });
    const temp = `${place.disk}/${tempPath(f, tag)}`;
    const body = streamBody(pattern(5000), {
      before: async () => {
        await Deno.remove(temp);
        if (plant === "link") await Deno.symlink("victim", temp);
        else await Deno.writeTextFile(temp, "x".repeat(5000));
        await Deno.chmod(`${place.disk}/f`, 0o600);
      },
    });
    await assertRejects(place.backend.write(f, body, { ...call, size: 5000, tag, mode: 0o644 }), "changed");
    assert.equal(((await Deno.lstat(`${place.disk}/victim`)).mode ?? 0) & 0o777, 0o644);
    assert.equal(await text(place.backend, "f"), "old");
  }
});

Deno.test("write() leaves nothing outside when its folder is swapped for a link, whatever the moment", async () => {
  await using place = await freshDisk();
  await using outside = await freshDisk();
  for (const at of [0, 3000]) {
    await Deno.mkdir(`${place.disk}/d`);
    const body = streamBody(pattern(5000), {
      chunk: 1000,
      before: (offset) => offset === at ? swapForLink(`${place.disk}/d`, outside.disk) : undefined,
    });
    await assertRejects(place.backend.write(toRelPath("d/f"), body, { ...call, size: 5000, tag }), "refused");
    assert.deepEqual(await paths(place.backend, "was"), [], "the temporary file is removed where it was made");
    await Deno.remove(`${place.disk}/d`);
    await Deno.remove(`${place.disk}/was`);
  }
  assert.deepEqual(await paths(outside.backend), []);
});

Deno.test({
  name: "onDisk() leads to the entry in the folder that was found, though a link takes its place meanwhile",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using place = await freshDisk();
    await using outside = await freshDisk();
    await folder(place.backend, "d");
    await put(place.backend, "d/f", "mine");
    await put(outside.backend, "f", "theirs");
    await place.backend.withDiskPath?.(toRelPath("d/f"), async (at) => {
      await swapForLink(`${place.disk}/d`, outside.disk);
      await Deno.rename(at, `${place.disk}/kept`);
    }, call);
    assert.equal(await text(place.backend, "kept"), "mine");
    assert.deepEqual(await paths(outside.backend), ["f"]);
  },
});

Deno.test("stat() and list() of a root that comes and goes tell what is there", async () => {
  await using place = await freshDisk();
  await using backend = await openLocal(`${place.disk}/root`, call);
  assert.equal(await backend.stat(f, call), undefined);
  await assertRejects(backend.list(root, call), "notFound");
  await backend.makeDir(root, call);
  await put(backend, "f", "x");
  assert.equal((await file(backend, "f")).size, 1);
  await Deno.remove(`${place.disk}/root`, { recursive: true });
  assert.equal(await backend.stat(f, call), undefined);
  await assertRejects(backend.list(root, call), "notFound");
});

async function worksNowhere(backend: Backend): Promise<void> {
  await assertRejects(backend.list(root, call), "changed", "refused");
  await assertRejects(get(backend, "d/f"), "changed", "refused");
  await assertRejects(backend.write(toRelPath("d/new"), wholeBody("x"), { ...call, size: 1 }), "changed", "refused");
  await assertRejects(backend.write(toRelPath("new"), wholeBody("x"), { ...call, size: 1 }), "changed", "refused");
}

async function newRoot(disk: string, handles = true): Promise<LocalRoot> {
  return await LocalRoot.open(newDiskSession(posix, { holdFolders: handles }), "/", disk);
}

async function swapForLink(path: string, target: string): Promise<void> {
  await Deno.rename(path, `${posix.dirname(path)}/was`);
  await Deno.symlink(target, path);
}
