import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import type { Backend } from "../../../../lib/core/backend.ts";
import { openGcs } from "../../../../lib/backends/gcs/mod.ts";
import { root, toRelPath } from "../../../../lib/core/path.ts";
import {
  assertRejects,
  assertSameBytes,
  call,
  entries,
  entry,
  file,
  get,
  paths,
  put,
  text,
} from "../../../contract/assertions.ts";
import { collect, pattern, utf8, wholeBody } from "../../../support/content.ts";
import { gcsTarget, openTestGcs, plant, withBucket } from "../../../support/targets/gcs_target.ts";
import { startGcs } from "../../../support/servers/gcs.ts";

async function walked(backend: Backend, dir = ""): Promise<string[]> {
  const found = (await Array.fromAsync(backend.walk?.(toRelPath(dir), call) ?? [])).flat();
  return found.map(({ kind, path }) => `${kind} ${path}`).sort();
}

Deno.test("openGcs() refuses what is wrong before it connects", async () => {
  const open = (more: Parameters<typeof gcsTarget>[1], address = {}) => {
    const target = gcsTarget({ port: 1 }, more);
    return openGcs({ ...target, address: { ...target.address, ...address } }, call);
  };
  for (const Endpoint of ["nonsense", "ftp://h", "http://h/path", "https://u:p@h", "https://h?x=1"]) {
    await assertRejects(open({ options: { Endpoint } }), "badInput");
  }
  for (const Endpoint of ["http://storage.example", "http://10.0.0.1:80"]) {
    assert.match((await assertRejects(open({ options: { Endpoint } }), "refused")).message, /-AllowInsecure/);
  }
  await assertRejects(open({ path: "/a//b" }), "badInput");
  await assertRejects(open({}, { user: "me" }), "badInput");
  await assertRejects(open({}, { port: 443 }), "badInput");
});

for (
  const [status, reason, kind, transient] of [
    [403, "forbidden", "denied", undefined],
    [403, "rateLimitExceeded", "busy", true],
    [403, "retentionPolicyNotMet", "denied", undefined],
    [403, "constructor", "denied", undefined],
    [404, "notFound", "notFound", undefined],
    [409, "conflict", "busy", true],
    [412, "conditionNotMet", "changed", undefined],
    [429, "rateLimitExceeded", "busy", true],
    [500, "backendError", "busy", true],
    [503, "backendError", "busy", true],
    [302, "moved", "refused", undefined],
  ] as const
) {
  Deno.test(`write() that the server answers with ${status} ${reason} rejects with ${kind}`, async () => {
    await withBucket(async (backend, { store }, server) => {
      const headers = { "retry-after": "7", "location": "http://127.0.0.1:1/?token=secret-word" };
      server.fail("insert", { status, reason, headers });
      const error = await assertRejects(put(backend, "f", "x"), kind);
      assert.deepEqual([error.facts.transient, error.facts.retryAfter], [transient, transient && 7000]);
      assert.ok(!error.message.includes("secret-word"));
      assert.deepEqual(store.names(), []);
    });
  });
}

Deno.test("A bucket that lets those pay who ask is asked in the name of a project", async () => {
  await withBucket(async (backend) => {
    await put(backend, "f", "x");
    assert.equal(await text(backend, "f"), "x");
  }, { requesterPays: true });
  await using server = await startGcs({ requesterPays: true });
  server.makeBucket("bucket");
  assert.match((await assertRejects(openTestGcs(server), "denied")).message, /-UserProject/);
});

Deno.test("list() and walk() take page after page, each name once", async () => {
  await withBucket(async (backend, bucket) => {
    const names = Array.from({ length: 25 }, (_, i) => `d${i % 3}/f${String(i).padStart(2, "0")}`).sort();
    for (const name of names) plant(bucket, name);
    for (const name of ["d1-x", "top"]) plant(bucket, name);
    assert.deepEqual(await paths(backend), ["d0", "d1", "d1-x", "d2", "top"]);
    assert.deepEqual(await paths(backend, "d1"), names.filter((name) => name.startsWith("d1/")));
    const all = ["d1-x", "top", ...names].map((name) => `file ${name}`);
    assert.deepEqual(await walked(backend), ["dir d0", "dir d1", "dir d2", ...all].sort());
  }, { page: 3 });
});

Deno.test("walk() that has begun comes through what passes by itself, and rejects where it does not", async () => {
  await withBucket(async (backend, bucket, server) => {
    for (let i = 0; i < 9; i++) plant(bucket, `f${i}`);
    const walk = async (faults: number) => {
      const found: string[] = [];
      for await (const batch of backend.walk?.(root, call) ?? []) {
        if (found.length === 0) {
          for (let i = 0; i < faults; i++) server.fail("list", { status: 503, headers: { "retry-after": "0" } });
        }
        found.push(...batch.map(({ path }) => path));
      }
      return found;
    };
    assert.equal((await walk(3)).length, 9);
    await assertRejects(walk(4), "busy");
  }, { page: 3 });
});

