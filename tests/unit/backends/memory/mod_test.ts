import assert from "node:assert/strict";
import { memory } from "../../../../lib/backends/memory/mod.ts";
import { root, toRelPath } from "../../../../lib/core/path.ts";
import { assertRejects, call, entries, file, folder, get, paths, put, text } from "../../../contract/assertions.ts";
import { pattern, wholeBody } from "../../../support/content.ts";

const f = toRelPath("f");

Deno.test("memory() with a coarse timeStep cuts times to it", async () => {
  const backend = memory({ timeStep: 2000 });
  assert.equal((await put(backend, "f", "x", 1_000_003_999)).modified, 1_000_002_000);
});

Deno.test("memory() that keeps no times shows when a file was written", async () => {
  const backend = memory({ timeStep: undefined, now: () => 5000 });
  assert.equal((await put(backend, "f", "x", 1_000_003_999)).modified, 5000);
});

Deno.test("memory() that folds case keeps one file and its first spelling", async () => {
  const backend = memory({ caseSensitive: false });
  await put(backend, "ReadMe", "first");
  await put(backend, "README", "second");
  assert.deepEqual(await paths(backend), ["ReadMe"]);
  assert.equal(await text(backend, "readme"), "second");
});

Deno.test("memory() that folds case renames a file to another spelling of its own", async () => {
  const backend = memory({ caseSensitive: false });
  await put(backend, "ReadMe", "x");
  await backend.rename?.(toRelPath("ReadMe"), toRelPath("README"), { ...call, expect: "absent" });
  assert.deepEqual(await paths(backend), ["README"]);
});

Deno.test("memory() that normalizes keeps one file for both forms of a name", async () => {
  const backend = memory({ normalizes: true });
  await put(backend, "caf\u00e9", "x");
  assert.equal(await text(backend, "cafe\u0301"), "x");
});

Deno.test("memory() without folders makes them with the first file and drops them with the last", async () => {
  const backend = memory({ hasDirs: false });
  const known = await put(backend, "a/b/f", "x");
  assert.deepEqual(await paths(backend), ["a"]);
  await backend.remove(known, call);
  assert.deepEqual(await paths(backend), []);
});

Deno.test("memory() holds no name that its rules refuse", async () => {
  await assertRejects(put(memory({ names: "windows" }), "nul.txt", "x"), "unsupported");
  await assertRejects(put(memory({ maxNameBytes: 100 }), "x".repeat(101), "x"), "unsupported");
  await assertRejects(folder(memory({ names: "windows" }), "a:b"), "unsupported");
});

Deno.test("memory() that cannot replace in one step shows the name absent in between", async () => {
  const seen: boolean[] = [];
  let isLooking = false;
  const sleep = async () => {
    if (isLooking) return;
    isLooking = true;
    seen.push((await other.stat(f, call)) !== undefined);
    isLooking = false;
  };
  const backend = memory({ atomicWrite: false, latency: 1, sleep });
  const other = backend.client();
  await put(backend, "f", "old");
  seen.length = 0;
  await put(backend, "f", "new");
  assert.deepEqual(seen, [true, false]);
  assert.equal(await text(backend, "f"), "new");
});

Deno.test("memory() gives every written content an id and a revision of its own", async () => {
  const backend = memory({ revisions: true });
  const first = await put(backend, "f", "x");
  const second = await put(backend, "f", "x");
  assert.notEqual(first.revision, second.revision);
  assert.notEqual(first.fileId, second.fileId);
  await assertRejects(backend.write(f, wholeBody("y"), { ...call, size: 1, expect: first }), "changed");
});

Deno.test("memory() lists in one order for each seed, whatever the order of making", async () => {
  const names = ["a", "b", "c", "d", "e", "f", "g"];
  const order = async (seed: number, made: readonly string[]) => {
    const backend = memory({ seed });
    for (const name of made) await put(backend, name, "x");
    return (await backend.list(root, call)).map((entry) => entry.path);
  };
  const one = await order(1, names);
  assert.deepEqual(one, await order(1, names.toReversed()));
  assert.notDeepEqual(one, await order(2, names));
  assert.deepEqual([...one].sort(), names);
});

Deno.test("MemoryBackend.operations notes every change of every client, and no refused one", async () => {
  const backend = memory();
  const other = backend.client();
  await folder(backend, "d");
  await put(other, "d/f", "x");
  await assertRejects(put(other, "absent/f", "x"), "notFound");
  await folder(other, "d");
  const inner = await other.withRoot("d", call);
  await inner.remove(await file(inner, "f"), call);
  assert.deepEqual(backend.operations, [
    { do: "makeDir", path: "d" },
    { do: "write", path: "d/f" },
    { do: "remove", path: "d/f" },
  ]);
});

Deno.test("MemoryBackend.client() lives on when the first one is closed", async () => {
  const backend = memory();
  const other = backend.client();
  await put(backend, "f", "x");
  await backend[Symbol.asyncDispose]();
  await assertRejects(text(backend, "f"));
  assert.equal(await text(other, "f"), "x");
});

Deno.test("MemoryBackend.plant() puts there what no call could, unnoted", async () => {
  const backend = memory();
  backend.plant({ kind: "opaque", path: toRelPath("d/pipe"), cause: "special", why: "a pipe" });
  backend.plant({ kind: "file", path: toRelPath("d/zeros"), size: 3, modified: 7, mode: 0o600, fileId: "1:2" });
  assert.deepEqual(await entries(backend, "d"), [
    { kind: "opaque", path: "d/pipe", cause: "special", why: "a pipe" },
    { kind: "file", path: "d/zeros", size: 3, modified: 7, mode: 0o600, fileId: "1:2" },
  ]);
  assert.deepEqual(await get(backend, "d/zeros"), new Uint8Array(3));
  assert.deepEqual(backend.operations, []);
});

Deno.test("memory() reads what was there when the read began, and rejects at the end when that was expected", async () => {
  const backend = memory();
  const expect = await put(backend, "f", pattern(400_000));
  const content = await backend.read(f, { ...call, expect });
  await put(backend, "f", "another");
  await assertRejects(new Response(content as ReadableStream).arrayBuffer(), "changed");
});

Deno.test("memory() makes every call wait for its latency", async () => {
  const waits: number[] = [];
  const backend = memory({ latency: 5, sleep: (ms) => Promise.resolve(void waits.push(ms)) });
  await backend.stat(f, call);
  await backend.makeDir(f, call);
  assert.deepEqual(waits, [5, 5]);
});
