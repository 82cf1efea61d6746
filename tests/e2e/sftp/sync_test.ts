import assert from "node:assert/strict";
import { serverTest } from "../../support/servers/install.ts";
import {
  assertCode,
  assertSame,
  fill,
  readFolder,
  setOldTime,
  type SftpPair,
  stampFolder,
  startSftpPair,
} from "../../support/targets/sftp_pair.ts";

const server = "sftp";
const big = new Uint8Array(300_000).map((_, index) => index * 7);
const tree = { "a.txt": "one", "empty": "", "big.bin": big, "dir/deep/deeper/b.txt": "two", "hollow/": "" };

/** The counts of a result, in one look. */
function counts(result: Record<string, unknown>) {
  const { UploadCount: up, DownloadCount: down, RemovalCount: gone, FailureCount: failed, ConflictCount: open } =
    result;
  return { up, down, gone, failed, open };
}

const nothing = { up: 0, down: 0, gone: 0, failed: 0, open: 0 };

serverTest("Sync-Path -Mode Remote makes a tree, its empty folders and times, and then has nothing to do", {
  server,
}, async () => {
  await using pair = await startSftpPair();
  await fill(pair.local, tree);
  const ran = await pair.sync("-Mode Remote");
  assertCode(ran, 0);
  assert.deepEqual(counts(ran.result()), { ...nothing, up: 4 });
  assertSame(pair);
  const there = await Deno.stat(`${pair.remote}/dir/deep/deeper/b.txt`);
  assert.equal(there.mtime?.getTime(), 1_700_000_000_000);
  await pair.idle("-Mode Remote");
  await pair.idle("-Mode Remote -Mirror -Remove -Criteria Time,Size,Checksum");
});

serverTest("Sync-Path makes the parents of a remote root that does not exist", { server }, async () => {
  await using pair = await startSftpPair();
  await fill(pair.local, tree);
  const ran = await pair.run(["Sync-Path", pair.local, `${pair.address}/not/there/yet`, "-Mode", "Remote"]);
  assertCode(ran, 0);
  assertSame({ local: pair.local, remote: `${pair.remote}/not/there/yet` });
});

serverTest("Sync-Path -Mode Local downloads into a folder that does not exist yet, and then has nothing to do", {
  server,
}, async () => {
  await using pair = await startSftpPair();
  await fill(pair.remote, tree);
  await Deno.remove(pair.local);
  const ran = await pair.sync("-Mode Local");
  assertCode(ran, 0);
  assert.deepEqual(counts(ran.result()), { ...nothing, down: 4 });
  assertSame(pair);
  assert.deepEqual(await pair.sshd.mutations(), []);
  await pair.idle("-Mode Local");
  await pair.idle("-Mode Local -Mirror -Remove");
});

serverTest("Sync-Path -Mode Both copies what is new on either side, makes both sides equal and loses no version", {
  server,
}, async () => {
  await using pair = await startSftpPair();
  await fill(pair.local, { "here": "h", "same": "s", "ours": "ours, newer", "theirs": "theirs, old", "mine/": "" });
  await fill(pair.remote, { "there": "t", "same": "s", "ours": "ours, old", "theirs": "theirs, newer", "yours/": "" });
  await setOldTime(`${pair.remote}/ours`, 5);
  await setOldTime(`${pair.local}/theirs`, 5);
  const ran = await pair.sync("-Mode Both");
  assertCode(ran, 0);
  assertSame(pair);
  const found = readFolder(pair.local);
  assert.deepEqual([found["here"], found["there"], found["mine/"], found["yours/"]], ["h", "t", "", ""]);
  const kept = Object.values({ ...readFolder(pair.sshd.home), ...found });
  for (const text of ["ours, newer", "ours, old", "theirs, newer", "theirs, old"]) {
    assert.ok(kept.includes(text), `"${text}" is lost`);
  }
  await pair.idle("-Mode Both");
});

