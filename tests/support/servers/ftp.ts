import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import { ensureServer, freePort, type Installed } from "./install.ts";

export type FtpTls = "none" | "explicit" | "implicit";

/** How a test wants its FTP server. */
export interface FtpServerOptions {
  readonly tls?: FtpTls;
  /** Lines put behind all others in the configuration (vsftpd, ProFTPD), or further arguments (Pure-FTPd). */
  readonly config?: readonly string[];
}

/** An FTP server on 127.0.0.1 that lets in one user. Stopped by its process id. */
export interface FtpServer extends AsyncDisposable {
  readonly port: number;
  /** Undefined: anonymous. */
  readonly user: string | undefined;
  readonly password: string | undefined;
  /** An empty folder on this disk, and as the server calls it. */
  readonly disk: string;
  readonly root: string;
  /** The certificate as a file, and its SHA-256 in upper-case pairs with ":". */
  readonly certificate: string;
  readonly fingerprint: string;
  /** The commands the server logged so far, in order; Pure-FTPd logs none. */
  commands(): Promise<readonly string[]>;
}

/** The commands that changed something; a question about a name that never exists is none. */
export function mutationsOf(commands: readonly string[]): readonly string[] {
  const mutation = /^(?:STOR|STOU|APPE|DELE|MKD|RMD|RNFR|RNTO|MFMT|MDTM \d{14} |SITE (?!HELP))/i;
  return commands.filter((one) => mutation.test(one) && !one.endsWith("/.tandem-is-not-there"));
}

/** vsftpd: no MLSD, MDTM sets times, data connections only on the session of the control connection. */
export async function startVsftpd(options: FtpServerOptions = {}): Promise<FtpServer> {
  const words = [
    "listen=YES",
    "listen_address=127.0.0.1",
    "background=NO",
    "ftp_username=daemon",
    "anonymous_enable=YES",
    "local_enable=NO",
    "no_anon_password=YES",
    "write_enable=YES",
    "anon_upload_enable=YES",
    "anon_mkdir_write_enable=YES",
    "anon_other_write_enable=YES",
    "anon_world_readable_only=NO",
    "anon_umask=022",
    "allow_writeable_chroot=YES",
    "mdtm_write=YES",
    "connect_from_port_20=NO",
    "seccomp_sandbox=NO",
    "utf8_filesystem=YES",
    "xferlog_enable=YES",
    "xferlog_std_format=NO",
    "log_ftp_protocol=YES",
  ];
  const { tls = "none" } = options;
  return await start({ name: "ftp", user: undefined, options }, async ({ dir, disk, port, place, certificate }) => {
    const secured = [
      "ssl_enable=YES",
      "allow_anon_ssl=YES",
      "force_anon_logins_ssl=NO",
      "force_anon_data_ssl=NO",
      "require_ssl_reuse=YES",
      "ssl_ciphers=HIGH",
      `rsa_cert_file=${certificate}`,
      `rsa_private_key_file=${join(dir, "key.pem")}`,
      ...(tls === "implicit" ? ["implicit_ssl=YES"] : []),
    ];
    const empty = join(dir, "empty");
    await Deno.mkdir(empty);
    await Deno.chown(disk, DAEMON, DAEMON);
    const text = [
      ...words,
      `listen_port=${port}`,
      `anon_root=${join(disk, "..")}`,
      `secure_chroot_dir=${empty}`,
      `vsftpd_log_file=${join(dir, "log")}`,
      ...(tls === "none" ? [] : secured),
      ...(options.config ?? []),
    ];
    await Deno.writeTextFile(join(dir, "conf"), text.join("\n") + "\n");
    return [`${place.root}/usr/sbin/vsftpd`, join(dir, "conf")];
  });
}

