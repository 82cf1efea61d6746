import { join } from "node:path";
import { startProftpd } from "../support/servers/ftp.ts";
import { ensureServer } from "../support/servers/install.ts";
import { makeKey, type Sshd, startSshd } from "../support/servers/sftp.ts";
import { chown, fingerprintOf, makeHostKey, type Prepared, python, run, type Setup, startProgram } from "./launch.ts";
import type { MatrixServer } from "./row.ts";

const sftpServer = "/usr/lib/openssh/sftp-server";

export function startDropbear(): Promise<MatrixServer> {
  return startProgram("dropbear", { systemUser: true }, async ({ dir, disk, port, place }) => {
    const { path, fingerprint } = await makeHostKey(dir);
    const converted = join(dir, "dropbear_key");
    await run(`${place.root}/usr/bin/dropbearconvert`, ["openssh", "dropbear", path, converted], place);
    const args = ["-F", "-E", "-p", `127.0.0.1:${port}`, "-r", converted, "-P", join(dir, "pid")];
    return sftp(disk, { command: [`${place.root}/usr/sbin/dropbear`, ...args], fingerprint });
  });
}

export function startAsyncssh(): Promise<MatrixServer> {
  return startProgram("asyncssh", {}, async ({ dir, disk, port, user, password }) => {
    const { path, fingerprint } = await makeHostKey(dir);
    const folder = join(disk, "..");
    const command = python("asyncssh_server.py", `${port}`, folder, path, user, password);
    return sftp("/files", { command, fingerprint });
  });
}

export function startParamiko(): Promise<MatrixServer> {
  return startProgram("paramiko", {}, async ({ dir, disk, port, user, password }) => {
    const { path, fingerprint } = await makeHostKey(dir);
    const command = python("paramiko_server.py", `${port}`, join(disk, ".."), path, user, password);
    return sftp("/files", { command, fingerprint });
  });
}

export function startConch(): Promise<MatrixServer> {
  return startProgram("conch", {}, async ({ dir, disk, port, user, password }) => {
    const { path, fingerprint } = await makeHostKey(dir);
    return sftp(disk, { command: python("conch_server.py", `${port}`, path, user, password), fingerprint });
  });
}

/** rclone as an SFTP server; `config`: further arguments. */
export function startRcloneSftp(...config: readonly string[]): Promise<MatrixServer> {
  return startProgram("rclone", {}, async ({ dir, disk, port, user, password, place }) => {
    const { path, fingerprint } = await makeHostKey(dir);
    const served = join(disk, "..");
    const command = [
      ...["/usr/bin/env", "-u", "AWS_CA_BUNDLE", `${place.root}/usr/bin/rclone`, "serve", "sftp", served],
      ...["--addr", `127.0.0.1:${port}`, "--user", user, "--pass", password, "--key", path, "--config", "/dev/null"],
      ...["--dir-cache-time", "0s", "--cache-dir", join(dir, "cache"), ...config],
    ];
    return { ...sftp("/files", { command, fingerprint }), isLate: config.length > 0 };
  });
}

/** tinyssh knows public keys alone, and no strict key exchange; `params` say whether that is allowed. */
export function startTinyssh(...params: readonly string[]): Promise<MatrixServer> {
  return startProgram("tinyssh", { systemUser: true, checksParents: true }, async (setup: Setup) => {
    const { dir, disk, port, user, place } = setup;
    const keys = join(dir, "keys");
    await run(`${place.root}/usr/sbin/tinysshd-makekey`, ["-q", keys], place);
    const raw = await Deno.readFile(join(keys, "ed25519.pk"));
    const name = new TextEncoder().encode("ssh-ed25519");
    const blob = new Uint8Array([0, 0, 0, name.length, ...name, 0, 0, 0, raw.length, ...raw]);
    const ssh = join(dir, "home", ".ssh");
    await Deno.mkdir(ssh, { mode: 0o700 });
    const identity = join(dir, "id");
    await Deno.writeTextFile(join(ssh, "authorized_keys"), `${await makeKey(identity, "ed25519")}\n`, { mode: 0o600 });
    await chown(user, ssh);
    const daemon = [`${place.root}/usr/sbin/tinysshd`, "-v", "-x", `sftp=${sftpServer}`, keys];
    const made = sftp(disk, { command: python("inetd.py", `${port}`, ...daemon), fingerprint: fingerprintOf(blob) });
    return { ...made, params: [...made.params, "-IdentityFile", identity, ...params], env: {} };
  });
}

/** ProFTPD's SFTP module. */
export async function startModSftp(): Promise<MatrixServer> {
  await using stack = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir({ prefix: "tandem-mod-sftp-" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const { path, fingerprint } = await makeHostKey(dir);
  const server = stack.use(
    await startProftpd({
      config: [
        ...["LoadModule mod_sftp.c", "SFTPEngine on", `SFTPLog ${dir}/log`, `SFTPHostKey ${path}`],
        "SFTPAuthMethods password",
      ],
    }),
  );
  const life = stack.move();
  return {
    port: server.port,
    root: server.root,
    disk: server.disk,
    env: { TANDEM_PASSWORD: server.password ?? "" },
    login: (path, port = server.port) => ({
      address: `sftp://${server.user}@127.0.0.1:${port}${path}`,
      params: ["-SshHostKeyFingerprint", fingerprint],
    }),
    [Symbol.asyncDispose]: () => life.disposeAsync(),
  };
}

/** sshd with Green End's SFTP server instead of its own. */
export function startGreenEnd(): Promise<Sshd> {
  const found = ensureServer("greenend");
  if ("missing" in found) throw new Error(`greenend is missing: ${found.missing}`);
  return startSshd({ requestLog: false, config: [`ForceCommand ${found.place.root}/usr/libexec/gesftpserver`] });
}

function sftp(
  root: string,
  { command, fingerprint }: { readonly command: readonly string[]; readonly fingerprint: string },
): Prepared {
  return { command, root, scheme: "sftp", params: ["-SshHostKeyFingerprint", fingerprint], greets: true };
}
