import assert from "node:assert/strict";
import type { Backend, Body } from "../../../../lib/core/backend.ts";
import { openLocal } from "../../../../lib/backends/local/mod.ts";
import { SyncError } from "../../../../lib/core/errors.ts";
import { toRelPath } from "../../../../lib/core/path.ts";
import { tempPath } from "../../../../lib/core/temp_name.ts";
import { pattern, streamBody, wholeBody } from "../../../support/content.ts";
import { freshDisk } from "../../../support/disk.ts";
import {
  assertRejects,
  assertSameBytes,
  call,
  file,
  folder,
  get,
  paths,
  put,
  text,
} from "../../../contract/assertions.ts";

const tag = "0123456789abcdef";
const f = toRelPath("f");

Deno.test("write() gives times to the ms, before 1970 and far away too", async () => {
  await using place = await freshDisk();
  for (const modified of [1_700_000_000_123, -1500, -86_400_000, 4_102_444_800_001]) {
    assert.equal((await put(place.backend, "f", "x", modified)).modified, modified);
  }
});

Deno.test("write() warns of a time that the disk refuses, and the content is good", async () => {
  await using place = await freshDisk();
  const warnings: string[] = [];
  const options = {
    ...call,
    size: 1,
    modified: Number.NaN,
    onWarning: (message: string) => void warnings.push(message),
  };
  await place.backend.write(f, wholeBody("x"), options);
  assert.equal(await text(place.backend, "f"), "x");
  assert.equal(warnings.length, 1);
});

Deno.test("write() keeps the temporary file as closed as the file it replaces", async () => {
  await using place = await freshDisk();
  await Deno.writeTextFile(`${place.disk}/f`, "secret", { mode: 0o600 });
  const modes: number[] = [];
  const body = streamBody(pattern(5000), {
    chunk: 1000,
    before: async () => {
      const { mode } = await Deno.lstat(`${place.disk}/${tempPath(f, tag)}`);
      modes.push((mode ?? 0) & 0o7777);
    },
  });
  await place.backend.write(f, body, { ...call, size: 5000, tag, mode: 0o666 });
  assert.deepEqual(new Set(modes), new Set([0o600]));
  assert.equal((await file(place.backend, "f")).mode, 0o600);
});

Deno.test("write() keeps the mode that the file has in the end", async () => {
  await using place = await freshDisk();
  await Deno.writeTextFile(`${place.disk}/f`, "old", { mode: 0o644 });
  const body = streamBody(pattern(5000), { before: () => Deno.chmod(`${place.disk}/f`, 0o600) });
  await place.backend.write(f, body, { ...call, size: 5000 });
  assert.equal((await file(place.backend, "f")).mode, 0o600);
});

Deno.test("write() gives a new file the wanted mode exactly, else that of every new file", async () => {
  await using place = await freshDisk();
  const exact = await place.backend.write(f, wholeBody("x"), { ...call, size: 1, mode: 0o666 });
  assert.equal(exact.mode, 0o666);
  assert.equal((await put(place.backend, "usual", "x")).mode, 0o666 & ~Deno.umask());
});

Deno.test("write() shows the old content until the new one is complete", async () => {
  await using place = await freshDisk();
  await put(place.backend, "f", "old");
  const seen = new Set<string>();
  const body = streamBody(pattern(50_000), {
    chunk: 1000,
    before: async () => void seen.add(await Deno.readTextFile(`${place.disk}/f`)),
  });
  await place.backend.write(f, body, { ...call, size: 50_000 });
  assert.deepEqual(seen, new Set(["old"]));
  assertSameBytes(await get(place.backend, "f"), pattern(50_000));
});

Deno.test("write() sees a file that came while it was writing, and leaves it", async () => {
  await using place = await freshDisk();
  const body = streamBody(pattern(5000), {
    chunk: 1000,
    before: async (offset) => {
      if (offset === 3000) await Deno.writeTextFile(`${place.disk}/f`, "theirs");
    },
  });
  await assertRejects(place.backend.write(f, body, { ...call, size: 5000, expect: "absent" }), "changed");
  assert.equal(await text(place.backend, "f"), "theirs");
  assert.deepEqual(await paths(place.backend), ["f"]);
});

Deno.test("write() refuses when its folder becomes a link while it is writing", async () => {
  await using place = await freshDisk();
  await using outside = await freshDisk();
  await folder(place.backend, "d");
  const body = streamBody(pattern(5000), {
    chunk: 1000,
    before: async (offset) => {
      if (offset !== 3000) return;
      await Deno.rename(`${place.disk}/d`, `${place.disk}/was`);
      await Deno.symlink(outside.disk, `${place.disk}/d`);
    },
  });
  await assertRejects(place.backend.write(toRelPath("d/f"), body, { ...call, size: 5000 }), "refused");
  assert.deepEqual(await paths(outside.backend), []);
});

Deno.test("write() with a tag keeps 1 MiB and more of a broken transfer, and asks the source for the rest alone", async () => {
  await using place = await freshDisk();
  const bytes = pattern(3 << 20, 5);
  await breakAt(place.backend, bytes, 2 << 20);
  assert.equal((await Deno.stat(`${place.disk}/${tempPath(f, tag)}`)).size, 2 << 20);
  const ranges: (number | undefined)[] = [];
  let told = 0;
  const body: Body = (from, to) => {
    ranges.push(from);
    return streamBody(bytes)(from, to);
  };
  await place.backend.write(f, body, { ...call, size: bytes.length, tag, onBytes: (count) => void (told += count) });
  assertSameBytes(await get(place.backend, "f"), bytes);
  assert.deepEqual(ranges, [(2 << 20) - 65_536, 2 << 20]);
  assert.equal(told, bytes.length);
  assert.deepEqual(await paths(place.backend), ["f"]);
});

