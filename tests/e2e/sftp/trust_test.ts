import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { fingerprint } from "../../../lib/ssh/known_hosts.ts";
import { call, client, type ClientOptions, login, loginFails, makeHome } from "../../support/ssh_client.ts";
import { type Sshd, startSshd } from "../../support/servers/sftp.ts";
import { serverTest } from "../../support/servers/install.ts";

const server = "sftp";

/** A user with the server's key but these known hosts. */
async function newcomer(sshd: Sshd, knownHosts?: string): Promise<{ home: string } & AsyncDisposable> {
  const id = await Deno.readTextFile(sshd.privateKeyPath);
  return await makeHome({ id_ed25519: id, ...(knownHosts === undefined ? {} : { known_hosts: knownHosts }) });
}

/** The key that the server shows, whatever the user knows: its type, bits and fingerprint. */
function shown(sshd: Sshd): string {
  return `ssh-ed25519 255 ${sshd.fingerprint}`;
}

/** What sshd noted of logins: nothing may have been tried. */
async function attempts(sshd: Sshd): Promise<number> {
  return (await sshd.log()).match(/^(Failed|Accepted|Postponed|Invalid|Partial)/gm)?.length ?? 0;
}

serverTest(
  "connectSftp() refuses an unknown host before any login, showing the fingerprint and the way",
  { server },
  async () => {
    await using sshd = await startSshd();
    await using ann = await newcomer(sshd);
    const target = client({ ...sshd, ...ann }, { secrets: { password: "secret" } });
    const error = await loginFails(target, "hostKey");
    assert.ok(error.message.includes(`-SshHostKeyFingerprint "${shown(sshd)}"`), error.message);
    assert.ok(error.message.includes("-SshHostKeyPolicy AcceptNew"), error.message);
    assert.equal(await attempts(sshd), 0);
    assert.deepEqual(target.fetched, []);
    await assert.rejects(Deno.stat(join(ann.home, ".ssh", "known_hosts")));
  },
);

serverTest("connectSftp() asks at a terminal, and keeps what was trusted", { server }, async () => {
  await using sshd = await startSshd();
  await using ann = await newcomer(sshd);
  const refusing = client({ ...sshd, ...ann }, { ask: () => "no" });
  await loginFails(refusing, "hostKey");
  const trusting = client({ ...sshd, ...ann }, { ask: () => "yes" });
  await login(trusting, 2);
  assert.equal(trusting.questions.length, 1);
  assert.ok(trusting.questions[0]?.includes(shown(sshd)));
  await login(client({ ...sshd, ...ann }));
});

serverTest("connectSftp() takes the fingerprint itself as a yes, and another as a no", { server }, async () => {
  await using sshd = await startSshd();
  await using ann = await newcomer(sshd);
  const wrong = `SHA256:${"A".repeat(43)}`;
  await loginFails(client({ ...sshd, ...ann }, { ask: () => wrong }), "hostKey");
  await login(client({ ...sshd, ...ann }, { ask: () => sshd.fingerprint }));
});

serverTest("connectSftp() under AcceptNew stores a new key privately, on a line of its own", { server }, async () => {
  await using sshd = await startSshd();
  await using ann = await newcomer(sshd, "# the last line has no end");
  const options = { SshHostKeyPolicy: "AcceptNew", SshConfigFile: "none" };
  const target = client({ ...sshd, ...ann }, { options });
  await login(target);
  const file = join(ann.home, ".ssh", "known_hosts");
  const text = await Deno.readTextFile(file);
  assert.equal(text, `# the last line has no end\n[127.0.0.1]:${sshd.port} ${sshd.hostKeys[0]}\n`);
  assert.match(target.warnings.join(), /Added the host key/);
  await login(client({ ...sshd, ...ann }));
});

serverTest("connectSftp() under AcceptNew makes ~/.ssh and its file for the user alone", { server }, async () => {
  await using sshd = await startSshd();
  const home = await Deno.makeTempDir({ prefix: "tandem-home-" });
  try {
    const options = { SshHostKeyPolicy: "AcceptNew", SshPrivateKeyPath: sshd.privateKeyPath };
    await login(client({ ...sshd, home }, { options }));
    assert.equal(((await Deno.stat(join(home, ".ssh"))).mode ?? 0) & 0o777, 0o700);
    assert.equal(((await Deno.stat(join(home, ".ssh", "known_hosts"))).mode ?? 0) & 0o777, 0o600);
  } finally {
    await Deno.remove(home, { recursive: true });
  }
});

