import assert from "node:assert/strict";
import { assertCode, assertSame, fill, readFolder, startSftpPair } from "../../support/targets/sftp_pair.ts";
import { serverTest } from "../../support/servers/install.ts";
import { makeKey, startSshd } from "../../support/servers/sftp.ts";

const server = "sftp";

serverTest("Sync-Path logs in with an encrypted key, and without its passphrase says what is missing", {
  server,
}, async () => {
  await using pair = await startSftpPair();
  await fill(pair.local, { "a": "1" });
  const { dir, authorizedKeys, privateKeyPath } = pair.sshd;
  const line = await makeKey(`${dir}/locked`, "ed25519", "-N", "open sesame");
  await Deno.writeTextFile(authorizedKeys, `${line}\n`);
  await Deno.remove(privateKeyPath);
  const words = ["Sync-Path", pair.local, pair.address, "-Mode", "Remote", "-IdentityFile", `${dir}/locked`];
  const lacking = await pair.run(words);
  assertCode(lacking, 4);
  assert.match(lacking.stderr, /passphrase/i);
  const wrong = await pair.run([...words, "-SshPrivateKeyPassphrase", "open barley"]);
  assertCode(wrong, 4);
  assert.doesNotMatch(wrong.stderr + wrong.stdout, /open barley/);
  assertCode(await pair.run([...words, "-SshPrivateKeyPassphrase", "open sesame"]), 0);
  assertSame(pair);
});

serverTest("Sync-Path logs in with a key that only the agent holds", {
  server,
  ignore: Deno.build.os === "windows",
}, async () => {
  await using pair = await startSftpPair();
  await fill(pair.local, { "a": "1" });
  const { dir, privateKeyPath } = pair.sshd;
  const socket = `${dir}/agent`;
  const agent = new Deno.Command("ssh-agent", { args: ["-D", "-a", socket], stdout: "null", stderr: "null" }).spawn();
  try {
    for (let tries = 0; !await Deno.stat(socket).then(() => true, () => false) && tries < 500; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const env = { SSH_AUTH_SOCK: socket };
    const added = await new Deno.Command("ssh-add", { args: ["-q", privateKeyPath], env }).output();
    assert.ok(added.success, new TextDecoder().decode(added.stderr));
    await Deno.remove(privateKeyPath);
    assertCode(await pair.sync("-Mode Remote"), 4);
    assertCode(await pair.sync("-Mode Remote", { env }), 0);
    assertSame(pair);
  } finally {
    agent.kill("SIGTERM");
    await agent.status;
  }
});

serverTest("Sync-Path goes through the jump host of ~/.ssh/config to a name that only the config knows", {
  server,
}, async () => {
  await using pair = await startSftpPair();
  await using gate = await startSshd({ requestLog: false });
  await fill(pair.local, { "a": "1", "dir/b": "2" });
  const { sshd } = pair;
  await Deno.writeTextFile(sshd.knownHosts, await Deno.readTextFile(gate.knownHosts), { append: true });
  const block = (name: string, { user, port, privateKeyPath }: typeof gate) =>
    `Host ${name}\n HostName 127.0.0.1\n Port ${port}\n User ${user}\n IdentityFile ${privateKeyPath}\n`;
  await Deno.writeTextFile(
    `${sshd.home}/.ssh/config`,
    `${block("gate", gate)}${block("inner", sshd)} ProxyJump gate\n`,
    { mode: 0o600 },
  );
  assertCode(await pair.run(["Sync-Path", pair.local, `sftp://inner${sshd.root}`, "-Mode", "Remote"]), 0);
  assertSame(pair);
  assert.match(await gate.log(), /Accepted publickey/);
});

serverTest("Sync-Path holds back what lies beside folders and files of the server that it may not read", {
  server,
  ignore: Deno.uid() !== 0,
}, async () => {
  await using pair = await startSftpPair({ password: "correct horse" });
  await fill(pair.remote, { "open/a": "1", "closed/b": "2", "closed file": "3" });
  await fill(pair.local, { "open/old": "o", "closed/old": "o", "closed file": "before" });
  for (const path of ["closed", "closed file"]) await Deno.chmod(`${pair.remote}/${path}`, 0o700);
  const env = { TANDEM_PASSWORD: "correct horse" };
  const ran = await pair.sync("-Mode Local -Remove -Mirror", { env });
  assertCode(ran, 1);
  assert.deepEqual([ran.result().FailureCount, ran.result().RemovalCount], [2, 0]);
  assert.deepEqual(readFolder(pair.local), {
    ...{ "closed file": "before", "closed/": "", "closed/old": "o" },
    ...{ "open/": "", "open/a": "1", "open/old": "o" },
  });
  const despite = await pair.sync("-Mode Local -Remove -RemoveDespiteFailures", { env });
  assertCode(despite, 1);
  assert.deepEqual(readFolder(pair.local), {
    ...{ "closed file": "before", "closed/": "", "closed/old": "o", "open/": "", "open/a": "1" },
  });
});