Deno.test("write() keeps nothing of a transfer that broke before 1 MiB", async () => {
  await using place = await freshDisk();
  await breakAt(place.backend, pattern(3 << 20, 5), 1 << 19);
  assert.deepEqual(await paths(place.backend), []);
});

Deno.test("write() starts anew where the leftover's end is not the source's", async () => {
  await using place = await freshDisk();
  const bytes = pattern(3 << 20, 5);
  await Deno.writeFile(`${place.disk}/${tempPath(f, tag)}`, pattern(2 << 20, 6));
  await place.backend.write(f, streamBody(bytes), { ...call, size: bytes.length, tag });
  assertSameBytes(await get(place.backend, "f"), bytes);
});

Deno.test("write() starts anew where the leftover is older than the machine's start", async () => {
  await using place = await freshDisk();
  const bytes = pattern(3 << 20, 5);
  const leftover = bytes.slice(0, 2 << 20);
  leftover[17] = (leftover[17] ?? 0) ^ 1;
  const temp = `${place.disk}/${tempPath(f, tag)}`;
  await Deno.writeFile(temp, leftover);
  await Deno.utime(temp, 1000, 1000);
  await place.backend.write(f, streamBody(bytes), { ...call, size: bytes.length, tag });
  assertSameBytes(await get(place.backend, "f"), bytes);
});

Deno.test("write() does not go on in a leftover that has another name too", async () => {
  await using place = await freshDisk();
  await using outside = await freshDisk();
  const bytes = pattern(3 << 20, 5);
  await put(outside.backend, "victim", bytes.slice(0, 2 << 20), Date.now());
  await Deno.link(`${outside.disk}/victim`, `${place.disk}/${tempPath(f, tag)}`);
  await place.backend.write(f, streamBody(bytes), { ...call, size: bytes.length, tag });
  assertSameBytes(await get(place.backend, "f"), bytes);
  assertSameBytes(await get(outside.backend, "victim"), bytes.subarray(0, 2 << 20));
});

Deno.test("write() takes another name of its owner where a folder, a link or a pipe has its temporary name, and leaves that", async () => {
  for (const plant of [plantFolder, plantLink, plantPipe]) {
    await using place = await freshDisk();
    await Deno.writeTextFile(`${place.disk}/victim`, "theirs");
    await plant(`${place.disk}/${tempPath(f, tag)}`);
    const names = new Set<string>();
    const body = streamBody(pattern(5000), {
      before: () => {
        for (const { name } of Deno.readDirSync(place.disk)) names.add(name);
      },
    });
    await place.backend.write(f, body, { ...call, size: 5000, tag });
    assertSameBytes(await get(place.backend, "f"), pattern(5000));
    assert.equal(await text(place.backend, "victim"), "theirs");
    assert.deepEqual(await paths(place.backend), [tempPath(f, tag), "f", "victim"]);
    const own = [...names].filter((name) => name.startsWith(`.f.tandem-${tag.slice(0, 8)}`));
    assert.equal(own.length, 2, "the name that is written to is found by its owner");
  }
});

Deno.test("write() without durable does the same", async () => {
  await using place = await freshDisk({ durable: false });
  await put(place.backend, "f", pattern(300_000));
  assertSameBytes(await get(place.backend, "f"), pattern(300_000));
  assert.deepEqual(await paths(place.backend), ["f"]);
});

Deno.test({
  name: "write() on a full disk rejects with full, keeps the old content and leaves no trace",
  ignore: !canMount(),
  async fn() {
    await using place = await freshDisk();
    await Deno.mkdir(`${place.disk}/tiny`);
    await mount("-t", "tmpfs", "-o", "size=256k", "tmpfs", `${place.disk}/tiny`);
    try {
      await using tiny = await openLocal(`${place.disk}/tiny`, call);
      await put(tiny, "f", "old");
      const error = await assertRejects(put(tiny, "f", pattern(1 << 20)), "full");
      assert.match(error.message, /Cannot write ".*tiny\/f": the disk is full/);
      assert.equal(await text(tiny, "f"), "old");
      assert.deepEqual(await paths(tiny), ["f"]);
    } finally {
      await new Deno.Command("umount", { args: [`${place.disk}/tiny`] }).output();
    }
  },
});

/** A write with a tag whose source breaks off. */
async function breakAt(backend: Backend, bytes: Uint8Array<ArrayBuffer>, at: number): Promise<void> {
  const body = streamBody(bytes, {
    before: (offset) => {
      if (offset >= at) throw new SyncError("connection", "The link is gone", { operation: "test" });
    },
  });
  await assertRejects(backend.write(f, body, { ...call, size: bytes.length, tag }), "connection");
}

async function plantFolder(path: string): Promise<void> {
  await Deno.mkdir(path);
}

async function plantLink(path: string): Promise<void> {
  await Deno.symlink("victim", path);
}

async function plantPipe(path: string): Promise<void> {
  assert.ok((await new Deno.Command("mkfifo", { args: [path] }).output()).success);
}

function canMount(): boolean {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return false;
  const disk = Deno.makeTempDirSync();
  const made = new Deno.Command("mount", { args: ["-t", "tmpfs", "tmpfs", disk] }).outputSync().success;
  if (made) new Deno.Command("umount", { args: [disk] }).outputSync();
  Deno.removeSync(disk);
  return made;
}

async function mount(...args: readonly string[]): Promise<void> {
  const made = await new Deno.Command("mount", { args: [...args] }).output();
  assert.ok(made.success, "the small disk is mounted");
}
