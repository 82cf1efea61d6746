import assert from "node:assert/strict";
import { join } from "node:path";
import { type ErrorKind, SyncError } from "../../../lib/core/errors.ts";
import { type Client, makeHome } from "../../support/ssh_client.ts";
import { openSystem, proxyCommand, systemClient } from "../../support/system_ssh.ts";
import { startAgent } from "../../support/ssh_agent.ts";
import { makeKey, type Sshd, startSshd } from "../../support/servers/sftp.ts";
import { startProxy } from "../../support/proxy.ts";
import { startTandem } from "../../support/tandem.ts";
import { serverTest } from "../../support/servers/install.ts";

const server = "sftp";

/** Runs a program of OpenSSH to its end. */
async function run(program: string, args: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args: [...args], stdin: "null" }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
}

async function fails(target: Client, kind: ErrorKind): Promise<SyncError> {
  try {
    await using _ = await openSystem(target);
  } catch (error) {
    assert.ok(error instanceof SyncError, String(error));
    assert.equal(error.kind, kind, error.message);
    assert.ok(error.message.length < 700 && !error.message.includes("\n"), error.message);
    return error;
  }
  return assert.fail("the login went well");
}

/** The options that log in with the server's key. */
function withKey(sshd: Sshd, more: Readonly<Record<string, string>> = {}) {
  return { options: { SshPrivateKeyPath: sshd.privateKeyPath, ...more } };
}

serverTest(
  "-SshClient System logs in with a key, over several connections, and leaves no process",
  { server },
  async () => {
    await using sshd = await startSshd();
    const ann = systemClient(sshd, withKey(sshd));
    const backend = await openSystem(ann);
    assert.equal(backend.label, `sftp://${sshd.user}@127.0.0.1:${sshd.port}`);
    assert.equal(backend.fingerprint, sshd.fingerprint);
    assert.deepEqual([ann.questions, ann.warnings], [[], []]);
    await backend[Symbol.asyncDispose]();
    assert.deepEqual(await childrenOf(Deno.pid, "ssh"), []);
  },
);

