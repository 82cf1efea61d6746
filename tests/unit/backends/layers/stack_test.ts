import assert from "node:assert/strict";
import type { Backend } from "../../../../lib/core/backend.ts";
import { addLayers, limit, log, type LogLine } from "../../../../lib/backends/layers/stack.ts";
import { memory } from "../../../../lib/backends/memory/mod.ts";
import { retry, type RetryOptions } from "../../../../lib/backends/layers/retry.ts";
import { SyncError } from "../../../../lib/core/errors.ts";
import { root, toRelPath } from "../../../../lib/core/path.ts";
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
import { pattern, streamBody, wholeBody } from "../../../support/content.ts";
import { type Fault, faulty, linkLost } from "../../../support/faulty.ts";
import { tree } from "../../../support/trees/tree.ts";
import { atMost, recorded } from "../../../support/backend_assertions.ts";

const f = toRelPath("f");

Deno.test("retry() makes a call again that failed for a reason that passes", async () => {
  const { backend, waits } = retried(memory(), [{ on: "write", times: 2, error: linkLost() }]);
  await put(backend, "f", "x");
  assert.equal(await text(backend, "f"), "x");
  assert.deepEqual(waits, [100, 200]);
});

Deno.test("retry() gives up after its attempts, with the last error", async () => {
  const { backend, waits } = retried(memory(), [{ on: "write", error: linkLost() }]);
  await assertRejects(put(backend, "f", "x"), "connection");
  assert.deepEqual(waits, [100, 200, 400]);
});

Deno.test("retry() does not repeat what no attempt can mend", async () => {
  const denied = new SyncError("denied", "No", { operation: "write" });
  const { backend, waits } = retried(memory(), [{ on: "write", error: denied }]);
  await assertRejects(put(backend, "f", "x"), "denied");
  assert.deepEqual(waits, []);
});

Deno.test("retry() waits as long as the server asks, and no longer than its own limit otherwise", async () => {
  const asked = new SyncError("busy", "Later", { operation: "write", transient: true, retryAfter: 7000 });
  const patient = retried(memory(), [{ on: "write", times: 1, error: asked }]);
  await put(patient.backend, "f", "x");
  assert.deepEqual(patient.waits, [7000]);
  const capped = retried(memory(), [{ on: "write", times: 3, error: linkLost() }], { maxDelay: 150 });
  await put(capped.backend, "f", "x");
  assert.deepEqual(capped.waits, [100, 150, 150]);
});

Deno.test("retry() leaves half of each wait to chance", async () => {
  const { backend, waits } = retried(memory(), [{ on: "write", times: 1, error: linkLost() }], { random: () => 0 });
  await put(backend, "f", "x");
  assert.deepEqual(waits, [50]);
});

Deno.test("retry() that is cancelled while it waits rejects with cancelled", async () => {
  const stop = new AbortController();
  const { backend } = retried(memory(), [{ on: "stat", error: linkLost() }], {
    sleep: (_ms, signal) => {
      stop.abort();
      return Promise.reject(signal.reason);
    },
  });
  await assertRejects(backend.stat(f, { signal: stop.signal }), "cancelled");
});

Deno.test("retry() repeats a listing", async () => {
  const { backend } = retried(tree({ a: "1", b: "2" }).memory(), [{ on: "list", times: 1, error: linkLost() }]);
  assert.deepEqual(await paths(backend), ["a", "b"]);
});

Deno.test("retry() repeats a walk that breaks off before its first entries, and none after them", async () => {
  for (const [truncate, found] of [[0, ["a", "b"]], [1, undefined]] as const) {
    const { backend } = retried(tree({ a: "1", b: "2" }).memory(), [
      { on: "walk", times: 1, truncate, broken: linkLost() },
    ]);
    const walked = Array.fromAsync(backend.walk?.(root, call) ?? []);
    if (found === undefined) await assertRejects(walked, "connection");
    else assert.deepEqual((await walked).flat().map((one) => one.path).sort(), found);
  }
});

Deno.test("retry() settles a write whose reply was lost, and writes nothing twice", async () => {
  const place = memory();
  const { backend } = retried(place, [{ on: "write", times: 1, lost: linkLost() }]);
  const options = { ...call, size: 3, modified: 1_600_000_000_000, expect: "absent" as const };
  const written = await backend.write(f, wholeBody("abc"), options);
  assert.deepEqual(written, await file(place, "f"));
  assert.equal(place.operations.length, 1);
});

