import assert from "node:assert/strict";
import { join } from "node:path";
import { SyncError } from "../../../../lib/core/errors.ts";
import { toRelPath } from "../../../../lib/core/path.ts";
import { tempPath } from "../../../../lib/core/temp_name.ts";
import { isSame, pattern, wholeBody } from "../../../support/content.ts";
import type { SmallSftp } from "../../../support/servers/small_sftp.ts";
import { call, DENIED, FAILURE, failure, fileAt, gatewayTest as test, put, UNSUPPORTED } from "./gateway.ts";

function* slices(bytes: Uint8Array<ArrayBuffer>, size: number): Generator<Uint8Array<ArrayBuffer>> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size);
}

const countOpens = ({ mutations }: SmallSftp) => mutations.filter((one) => one.startsWith("OPEN")).length;

test(
  "write() waits for a CLOSE that is answered long after -Timeout, and sends the file once",
  { limits: { timeout: 2_000 }, closeDelay: () => 5_000 },
  async ({ disk, server, backend }) => {
    await Promise.all(["a", "b"].map((name) => put(backend, name, pattern(40_000))));
    for (const name of ["a", "b"]) assert.deepEqual(await Deno.readFile(join(disk, name)), pattern(40_000));
    assert.equal(countOpens(server), 2);
    assert.equal(server.logins(), 1);
  },
);

test(
  "write() whose CLOSE is not answered goes on with the temporary file if that is whole",
  { closeDelay: () => 60_000, limits: { closePatience: () => 300 } },
  async ({ disk, server, backend }) => {
    await put(backend, "a", pattern(40_000), "00112233445566aa");
    assert.deepEqual(await Deno.readFile(join(disk, "a")), pattern(40_000));
    assert.equal(countOpens(server), 1);
  },
);

test(
  "write() whose CLOSE is not answered sends a file that is not whole once more, and then says so",
  {
    closeDelay: () => 60_000,
    limits: { closePatience: () => 300 },
    loses: (path) => path.startsWith("/.a."),
  },
  async ({ server, backend }) => {
    const error = await failure(put(backend, "a", pattern(40_000), "00112233445566aa"));
    assert.equal(error.kind, "timeout");
    assert.match(error.message, /^Cannot write "a": the server did not confirm the end of the file in 0 s; /);
    assert.equal(countOpens(server), 2, server.mutations.join());
  },
);

test(
  "write() whose CLOSE is not answered ends at once when it is cancelled",
  { closeDelay: () => 60_000 },
  async ({ disk, backend }) => {
    const stop = new AbortController();
    const writing = backend.write(toRelPath("a"), wholeBody("text"), { signal: stop.signal, size: 4 });
    const settled = failure(writing);
    while ((await Array.fromAsync(Deno.readDir(disk))).length === 0) await new Promise((done) => setTimeout(done, 10));
    await new Promise((done) => setTimeout(done, 100));
    const since = performance.now();
    stop.abort();
    assert.equal((await settled).kind, "cancelled");
    assert.ok(performance.now() - since < 5_000);
    assert.deepEqual(await Array.fromAsync(Deno.readDir(disk)), []);
  },
);

for (const message of ["Failure", "Too many open files in this session"]) {
  test(
    `write() and read() keep to the few open files of a server that says "${message}"`,
    { mostOpen: 3, mostOpenMessage: message },
    async ({ disk, server, backend }) => {
      const names = Array.from({ length: 100 }, (_, index) => `f${index}`);
      await Promise.all(names.map((name, index) => put(backend, name, pattern(2_000, index))));
      for (const [index, name] of names.entries()) {
        assert.deepEqual(await Deno.readFile(join(disk, name)), pattern(2_000, index), name);
      }
      assert.ok(countOpens(server) < 2 * names.length, `${countOpens(server)} were sent`);
      const read = await Promise.all(names.map((name) => backend.read(toRelPath(name), call)));
      for (const [index, bytes] of read.entries()) assert.deepEqual(bytes, pattern(2_000, index));
    },
  );
}

