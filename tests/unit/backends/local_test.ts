import assert from "node:assert/strict";
import { openFile, openLocal } from "../../../lib/backends/local.ts";
import type { Backend, Body, Target } from "../../../lib/backends/backend.ts";
import { SyncError } from "../../../lib/errors.ts";
import { root, toRelPath } from "../../../lib/path.ts";
import { tempPath } from "../../../lib/temp.ts";
import { pattern, streamBody, wholeBody } from "../../support/content.ts";
import { call, entries, file, folder, get, paths, put, rejects, sameBytes, text } from "../../contract/rig.ts";

const tag = "0123456789abcdef";
const f = toRelPath("f");

Deno.test("openLocal() takes a folder seen from the current one, and one that is absent", async () => {
  await using place = await fresh();
  const here = await openLocal(".", call);
  assert.equal(here.place.path, Deno.cwd());
  const absent = await openLocal(`${place.disk}/not/yet`, call);
  assert.equal(await absent.stat(root, call), undefined);
  assert.equal(absent.place.disk, `${await Deno.realPath(place.disk)}/not/yet`);
});

Deno.test("openLocal() follows a root that is a link, and tells its real path", async () => {
  await using place = await fresh();
  await Deno.mkdir(`${place.disk}/real`);
  await Deno.symlink("real", `${place.disk}/door`);
  const backend = await openLocal(`${place.disk}/door`, call);
  await folder(backend, "d");
  await put(backend, "d/f", "x");
  assert.deepEqual(await paths(backend, "d"), ["d/f"]);
  assert.equal((await backend.stat(root, call))?.kind, "dir");
  assert.equal(backend.place.path, `${place.disk}/door`);
  assert.equal(backend.place.disk, `${await Deno.realPath(place.disk)}/real`);
});

Deno.test("openLocal() tells the disk's root and the home folder as broad, through links too", async () => {
  await using place = await fresh();
  await Deno.mkdir(`${place.disk}/home`);
  await Deno.symlink("home", `${place.disk}/door`);
  const home = `${place.disk}/home`;
  assert.equal((await openLocal("/", call)).place.broad, "a disk's root");
  assert.equal((await openLocal(`${place.disk}/door`, { ...call, home })).place.broad, "your home folder");
  assert.equal((await openLocal(`${home}/site`, { ...call, home })).place.broad, undefined);
});

Deno.test("openFile() opens the path of its address and takes HOME from the target", async () => {
  await using place = await fresh();
  const backend = await openFile(fileTarget(place.disk, place.disk), call);
  assert.equal(backend.label, `file://${place.disk}`);
  assert.equal(backend.place.broad, "your home folder");
  await rejects(openFile(fileTarget("", "/"), call), "badInput");
});

Deno.test("list() leaves other work its turn, and shows names that pass no gate as opaque", async () => {
  await using place = await fresh();
  await Deno.writeTextFile(`${place.disk}/bell\u0007`, "x");
  const [found] = await entries(place.backend);
  assert.ok(found?.kind === "opaque" && found.cause === "name" && !found.path.includes("\u0007"));
});

Deno.test("list() and read() and remove() do not go behind a link inside the root", async () => {
  await using place = await fresh();
  await using outside = await fresh();
  const known = await put(outside.backend, "f", "secret");
  await Deno.symlink(outside.disk, `${place.disk}/door`);
  await rejects(paths(place.backend, "door"), "refused");
  await rejects(get(place.backend, "door/f"), "refused");
  await rejects(place.backend.stat(toRelPath("door/f"), call), "refused");
  await rejects(place.backend.remove({ ...known, path: toRelPath("door/f") }, call), "refused");
  await rejects(folder(place.backend, "door/d"), "refused");
  assert.deepEqual(await paths(outside.backend), ["f"]);
});

Deno.test("read() of a link rejects and gives nothing of its target", async () => {
  await using place = await fresh();
  await Deno.symlink("/etc/passwd", `${place.disk}/f`);
  await rejects(get(place.backend, "f"), "refused");
});

Deno.test("read() of a file that changes after its first bytes rejects with changed at the end", async () => {
  await using place = await fresh();
  await put(place.backend, "f", pattern(2 << 20));
  const expect = await file(place.backend, "f");
  const content = await place.backend.read(f, { ...call, expect });
  assert.ok(content instanceof ReadableStream);
  const reader = content.getReader();
  await reader.read();
  await Deno.utime(`${place.disk}/f`, 1, 1);
  await rejects(drained(reader), "changed");
});

