import assert from "node:assert/strict";
import { isSame, pattern } from "../../support/content.ts";
import { assertCode, assertSame, fill, startProxiedSftpPair, startSftpPair } from "../../support/targets/sftp_pair.ts";
import { serverTest } from "../../support/servers/install.ts";

const server = "sftp";
const MiB = 1 << 20;
const ways = [
  { mode: "Remote", from: "local", to: "remote", direction: "up" },
  { mode: "Local", from: "remote", to: "local", direction: "down" },
] as const;

for (const { mode, from, to, direction } of ways) {
  serverTest(`Sync-Path -Mode ${mode} -InPlace writes into the files that are there, and makes new ones as ever`, {
    server,
  }, async () => {
    await using pair = await startSftpPair();
    await fill(pair[from], { "grows": pattern(500_000), "shrinks": "s", "new": "n" });
    await fill(pair[to], { "grows": "g", "shrinks": pattern(3 * MiB, 2) });
    await Deno.link(`${pair[to]}/grows`, `${pair[to]}/other name`);
    const before = [await Deno.stat(`${pair[to]}/grows`), await Deno.stat(`${pair[to]}/shrinks`)];
    assertCode(await pair.sync(`-Mode ${mode} -Mirror -InPlace -Criteria Size`), 0);
    const after = [await Deno.stat(`${pair[to]}/grows`), await Deno.stat(`${pair[to]}/shrinks`)];
    assert.deepEqual(after.map(({ ino }) => ino), before.map(({ ino }) => ino));
    assert.deepEqual(await Deno.readFile(`${pair[to]}/other name`), pattern(500_000));
    await Deno.remove(`${pair[to]}/other name`);
    assertSame(pair);
    await pair.idle(`-Mode ${mode} -InPlace`);
  });

  serverTest(`Sync-Path -Mode ${mode} -InPlace, killed while it writes, is made whole by the next run`, {
    server,
  }, async () => {
    await using pair = await startProxiedSftpPair({ requestLog: false });
    await fill(pair[to], { "large": pattern(32 * MiB, 1) });
    await fill(pair[from], { "large": pattern(32 * MiB, 2) });
    const child = pair.start(`-Mode ${mode} -InPlace -Criteria Checksum`);
    pair.proxy.after(24 * MiB, () => child.kill("SIGKILL"), direction);
    assert.equal((await child.output()).signal, "SIGKILL");
    const torn = await Deno.readFile(`${pair[to]}/large`);
    for (const seed of [1, 2]) assert.ok(!isSame(torn, pattern(32 * MiB, seed)), "it was killed too early or too late");
    const back = await pair.sync(`-Mode ${mode === "Remote" ? "Local" : "Remote"} -Mirror`);
    assertCode(back, 1);
    assert.match(back.stdout, /half old and half new/);
    // It is the newer one, and yet it is not kept.
    assertCode(await pair.sync(`-Mode ${mode}`), 0);
    assertSame(pair);
    await pair.idle(`-Mode ${mode}`);
  });
}
