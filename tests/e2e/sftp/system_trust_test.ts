import assert from "node:assert/strict";
import { join } from "node:path";
import { makeHome } from "../../support/ssh_client.ts";
import { fails, openSystem, systemClient, withKey } from "../../support/system_ssh.ts";
import { type Sshd, startSshd } from "../../support/servers/sftp.ts";
import { serverTest } from "../../support/servers/install.ts";

const server = "sftp";

serverTest("the system's ssh sends nothing to a server whose key is not trusted", { server }, async (t) => {
  await using sshd = await startSshd({ known: false });
  const untouched = async () =>
    assert.doesNotMatch(await sshd.log(), /Accepted|Failed|Connection closed by authenticating user|Invalid user/);
  await t.step("an unknown key", async () => {
    const error = await fails(systemClient(sshd, withKey(sshd)), "hostKey");
    assert.match(error.message, /is not known: it shows ssh-ed25519 255 SHA256:.*-SshHostKeyFingerprint/);
    await untouched();
  });
  await t.step("a pin of another key", async () => {
    const pin = `SHA256:${"A".repeat(43)}`;
    const error = await fails(systemClient(sshd, withKey(sshd, { SshHostKeyFingerprint: pin })), "hostKey");
    assert.match(error.message, /is not the pinned one/);
    await untouched();
  });
  await t.step("a changed key", async () => {
    await using other = await startSshd();
    const key = other.hostKeys[0] ?? "";
    await using ann = await makeHome({ known_hosts: `[127.0.0.1]:${sshd.port} ${key}\n` });
    const error = await fails(systemClient({ ...sshd, ...ann }, withKey(sshd)), "hostKey");
    assert.match(error.message, /has changed/);
    await untouched();
  });
  await t.step("a revoked key", async () => {
    const revoked = join(sshd.dir, "revoked");
    await Deno.writeTextFile(revoked, `${sshd.hostKeys.join("\n")}\n`);
    await using ann = await makeHome({ config: `RevokedHostKeys ${revoked}\n` });
    const error = await fails(
      systemClient({ ...sshd, ...ann }, withKey(sshd, { SshHostKeyPolicy: "AcceptNew" })),
      "hostKey",
    );
    assert.match(error.message, /revoked/);
    await assert.rejects(Deno.stat(join(ann.home, ".ssh", "known_hosts")));
    await untouched();
  });
  await t.step("a configuration that switches the check off", async () => {
    const config =
      "StrictHostKeyChecking no\nNoHostAuthenticationForLocalhost yes\nUserKnownHostsFile /dev/null\nVerifyHostKeyDNS yes\n";
    await using ann = await makeHome({ config });
    await fails(systemClient({ ...sshd, ...ann }, withKey(sshd)), "hostKey");
    await untouched();
  });
});

serverTest(
  "the system's ssh takes a pin of any of the server's keys, and AcceptNew stores a new one",
  { server },
  async () => {
    await using sshd = await startSshd({ known: false });
    const blob = sshd.hostKeys[1]?.split(" ")[1] ?? "";
    const digest = await crypto.subtle.digest("SHA-256", Uint8Array.from(atob(blob), (char) => char.charCodeAt(0)));
    const pin = `SHA256:${btoa(String.fromCharCode(...new Uint8Array(digest))).replace(/=+$/, "")}`;
    {
      await using backend = await openSystem(systemClient(sshd, withKey(sshd, { SshHostKeyFingerprint: pin })));
      assert.equal(backend.fingerprint, pin);
    }
    {
      const target = systemClient(sshd, withKey(sshd, { SshHostKeyPolicy: "AcceptNew" }));
      await using _ = await openSystem(target);
      assert.match(target.warnings.join(), /Added the host key/);
    }
    await using _ = await openSystem(systemClient(sshd, withKey(sshd)));
  },
);

serverTest("the system's ssh is given no option by an address", { server }, async () => {
  await using sshd = await startSshd();
  for (
    const address of [{ host: "-oProxyCommand=touch x" }, { user: "-oProxyCommand=touch x" }, { user: "a;b" }, {
      host: "a$(b)",
    }]
  ) {
    const error = await fails(
      { ...systemClient(sshd), address: { ...systemClient(sshd).address, ...address } },
      "badInput",
    );
    assert.match(error.message, /is not given to ssh/);
  }
});

