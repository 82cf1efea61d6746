import assert from "node:assert/strict";
import { serverTest } from "../../support/servers/install.ts";
import { canLockFolder, lockFolder } from "../../support/lock_folder.ts";
import {
  assertCode,
  assertSame,
  fill,
  readFolder,
  type SftpPair,
  stampFolder,
  startSftpPair,
} from "../../support/targets/sftp_pair.ts";

const server = "sftp";
const dozen = Object.fromEntries(Array.from({ length: 12 }, (_, index) => [`old/${index}`, `${index}`]));

/** Fails unless the run is refused with this key in its message, before anything was changed on either side. */
async function assertRefused(pair: SftpPair, words: string, key: string): Promise<void> {
  const before = [stampFolder(pair.local), stampFolder(pair.remote)];
  const requests = (await pair.sshd.mutations()).length;
  const ran = await pair.sync(words);
  assertCode(ran, 3);
  assert.ok(ran.stderr.includes(key), ran.stderr);
  assert.match(ran.stderr, /nothing was changed/i);
  assert.deepEqual((await pair.sshd.mutations()).slice(requests), []);
  assert.deepEqual([stampFolder(pair.local), stampFolder(pair.remote)], before);
  assert.deepEqual([ran.result().IsSuccess, ran.result().ExitCode, ran.result().RemovalCount], [false, 3, 0]);
}

serverTest("Sync-Path -MaxRemove refuses one removal too many with exit 3 and none of them done", {
  server,
}, async () => {
  await using pair = await startSftpPair();
  await fill(pair.local, { "new": "n" });
  await fill(pair.remote, dozen);
  await assertRefused(pair, "-Mode Remote -Remove -MaxRemove 11", "-MaxRemove");
  await assertRefused(pair, "-Mode Remote -Remove -MaxRemove 99%", "-MaxRemove");
  await assertRefused(pair, "-Mode Remote -Remove -Force", "-MaxRemove 100%");
  const planned = await pair.sync("-Mode Remote -Remove -MaxRemove 11 -WhatIf");
  assertCode(planned, 3);
  assertCode(await pair.sync("-Mode Remote -Remove -MaxRemove 12"), 0);
  assertSame(pair);
});

for (const [mode, from, to] of [["Remote", "local", "remote"], ["Local", "remote", "local"]] as const) {
  serverTest(`Sync-Path -Mode ${mode} -Remove refuses an empty source with exit 3, but for -AllowEmptySource`, {
    server,
  }, async () => {
    await using pair = await startSftpPair();
    await fill(pair[to], { "a": "1", "b/c": "2" });
    await fill(pair[from], { "only a folder/": "" });
    await assertRefused(pair, `-Mode ${mode} -Remove`, "-AllowEmptySource");
    assertCode(await pair.sync(`-Mode ${mode} -Remove -AllowEmptySource -WhatIf`), 0);
    assertCode(await pair.sync(`-Mode ${mode} -Remove -AllowEmptySource`), 0);
    assert.deepEqual(readFolder(pair[to]), { "only a folder/": "" });
  });
}

serverTest("Sync-Path with a missing source makes nothing, removes nothing and exits 2, or 3 where it could remove", {
  server,
}, async () => {
  await using pair = await startSftpPair();
  await fill(pair.local, { "a": "1" });
  await fill(pair.remote, { "b": "2" });
  const gone = `${pair.address}/gone`;
  for (const [words, code] of [["", 2], ["-Remove", 3]] as const) {
    const down = ["Sync-Path", pair.local, gone, "-Mode", "Local", ...words.split(" ").filter((word) => word !== "")];
    const ran = await pair.run(down);
    assertCode(ran, code);
    assert.match(ran.stderr, /gone/);
  }
  for (const mode of ["Remote", "Both"]) {
    for (const more of [[], ["-Remove"]]) {
      const ran = await pair.run(["Sync-Path", `${pair.local}/gone`, pair.address, "-Mode", mode, ...more]);
      assert.ok(ran.code === 2 || (ran.code === 3 && more.length > 0), `${mode} ${more}: ${ran.code} ${ran.stderr}`);
    }
  }
  assert.deepEqual([readFolder(pair.local), readFolder(pair.remote)], [{ "a": "1" }, { "b": "2" }]);
  assert.deepEqual(await pair.sshd.mutations(), []);
});

