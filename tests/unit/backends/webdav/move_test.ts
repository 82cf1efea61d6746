import assert from "node:assert/strict";
import type { Backend, WriteOptions } from "../../../../lib/core/backend.ts";
import { webdavOpener } from "../../../../lib/backends/webdav/mod.ts";
import { UPLOAD_PATIENCE } from "../../../../lib/backends/webdav/upload_patience.ts";
import { toRelPath } from "../../../../lib/core/path.ts";
import { assertRejects, call } from "../../../contract/assertions.ts";
import { wholeBody } from "../../../support/content.ts";
import {
  type DavRequest,
  type DavStore,
  type DavStoreOptions,
  startDavStore,
} from "../../../support/servers/dav_store.ts";
import { davTarget } from "../../../support/targets/webdav_target.ts";

interface Rig {
  readonly server: DavStore;
  readonly backend: Backend;
  readonly warnings: readonly string[];
  readonly memory: ReadonlyMap<string, string>;
  write(name: string, text: string, more?: Partial<WriteOptions>): Promise<unknown>;
  text(name: string): string | undefined;
  count(method: string): number;
}

async function withStore(
  manners: DavStoreOptions,
  work: (rig: Rig) => Promise<void>,
  { options = {}, memory = new Map<string, string>() }: {
    readonly options?: Readonly<Record<string, string>>;
    readonly memory?: Map<string, string>;
  } = {},
): Promise<void> {
  await using server = await startDavStore(manners);
  const warnings: string[] = [];
  const target = {
    ...davTarget({ user: "", password: "", root: "/", port: server.port }, {
      options: { Timeout: "5000", ...options },
    }),
    warn: (text: string) => void warnings.push(text),
    serverMemory: {
      get: (fact: string) => memory.get(fact),
      remember: (fact: string, value: string) => void memory.set(fact, value),
    },
  };
  const patience = { ...UPLOAD_PATIENCE, replyMs: 100, gatewayMs: 0 };
  await using backend = await webdavOpener(patience)(target, call);
  await work({
    server,
    backend,
    warnings,
    memory,
    write: (name, text, more = {}) =>
      backend.write(toRelPath(name), wholeBody(text), { ...call, size: text.length, expect: "absent", ...more }),
    text: (name) => {
      const file = server.files.get(name);
      return file === undefined ? undefined : new TextDecoder().decode(file.bytes);
    },
    count: (wanted) => server.asked.filter(({ method }) => method === wanted).length,
  });
}

const refuse = (status: number, when: (request: DavRequest) => boolean = () => true): DavStoreOptions => ({
  answer: (request) => request.method === "MOVE" && when(request) ? { status } : undefined,
});

for (const status of [400, 403, 502]) {
  Deno.test(`write() moves with a path where the address of the server is refused with ${status}, for the whole session`, async () => {
    const isForeign = ({ destination = "" }: DavRequest) => destination.includes("://");
    await withStore(refuse(status, isForeign), async ({ server, write, text, count, warnings }) => {
      await write("a", "one");
      await write("b", "two");
      assert.deepEqual([text("a"), text("b"), [...server.files.keys()].sort()], ["one", "two", ["a", "b"]]);
      assert.deepEqual([count("MOVE"), count("PUT"), warnings], [3, 2, []]);
    });
  });
}

for (const status of [403, 405, 501, 502]) {
  Deno.test(`write() puts new files under their final names where every MOVE is refused with ${status}`, async () => {
    await withStore(refuse(status), async ({ server, backend, write, text, count, warnings, memory }) => {
      let noted = 0;
      const onDirectWrite = () => {
        assert.equal(server.files.has(noted++ === 0 ? "a" : "b"), false);
        return Promise.resolve();
      };
      await write("a", "one", { onDirectWrite });
      const moves = count("MOVE");
      await write("b", "two", { onDirectWrite });
      assert.deepEqual([text("a"), text("b"), [...server.files.keys()].sort()], ["one", "two", ["a", "b"]]);
      assert.deepEqual([count("MOVE"), noted, warnings.length], [moves, 2, 1]);
      assert.match(warnings[0] ?? "", new RegExp(`renames no files \\(MOVE was refused: status ${status}\\)`));
      assert.equal(backend.traits.directWrites, true);
      assert.equal(memory.size, 1);
    });
  });
}

