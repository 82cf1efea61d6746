import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { Backend } from "../../../../lib/core/backend.ts";
import { memory, type MemoryBackend } from "../../../../lib/backends/memory/mod.ts";
import { SyncError } from "../../../../lib/core/errors.ts";
import { root } from "../../../../lib/core/path.ts";
import { chooseCriteria } from "../../../../lib/sync/common/criteria.ts";
import type { Mode } from "../../../../lib/sync/common/options.ts";
import { toSnapshot } from "../../../../lib/sync/scan/snapshot.ts";
import { CHEAP_READ_BYTES, fillTimes } from "../../../../lib/sync/scan/fill_times.ts";
import { transfer } from "../../../../lib/sync/apply/transfer.ts";
import type { Entry } from "../../../../lib/core/entry.ts";
import { collect } from "../../../support/content.ts";
import { type Overrides, withOverrides } from "../../../support/stacked.ts";
import { fileAt, NOON, owners, plant, signal } from "../fixtures.ts";
import type { BaseEntry, History } from "../../../../lib/core/history.ts";

/** A place that keeps times and does not list them, as buckets do. */
function bucket(): { readonly inner: MemoryBackend; readonly backend: Backend; readonly looks: string[] } {
  const inner = memory({ revisions: true });
  const looks: string[] = [];
  const backend = withOverrides(inner, {
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

/** Times and kinds by path; a checksum where contents were proven to be equal. */
async function told(
  local: Backend,
  remote: Backend,
  known: readonly BaseEntry[] = [],
  { mode = "Remote", criteria = "Either" }: { readonly mode?: Mode; readonly criteria?: string } = {},
) {
  const snapshots = {
    local: toSnapshot(await local.list(root, { signal })),
    remote: toSnapshot(await remote.list(root, { signal })),
  };
  const history: History = {
    size: known.length,
    get: (path) => known.find((one) => one.path === path),
    [Symbol.iterator]: () => known[Symbol.iterator](),
  };
  const options = { history, signal, mode, criteria: chooseCriteria([criteria]) };
  const { remote: found } = await fillTimes(snapshots, { local, remote }, options);
  return Object.fromEntries(
    Array.from(found, (entry) => {
      const what = entry.kind === "file" ? entry.modified ?? entry.checksum : entry.kind;
      return [entry.path as string, what];
    }),
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
  const known: BaseEntry[] = [];
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

/** What an object of these bytes would have for an ETag proves them. */
const proving: Partial<Overrides> = {
  equalityProof: (_, { revision }) => {
    const hash = createHash("md5");
    return {
      take: (bytes) => void hash.update(bytes),
      result: () => {
        const sum = hash.digest("hex");
        return { checksum: `md5:${sum}`, isEqual: sum === revision };
      },
    };
  },
};

/** The bucket, with the MD5 of what was planted as revision, but for a name that is given. */
function hashing(inner: MemoryBackend, backend: Backend, { sealed = "" } = {}): Backend {
  const revised = async (own: Backend, entry: Entry): Promise<Entry> => {
    if (entry.kind !== "file" || entry.path === sealed) return entry;
    const bytes = await collect(await own.read(entry.path, { signal }));
    return { ...entry, revision: createHash("md5").update(bytes).digest("hex") };
  };
  return withOverrides(backend, {
    ...proving,
    list: async (own, dir, call) =>
      await Promise.all((await own.list(dir, call)).map((entry) => revised(inner, entry))),
  });
}

const X = `md5:${createHash("md5").update("x").digest("hex")}`;

Deno.test("tellTimes() asks nothing of what a listing proves to be equal, and everything else", async () => {
  const local = memory();
  const { inner, backend, looks } = bucket();
  plant(local, { "same": "x", "other": "y", "longer": "xx", "sealed": "x" });
  plant(inner, { "same": "x", "other": "z", "longer": "x", "sealed": "x" });
  const remote = hashing(inner, backend, { sealed: "sealed" });
  assert.deepEqual(await told(local, remote), { same: X, other: NOON, longer: NOON, sealed: NOON });
  assert.deepEqual(looks.toSorted(), ["longer", "other", "sealed"]);
});

Deno.test("tellTimes() reads no large file to prove it equal, unless contents are compared anyway", async () => {
  const local = memory();
  const { inner, backend, looks } = bucket();
  const text = "x".repeat(CHEAP_READ_BYTES + 1);
  plant(local, { "f": text });
  plant(inner, { "f": text });
  const remote = hashing(inner, backend);
  assert.deepEqual(await told(local, remote), { f: NOON });
  const { f } = await told(local, remote, [], { criteria: "Checksum" });
  assert.match(`${f}`, /^md5:/);
  assert.deepEqual(looks, ["f"]);
});

Deno.test("tellTimes() asks for the time where the file at hand cannot be read, and ends where its side is lost", async () => {
  const local = memory();
  const { inner, backend } = bucket();
  plant(local, { "f": "x" });
  plant(inner, { "f": "x" });
  const failing = (kind: "denied" | "connection") =>
    withOverrides(local, { read: () => Promise.reject(new SyncError(kind, "no", { operation: "read" })) });
  assert.deepEqual(await told(failing("denied"), hashing(inner, backend)), { f: NOON });
  const lost = withOverrides(failing("connection"), {
    stat: () => Promise.reject(new SyncError("connection", "no", { operation: "look at" })),
  });
  await assert.rejects(told(lost, hashing(inner, backend)), { kind: "connection" });
});

Deno.test("tellTimes() asks nothing where no criterion looks at times", async () => {
  const local = memory();
  const { inner, backend, looks } = bucket();
  plant(local, { "f": "x" });
  plant(inner, { "f": "y" });
  assert.deepEqual(await told(local, backend, [], { criteria: "Size" }), { f: undefined });
  assert.deepEqual(await told(local, backend, [], { criteria: "None" }), { f: undefined });
  assert.deepEqual(looks, []);
  assert.deepEqual(await told(local, backend, [], { criteria: "Size", mode: "Both" }), { f: NOON });
});

Deno.test("tellTimes() makes opaque what cannot be looked at, and ends when the server is lost", async () => {
  const local = memory();
  const { inner, backend } = bucket();
  plant(local, { "a": "x" });
  plant(inner, { "a": "x" });
  const failing = (kind: "denied" | "connection") =>
    withOverrides(backend, { stat: () => Promise.reject(new SyncError(kind, "no", { operation: "look at" })) });
  assert.deepEqual(await told(local, failing("denied")), { a: "opaque" });
  await assert.rejects(told(local, failing("connection")), { kind: "connection" });
  // One path over which the server breaks off is no more than that.
  const once = withOverrides(backend, {
    stat: (inner, path, call) => path === "a" ? failing("connection").stat(path, call) : inner.stat(path, call),
  });
  assert.deepEqual(await told(local, once), { a: "opaque" });
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
