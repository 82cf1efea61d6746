import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import type { Backend } from "../../../../lib/core/backend.ts";
import { addLayers } from "../../../../lib/backends/layers/stack.ts";
import { list } from "../../../../lib/backends/sftp/list.ts";
import type { Pool } from "../../../../lib/backends/sftp/pool.ts";
import { readFile } from "../../../../lib/backends/sftp/read.ts";
import { SftpClient } from "../../../../lib/backends/sftp/client.ts";
import type { SftpRequests } from "../../../../lib/ssh/channels.ts";
import { SyncError } from "../../../../lib/core/errors.ts";
import { root, toRelPath } from "../../../../lib/core/path.ts";
import { pattern, wholeBody } from "../../../support/content.ts";
import { type SmallSftp, type SmallSftpOptions, startSmallSftp } from "../../../support/servers/small_sftp.ts";
import { openTestSftp } from "../../../support/targets/sftp_target.ts";

const call = { signal: new AbortController().signal };
const account = { user: "ann", password: "secret" };

interface Rig {
  readonly disk: string;
  readonly server: SmallSftp;
  readonly backend: Backend;
}

/** A test whose server runs in this program: the library leaves its ciphers to the garbage collector. */
function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, fn, sanitizeResources: false });
}

/** A session with the small server, in which calls are retried as in a run. */
async function withServer(
  options: Omit<SmallSftpOptions, "folder" | "user" | "password">,
  run: (rig: Rig) => Promise<void>,
): Promise<void> {
  const disk = await Deno.makeTempDir({ prefix: "tandem-odd-" });
  try {
    await using server = await startSmallSftp({ folder: disk, ...account, ...options });
    const target = { port: server.port, user: "ann", root: "/", home: disk, fingerprint: server.fingerprint };
    const more = { password: account.password, options: { Timeout: "10000", ReconnectTime: "2000" } };
    await using opened = await openTestSftp(target, more);
    await run({ disk, server, backend: addLayers(opened, { retry: { firstDelay: 10 } }) });
  } finally {
    await Deno.remove(disk, { recursive: true });
  }
}

async function rejects(work: Promise<unknown>, kind: string): Promise<SyncError> {
  const error = await work.then(() => assert.fail("it went well"), (why: unknown) => why);
  assert.ok(error instanceof SyncError, `${error}`);
  assert.equal(error.kind, kind, error.message);
  return error;
}

/** Contents of 40 files, some of one size. */
const files = new Map(
  Array.from({ length: 40 }, (_, index) => [`f${index}`, pattern(3_000 + (index % 3) * 70_000, index)]),
);

test("write() of many files to a server that gives them one handle ends with each in its place", async () => {
  await withServer({ sharesHandles: true }, async ({ disk, backend }) => {
    const written = await Promise.allSettled(
      Array.from(
        files,
        ([name, bytes]) =>
          backend.write(toRelPath(name), () => Promise.resolve(bytes), { ...call, size: bytes.length }),
      ),
    );
    for (const [index, [name, bytes]] of [...files].entries()) {
      assert.equal(written[index]?.status, "fulfilled", name);
      assert.deepEqual(await Deno.readFile(join(disk, name)), bytes, name);
    }
    assert.deepEqual((await Array.fromAsync(Deno.readDir(disk))).length, files.size);
  });
});

test("read() of many files from a server that gives them one handle gives each its own content", async () => {
  await withServer({ sharesHandles: true }, async ({ disk, backend }) => {
    for (const [name, bytes] of files) await Deno.writeFile(join(disk, name), bytes);
    const read = await Promise.all(Array.from(files.keys(), (name) => backend.read(toRelPath(name), call)));
    for (const [index, bytes] of [...files.values()].entries()) assert.deepEqual(read[index], bytes);
  });
});

test("list() of many folders on a server that gives them one handle gives each its own names", async () => {
  await withServer({ sharesHandles: true }, async ({ disk, backend }) => {
    const names = [...files.keys()];
    for (const name of names) await Deno.mkdir(join(disk, name, `in ${name}`), { recursive: true });
    const listed = await Promise.all(names.map((name) => backend.list(toRelPath(name), call)));
    assert.deepEqual(listed.map(([one]) => one?.path), names.map((name) => `${name}/in ${name}`));
  });
});

test("write() and read() of many files keep to the open files that a server allows", async () => {
  await withServer({ mostOpen: 5 }, async ({ disk, backend }) => {
    await Promise.all(
      Array.from(
        files,
        ([name, bytes]) =>
          backend.write(toRelPath(name), () => Promise.resolve(bytes), { ...call, size: bytes.length }),
      ),
    );
    for (const [name, bytes] of files) assert.deepEqual(await Deno.readFile(join(disk, name)), bytes, name);
    const read = await Promise.all(Array.from(files.keys(), (name) => backend.read(toRelPath(name), call)));
    for (const [index, bytes] of [...files.values()].entries()) assert.deepEqual(read[index], bytes);
  });
});

test("write() believes the path rather than the handle", async () => {
  // A stray handle of the server's takes the bytes elsewhere.
  await withServer({ loses: (path) => path.startsWith("/.f.") }, async ({ disk, backend }) => {
    await rejects(backend.write(toRelPath("f"), wholeBody("content"), { ...call, size: 7 }), "changed");
    assert.deepEqual(await Array.fromAsync(Deno.readDir(disk)), []);
  });
});

/** Shows "/d" as a link from its `from`th look on, after `armed`. */
function turning(from: number): { isLink(path: string): boolean; arm(): void } {
  let [looks, isArmed] = [0, false];
  return {
    arm: () => void (isArmed = true),
    isLink: (path) => path === "/d" && isArmed && ++looks >= from,
  };
}

