import assert from "node:assert/strict";
import { serverTest } from "../../support/servers/install.ts";
import { startSmallProxy } from "../../support/servers/small_proxy.ts";
import { assertCode, fill, readFolder, startSftpPair } from "../../support/targets/sftp_pair.ts";

const secret = "s3cret@proxy:é";

serverTest("a session goes through the proxy it was made with, in the next process too, and shows no password", {
  server: "sftp",
}, async () => {
  await using pair = await startSftpPair();
  await using proxy = await startSmallProxy({ login: `me:${secret}` });
  await fill(pair.local, { "a": "1" });
  const made = await pair.run([
    ...["New-Session", pair.address, "-Proxy", `http://me:${encodeURIComponent(secret)}@127.0.0.1:${proxy.port}`],
  ]);
  assertCode(made, 0);
  assert.match(made.stderr, /The password in -Proxy shows in the list of processes: TANDEM_PROXY_PASSWORD does not/);
  const token = btoa(String.fromCharCode(...new TextEncoder().encode(`me:${secret}`)));
  for (const hidden of [secret, encodeURIComponent(secret), token]) {
    assert.ok(!made.stdout.includes(hidden) && !made.stderr.includes(hidden), hidden);
  }
  assert.match(made.stdout, new RegExp(`"Proxy":"http://me@127.0.0.1:${proxy.port}"`));
  const before = proxy.asked.length;
  const ran = await pair.run(["Sync-Path", pair.local, "-Mode", "Remote"], { stdin: made.stdout });
  assertCode(ran, 0);
  assert.deepEqual(readFolder(pair.remote), readFolder(pair.local));
  assert.ok(proxy.asked.length > before);
  assert.deepEqual([...new Set(proxy.logins)], [`me:${secret}`]);
  assert.ok(!proxy.carried().includes(secret) && !proxy.carried().includes(token));
});

serverTest(
  "a proxy's password in the environment is neither shown nor sent to the server",
  { server: "sftp" },
  async () => {
    await using pair = await startSftpPair();
    await using proxy = await startSmallProxy({ login: `me:${secret}` });
    const run = await pair.run(
      ["Sync-Path", pair.local, pair.address, "-Mode", "Remote", "-Proxy", "none", "-Verbose"],
      {
        env: { ALL_PROXY: `http://me:${encodeURIComponent(secret)}@127.0.0.1:${proxy.port}` },
      },
    );
    assertCode(run, 0);
    // The runtime may look for its own updates through the proxy.
    assert.deepEqual(proxy.asked.filter((target) => target.endsWith(`:${pair.sshd.port}`)), []);
  },
);
