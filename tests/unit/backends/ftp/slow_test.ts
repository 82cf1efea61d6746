import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { forEachChunk } from "../../../../lib/net/byte_stream.ts";
import { root, toRelPath } from "../../../../lib/core/path.ts";
import type { FileEntry } from "../../../../lib/core/entry.ts";
import { assertRejects, call } from "../../../contract/assertions.ts";
import { openSmallFtp, openTestFtp } from "../../../support/targets/ftp_target.ts";
import { startVsftpd } from "../../../support/servers/ftp.ts";
import { serverTest } from "../../../support/servers/install.ts";
import { startSmallFtp } from "../../../support/servers/small_ftp.ts";

serverTest("over FTPS a reader that comes late gets the whole file, and its end", { server: "ftp" }, async () => {
  await using server = await startVsftpd({ tls: "explicit" });
  const size = 160 << 20;
  // A file of zeros that takes no room.
  await Deno.writeTextFile(`${server.disk}/large`, "");
  await Deno.truncate(`${server.disk}/large`, size);
  await using backend = await openTestFtp(server, { tls: "explicit", options: { Timeout: "6000" } });
  let got = 0;
  await forEachChunk(await backend.read(toRelPath("large"), call), async ({ length }) => {
    if (got === 0) await pause(2_000);
    got += length;
  }, { ...call, operation: "read", reusesBuffer: true });
  assert.equal(got, size);
});

/** A server whose data connection sends a byte now and then, after this command. */
async function startDripping(verb: string) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = listener.accept().then(async (conn) => {
    let isOpen = true;
    while (isOpen) {
      isOpen = await conn.write(new Uint8Array(1)).then(() => true, () => false);
      await pause(20);
    }
    conn.close();
  });
  const reply = (command: string) => {
    if (command === "EPSV") return `229 here (|||${listener.addr.port}|)\r\n`;
    return command.startsWith(`${verb} `) ? "150 come\r\n" : undefined;
  };
  const server = await startSmallFtp({ reply });
  return {
    port: server.port,
    async [Symbol.asyncDispose]() {
      await serving;
      listener.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

Deno.test("a listing that drips is given up once, and the server is not waited for again", async () => {
  await using server = await startDripping("MLSD");
  await using backend = await openSmallFtp(server, { options: { Timeout: "500" } });
  const error = await assertRejects(backend.list(root, call), "timeout");
  assert.match(error.message, /only \d+ bytes came in 0.5 s; -Timeout waits longer/);
});

Deno.test("a small file that drips is given up too", async () => {
  await using server = await startDripping("RETR");
  await using backend = await openSmallFtp(server, { options: { Timeout: "500" } });
  const expect: FileEntry = { kind: "file", path: toRelPath("a"), size: 10_000 };
  await assertRejects(backend.read(expect.path, { ...call, expect }), "timeout");
});