Deno.test("list() and walk() understand markers of folders, and tell names that no path can carry", async () => {
  await withBucket(async (backend, bucket) => {
    plant(bucket, "hollow/", new Uint8Array());
    for (const name of ["full/", "a//b", "a//c", "/x", "a/./b", "good"]) plant(bucket, name);
    const told = ["opaque (empty)", "dir a", "opaque a/(empty)", "opaque a/.", "dir full", "opaque full/(empty)"];
    assert.deepEqual(await walked(backend), [...told, "file good", "dir hollow"].sort());
    const kinds = async (dir: string) => (await entries(backend, dir)).map(({ kind, path }) => `${kind} ${path}`);
    assert.deepEqual((await kinds("")).sort(), ["dir a", "dir full", "dir hollow", "file good", "opaque (empty)"]);
    assert.deepEqual(await kinds("full"), ["opaque full/(empty)"]);
    assert.deepEqual(await kinds("hollow"), []);
    assert.equal((await entry(backend, "hollow")).kind, "dir");
  });
});

Deno.test("remove() takes the marker of an empty folder, and never one of a folder that holds something", async () => {
  await withBucket(async (backend, bucket) => {
    plant(bucket, "d/", new Uint8Array());
    plant(bucket, "d/f");
    const dir = await entry(backend, "d");
    await assertRejects(backend.remove(dir, call), "changed");
    await backend.remove(await file(backend, "d/f"), call);
    await backend.remove(dir, call);
    await backend.remove(dir, call);
    assert.deepEqual(bucket.store.names(), []);
  });
});

Deno.test("An empty page is not the end: what follows it is seen, also where one name would do", async () => {
  await withBucket(async (backend, bucket, server) => {
    const body = JSON.stringify({ kind: "storage#objects", nextPageToken: "AA" });
    plant(bucket, "d/", new Uint8Array());
    plant(bucket, "d/f");
    server.fail("list", { body });
    const dir = await entry(backend, "d");
    assert.equal(dir.kind, "dir");
    server.fail("list", { body });
    assert.deepEqual(await walked(backend), ["dir d", "file d/f"]);
    await assertRejects(backend.remove(dir, call), "changed");
    assert.equal(bucket.store.names().length, 2);
  }, { page: 1 });
});

Deno.test("walk() rejects a listing that begins again and again, or names what lies elsewhere", async () => {
  await withBucket(async (backend, _bucket, server) => {
    const body = JSON.stringify({ kind: "storage#objects", nextPageToken: "t" });
    for (let i = 0; i < 3; i++) server.fail("list", { body });
    await assertRejects(walked(backend), "unexpected");
  });
  await withBucket(async (backend, _bucket, server) => {
    const item = { name: "elsewhere", size: "1", generation: "1", metageneration: "1" };
    server.fail("list", { body: JSON.stringify({ kind: "storage#objects", items: [item] }) });
    await assertRejects(walked(backend, "d"), "unexpected");
  });
});

Deno.test("read() of what is stored compressed gives the bytes as they are stored", async () => {
  await withBucket(async (backend, { store }) => {
    const bytes = new Uint8Array(gzipSync(utf8("plain ".repeat(1000))));
    store.put({ name: "f.gz", bytes, contentEncoding: "gzip" }, new URLSearchParams());
    const expect = await file(backend, "f.gz");
    assertSameBytes(await collect(await backend.read(toRelPath("f.gz"), { ...call, expect })), bytes);
  });
});

for (const [what, size] of [["small", 1000], ["larger", 3 << 20], ["in pieces", 10 << 20]] as const) {
  for (const components of [undefined, 2]) {
    const kind = components === undefined ? "" : " that was composed";
    Deno.test(`read() of a ${what} file${kind} rejects what came damaged, to be read anew from its start alone (DL-06)`, async () => {
      await withBucket(async (backend, { store }, server) => {
        const bytes = pattern(size, 3);
        const more = components === undefined ? {} : { components };
        store.put({ name: "f", bytes, ...more }, new URLSearchParams());
        const expect = await file(backend, "f");
        assert.equal(expect.checksum === undefined, components !== undefined);
        const read = async () => await collect(await backend.read(toRelPath("f"), { ...call, expect }));
        assertSameBytes(await read(), bytes);
        server.fail("media", { damage: true });
        const { facts } = await assertRejects(read(), "unexpected");
        assert.equal(facts.transient, what === "small" ? true : undefined);
      });
    });
  }
}