serverTest("Sync-Path refuses a remote file where a folder belongs with exit 2", { server }, async () => {
  await using pair = await startSftpPair();
  await fill(pair.local, { "a": "1" });
  await fill(pair.remote, { "file": "f" });
  for (const mode of ["Remote", "Local", "Both"]) {
    const ran = await pair.run(["Sync-Path", pair.local, `${pair.address}/file`, "-Mode", mode]);
    assertCode(ran, 2);
    assert.match(ran.stderr, /file/);
  }
  assert.deepEqual([readFolder(pair.local), readFolder(pair.remote)], [{ "a": "1" }, { "file": "f" }]);
});

serverTest("Sync-Path -Remove and -Mirror refuse the login folder and a home folder, but for -AllowRoot", {
  server,
}, async () => {
  const login = await Deno.makeTempDir({ prefix: "tandem-login-" });
  try {
    await using pair = await startSftpPair({ config: [`ForceCommand internal-sftp -d ${login}`] });
    await fill(pair.local, { "a": "1" });
    await fill(login, { "a": "1", "mine": "m" });
    const { user, port, home } = pair.sshd;
    const before = [stampFolder(login), stampFolder(`${home}/.ssh`)];
    const rows = [["/~", "-Remove"], [login, "-Mirror"], [`/${login}/`, "-Mirror", "-Remove", "-Force"]] as const;
    for (const [path, ...words] of rows) {
      const address = `sftp://${user}@127.0.0.1:${port}${path}`;
      const ran = await pair.run(["Sync-Path", pair.local, address, "-Mode", "Remote", ...words]);
      assertCode(ran, 3);
      assert.match(ran.stderr, /-AllowRoot/);
    }
    const ran = await pair.run(["Sync-Path", home, pair.address, "-Mode", "Local", "-Remove"]);
    assertCode(ran, 3);
    assert.match(ran.stderr, /-AllowRoot/);
    assert.deepEqual([stampFolder(login), stampFolder(`${home}/.ssh`)], before);
    const allowed = [`sftp://${user}@127.0.0.1:${port}/~`, "-Mode", "Remote", "-Remove", "-AllowRoot"];
    assertCode(await pair.run(["Sync-Path", pair.local, ...allowed]), 0);
    assert.deepEqual(readFolder(login), { "a": "1" });
  } finally {
    await Deno.remove(login, { recursive: true });
  }
});

serverTest("Sync-Path -Remove takes / of an account that is locked into it for an ordinary root", {
  server,
  ignore: Deno.uid() !== 0,
}, async () => {
  await using pair = await startSftpPair({ chroot: true, password: "correct horse" });
  await fill(pair.local, { "files/a": "1" });
  await fill(pair.remote, { "a": "1", "b": "2" });
  const { user, port } = pair.sshd;
  const words = [`sftp://${user}@127.0.0.1:${port}/`, "-Mode", "Remote", "-Remove", "-SshConfigFile", "none"];
  const ran = await pair.run(["Sync-Path", pair.local, ...words], { env: { TANDEM_PASSWORD: "correct horse" } });
  assertCode(ran, 0);
  assert.deepEqual(readFolder(pair.remote), { "a": "1" });
});

serverTest("Sync-Path -RequireMarker goes on only where the marker lies in both roots", { server }, async () => {
  await using pair = await startSftpPair();
  await fill(pair.local, { ".marker": "", "a": "1" });
  await assertRefused(pair, "-Mode Remote -RequireMarker .marker", ".marker");
  await fill(pair.remote, { ".marker": "" });
  assertCode(await pair.sync("-Mode Remote -RequireMarker .marker"), 0);
  assertSame(pair);
});

serverTest("Sync-Path holds all removals when a file could not be transferred, and says so", {
  server,
  ignore: !await canLockFolder(),
}, async () => {
  await using pair = await startSftpPair();
  await fill(pair.local, { "fine": "f", "dir/one": "1" });
  await fill(pair.remote, { "dir/": "", "old": "o", "gone/old": "o" });
  {
    await using _lock = await lockFolder(`${pair.remote}/dir`);
    const ran = await pair.sync("-Mode Remote -Remove");
    assertCode(ran, 1);
    const { FailureCount, HeldRemovals, UploadCount } = ran.result();
    assert.deepEqual([FailureCount, HeldRemovals, UploadCount], [1, 3, 1]);
    assert.match(ran.stderr, /held back/);
    assert.deepEqual(readFolder(pair.remote), { "dir/": "", "fine": "f", "gone/": "", "gone/old": "o", "old": "o" });
  }
  assertCode(await pair.sync("-Mode Remote -Remove"), 0);
  assertSame(pair);
});
