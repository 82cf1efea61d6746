import { type Sshd, type SshdOptions, startSshd } from "../support/servers/sftp.ts";
import {
  startAsyncssh,
  startConch,
  startDropbear,
  startGreenEnd,
  startModSftp,
  startParamiko,
  startRcloneSftp,
  startTinyssh,
} from "./sftp_servers.ts";
import { type Expectation, type MatrixServer, type Row, type StartedRow, works } from "./row.ts";

const password = "pa:ss wörd";

export const sftpRows: readonly Row[] = [
  { ...openssh("internal-sftp", { requestLog: false }), isQuick: true },
  openssh("sftp-server of its own", {}),
  openssh("chroot with ForceCommand", { chroot: true, password }),
  openssh("keyboard-interactive alone", {
    password,
    requestLog: false,
    config: [
      ...["UsePAM yes", "PasswordAuthentication no", "PubkeyAuthentication no", "KbdInteractiveAuthentication yes"],
      "AuthenticationMethods keyboard-interactive",
    ],
  }),
  openssh("few algorithms, an RSA host key", {
    hostKeys: ["rsa"],
    requestLog: false,
    config: [
      ...["KexAlgorithms ecdh-sha2-nistp256", "Ciphers aes128-ctr", "MACs hmac-sha2-256", "Compression no"],
      "HostKeyAlgorithms rsa-sha2-256",
    ],
  }),
  openssh("umask 077", { config: ["ForceCommand internal-sftp -u 077"] }),
  openssh("no posix-rename, hardlink, fsync, limits", {
    config: [
      "ForceCommand internal-sftp -P posix-rename,hardlink,fsync,limits,statvfs,fstatvfs,expand-path,copy-data",
    ],
  }),
  openssh("no setstat", { config: ["ForceCommand internal-sftp -P setstat,fsetstat,lsetstat"] }, {
    kind: "degraded",
    how: "files have the time of their upload, said in one warning",
    says: /The server refused to set the (?:time|mode) of /,
    losesTimes: true,
  }),
  started("OpenSSH with Green End's SFTP server", {
    recipes: ["sftp", "greenend"],
    start: async () => sftpServer(await startGreenEnd(), undefined),
  }),
  started("dropbear", { recipes: ["dropbear"], needsRoot: true, start: startDropbear }),
  started("ProFTPD mod_sftp", { recipes: ["proftpd"], start: startModSftp }),
  started("asyncssh", { recipes: ["asyncssh"], start: startAsyncssh }),
  started("paramiko", { recipes: ["paramiko"], start: startParamiko }),
  started("Twisted Conch", {
    recipes: ["conch"],
    expects: { kind: "degraded", how: "names beyond ASCII are refused", unfit: /[^\0-\x7f]/ },
    start: startConch,
  }),
  started("rclone serve sftp", { recipes: ["rclone"], start: () => startRcloneSftp() }),
  started("rclone serve sftp with a cache", {
    recipes: ["rclone"],
    start: () => startRcloneSftp("--vfs-cache-mode", "full", "--vfs-write-back", "0s"),
  }),
  started("tinyssh", {
    recipes: ["tinyssh"],
    needsRoot: true,
    expects: {
      kind: "refused",
      how: "chacha20 without strict key exchange (CVE-2023-48795); -SshClient System connects",
      code: 4,
      says: /-SshClient System/,
    },
    start: () => startTinyssh(),
  }),
  started("tinyssh with -SshClient System", {
    recipes: ["tinyssh"],
    needsRoot: true,
    start: () => startTinyssh("-SshClient", "System"),
  }),
];

function started(name: string, { expects = works, ...row }: StartedRow): Row {
  return { protocol: "SFTP", name, expects, ...row };
}

function openssh(name: string, options: SshdOptions, expects: Expectation = works): Row {
  return {
    protocol: "SFTP",
    name: `OpenSSH (${name})`,
    recipes: ["sftp"],
    expects,
    ...(options.password === undefined ? {} : { needsRoot: true }),
    async start() {
      const sshd = await startSshd(options);
      return sftpServer(sshd, options.password);
    },
  };
}

function sftpServer(sshd: Sshd, password: string | undefined): MatrixServer {
  const identity = password === undefined ? ["-IdentityFile", sshd.privateKeyPath] : [];
  return {
    port: sshd.port,
    root: sshd.root,
    disk: sshd.disk,
    env: password === undefined ? {} : { TANDEM_PASSWORD: password },
    login: (path, port = sshd.port) => ({
      address: `sftp://${sshd.user}@127.0.0.1:${port}${path}`,
      params: [...identity, "-SshHostKeyFingerprint", sshd.fingerprint],
    }),
    [Symbol.asyncDispose]: () => sshd[Symbol.asyncDispose](),
  };
}