serverTest(
  "connectSftp() refuses a changed key under every policy that checks, naming both and the line",
  { server },
  async () => {
    await using sshd = await startSshd();
    await using other = await startSshd({ requestLog: false });
    await using ann = await newcomer(sshd, `# old\n[127.0.0.1]:${sshd.port} ${other.hostKeys[0]}\n`);
    for (const SshHostKeyPolicy of ["Check", "AcceptNew"]) {
      const target = client({ ...sshd, ...ann }, { options: { SshHostKeyPolicy }, ask: () => "yes" });
      const error = await loginFails(target, "hostKey");
      assert.ok(error.message.includes(shown(sshd)) && error.message.includes(shown(other)), error.message);
      assert.match(error.message, /known_hosts" line 2/);
      assert.deepEqual(target.questions, []);
    }
    assert.equal(await attempts(sshd), 0);
  },
);

serverTest(
  "connectSftp() refuses a revoked key though it is pinned nowhere and trusted elsewhere",
  { server },
  async () => {
    await using sshd = await startSshd();
    const [key] = sshd.hostKeys;
    await using ann = await newcomer(sshd, `[127.0.0.1]:${sshd.port} ${key}\n@revoked * ${key}\n`);
    const error = await loginFails(
      client({ ...sshd, ...ann }, { options: { SshHostKeyPolicy: "AcceptNew" } }),
      "hostKey",
    );
    assert.match(error.message, /revoked/);
  },
);

serverTest(
  "connectSftp() asks a server for the key that is known, not for the one it prefers",
  { server },
  async () => {
    await using sshd = await startSshd({ hostKeys: ["ed25519", "ecdsa"] });
    for (const key of sshd.hostKeys) {
      await using ann = await newcomer(sshd, `[127.0.0.1]:${sshd.port} ${key}\n`);
      await login(client({ ...sshd, ...ann }), 2);
    }
  },
);

serverTest("connectSftp() finds hashed names and hides new ones where ssh would", { server }, async () => {
  await using sshd = await startSshd();
  await using ann = await newcomer(sshd);
  await Deno.writeTextFile(join(ann.home, ".ssh", "config"), "HashKnownHosts yes\n", { mode: 0o600 });
  await login(client({ ...sshd, ...ann }, { options: { SshHostKeyPolicy: "AcceptNew" } }));
  const text = await Deno.readTextFile(join(ann.home, ".ssh", "known_hosts"));
  assert.ok(text.startsWith("|1|") && !text.includes("127.0.0.1"), text);
  await login(client({ ...sshd, ...ann }));
});

serverTest("connectSftp() stores no key on a run that may write nothing", { server }, async () => {
  await using sshd = await startSshd();
  await using ann = await newcomer(sshd);
  await login(client({ ...sshd, ...ann }, { options: { SshHostKeyPolicy: "AcceptNew" }, readOnly: true }));
  await assert.rejects(Deno.stat(join(ann.home, ".ssh", "known_hosts")));
});

serverTest("connectSftp() lets first runs side by side leave one whole line each at most", { server }, async () => {
  await using sshd = await startSshd();
  await using ann = await newcomer(sshd, "");
  const options = { SshHostKeyPolicy: "AcceptNew", SshConfigFile: "none" };
  await Promise.all(Array.from({ length: 6 }, () => login(client({ ...sshd, ...ann }, { options }))));
  const lines = (await Deno.readTextFile(join(ann.home, ".ssh", "known_hosts"))).split("\n").filter((line) =>
    line !== ""
  );
  assert.ok(lines.length >= 1 && lines.length <= 6);
  for (const line of lines) assert.equal(line, `[127.0.0.1]:${sshd.port} ${sshd.hostKeys[0]}`);
});

serverTest(
  "connectSftp() under GiveUpSecurityAndAcceptAny takes a changed key, warns, and writes nothing",
  { server },
  async () => {
    await using sshd = await startSshd();
    await using other = await startSshd({ requestLog: false });
    const known = `[127.0.0.1]:${sshd.port} ${other.hostKeys[0]}\n`;
    await using ann = await newcomer(sshd, known);
    for (
      const [name, value] of [["SshHostKeyPolicy", "GiveUpSecurityAndAcceptAny"], [
        "GiveUpSecurityAndAcceptAnySshHostKey",
        "true",
      ]]
    ) {
      const target = client({ ...sshd, ...ann }, { options: { [name as string]: value as string } });
      await login(target);
      assert.match(target.warnings.join(), /not checked/);
    }
    assert.equal(await Deno.readTextFile(join(ann.home, ".ssh", "known_hosts")), known);
  },
);

serverTest("connectSftp() lets a pin decide alone", { server }, async () => {
  await using sshd = await startSshd();
  await using other = await startSshd({ requestLog: false });
  await using ann = await newcomer(sshd, `[127.0.0.1]:${sshd.port} ${other.hostKeys[0]}\n`);
  const options = (pin: string): ClientOptions => ({ options: { SshHostKeyFingerprint: pin } });
  await login(client({ ...sshd, ...ann }, options(`SHA256:${"A".repeat(43)};${sshd.fingerprint}`)));
  await login(client({ ...sshd, ...ann }, { address: { pins: [shown(sshd)] } }));
  const error = await loginFails(client(sshd, options(other.fingerprint)), "hostKey");
  assert.ok(error.message.includes(shown(sshd)) && error.message.includes(other.fingerprint), error.message);
});

serverTest("connectSftp() finds the key that a pin without a type means, and refuses once where there is none", {
  server,
}, async () => {
  await using sshd = await startSshd({ hostKeys: ["ed25519", "ecdsa"] });
  await using other = await startSshd({ requestLog: false });
  const ecdsa = fingerprint(new Uint8Array(Buffer.from(sshd.hostKeys[1]?.split(" ")[1] ?? "", "base64")));
  const connector = await login(client(sshd, { options: { SshHostKeyFingerprint: ecdsa } }), 2);
  assert.equal(connector.peer, ecdsa);
  const before = (await sshd.log()).match(/^Connection from/gm)?.length ?? 0;
  const error = await loginFails(client(sshd, { options: { SshHostKeyFingerprint: other.fingerprint } }), "hostKey");
  assert.ok(error.message.includes(sshd.fingerprint), error.message);
  assert.ok(((await sshd.log()).match(/^Connection from/gm)?.length ?? 0) - before <= 3);
});

serverTest("connectSftp() takes an MD5 pin of the type it names, and warns", { server }, async () => {
  await using sshd = await startSshd({ hostKeys: ["ed25519", "rsa"] });
  await using ann = await newcomer(sshd);
  const keygen = new Deno.Command("ssh-keygen", { args: ["-E", "md5", "-lf", join(sshd.dir, "host_rsa.pub")] });
  const md5 = /MD5:(\S+)/.exec(new TextDecoder().decode((await keygen.output()).stdout))?.[1];
  const target = client({ ...sshd, ...ann }, { options: { SshHostKeyFingerprint: `ssh-rsa 3072 ${md5}` } });
  await login(target);
  assert.match(target.warnings.join(), /MD5.*ssh-rsa 3072 SHA256:/);
});

serverTest(
  "connectSftp() refuses pins that are malformed or beside a policy, before it connects",
  { server },
  async () => {
    await using sshd = await startSshd();
    const before = await sshd.log();
    await loginFails(client(sshd, { options: { SshHostKeyFingerprint: "SHA256:short" } }), "badInput");
    await loginFails(client(sshd, { address: { pins: ["x"] } }), "badInput");
    for (const SshHostKeyPolicy of ["AcceptNew", "GiveUpSecurityAndAcceptAny"]) {
      const options = { SshHostKeyPolicy, SshHostKeyFingerprint: sshd.fingerprint };
      await loginFails(client(sshd, { options }), "badInput");
    }
    assert.equal(await sshd.log(), before);
  },
);

serverTest(
  "connectSftp() refuses known hosts that it cannot read, instead of calling the host new",
  { server },
  async () => {
    await using sshd = await startSshd();
    await using ann = await newcomer(sshd);
    await Deno.mkdir(join(ann.home, ".ssh", "known_hosts"));
    await loginFails(client({ ...sshd, ...ann }, { options: { SshHostKeyPolicy: "AcceptNew" } }), "denied");
  },
);

serverTest(
  "SshConnector.connect() refuses another host key on a further link, whatever the policy",
  { server },
  async () => {
    const options = { SshHostKeyPolicy: "GiveUpSecurityAndAcceptAny" };
    const first = await startSshd();
    const connector = await login(client(first, { options }));
    await first[Symbol.asyncDispose]();
    await using _second = await startSshd({ port: first.port });
    await assert.rejects(async () => await connector.connect(call), /another host key/);
  },
);