/** ProFTPD: MLSD, MFMT, HASH, SITE CHMOD. */
export async function startProftpd(options: FtpServerOptions = {}): Promise<FtpServer> {
  const { tls = "none" } = options;
  return await start({ name: "proftpd", user: "tester", options }, async (setup) => {
    const { dir, disk, port, place, certificate } = setup;
    const hash = (await run("openssl", ["passwd", "-1", PASSWORD])).trim();
    await Deno.writeTextFile(join(dir, "passwd"), `tester:${hash}:0:0::${join(disk, "..")}:/bin/sh\n`, { mode: 0o600 });
    const secured = [
      "LoadModule mod_tls.c",
      "LoadModule mod_tls_shmcache.c",
      "TLSEngine on",
      "TLSProtocol TLSv1.2 TLSv1.3",
      `TLSLog ${dir}/tls.log`,
      `TLSRSACertificateFile ${certificate}`,
      `TLSRSACertificateKeyFile ${dir}/key.pem`,
      "TLSRequired off",
      `TLSSessionCache shm:/file=${dir}/shm`,
      ...(tls === "implicit" ? ["TLSOptions UseImplicitSSL"] : []),
    ];
    const text = [
      "ServerName test",
      "ServerType standalone",
      "DefaultServer on",
      `Port ${port}`,
      "DefaultAddress 127.0.0.1",
      "SocketBindTight on",
      "UseIPv6 off",
      "UseReverseDNS off",
      `ModulePath ${place.root}/usr/lib/proftpd`,
      "ModuleControlsACLs insmod,rmmod allow user root",
      "LoadModule mod_digest.c",
      "LoadModule mod_site_misc.c",
      "User nobody",
      "Group nogroup",
      "RootLogin on",
      `PidFile ${dir}/pid`,
      `ScoreboardFile ${dir}/score`,
      `SystemLog ${dir}/system.log`,
      'LogFormat commands "%r"',
      `ExtendedLog ${dir}/log ALL commands`,
      "TransferLog none",
      "WtmpLog off",
      "AuthOrder mod_auth_file.c",
      `AuthUserFile ${dir}/passwd`,
      "RequireValidShell off",
      "DefaultRoot ~",
      "AllowOverwrite on",
      "AllowStoreRestart on",
      "AllowRetrieveRestart on",
      "TimesGMT on",
      "MaxInstances 60",
      "Umask 022",
      ...(tls === "none" ? [] : secured),
      ...(options.config ?? []),
    ];
    await Deno.writeTextFile(join(dir, "conf"), text.join("\n") + "\n");
    return [`${place.root}/usr/sbin/proftpd`, "-n", "-q", "-c", join(dir, "conf")];
  });
}

/** Pure-FTPd: MLSD, MFMT, long listings are cut. */
export async function startPureftpd(options: FtpServerOptions = {}): Promise<FtpServer> {
  const { tls = "none" } = options;
  return await start({ name: "pureftpd", user: "tester", options }, async ({ dir, disk, port, place }) => {
    const pem = join(dir, "both.pem");
    const parts = ["key.pem", "cert.pem"].map((name) => Deno.readTextFile(join(dir, name)));
    await Deno.writeTextFile(pem, (await Promise.all(parts)).join(""));
    const hash = (await run("openssl", ["passwd", "-1", PASSWORD])).trim();
    await Deno.chown(disk, NOBODY, NOBODY);
    const line = `tester:${hash}:${NOBODY}:${NOBODY}::${join(disk, "..")}/./::::::::::::\n`;
    await Deno.writeTextFile(join(dir, "passwd"), line, { mode: 0o600 });
    await run(`${place.root}/usr/bin/pure-pw`, ["mkdb", join(dir, "pdb"), "-f", join(dir, "passwd")], place);
    return [
      `${place.root}/usr/sbin/pure-ftpd`,
      ...["-S", `127.0.0.1,${port}`, "-l", `puredb:${join(dir, "pdb")}`, "-g", join(dir, "pid")],
      ...["-H", "-u", "1", "-E", "-U", "022:022", "-L", "100000:50"],
      ...(tls === "none" ? [] : ["-Y", tls === "implicit" ? "3" : "1", `--certfile=${pem}`]),
      ...(options.config ?? []),
    ];
  });
}

const PASSWORD = "s3cret pass";
const NOBODY = 65534;
/** A user of every Debian whose home exists, which vsftpd insists on. */
const DAEMON = 1;

interface Setup {
  readonly dir: string;
  readonly disk: string;
  readonly port: number;
  readonly place: Installed;
  readonly certificate: string;
}

interface Wanted {
  readonly name: string;
  readonly user: string | undefined;
  readonly options: FtpServerOptions;
}

