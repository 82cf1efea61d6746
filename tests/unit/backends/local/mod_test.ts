import assert from "node:assert/strict";
import { openFile, openLocal } from "../../../../lib/backends/local/mod.ts";
import { root, toRelPath } from "../../../../lib/core/path.ts";
import { pattern } from "../../../support/content.ts";
import { freshDisk } from "../../../support/disk.ts";
import { assertRejects, call, entries, file, folder, get, paths, put } from "../../../contract/assertions.ts";
import type { ConnectContext } from "../../../../lib/core/protocol.ts";

const f = toRelPath("f");

Deno.test("openLocal() takes a folder seen from the current one, and one that is absent", async () => {
  await using place = await freshDisk();
  const here = await openLocal(".", call);
  assert.equal(here.root.path, Deno.cwd());
  const absent = await openLocal(`${place.disk}/not/yet`, call);
  assert.equal(await absent.stat(root, call), undefined);
  assert.equal(absent.root.diskPath, `${await Deno.realPath(place.disk)}/not/yet`);
});

Deno.test("openLocal() follows a root that is a link, and tells its real path", async () => {
  await using place = await freshDisk();
  await Deno.mkdir(`${place.disk}/real`);
  await Deno.symlink("real", `${place.disk}/door`);
  const backend = await openLocal(`${place.disk}/door`, call);
  await folder(backend, "d");
  await put(backend, "d/f", "x");
  assert.deepEqual(await paths(backend, "d"), ["d/f"]);
  assert.equal((await backend.stat(root, call))?.kind, "dir");
  assert.equal(backend.root.path, `${place.disk}/door`);
  assert.equal(backend.root.diskPath, `${await Deno.realPath(place.disk)}/real`);
});

Deno.test("openLocal() tells the disk's root and the home folder as broad, through links too", async () => {
  await using place = await freshDisk();
  await Deno.mkdir(`${place.disk}/home`);
  await Deno.symlink("home", `${place.disk}/door`);
  const home = `${place.disk}/home`;
  assert.equal((await openLocal("/", call)).root.risk, "a disk's root");
  assert.equal((await openLocal(`${place.disk}/door`, { ...call, home })).root.risk, "your home folder");
  assert.equal((await openLocal(`${home}/site`, { ...call, home })).root.risk, undefined);
});

Deno.test("openFile() opens the path of its address and takes HOME from the target", async () => {
  await using place = await freshDisk();
  const backend = await openFile(fileTarget(place.disk, place.disk), call);
  assert.equal(backend.label, `file://${place.disk}`);
  assert.equal(backend.root.risk, "your home folder");
  await assertRejects(openFile(fileTarget("", "/"), call), "badInput");
});

Deno.test("list() shows names that pass no gate as opaque and printable", async () => {
  await using place = await freshDisk();
  await Deno.writeTextFile(`${place.disk}/bell\u0007`, "x");
  const [found] = await entries(place.backend);
  assert.ok(found?.kind === "opaque" && found.cause === "name" && !found.path.includes("\u0007"));
});

Deno.test("list() and read() and remove() do not go behind a link inside the root", async () => {
  await using place = await freshDisk();
  await using outside = await freshDisk();
  const known = await put(outside.backend, "f", "secret");
  await Deno.symlink(outside.disk, `${place.disk}/door`);
  await assertRejects(paths(place.backend, "door"), "refused");
  await assertRejects(get(place.backend, "door/f"), "refused");
  await assertRejects(place.backend.stat(toRelPath("door/f"), call), "refused");
  await assertRejects(place.backend.remove({ ...known, path: toRelPath("door/f") }, call), "refused");
  await assertRejects(folder(place.backend, "door/d"), "refused");
  assert.deepEqual(await paths(outside.backend), ["f"]);
});

Deno.test("read() of a link rejects and gives nothing of its target", async () => {
  await using place = await freshDisk();
  await Deno.symlink("/etc/passwd", `${place.disk}/f`);
  await assertRejects(get(place.backend, "f"), "refused");
});

Deno.test("read() of a file that changes after its first bytes rejects with changed at the end", async () => {
  await using place = await freshDisk();
  await put(place.backend, "f", pattern(2 << 20));
  const expect = await file(place.backend, "f");
  const content = await place.backend.read(f, { ...call, expect });
  assert.ok(content instanceof ReadableStream);
  const reader = content.getReader();
  await reader.read();
  await Deno.utime(`${place.disk}/f`, 1, 1);
  await assertRejects(drained(reader), "changed");
});

Deno.test("read() of a file that shrinks meanwhile rejects with changed", async () => {
  await using place = await freshDisk();
  await put(place.backend, "f", pattern(2 << 20));
  const content = await place.backend.read(f, call);
  assert.ok(content instanceof ReadableStream);
  const reader = content.getReader();
  await reader.read();
  await Deno.truncate(`${place.disk}/f`, 300_000);
  await assertRejects(drained(reader), "changed");
});

Deno.test("read() of a stream ends when the backend is closed", async () => {
  await using place = await freshDisk();
  await put(place.backend, "f", pattern(2 << 20));
  const content = await place.backend.read(f, call);
  assert.ok(content instanceof ReadableStream);
  await place.backend[Symbol.asyncDispose]();
  await assertRejects(drained(content.getReader()), "cancelled");
});

Deno.test("setMode() sets no setuid, setgid or sticky bit", async () => {
  await using place = await freshDisk();
  await put(place.backend, "f", "x");
  await place.backend.setMode?.(f, 0o7755, call);
  assert.equal(((await Deno.lstat(`${place.disk}/f`)).mode ?? 0) & 0o7777, 0o755);
});

Deno.test("remove() refuses an opaque entry", async () => {
  await using place = await freshDisk();
  const made = await new Deno.Command("mkfifo", { args: [`${place.disk}/f`] }).output();
  assert.ok(made.success);
  const [pipe] = await entries(place.backend);
  assert.ok(pipe !== undefined);
  await assertRejects(place.backend.remove(pipe, call), "refused");
  assert.equal((await entries(place.backend)).length, 1);
});

Deno.test("rename() refuses to leave the root through a link", async () => {
  await using place = await freshDisk();
  await using outside = await freshDisk();
  await put(place.backend, "f", "x");
  await Deno.symlink(outside.disk, `${place.disk}/door`);
  await assertRejects((async () => await place.backend.rename?.(f, toRelPath("door/f"), call))(), "refused");
  assert.deepEqual(await paths(outside.backend), []);
});

Deno.test({
  name: "caution() names a folder that others can change in a run with root's rights, and is silent else",
  ignore: Deno.build.os === "windows" || Deno.uid() !== 0,
  async fn() {
    await using place = await freshDisk();
    await folder(place.backend, "d");
    for (const dir of [root, toRelPath("d")]) await place.backend.list(dir, call);
    assert.equal(place.backend.securityWarning?.(), undefined);
    await Deno.chmod(`${place.disk}/d`, 0o777);
    for (const dir of [root, toRelPath("d")]) await place.backend.list(dir, call);
    assert.match(place.backend.securityWarning?.() ?? "", /rights of root.*tandem-local-[^"]*\/d"/);
  },
});

async function drained(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  while (!(await reader.read()).done);
}

function fileTarget(path: string, home: string): ConnectContext {
  return {
    address: { scheme: "file", host: "", path, pins: [] },
    options: {},
    secret: () => Promise.resolve(undefined),
    prompt: () => Promise.resolve(undefined),
    keepSecret: () => {},
    warn: () => {},
    env: (name) => name === "HOME" ? home : undefined,
    hideSecret: () => {},
    readOnly: false,
  };
}
