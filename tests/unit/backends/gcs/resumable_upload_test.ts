import assert from "node:assert/strict";
import type { Backend } from "../../../../lib/core/backend.ts";
import { SyncError } from "../../../../lib/core/errors.ts";
import { toRelPath } from "../../../../lib/core/path.ts";
import { assertRejects, assertSameBytes, call, get, paths } from "../../../contract/assertions.ts";
import { pattern, streamBody, wholeBody } from "../../../support/content.ts";
import { openTestGcs } from "../../../support/targets/gcs_target.ts";
import { type Proxy, startProxy } from "../../../support/proxy.ts";
import { type GcsBucket, type GcsServer, startGcs } from "../../../support/servers/gcs.ts";

const bytes = pattern((7 << 20) + 12_345, 4);
const f = toRelPath("f");

interface World {
  readonly server: GcsServer;
  readonly bucket: GcsBucket;
  readonly proxy: Proxy;
  readonly backend: Backend;
  /** Writes the bytes and gives how many were told as sent. */
  write(): Promise<number>;
  asked(what: string): number;
}

async function withBucket(work: (world: World) => Promise<void>): Promise<void> {
  await using server = await startGcs();
  const bucket = server.makeBucket("bucket");
  await using proxy = await startProxy(server.port);
  await using backend = await openTestGcs(server, { port: proxy.port });
  await work({
    ...{ server, bucket, proxy, backend },
    async write() {
      let told = 0;
      const onBytes = (count: number) => void (told += count);
      await backend.write(f, streamBody(bytes), { ...call, size: bytes.length, expect: "absent", onBytes });
      return told;
    },
    asked: (what) => server.requests.filter((one) => one.what === what).length,
  });
}

Deno.test("write() of a large file begins one session, sends the end with the hash, and leaves nothing open", async () => {
  await withBucket(async ({ server, bucket, write, asked }) => {
    assert.equal(await write(), bytes.length);
    assertSameBytes(bucket.store.get("f")?.bytes ?? new Uint8Array(), bytes);
    assert.deepEqual([asked("begin"), asked("part"), asked("status"), bucket.uploads.open], [1, 2, 0, 0]);
    const [first, last] = server.requests.filter(({ what }) => what === "part");
    assert.equal(first?.headers["content-range"], `bytes 0-${(7 << 20) - 1}/${bytes.length}`);
    assert.match(String(last?.headers["x-goog-hash"]), /^md5=/);
  });
});

Deno.test("write() of a large file to a server that makes an object of the first part removes that and sends all at once", async () => {
  await withBucket(async ({ server, bucket, write, asked, backend }) => {
    server.fail("part", { early: true });
    assert.equal(await write(), bytes.length);
    assertSameBytes(bucket.store.get("f")?.bytes ?? new Uint8Array(), bytes);
    assert.deepEqual([asked("begin"), asked("part"), asked("delete")], [2, 2, 1]);
    const last = server.requests.findLast(({ what }) => what === "part");
    assert.equal(last?.headers["content-range"], `bytes 0-${bytes.length - 1}/${bytes.length}`);
    // It is known from now on, and a broken request is never asked how far it came: that would end it too.
    server.fail("part", { cut: "before" });
    const g = { ...call, size: bytes.length, expect: "absent" as const };
    await assertRejects(backend.write(toRelPath("g"), streamBody(bytes), g), "connection");
    assert.deepEqual([asked("status"), bucket.store.get("g")], [0, undefined]);
    await backend.write(toRelPath("g"), streamBody(bytes), g);
    assertSameBytes(bucket.store.get("g")?.bytes ?? new Uint8Array(), bytes);
    assert.equal(asked("part"), 4);
  });
});

Deno.test("write() whose link breaks goes on where the server is, and tells every byte once", async () => {
  await withBucket(async ({ server, bucket, proxy, write, asked }) => {
    proxy.after(3 << 20, () => proxy.cut());
    assert.equal(await write(), bytes.length);
    assertSameBytes(bucket.store.get("f")?.bytes ?? new Uint8Array(), bytes);
    assert.deepEqual([asked("begin"), asked("status")], [1, 1]);
    const second = server.requests.filter(({ what }) => what === "part")[1];
    const [, from] = /^bytes (\d+)-/.exec(String(second?.headers["content-range"])) ?? [];
    assert.ok(Number(from) > 0, "what the server had was not sent again");
  });
});

for (const what of ["begin", "part", "status"]) {
  Deno.test(`write() that the server answers with 503 at "${what}" comes through`, async () => {
    await withBucket(async ({ server, bucket, backend, write }) => {
      if (what === "status") server.fail("part", { status: 503 });
      server.fail(what, { status: 503 });
      if (what === "begin") await assertRejects(write(), "busy");
      assert.equal(await write(), bytes.length);
      assert.equal(bucket.store.names().length, 1);
      assertSameBytes(await get(backend, "f"), bytes);
    });
  });
}