/** Starts the program that `prepare` names and waits until it greets. */
async function start(
  { name, user, options }: Wanted,
  prepare: (setup: Setup) => Promise<readonly string[]>,
): Promise<FtpServer> {
  const found = ensureServer(name);
  if ("missing" in found) throw new Error(`${name} is missing: ${found.missing}`);
  await using stack = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir({ prefix: `tandem-${name}-` });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  await Deno.chmod(dir, 0o755);
  const [disk, certificate] = [join(dir, "home", "files"), join(dir, "cert.pem")];
  await Deno.mkdir(disk, { recursive: true });
  await Deno.writeTextFile(join(dir, "log"), "");
  await makeCertificate(dir);
  const fingerprint = new X509Certificate(await Deno.readFile(certificate)).fingerprint256;
  const port = freePort();
  const command = await prepare({ dir, disk, port, place: found.place, certificate });
  await launch(command, { port, place: found.place, greets: options.tls !== "implicit" }, stack);
  const life = stack.move();
  return {
    port,
    user,
    password: user === undefined ? undefined : PASSWORD,
    disk,
    root: "/files",
    certificate,
    fingerprint,
    commands: async () => commandsIn(await Deno.readTextFile(join(dir, "log"))),
    [Symbol.asyncDispose]: () => life.disposeAsync(),
  };
}

function commandsIn(log: string): readonly string[] {
  return log.split("\n").flatMap((line) => {
    if (line.includes("FTP response:")) return [];
    const command = line.includes("FTP command:") ? /, "(.*)"$/.exec(line)?.[1] : line;
    return command === undefined || command === "" || / (?:OK|FAIL) [A-Z]+: Client/.test(command) ? [] : [command];
  });
}

/** A certificate for 127.0.0.1 and localhost that nobody signed, the same for all servers of a process. */
async function makeCertificate(dir: string): Promise<void> {
  const texts = pems.length > 0 ? pems : await newCertificate(dir);
  pems.splice(0, pems.length, ...texts);
  for (const { name, pem } of texts) await Deno.writeTextFile(join(dir, name), pem, { mode: 0o600 });
}

interface Pem {
  readonly name: string;
  readonly pem: string;
}

const pems: Pem[] = [];

async function newCertificate(dir: string): Promise<readonly Pem[]> {
  const names = "subjectAltName=IP:127.0.0.1,DNS:localhost";
  const key = ["-newkey", "rsa:2048", "-nodes"];
  const outputs = ["-keyout", join(dir, "key.pem"), "-out", join(dir, "cert.pem")];
  await run("openssl", ["req", "-x509", ...key, ...outputs, "-days", "2", "-subj", "/CN=localhost", "-addext", names]);
  const files = ["key.pem", "cert.pem"];
  return await Promise.all(files.map(async (name) => ({ name, pem: await Deno.readTextFile(join(dir, name)) })));
}

async function launch(
  [program = "", ...args]: readonly string[],
  { port, place, greets }: { readonly port: number; readonly place: Installed; readonly greets: boolean },
  stack: AsyncDisposableStack,
): Promise<void> {
  const child = new Deno.Command(program, { args, env: place.env, stdin: "null", stdout: "null", stderr: "null" })
    .spawn();
  stack.defer(async () => {
    try {
      child.kill("SIGTERM");
    } catch {
      // It ended by itself.
    }
    await child.status;
  });
  const ended = child.status.then(() => "ended" as const);
  for (let attempt = 0; attempt < 400; attempt++) {
    if (await answers(port, greets)) return;
    const pause = new Promise<"waited">((resolve) => setTimeout(() => resolve("waited"), 20));
    if (await Promise.race([ended, pause]) === "ended") break;
  }
  throw new Error(`${program} ${args.join(" ")} did not start`);
}

async function answers(port: number, greets: boolean): Promise<boolean> {
  try {
    using link = await Deno.connect({ hostname: "127.0.0.1", port });
    return !greets || (await link.read(new Uint8Array(100)) ?? 0) > 0;
  } catch {
    return false;
  }
}

async function run(program: string, args: readonly string[], place?: Installed): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    env: place?.env ?? {},
    stdin: "null",
  }).output();
  if (!success) throw new Error(`${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr).trim()}`);
  return new TextDecoder().decode(stdout);
}
