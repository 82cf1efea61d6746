import assert from "node:assert/strict";
import { root, toRelPath } from "../../../../lib/core/path.ts";
import type { FileEntry } from "../../../../lib/core/entry.ts";
import { assertRejects, call, paths, put } from "../../../contract/assertions.ts";
import { collect } from "../../../support/content.ts";
import { openSmallFtp } from "../../../support/targets/ftp_target.ts";
import { startSmallFtp } from "../../../support/servers/small_ftp.ts";

const old = "modify=20231114221320;";

for (
  const last of ["226 Output truncated to 2000 matches", "226-Too many files\r\n226 done", "426 cut off", "451 oops"]
) {
  Deno.test(`MD-13 list() over FTP is no listing when the server says "${last.slice(0, 12)}"`, async () => {
    await using server = await startSmallFtp({ listing: `type=file;size=1;${old} a\r\n`, afterListing: last });
    await using backend = await openSmallFtp(server);
    await assertRejects(backend.list(root, call), "connection");
  });
}

Deno.test("MD-13 list() over FTP rejects a listing that ends in the middle of a line", async () => {
  await using server = await startSmallFtp({ listing: `type=file;size=1;${old} a\r\ntype=file;size=1;${old} b` });
  await using backend = await openSmallFtp(server);
  await assertRejects(backend.list(root, call), "connection");
});

Deno.test("NM-13 names of LIST keep their blanks and arrows", async () => {
  const line = (name: string) => `-rw-r--r--   1 ftp ftp   1 Nov 14  2023 ${name}\r\n`;
  const names = [" leading", "two  blanks", "a -> b"];
  await using server = await startSmallFtp({ features: ["SIZE", "UTF8"], listing: names.map(line).join("") });
  await using backend = await openSmallFtp(server);
  assert.deepEqual(await paths(backend), names.toSorted());
});

Deno.test("NM-14 names of a Latin-1 server go there as they came; without -Encoding they are refused, not guessed", async () => {
  const listing = `type=file;size=1;${old} caf\u00e9\r\n`;
  await using server = await startSmallFtp({ listing });
  await using latin = await openSmallFtp(server, { options: { Encoding: "Latin1" } });
  assert.deepEqual(await paths(latin), ["café"]);
  await latin.remove({ kind: "file", path: toRelPath("café"), size: 1 }, call).catch(() => {});
  assert.ok(server.told.includes("MLST /caf\u00e9"), server.told.join("; "));
  await using plain = await openSmallFtp(server);
  const [entry] = await plain.list(root, call);
  assert.equal(entry?.kind, "opaque");
});

Deno.test("SE-06 a server that offers no TLS, or none for data, hears no password", async () => {
  await using server = await startSmallFtp({ reply: (command) => command === "AUTH TLS" ? "502 no\r\n" : undefined });
  await assertRejects(openSmallFtp(server, { scheme: "ftpes" }), "connection");
  assert.deepEqual(server.told, ["AUTH TLS"]);
});

Deno.test("SE-08 the host in an answer to PASV is ignored", async () => {
  await using server = await startSmallFtp({ listing: `type=file;size=1;${old} right\r\n`, pasvHost: "192,0,2,1" });
  await using backend = await openSmallFtp(server);
  assert.deepEqual(await paths(backend), ["right"]);
  assert.ok(server.told.includes("PASV"));
});

Deno.test("SE-09 no name of a listing leaves its folder", async () => {
  const names = ["../../x", "/etc/x", "a/../../x", "..", ".", "x/"];
  const listing = [...names, "good"].map((name) => `type=file;size=1;${old} ${name}\r\n`).join("");
  await using server = await startSmallFtp({ listing });
  await using backend = await openSmallFtp(server);
  const entries = await backend.list(root, call);
  assert.deepEqual(entries.filter(({ kind }) => kind !== "opaque").map(({ path }) => path), ["good"]);
  for (const { path } of entries) assert.ok(!path.startsWith("/") && !path.split("/").includes(".."), path);
});

Deno.test("SE-11 no name with a line break reaches the wire", async () => {
  await using server = await startSmallFtp();
  await using backend = await openSmallFtp(server);
  for (const name of ["x\r\nDELE y", "x\nDELE y", "x\u0000y"]) {
    const path = name as ReturnType<typeof toRelPath>;
    await assertRejects(backend.stat(path, call), "badInput");
    await assertRejects(backend.remove({ kind: "file", path, size: 1 }, call), "badInput");
  }
  assert.ok(!server.told.some((line) => line.startsWith("DELE")), server.told.join("; "));
});