Deno.test("retry() of a write whose reply was lost does not take another's file for its own", async () => {
  const place = memory();
  const theirs = {
    on: "write",
    times: 1,
    lost: linkLost(),
    before: async () => void await put(place, "f", "oth", 1_500_000_000_000),
  } as const;
  const { backend } = retried(place, [{ ...theirs, error: linkLost() }]);
  const options = { ...call, size: 3, modified: 1_600_000_000_000, expect: "absent" as const };
  await assertRejects(backend.write(f, wholeBody("abc"), options), "changed");
  assert.equal(await text(place, "f"), "oth");
});

Deno.test("retry() does not take the file that was there before for the one it was to write", async () => {
  const place = memory();
  const expect = await put(place, "f", "old", 1_600_000_000_000);
  const { backend } = retried(place, [{ on: "write", times: 1, error: linkLost() }]);
  await backend.write(f, wholeBody("new"), { ...call, size: 3, modified: 1_600_000_000_000, expect });
  assert.equal(await text(place, "f"), "new");
});

Deno.test("retry() does not take what was at the new name before for the renamed file", async () => {
  const place = tree({ from: "new", to: "old" }).memory();
  const { backend } = retried(place, [{ on: "rename", times: 1, error: linkLost() }]);
  await backend.rename?.(toRelPath("from"), toRelPath("to"), call);
  assert.equal(await text(place, "to"), "new");
  assert.deepEqual(await paths(place), ["to"]);
});

Deno.test("retry() of a lost remove, makeDir, rename and link leaves each done once", async () => {
  const place = tree({ gone: "x", from: "y" }).memory();
  const { backend } = retried(place, [
    { on: "remove", times: 1, lost: linkLost() },
    { on: "makeDir", times: 1, lost: linkLost() },
    { on: "rename", times: 1, lost: linkLost() },
    { on: "makeLink", times: 1, lost: linkLost() },
  ]);
  await backend.remove(await file(place, "gone"), call);
  await folder(backend, "made");
  await backend.rename?.(toRelPath("from"), toRelPath("to"), { ...call, expect: "absent" });
  await backend.makeLink?.(toRelPath("link"), "to", { ...call, expect: "absent" });
  assert.deepEqual(place.operations.map((one) => one.do), ["remove", "makeDir", "rename", "makeLink"]);
  assert.deepEqual(await paths(place), ["link", "made", "to"]);
});

Deno.test("retry() tells progress once, however often it writes", async () => {
  const bytes = pattern(200_000);
  const place = memory();
  const { backend } = retried(place, [{ on: "write", times: 1, lost: linkLost() }]);
  let told = 0;
  await backend.write(f, streamBody(bytes), { ...call, size: bytes.length, onBytes: (count) => void (told += count) });
  assert.equal(told, bytes.length);
  assert.equal(place.operations.length, 2);
});

Deno.test("retry() reads on behind the last byte when an expected file breaks off", async () => {
  const bytes = pattern(900_000, 3);
  const place = memory();
  const known = await put(place, "f", bytes);
  const watched = recorded(
    faulty(place, { faults: [{ on: "read", times: 2, truncate: 300_000, broken: linkLost() }] }),
  );
  const { backend } = retried(watched.backend, []);
  const content = await backend.read(f, { ...call, expect: known });
  const found = new Uint8Array(await new Response(content as ReadableStream).arrayBuffer());
  assertSameBytes(found, bytes);
  assert.equal(watched.calls.length, 3);
});

Deno.test("retry() does not go on reading a file that is another now", async () => {
  const place = memory();
  const known = await put(place, "f", pattern(900_000, 3));
  const broken = faulty(place, { faults: [{ on: "read", times: 1, truncate: 300_000, broken: linkLost() }] });
  const { backend } = retried(broken, []);
  const content = await backend.read(f, { ...call, expect: known });
  await put(place, "f", pattern(900_001, 4));
  await assertRejects(new Response(content as ReadableStream).arrayBuffer(), "changed");
});

Deno.test("retry() leaves a broken content alone where nothing tells whether the file is still the same", async () => {
  const place = memory();
  await put(place, "f", pattern(900_000, 3));
  const broken = faulty(place, { faults: [{ on: "read", times: 1, truncate: 300_000, broken: linkLost() }] });
  await assertRejects(get(retried(broken, []).backend, "f"), "connection");
});

