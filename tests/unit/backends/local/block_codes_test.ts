import assert from "node:assert/strict";
import { openLocal } from "../../../../lib/backends/local/mod.ts";
import { SyncError } from "../../../../lib/core/errors.ts";
import { toRelPath } from "../../../../lib/core/path.ts";
import { tempPath } from "../../../../lib/core/temp_name.ts";
import { pattern, streamBody } from "../../../support/content.ts";
import { type Disk, freshDisk } from "../../../support/disk.ts";
import { assertRejects, assertSameBytes, call, get, paths } from "../../../contract/assertions.ts";

const MiB = 1 << 20;
const tag = "0123456789abcdef";
const f = toRelPath("f");
const temp = tempPath(f, tag);
const seals = tempPath(toRelPath("seals.f"), tag);
const partialFileKey = "a secret of this user";
const content = pattern(4 * MiB, 5);
const canChown = Deno.build.os !== "windows" && Deno.uid() === 0;

Deno.test("write() goes on behind what another process has left, as far as its codes prove it", async () => {
  await using place = await broken();
  assert.deepEqual(await go(place), { from: 3 * MiB, left: ["f"] });
});

Deno.test("write() believes nothing of a leftover whose codes were made with another secret, or that has none", async () => {
  {
    await using place = await broken({ partialFileKey: "the secret of another" });
    assert.deepEqual(await go(place), { from: 0, left: ["f"] });
  }
  await using place = await broken();
  await Deno.remove(`${place.disk}/${seals}`);
  assert.deepEqual(await go(place), { from: 0, left: ["f"] });
});

Deno.test("write() believes no block of a leftover behind one that is not what was written there", async () => {
  for (const [at, from] of [[17, 0], [MiB + 17, MiB], [3 * MiB - 1, 2 * MiB]] as const) {
    await using place = await broken();
    await flip(`${place.disk}/${temp}`, at);
    assert.deepEqual(await go(place), { from, left: ["f"] });
  }
});

Deno.test("write() believes no blocks that changed their places, and none of another version", async () => {
  {
    await using place = await broken();
    const left = await Deno.readFile(`${place.disk}/${temp}`);
    const turned = new Uint8Array([
      ...left.subarray(MiB, 2 * MiB),
      ...left.subarray(0, MiB),
      ...left.subarray(2 * MiB),
    ]);
    await Deno.writeFile(`${place.disk}/${temp}`, turned);
    const codes = (await Deno.readTextFile(`${place.disk}/${seals}`)).split("\n");
    await Deno.writeTextFile(`${place.disk}/${seals}`, [codes[1], codes[0], ...codes.slice(2)].join("\n"));
    assert.deepEqual(await go(place), { from: 0, left: ["f"] });
  }
  await using place = await broken({ tag: "0123456700000000" });
  await Deno.rename(`${place.disk}/${tempPath(f, "0123456700000000")}`, `${place.disk}/${temp}`);
  await Deno.rename(`${place.disk}/${tempPath(toRelPath("seals.f"), "0123456700000000")}`, `${place.disk}/${seals}`);
  assert.deepEqual(await go(place), { from: 0, left: ["f"] });
});

Deno.test("write() believes no other file, though it holds the same", async () => {
  await using place = await broken();
  await Deno.copyFile(`${place.disk}/${temp}`, `${place.disk}/other`);
  await Deno.rename(`${place.disk}/other`, `${place.disk}/${temp}`);
  assert.deepEqual(await go(place), { from: 0, left: ["f"] });
});

Deno.test({
  name: "write() takes up no file of another user, though its end is the source's, and leaves it as it is",
  ignore: !canChown,
  async fn() {
    await using place = await freshDisk();
    const planted = new Uint8Array(content.length).fill(69);
    planted.set(content.subarray(-64 * 1024), planted.length - 64 * 1024);
    await Deno.writeFile(`${place.disk}/${temp}`, planted);
    await Deno.chown(`${place.disk}/${temp}`, 4242, 4242);
    assert.deepEqual(await go(place), { from: 0, left: [temp, "f"] });
    assertSameBytes(await Deno.readFile(`${place.disk}/${temp}`), planted);
    assert.equal((await Deno.lstat(`${place.disk}/f`)).uid, Deno.uid());
  },
});

