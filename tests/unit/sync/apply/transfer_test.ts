import assert from "node:assert/strict";
import { memory } from "../../../../lib/backends/memory/mod.ts";
import { SyncError } from "../../../../lib/core/errors.ts";
import { toRelPath } from "../../../../lib/core/path.ts";
import { transfer, type TransferOptions } from "../../../../lib/sync/apply/transfer.ts";
import type { Entry, FileEntry } from "../../../../lib/core/entry.ts";
import { withOverrides } from "../../../support/stacked.ts";
import { fileAt, NOON, owners, plant, rejection, signal, textOf, texts } from "../fixtures.ts";
import type { Copy } from "../../../../lib/sync/common/sides.ts";
import { isSameEntry } from "../../../../lib/sync/common/entry_check.ts";

const options: TransferOptions = { signal, owner: owners.remote, onBytes: () => {}, onWarning: () => {} };

function copy(source: Copy["source"], replaces?: Entry): Copy {
  return {
    do: "copy",
    to: "remote",
    path: source.path,
    why: "new",
    source,
    ...(replaces === undefined ? {} : { replaces }),
  };
}

Deno.test("transfer() brings content and time, and gives the entry as it is there", async () => {
  const [local, remote] = [memory(), memory()];
  plant(local, { "a": "hello" });
  const entry = await transfer(copy(await fileAt(local, "a")), { local, remote }, options);
  assert.deepEqual(entry, await fileAt(remote, "a"));
  assert.deepEqual([await textOf(remote, "a"), (await fileAt(remote, "a")).modified], ["hello", NOON]);
});

const HELLO = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
for (
  const [what, dials, listedAt, checksum] of [
    ["young", {}, NOON + 1999, HELLO],
    ["old", {}, NOON + 2000, undefined],
    [
      "old, where the place gives a time of its own",
      { times: "ignored", now: () => NOON + 9000 },
      NOON + 60_000,
      HELLO,
    ],
    ["young, where the place tells a revision", { revisions: true }, NOON, undefined],
  ] as const
) {
  Deno.test(`transfer() ${checksum === undefined ? "makes no" : "makes a"} checksum of what it sent: ${what}`, async () => {
    const [local, remote] = [memory(), memory(dials)];
    plant(local, { "a": "hello" });
    const entry = await transfer(copy(await fileAt(local, "a")), { local, remote }, { ...options, listedAt });
    assert.equal(entry?.kind === "file" && entry.checksum, checksum);
  });
}

const DAY = 86_400_000;
for (
  const [what, told, size, expected] of [
    ["of that day", NOON + 1234, 5, NOON + 1234],
    ["of that day, and a large file", NOON + 1234, 300_000, NOON + 1234],
    ["of the day before", NOON - 1, 5, NOON],
    ["of the day after", NOON + DAY, 300_000, NOON],
    ["that is not known", undefined, 5, NOON],
    ["that is not known, and a large file", undefined, 300_000, NOON],
  ] as const
) {
  Deno.test(`transfer() of a file that is listed with its day takes a time ${what}`, async () => {
    const [local, remote] = [memory(), memory()];
    plant(local, { "a": "x".repeat(size) });
    const source: FileEntry = { ...await fileAt(local, "a"), timeStep: DAY };
    const dayOnly = withOverrides(local, {
      read: async (inner, path, options) => {
        if (told !== undefined) options.onModified?.(told);
        return await inner.read(path, options);
      },
      stat: async (inner, path, call) => {
        const found = await inner.stat(path, call);
        return found?.kind === "file" ? { ...found, ...(told === undefined ? {} : { modified: told }) } : found;
      },
    });
    await transfer(copy(source), { local: dayOnly, remote }, options);
    assert.equal((await fileAt(remote, "a")).modified, expected);
  });
}

Deno.test("transfer() tells as many bytes as the file has", async () => {
  const [local, remote] = [memory(), memory()];
  plant(local, { "a": "x".repeat(700_000) });
  let bytes = 0;
  await transfer(copy(await fileAt(local, "a")), { local, remote }, {
    ...options,
    onBytes: (more) => void (bytes += more),
  });
  assert.equal(bytes, 700_000);
});

