import assert from "node:assert/strict";
import { assertCode, fill, readFolder, type SftpPair, startSftpPair } from "../../support/targets/sftp_pair.ts";
import { serverTest } from "../../support/servers/install.ts";
import type { Sshd } from "../../support/servers/sftp.ts";
import type { RunResult } from "../../support/tandem.ts";

const server = "sftp";
const wrongPin = `SHA256:${"A".repeat(43)}`;

/** Fails unless the run ended with exit 4 before any login was tried, in three lines at most, with nothing changed. */
async function assertDistrusted(pair: SftpPair, ran: RunResult): Promise<void> {
  assertCode(ran, 4);
  assert.ok(ran.stderr.trim().split("\n").length <= 3, ran.stderr);
  assert.deepEqual(await attempts(pair.sshd), []);
  assert.deepEqual(readFolder(pair.remote), {});
  const [result] = ran.objects();
  assert.deepEqual([result?.ExitCode, result?.IsSuccess], [4, false]);
}

/** What sshd noted of logins. */
async function attempts(sshd: Sshd): Promise<string[]> {
  return (await sshd.log()).split("\n").filter((line) => /^(Failed|Accepted|Postponed|Invalid|Partial)/.test(line));
}

async function start(known: boolean): Promise<SftpPair> {
  const pair = await startSftpPair({ known });
  await fill(pair.local, { "a": "1" });
  return pair;
}

serverTest(
  "An unknown host without a terminal is exit 4 before any login, with the fingerprint and the way to trust it",
  {
    server,
  },
  async () => {
    await using pair = await start(false);
    const env = { TANDEM_PASSWORD: "correct horse" };
    const ran = await pair.sync("-Mode Remote", { env });
    await assertDistrusted(pair, ran);
    assert.ok(ran.stderr.includes(pair.sshd.fingerprint), ran.stderr);
    const [, pin = ""] = /-SshHostKeyFingerprint "([^"]+)"/.exec(ran.stderr) ?? [];
    assert.equal(await Deno.readTextFile(pair.sshd.knownHosts), "");
    const words = ["Sync-Path", pair.local, pair.address, "-Mode", "Remote", "-SshHostKeyFingerprint", pin];
    assertCode(await pair.run(words), 0);
    assert.equal(await Deno.readTextFile(pair.sshd.knownHosts), "");
  },
);

serverTest("AcceptNew keeps a new key and never a changed one", { server }, async () => {
  await using first = await start(false);
  assertCode(await first.sync("-Mode Remote -SshHostKeyPolicy AcceptNew -WhatIf"), 0);
  assert.equal(await Deno.readTextFile(first.sshd.knownHosts), "");
  assertCode(await first.sync("-Mode Remote -SshHostKeyPolicy AcceptNew"), 0);
  const known = await Deno.readTextFile(first.sshd.knownHosts);
  assert.match(known, /ssh-ed25519/);
  assertCode(await first.sync("-Mode Remote"), 0);
  const { port } = first.sshd;
  await first.sshd[Symbol.asyncDispose]();
  await using second = await startSftpPair({ port, known: false });
  await fill(second.local, { "a": "1" });
  await Deno.writeTextFile(second.sshd.knownHosts, known);
  for (const policy of ["AcceptNew", "Check"]) {
    const ran = await second.sync(`-Mode Remote -SshHostKeyPolicy ${policy}`);
    await assertDistrusted(second, ran);
    assert.ok(ran.stderr.includes(second.sshd.fingerprint) && ran.stderr.includes(first.sshd.fingerprint), ran.stderr);
    assert.match(ran.stderr, /changed|another|other/i);
  }
  assert.equal(await Deno.readTextFile(second.sshd.knownHosts), known);
});

serverTest("A wrong pin is refused though known hosts trust the server, by parameter and in the address", {
  server,
}, async () => {
  await using pair = await start(true);
  const byParameter = await pair.sync(`-Mode Remote -SshHostKeyFingerprint ${wrongPin}`);
  await assertDistrusted(pair, byParameter);
  assert.ok(byParameter.stderr.includes(pair.sshd.fingerprint), byParameter.stderr);
  const { user, port, root } = pair.sshd;
  const address = `sftp://${user};fingerprint=${wrongPin}@127.0.0.1:${port}${root}`;
  await assertDistrusted(pair, await pair.run(["Sync-Path", pair.local, address, "-Mode", "Remote"]));
  const beside = await pair.sync(`-Mode Remote -SshHostKeyFingerprint ${wrongPin} -SshHostKeyPolicy AcceptNew`);
  assertCode(beside, 2);
  assert.deepEqual(await attempts(pair.sshd), []);
});

serverTest("GiveUpSecurityAndAcceptAny takes any key, warns each time and writes nothing", { server }, async () => {
  await using pair = await start(false);
  for (let count = 0; count < 2; count++) {
    const ran = await pair.sync("-Mode Remote -SshHostKeyPolicy GiveUpSecurityAndAcceptAny");
    assertCode(ran, 0);
    assert.match(ran.stderr, /Warning: .*not checked/);
  }
  assert.equal(await Deno.readTextFile(pair.sshd.knownHosts), "");
});
