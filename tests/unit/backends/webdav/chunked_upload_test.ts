import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { Backend, Body, WriteOptions } from "../../../../lib/core/backend.ts";
import { webdavOpener } from "../../../../lib/backends/webdav/mod.ts";
import { UPLOAD_PATIENCE } from "../../../../lib/backends/webdav/upload_patience.ts";
import { toRelPath } from "../../../../lib/core/path.ts";
import { assertRejects, call } from "../../../contract/assertions.ts";
import { type CloudOptions, type CloudStore, startCloud } from "../../../support/servers/cloud_store.ts";
import { davTarget } from "../../../support/targets/webdav_target.ts";

const MIB = 1 << 20;
const SIZE = 40 * MIB + 5;
const source = Buffer.alloc(SIZE).map((_, index) => index * 31 + (index >> 9));
const modified = 1_600_000_000_000;
const stored = "files/me@web/d/f";

interface Rig {
  readonly cloud: CloudStore;
  readonly backend: Backend;
  readonly warnings: string[];
  /** The bytes that the caller was told of. */
  told: number;
  write(more?: Partial<WriteOptions>): Promise<unknown>;
  /** Requests of a method below the folder of uploads. */
  uploads(method: string): readonly string[];
}

async function withCloud(manners: CloudOptions, work: (rig: Rig) => Promise<void>): Promise<void> {
  await using cloud = await startCloud({ chunking: "1.0", ...manners });
  cloud.entries.set("files/me@web/d", undefined);
  const open = webdavOpener({ ...UPLOAD_PATIENCE, replyMs: 20_000, gatewayMs: 0 });
  await using backend = await open(davTarget({ user: "", password: "", root: cloud.root, port: cloud.port }), call);
  const body: Body = (from = 0, to = SIZE) => Promise.resolve(new Uint8Array(source.subarray(from, to)));
  const rig: Rig = {
    cloud,
    backend,
    warnings: [],
    told: 0,
    write: (more) =>
      backend.write(toRelPath("d/f"), body, {
        ...call,
        size: SIZE,
        modified,
        tag: "0123456789abcdef",
        expect: "absent",
        onBytes: (bytes) => void (rig.told += bytes),
        onWarning: (message) => void rig.warnings.push(message),
        ...more,
      }),
    uploads: (method) => cloud.asked.filter((line) => line.startsWith(`${method} uploads/`)),
  };
  await work(rig);
}

function assertStored({ cloud, told, warnings }: Rig): void {
  assert.ok(Buffer.compare(source, cloud.entries.get(stored) ?? new Uint8Array()) === 0);
  assert.equal(cloud.times.get(stored), modified);
  assert.deepEqual([told, warnings], [SIZE, []]);
  assert.deepEqual([...cloud.entries.keys()].filter((path) => path.startsWith("uploads/")), ["uploads/me@web"]);
}

Deno.test("write() of a large file to a cloud goes in chunks that the cloud puts together", async () => {
  await withCloud({}, async (rig) => {
    await rig.write();
    assertStored(rig);
    assert.equal(rig.uploads("PUT").length, 3);
    assert.equal(rig.cloud.asked.filter((line) => line.startsWith("PUT files/")).length, 0);
  });
});

Deno.test("write() in chunks replaces the expected file alone", async () => {
  await withCloud({}, async (rig) => {
    rig.cloud.entries.set(stored, new Uint8Array(3));
    await assertRejects(rig.write(), "changed");
    assert.equal(rig.cloud.entries.get(stored)?.length, 3);
    rig.told = 0;
    const expect = await rig.backend.stat(toRelPath("d/f"), call);
    assert.ok(expect !== undefined);
    await rig.write({ expect });
    assertStored(rig);
  });
});

for (
  const [what, wanted, name] of [
    ["while they were sent", "PUT", "/3"],
    ["in the last moment", "MOVE", "/.file"],
  ] as const
) {
  Deno.test(`write() in chunks leaves a file alone that came up ${what}`, async () => {
    let appear = (): void => {};
    const trouble = (method: string, path: string) => {
      if (method === wanted && path.endsWith(name)) appear();
      return undefined;
    };
    await withCloud({ trouble }, async (rig) => {
      appear = () => void rig.cloud.entries.set(stored, new Uint8Array(3));
      await assertRejects(rig.write(), "changed");
      assert.equal(rig.cloud.entries.get(stored)?.length, 3);
      assert.deepEqual([...rig.cloud.entries.keys()].filter((path) => path.startsWith("uploads/me@web/")), []);
    });
  });
}

Deno.test("write() in chunks goes on after those that a broken one left", async () => {
  let isBroken = true;
  const trouble = (method: string, path: string) =>
    isBroken && method === "PUT" && path.endsWith("/3") ? 503 : undefined;
  await withCloud({ trouble }, async (rig) => {
    await assertRejects(rig.write(), "busy");
    isBroken = false;
    rig.told = 0;
    await rig.write();
    assertStored(rig);
    assert.equal(rig.uploads("PUT").filter((line) => line.endsWith(" 201")).length, 3);
  });
});

Deno.test("write() in chunks sends a chunk again that another size has", async () => {
  let isBroken = true;
  const trouble = (method: string, path: string) =>
    isBroken && method === "PUT" && path.endsWith("/3") ? 503 : undefined;
  await withCloud({ trouble }, async (rig) => {
    await assertRejects(rig.write(), "busy");
    isBroken = false;
    rig.told = 0;
    const [first = ""] = [...rig.cloud.entries.keys()].filter((path) => path.endsWith("/1"));
    rig.cloud.entries.set(first, new Uint8Array(6 * MIB));
    await rig.write();
    assertStored(rig);
  });
});

for (const [what, status, kind] of [["has no room", 507, "full"], ["forbids it", 403, "denied"]] as const) {
  Deno.test(`write() in chunks removes them where the cloud ${what}`, async () => {
    const trouble = (method: string, path: string) => method === "PUT" && path.endsWith("/2") ? status : undefined;
    await withCloud({ trouble }, async (rig) => {
      await assertRejects(rig.write(), kind);
      assert.deepEqual([...rig.cloud.entries.keys()].filter((path) => path.startsWith("uploads/me@web/")), []);
      assert.equal(rig.cloud.entries.has(stored), false);
    });
  });
}

Deno.test("write() in chunks takes the file for written if the gateway gave up while it was put together", async () => {
  const lost = (method: string) => method === "MOVE" ? 504 : undefined;
  await withCloud({ lost }, async (rig) => {
    await rig.write();
    assertStored(rig);
    assert.equal(rig.uploads("MOVE").length, 1);
  });
});

for (
  const [what, manners] of [
    ["says nothing of chunks", { chunking: "" }],
    ["refuses the folder of an upload", {
      trouble: (method: string, path: string) => method === "MKCOL" && path.startsWith("uploads/") ? 403 : undefined,
    }],
  ] as const
) {
  Deno.test(`write() sends a large file as a whole to a cloud that ${what}`, async () => {
    await withCloud(manners, async (rig) => {
      await rig.write();
      assertStored(rig);
      assert.equal(rig.uploads("PUT").length, 0);
    });
  });
}

Deno.test("write() of a small file to a cloud asks for no capability", async () => {
  await withCloud({}, async ({ backend, cloud, uploads }) => {
    const bytes = new Uint8Array(5);
    await backend.write(toRelPath("d/s"), () => Promise.resolve(bytes), { ...call, size: 5, expect: "absent" });
    assert.deepEqual([uploads("MKCOL"), cloud.entries.get("files/me@web/d/s")?.length], [[], 5]);
  });
});