Deno.test("limit() lets so many calls at once, in order of arrival, and all in the end", async () => {
  const sleep = () => new Promise<void>((resolve) => setTimeout(resolve, 1));
  const place = tree({ a: "1", b: "2", c: "3", d: "4", e: "5", g: "6" }).memory({ latency: 1, sleep });
  const watched = recorded(atMost(2, place));
  const backend = limit(2)(watched.backend);
  const names = ["a", "b", "c", "d", "e", "g"];
  const found = await Promise.all(names.map((name) => text(backend, name)));
  assert.deepEqual(found, ["1", "2", "3", "4", "5", "6"]);
  assert.deepEqual(watched.calls, names.map((name) => `read ${name}`));
});

Deno.test("limit() lets a call that is cancelled while it waits go, and keeps its place for others", async () => {
  const gate = Promise.withResolvers<void>();
  const held = faulty(tree({ a: "1" }).memory(), { faults: [{ on: "read", times: 1, before: () => gate.promise }] });
  const backend = limit(1)(held);
  const first = text(backend, "a");
  const stop = new AbortController();
  const second = backend.stat(toRelPath("a"), { signal: stop.signal });
  const third = text(backend, "a");
  stop.abort();
  await assertRejects(second, "cancelled");
  gate.resolve();
  assert.deepEqual([await first, await third], ["1", "1"]);
});

Deno.test("limit() does not stand still when bodies of writes and loops over listings need places themselves", async () => {
  const place = tree({ a: "1", b: "2", "d/c": "3" }).memory();
  const backend = limit(1)(place);
  const copies = ["a", "b"].map((name) =>
    backend.write(toRelPath(`copy of ${name}`), () => backend.read(toRelPath(name), call), { ...call, size: 1 })
  );
  await Promise.all(copies);
  const found: string[] = [];
  for (const entry of await backend.list(root, call)) {
    if (entry.kind === "dir") found.push(...await paths(backend, entry.path));
    else found.push(await text(backend, entry.path));
  }
  assert.deepEqual(found.sort(), ["1", "1", "2", "2", "d/c"]);
});

Deno.test("log() writes a line for each call that has ended", async () => {
  const lines: LogLine[] = [];
  let time = 0;
  const backend = log({ write: (line) => void lines.push(line), now: () => time++ })(tree({ a: "1" }).memory());
  await text(backend, "a");
  await paths(backend);
  await assertRejects(text(backend, "absent"), "notFound");
  assert.deepEqual(
    lines.map(({ operation, path, ms, entries, error }) => [operation, path, ms, entries, error?.kind]),
    [
      ["read", "a", 1, undefined, undefined],
      ["list", "", 1, 1, undefined],
      ["read", "absent", 1, undefined, "notFound"],
    ],
  );
});

Deno.test("stack() lets a waiting retry hold no place, and logs a call once", async () => {
  const lines: LogLine[] = [];
  const broken = faulty(tree({ a: "1" }).memory(), { faults: [{ on: "read", times: 1, error: linkLost() }] });
  const waiting = Promise.withResolvers<void>();
  const woken = Promise.withResolvers<void>();
  const sleep = () => {
    waiting.resolve();
    return woken.promise;
  };
  const backend = addLayers(broken, { limit: 1, retry: { sleep }, log: (line) => void lines.push(line) });
  const first = text(backend, "a");
  await waiting.promise;
  assert.equal((await file(backend, "a")).size, 1);
  woken.resolve();
  assert.equal(await first, "1");
  assert.deepEqual(lines.map((line) => line.operation), ["stat", "read"]);
});

Deno.test("stack() keeps what the backend is and can, behind at() too", async () => {
  const place = tree({ "d/a": "1" }).memory({ lacks: ["copy", "setMode", "walk"], timeStep: 2000 });
  const inner = await addLayers(place, { limit: 1 }).withRoot("d", call);
  assert.deepEqual(await paths(inner), ["a"]);
  assert.equal(inner.traits, place.traits);
  assert.equal(inner.root.path, "/d");
  const methods = ["rename", "copy", "makeLink", "setModified", "setMode", "checksum", "walk"] as const;
  assert.deepEqual(methods.filter((method) => inner[method] === undefined), ["copy", "setMode", "walk"]);
  await place[Symbol.asyncDispose]();
  await assertRejects(paths(inner));
});

function retried(inner: Backend, faults: readonly Fault[], options: Partial<RetryOptions> = {}) {
  const waits: number[] = [];
  const sleep = (ms: number) => {
    waits.push(ms);
    return Promise.resolve();
  };
  const usual = { attempts: 4, firstDelay: 100, maxDelay: 10_000, random: () => 1, sleep };
  const backend = retry({ ...usual, ...options })(faults.length === 0 ? inner : faulty(inner, { faults }));
  return { backend, waits };
}
