import assert from "node:assert/strict";
import { remoteServerKind } from "../../support/targets/remote_server.ts";
import { assertSame, makeRemotePair } from "../../support/targets/remote_pair.ts";
import { assertCode, fill } from "../../support/targets/sftp_pair.ts";
import { serverTest } from "../../support/servers/install.ts";
import { counts, tandem } from "../../support/tandem.ts";

const proftpd = remoteServerKind("ftpes proftpd");
const vsftpd = remoteServerKind("ftp vsftpd");

serverTest(
  "Sync-Path -FtpSecure Auto speaks TLS with a server that offers it, and says nothing of a password in clear",
  {
    server: proftpd.server,
  },
  async () => {
    await using far = await proftpd.start(["TLSRequired on"]);
    await using pair = await makeRemotePair(far);
    await fill(pair.local, { "a": "one" });
    const address = pair.address.replace(/^ftpes:/, "ftp:");
    const words = ["Sync-Path", pair.local, address, "-Mode", "Remote", "-FtpSecure", "Auto", ...far.params];
    const ran = await tandem(words, { home: pair.local.replace(/\/local$/, ""), env: far.env });
    assertCode(ran, 0);
    assert.doesNotMatch(ran.stderr, /in clear/);
    assertSame(pair);
  },
);

serverTest("Sync-Path remembers what it sent to an FTP server that sets no times: the next run does nothing", {
  server: vsftpd.server,
}, async () => {
  await using far = await vsftpd.start(["mdtm_write=NO"]);
  await using pair = await makeRemotePair(far);
  await fill(pair.local, { "a": "one", "dir/b": "two" });
  assertCode(await pair.sync("-Mode Remote"), 0);
  assertSame(pair);
  await pair.idle("-Mode Remote");
  await pair.idle("-Mode Both");
  await Deno.writeTextFile(`${pair.local}/a`, "eno");
  // Times of two sides are equal below 2 s, and the runs before this edit may all have happened within them.
  const edited = Date.now() / 1000 + 5;
  await Deno.utime(`${pair.local}/a`, edited, edited);
  assert.deepEqual(counts(await pair.sync("-Mode Remote")), [1, 0, 0, 0, 0]);
  assertSame(pair);
});
