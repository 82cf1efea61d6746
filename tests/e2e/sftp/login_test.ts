import assert from "node:assert/strict";
import { join } from "node:path";
import { client, login, loginFails, makeHome } from "../../support/ssh_client.ts";
import { makeKey, type Sshd, startSshd } from "../../support/servers/sftp.ts";
import { startAgent } from "../../support/ssh_agent.ts";
import { serverTest } from "../../support/servers/install.ts";

const server = "sftp";
const passphrase = "correct horse";

/** Lets a public key in, and gives the private one's path. */
async function authorize(sshd: Sshd, name: string, args: readonly string[]): Promise<string> {
  const path = join(sshd.dir, name);
  const [type = "", ...more] = args;
  const line = await makeKey(path, type, ...more);
  await Deno.writeTextFile(sshd.authorizedKeys, `${line}\n`, { append: true });
  return path;
}

serverTest(
  "connectSftp() logs in with a key of ~/.ssh and gives further links without a question",
  { server },
  async () => {
    await using sshd = await startSshd();
    const ann = client(sshd);
    const connector = await login(ann, 3);
    assert.equal(connector.label, `sftp://${sshd.user}@127.0.0.1:${sshd.port}`);
    assert.equal(connector.peer, sshd.fingerprint);
    assert.equal(connector.host, "127.0.0.1");
    assert.deepEqual([ann.questions, ann.warnings], [[], []]);
  },
);

const kinds: readonly (readonly [string, readonly string[]])[] = [
  ["Ed25519", ["ed25519"]],
  ["ECDSA on P-256", ["ecdsa", "-b", "256"]],
  ["ECDSA on P-384", ["ecdsa", "-b", "384"]],
  ["ECDSA on P-521", ["ecdsa", "-b", "521"]],
  ["RSA", ["rsa", "-b", "2048"]],
  ["RSA in PEM", ["rsa", "-b", "2048", "-m", "PEM"]],
  ["ECDSA on P-521 in PEM", ["ecdsa", "-b", "521", "-m", "PEM"]],
  ["RSA in PKCS#8", ["rsa", "-b", "2048", "-m", "PKCS8"]],
  ["ECDSA in PKCS#8", ["ecdsa", "-m", "PKCS8"]],
  ["encrypted Ed25519", ["ed25519", "-N", passphrase]],
  ["encrypted Ed25519 under AES-GCM", ["ed25519", "-N", passphrase, "-Z", "aes256-gcm@openssh.com"]],
  ["encrypted RSA in PEM", ["rsa", "-b", "2048", "-m", "PEM", "-N", passphrase]],
  ["encrypted ECDSA in PEM", ["ecdsa", "-m", "PEM", "-N", passphrase]],
  ["encrypted RSA in PKCS#8", ["rsa", "-b", "2048", "-m", "PKCS8", "-N", passphrase]],
];

serverTest("connectSftp() logs in with keys of every kind", { server }, async (t) => {
  await using sshd = await startSshd();
  await using nobody = await makeHome({ known_hosts: await Deno.readTextFile(sshd.knownHosts) });
  for (const [name, args] of kinds) {
    await t.step(name, async () => {
      const path = await authorize(sshd, name.replaceAll(/\W/g, "_"), args);
      const secrets = { SshPrivateKeyPassphrase: passphrase };
      const ann = client({ ...sshd, ...nobody }, { options: { SshPrivateKeyPath: path }, secrets });
      await login(ann, 2);
      assert.deepEqual(ann.questions, []);
    });
  }
});

serverTest("connectSftp() asks once for a passphrase and hands it on", { server }, async () => {
  await using sshd = await startSshd();
  const path = await authorize(sshd, "locked", ["ed25519", "-N", passphrase]);
  const answers = ["wrong", passphrase];
  const ann = client(sshd, { options: { SshPrivateKeyPath: path }, ask: () => answers.shift() });
  await login(ann, 3);
  assert.equal(ann.questions.length, 2);
  assert.deepEqual([...ann.kept], [["SshPrivateKeyPassphrase", passphrase]]);
});

serverTest("connectSftp() tells why an encrypted key was not tried where nobody can be asked", { server }, async () => {
  await using sshd = await startSshd();
  await using nobody = await makeHome({ known_hosts: await Deno.readTextFile(sshd.knownHosts) });
  const path = await authorize(sshd, "locked", ["ed25519", "-N", passphrase]);
  const ann = client({ ...sshd, ...nobody }, { options: { SshPrivateKeyPath: path } });
  const error = await loginFails(ann, "auth");
  assert.match(
    error.message,
    new RegExp(`${sshd.user}@127.0.0.1.*locked": it is encrypted, and no passphrase was given`),
  );
});