serverTest("Sync-Path keeps a newer file of the side that changes, and takes the older one with -Mirror", {
  server,
}, async () => {
  await using pair = await startSftpPair();
  await fill(pair.local, { "a": "local" });
  await fill(pair.remote, { "a": "remote, newer" });
  await setOldTime(`${pair.local}/a`, 5);
  assertCode(await pair.sync("-Mode Remote"), 0);
  assert.equal(readFolder(pair.remote)["a"], "remote, newer");
  assert.deepEqual(await pair.sshd.mutations(), []);
  assertCode(await pair.sync("-Mode Remote -Mirror"), 0);
  assert.equal(readFolder(pair.remote)["a"], "local");
  await pair.idle("-Mode Remote -Mirror");
});

serverTest("Sync-Path -Remove removes files and folders that the source lacks, last, and says which", {
  server,
}, async () => {
  await using pair = await startSftpPair();
  await fill(pair.local, { "keep": "k", "new": "n" });
  await fill(pair.remote, { "keep": "k", "old": "o", "dir/x/y": "1", "dir/z": "2", "hollow/": "" });
  const kept = await pair.sync("-Mode Remote");
  assert.deepEqual(counts(kept.result()), { ...nothing, up: 1 });
  await fill(pair.local, { "newer": "n" });
  const ran = await pair.sync("-Mode Remote -Remove");
  assertCode(ran, 0);
  assert.deepEqual(counts(ran.result()), { ...nothing, up: 1, gone: 3 });
  assert.equal(ran.result().FoldersRemoved, 3);
  assertSame(pair);
  const names = (await pair.sshd.mutations()).map((line) => line.split(" ")[0]);
  assert.ok(names.lastIndexOf("rename") < names.indexOf("remove"), names.join());
  await pair.idle("-Mode Remote -Remove");
});

serverTest("Sync-Path -Mode Local -Remove removes local files and folders", { server }, async () => {
  await using pair = await startSftpPair();
  await fill(pair.remote, { "keep": "k" });
  await fill(pair.local, { "keep": "k", "old": "o", "dir/x/y": "1" });
  const ran = await pair.sync("-Mode Local -Remove");
  assertCode(ran, 0);
  assert.deepEqual(counts(ran.result()), { ...nothing, gone: 2 });
  assertSame(pair);
});

for (const mode of ["Remote", "Local"]) {
  serverTest(`Sync-Path -Mode ${mode} -Criteria Checksum finds other bytes of equal time and size`, {
    server,
  }, async () => {
    await using pair = await startSftpPair();
    await fill(pair.local, { "a": "12345", "b": "same", "big": big });
    await fill(pair.remote, { "a": "54321", "b": "same", "big": big.toReversed() });
    await pair.idle(`-Mode ${mode}`);
    const ran = await pair.sync(`-Mode ${mode} -Criteria Checksum`);
    assertCode(ran, 0);
    assert.deepEqual(counts(ran.result()), { ...nothing, [mode === "Remote" ? "up" : "down"]: 2 });
    assertSame(pair);
    assert.equal(readFolder(pair.local)["a"], mode === "Remote" ? "12345" : "54321");
    await pair.idle(`-Mode ${mode} -Criteria Checksum`);
  });
}

serverTest("Sync-Path -SkipNew and -SkipModified leave new, or modified, files alone, and the latter is said", {
  server,
}, async () => {
  await using pair = await startSftpPair();
  await fill(pair.local, { "new": "n", "changed": "longer than before" });
  await fill(pair.remote, { "changed": "before" });
  await setOldTime(`${pair.remote}/changed`, 5);
  const kept = await pair.sync("-Mode Remote -SkipNew -SkipModified");
  assertCode(kept, 1);
  assert.deepEqual((kept.result().Failures as { Path: string }[]).map(({ Path }) => Path), ["changed"]);
  assert.deepEqual(await pair.sshd.mutations(), []);
  assertCode(await pair.sync("-Mode Remote -SkipNew"), 0);
  assert.deepEqual(readFolder(pair.remote), { "changed": "longer than before" });
  await fill(pair.remote, { "changed": "before" });
  await setOldTime(`${pair.remote}/changed`, 5);
  assertCode(await pair.sync("-Mode Remote -SkipModified"), 1);
  assert.deepEqual(readFolder(pair.remote), { "changed": "before", "new": "n" });
});

