import { createHash, randomBytes } from "node:crypto";
import { join } from "node:path";
import { ensureServer, freePort, type Installed, makeServerDir } from "./install.ts";

export type KeyType = "ed25519" | "rsa" | "ecdsa";

/** How a test wants its OpenSSH server. */
export interface SshdOptions {
  /** Host keys, in the server's order; ed25519 and ecdsa by default (rsa takes a second to make). */
  readonly hostKeys?: readonly KeyType[];
  /** A system user with this password, made for the test and removed afterwards (root only); else the user who runs the tests. */
  readonly password?: string;
  /** No shell and no view beyond a folder, what many hosters give (root only, with `password`). Its requests are not logged. */
  readonly chroot?: boolean;
  /** False for benchmarks: internal-sftp, no request log. */
  readonly requestLog?: boolean;
  readonly maxSessions?: number;
  readonly maxStartups?: number;
  /** Whether the client's known_hosts names this server; true by default. */
  readonly known?: boolean;
  /** A free one by default. */
  readonly port?: number;
  /** Lines put before all others in sshd_config: the first value of a keyword counts. */
  readonly config?: readonly string[];
}

/** An OpenSSH server on 127.0.0.1, and a home folder for a client it lets in. Stopped by its process id. */
export interface Sshd extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly pid: number;
  /** The temporary folder with everything in it. */
  readonly dir: string;
  /** An empty folder for the test's files on this disk, and as the server names it (they differ under chroot). */
  readonly disk: string;
  readonly root: string;
  /** The client's HOME: .ssh/id_ed25519 logs in, .ssh/known_hosts knows the server. */
  readonly home: string;
  readonly knownHosts: string;
  readonly privateKeyPath: string;
  readonly authorizedKeys: string;
  /** "SHA256:…" of the first host key. */
  readonly fingerprint: string;
  /** Public host keys, "ssh-ed25519 AAAA…", in the server's order. */
  readonly hostKeys: readonly string[];
  /** What sshd and its SFTP server logged so far. */
  log(): Promise<string>;
  /** The logged SFTP requests that changed something, in order. */
  mutations(): Promise<readonly string[]>;
}

/** Starts sshd and waits until it listens. Rejects where it is not installed (serverTest skips before that). */
export async function startSshd(options: SshdOptions = {}): Promise<Sshd> {
  const found = ensureServer("sftp");
  if ("missing" in found) throw new Error(`sshd is missing: ${found.missing}`);
  for (let attempt = 1;; attempt++) {
    try {
      return await start(found.place, options);
    } catch (error) {
      // Another test may have taken the port between finding it free and listening there.
      if (options.port !== undefined || attempt === 5 || !String(error).includes("Bind to port")) throw error;
    }
  }
}

/** Makes a key pair at `path` and `path`.pub; gives the public line. */
export async function makeKey(path: string, type: string, ...more: readonly string[]): Promise<string> {
  await run("ssh-keygen", ["-q", "-t", type, "-N", "", "-C", "tandem-test", "-f", path, ...more]);
  return (await Deno.readTextFile(`${path}.pub`)).trim();
}

/** The requests in an sftp-server log that changed something: `open "…" flags WRITE…`, `remove name "…"` … */
function mutationsIn(log: string): readonly string[] {
  return log.split("\n").flatMap((line) => {
    const request = /^\S*sftp-server\[\d+\]: (.*?)\r?$/.exec(line)?.[1] ?? line.trim();
    return MUTATION.test(request) ? [request] : [];
  });
}

const DEFAULT_HOST_KEYS: readonly KeyType[] = ["ed25519", "ecdsa"];
const MUTATION =
  /^(?:open ".*" flags \S*(?:WRITE|CREATE|TRUNCATE|APPEND)|(?:remove|mkdir|rmdir|rename|posix-rename|symlink|hardlink|copy-data|set|lset)\b)/;

async function start(place: Installed, options: SshdOptions): Promise<Sshd> {
  await using stack = new AsyncDisposableStack();
  const prefix = "tandem-sshd-";
  const dir = await (options.chroot === true ? makeServerDir(prefix) : Deno.makeTempDir({ prefix }));
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  await Deno.chmod(dir, 0o755);
  const port = options.port ?? freePort();
  const user = options.password === undefined ? await currentUser() : await makeUser(options.password, stack);
  const files = await makeFiles(dir, { port, user, options, place });
  await Deno.writeTextFile(join(dir, "sshd_config"), configText({ dir, port, user, options, place }));
  const log = join(dir, "sshd.log");
  const pid = await launch(place, { dir, log }, stack);
  const life = stack.move();
  return {
    host: "127.0.0.1",
    port,
    user,
    pid,
    dir,
    ...files,
    log: () => Deno.readTextFile(log),
    mutations: async () => mutationsIn(await Deno.readTextFile(join(dir, "requests.log"))),
    [Symbol.asyncDispose]: () => life.disposeAsync(),
  };
}

interface Setup {
  readonly dir: string;
  readonly port: number;
  readonly user: string;
  readonly options: SshdOptions;
  readonly place: Installed;
}

type Files = Pick<
  Sshd,
  "disk" | "root" | "home" | "knownHosts" | "privateKeyPath" | "authorizedKeys" | "fingerprint" | "hostKeys"
>;