Deno.test("write() takes up no leftover that others can write to, or that has another name", async () => {
  {
    await using place = await broken();
    await Deno.chmod(`${place.disk}/${temp}`, 0o666);
    assert.deepEqual(await go(place), { from: 0, left: ["f"] });
  }
  await using place = await broken();
  await Deno.link(`${place.disk}/${temp}`, `${place.disk}/other`);
  assert.deepEqual(await go(place), { from: 0, left: ["f", "other"] });
  const other = await Deno.readFile(`${place.disk}/other`);
  assertSameBytes(other, content.subarray(0, other.length));
});

Deno.test({
  name: "write() takes up no leftover that belongs to another user, though its codes fit",
  ignore: !canChown,
  async fn() {
    await using place = await broken();
    await Deno.chown(`${place.disk}/${temp}`, 4242, 4242);
    assert.deepEqual(await go(place), { from: 0, left: [temp, "f"] });
  },
});

Deno.test("write() lets nobody else write to a temporary file, whatever the mode that it ends with", async () => {
  const umask = Deno.umask(0);
  try {
    await using place = await freshDisk();
    const modes = new Set<number>();
    const body = streamBody(content, {
      before: () => {
        for (const { name } of Deno.readDirSync(place.disk)) {
          modes.add((Deno.lstatSync(`${place.disk}/${name}`).mode ?? 0) & 0o022);
        }
      },
    });
    const entry = await place.backend.write(f, body, { ...call, size: content.length, tag, mode: 0o666 });
    assert.deepEqual([...modes], [0]);
    assert.equal(entry.mode, 0o666);
  } finally {
    Deno.umask(umask);
  }
});

Deno.test("write() goes on though its codes cannot be kept", async () => {
  await using place = await freshDisk();
  await Deno.mkdir(`${place.disk}/${seals}`);
  assert.deepEqual(await go(place), { from: 0, left: [seals, "f"] });
});

Deno.test("write() keeps no codes beside a file that is there", async () => {
  await using place = await freshDisk();
  await place.backend.write(f, streamBody(content), { ...call, size: content.length, tag, partialFileKey });
  assert.deepEqual(await paths(place.backend), ["f"]);
});

/** A folder with 3 MiB and a bit of a write that broke. */
async function broken(options: { readonly tag?: string; readonly partialFileKey?: string } = {}): Promise<Disk> {
  const place = await freshDisk();
  const body = streamBody(content, {
    before: (offset) => {
      if (offset > 3 * MiB + 1000) throw new SyncError("connection", "The link is gone", { operation: "test" });
    },
  });
  const write = { ...call, size: content.length, tag, partialFileKey, ...options };
  await assertRejects(place.backend.write(f, body, write), "connection");
  assert.equal((await paths(place.backend)).length, 2, "the leftover and its codes are there");
  return place;
}

/** Writes again as another process would. Gives the first byte that was asked for beside the comparison of the end, and the names that are there then. */
async function go({ disk }: Disk): Promise<{ readonly from: number; readonly left: readonly string[] }> {
  await using backend = await openLocal(disk, call);
  const asked: number[] = [];
  const body = (from = 0, to?: number) => {
    if (to === undefined) asked.push(from);
    return streamBody(content)(from, to);
  };
  await backend.write(f, body, { ...call, size: content.length, tag, partialFileKey });
  assertSameBytes(await get(backend, "f"), content);
  return { from: asked[0] ?? content.length, left: await paths(backend) };
}

async function flip(path: string, at: number): Promise<void> {
  const bytes = await Deno.readFile(path);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  await Deno.writeFile(path, bytes);
}
