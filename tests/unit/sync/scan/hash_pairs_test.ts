import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { memory } from "../../../../lib/backends/memory/mod.ts";
import { SyncError } from "../../../../lib/core/errors.ts";
import { toRelPath } from "../../../../lib/core/path.ts";
import {
  type HashOptions,
  hashPairs,
  type OpenPair,
  toOpenPairs,
  toReadBack,
} from "../../../../lib/sync/scan/hash_pairs.ts";
import { toSnapshot } from "../../../../lib/sync/scan/snapshot.ts";
import type { Checksum, Entry, FileEntry } from "../../../../lib/core/entry.ts";
import { withOverrides } from "../../../support/stacked.ts";
import { fileAt, NOON, plant, rejection, signal } from "../fixtures.ts";
import type { Backends } from "../../../../lib/sync/common/sides.ts";

function sum(algorithm: string, text: string): string {
  return `${algorithm}:${createHash(algorithm).update(text).digest("hex")}`;
}

function pair(local: string, remote: string, dials: Parameters<typeof memory>[0] = {}) {
  const sides = { local: memory(), remote: memory(dials) };
  plant(sides.local, { "a": local });
  plant(sides.remote, { "a": remote }, NOON + 60_000);
  return sides;
}

async function digested(sides: Backends, options: Partial<HashOptions> = {}) {
  const pairs: OpenPair[] = [{ local: await fileAt(sides.local, "a"), remote: await fileAt(sides.remote, "a") }];
  const snapshots = {
    local: toSnapshot([...pairs].map((one) => one.local)),
    remote: toSnapshot(pairs.map((one) => one.remote)),
  };
  const found = await hashPairs(pairs, sides, { signal, readBack: true, ...options, snapshots });
  return { local: entryOf(found.local), remote: entryOf(found.remote) };
}

function entryOf(snapshot: Iterable<Entry>): Entry | undefined {
  return [...snapshot][0];
}

function checksumOf(entry: Entry | undefined): string | undefined {
  return entry?.kind === "file" ? entry.checksum : entry?.kind;
}

/** Reads nothing here. */
function unread(backend: ReturnType<typeof memory>) {
  return withOverrides(backend, { read: () => assert.fail("it was read back") });
}

Deno.test("digest() takes the checksum that the server makes, and hashes the local content", async () => {
  const sides = pair("same", "same");
  const found = await digested({ local: sides.local, remote: unread(sides.remote) });
  assert.deepEqual([checksumOf(found.local), checksumOf(found.remote)], [sum("sha256", "same"), sum("sha256", "same")]);
});

Deno.test("digest() hashes the local content as the server's listing did", async () => {
  const sides = pair("mine", "their");
  const remote = withOverrides(unread(sides.remote), {
    checksum: () => assert.fail("it was asked"),
    stat: async (inner, ...rest) => ({ ...await inner.stat(...rest) as FileEntry, checksum: "md5:00" }),
  });
  const found = await digested({ local: sides.local, remote });
  assert.deepEqual([checksumOf(found.local), checksumOf(found.remote)], [sum("md5", "mine"), "md5:00"]);
});

Deno.test("digest() reads remote files back where the server gives no checksum, if it may", async () => {
  const sides = pair("mine", "their", { lacks: ["checksum"] });
  const found = await digested(sides);
  assert.deepEqual([checksumOf(found.local), checksumOf(found.remote)], [
    sum("sha256", "mine"),
    sum("sha256", "their"),
  ]);
  const without = await digested({ local: sides.local, remote: unread(sides.remote) }, { readBack: false });
  assert.deepEqual([checksumOf(without.local), checksumOf(without.remote)], [undefined, undefined]);
});

