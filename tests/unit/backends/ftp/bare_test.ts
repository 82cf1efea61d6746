import assert from "node:assert/strict";
import { SMALL_FILE_BYTES } from "../../../../lib/core/backend.ts";
import type { FileEntry } from "../../../../lib/core/entry.ts";
import { root, toRelPath } from "../../../../lib/core/path.ts";
import { tempTag } from "../../../../lib/core/temp_name.ts";
import { assertRejects, call, put, text } from "../../../contract/assertions.ts";
import { openSmallFtp } from "../../../support/targets/ftp_target.ts";
import { startSmallFtp } from "../../../support/servers/small_ftp.ts";

const unknown = ["FEAT", "SIZE", "MDTM", "MLST", "MLSD", "MFMT", "EPSV", "SYST", "SITE", "OPTS", "REST"];

/** A server that knows what RFC 959 asks of the smallest one, and hides dot names; `more`: commands that it has as well. */
async function startBare(
  code: string,
  holds: Map<string, string>,
  more: readonly string[] = [],
  keeps?: number,
  announced?: readonly string[],
) {
  const known = (name: string) => holds.has(name.slice(5));
  const listing = () =>
    [...holds].filter(([path]) => !path.startsWith("/.")).map(([path, content]) =>
      `-rw-r--r--   1 ftp ftp ${content.length} Nov 14 2023 ${path.slice(1)}\r\n`
    );
  const reply = (command: string) => {
    const [verb = ""] = command.split(" ");
    if (verb === "FEAT" && announced !== undefined) return undefined;
    if (more.includes(verb) && verb === "SIZE") {
      return known(command) ? `213 ${holds.get(command.slice(5))?.length}\r\n` : "550 no such file\r\n";
    }
    if (more.includes(verb) && verb === "MDTM") {
      return known(command) ? "213 20231114221320\r\n" : "550 no such file\r\n";
    }
    if (unknown.includes(verb) || command === "LIST -a") return `${code}\r\n`;
    return verb === "CWD" && command !== "CWD /" ? "550 no such folder\r\n" : undefined;
  };
  return await startSmallFtp({
    holds,
    listing,
    reply,
    ...(keeps === undefined ? {} : { keeps }),
    ...(announced === undefined ? {} : { features: announced }),
  });
}

for (const code of ["500 what", "502 not implemented", "504 no", "500"]) {
  Deno.test(`a server that answers "${code}" to all but the smallest set of commands is read and written, and says once what it lacks`, async () => {
    const holds = new Map([["/a", "bytes"]]);
    const warnings: string[] = [];
    await using server = await startBare(code, holds);
    await using backend = await openSmallFtp(server, { warn: (one) => void warnings.push(one) });
    const [found] = await backend.list(root, call) as FileEntry[];
    assert.deepEqual([found?.path, found?.size], ["a", 5]);
    assert.equal((await backend.stat(toRelPath("a"), call))?.kind, "file");
    assert.equal(await backend.stat(toRelPath("b"), call), undefined);
    assert.equal(await text(backend, "a"), "bytes");
    for (const name of ["b", "c"]) await put(backend, name, `new ${name}`);
    await put(backend, "empty", "");
    const large = "x".repeat(2 * SMALL_FILE_BYTES);
    await put(backend, "large", large);
    assert.equal(await text(backend, "large"), large);
    assert.deepEqual([holds.get("/b"), holds.get("/c"), holds.get("/empty"), holds.size], ["new b", "new c", "", 5]);
    const temps = server.told.filter((one) => one.startsWith("STOR")).map((one) => one.slice(6));
    assert.ok(temps.every((one) => !one.startsWith(".") && tempTag(one) !== undefined), temps.join());
    if (found !== undefined) await backend.remove(found, call);
    assert.equal(holds.has("/a"), false);
    assert.deepEqual(warnings.map((one) => /has no (.*?)(?:: | that)/.exec(one)?.[1]), [
      "SIZE and no MLST",
      "MDTM and no MLST",
      "command",
    ]);
  });
}