Deno.test("write() whose last reply is lost learns that the file is whole", async () => {
  await withBucket(async ({ server, bucket, write, asked }) => {
    const parts = () => server.requests.filter((one) => one.what === "part").length;
    server.fail("part", { status: 500 });
    server.fail("part", { status: 500 });
    server.fail("part", { status: 500 });
    assert.equal(await write(), bytes.length);
    assert.ok(parts() >= 4);
    assert.deepEqual([bucket.store.names(), asked("begin")], [["f"], 1]);
  });
});

Deno.test("write() gives a session up that the server has forgotten, for the next attempt to begin another", async () => {
  await withBucket(async ({ server, bucket, write }) => {
    server.fail("part", { status: 503 });
    server.fail("status", { status: 410, reason: "gone" });
    const error = await assertRejects(write(), "unexpected");
    assert.equal(error.facts.transient, true);
    assert.deepEqual(bucket.store.names(), []);
    await write();
  });
});

Deno.test("write() that is refused in the end replaces nothing and says so, the session given up", async () => {
  await withBucket(async ({ server, bucket, write, asked }) => {
    for (const [status, kind] of [[412, "changed"], [400, "unexpected"], [403, "denied"]] as const) {
      server.fail("part", { status });
      await assertRejects(write(), kind);
    }
    assert.deepEqual([bucket.store.names(), bucket.uploads.open, asked("abandon")], [[], 0, 3]);
  });
});

Deno.test("write() whose token ends meanwhile sends the part anew, and tells every byte once", async () => {
  await withBucket(async ({ server, bucket, write }) => {
    server.fail("part", { status: 401, reason: "authError" });
    assert.equal(await write(), bytes.length);
    assertSameBytes(bucket.store.get("f")?.bytes ?? new Uint8Array(), bytes);
  });
});

Deno.test("write() whose end the server took in part goes on", async () => {
  await withBucket(async ({ server, bucket, write }) => {
    server.fail("part", { status: 308, headers: { range: "bytes=0-262143" } });
    assert.equal(await write(), bytes.length);
    assertSameBytes(bucket.store.get("f")?.bytes ?? new Uint8Array(), bytes);
  });
});

Deno.test("write() removes at once what is not what was sent, should a server not have compared it", async () => {
  await withBucket(async ({ server, bucket, backend, asked }) => {
    const other = (size: number) => {
      const { generation } = bucket.store.put({ name: "f", bytes: pattern(size, 9) }, new URLSearchParams());
      const shown = { name: "f", size: String(size), generation: String(generation), metageneration: "1" };
      return { body: JSON.stringify({ ...shown, md5Hash: "kAFQmDzST7DWlj99KOF/cg==" }) };
    };
    server.fail("insert", other(3));
    await assertRejects(backend.write(f, wholeBody("abd"), { ...call, size: 3, expect: "absent" }), "unexpected");
    assert.deepEqual([bucket.store.names(), asked("delete")], [[], 1]);
  });
});

Deno.test("write() loses to a writer who was quicker, though its session was begun before (FL-08)", async () => {
  await withBucket(async ({ bucket, backend }) => {
    const body = streamBody(bytes, {
      before: (offset) => {
        if (offset === 64 * 1024) bucket.store.put({ name: "f", bytes: new Uint8Array(3) }, new URLSearchParams());
      },
    });
    await assertRejects(backend.write(f, body, { ...call, size: bytes.length, expect: "absent" }), "changed");
    assert.equal(bucket.store.get("f")?.bytes.length, 3);
  });
});

Deno.test("write() whose source fails half way leaves no session and no object", async () => {
  await withBucket(async ({ bucket, backend }) => {
    const body = streamBody(bytes, {
      before: (offset) => {
        if (offset >= 2 << 20) throw new SyncError("denied", "Cannot read on", { operation: "test" });
      },
    });
    await assertRejects(backend.write(f, body, { ...call, size: bytes.length }), "denied");
    assert.deepEqual([await paths(backend), bucket.uploads.open], [[], 0]);
  });
});

Deno.test("write() follows no session to another server", async () => {
  await withBucket(async ({ server, bucket, write }) => {
    server.fail("begin", { status: 200, headers: { location: "http://127.0.0.1:1/upload?upload_id=secret-word" } });
    const { message } = await assertRejects(write(), "refused");
    assert.ok(!message.includes("secret-word"));
    assert.deepEqual(bucket.store.names(), []);
  });
});