Deno.test("read() of a file that shrinks meanwhile rejects with changed", async () => {
  await using place = await fresh();
  await put(place.backend, "f", pattern(2 << 20));
  const content = await place.backend.read(f, call);
  assert.ok(content instanceof ReadableStream);
  const reader = content.getReader();
  await reader.read();
  await Deno.truncate(`${place.disk}/f`, 300_000);
  await rejects(drained(reader), "changed");
});

Deno.test("read() of a stream ends when the backend is closed", async () => {
  await using place = await fresh();
  await put(place.backend, "f", pattern(2 << 20));
  const content = await place.backend.read(f, call);
  assert.ok(content instanceof ReadableStream);
  await place.backend[Symbol.asyncDispose]();
  await rejects(drained(content.getReader()), "cancelled");
});

Deno.test("write() gives times to the ms, before 1970 and far away too", async () => {
  await using place = await fresh();
  for (const modified of [1_700_000_000_123, -1500, -86_400_000, 4_102_444_800_001]) {
    assert.equal((await put(place.backend, "f", "x", modified)).modified, modified);
  }
});

Deno.test("write() warns of a time that the disk refuses, and the content is good", async () => {
  await using place = await fresh();
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
  await using place = await fresh();
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

Deno.test("write() gives a new file the wanted mode exactly, else that of every new file", async () => {
  await using place = await fresh();
  const exact = await place.backend.write(f, wholeBody("x"), { ...call, size: 1, mode: 0o666 });
  assert.equal(exact.mode, 0o666);
  assert.equal((await put(place.backend, "usual", "x")).mode, 0o666 & ~Deno.umask());
});

Deno.test("write() shows the old content until the new one is complete", async () => {
  await using place = await fresh();
  await put(place.backend, "f", "old");
  const seen = new Set<string>();
  const body = streamBody(pattern(50_000), {
    chunk: 1000,
    before: async () => void seen.add(await Deno.readTextFile(`${place.disk}/f`)),
  });
  await place.backend.write(f, body, { ...call, size: 50_000 });
  assert.deepEqual(seen, new Set(["old"]));
  sameBytes(await get(place.backend, "f"), pattern(50_000));
});

Deno.test("write() sees a file that came while it was writing, and leaves it", async () => {
  await using place = await fresh();
  const body = streamBody(pattern(5000), {
    chunk: 1000,
    before: async (offset) => {
      if (offset === 3000) await Deno.writeTextFile(`${place.disk}/f`, "theirs");
    },
  });
  await rejects(place.backend.write(f, body, { ...call, size: 5000, expect: "absent" }), "changed");
  assert.equal(await text(place.backend, "f"), "theirs");
  assert.deepEqual(await paths(place.backend), ["f"]);
});

Deno.test("write() refuses when its folder becomes a link while it is writing", async () => {
  await using place = await fresh();
  await using outside = await fresh();
  await folder(place.backend, "d");
  const body = streamBody(pattern(5000), {
    chunk: 1000,
    before: async (offset) => {
      if (offset !== 3000) return;
      await Deno.rename(`${place.disk}/d`, `${place.disk}/was`);
      await Deno.symlink(outside.disk, `${place.disk}/d`);
    },
  });
  await rejects(place.backend.write(toRelPath("d/f"), body, { ...call, size: 5000 }), "refused");
  assert.deepEqual(await paths(outside.backend), []);
});

Deno.test("write() with a tag keeps 1 MiB and more of a broken transfer, and asks the source for the rest alone", async () => {
  await using place = await fresh();
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
  sameBytes(await get(place.backend, "f"), bytes);
  assert.deepEqual(ranges, [(2 << 20) - 65_536, 2 << 20]);
  assert.equal(told, bytes.length);
  assert.deepEqual(await paths(place.backend), ["f"]);
});

Deno.test("write() keeps nothing of a transfer that broke before 1 MiB", async () => {
  await using place = await fresh();
  await breakAt(place.backend, pattern(3 << 20, 5), 1 << 19);
  assert.deepEqual(await paths(place.backend), []);
});

Deno.test("write() starts anew where the leftover's end is not the source's", async () => {
  await using place = await fresh();
  const bytes = pattern(3 << 20, 5);
  await Deno.writeFile(`${place.disk}/${tempPath(f, tag)}`, pattern(2 << 20, 6));
  await place.backend.write(f, streamBody(bytes), { ...call, size: bytes.length, tag });
  sameBytes(await get(place.backend, "f"), bytes);
});

Deno.test("write() starts anew where the leftover is older than the machine's start", async () => {
  await using place = await fresh();
  const bytes = pattern(3 << 20, 5);
  const leftover = bytes.slice(0, 2 << 20);
  leftover[17] = (leftover[17] ?? 0) ^ 1;
  const temp = `${place.disk}/${tempPath(f, tag)}`;
  await Deno.writeFile(temp, leftover);
  await Deno.utime(temp, 1000, 1000);
  await place.backend.write(f, streamBody(bytes), { ...call, size: bytes.length, tag });
  sameBytes(await get(place.backend, "f"), bytes);
});

Deno.test("write() rejects where a folder has its temporary name, and leaves the folder", async () => {
  await using place = await fresh();
  await Deno.mkdir(`${place.disk}/${tempPath(f, tag)}`);
  await rejects(place.backend.write(f, wholeBody("x"), { ...call, size: 1, tag }));
  assert.deepEqual(await paths(place.backend), [tempPath(f, tag)]);
});

Deno.test("write() with durable does the same", async () => {
  await using place = await fresh({ durable: true });
  await put(place.backend, "f", pattern(300_000));
  sameBytes(await get(place.backend, "f"), pattern(300_000));
  assert.deepEqual(await paths(place.backend), ["f"]);
});

Deno.test("remove() refuses an opaque entry", async () => {
  await using place = await fresh();
  const made = await new Deno.Command("mkfifo", { args: [`${place.disk}/f`] }).output();
  assert.ok(made.success);
  const [pipe] = await entries(place.backend);
  assert.ok(pipe !== undefined);
  await rejects(place.backend.remove(pipe, call), "refused");
  assert.equal((await entries(place.backend)).length, 1);
});

Deno.test("rename() refuses to leave the root through a link", async () => {
  await using place = await fresh();
  await using outside = await fresh();
  await put(place.backend, "f", "x");
  await Deno.symlink(outside.disk, `${place.disk}/door`);
  await rejects((async () => await place.backend.rename?.(f, toRelPath("door/f"), call))(), "refused");
  assert.deepEqual(await paths(outside.backend), []);
});

Deno.test({
  name: "write() on a full disk rejects with full, keeps the old content and leaves no trace",
  ignore: !canMount(),
  async fn() {
    await using place = await fresh();
    await Deno.mkdir(`${place.disk}/tiny`);
    await mount("-t", "tmpfs", "-o", "size=256k", "tmpfs", `${place.disk}/tiny`);
    try {
      await using tiny = await openLocal(`${place.disk}/tiny`, call);
      await put(tiny, "f", "old");
      const error = await rejects(put(tiny, "f", pattern(1 << 20)), "full");
      assert.match(error.message, /Cannot write ".*tiny\/f": the disk is full/);
      assert.equal(await text(tiny, "f"), "old");
      assert.deepEqual(await paths(tiny), ["f"]);
    } finally {
      await new Deno.Command("umount", { args: [`${place.disk}/tiny`] }).output();
    }
  },
});

async function fresh(options: { readonly durable?: boolean } = {}) {
  const disk = await Deno.makeTempDir({ prefix: "tandem-local-" });
  const backend = await openLocal(disk, { ...call, ...options });
  return {
    disk,
    backend,
    async [Symbol.asyncDispose]() {
      await backend[Symbol.asyncDispose]();
      await Deno.remove(disk, { recursive: true });
    },
  };
}

/** A write with a tag whose source breaks off. */
async function breakAt(backend: Backend, bytes: Uint8Array<ArrayBuffer>, at: number): Promise<void> {
  const body = streamBody(bytes, {
    before: (offset) => {
      if (offset >= at) throw new SyncError("connection", "The link is gone", { operation: "test" });
    },
  });
  await rejects(backend.write(f, body, { ...call, size: bytes.length, tag }), "connection");
}

async function drained(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  while (!(await reader.read()).done);
}

function fileTarget(path: string, home: string): Target {
  return {
    address: { scheme: "file", host: "", path, pins: [] },
    options: {},
    secret: () => Promise.resolve(undefined),
    ask: () => Promise.resolve(undefined),
    keep: () => {},
    warn: () => {},
    env: (name) => name === "HOME" ? home : undefined,
    readOnly: false,
  };
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
