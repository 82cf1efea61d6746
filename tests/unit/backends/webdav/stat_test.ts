import assert from "node:assert/strict";
import type { Backend } from "../../../../lib/core/backend.ts";
import { openWebdav } from "../../../../lib/backends/webdav/mod.ts";
import { toRelPath } from "../../../../lib/core/path.ts";
import { assertRejects, call, file, put, text } from "../../../contract/assertions.ts";
import { collect } from "../../../support/content.ts";
import { type DavStore, type DavStoreOptions, startDavStore } from "../../../support/servers/dav_store.ts";
import { davTarget } from "../../../support/targets/webdav_target.ts";

const f = toRelPath("f");

async function withStore(manners: DavStoreOptions, work: (backend: Backend, server: DavStore) => Promise<void>) {
  await using server = await startDavStore(manners);
  await using backend = await openWebdav(davTarget({ user: "", password: "", root: "/", port: server.port }), call);
  await work(backend, server);
}

Deno.test("read() does not take a strong ETag that stays after a change for the expected version", async () => {
  await withStore({ etag: () => '"always"' }, async (backend, server) => {
    await put(backend, "f", "before");
    const expect = await file(backend, "f");
    server.files.set("f", { bytes: new TextEncoder().encode("BEFORE"), modified: Date.UTC(2026, 0, 1), version: 9 });
    await assertRejects(backend.read(f, { ...call, expect }).then(collect), "changed");
  });
});

Deno.test("a server that gives each answer another ETag is read, written and cleared all the same", async () => {
  let count = 0;
  await withStore({ etag: () => `"node-${++count}"` }, async (backend, server) => {
    await put(backend, "f", "before");
    const expect = await file(backend, "f");
    assert.equal(new TextDecoder().decode(await collect(await backend.read(f, { ...call, expect }))), "before");
    await backend.write(f, () => Promise.resolve(new TextEncoder().encode("after")), { ...call, size: 5, expect });
    assert.equal(await text(backend, "f"), "after");
    await backend.remove(await file(backend, "f"), call);
    assert.equal(server.files.size, 0);
  });
});

Deno.test("an ETag that moved with the file still tells that it was replaced", async () => {
  await withStore({ etag: (version) => `"${version}"` }, async (backend, server) => {
    await put(backend, "f", "before");
    const expect = await file(backend, "f");
    const { bytes, modified } = server.files.get("f") ?? assert.fail();
    server.files.set("f", { bytes, modified, version: 99 });
    await assertRejects(backend.read(f, { ...call, expect }).then(collect), "changed");
    await assertRejects(backend.remove(expect, call), "changed");
  });
});