serverTest(
  "the system's ssh gets a password once, for the server alone",
  { server, ignore: Deno.uid() !== 0 },
  async (t) => {
    await using sshd = await startSshd({ password: "s3cret word\\n'x" });
    await t.step("the right one, on each connection", async () => {
      const ann = systemClient(sshd, { options: { SshConfigFile: "none" }, secrets: { password: "s3cret word\\n'x" } });
      await using backend = await openSystem(ann);
      assert.equal(backend.fingerprint, sshd.fingerprint);
      assert.deepEqual(ann.questions, []);
    });
    await t.step("a wrong one", async () => {
      const error = await fails(systemClient(sshd, { secrets: { password: "wrong" } }), "auth");
      assert.match(error.message, /it refused the given password/);
      assert.doesNotMatch(error.message, /wrong/);
      assert.equal((await sshd.log()).match(/^Failed password/gm)?.length, 1);
    });
    await t.step("none, without a terminal", async () => {
      const error = await fails(systemClient(sshd), "auth");
      assert.match(error.message, /there is no terminal to answer at/);
      assert.equal((await sshd.log()).match(/^Failed password/gm)?.length, 1);
    });
    await t.step("a typed one, which is kept", async () => {
      const ann = systemClient(sshd, { ask: () => "s3cret word\\n'x" });
      await using _ = await openSystem(ann);
      assert.deepEqual([...ann.kept], [["password", "s3cret word\\n'x"]]);
    });
  },
);

serverTest(
  "the system's ssh goes through a jump host whose key is known, and through no other",
  { server },
  async () => {
    await using outer = await startSshd();
    await using inner = await startSshd();
    const block = (name: string, sshd: Sshd, more: string) =>
      `Host ${name}\n HostName 127.0.0.1\n Port ${sshd.port}\n User ${sshd.user}\n IdentityFile ${sshd.privateKeyPath}\n${more}`;
    const known = join(outer.dir, "known");
    await Deno.copyFile(outer.knownHosts, known);
    const config = block("gate", outer, ` UserKnownHostsFile ${known}\n StrictHostKeyChecking no\n`) +
      block("inner", inner, " ProxyJump gate\n");
    await using ann = await makeHome({ config, known_hosts: await Deno.readTextFile(inner.knownHosts) });
    const address = { scheme: "sftp", host: "inner", path: "", pins: [] };
    const target = { ...systemClient({ ...inner, ...ann }), address };
    {
      await using backend = await openSystem(target);
      assert.equal(backend.fingerprint, inner.fingerprint);
      assert.match(await outer.log(), /Accepted publickey/);
    }
    await Deno.writeTextFile(known, "");
    const accepted = (await outer.log()).match(/Accepted publickey/g)?.length;
    const error = await fails(target, "hostKey");
    assert.match(error.message, /or a jump host before it: .*connect to it with ssh once/);
    assert.equal((await outer.log()).match(/Accepted publickey/g)?.length, accepted);
  },
);

serverTest(
  "the system's ssh gives the password to no jump host, even under the same name",
  { server, ignore: Deno.uid() !== 0 },
  async () => {
    await using outer = await startSshd({ password: "s3cret" });
    await using inner = await startSshd();
    const known = await Promise.all([outer, inner].map((sshd) => Deno.readTextFile(sshd.knownHosts)));
    const config =
      `Host 127.0.0.1\n ProxyJump ${outer.user}@localhost:${outer.port}\nHost *\n HostKeyAlias 127.0.0.1\n IdentityFile none\n`;
    const aliased = known.join("").replaceAll(/^\[127\.0\.0\.1\]:\d+/gm, "127.0.0.1");
    await using ann = await makeHome({ config: config + ` UserKnownHostsFile ${inner.dir}/known\n` });
    await Deno.writeTextFile(`${inner.dir}/known`, aliased);
    const reached = { host: inner.host, port: inner.port, user: outer.user, home: ann.home };
    const target = systemClient(reached, {
      options: { SshPrivateKeyPath: inner.privateKeyPath },
      secrets: { password: "s3cret" },
    });
    const error = await fails(target, "auth");
    assert.match(error.message, /'s password:" and there is no terminal/);
    assert.equal(target.questions.length, 1);
    assert.doesNotMatch(await outer.log(), /Accepted|Failed/);
  },
);