for (const [what, reply] of [["line", "2".repeat(1 << 20)], ["reply", "211-go on\r\n".repeat(200_000)]] as const) {
  Deno.test(`SE-13 a ${what} without end ends the connection`, async () => {
    await using server = await startSmallFtp({ reply: (command) => command === "FEAT" ? reply : undefined });
    await assertRejects(openSmallFtp(server), "connection", "timeout");
  });
}

Deno.test("SE-15 a fact called __proto__ is a fact like any other", async () => {
  await using server = await startSmallFtp({ listing: `__proto__=x;type=file;size=1;${old} a\r\n` });
  await using backend = await openSmallFtp(server);
  assert.deepEqual(await paths(backend), ["a"]);
  assert.equal(Object.getPrototypeOf({}), Object.prototype);
});

Deno.test("VP-01 every connection transfers bytes as they are, whatever the server's default", async () => {
  await using server = await startSmallFtp();
  await using backend = await openSmallFtp(server);
  await put(backend, "a", new Uint8Array([13, 10, 26, 0, 255, 10]));
  assert.equal(server.files.get("/a"), "\r\n\x1a\0\xff\n");
  assert.equal(
    server.told.filter((line) => line === "TYPE I").length,
    server.told.filter((line) => line === "FEAT").length,
  );
});

Deno.test("VP-02 a 226 for fewer bytes than were sent is no success, and what was there stays", async () => {
  await using server = await startSmallFtp({ keeps: 3 });
  await using backend = await openSmallFtp(server);
  await put(backend, "a", "old");
  const error = await assertRejects(put(backend, "a", "longer"), "changed");
  assert.match(error.message, /holds 3 bytes after 6 bytes were sent/);
  assert.deepEqual([...server.files], [["/a", "old"]]);
});

Deno.test("read() of a range that the server breaks off is no shorter range", async () => {
  const size = 1_000_000;
  const reply = (command: string) =>
    command === "MLST /a" ? `250-One\r\n type=file;size=${size}; /a\r\n250 End\r\n` : undefined;
  await using server = await startSmallFtp({ holds: { "/a": "x".repeat(300_000) }, reply });
  await using backend = await openSmallFtp(server);
  const expect: FileEntry = { kind: "file", path: toRelPath("a"), size };
  const read = async () => await collect(await backend.read(expect.path, { ...call, expect, length: 600_000 }));
  assert.match((await assertRejects(read(), "changed")).message, /ended at byte 300000/);
});

Deno.test("a server that begins no transfer in the middle of a file is read and written from its start, and no source stays open", async () => {
  const left = 30 << 20;
  const reply = (command: string) => {
    if (command.startsWith("MLST /.")) return `250-One\r\n type=file;size=${left}; /a\r\n250 End\r\n`;
    return command.startsWith("REST") ? "502 no\r\n" : undefined;
  };
  const features = ["MLST type*;size*;modify*;", "REST STREAM"];
  await using server = await startSmallFtp({ holds: { "/a": "x".repeat(1_000_000) }, features, reply });
  await using backend = await openSmallFtp(server);
  const expect: FileEntry = { kind: "file", path: toRelPath("a"), size: 1_000_000 };
  assert.equal((await collect(await backend.read(expect.path, { ...call, expect, offset: 100 }))).length, 999_900);
  let isLeft = false;
  const source = new ReadableStream<Uint8Array<ArrayBuffer>>({ cancel: () => void (isLeft = true) });
  const body = (from = 0) => Promise.resolve(from > 0 ? source : new Blob([new Uint8Array(left + 1)]).stream());
  await using fresh = await openSmallFtp(server);
  const write = fresh.write(toRelPath("b"), body, { ...call, size: left + 1, tag: "0123456789abcdef" });
  await assertRejects(write, "changed");
  assert.equal(server.told.filter((one) => one.startsWith("REST")).length, 2);
  assert.ok(isLeft);
});

/** The same bytes without end. */
function* endless(part: string): Iterable<string> {
  for (;;) yield part;
}

const listings: readonly (readonly [string, () => Iterable<string>, RegExp])[] = [
  ["one entry again and again", () => endless("type=file;size=6; again\r\n".repeat(5000)), /more than 64 MiB/],
  ["one line", () => endless("x".repeat(1 << 16)), /one of its lines is longer/],
  ["what is no listing", () => endless("no\r\n".repeat(100)), /"no" is not a line of any known listing format/],
];

for (const [what, listing, message] of listings) {
  Deno.test(`list() over FTP takes no listing of ${what} without end`, async () => {
    await using server = await startSmallFtp({ listing });
    await using backend = await openSmallFtp(server);
    const error = await assertRejects(backend.list(root, call), "unexpected");
    assert.match(error.message, message);
    assert.notEqual(error.facts.transient, true, "it is not asked for again");
  });
}