async function makeFiles(dir: string, setup: Omit<Setup, "dir">): Promise<Files> {
  const { port, user, options } = setup;
  const home = join(dir, "home");
  const [privateKeyPath, knownHosts] = [join(home, ".ssh", "id_ed25519"), join(home, ".ssh", "known_hosts")];
  await Deno.mkdir(join(home, ".ssh"), { recursive: true, mode: 0o700 });
  const authorizedKeys = join(dir, "authorized_keys");
  await Deno.writeTextFile(authorizedKeys, `${await makeKey(privateKeyPath, "ed25519")}\n`);
  const hostKeys: string[] = [];
  for (const type of options.hostKeys ?? DEFAULT_HOST_KEYS) {
    const line = await makeKey(join(dir, `host_${type}`), type);
    hostKeys.push(line.split(" ").slice(0, 2).join(" "));
  }
  const known = options.known === false ? [] : hostKeys.map((key) => `[127.0.0.1]:${port} ${key}\n`);
  await Deno.writeTextFile(knownHosts, known.join(""), { mode: 0o600 });
  const disk = join(dir, "jail", "files");
  await Deno.mkdir(disk, { recursive: true });
  await Deno.writeTextFile(join(dir, "requests.log"), "", { mode: 0o666 });
  if (options.password !== undefined) await run("chown", [user, disk, join(dir, "requests.log")]);
  const blob = hostKeys[0]?.split(" ")[1] ?? "";
  const fingerprint = `SHA256:${createHash("sha256").update(blob, "base64").digest("base64").replace(/=+$/, "")}`;
  const root = options.chroot === true ? "/files" : disk;
  return { disk, root, home, knownHosts, privateKeyPath, authorizedKeys, fingerprint, hostKeys };
}

function configText({ dir, port, options, place }: Setup): string {
  // The login folder is one of the test's own: trash is kept there.
  const login = `-d ${join(dir, "home")}`;
  const logged = `${sftpServer(place)} -e -l VERBOSE ${login} 2>>${join(dir, "requests.log")}`;
  const unlogged = options.chroot === true ? "internal-sftp" : `internal-sftp ${login}`;
  const sftp = options.requestLog === false || options.chroot === true ? unlogged : logged;
  return [
    ...(options.config ?? []),
    `Port ${port}`,
    "ListenAddress 127.0.0.1",
    ...(options.hostKeys ?? DEFAULT_HOST_KEYS).map((type) => `HostKey ${join(dir, `host_${type}`)}`),
    `AuthorizedKeysFile ${join(dir, "authorized_keys")}`,
    `PidFile ${join(dir, "sshd.pid")}`,
    "StrictModes no",
    "UsePAM no",
    "UseDNS no",
    "PermitRootLogin yes",
    "PubkeyAuthentication yes",
    `PasswordAuthentication ${options.password === undefined ? "no" : "yes"}`,
    "KbdInteractiveAuthentication no",
    "LogLevel VERBOSE",
    `MaxSessions ${options.maxSessions ?? 100}`,
    `MaxStartups ${options.maxStartups ?? 100}`,
    `Subsystem sftp ${sftp}`,
    ...(options.chroot === true ? [`ChrootDirectory ${join(dir, "jail")}`, "ForceCommand internal-sftp"] : []),
    "",
  ].join("\n");
}

/** The SFTP server beside sshd; the system's own where only sshd itself was unpacked elsewhere. */
function sftpServer(place: Installed): string {
  const path = "/usr/lib/openssh/sftp-server";
  try {
    return Deno.statSync(place.root + path).isFile ? place.root + path : path;
  } catch {
    return path;
  }
}

/** Starts sshd in the foreground, its words in a log file, and waits until that says that it listens. */
async function launch(
  place: Installed,
  { dir, log }: { readonly dir: string; readonly log: string },
  stack: AsyncDisposableStack,
): Promise<number> {
  const child = new Deno.Command(`${place.root}/usr/sbin/sshd`, {
    args: ["-D", "-f", join(dir, "sshd_config"), "-E", log],
    env: place.env,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  stack.defer(async () => {
    try {
      child.kill("SIGTERM");
    } catch {
      // It ended by itself.
    }
    await child.status;
  });
  const ended = child.status.then(() => "ended" as const);
  const words = () => Deno.readTextFile(log).catch(() => "");
  for (let attempt = 0; attempt < 400; attempt++) {
    if ((await words()).includes("Server listening on")) return child.pid;
    const pause = new Promise<"waited">((resolve) => setTimeout(() => resolve("waited"), 10));
    if (await Promise.race([ended, pause]) === "ended") break;
  }
  throw new Error(`sshd did not start: ${await words() || "no word"}`);
}

async function currentUser(): Promise<string> {
  return (await run("id", ["-un"])).trim();
}

/** A system user of the test's own, removed with the server; sshd compares real passwords only for real users. `home` is made if it is given. */
export async function makeUser(password: string, stack: AsyncDisposableStack, home?: string): Promise<string> {
  if (Deno.uid() !== 0) throw new Error("a password login needs a system user, which only root can make");
  const user = `tandemtest${randomBytes(4).toString("hex")}`;
  await run("useradd", ["--no-create-home", "--home-dir", home ?? "/", "--shell", "/bin/sh", user]);
  stack.defer(async () => {
    await run("userdel", ["--force", user]);
  });
  await run("chpasswd", [], `${user}:${password}\n`);
  if (home !== undefined) await Deno.mkdir(home, { mode: 0o755 });
  return user;
}

/** Runs a program to its end; gives what it wrote, throws what it complained. */
async function run(program: string, args: readonly string[], input = ""): Promise<string> {
  const child = new Deno.Command(program, { args: [...args], stdin: "piped", stdout: "piped", stderr: "piped" })
    .spawn();
  const writer = child.stdin.getWriter();
  const fed = writer.write(new TextEncoder().encode(input)).then(() => writer.close()).catch(() => undefined);
  const { success, stdout, stderr } = await child.output();
  await fed;
  if (!success) throw new Error(`${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr).trim()}`);
  return new TextDecoder().decode(stdout);
}
