import assert from "node:assert/strict";
import type { Backend } from "../../../lib/backends/backend.ts";
import { memory, type MemoryBackend } from "../../../lib/backends/memory.ts";
import { SyncError } from "../../../lib/errors.ts";
import { root } from "../../../lib/path.ts";
import { toSnapshot } from "../../../lib/sync/snapshot.ts";
import { tellTimes } from "../../../lib/sync/times.ts";
import { transfer } from "../../../lib/sync/transfer.ts";
import type { Entry, History, Known } from "../../../lib/types.ts";
import { over } from "../../support/over.ts";
import { fileAt, NOON, owners, plant, signal } from "./rig.ts";

/** A place that keeps times and does not list them, as buckets do. */
function bucket(): { readonly inner: MemoryBackend; readonly backend: Backend; readonly looks: string[] } {
  const inner = memory({ revisions: true });
  const looks: string[] = [];
  const backend = over(inner, {
    list: async (own, dir, call) => (await own.list(dir, call)).map(untimed),
    stat: (own, path, call) => (looks.push(path), own.stat(path, call)),
    read: async (own, path, options) => {
      const found = await own.stat(path, options);
      if (found?.kind === "file" && found.modified !== undefined) options.onModified?.(found.modified);
      return await own.read(path, options);
    },
  });
  return { inner, backend, looks };
}

function untimed(entry: Entry): Entry {
  if (entry.kind !== "file") return entry;
  const { modified: _, ...rest } = entry;
  return rest;
}

async function told(local: MemoryBackend, remote: Backend, known: readonly Known[] = []) {
  const snapshots = {
    local: toSnapshot(await local.list(root, { signal })),
    remote: toSnapshot(await remote.list(root, { signal })),
  };
  const history: History = {
    size: known.length,
    get: (path) => known.find((one) => one.path === path),
    [Symbol.iterator]: () => known[Symbol.iterator](),
  };
  const { remote: found } = await tellTimes(snapshots, { local, remote }, { history, signal });
  return Object.fromEntries(
    Array.from(found, (entry) => [entry.path as string, entry.kind === "file" ? entry.modified : entry.kind]),
  );
}

Deno.test("tellTimes() looks at what both sides have, and at nothing else", async () => {
  const local = memory();
  const { inner, backend, looks } = bucket();
  plant(local, { "both": "x", "here": "x" });
  plant(inner, { "both": "x", "there": "x" });
  assert.deepEqual(await told(local, backend), { both: NOON, there: undefined });
  assert.deepEqual(looks, ["both"]);
});

Deno.test("tellTimes() looks at no version that history knows, and at every other", async () => {
  const local = memory();
  const { inner, backend, looks } = bucket();
  plant(local, { "a": "x", "b": "x" });
  plant(inner, { "a": "x", "b": "x" });
  const known: Known[] = [];
  for (const name of ["a", "b"]) {
    const { path, size, revision } = await fileAt(inner, name);
    known.push({ path, kind: "file", remote: { size, ...(revision === undefined ? {} : { revision }) } });
  }
  plant(inner, { "b": "y" });
  looks.length = 0;
  assert.deepEqual(await told(local, backend, known), { a: undefined, b: NOON });
  assert.deepEqual(looks, ["b"]);
});

Deno.test("tellTimes() finds the other spelling of a name where a side folds names", async () => {
  const local = memory({ caseSensitive: false });
  const { inner, backend } = bucket();
  plant(local, { "Name": "x" });
  plant(inner, { "name": "x" });
  assert.deepEqual(await told(local, backend), { name: NOON });
});

Deno.test("tellTimes() makes opaque what cannot be looked at, and ends when the server is lost", async () => {
  const local = memory();
  const { inner, backend } = bucket();
  plant(local, { "a": "x" });
  plant(inner, { "a": "x" });
  const failing = (kind: "denied" | "connection") =>
    over(backend, { stat: () => Promise.reject(new SyncError(kind, "no", { operation: "look at" })) });
  assert.deepEqual(await told(local, failing("denied")), { a: "opaque" });
  await assert.rejects(told(local, failing("connection")), { kind: "connection" });
});

for (const [size, looked] of [[1000, 0], [600_000, 1]] as const) {
  Deno.test(`transfer() gives a file of ${size} bytes the time that its listing did not tell`, async () => {
    const local = memory();
    const { inner, backend: remote, looks } = bucket();
    plant(inner, { "f": "x".repeat(size) });
    const [source] = await remote.list(root, { signal });
    assert.ok(source?.kind === "file" && source.modified === undefined);
    const action = { do: "copy", to: "local", path: source.path, why: "new", source } as const;
    const options = { signal, owner: owners.local, onBytes: () => {}, onWarning: () => {} };
    await transfer(action, { local, remote }, options);
    const { modified, size: bytes } = await fileAt(local, "f");
    assert.deepEqual([modified, bytes, looks.length], [NOON, size, looked]);
  });
}