Deno.test("transfer() overwrites nothing that came to the place meanwhile", async () => {
  const [local, remote] = [memory(), memory()];
  plant(local, { "a": "new" });
  plant(remote, { "a": "somebody's" });
  const error = await rejection(transfer(copy(await fileAt(local, "a")), { local, remote }, options));
  assert.equal(error.kind, "changed");
  assert.equal(await textOf(remote, "a"), "somebody's");
});

Deno.test("transfer() overwrites nothing that is no longer what the plan saw", async () => {
  const [local, remote] = [memory(), memory()];
  plant(local, { "a": "new" });
  plant(remote, { "a": "old" });
  const seen = await fileAt(remote, "a");
  plant(remote, { "a": "newer here" });
  const error = await rejection(transfer(copy(await fileAt(local, "a"), seen), { local, remote }, options));
  assert.equal(error.kind, "changed");
  assert.equal(await textOf(remote, "a"), "newer here");
});

Deno.test("transfer() of a source that vanished gives nothing and leaves the target as it was", async () => {
  const [local, remote] = [memory(), memory()];
  plant(remote, { "a": "old" });
  const gone: FileEntry = { kind: "file", path: toRelPath("a"), size: 3, modified: NOON };
  const entry = await transfer(copy(gone, await fileAt(remote, "a")), { local, remote }, options);
  assert.equal(entry, undefined);
  assert.deepEqual(await texts(remote), { "a": "old" });
});

Deno.test("transfer() does not take a missing folder of the target for a vanished source", async () => {
  const [local, remote] = [memory(), memory()];
  plant(local, { "d/a": "new" });
  const error = await rejection(transfer(copy(await fileAt(local, "d/a")), { local, remote }, options));
  assert.equal(error.kind, "notFound");
});

Deno.test("transfer() of a source that changed since the listing brings its present version", async () => {
  const [local, remote] = [memory(), memory()];
  plant(local, { "a": "as listed" });
  const seen = await fileAt(local, "a");
  plant(local, { "a": "changed since" }, NOON + 60_000);
  const entry = await transfer(copy(seen), { local, remote }, options);
  assert.equal(await textOf(remote, "a"), "changed since");
  assert.equal(entry?.kind === "file" && entry.modified, NOON + 60_000);
});

Deno.test("transfer() of a source that changes while it is read takes back its bytes and reads the new version", async () => {
  const [inner, remote] = [memory(), memory()];
  plant(inner, { "a": "x".repeat(600_000) });
  const seen = await fileAt(inner, "a");
  let reads = 0;
  const local = withOverrides(inner, {
    async read(backend, path, readOptions) {
      if (++reads > 1) return await backend.read(path, readOptions);
      plant(inner, { "a": "y".repeat(500_000) }, NOON + 60_000);
      return new ReadableStream({
        pull(controller) {
          if (reads++ === 1) controller.enqueue(new Uint8Array(100_000));
          else controller.error(new SyncError("changed", "it was modified", { operation: "read" }));
        },
      }, { highWaterMark: 0 });
    },
  });
  const told: number[] = [];
  await transfer(copy(seen), { local, remote }, { ...options, onBytes: (more) => void told.push(more) });
  assert.equal(await textOf(remote, "a"), "y".repeat(500_000));
  assert.equal(told.reduce((sum, more) => sum + more, 0), 500_000);
  assert.ok(told.includes(-100_000), `${told}`);
});

Deno.test("transfer() of a source that never rests fails as changed and leaves no trace", async () => {
  const [inner, remote] = [memory(), memory()];
  plant(inner, { "a": "v0" });
  const seen = await fileAt(inner, "a");
  let version = 0;
  const local = withOverrides(inner, {
    read(backend, path, readOptions) {
      plant(inner, { "a": `v${++version}` }, NOON + version * 60_000);
      return backend.read(path, readOptions);
    },
  });
  const error = await rejection(transfer(copy(seen), { local, remote }, options));
  assert.deepEqual([error.kind, version], ["changed", 2]);
  assert.deepEqual(await texts(remote), {});
});

