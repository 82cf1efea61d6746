import assert from "node:assert/strict";
import {
  assertCode,
  assertSame,
  fill,
  readFolder,
  setOldTime,
  startSftpPair,
} from "../../support/targets/sftp_pair.ts";
import { serverTest } from "../../support/servers/install.ts";
import { counts } from "../../support/tandem.ts";

serverTest("Sync-Path -Mode Both over SFTP carries deletions, and keeps what loses in the login folder", {
  server: "sftp",
}, async () => {
  await using pair = await startSftpPair();
  await fill(pair.local, { "one": "1", "two": "22", "d/three": "333", "both": "old" });
  assertCode(await pair.sync("-Mode Both -Remove"), 0);
  await Deno.remove(`${pair.local}/one`);
  await Deno.writeTextFile(`${pair.remote}/both`, "theirs, earlier");
  await setOldTime(`${pair.remote}/both`, -1);
  await Deno.writeTextFile(`${pair.local}/both`, "ours, later");
  const second = await pair.sync("-Mode Both -Remove");
  assertCode(second, 0);
  assert.deepEqual(counts(second), [1, 0, 1, 1, 0], second.stderr);
  assertSame(pair);
  assert.deepEqual(Object.keys(readFolder(pair.remote)).sort(), ["both", "d/", "d/three", "two"]);
  const items = (await pair.run(["Get-TrashItem"])).objects();
  const kept = items.map(({ Path, Side, Why }) => `${Why} ${Side} ${Path}`).sort();
  assert.deepEqual(kept, ["Conflict Remote both", "Removed Remote one"]);
  assert.ok(items.every(({ Kept }) => String(Kept).startsWith(`${pair.sshd.home}/.tandem-trash/`)), second.stdout);
  const { Id } = items.find(({ Path }) => Path === "both") ?? {};
  assertCode(await pair.run(["Restore-TrashItem", String(Id), "-Force"]), 0);
  assert.equal(readFolder(pair.remote)["both"], "theirs, earlier");
  assertCode(await pair.sync("-Mode Both -Remove"), 0);
  assert.equal(readFolder(pair.local)["both"], "theirs, earlier");
  await pair.idle("-Mode Both -Remove");
});

serverTest(
  "Sync-Path -RemoteLock stays out of a folder that another machine has locked, until it is told to take over",
  { server: "sftp" },
  async () => {
    await using pair = await startSftpPair();
    await fill(pair.local, { "new": "1" });
    const lock = `${pair.remote}/.tandem-lock`;
    const theirs = JSON.stringify({ host: "elsewhere", pid: 7, start: Date.now(), lease: Date.now() });
    await Deno.writeTextFile(lock, theirs);
    const refused = await pair.sync("-Mode Remote -RemoteLock");
    assertCode(refused, 5);
    assert.match(refused.stderr, /process 7 on elsewhere.*-BreakLock/);
    assert.deepEqual(Object.keys(readFolder(pair.remote)), [".tandem-lock"]);
    assertCode(await pair.sync("-Mode Remote"), 0);
    assert.deepEqual(Object.keys(readFolder(pair.remote)), [".tandem-lock", "new"]);
    assert.equal(await Deno.readTextFile(lock), theirs);
    assertCode(await pair.sync("-Mode Remote -Mirror -Remove -RemoteLock -BreakLock"), 0);
    assertSame(pair);
    assertCode(await pair.sync("-Mode Both -RemoteLock"), 0);
    assertSame(pair);
  },
);
