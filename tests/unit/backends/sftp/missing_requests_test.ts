import assert from "node:assert/strict";
import { join } from "node:path";
import { root, toRelPath } from "../../../../lib/core/path.ts";
import { pattern } from "../../../support/content.ts";
import { call, DENIED, FAILURE, failure, gatewayTest as test, put, UNSUPPORTED } from "./gateway.ts";

const NO_SUCH_FILE = 2;
const BAD_MESSAGE = 5;
const tag = "00112233445566aa";

for (const [request, status] of [["READDIR", NO_SUCH_FILE], ["OPENDIR", FAILURE], ["OPENDIR", NO_SUCH_FILE]] as const) {
  test(
    `list() of an empty folder to whose ${request} the server answers ${status} is empty`,
    { refuses: (one, path) => one === request && path === "/empty" ? status : undefined },
    async ({ disk, backend }) => {
      await Deno.mkdir(join(disk, "empty"));
      await Deno.writeTextFile(join(disk, "file"), "x");
      assert.deepEqual(await backend.list(toRelPath("empty"), call), []);
      assert.equal((await backend.list(root, call)).length, 2);
    },
  );

  test(
    `list() of an absent folder to whose ${request} the server answers ${status} rejects`,
    { refuses: (one, path) => one === request && path === "/gone" ? status : undefined },
    async ({ backend }) => {
      assert.equal((await failure(backend.list(toRelPath("gone"), call))).kind, "notFound");
    },
  );
}

test("list() of a root that does not exist rejects", {}, async ({ backend }) => {
  const gone = await backend.withRoot("/gone", call);
  assert.equal((await failure(gone.list(root, call))).kind, "notFound");
});

for (
  const refusal of [
    { status: FAILURE, message: "I/O error" },
    { status: DENIED, message: "Permission denied" },
    { status: FAILURE, message: "Backend timed out" },
  ]
) {
  test(
    `list() of a folder whose OPENDIR fails with "${refusal.message}" rejects`,
    { refuses: (one, path) => one === "OPENDIR" && path === "/full" ? refusal : undefined },
    async ({ disk, backend }) => {
      await Deno.mkdir(join(disk, "full"));
      await Deno.writeTextFile(join(disk, "full", "file"), "x");
      await failure(backend.list(toRelPath("full"), call));
    },
  );
}

test(
  "list() that fails half way with NO_SUCH_FILE rejects",
  (() => {
    let count = 0;
    return { refuses: (one: string) => one === "READDIR" && ++count > 1 ? NO_SUCH_FILE : undefined };
  })(),
  async ({ disk, backend }) => {
    for (let index = 0; index < 150; index++) await Deno.writeTextFile(join(disk, `f${index}`), "x");
    assert.equal((await failure(backend.list(root, call))).kind, "notFound");
  },
);

test("list() of names without attributes asks for each", { namesOnly: true }, async ({ disk, backend }) => {
  await Deno.mkdir(join(disk, "folder"));
  await Deno.writeTextFile(join(disk, "file"), "four");
  const entries = [...await backend.list(root, call)].sort((a, b) => a.path < b.path ? -1 : 1);
  assert.deepEqual(entries.map(({ kind }) => kind), ["file", "dir"]);
  assert.ok(entries[0]?.kind === "file" && entries[0].size === 4 && entries[0].modified !== undefined);
});

for (const status of [UNSUPPORTED, BAD_MESSAGE, FAILURE]) {
  test(
    `write(), read() and list() work where REALPATH is answered with ${status}, which is said once`,
    { path: "", refuses: (request) => request === "REALPATH" ? status : undefined },
    async ({ disk, backend, warnings }) => {
      await backend.makeDir(toRelPath("d"), call);
      await put(backend, "d/a", pattern(2_000), tag);
      assert.deepEqual(await backend.read(toRelPath("d/a"), call), pattern(2_000));
      assert.deepEqual((await backend.list(toRelPath("d"), call)).map(({ path }) => path), [toRelPath("d/a")]);
      assert.deepEqual(await Deno.readFile(join(disk, "d", "a")), pattern(2_000));
      assert.equal(backend.root.risk, "the login folder");
      const below = await backend.withRoot("d", call);
      assert.deepEqual((await below.list(root, call)).map(({ path }) => path), [toRelPath("a")]);
      assert.equal(warnings.filter((one) => one.includes("REALPATH")).length, 1, warnings.join());
    },
  );
}

for (const request of ["LSTAT", "SETSTAT", "FSETSTAT", "READLINK"]) {
  for (const status of [UNSUPPORTED, BAD_MESSAGE]) {
    test(
      `write(), read(), list() and remove() work where ${request} is answered with ${status}`,
      { refuses: (one) => one === request ? status : undefined },
      async ({ disk, backend }) => {
        await put(backend, "a", pattern(2_000), tag);
        assert.deepEqual(await backend.read(toRelPath("a"), call), pattern(2_000));
        const [entry] = await backend.list(root, call);
        assert.ok(entry?.kind === "file" && entry.size === 2_000);
        await backend.remove(entry, call);
        assert.deepEqual(await Array.fromAsync(Deno.readDir(disk)), []);
      },
    );
  }
}

test(
  "write() of a time where neither SETSTAT nor FSETSTAT works warns of the time",
  { refuses: (one) => one.endsWith("SETSTAT") ? UNSUPPORTED : undefined },
  async ({ backend }) => {
    const warnings: (string | undefined)[] = [];
    const options = { ...call, size: 2_000, modified: 1.7e12 };
    const onWarning = (_message: string, about?: "time") => void warnings.push(about);
    await backend.write(toRelPath("a"), () => Promise.resolve(pattern(2_000)), { ...options, onWarning });
    assert.deepEqual(warnings, ["time"]);
  },
);

test(
  "openSftp() takes a server that only its SSH names OpenSSH for an unknown one",
  { software: "OpenSSH_10.2" },
  async ({ backend }) => {
    assert.equal(backend.walk, undefined, "no command is run there");
    await put(backend, "a", pattern(2_000), tag);
  },
);

const lost = { count: 0 };
test(
  "read() of many files from a server that loses open handles goes on with one file at a time",
  {
    refuses: (request) =>
      request === "READ" && ++lost.count % 3 === 1 && lost.count < 20
        ? { status: FAILURE, message: "invalid handle" }
        : undefined,
  },
  async ({ disk, backend }) => {
    const names = Array.from({ length: 40 }, (_, index) => `f${index}`);
    for (const [index, name] of names.entries()) await Deno.writeFile(join(disk, name), pattern(2_000, index));
    const read = await Promise.all(names.map((name) => backend.read(toRelPath(name), call)));
    for (const [index, bytes] of read.entries()) assert.deepEqual(bytes, pattern(2_000, index));
  },
);
