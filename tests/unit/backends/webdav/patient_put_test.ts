import assert from "node:assert/strict";
import type { Backend } from "../../../../lib/core/backend.ts";
import { retry } from "../../../../lib/backends/layers/retry.ts";
import { webdavOpener } from "../../../../lib/backends/webdav/mod.ts";
import { UPLOAD_PATIENCE, type UploadPatience } from "../../../../lib/backends/webdav/upload_patience.ts";
import { toRelPath } from "../../../../lib/core/path.ts";
import { assertRejects, call } from "../../../contract/assertions.ts";
import { wholeBody } from "../../../support/content.ts";
import { type DavStore, type DavStoreOptions, startDavStore } from "../../../support/servers/dav_store.ts";
import { davTarget } from "../../../support/targets/webdav_target.ts";

const f = toRelPath("f");
/** Far shorter than in life: nothing of it is waited for unless a server is silent. */
const patience: UploadPatience = {
  replyMs: 60_000,
  replyMsPerGiB: 0,
  slowMs: 800,
  gatewayMs: 200,
  lookDelays: [0, 10],
};

interface Rig {
  readonly server: DavStore;
  readonly backend: Backend;
  /** The uploads so far. */
  puts(): number;
}

async function withStore(
  manners: DavStoreOptions,
  work: (rig: Rig) => Promise<void>,
  more: Partial<UploadPatience> = {},
): Promise<void> {
  await using server = await startDavStore(manners);
  const target = davTarget({ user: "", password: "", root: "/", port: server.port }, {
    options: { Timeout: "1000", Connections: "1" },
  });
  await using inner = await webdavOpener({ ...patience, ...more })(target, call);
  const sleep = () => Promise.resolve();
  const backend = retry({ attempts: 5, firstDelay: 1, maxDelay: 1, random: () => 0, sleep })(inner);
  await work({ server, backend, puts: () => server.asked.filter(({ method }) => method === "PUT").length });
}

async function write(backend: Backend, text = "bytes") {
  return await backend.write(f, wholeBody(text), { ...call, size: text.length, expect: "absent" });
}

const isPut = (method: string) => method === "PUT";

Deno.test("write() waits for the reply to an upload for longer than for any other", async () => {
  await withStore({ late: ({ method }) => isPut(method) ? 1500 : 0 }, async ({ backend, puts }) => {
    assert.equal((await write(backend)).size, 5);
    assert.equal(puts(), 1);
  });
});

Deno.test("a call that waits for the only connection outlasts the wait for a reply to an upload", async () => {
  await withStore({ late: ({ method }) => isPut(method) ? 1500 : 0 }, async ({ backend, server }) => {
    const writing = write(backend);
    while (!server.asked.some(({ method }) => isPut(method))) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal(await backend.stat(toRelPath("other"), call), undefined);
    await writing;
  });
});

Deno.test("write() takes a file that is whole for written if its reply never comes", async () => {
  await withStore({ late: ({ method }) => isPut(method) ? 3_600_000 : 0 }, async ({ backend, server, puts }) => {
    assert.equal((await write(backend)).size, 5);
    assert.deepEqual([puts(), [...server.files.keys()]], [1, ["f"]]);
  }, { replyMs: 0 });
});

for (const status of [502, 504]) {
  Deno.test(`write() looks for the file if a gateway answers ${status} before the server has stored it`, async () => {
    const gateway: DavStoreOptions["gateway"] = ({ method }) => isPut(method) ? { status, after: 60 } : undefined;
    await withStore({ gateway }, async ({ backend, server, puts }) => {
      assert.equal((await write(backend)).size, 5);
      assert.deepEqual([puts(), [...server.files.keys()]], [1, ["f"]]);
    }, { gatewayMs: 60_000 });
  });

  Deno.test(`write() sends a file twice and no more if a gateway always answers ${status}`, async () => {
    await withStore({ answer: ({ method }) => isPut(method) ? { status } : undefined }, async ({ backend, puts }) => {
      const error = await assertRejects(write(backend), status === 502 ? "connection" : "timeout");
      assert.match(error.message, new RegExp(`\\(${status}\\), after all of it was sent twice`));
      assert.equal(puts(), 2);
    });
  });
}

Deno.test("write() looks for no file on a server that is down as a whole, which is retried as ever", async () => {
  let isDown = false;
  const answer: DavStoreOptions["answer"] = () => isDown ? { status: 502 } : undefined;
  await withStore({ answer }, async ({ backend, server, puts }) => {
    isDown = true;
    await assertRejects(write(backend), "connection");
    const looks = server.asked.filter(({ path, method }) => method === "PROPFIND" && path.includes(".tandem-"));
    assert.deepEqual([puts(), looks.length], [5, 5]);
  }, { gatewayMs: 3_600_000 });
});

Deno.test("write() sends a file twice and no more if no reply ever comes and nothing is stored", async () => {
  const late: DavStoreOptions["late"] = ({ method }) => isPut(method) ? 3_600_000 : 0;
  await withStore({ late }, async ({ backend, server, puts }) => {
    server.keptBytes = 1;
    await assertRejects(write(backend), "timeout");
    assert.equal(puts(), 2);
  }, { replyMs: 0 });
});

Deno.test("write() does not take the version before for the new one", async () => {
  let isLost = false;
  const answer: DavStoreOptions["answer"] = ({ method }) => isLost && isPut(method) ? { status: 504 } : undefined;
  await withStore({ answer }, async ({ backend, server }) => {
    const entry = await write(backend);
    isLost = true;
    const again = backend.write(f, wholeBody("BYTES"), { ...call, size: 5, expect: entry, inPlace: true });
    await assertRejects(again, "timeout");
    assert.equal(new TextDecoder().decode(server.files.get("f")?.bytes), "bytes");
  });
});

Deno.test("write() ends at once when it is cancelled while a reply is awaited", async () => {
  const stop = new AbortController();
  const late: DavStoreOptions["late"] = ({ method }) => {
    if (!isPut(method)) return 0;
    setTimeout(() => stop.abort(), 20);
    return 3_600_000;
  };
  await withStore({ late }, async ({ backend, puts }) => {
    const options = { signal: stop.signal, size: 5, expect: "absent" } as const;
    await assertRejects(backend.write(f, wholeBody("bytes"), options), "cancelled");
    assert.equal(puts(), 1);
  });
});

Deno.test("the wait for a reply is five minutes at least, and grows with the file", () => {
  assert.ok(UPLOAD_PATIENCE.replyMs >= 300_000);
  assert.ok(UPLOAD_PATIENCE.replyMsPerGiB >= 60_000);
});