for (const [what, remote, isEqual] of [["proves", "same", true], ["does not prove", "else", false]] as const) {
  Deno.test(`digest() asks for no checksum where a listing proves the content: it ${what} "${remote}"`, async () => {
    const sides = pair("same", remote);
    const asked: string[] = [];
    const far = withOverrides(unread(sides.remote), {
      equalityProof: () => {
        const taken: string[] = [];
        return {
          take: (bytes) => void taken.push(new TextDecoder().decode(bytes)),
          result: () => ({ checksum: sum("md5", taken.join("")) as Checksum, isEqual }),
        };
      },
      checksum: (_, { path }) => {
        asked.push(path);
        return Promise.resolve(sum("md5", remote) as Checksum);
      },
    });
    const read: string[] = [];
    const local = withOverrides(sides.local, {
      read: (inner, path, options) => (read.push(path), inner.read(path, options)),
    });
    const found = await digested({ local, remote: far });
    assert.deepEqual([checksumOf(found.local), checksumOf(found.remote)], [sum("md5", "same"), sum("md5", remote)]);
    assert.deepEqual([read, asked], [["a"], isEqual ? [] : ["a"]]);
  });
}

Deno.test("digest() makes what cannot be read opaque, never equal", async () => {
  const sides = pair("same", "same", { lacks: ["checksum"] });
  const denied = new SyncError("denied", "no right", { operation: "read" });
  const remote = withOverrides(sides.remote, { read: () => Promise.reject(denied) });
  const found = await digested({ local: sides.local, remote });
  assert.ok(found.remote?.kind === "opaque" && found.remote.cause === "unreadable");
  assert.match(found.remote.why, /no right/);
});

Deno.test("digest() believes no content that is shorter than listed", async () => {
  const sides = pair("same", "same", { lacks: ["checksum"] });
  const remote = withOverrides(sides.remote, { read: () => Promise.resolve(new Uint8Array(2)) });
  const found = await digested({ local: sides.local, remote });
  assert.ok(found.remote?.kind === "opaque" && found.remote.cause === "unreadable");
});

Deno.test("digest() leaves a file alone that vanished", async () => {
  const sides = pair("same", "same");
  const gone = new SyncError("notFound", "gone", { operation: "read" });
  const found = await digested({
    local: withOverrides(sides.local, { read: () => Promise.reject(gone) }),
    remote: sides.remote,
  });
  assert.ok(found.local?.kind === "opaque" && found.local.cause === "special");
});

Deno.test("digest() rejects when the server is lost", async () => {
  const sides = pair("same", "same");
  const lost = new SyncError("connection", "gone", { operation: "checksum" });
  const remote = withOverrides(sides.remote, {
    checksum: () => Promise.reject(lost),
    stat: () => Promise.reject(lost),
  });
  assert.equal((await rejection(digested({ local: sides.local, remote }))).kind, "connection");
  // One file over which the server breaks off is no more than that.
  await digested({ local: sides.local, remote: withOverrides(sides.remote, { checksum: () => Promise.reject(lost) }) });
});

Deno.test("digest() rejects with cancelled once the signal is aborted", async () => {
  const stop = new AbortController();
  stop.abort();
  assert.equal((await rejection(digested(pair("a", "b"), { signal: stop.signal }))).kind, "cancelled");
});

Deno.test("toOpenPairs() finds pairs of one spelling and of two", () => {
  const file = (path: string): FileEntry => ({ kind: "file", path: toRelPath(path), size: 1 });
  const snapshots = {
    local: toSnapshot([file("a"), file("B"), file("c")]),
    remote: toSnapshot([file("a"), file("b"), file("c")]),
  };
  const open = ["a", "B", "b", "c"].map(toRelPath);
  const found = toOpenPairs(open, snapshots).map(({ local, remote }) => `${local.path} ${remote.path}`);
  assert.deepEqual(found, ["a a", "B b", "c c"]);
});

Deno.test("toReadBack() counts the pairs whose remote file would have to be read", async () => {
  const { local, remote } = pair("x", "y");
  const plain: OpenPair = { local: await fileAt(local, "a"), remote: await fileAt(remote, "a") };
  const listed: OpenPair = { ...plain, remote: { ...plain.remote, checksum: "md5:00" } };
  assert.deepEqual(toReadBack([plain, listed], remote), []);
  assert.deepEqual(toReadBack([plain, listed], memory({ lacks: ["checksum"] })), [plain]);
});
