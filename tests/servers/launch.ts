import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { ensureServer, freePort, type Installed, makeServerDir } from "../support/servers/install.ts";
import { recipes } from "../support/servers/recipes.ts";
import { makeKey, makeUser } from "../support/servers/sftp.ts";
import type { MatrixServer } from "./row.ts";

/** What a server is prepared with: an empty folder of its own for settings, one that it serves, and a port. */
export interface Setup {
  readonly dir: string;
  readonly disk: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly place: Installed;
  readonly stack: AsyncDisposableStack;
}

/** How a prepared server is started and reached. */
export interface Prepared {
  readonly command: readonly string[];
  /** The served folder as the server names it. */
  readonly root: string;
  /** "sftp", "ftp", "ftpes", "dav" … */
  readonly scheme: string;
  readonly params: readonly string[];
  /** Instead of the user and the password of the setup. */
  readonly user?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Whether what it took shows on its disk a little later. */
  readonly isLate?: boolean;
  /** Whether the server sends its first line unasked. */
  readonly greets?: boolean;
}

/**
 * Starts a server in the foreground and waits until it listens. `systemUser`: a user of the system with the password of the setup;
 * `checksParents`: the server accepts only a home below folders that no other user can write.
 */
export async function startProgram(
  recipe: string,
  { systemUser = false, checksParents = false }: { readonly systemUser?: boolean; readonly checksParents?: boolean },
  prepare: (setup: Setup) => Promise<Prepared>,
): Promise<MatrixServer> {
  const found = ensureServer(recipe);
  if ("missing" in found) throw new Error(`${recipe} is missing: ${found.missing}`);
  await using stack = new AsyncDisposableStack();
  const prefix = `tandem-${recipe}-`;
  const dir = checksParents ? await makeServerDir(prefix) : await Deno.makeTempDir({ prefix });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  await Deno.chmod(dir, 0o755);
  const disk = `${dir}/served/files`;
  await Deno.mkdir(disk, { recursive: true });
  const password = "s3cret pass";
  const home = `${dir}/home`;
  const user = systemUser ? await makeUser(password, stack, home) : "tester";
  if (systemUser) await chown(user, home, disk);
  const port = freePort();
  const prepared = await prepare({ dir, disk, port, user, password, place: found.place, stack });
  await launch(prepared, { port, place: found.place, stack });
  const login = prepared.user ?? user;
  const life = stack.move();
  return {
    port,
    root: prepared.root,
    disk,
    watched: dir,
    isLate: prepared.isLate ?? false,
    env: prepared.env ?? { TANDEM_PASSWORD: password },
    login: (path, other = port) => ({
      address: `${prepared.scheme}://${login}@127.0.0.1:${other}${path}`,
      params: prepared.params,
    }),
    [Symbol.asyncDispose]: () => life.disposeAsync(),
  };
}

/** The path of a program that the table brings along. */
export function ownProgram(name: string): string {
  return fileURLToPath(new URL(`programs/${name}`, import.meta.url));
}

/** Debian's Python, and a program of the table. */
export function python(name: string, ...args: readonly string[]): readonly string[] {
  return ["/usr/bin/python3", "-u", ownProgram(name), ...args];
}

/** A program of the table with the package of npm that its recipe names; it is no dependency of anything else. */
export function npmProgram(recipe: string, name: string, ...args: readonly string[]): readonly string[] {
  const packageName = recipes[recipe]?.npm ?? "";
  return [Deno.execPath(), "run", "-q", "-A", "--no-lock", "--no-check", ownProgram(name), packageName, ...args];
}

/** Makes a host key; returns its path and its fingerprint. */
export async function makeHostKey(dir: string, type = "ed25519"): Promise<{ path: string; fingerprint: string }> {
  const path = `${dir}/host_${type}`;
  const [, blob = ""] = (await makeKey(path, type)).split(" ");
  return { path, fingerprint: fingerprintOf(Uint8Array.fromBase64(blob)) };
}

export function fingerprintOf(blob: Uint8Array): string {
  return `SHA256:${createHash("sha256").update(blob).digest("base64").replace(/=+$/, "")}`;
}

/** Gives folders to a user. */
export async function chown(user: string, ...paths: readonly string[]): Promise<void> {
  await run("chown", ["-R", user, ...paths]);
}

/** Runs a program to its end; returns what it wrote. */
export async function run(program: string, args: readonly string[], place?: Installed): Promise<Uint8Array> {
  const command = new Deno.Command(program, { args: [...args], env: place?.env ?? {}, stdin: "null" });
  const { success, stdout, stderr } = await command.output();
  if (!success) throw new Error(`${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr).trim()}`);
  return stdout;
}

interface Started {
  readonly port: number;
  readonly place: Installed;
  readonly stack: AsyncDisposableStack;
}

/** Starts a program, waits until it listens, and ends it with the stack by its process id. */
async function launch(
  { command, greets = false }: Pick<Prepared, "command" | "greets">,
  { port, place, stack }: Started,
): Promise<void> {
  const [program = "", ...args] = command;
  const child = new Deno.Command(program, { args, env: place.env, stdin: "null", stdout: "null", stderr: "piped" })
    .spawn();
  let words = "";
  const reading = (async () => {
    for await (const piece of child.stderr.pipeThrough(new TextDecoderStream())) words = (words + piece).slice(-2000);
  })();
  stack.defer(async () => {
    try {
      child.kill("SIGTERM");
    } catch {
      // It ended by itself.
    }
    const timer = setTimeout(() => child.kill("SIGKILL"), 5_000);
    await child.status;
    clearTimeout(timer);
    // A child of the server may hold its standard error a little longer.
    const { promise: waited, resolve } = Promise.withResolvers<void>();
    const wait = setTimeout(resolve, 100);
    await Promise.race([reading, waited]);
    clearTimeout(wait);
  });
  const ended = child.status.then(() => true);
  for (let attempt = 0; attempt < 500; attempt++) {
    if (await answers(port, greets)) return;
    const { promise: paused, resolve } = Promise.withResolvers<boolean>();
    const pause = setTimeout(() => resolve(false), 40);
    const isOver = await Promise.race([ended, paused]);
    clearTimeout(pause);
    if (isOver) break;
  }
  throw new Error(`${command.join(" ")} did not start: ${words}`);
}

async function answers(port: number, greets: boolean): Promise<boolean> {
  try {
    using link = await Deno.connect({ hostname: "127.0.0.1", port });
    return !greets || (await link.read(new Uint8Array(100)) ?? 0) > 0;
  } catch {
    return false;
  }
}
