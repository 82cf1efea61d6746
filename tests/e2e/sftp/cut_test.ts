import assert from "node:assert/strict";
import { pattern } from "../../support/content.ts";
import { serverTest } from "../../support/servers/install.ts";
import { countArrived, watchManyFiles, writeManyFiles } from "../../support/trees/many_files.ts";
import {
  assertCode,
  assertSame,
  fill,
  leftoversOf,
  type ProxiedSftpPair,
  readFolder,
  startProxiedSftpPair,
} from "../../support/targets/sftp_pair.ts";

const server = "sftp";
const MiB = 1 << 20;
const short = "-ReconnectTime 2s -Timeout 2s";

const ways = [
  { mode: "Remote", from: "local", to: "remote", direction: "up" },
  { mode: "Local", from: "remote", to: "local", direction: "down" },
] as const;

/** How a link breaks; `back` lets new links through. */
const breaks = [
  { name: "cut", begin: ({ proxy }: ProxiedSftpPair) => proxy.cut() },
  { name: "reset", begin: ({ proxy }: ProxiedSftpPair) => proxy.reset() },
  {
    name: "silent for a while",
    begin({ proxy }: ProxiedSftpPair) {
      proxy.silence();
      // What was under way is lost; the links stay open and say nothing. New ones are carried.
      setTimeout(() => {
        proxy.cut();
        proxy.silence(false);
      }, 1000);
    },
  },
] as const;

for (const { mode, from, to, direction } of ways) {
  for (const { name, begin } of breaks) {
    serverTest(`Sync-Path -Mode ${mode} reconnects and finishes after its links were ${name} twice`, {
      server,
    }, async () => {
      await using pair = await startProxiedSftpPair({ requestLog: false });
      const many = writeManyFiles(pair[from], 600);
      await fill(pair[from], { "large/big": pattern(24 * MiB) });
      await fill(pair[to], { "obsolete": "o" });
      const { made } = pair.proxy;
      pair.proxy.after(600_000, () => {
        pair.proxy.after(8 * MiB, () => begin(pair), direction);
        begin(pair);
      }, direction);
      const watch = watchManyFiles(pair[to], many);
      const ran = await pair.sync(`-Mode ${mode} -Remove`);
      await watch.stop();
      assertCode(ran, 0);
      assertSame(pair);
      assert.ok(pair.proxy.made - made > 1, "a second link was made");
      assert.deepEqual(ran.result().Failures, []);
    });
  }

  serverTest(
    `Sync-Path -Mode ${mode} gives up on a server that stays away, removes nothing and shows no partial file`,
    {
      server,
    },
    async () => {
      await using pair = await startProxiedSftpPair({ requestLog: false });
      const many = writeManyFiles(pair[from], 600);
      await fill(pair[to], { "obsolete": "o" });
      pair.proxy.after(400_000, () => pair.proxy.refuse(true), direction);
      const ran = await pair.sync(`-Mode ${mode} -Remove ${short}`);
      assert.equal(ran.code, 1, ran.stderr);
      assert.equal(readFolder(pair[to])["obsolete"], "o");
      await Deno.remove(`${pair[to]}/obsolete`);
      const { arrived } = countArrived(pair[to], many);
      const result = ran.result();
      assert.equal(result.RemovalCount, 0);
      const told = Number(mode === "Remote" ? result.UploadCount : result.DownloadCount);
      assert.ok(told <= arrived && arrived < 600, `${told} told, ${arrived} arrived`);
      pair.proxy.refuse(false);
      assertCode(await pair.sync(`-Mode ${mode} -Remove`), 0);
      assertSame(pair);
    },
  );

  serverTest(`Sync-Path -Mode ${mode} ends in bounded time when the server falls silent for good`, {
    server,
  }, async () => {
    await using pair = await startProxiedSftpPair({ requestLog: false });
    await fill(pair[from], { "big": pattern(24 * MiB), "a": "1" });
    await fill(pair[to], { "obsolete": "o", "big": "old" });
    pair.proxy.after(6 * MiB, () => pair.proxy.silence(), direction);
    const ran = await pair.sync(`-Mode ${mode} -Remove -Mirror ${short}`);
    assert.equal(ran.code, 1, ran.stderr);
    const found = readFolder(pair[to]);
    assert.deepEqual([found["obsolete"], found["big"]], ["o", "old"]);
    pair.proxy.silence(false);
    pair.proxy.cut();
    assertCode(await pair.sync(`-Mode ${mode} -Remove -Mirror`), 0);
    assertSame(pair);
    assert.deepEqual(leftoversOf(readFolder(pair[to])), []);
  });
}

for (const bytes of [0, 20, 1500, 3200]) {
  serverTest(`Sync-Path exits 4 and touches nothing when the server falls silent after ${bytes} bytes of the login`, {
    server,
  }, async () => {
    await using pair = await startProxiedSftpPair();
    await fill(pair.local, { "a": "1" });
    if (bytes === 0) pair.proxy.silence();
    else pair.proxy.after(bytes, () => pair.proxy.silence(), "down");
    const ran = await pair.sync(`-Mode Remote ${short}`);
    assertCode(ran, 4);
    assert.ok(ran.stderr.trim().split("\n").length <= 3, ran.stderr);
    assert.deepEqual(await pair.sshd.mutations(), []);
    assert.equal(ran.result().ExitCode, 4);
  });
}

serverTest("Sync-Path exits 4 when nobody listens, and says where", { server }, async () => {
  await using pair = await startProxiedSftpPair();
  await fill(pair.local, { "a": "1" });
  pair.proxy.refuse(true);
  const ran = await pair.sync(`-Mode Remote ${short}`);
  assertCode(ran, 4);
  assert.ok(ran.stderr.includes(`127.0.0.1`), ran.stderr);
});