test(
  "write() of a name that a server refuses by FAILURE fails alone, and the others are written",
  { refuses: (request, path) => request === "OPEN" && path.includes("bad") ? FAILURE : undefined },
  async ({ disk, backend }) => {
    const names = ["bad", ...Array.from({ length: 60 }, (_, index) => `f${index}`)];
    const done = await Promise.allSettled(names.map((name) => put(backend, name, pattern(2_000))));
    assert.deepEqual(done.flatMap(({ status }, index) => status === "rejected" ? [names[index]] : []), ["bad"]);
    assert.equal((await Array.fromAsync(Deno.readDir(disk))).length, 60);
  },
);

const dying = { count: 0 };
test(
  "write() of many files goes on over the same connection while the SFTP process dies again and again",
  { dies: () => ++dying.count % 80 === 0, connections: 1 },
  async ({ disk, server, backend }) => {
    const names = Array.from({ length: 200 }, (_, index) => `f${index}`);
    await Promise.all(names.map((name, index) => put(backend, name, pattern(2_000, index), "00112233445566aa")));
    for (const [index, name] of names.entries()) {
      assert.deepEqual(await Deno.readFile(join(disk, name)), pattern(2_000, index), name);
    }
    assert.ok(dying.count >= 200, `${dying.count}`);
    assert.equal(server.logins(), 1);
  },
);

test(
  "write() to a server whose SFTP process dies right after its start ends with one clear sentence",
  { dies: () => true },
  async ({ backend }) => {
    const results = await Promise.allSettled(["a", "b", "c"].map((name) => put(backend, name, pattern(2_000))));
    for (const result of results) {
      assert.equal(result.status, "rejected");
      assert.ok(result.status === "rejected" && result.reason instanceof SyncError);
      assert.match(result.reason.message, /the SFTP process on the server ended 5 times right after it was started/);
    }
  },
);

for (const outOfOrder of ["refuse", "lose", "fill"] as const) {
  test(
    `write() sends large and small files in order to a server that would ${outOfOrder} other bytes`,
    { outOfOrder, scrambles: true },
    async ({ disk, backend }) => {
      const sizes = { small: 200_000, large: 2 << 20, last: 1 << 20 };
      for (const [name, size] of Object.entries(sizes)) {
        await put(backend, name, pattern(size), "00112233445566aa");
        assert.ok(isSame(await Deno.readFile(join(disk, name)), pattern(size)), name);
      }
    },
  );
}

test(
  "write() of a large file opens it once on a server that empties a file with each OPEN",
  { truncates: "open", answerDelay: 4 },
  async ({ disk, backend }) => {
    const bytes = pattern(24 << 20);
    const chunks = (from = 0) => ReadableStream.from(slices(bytes.subarray(from), 1 << 18));
    await Promise.all(["a", "b"].map((name) => {
      const options = { ...call, size: bytes.length, modified: 1.7e12, tag: "00112233445566aa" };
      return backend.write(toRelPath(name), (from) => Promise.resolve(chunks(from)), options);
    }));
    for (const name of ["a", "b"]) assert.ok(isSame(await Deno.readFile(join(disk, name)), bytes), name);
  },
);

for (const truncates of ["open", "write"] as const) {
  test(
    `write() begins again if the server empties what an earlier attempt left with the first ${truncates}`,
    { truncates },
    async ({ disk, backend }) => {
      const bytes = pattern(20 << 20);
      const tag = "00112233445566aa";
      await Deno.writeFile(join(disk, tempPath(toRelPath("a"), tag)), bytes.subarray(0, 18 << 20));
      const options = { ...call, size: bytes.length, modified: 1.7e12, tag };
      const body = (from = 0, to?: number) => Promise.resolve(ReadableStream.from([bytes.slice(from, to)]));
      await backend.write(toRelPath("a"), body, options);
      assert.ok(isSame(await Deno.readFile(join(disk, "a")), bytes));
    },
  );
}

test(
  "write() in place fills a file that the server emptied when it was opened",
  { truncates: "open" },
  async ({ disk, backend }) => {
    await Deno.writeTextFile(join(disk, "a"), "old content");
    const options = { ...call, size: 3, modified: 1.7e12, expect: await fileAt(backend, "a"), inPlace: true };
    await backend.write(toRelPath("a"), wholeBody("new"), options);
    assert.equal(await Deno.readTextFile(join(disk, "a")), "new");
  },
);