Deno.test("write() replaces a file on a server without MOVE only in place, with its ETag as a condition", async () => {
  const memory = new Map([["directWrites", "MOVE was refused: status 405"]]);
  await withStore(
    { ...refuse(405), etag: (version) => `"${version}"` },
    async ({ server, backend, write, text, count }) => {
      server.files.set("a", { bytes: new TextEncoder().encode("before"), modified: 0, version: 1 });
      const expect = await backend.stat(toRelPath("a"), call);
      assert.ok(expect?.kind === "file");
      const error = await assertRejects(write("a", "after", { expect }), "unsupported");
      assert.match(error.message, /MOVE was refused.*-InPlace/);
      assert.deepEqual([text("a"), count("PUT"), count("MOVE")], ["before", 0, 0]);
      await write("a", "after", { expect, inPlace: true });
      assert.equal(text("a"), "after");
      await assertRejects(write("a", "later", { expect, inPlace: true }), "changed");
      assert.equal(text("a"), "after");
    },
    { memory },
  );
});

Deno.test("-NoTemp writes new files under their final names without a MOVE", async () => {
  await withStore({}, async ({ server, write, text, count }) => {
    await write("a", "one");
    assert.deepEqual([text("a"), count("MOVE"), count("PUT")], ["one", 0, 1]);
    server.files.set("b", { bytes: new Uint8Array(1), modified: 0, version: 1 });
    await assertRejects(write("b", "two"), "changed");
  }, { options: { NoTemp: "true" } });
});

Deno.test("write() under a final name leaves a file alone that came up in the last moment", async () => {
  let appear = (): void => {};
  const answer: DavStoreOptions["answer"] = ({ method }) => {
    if (method === "PUT") appear();
    return undefined;
  };
  await withStore({ answer }, async ({ server, write, text }) => {
    appear = () => void server.files.set("a", { bytes: new TextEncoder().encode("theirs"), modified: 0, version: 1 });
    await assertRejects(write("a", "ours"), "changed");
    assert.equal(text("a"), "theirs");
  }, { options: { NoTemp: "true" } });
});

Deno.test("a MOVE that is refused for one target is an error of that target, which names it", async () => {
  const isFirst = ({ destination = "" }: DavRequest) => destination.endsWith("/a");
  await withStore(refuse(403, isFirst), async ({ server, write, text, warnings, backend }) => {
    const error = await assertRejects(write("a", "one"), "denied");
    assert.match(error.message, /Cannot write "a": the server refused MOVE: .*\(403\)/);
    await write("b", "two");
    assert.deepEqual([[...server.files.keys()], text("b"), warnings], [["b"], "two", []]);
    assert.equal(backend.traits.directWrites, false);
  });
});

Deno.test("a MOVE whose reply never comes has moved the file, and is not sent again", async () => {
  await withStore({ late: ({ method }) => method === "MOVE" ? 3_600_000 : 0 }, async ({ server, write, count }) => {
    await write("a", "one");
    assert.deepEqual([[...server.files.keys()], count("MOVE")], [["a"], 1]);
  }, { options: { Timeout: "1000" } });
});

Deno.test("rename() names the MOVE that was refused", async () => {
  await withStore(refuse(405), async ({ server, backend }) => {
    server.files.set("a", { bytes: new Uint8Array(3), modified: 0, version: 1 });
    const renamed = backend.rename?.(toRelPath("a"), toRelPath("b"), { ...call, expect: "absent" });
    const error = await assertRejects(renamed ?? Promise.resolve(), "unsupported");
    assert.match(error.message, /the server refused MOVE: .*\(405\)/);
  });
});

for (const status of [403, 404]) {
  Deno.test(`write() takes a temporary name without a dot where others are refused with ${status}`, async () => {
    const isDotted = ({ path }: DavRequest) => path.startsWith(".");
    const answer: DavStoreOptions["answer"] = (request) => isDotted(request) ? { status } : undefined;
    await withStore({ answer }, async ({ server, write, text, count, warnings }) => {
      let sent = 0;
      await write("a", "one", { onBytes: (bytes) => void (sent += bytes) });
      await write("b", "two");
      assert.deepEqual([text("a"), text("b"), [...server.files.keys()].sort()], ["one", "two", ["a", "b"]]);
      assert.deepEqual([count("PUT"), count("MOVE"), sent, warnings], [3, 2, 3, []]);
    });
  });
}

Deno.test("write() to a folder that takes no file at all shows the first refusal", async () => {
  const answer: DavStoreOptions["answer"] = ({ method }) => method === "PUT" ? { status: 403 } : undefined;
  await withStore({ answer }, async ({ write }) => {
    const error = await assertRejects(write("a", "one"), "denied");
    assert.match(error.message, /Cannot write "a": .*\(403\)/);
  });
});