serverTest(
  "Auto uses the system's ssh for a ProxyCommand, says so once, and shows it no secret",
  { server },
  async () => {
    await using sshd = await startSshd();
    const log = join(sshd.dir, "proxy.log");
    const command = await proxyCommand(sshd.dir, log);
    const known = await Deno.readTextFile(sshd.knownHosts);
    const config = `Host *\n IdentityFile ${sshd.privateKeyPath}\n ProxyCommand ${command}\n`;
    await using ann = await makeHome({ config, known_hosts: known });
    const target = systemClient({ ...sshd, ...ann }, {
      options: { SshClient: "Auto" },
      secrets: { password: "s3cret-word" },
    });
    Deno.env.set("TANDEM_PASSWORD", "s3cret-word");
    try {
      await using backend = await openSystem(target);
      assert.equal(backend.fingerprint, sshd.fingerprint);
    } finally {
      Deno.env.delete("TANDEM_PASSWORD");
    }
    assert.equal(target.warnings.length, 1, target.warnings.join("\n"));
    assert.match(target.warnings[0] ?? "", /ProxyCommand.*system's ssh.*-SshClient System/);
    const env = await Deno.readTextFile(log);
    assert.match(env, /SSH_ASKPASS/);
    assert.doesNotMatch(env, /s3cret-word/);
  },
);

serverTest(
  "Auto uses the system's ssh for a certificate beside the key, and for CertificateFile",
  { server },
  async (t) => {
    const dir = await Deno.makeTempDir({ prefix: "tandem-ca-" });
    try {
      await makeKey(join(dir, "ca"), "ed25519");
      await using sshd = await startSshd({ config: [`TrustedUserCAKeys ${dir}/ca.pub`] });
      await makeKey(join(dir, "user"), "ed25519");
      await run("ssh-keygen", ["-q", "-s", join(dir, "ca"), "-I", "ann", "-n", sshd.user, join(dir, "user.pub")]);
      const known_hosts = await Deno.readTextFile(sshd.knownHosts);
      await t.step("beside the key", async () => {
        await using ann = await makeHome({ known_hosts });
        const options = { SshClient: "Auto", SshPrivateKeyPath: join(dir, "user") };
        const target = systemClient({ ...sshd, ...ann }, { options });
        await using backend = await openSystem(target);
        assert.equal(backend.fingerprint, sshd.fingerprint);
        assert.match(target.warnings.join(), /certificate beside it/);
      });
      await t.step("in the agent", async () => {
        await using ann = await makeHome({ known_hosts });
        await using agent = await startAgent(dir, [join(dir, "user")]);
        const options = { SshClient: "Auto", SshAgent: agent.socket, SshHostKeyFingerprint: sshd.fingerprint };
        const target = systemClient({ ...sshd, ...ann }, { options });
        await using _ = await openSystem(target);
        assert.match(target.warnings.join(), /The agent holds a certificate/);
      });
      await t.step("CertificateFile", async () => {
        await Deno.rename(join(dir, "user-cert.pub"), join(dir, "other-cert.pub"));
        const config = `Host *\n IdentityFile ${dir}/user\n CertificateFile ${dir}/other-cert.pub\n`;
        await using ann = await makeHome({ known_hosts, config });
        const target = systemClient({ ...sshd, ...ann }, { options: { SshClient: "Auto" } });
        await using _ = await openSystem(target);
        assert.match(target.warnings.join(), /CertificateFile/);
      });
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  },
);

serverTest(
  "-SshClient System goes through a ControlMaster, says whose check counts, and never leaves one",
  { server },
  async () => {
    await using sshd = await startSshd();
    const known_hosts = await Deno.readTextFile(sshd.knownHosts);
    const socket = join(sshd.dir, "cm.sock");
    const config = `Host *\n IdentityFile none\n ControlPath ${socket}\n ControlMaster auto\n ControlPersist 60\n`;
    await using ann = await makeHome({ config, known_hosts });
    const target = systemClient({ ...sshd, ...ann });
    await fails(target, "auth");
    await assert.rejects(Deno.stat(socket), "it left a master behind");
    await using _ = await startMaster(sshd, socket);
    const logins = (await sshd.log()).match(/^Accepted publickey/gm)?.length;
    await using backend = await openSystem(target);
    assert.equal(backend.fingerprint, sshd.fingerprint);
    assert.match(target.warnings.join(), /ControlMaster/);
    assert.equal((await sshd.log()).match(/^Accepted publickey/gm)?.length, logins);
    const pinned = systemClient({ ...sshd, ...ann }, { options: { SshHostKeyFingerprint: sshd.fingerprint } });
    // Its host key cannot be seen, so that a pin opens a connection of its own.
    await fails(pinned, "auth");
  },
);

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

serverTest("the system's ssh unlocks a key with its passphrase", { server }, async () => {
  await using sshd = await startSshd();
  const path = join(sshd.dir, "locked");
  const line = await makeKey(path, "ed25519", "-N", "correct horse");
  await Deno.writeTextFile(sshd.authorizedKeys, `${line}\n`, { append: true });
  const options = { SshPrivateKeyPath: path, SshConfigFile: "none" };
  const ann = systemClient(sshd, { options, secrets: { SshPrivateKeyPassphrase: "correct horse" } });
  await using _ = await openSystem(ann);
  assert.deepEqual(ann.questions, []);
  const error = await fails(systemClient(sshd, { options }), "auth");
  assert.match(error.message, /no passphrase was given/);
});

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

serverTest("the system's ssh ends with Tandem, however that ends", { server }, async () => {
  await using sshd = await startSshd();
  const folder = await Deno.makeTempDir({ prefix: "tandem-local-" });
  try {
    await Deno.writeFile(join(folder, "big"), new Uint8Array(64 << 20).fill(7));
    await using proxy = await startProxy(sshd.port, { delay: 20 });
    const address = `sftp://${sshd.user}@127.0.0.1:${proxy.port}${sshd.root}`;
    const login = ["-SshClient", "System", "-SshHostKeyFingerprint", sshd.fingerprint, "-SshConfigFile", "none"];
    const child = startTandem(
      ["Sync-Path", folder, address, "-Mode", "Remote", "-IdentityFile", sshd.privateKeyPath, ...login],
      { home: sshd.home },
    );
    const seen = Promise.withResolvers<readonly string[]>();
    proxy.after(1 << 20, () => void childrenOf(child.pid, "ssh").then(seen.resolve), "up");
    const started = await seen.promise;
    assert.ok(started.length >= 1);
    child.kill("SIGKILL");
    await child.output();
    for (const pid of started.map((line) => Number.parseInt(line))) {
      for (let round = 0; round < 500 && await isRunning(pid); round++) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      assert.equal(await isRunning(pid), false);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

serverTest("what the system's ssh says becomes one sentence", { server }, async (t) => {
  await using sshd = await startSshd();
  await t.step("nothing listens", async () => {
    const target = systemClient({ ...sshd, port: 1 }, withKey(sshd));
    assert.match((await fails(target, "connection")).message, /127\.0\.0\.1:1 failed: ssh reports: .*refused/);
  });
  await t.step("a ProxyCommand that is missing", async () => {
    await using ann = await makeHome({ config: "ProxyCommand /nonexistent/program %h %p\n" });
    assert.match((await fails(systemClient({ ...sshd, ...ann }), "connection")).message, /nonexistent\/program/);
  });
  await t.step("a configuration that it does not know", async () => {
    await using ann = await makeHome({ config: "NoSuchKeyword yes\n" });
    assert.match((await fails(systemClient({ ...sshd, ...ann }), "badInput")).message, /nosuchkeyword/i);
  });
  await t.step("a silent server", async () => {
    using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const options = { SshHostKeyFingerprint: sshd.fingerprint, Timeout: "300" };
    const target = systemClient({ ...sshd, port: silent.addr.port }, { options });
    assert.match((await fails(target, "timeout")).message, /no answer in 0\.3 s \(-Timeout\)/);
  });
  await t.step("a command of Match exec that does not end", async () => {
    await using ann = await makeHome({ config: 'Match exec "sleep 100"\n User other\n' });
    const target = systemClient({ ...sshd, ...ann }, { options: { Timeout: "300" } });
    assert.match((await fails(target, "timeout")).message, /Match exec/);
  });
  await t.step("no ssh", async () => {
    const error = await fails(systemClient(sshd, { env: { PATH: "/nonexistent" } }), "badInput");
    assert.match(error.message, /there is none in PATH; install/);
  });
});

async function isRunning(pid: number): Promise<boolean> {
  const state = await Deno.readTextFile(`/proc/${pid}/stat`).catch(() => undefined);
  return state !== undefined && !/\) Z /.test(state);
}

/** The processes of this name that a process started. */
async function childrenOf(pid: number, name: string): Promise<readonly string[]> {
  const { stdout } = await new Deno.Command("ps", { args: ["-o", "pid=,comm=", "--ppid", String(pid)] }).output();
  return new TextDecoder().decode(stdout).split("\n").filter((line) => line.trim().endsWith(` ${name}`));
}

/** A master connection that the server's key opened, as a user would in another terminal. */
async function startMaster(sshd: Sshd, socket: string): Promise<AsyncDisposable> {
  const hosts = `UserKnownHostsFile=${sshd.knownHosts}`;
  const child = new Deno.Command("ssh", {
    args: [
      ...["-F", "none", "-M", "-S", socket, "-N", "-i", sshd.privateKeyPath, "-o", hosts, "-o", "IdentityAgent=none"],
      ...["-p", String(sshd.port), "-l", sshd.user, "--", sshd.host],
    ],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  for (let round = 0; round < 500; round++) {
    if (await Deno.stat(socket).then(() => true, () => false)) break;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return {
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await child.status;
    },
  };
}