/** A pair with something to do in every direction. */
async function unequal(): Promise<SftpPair> {
  const pair = await startSftpPair();
  await fill(pair.local, { "both": "local, newer", "here/a": "a" });
  await fill(pair.remote, { "both": "remote", "there/b": "b" });
  await setOldTime(`${pair.remote}/both`, 5);
  return pair;
}

for (const words of ["-Mode Remote -Mirror -Remove", "-Mode Local -Mirror -Remove", "-Mode Both"]) {
  serverTest(`Sync-Path ${words} -WhatIf tells the plan that is then carried out, and writes nothing anywhere`, {
    server,
  }, async () => {
    await using pair = await unequal();
    const before = [stampFolder(pair.local), stampFolder(pair.remote), stampFolder(pair.sshd.home)];
    const planned = await pair.sync(`${words} -WhatIf`);
    assertCode(planned, 0);
    assert.deepEqual(await pair.sshd.mutations(), []);
    assert.deepEqual([stampFolder(pair.local), stampFolder(pair.remote), stampFolder(pair.sshd.home)], before);
    const done = await pair.sync(words);
    assertCode(done, 0);
    const [plan, result] = [planned.result(), done.result()];
    assert.deepEqual([plan.IsWhatIf, result.IsWhatIf], [true, false]);
    assert.deepEqual(counts(plan), counts(result));
    const files = (one: Record<string, unknown>) =>
      ["Uploads", "Downloads", "Removals"].map((name) =>
        (one[name] as Record<string, unknown>[]).map(({ Action, FileName }) =>
          // A conflict's copy carries the second in which it was made.
          `${Action} ${FileName}`.replace(/ \d{6}\)$/, ")")
        ).sort()
      );
    assert.deepEqual(files(plan), files(result));
    await pair.idle(words);
  });
}

serverTest("Compare-Path gives the plan line and one difference each, and changes nothing", { server }, async () => {
  await using pair = await unequal();
  const before = [stampFolder(pair.local), stampFolder(pair.remote), stampFolder(pair.sshd.home)];
  const ran = await pair.sync("Compare-Path -Mode Remote -Remove");
  assertCode(ran, 0);
  const [plan, ...differences] = ran.objects();
  assert.deepEqual([plan?.Type, plan?.Mode], ["Plan", "Remote"]);
  assert.deepEqual(
    differences.map(({ Type, Action, Path }) => `${Type} ${Action} ${Path}`).sort(),
    [
      "Difference DeleteRemote there",
      "Difference DeleteRemote there/b",
      "Difference UploadNew here",
      "Difference UploadNew here/a",
      "Difference UploadUpdate both",
    ],
  );
  const update = differences.find(({ Path }) => Path === "both");
  assert.deepEqual([(update?.Local as { Length: number }).Length, (update?.Remote as { Length: number }).Length], [
    ...[12, 6],
  ]);
  assert.deepEqual(await pair.sshd.mutations(), []);
  assert.deepEqual([stampFolder(pair.local), stampFolder(pair.remote), stampFolder(pair.sshd.home)], before);
});

serverTest("Sync-Path works in an internal-sftp account that is locked into its folder", {
  server,
  ignore: Deno.uid() !== 0,
}, async () => {
  await using pair = await startSftpPair({ chroot: true, password: "correct horse" });
  const env = { TANDEM_PASSWORD: "correct horse" };
  await fill(pair.local, tree);
  assertCode(await pair.sync("-Mode Remote -SshConfigFile none", { env }), 0);
  assertSame(pair);
  await fill(pair.remote, { "back": "from there" });
  await Deno.remove(`${pair.remote}/a.txt`);
  assertCode(await pair.sync("-Mode Local -Remove", { env }), 0);
  assertSame(pair);
  const again = await pair.sync("-Mode Both", { env });
  assert.deepEqual(counts(again.result()), nothing);
});