test(
  "write() sets time and mode by the path where the server refuses them by the handle",
  { refuses: (request) => request === "FSETSTAT" ? UNSUPPORTED : undefined },
  async ({ disk, server, backend, warnings }) => {
    for (const name of ["a", "b"]) await put(backend, name, pattern(2_000));
    for (const name of ["a", "b"]) assert.equal((await Deno.stat(join(disk, name))).mtime?.getTime(), 1.7e12);
    assert.equal(server.mutations.filter((one) => one.startsWith("SETSTAT")).length, 2);
    assert.deepEqual(warnings, []);
  },
);

test("write() of a program gives a new file the x bits of those who may read it", {}, async ({ disk, backend }) => {
  const text = wholeBody("#!/bin/sh\n");
  for (const executable of [true, false]) {
    const name = `run ${executable}`;
    const entry = await backend.write(toRelPath(name), text, { ...call, size: 10, executable });
    const mode = (await Deno.stat(join(disk, name))).mode ?? 0;
    assert.equal(mode & 0o111, executable ? (mode & 0o444) >> 2 : 0);
    assert.equal(entry.mode, mode & 0o777);
  }
});

test(
  "write() uses names without a leading dot where the server refuses the others",
  { refuses: (request, path) => request === "OPEN" && /\/\.[^/]*$/.test(path) ? DENIED : undefined },
  async ({ disk, server, backend, warnings }) => {
    for (const name of ["a", "b"]) await put(backend, name, pattern(2_000), "00112233445566aa");
    assert.deepEqual((await Array.fromAsync(Deno.readDir(disk))).map(({ name }) => name).sort(), ["a", "b"]);
    assert.equal(server.mutations.filter((one) => one.startsWith("OPEN /.")).length, 0);
    assert.deepEqual(warnings, []);
  },
);

test(
  "write() into a folder that takes no files names what was refused",
  { refuses: (request, path) => request === "OPEN" && path !== "/there" ? DENIED : undefined },
  async ({ backend }) => {
    const error = await failure(put(backend, "a", pattern(2_000), "00112233445566aa"));
    assert.equal(error.kind, "denied");
    assert.match(
      error.message,
      /refused to create the temporary file ".a.tandem-00112233445566aa": permission denied$/,
    );
  },
);

for (const status of [DENIED, FAILURE, UNSUPPORTED]) {
  test(
    `write() goes to the final name where the server answers each RENAME with ${status}`,
    { refuses: (request) => request === "RENAME" ? status : undefined },
    async ({ disk, backend, warnings }) => {
      const sizes = { a: 2_000, b: 700_000, c: 0 };
      for (const [name, size] of Object.entries(sizes)) {
        await put(backend, name, pattern(size), "00112233445566aa");
        assert.deepEqual(await Deno.readFile(join(disk, name)), pattern(size));
      }
      assert.equal(backend.traits.directWrites, true);
      assert.equal(backend.traits.atomicWrite, false);
      assert.deepEqual(warnings.length, 1);
      assert.match(warnings[0] ?? "", /renames no files \(RENAME was refused: /);
      assert.deepEqual((await Array.fromAsync(Deno.readDir(disk))).map(({ name }) => name).sort(), ["a", "b", "c"]);
      const options = { ...call, size: 4, modified: 1.6e12, expect: await fileAt(backend, "a") };
      const replaced = await failure(backend.write(toRelPath("a"), wholeBody("text"), options));
      assert.match(replaced.message, /-InPlace/);
      assert.deepEqual(await Deno.readFile(join(disk, "a")), pattern(2_000));
      await backend.write(toRelPath("a"), wholeBody("text"), { ...options, inPlace: true });
      assert.equal(await Deno.readTextFile(join(disk, "a")), "text");
    },
  );
}

test(
  "write() to a direct name leaves a file that appeared meanwhile",
  { refuses: (request) => request === "RENAME" ? DENIED : undefined },
  async ({ disk, backend }) => {
    await put(backend, "first", pattern(2_000), "00112233445566aa");
    await Deno.writeTextFile(join(disk, "a"), "theirs");
    const error = await failure(put(backend, "a", pattern(2_000), "00112233445566aa"));
    assert.equal(error.kind, "changed");
    assert.equal(await Deno.readTextFile(join(disk, "a")), "theirs");
  },
);
