import assert from "node:assert/strict";
import { root, toRelPath } from "../../../../lib/core/path.ts";
import { assertRejects, call, paths } from "../../../contract/assertions.ts";
import { openSmallFtp } from "../../../support/targets/ftp_target.ts";
import { type SmallFtp, startSmallFtp } from "../../../support/servers/small_ftp.ts";

const bare = ["SIZE", "MDTM", "UTF8"];
const mlst = ["MLST type*;size*;modify*;", "UTF8"];
const line = (name: string) => `-rw-r--r--   1 ftp ftp   5 Nov 14 2023 ${name}\r\n`;

function count({ told }: SmallFtp, command: string): number {
  return told.filter((one) => one === command).length;
}

for (
  const code of ["550 Couldn't open the file or directory", "501 no", "500 what", "504 not so", "553 -a", "450 -a"]
) {
  Deno.test(`LIST -a answered "${code}" is asked once in a session, and dot names stay in doubt`, async () => {
    const reply = (command: string) => command === "LIST -a" ? `${code}\r\n` : undefined;
    await using server = await startSmallFtp({ features: bare, reply, listing: line("a") });
    await using backend = await openSmallFtp(server, { options: { Connections: "1" } });
    assert.deepEqual(await paths(backend), ["a"]);
    assert.deepEqual(await paths(backend, "d"), ["d/a"]);
    assert.deepEqual([count(server, "LIST -a"), count(server, "LIST")], [1, 2]);
    assert.equal(backend.traits.showsDots, undefined);
  });
}

Deno.test("a folder whose LIST -a is refused after dot names were shown is refused, not listed without them", async () => {
  let isRefused = false;
  const reply = (command: string) => isRefused && command === "LIST -a" ? "550 Failed\r\n" : undefined;
  const own = "drwxr-xr-x   1 ftp ftp   5 Nov 14 2023 .\r\n";
  await using server = await startSmallFtp({ features: bare, reply, listing: own + line(".a") });
  await using backend = await openSmallFtp(server, { options: { Connections: "1" } });
  assert.deepEqual(await paths(backend), [".a"]);
  assert.equal(backend.traits.showsDots, true);
  isRefused = true;
  await assertRejects(backend.list(toRelPath("d"), call), "denied");
  assert.equal(count(server, "LIST"), 0);
});

Deno.test("a folder that does not exist is notFound where LIST -a is refused", async () => {
  const reply = (command: string) =>
    command === "LIST -a" || /^(?:CWD|SIZE|MDTM) \/d/.test(command) ? "550 No such file\r\n" : undefined;
  await using server = await startSmallFtp({ features: bare, reply });
  await using backend = await openSmallFtp(server);
  await assertRejects(backend.list(toRelPath("d"), call), "notFound");
});

const empties = [
  "550 No files found",
  "450 No files found",
  "550 No such file or directory.",
  "550 Directory is empty",
];

for (const features of [bare, mlst]) {
  const how = features === bare ? "LIST" : "MLSD";
  for (const answer of empties) {
    for (const names of ["refused too", "empty", "unknown"] as const) {
      Deno.test(`an empty folder answered "${answer}" by ${how} is empty if it can be entered, and NLST is ${names}`, async () => {
        const reply = (command: string) =>
          /^(?:LIST|MLSD)/.test(command) || (names === "refused too" && command === "NLST")
            ? `${answer}\r\n`
            : names === "unknown" && command === "NLST"
            ? "500 what\r\n"
            : undefined;
        await using server = await startSmallFtp({ features, reply });
        await using backend = await openSmallFtp(server);
        assert.deepEqual(await paths(backend), []);
      });
    }

    Deno.test(`a folder answered "${answer}" by ${how} in which NLST finds a name is not empty`, async () => {
      const reply = (command: string) => /^(?:LIST|MLSD)/.test(command) ? `${answer}\r\n` : undefined;
      await using server = await startSmallFtp({ features, reply, listing: "a\r\n" });
      await using backend = await openSmallFtp(server);
      await assertRejects(backend.list(root, call), "denied", "notFound", "busy");
    });

    Deno.test(`a folder answered "${answer}" by ${how} that cannot be entered is no empty one`, async () => {
      const reply = (command: string) => /^(?:LIST|MLSD|CWD|MLST)/.test(command) ? `${answer}\r\n` : undefined;
      await using server = await startSmallFtp({ features, reply });
      await using backend = await openSmallFtp(server);
      await assertRejects(backend.list(toRelPath("d"), call), "notFound", "denied", "busy");
    });
  }

  Deno.test(`a folder that must not be read is no empty one, answered 550 by ${how}`, async () => {
    const reply = (command: string) =>
      /^(?:LIST|MLSD)/.test(command) ? "550 No files: Permission denied\r\n" : undefined;
    await using server = await startSmallFtp({ features, reply });
    await using backend = await openSmallFtp(server);
    await assertRejects(backend.list(root, call), "denied");
  });
}