Deno.test("read() of a file that is replaced between its pieces rejects with changed", async () => {
  await withBucket(async (backend, bucket) => {
    plant(bucket, "f", pattern(64 << 20, 3));
    const expect = await file(backend, "f");
    const content = await backend.read(toRelPath("f"), { ...call, expect });
    assert.ok(!(content instanceof Uint8Array));
    const reader = content.getReader();
    await reader.read();
    plant(bucket, "f", pattern(64 << 20, 4));
    const drain = async () => {
      while (!(await reader.read()).done);
    };
    await assertRejects(drain(), "changed");
  });
});

Deno.test("write() into folders that are known asks for nothing but the upload", async () => {
  await withBucket(async (backend, bucket, server) => {
    plant(bucket, "a/b/old");
    await walked(backend);
    const before = server.requests.length;
    for (const name of ["a/b/new", "a/b/newer", "top"]) {
      await backend.write(toRelPath(name), wholeBody("x"), { ...call, size: 1, expect: "absent" });
    }
    assert.deepEqual(server.requests.slice(before).map(({ what }) => what), ["insert", "insert", "insert"]);
    const folder = backend.write(toRelPath("a/b"), wholeBody("x"), { ...call, size: 1, expect: "absent" });
    await assertRejects(folder, "changed");
  });
});

Deno.test("write() may take the place of a folder that this session has emptied", async () => {
  await withBucket(async (backend) => {
    await put(backend, "d/e/f", "x");
    await backend.remove(await file(backend, "d/e/f"), call);
    await backend.write(toRelPath("d"), wholeBody("file"), { ...call, size: 4, expect: "absent" });
    await assertRejects(put(backend, "d/e/f", "x"), "exists");
    assert.equal(await text(backend, "d"), "file");
  });
});

Deno.test("write() of a name that is too long for a bucket says so before anything is sent", async () => {
  await withBucket(async (backend, bucket) => {
    const name = `${"é".repeat(250)}/${"d".repeat(260)}/${"f".repeat(262)}`;
    await put(backend, name, "x");
    assert.equal(new TextEncoder().encode(bucket.store.names()[0]).length, 1024);
    await assertRejects(put(backend, `${name}1`, "x"), "unsupported");
  });
});

Deno.test("copy() of a large file goes on until the server is done, and takes its time along", async () => {
  await withBucket(async (backend, bucket, server) => {
    const bytes = pattern(3 << 20, 3);
    const before = await put(backend, "a", bytes, 1_600_000_000_000);
    await backend.copy?.(toRelPath("a"), toRelPath("d/b"), { ...call, expect: "absent" });
    assert.equal(server.requests.filter(({ what }) => what === "rewrite").length, 3);
    assertSameBytes(bucket.store.get("d/b")?.bytes ?? new Uint8Array(), bytes);
    assert.equal((await file(backend, "d/b")).modified, before.modified);
  }, { rewrite: 1 << 20 });
});

Deno.test("setModified() keeps the generation, so that the bytes are known to be the same", async () => {
  await withBucket(async (backend) => {
    const before = await put(backend, "f", "x", 1_600_000_000_000);
    await backend.setModified?.(toRelPath("f"), 1_650_000_000_500, call);
    const after = await file(backend, "f");
    assert.deepEqual(after, { ...before, modified: 1_650_000_000_500 });
  });
});

Deno.test("remove() spares what was replaced at the last moment", async () => {
  await withBucket(async (backend, bucket, server) => {
    const known = await put(backend, "f", "x");
    server.fail("delete", { status: 412, reason: "conditionNotMet" });
    await assertRejects(backend.remove(known, call), "changed");
    assert.equal(bucket.store.names().length, 1);
    const [asked] = server.requests.filter(({ what }) => what === "delete");
    assert.equal(asked?.query.get("ifGenerationMatch"), known.revision);
  });
});

Deno.test("withRoot() shows a folder of the bucket, and what lies beside it stays out", async () => {
  await withBucket(async (backend, bucket) => {
    for (const name of ["site/a", "site2/b", "site.txt", "sit"]) plant(bucket, name);
    const site = await backend.withRoot("/site", call);
    assert.deepEqual([await paths(site), await walked(site)], [["a"], ["file a"]]);
    assert.equal((await site.stat(root, call))?.kind, "dir");
    assert.equal(await (await backend.withRoot("site/none", call)).stat(root, call), undefined);
    assert.equal((await (await backend.withRoot("sit", call)).stat(root, call))?.kind, "file");
    await assertRejects(backend.withRoot("/site//x", call), "badInput");
    assert.equal((await get(site, "a")).length, 1);
  });
});

Deno.test("read() rejects when the server refuses a part that the file has", async () => {
  await withBucket(async (backend, _bucket, server) => {
    const expect = await put(backend, "a", utf8("bytes"));
    server.fail("media", { status: 416, reason: "requestedRangeNotSatisfiable" });
    await assertRejects(backend.read(expect.path, { ...call, expect, offset: 2 }), "unexpected");
    assert.equal(await text(backend, "a"), "bytes");
  });
});