Deno.test("a bare server that keeps fewer bytes, or holds another file than expected, is noticed by its listing", async () => {
  const holds = new Map([["/a", "old"]]);
  await using server = await startBare("502 no", holds, [], 3);
  await using backend = await openSmallFtp(server);
  const write = async (size: number) =>
    await backend.write(toRelPath("a"), () => Promise.resolve(new TextEncoder().encode("new one".slice(0, 6))), {
      ...call,
      size: 6,
      expect: { kind: "file", path: toRelPath("a"), size },
    });
  assert.match((await assertRejects(write(3), "changed")).message, /holds 3 bytes after 6 bytes were sent/);
  await assertRejects(write(4), "changed");
  assert.deepEqual(Object.fromEntries(holds), { "/a": "old" });
});

Deno.test("SIZE, MDTM and MLST that are announced and refused are not used", async () => {
  for (const announced of [["SIZE", "MDTM", "UTF8"], ["MLST type*;size*;modify*;", "SIZE", "UTF8"]]) {
    const holds = new Map([["/a", "bytes"]]);
    const told = announced.includes("MDTM") ? [] : ["SIZE", "MDTM"];
    await using server = await startBare("502 not implemented", holds, told, undefined, announced);
    await using backend = await openSmallFtp(server);
    assert.equal(await text(backend, "a"), "bytes");
    await put(backend, "b", "new");
    assert.deepEqual([holds.get("/b"), holds.size], ["new", 2]);
    assert.equal(await backend.stat(toRelPath("c"), call), undefined);
  }
});

Deno.test("an empty file whose SIZE is answered in words is there, and empty by its listing", async () => {
  const holds = new Map<string, string>();
  const listing = () =>
    [...holds].map(([path, { length }]) => `-rw-r--r--   1 ftp ftp ${length} Nov 14 2023 ${path.slice(1)}\r\n`);
  const reply = (command: string) => {
    if (command.startsWith("CWD /") && command !== "CWD /") return "550 no\r\n";
    if (!command.startsWith("SIZE")) return command.startsWith("MDTM") ? "550 no\r\n" : undefined;
    const size = holds.get(command.slice(5))?.length;
    return size === undefined ? "550 no such file\r\n" : `213 ${size === 0 ? "File status" : size}\r\n`;
  };
  await using server = await startSmallFtp({ features: ["SIZE", "MDTM", "UTF8"], holds, listing, reply });
  await using backend = await openSmallFtp(server);
  await put(backend, "a", "");
  await put(backend, "b", "x");
  await put(backend, "a", "");
  assert.deepEqual(Object.fromEntries(holds), { "/b": "x", "/a": "" });
  assert.deepEqual((await backend.stat(toRelPath("a"), call) as FileEntry).size, 0);
  const write = backend.write(toRelPath("a"), () => Promise.resolve(new Uint8Array()), {
    ...call,
    size: 0,
    expect: "absent",
  });
  await assertRejects(write, "changed");
});

Deno.test("SIZE and MDTM are used where a server has them without FEAT", async () => {
  const holds = new Map([["/a", "bytes"]]);
  const warnings: string[] = [];
  await using server = await startBare("500 what", holds, ["SIZE", "MDTM"]);
  await using backend = await openSmallFtp(server, { warn: (one) => void warnings.push(one) });
  assert.deepEqual(await backend.stat(toRelPath("a"), call), {
    kind: "file",
    path: "a",
    size: 5,
    modified: 1_700_000_000_000,
  });
  await put(backend, "b", "new");
  assert.deepEqual([holds.get("/b"), holds.size], ["new", 2]);
  assert.deepEqual(warnings.map((one) => one.slice(0, 29)), ["The server has no command tha"]);
});

for (
  const [first, last] of [["150", "226"], ["125 ", "226 "], ["150-odd\r\n150 odd", "250 ???"], [
    "150 ok",
    "200 fine",
  ]] as const
) {
  Deno.test(`STOR answered "${JSON.stringify(first)}" and "${last}" is an upload`, async () => {
    await using server = await startSmallFtp({ lastWord: () => last, firstWord: first });
    await using backend = await openSmallFtp(server);
    await put(backend, "a", "bytes");
    await put(backend, "empty", "");
    assert.deepEqual(Object.fromEntries(server.files), { "/a": "bytes", "/empty": "" });
  });
}