Deno.test("MLSD that is refused though it was announced gives way to LIST for the session", async () => {
  const reply = (command: string) => /^(?:MLSD|MLST)/.test(command) ? "502 no\r\n" : undefined;
  await using server = await startSmallFtp({ features: mlst, reply, listing: line("a") });
  await using backend = await openSmallFtp(server, { options: { Connections: "1" } });
  assert.deepEqual(await paths(backend), ["a"]);
  assert.deepEqual(await paths(backend), ["a"]);
  assert.equal(count(server, "MLSD /"), 1);
});

/** A server without LIST, whose NLST shows these lines. */
function withoutList(more: (command: string) => string | undefined) {
  return (command: string) => command.startsWith("LIST") ? "502 no\r\n" : more(command);
}

for (const names of ["d\r\na\r\n", "/d\r\n/a\r\n", "./d\r\n./a\r\n", ".\r\n..\r\nd\r\na\r\n"]) {
  Deno.test(`where LIST is refused names come from NLST (${JSON.stringify(names)}), and CWD and SIZE tell what they are`, async () => {
    const reply = withoutList((command) => {
      if (command === "SIZE /a") return "213 5\r\n";
      if (command === "MDTM /a") return "213 20231114221320\r\n";
      return /^(?:CWD \/a|SIZE|MDTM)/.test(command) ? "550 no\r\n" : undefined;
    });
    const warnings: string[] = [];
    await using server = await startSmallFtp({ features: bare, reply, listing: names });
    await using backend = await openSmallFtp(server, { warn: (one) => void warnings.push(one) });
    for (let i = 0; i < 2; i++) {
      const entries = await backend.list(root, call);
      assert.deepEqual(entries.toSorted((one, other) => one.path < other.path ? -1 : 1), [
        { kind: "file", path: "a", size: 5, modified: 1_700_000_000_000 },
        { kind: "dir", path: "d" },
      ]);
    }
    assert.equal(backend.traits.showsDots, undefined);
    assert.deepEqual(warnings.map((one) => one.slice(0, 23)), ["The server refuses LIST"]);
    assert.equal(count(server, "LIST"), 1);
  });
}

Deno.test("where neither LIST nor SIZE is known a folder with a file is refused with a sentence", async () => {
  const reply = withoutList((command) => /^(?:CWD \/a|SIZE|MDTM)/.test(command) ? "502 no\r\n" : undefined);
  await using server = await startSmallFtp({ features: bare, reply, listing: "a\r\n" });
  await using backend = await openSmallFtp(server);
  const error = await assertRejects(backend.list(root, call), "unsupported");
  assert.match(error.message, /the server refuses LIST and SIZE/);
});

Deno.test("names of NLST that lead out of the folder are never used", async () => {
  const reply = withoutList((command) => command.startsWith("SIZE") ? "213 5\r\n" : undefined);
  await using server = await startSmallFtp({ features: bare, reply, listing: "../x\r\na/b\r\n/etc/passwd\r\n" });
  await using backend = await openSmallFtp(server);
  const entries = await backend.list(root, call);
  assert.deepEqual(entries.map(({ kind }) => kind), ["opaque", "opaque", "opaque"]);
  assert.deepEqual(server.told.filter((one) => /etc|\.\./.test(one)), []);
});
