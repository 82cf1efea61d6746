import assert from "node:assert/strict";
import { SMALL_FILE_BYTES } from "../../../../lib/core/backend.ts";
import type { Backend } from "../../../../lib/core/backend.ts";
import { assertRejects, call, paths, put, text } from "../../../contract/assertions.ts";
import { openSmallFtp, openTestFtp } from "../../../support/targets/ftp_target.ts";
import { type SmallFtp, startSmallFtp } from "../../../support/servers/small_ftp.ts";
import { startProftpd, startPureftpd, startVsftpd } from "../../../support/servers/ftp.ts";
import { serverTest } from "../../../support/servers/install.ts";

const listing = "type=file;size=5;modify=20231114221320; a\r\n";
const holds = { "/a": "bytes" };

function count({ told }: SmallFtp, verb: string): number {
  return told.filter((one) => one.split(" ")[0] === verb).length;
}

async function assertWorks(backend: Backend): Promise<void> {
  assert.deepEqual(await paths(backend), ["a"]);
  assert.equal(await text(backend, "a"), "bytes");
  await put(backend, "b", "other");
}

Deno.test("a port of EPSV that is dead is tried once, and PASV is used from then on", async () => {
  await using server = await startSmallFtp({ listing, holds, epsvIsDead: true });
  await using backend = await openSmallFtp(server, { options: { Connections: "1" } });
  await assertWorks(backend);
  assert.equal(server.files.get("/b"), "other");
  assert.deepEqual([count(server, "EPSV"), count(server, "PASV")], [1, 3]);
});

for (const code of ["500 what?", "502 no", "522 use (1)", "501 no", "229 of course"]) {
  Deno.test(`EPSV answered "${code}" is asked once in a session, and PASV is used, at the control connection's host`, async () => {
    const reply = (command: string) => command === "EPSV" ? `${code}\r\n` : undefined;
    await using server = await startSmallFtp({ listing, holds, reply, pasvHost: "10,9,8,7" });
    await using backend = await openSmallFtp(server, { options: { Connections: "2" } });
    await assertWorks(backend);
    await Promise.all([paths(backend), paths(backend)]);
    assert.equal(count(server, "EPSV"), 1);
  });
}

Deno.test("EPSV that worked is kept when one of its ports is dead", async () => {
  let isDead = false;
  const reply = (command: string) => isDead && command === "EPSV" ? "229 (|||1|)\r\n" : undefined;
  await using server = await startSmallFtp({ listing, holds, reply });
  await using backend = await openSmallFtp(server, { options: { Connections: "1" } });
  await assertWorks(backend);
  isDead = true;
  await assertRejects(backend.list("" as never, call), "connection");
  isDead = false;
  await assertWorks(backend);
  assert.equal(count(server, "PASV"), 0);
});

Deno.test("where no port of the server can be reached the message names the port and -FtpMode", async () => {
  const reply = (command: string) => command === "PASV" ? "227 here (127,0,0,1,0,1)\r\n" : undefined;
  await using server = await startSmallFtp({ listing, holds, reply, epsvIsDead: true });
  await using backend = await openSmallFtp(server);
  const error = await assertRejects(backend.list("" as never, call), "connection");
  assert.match(
    error.message,
    /the server's data port 1 cannot be reached: nothing listens there, a firewall may be in the way; -FtpMode Auto lets/,
  );
});

for (const intruder of [undefined, "127.0.0.2"]) {
  const who = intruder === undefined ? "the server" : "the server, and none that another host opens";
  Deno.test(`-FtpMode Active takes the data connections that ${who} opens`, async () => {
    await using server = await startSmallFtp({ listing, holds, ...(intruder === undefined ? {} : { intruder }) });
    await using backend = await openSmallFtp(server, { options: { FtpMode: "Active" } });
    await assertWorks(backend);
    assert.equal(server.files.get("/b"), "other");
    assert.deepEqual([count(server, "EPSV"), count(server, "PASV")], [0, 0]);
  });
}

Deno.test("-FtpMode Active uses EPRT where PORT is unknown, and says so where both are", async () => {
  const unknown = ["PORT"];
  const reply = (command: string) => unknown.includes(command.slice(0, 4)) ? "500 what?\r\n" : undefined;
  await using server = await startSmallFtp({ listing, holds, reply });
  await using backend = await openSmallFtp(server, { options: { FtpMode: "Active" } });
  await assertWorks(backend);
  unknown.push("EPRT");
  const error = await assertRejects(backend.list("" as never, call), "connection");
  assert.match(error.message, /takes no port of this machine for its data connections: it knows neither PORT nor EPRT/);
});

Deno.test("-FtpMode Active ends the wait for a server that opens no connection", async () => {
  const reply = (command: string) => command.startsWith("PORT") ? "200 I may\r\n" : undefined;
  await using server = await startSmallFtp({ listing, holds, reply });
  await using backend = await openSmallFtp(server, { options: { FtpMode: "Active", Timeout: "300" } });
  const error = await assertRejects(backend.list("" as never, call), "timeout");
  assert.match(error.message, /the server opened no connection to this machine in 0.3 s/);
});

Deno.test("-FtpMode Auto turns to active mode once no passive connection works, and stays with passive otherwise", async () => {
  const reply = (command: string) => command === "PASV" ? "502 no\r\n" : undefined;
  await using server = await startSmallFtp({ listing, holds, reply, epsvIsDead: true });
  await using backend = await openSmallFtp(server, { options: { FtpMode: "Auto", Connections: "1" } });
  await assertWorks(backend);
  assert.deepEqual([count(server, "EPSV"), count(server, "PASV"), count(server, "PORT")], [1, 1, 3]);
  await using other = await startSmallFtp({ listing, holds });
  await using passive = await openSmallFtp(other, { options: { FtpMode: "Auto" } });
  await assertWorks(passive);
  assert.equal(count(other, "PORT"), 0);
});

const starters = { ftp: startVsftpd, proftpd: startProftpd, pureftpd: startPureftpd };

for (const [name, start] of Object.entries(starters)) {
  for (const tls of ["none", "explicit"] as const) {
    serverTest(
      `${name === "ftp" ? "vsftpd" : name}, ${
        tls === "none" ? "plain" : "TLS"
      }: -FtpMode Active carries listings and files`,
      {
        server: "ftp",
      },
      async () => {
        await using server = await start({ tls });
        await using backend = await openTestFtp(server, { tls, options: { FtpMode: "Active" } });
        await put(backend, "a", "bytes");
        const large = "x".repeat(3 * SMALL_FILE_BYTES);
        await put(backend, "large", large);
        assert.deepEqual(await paths(backend), ["a", "large"]);
        assert.equal(await text(backend, "large"), large);
      },
    );
  }
}
