import { assertCode, fill, startSftpPair } from "../../support/targets/sftp_pair.ts";
import { serverTest } from "../../support/servers/install.ts";

const server = { server: "sftp" };

serverTest("tandem -Command exits with what a run came to whose result went to a variable", server, async () => {
  await using pair = await startSftpPair();
  await fill(pair.local, { "good": "g", "bad\nname": "b" });
  const line = `$r = New-Session ${pair.address} | Sync-Path '${pair.local}' -Mode Remote; $r.FailureCount`;
  const ran = await pair.run(["-Command", line]);
  assertCode(ran, 1);
});

serverTest(
  "tandem -Command never promises that nothing was changed after a run that changed something",
  server,
  async () => {
    await using pair = await startSftpPair();
    await fill(pair.local, { "good": "g" });
    const wrong = "Sync-Path /nowhere sftp://u@127.0.0.1:1/x -Mode Remote";
    const line = `$r = New-Session ${pair.address} | Sync-Path '${pair.local}' -Mode Remote; ${wrong}`;
    assertCode(await pair.run(["-Command", line]), 1);
  },
);