for (const from of [1, 2]) {
  test(`write() puts nothing into a folder that is a link at look ${from}`, async () => {
    const swap = turning(from);
    await withServer(swap, async ({ disk, server, backend }) => {
      await Deno.mkdir(join(disk, "d"));
      await Deno.writeTextFile(join(disk, "d", "old"), "old");
      assert.equal((await backend.list(toRelPath("d"), call)).length, 1);
      swap.arm();
      for (const name of ["d/new", "d/old"]) {
        await rejects(backend.write(toRelPath(name), wholeBody("text"), { ...call, size: 4 }), "refused");
        if (from === 2) break;
      }
      assert.ok(!server.mutations.some((one) => one.startsWith("RENAME")), server.mutations.join());
      assert.deepEqual((await Array.fromAsync(Deno.readDir(join(disk, "d")))).map(({ name }) => name), ["old"]);
      assert.equal(await Deno.readTextFile(join(disk, "d", "old")), "old");
    });
  });
}

test("remove(), rename(), makeDir() and setModified() do nothing in a folder that became a link", async () => {
  const swap = turning(1);
  await withServer(swap, async ({ disk, server, backend }) => {
    await Deno.mkdir(join(disk, "d", "sub"), { recursive: true });
    await Deno.writeTextFile(join(disk, "d", "x"), "x");
    const entries = await backend.list(toRelPath("d"), call);
    await backend.list(root, call);
    swap.arm();
    for (const entry of entries) await rejects(backend.remove(entry, call), "refused");
    await rejects(backend.makeDir(toRelPath("d/made"), call), "refused");
    await rejects(backend.rename?.(toRelPath("d/x"), toRelPath("y"), call) ?? Promise.resolve(), "refused");
    await rejects(backend.setModified?.(toRelPath("d/x"), 1e12, call) ?? Promise.resolve(), "refused");
    assert.deepEqual(server.mutations, []);
  });
});

test("write() and read() of many files go on over a new channel when the SFTP process dies", async () => {
  let opened = 0;
  const dies = () => ++opened === 15 || opened === 70;
  await withServer({ dies }, async ({ disk, backend }) => {
    await Promise.all(
      Array.from(
        files,
        ([name, bytes]) =>
          backend.write(toRelPath(name), () => Promise.resolve(bytes), { ...call, size: bytes.length }),
      ),
    );
    for (const [name, bytes] of files) assert.deepEqual(await Deno.readFile(join(disk, name)), bytes, name);
    const read = await Promise.all(Array.from(files.keys(), (name) => backend.read(toRelPath(name), call)));
    for (const [index, bytes] of [...files.values()].entries()) assert.deepEqual(read[index], bytes);
    assert.ok(opened > 70, `${opened}`);
  });
});

test("list() of a folder whose names are repeated for ever, or never end, is refused", async () => {
  let count = 0;
  const lists = (path: string) => Array.from({ length: 40 }, () => path === "/endless" ? `f${count++}` : "again");
  await withServer({ lists }, async ({ disk, backend }) => {
    for (const name of ["repeated", "endless"]) await Deno.mkdir(join(disk, name));
    assert.match((await rejects(backend.list(toRelPath("repeated"), call), "refused")).message, /repeats names/);
    assert.match((await rejects(backend.list(toRelPath("endless"), call), "refused")).message, /longer than 64 MiB/);
    assert.ok(count < 40_000, `${count} names were taken`);
  });
});

/** A wire whose server answers what `requests` says, and is heard all the time. */
function fakeClient(requests: Partial<SftpRequests>): SftpClient {
  const close: SftpRequests["close"] = (_handle, done) => done(undefined, undefined);
  const channel = {
    requests: { close, ...requests } as SftpRequests,
    extensions: new Set<string>(),
    maxRead: 1 << 15,
    maxWrite: 1 << 15,
    maxOpenFiles: undefined,
    software: "fake",
    closed: new AbortController().signal,
    lastReceived: () => performance.now(),
  };
  return new SftpClient(channel, { timeout: 50, abort: () => {} });
}

Deno.test("listFolder() of a server that drips names ends with timeout, naming -Timeout", async () => {
  let answers = 0;
  const wire = fakeClient({
    opendir: (_path, done) => done(undefined, Buffer.from("h")),
    readdir: (_handle, _options, done) => {
      const filename = `f${Math.floor(answers++ / 30)}`;
      setTimeout(
        () => done(undefined, [{ filename, longname: "", attrs: { mode: 0o100644, size: 1, mtime: 1 } }]),
        200,
      );
    },
  });
  const listing = list(wire, {
    ...call,
    operation: "list",
    path: root,
    serverPath: "/",
    folderCheck: Promise.resolve(),
  });
  assert.match((await rejects(listing, "timeout")).message, /-Timeout/);
  // What was asked ahead is answered before the test ends.
  await new Promise((resolve) => setTimeout(resolve, 500));
});

Deno.test("readFile() of a server that drips bytes ends with timeout, naming -Timeout", async () => {
  const wire = fakeClient({
    lstat: (_path, done) => done(undefined, { mode: 0o100644, size: 100 }),
    open: (_path, _flags, _attributes, done) => done(undefined, Buffer.from("h")),
    read: (_handle, _into, _at, _length, _from, done) => void setTimeout(() => done(undefined, 1), 100),
  });
  const pool = { client: () => Promise.resolve(wire) } as unknown as Pool;
  const path = toRelPath("f");
  const reading = { ...call, operation: "read", path, serverPath: "/f", checkParent: () => Promise.resolve() };
  assert.match((await rejects(readFile(pool, reading), "timeout")).message, /-Timeout/);
  await new Promise((resolve) => setTimeout(resolve, 100));
});
