import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { type RunOptions, type RunResult, startTandem, tandem } from "../tandem.ts";
import { type Proxy, type ProxyOptions, startProxy } from "../proxy.ts";
import { type Sshd, type SshdOptions, startSshd } from "../servers/sftp.ts";

/** A local folder, a folder of an OpenSSH server of its own, and the program between them as a process of its own. */
export interface SftpPair extends AsyncDisposable {
  readonly sshd: Sshd;
  /** Both folders on this disk; neither is the home folder of anybody. */
  readonly local: string;
  readonly remote: string;
  /** The remote folder as the program is told it. */
  readonly address: string;
  /** The program's state folder. */
  readonly state: string;
  /** Runs Sync-Path over the pair with these words behind it; another command when the first word is its name. */
  sync(words: string, options?: RunOptions): Promise<RunResult>;
  /** The same, still running. */
  start(words: string, options?: RunOptions): Deno.ChildProcess;
  /** Runs any other command line with the home folder that the server lets in. */
  run(args: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** Runs Sync-Path with these words and fails unless it did nothing: no request that changes, no file written here. */
  idle(words: string): Promise<void>;
}

/** A pair whose link to the server can be delayed and broken. */
export interface ProxiedSftpPair extends SftpPair {
  readonly proxy: Proxy;
}

/** Path → content: the text of a small file, size and hash of a large one, the target of a link; a folder's path ends in "/". */
export type FolderContent = Readonly<Record<string, string>>;

/** Starts a server and makes two empty folders. */
export async function startSftpPair(options: SshdOptions = {}): Promise<SftpPair> {
  await using stack = new AsyncDisposableStack();
  const sshd = stack.use(await startSshd(options));
  return await makePair(sshd, { port: sshd.port, life: stack.move() });
}

/** The same behind a proxy. */
export async function startProxiedSftpPair(options: SshdOptions & ProxyOptions = {}): Promise<ProxiedSftpPair> {
  await using stack = new AsyncDisposableStack();
  const sshd = stack.use(await startSshd(options));
  const proxy = stack.use(await startProxy(sshd.port, options));
  const lines = sshd.hostKeys.map((key) => `[127.0.0.1]:${proxy.port} ${key}\n`);
  await Deno.writeTextFile(sshd.knownHosts, lines.join(""), { append: true });
  return { ...await makePair(sshd, { port: proxy.port, life: stack.move() }), proxy };
}

/** Writes files: path → content; a path that ends in "/" is a folder. Every time is whole seconds and long past. */
export async function fill(folder: string, content: Readonly<Record<string, string | Uint8Array>>): Promise<void> {
  for (const [path, value] of Object.entries(content)) {
    const full = `${folder}/${path}`;
    if (path.endsWith("/")) {
      await Deno.mkdir(full, { recursive: true });
      continue;
    }
    await Deno.mkdir(full.slice(0, full.lastIndexOf("/")), { recursive: true });
    if (typeof value === "string") await Deno.writeTextFile(full, value);
    else await Deno.writeFile(full, value);
    await setOldTime(full);
  }
}

/** Gives a file a time: so many hours before a day long past (negative: after it). */
export async function setOldTime(path: string, hours = 0): Promise<void> {
  const seconds = 1_700_000_000 - hours * 3600;
  await Deno.utime(path, seconds, seconds);
}

/** Returns the content of a folder of this disk, read without any code of the program. */
export function readFolder(folder: string): FolderContent {
  const found: [string, string][] = [];
  const visit = (dir: string, prefix: string) => {
    for (const { name, isDirectory, isSymlink } of Deno.readDirSync(dir)) {
      const full = `${dir}/${name}`;
      if (isSymlink) found.push([prefix + name, `-> ${Deno.readLinkSync(full)}`]);
      else if (!isDirectory) found.push([prefix + name, show(Deno.readFileSync(full))]);
      else {
        found.push([`${prefix}${name}/`, ""]);
        visit(full, `${prefix}${name}/`);
      }
    }
  };
  visit(folder, "");
  return Object.fromEntries(found.sort(([a], [b]) => a < b ? -1 : 1));
}

/** Names, inodes, sizes and times of everything below a folder: equal before and after when nothing was written. */
export function stampFolder(folder: string): FolderContent {
  const found: [string, string][] = [];
  const visit = (path: string) => {
    const info = Deno.lstatSync(path);
    found.push([path, `${info.ino} ${info.size} ${info.mtime?.getTime()} ${info.ctime?.getTime()}`]);
    if (info.isDirectory) { for (const { name } of Deno.readDirSync(path)) visit(`${path}/${name}`); }
  };
  visit(folder);
  return Object.fromEntries(found.sort(([a], [b]) => a < b ? -1 : 1));
}

/** Fails unless both folders hold the same, and nothing of the program's own. */
export function assertSame(pair: Pick<SftpPair, "local" | "remote">): void {
  const [here, there] = [readFolder(pair.local), readFolder(pair.remote)];
  assert.deepEqual(there, here);
  assert.deepEqual(leftoversOf(here), []);
}

/** Paths that are temporary files of the program. */
export function leftoversOf(found: FolderContent): string[] {
  return Object.keys(found).filter((path) => path.includes(".tandem-"));
}

/** Fails with what the program said when its exit code is another. */
export function assertCode(ran: RunResult, code: number): void {
  assert.equal(ran.code, code, `exit ${ran.code} instead of ${code}: ${ran.stderr}\n${ran.stdout.slice(0, 2000)}`);
}

async function makePair(
  sshd: Sshd,
  { port, life }: { readonly port: number; readonly life: AsyncDisposableStack },
): Promise<SftpPair> {
  const local = `${sshd.dir}/local`;
  await Deno.mkdir(local);
  const remote = sshd.disk;
  const address = `sftp://${sshd.user}@127.0.0.1:${port}${sshd.root}`;
  const withHome = (options: RunOptions = {}): RunOptions => ({ home: sshd.home, ...options });
  const toArgs = (words: string) => {
    const [first = "", ...rest] = words.split(" ");
    const [command, more] = first.startsWith("-") ? ["Sync-Path", [first, ...rest]] : [first, rest];
    return [command, local, address, ...more];
  };
  const pair: SftpPair = {
    sshd,
    local,
    remote,
    address,
    state: `${sshd.home}/.local/state/tandem`,
    sync: (words, options) => tandem(toArgs(words), withHome(options)),
    start: (words, options) => startTandem(toArgs(words), withHome(options)),
    run: (args, options) => tandem(args, withHome(options)),
    async idle(words) {
      const [requests, files] = [await sshd.mutations(), stampFolder(local)];
      const ran = await tandem(toArgs(words), withHome());
      assertCode(ran, 0);
      assert.deepEqual((await sshd.mutations()).slice(requests.length), []);
      assert.deepEqual(stampFolder(local), files);
      const { UploadCount, DownloadCount, RemovalCount, FoldersMade, FoldersRemoved, TouchCount } = ran.result();
      assert.deepEqual([UploadCount, DownloadCount, RemovalCount, FoldersMade, FoldersRemoved, TouchCount], [
        ...[0, 0, 0, 0, 0, 0],
      ]);
    },
    [Symbol.asyncDispose]: () => life.disposeAsync(),
  };
  return pair;
}

function show(bytes: Uint8Array): string {
  if (bytes.length > 64) return `${bytes.length} bytes ${createHash("sha256").update(bytes).digest("hex")}`;
  return new TextDecoder().decode(bytes);
}
