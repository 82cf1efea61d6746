import assert from "node:assert/strict";
import { remoteServerKind } from "../../support/targets/remote_server.ts";
import { contentWithoutServerFiles, makeRemotePair } from "../../support/targets/remote_pair.ts";
import { assertCode, fill } from "../../support/targets/sftp_pair.ts";
import { serverTest } from "../../support/servers/install.ts";

const nginx = remoteServerKind("dav nginx");

serverTest("Sync-Path leaves names that begin with a dot alone where the server hides them, and says so", {
  server: nginx.server,
}, async () => {
  await using far = await nginx.start();
  await using pair = await makeRemotePair(far);
  const mine = { ".env": "1", "d/.x/y": "2" };
  await fill(pair.local, { ...mine, "a": "3" });
  await pair.fillRemote({ ".env": "theirs", "z/.deep": "u" });
  // Not listed is not absent: whatever the mode, neither side's are sent, replaced or removed.
  for (const words of ["-Mode Remote", "-Mode Remote -Remove", "-Mode Both -Remove", "-Mode Local -Remove"]) {
    const ran = await pair.sync(words);
    assertCode(ran, 1);
    const failures = (ran.result().Failures as { Path: string }[]).map(({ Path }) => Path).sort();
    assert.deepEqual(failures, [".env", "d/.x"], words);
    assert.match(ran.stderr, /\.env: the server hides names that begin with a dot/);
    const [local, remote] = [contentWithoutServerFiles(pair.local), contentWithoutServerFiles(pair.remote)];
    assert.deepEqual([local[".env"], local["d/.x/y"], local["a"]], ["1", "2", "3"]);
    assert.deepEqual([remote[".env"], remote["z/.deep"], remote["a"]], ["theirs", "u", "3"]);
    assert.equal(remote["d/.x/"], undefined);
  }
});
