import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { root, toRelPath } from "../../../../lib/core/path.ts";
import { assertRejects, call, paths, put } from "../../../contract/assertions.ts";
import { openSmallFtp } from "../../../support/targets/ftp_target.ts";
import { startSmallFtp } from "../../../support/servers/small_ftp.ts";

const line = (bytes: string) => `type=file;size=1;modify=20231114221320; ${bytes}\r\n`;
const names = [["cp1251", "Привет", "cff0e8e2e5f2"], ["gbk", "中文", "d6d0cec4"], ["shift_jis", "表", "955c"]] as const;

for (const [encoding, name, hex] of names) {
  Deno.test(`-FtpEncoding ${encoding} reads and writes the names of such a server, and asks it for no UTF-8`, async () => {
    const bytes = Buffer.from(hex, "hex").toString("latin1");
    await using server = await startSmallFtp({ listing: line(bytes) });
    await using backend = await openSmallFtp(server, { options: { FtpEncoding: encoding } });
    assert.deepEqual(await paths(backend), [name]);
    await put(backend, name, "x");
    assert.deepEqual([...server.files], [[`/${bytes}`, "x"]]);
    assert.ok(server.told.includes("OPTS UTF8 OFF") && !server.told.includes("OPTS UTF8 ON"));
    const error = await assertRejects(put(backend, "\u{1f600}", "x"), "badInput");
    assert.match(error.message, /has no bytes for this name: rename it, or name another one with -FtpEncoding/);
    assert.equal(server.files.size, 1);
  });
}

Deno.test("a name that is no UTF-8 is refused with the option that names the encoding", async () => {
  await using server = await startSmallFtp({ listing: line("caf\u00e9") });
  await using backend = await openSmallFtp(server);
  const [entry] = await backend.list(root, call);
  assert.equal(entry?.kind, "opaque");
  assert.match(
    entry.kind === "opaque" ? entry.why : "",
    /not valid in UTF-8: -FtpEncoding names the server's encoding/,
  );
});

for (
  const options of [{ FtpEncoding: "Latin1" }, { Encoding: "Latin1" }, { FtpEncoding: "latin1", Encoding: "Utf8" }]
) {
  Deno.test(`${JSON.stringify(options)} means latin1`, async () => {
    await using server = await startSmallFtp({ listing: line("caf\u00e9") });
    await using backend = await openSmallFtp(server, { options: options as Record<string, string> });
    assert.deepEqual(await paths(backend), ["café"]);
  });
}

Deno.test("an encoding that is unknown is refused before anything is sent", async () => {
  await using server = await startSmallFtp();
  for (const FtpEncoding of ["cp437", "utf-16", "x"]) {
    const error = await assertRejects(openSmallFtp(server, { options: { FtpEncoding } }), "badInput");
    assert.match(error.message, /-FtpEncoding "[^"]+" is unknown: write utf8, latin1/);
  }
  assert.deepEqual(server.told, []);
});

Deno.test("a temporary name beside a name of another encoding is one in it as well", async () => {
  await using server = await startSmallFtp();
  await using backend = await openSmallFtp(server, { options: { FtpEncoding: "cp1252" } });
  await backend.write(toRelPath("é"), () => Promise.resolve(new Uint8Array(1)), { ...call, size: 1 });
  assert.ok(server.told.some((one) => /^STOR \/\.\u00e9\.tandem-[0-9a-f]{16}$/.test(one)));
});