for (const size of [5, 300_000]) {
  Deno.test(`read() of a file of ${size} bytes over FTP stops at one byte more`, async () => {
    const reply = (command: string) =>
      command === "MLST /a" ? `250-One\r\n type=file;size=${size}; /a\r\n250 End\r\n` : undefined;
    await using server = await startSmallFtp({ holds: { "/a": "x".repeat(8 << 20) }, reply });
    await using backend = await openSmallFtp(server);
    const expect: FileEntry = { kind: "file", path: toRelPath("a"), size };
    const read = async () => await collect(await backend.read(expect.path, { ...call, expect }));
    assert.match((await assertRejects(read(), "changed")).message, /sends more than the \d+ bytes it was listed with/);
    await backend.stat(expect.path, call);
  });
}

Deno.test("write() of a file that is read over the only connection there is ends, and the connection is free again", async () => {
  const text = "x".repeat(300_000);
  await using server = await startSmallFtp({ holds: { "/a": text, "/small": "y" } });
  await using backend = await openSmallFtp(server, { options: { Connections: "1" } });
  for (const [from, size] of [["small", 1], ["a", text.length], ["small", 1]] as const) {
    const expect: FileEntry = { kind: "file", path: toRelPath(from), size };
    await backend.write(toRelPath("b"), () => backend.read(expect.path, { ...call, expect }), { ...call, size });
    assert.equal(server.files.get("/b")?.length, size);
  }
});

Deno.test("stat() over FTP does not call absent what a listing with lines that cannot be read does not show", async () => {
  const listing = "-rw-r--r-- 1 u g 1 Nov 14 2023 a\r\nls: ./b: Permission denied\r\n";
  const reply = (command: string) => /^(?:SIZE|CWD) \/./.test(command) ? "550 no\r\n" : undefined;
  await using server = await startSmallFtp({ features: ["SIZE", "UTF8"], listing, reply });
  await using backend = await openSmallFtp(server);
  assert.equal((await backend.stat(toRelPath("a"), call))?.kind, "file");
  assert.match(
    (await assertRejects(backend.stat(toRelPath("b"), call), "unexpected")).message,
    /cannot be read: it may exist/,
  );
});

/** A server without MLST whose listings show "a" alone. `size`, `cwd`: its replies for all other names. */
async function shortListing(size: string, cwd = "550 no such folder") {
  const reply = (command: string) => {
    if (/^SIZE \/b/.test(command)) return `${size}\r\n`;
    return /^(?:SIZE|MDTM|CWD) \/./.test(command) ? `${command.startsWith("CWD") ? cwd : "550 no"}\r\n` : undefined;
  };
  const listing = "-rw-r--r-- 1 u g 1 Nov 14 2023 a\r\n";
  const server = await startSmallFtp({ features: ["SIZE", "MDTM", "UTF8"], listing, reply });
  return { server, backend: await openSmallFtp(server) };
}

Deno.test("stat() over FTP without MLST finds a file whose size the server tells, though the listing lacks it", async () => {
  const { server, backend } = await shortListing("213 7");
  await using _server = server;
  await using _backend = backend;
  assert.deepEqual(await backend.stat(toRelPath("b"), call), { kind: "file", path: "b", size: 7 });
});

Deno.test("stat() over FTP without MLST finds a folder that can be entered, though the listing lacks it", async () => {
  const { server, backend } = await shortListing("550 not a plain file", "250 entered");
  await using _server = server;
  await using _backend = backend;
  assert.deepEqual(await backend.stat(toRelPath("b"), call), { kind: "dir", path: "b" });
});

for (const size of ["450 try again", "451 local error", "500 internal error", "550 Permission denied"]) {
  Deno.test(`stat() over FTP without MLST does not call absent what the server answers "${size}" for`, async () => {
    const { server, backend } = await shortListing(size);
    await using _server = server;
    await using _backend = backend;
    await assert.rejects(backend.stat(toRelPath("b"), call));
  });
}

Deno.test("stat() over FTP without MLST calls absent what neither the listing nor SIZE knows", async () => {
  const { server, backend } = await shortListing("550 b: No such file or directory");
  await using _server = server;
  await using _backend = backend;
  assert.equal(await backend.stat(toRelPath("b"), call), undefined);
});

for (const [other, isAbsent] of [["x", false], [" x", false], ["x ", true]] as const) {
  Deno.test(`stat() over FTP calls "report " ${isAbsent ? "" : "not "}absent beside "report" and "${other}"`, async () => {
    const listing = ["report", other].map((name) => `type=file;size=1;${old} ${name}\r\n`).join("");
    await using server = await startSmallFtp({ listing });
    await using backend = await openSmallFtp(server);
    const found = backend.stat(toRelPath("report "), call);
    if (isAbsent) assert.equal(await found, undefined);
    else assert.match((await assertRejects(found, "unexpected")).message, /may trim blanks of names: it may exist/);
  });
}