serverTest("connectSftp() names what it tried when nothing fits", { server }, async () => {
  await using sshd = await startSshd();
  await using stranger = await makeHome({ known_hosts: await Deno.readTextFile(sshd.knownHosts) });
  await makeKey(join(stranger.home, ".ssh", "id_ed25519"), "ed25519");
  const error = await loginFails(client({ ...sshd, ...stranger }), "auth");
  assert.match(error.message, /refused key ".*id_ed25519"; the server accepts publickey; give -SshPrivateKeyPath/);
});

serverTest("connectSftp() refuses a key file that is absent or useless before it connects", { server }, async () => {
  await using sshd = await startSshd();
  const before = await sshd.log();
  for (
    const [path, why] of [["/absent/key", /does not exist/], [`${sshd.privateKeyPath}.pub`, /public key/]] as const
  ) {
    const error = await loginFails(client(sshd, { options: { SshPrivateKeyPath: path } }), "badInput");
    assert.match(error.message, why);
  }
  assert.equal(await sshd.log(), before);
});

serverTest("connectSftp() warns of a key that others can read", { server }, async () => {
  await using sshd = await startSshd();
  await Deno.chmod(sshd.privateKeyPath, 0o644);
  const ann = client(sshd);
  await login(ann);
  assert.equal(ann.warnings.length, 1);
  assert.match(ann.warnings[0] ?? "", /id_ed25519" can be read by others \(mode 644\)/);
});

serverTest("connectSftp() logs in with the agent's keys, unless there is to be none", { server }, async () => {
  await using sshd = await startSshd();
  await using agent = await startAgent(sshd.dir, [sshd.privateKeyPath]);
  await using nobody = await makeHome({ known_hosts: await Deno.readTextFile(sshd.knownHosts) });
  const keyless = { ...sshd, ...nobody };
  await login(client(keyless, { env: { SSH_AUTH_SOCK: agent.socket } }), 2);
  await login(client(keyless, { options: { SshAgent: agent.socket } }));
  await loginFails(client(keyless, { env: { SSH_AUTH_SOCK: agent.socket }, options: { SshAgent: "none" } }), "auth");
});

serverTest("connectSftp() shows a server only the agent's key that IdentitiesOnly allows", { server }, async () => {
  await using sshd = await startSshd();
  const others = await Promise.all([1, 2, 3].map(async (n) => {
    await makeKey(join(sshd.dir, `other${n}`), "ed25519");
    return join(sshd.dir, `other${n}`);
  }));
  await using agent = await startAgent(sshd.dir, [...others, sshd.privateKeyPath]);
  const config = `Host *\n IdentitiesOnly yes\n IdentityFile ~/.ssh/in_agent\n`;
  await using nobody = await makeHome({
    config,
    known_hosts: await Deno.readTextFile(sshd.knownHosts),
    "in_agent.pub": await Deno.readTextFile(`${sshd.privateKeyPath}.pub`),
  });
  await login(client({ ...sshd, ...nobody }, { env: { SSH_AUTH_SOCK: agent.socket } }));
  assert.equal((await sshd.log()).match(/Failed publickey/g), null);
});

serverTest(
  "connectSftp() goes on with the next login when the server hangs up over the agent's many keys",
  { server },
  async () => {
    await using sshd = await startSshd({ config: ["MaxAuthTries 3"] });
    const others: string[] = [];
    for (let n = 0; n < 5; n++) {
      others.push(join(sshd.dir, `other${n}`));
      await makeKey(others[n] ?? "", "ed25519");
    }
    await using agent = await startAgent(sshd.dir, others);
    await login(client(sshd, { env: { SSH_AUTH_SOCK: agent.socket } }), 2);
  },
);

serverTest(
  "connectSftp() offers the agent's key first that an IdentityFile of a public key names",
  { server },
  async (t) => {
    await using sshd = await startSshd({ config: ["MaxAuthTries 6"] });
    const others: string[] = [];
    for (let n = 0; n < 8; n++) {
      others.push(join(sshd.dir, `other${n}`));
      await makeKey(others[n] ?? "", "ed25519");
    }
    const pub = join(sshd.dir, "named.pub");
    await Deno.copyFile(`${sshd.privateKeyPath}.pub`, pub);
    await using agent = await startAgent(sshd.dir, [...others, sshd.privateKeyPath]);
    const env = { SSH_AUTH_SOCK: agent.socket };
    const known_hosts = await Deno.readTextFile(sshd.knownHosts);
    const failed = async () =>
      (await sshd.log()).match(/Failed publickey|maximum authentication attempts/g)?.length ?? 0;
    await t.step("in ssh_config", async () => {
      await using nobody = await makeHome({ known_hosts, config: `Host *\n IdentityFile ${pub}\n` });
      await login(client({ ...sshd, ...nobody }, { env }));
      assert.equal(await failed(), 0);
    });
    await t.step("in the command", async () => {
      await using nobody = await makeHome({ known_hosts });
      await login(client({ ...sshd, ...nobody }, { env, options: { SshPrivateKeyPath: pub } }));
      assert.equal(await failed(), 0);
    });
    await t.step("nowhere: on further connections", async () => {
      await using nobody = await makeHome({ known_hosts });
      await login(client({ ...sshd, ...nobody }, { env }));
    });
    await t.step("one that the agent does not hold", async () => {
      await using nobody = await makeHome({ known_hosts });
      await makeKey(join(sshd.dir, "absent"), "ed25519");
      const options = { SshPrivateKeyPath: join(sshd.dir, "absent.pub") };
      const error = await loginFails(client({ ...sshd, ...nobody }, { env, options }), "badInput");
      assert.match(error.message, /it is a public key.*the agent does not hold/);
    });
  },
);

serverTest(
  "connectSftp() goes on with a second factor after a key of the agent",
  { server, ignore: Deno.uid() !== 0 },
  async (t) => {
    for (const type of ["ed25519", "rsa"]) {
      await t.step(type, async () => {
        const config = ["AuthenticationMethods publickey,password"];
        await using sshd = await startSshd({ password: "second", config });
        const other = join(sshd.dir, "other");
        await makeKey(other, "ed25519");
        const right = await authorize(sshd, "right", [type]);
        await using agent = await startAgent(sshd.dir, [other, right]);
        await using nobody = await makeHome({ known_hosts: await Deno.readTextFile(sshd.knownHosts) });
        const env = { SSH_AUTH_SOCK: agent.socket };
        const ann = client({ ...sshd, ...nobody }, { env, secrets: { password: "second" } });
        await login(ann, 3);
        assert.deepEqual(ann.questions, []);
        await loginFails(client({ ...sshd, ...nobody }, { env }), "auth");
      });
    }
  },
);

serverTest("connectSftp() goes on when the agent is dead", { server }, async () => {
  await using sshd = await startSshd();
  await login(client(sshd, { env: { SSH_AUTH_SOCK: join(sshd.dir, "no.sock") } }));
});

serverTest("connectSftp() follows an alias of ~/.ssh/config", { server }, async () => {
  await using sshd = await startSshd();
  const config = `Host farm
  HostName 127.0.0.1
  Port ${sshd.port}
  User ${sshd.user}
  IdentityFile ${sshd.privateKeyPath}
  HostKeyAlias farm-key
  UserKnownHostsFile ~/.ssh/farm_hosts
Match exec "touch ${sshd.dir}/ran"
  User evil
Host *
  StrictHostKeyChecking no
`;
  await using ann = await makeHome({ config, farm_hosts: `farm-key ${sshd.hostKeys[0]}\n` });
  const address = { scheme: "sftp", host: "farm", path: "", pins: [] };
  const target = { ...client({ ...sshd, ...ann }, { options: { SshClient: "BuiltIn" } }), address };
  const connector = await login(target);
  assert.equal(connector.label, `sftp://${sshd.user}@farm:${sshd.port}`);
  assert.equal(connector.host, "127.0.0.1");
  assert.match(target.warnings.join("\n"), /Match exec/);
  await assert.rejects(Deno.stat(join(sshd.dir, "ran")));
});

serverTest("connectSftp() does not run a ProxyCommand with -SshClient BuiltIn", { server }, async () => {
  await using sshd = await startSshd();
  await using ann = await makeHome({ config: `Host *\n ProxyCommand touch ${sshd.dir}/ran\n` });
  const error = await loginFails(client({ ...sshd, ...ann }, { options: { SshClient: "BuiltIn" } }), "badInput");
  assert.match(error.message, /ProxyCommand/);
  await assert.rejects(Deno.stat(join(sshd.dir, "ran")));
});
