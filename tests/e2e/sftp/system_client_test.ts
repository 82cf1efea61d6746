import assert from "node:assert/strict";
import { join } from "node:path";
import { makeHome } from "../../support/ssh_client.ts";
import { fails, openSystem, proxyCommand, systemClient, withKey } from "../../support/system_ssh.ts";
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

serverTest("the system's ssh ends with Tandem, however that ends", { server }, async (t) => {
  await using sshd = await startSshd();
  const folder = await Deno.makeTempDir({ prefix: "tandem-local-" });
  try {
    await Deno.writeFile(join(folder, "big"), new Uint8Array(64 << 20).fill(7));
    await using proxy = await startProxy(sshd.port, { delay: 20 });
    for (const signal of ["SIGINT", "SIGKILL"] as const) {
      await t.step(signal, async () => {
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
        child.kill(signal);
        const { code } = await child.output();
        if (signal === "SIGINT") assert.equal(code, 130);
        for (const pid of started.map((line) => Number.parseInt(line))) {
          for (let round = 0; round < 500 && await isRunning(pid); round++) {
            await new Promise((resolve) => setTimeout(resolve, 10));
          }
          assert.equal(await isRunning(pid), false);
        }
      });
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