Deno.test("transfer() believes no write that shows another size", async () => {
  const [local, inner] = [memory(), memory()];
  plant(local, { "a": "hello" });
  const remote = withOverrides(inner, {
    write: async (backend, ...rest) => ({ ...await backend.write(...rest), size: 3 }),
  });
  const error = await rejection(transfer(copy(await fileAt(local, "a")), { local, remote }, options));
  assert.match(error.message, /3 bytes .* after a copy of 5 bytes/);
});

Deno.test("transfer() rejects with cancelled when the signal is aborted, whatever the backend said", async () => {
  const [local, inner] = [memory(), memory()];
  plant(local, { "a": "hello" });
  const stop = new AbortController();
  const remote = withOverrides(inner, {
    write() {
      stop.abort();
      return Promise.reject(new SyncError("changed", "odd", { operation: "write" }));
    },
  });
  const work = transfer(copy(await fileAt(local, "a")), { local, remote }, { ...options, signal: stop.signal });
  assert.equal((await rejection(work)).kind, "cancelled");
});

Deno.test("transfer() carries a link as a link", async () => {
  const [local, remote] = [memory(), memory()];
  plant(local, { "l": "-> a/b" });
  await transfer(copy({ kind: "link", path: toRelPath("l"), target: "a/b" }), { local, remote }, options);
  assert.deepEqual(await texts(remote), { "l": "-> a/b" });
});

for (const target of ["/etc/passwd", "../../x", "a/../../../x", "C:\\x", "..\\..\\x"]) {
  Deno.test(`transfer() makes no local link that leads out to ${target}`, async () => {
    const [local, remote] = [memory(), memory()];
    plant(local, { "d": null });
    plant(remote, { "d/l": `-> ${target}` });
    const action: Copy = { ...copy({ kind: "link", path: toRelPath("d/l"), target }), to: "local" };
    assert.equal((await rejection(transfer(action, { local, remote }, options))).kind, "refused");
    assert.deepEqual(await texts(local), { "d": null });
  });
}

Deno.test("transfer() makes a local link that stays inside", async () => {
  const [local, remote] = [memory(), memory()];
  plant(local, { "d": null });
  plant(remote, { "d/l": "-> ../e/f" });
  const action: Copy = { ...copy({ kind: "link", path: toRelPath("d/l"), target: "../e/f" }), to: "local" };
  await transfer(action, { local, remote }, options);
  assert.deepEqual(await texts(local), { "d": null, "d/l": "-> ../e/f" });
});

Deno.test("transfer() puts a link where only the thing is that the plan saw", async () => {
  const [local, remote] = [memory(), memory()];
  plant(local, { "l": "-> a", "m": "-> a" });
  plant(remote, { "l": "somebody's", "m": "old" });
  const source = (path: string) => ({ kind: "link", path: toRelPath(path), target: "a" }) as const;
  assert.equal((await rejection(transfer(copy(source("l")), { local, remote }, options))).kind, "changed");
  await transfer(copy(source("m"), await fileAt(remote, "m")), { local, remote }, options);
  assert.deepEqual(await texts(remote), { "l": "somebody's", "m": "-> a" });
});

Deno.test("transfer() says so where the target has no links", async () => {
  const [local, remote] = [memory(), memory({ lacks: ["makeLink"] })];
  plant(local, { "l": "-> a" });
  const work = transfer(copy({ kind: "link", path: toRelPath("l"), target: "a" }), { local, remote }, options);
  assert.equal((await rejection(work)).kind, "unsupported");
});

Deno.test("isSame() compares what both entries tell", () => {
  const file: FileEntry = { kind: "file", path: toRelPath("a"), size: 3, modified: 5000, fileId: "1", revision: "r" };
  const { fileId: _fileId, revision: _revision, modified: _modified, ...bare } = file;
  assert.ok(isSameEntry(file, bare) && isSameEntry(file, { ...file }));
  for (const other of [{ size: 4 }, { modified: 5001 }, { fileId: "2" }, { revision: "s" }]) {
    assert.ok(!isSameEntry({ ...file, ...other }, file), JSON.stringify(other));
  }
  assert.ok(isSameEntry({ ...file, modified: 60_000, timeStep: 60_000 }, file));
  assert.ok(!isSameEntry(file, { kind: "dir", path: file.path }));
});
