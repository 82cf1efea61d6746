import { join } from "node:path";
import { recipes } from "./recipes.ts";

/** Where a server's programs lie: `root` is "" for the system's own, else the folder its packages were unpacked into; `env` finds its libraries there. */
export interface Installed {
  readonly root: string;
  readonly env: Readonly<Record<string, string>>;
}

/** What a server needs. `packages`: Debian's names, or `npm`: one of npm; `probe`: why the programs at this place do not run, undefined when they do. */
export interface Recipe {
  readonly packages: readonly string[];
  /** "npm:name@version". */
  readonly npm?: string;
  probe(place: Installed): string | undefined;
}

/** A server that runs, or how to get it. */
export type Found = { readonly place: Installed } | { readonly missing: string };

/**
 * The place of a server that really runs. Where it is missing it is fetched only under CI=true or TANDEM_INSTALL=1: unpacked into
 * the temporary folder where it runs from there, else installed with service starts barred. Never removes another package.
 */
export function ensureServer(name: string, recipe: Recipe | undefined = recipes[name]): Found {
  if (recipe === undefined) return { missing: `no recipe for the server "${name}"` };
  const known = found.get(name);
  if (known !== undefined) return known;
  const result = find(name, recipe);
  found.set(name, result);
  return result;
}

/** Registers a test that needs a server: skipped where it is missing, failed where TANDEM_REQUIRE names it. */
export function serverTest(
  name: string,
  options: { readonly server: string; readonly recipe?: Recipe } & Omit<Deno.TestDefinition, "name" | "fn">,
  test: (t: Deno.TestContext) => void | Promise<void>,
): void {
  const { server, recipe, ignore, ...definition } = options;
  Deno.test({ ...definition, name, fn: test, ignore: ignore === true || skipsServer(server, recipe) });
}

/** True when the tests of a server are to be skipped, which is noted in TANDEM_SKIPS with the way to get it; throws where TANDEM_REQUIRE names it. */
export function skipsServer(server: string, recipe?: Recipe): boolean {
  const result = ensureServer(server, recipe);
  if ("place" in result) return false;
  const required = (Deno.env.get("TANDEM_REQUIRE") ?? "").split(",").map((one) => one.trim());
  if (required.includes(server)) {
    throw new Error(`TANDEM_REQUIRE names "${server}", which is missing: ${result.missing}`);
  }
  noteSkip(server, result.missing);
  return true;
}

/** A temporary folder whose every parent belongs to root alone, as a chroot needs; an ordinary one where we are not root. */
export async function makeServerDir(prefix: string): Promise<string> {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return await Deno.makeTempDir({ prefix });
  const dir = await Deno.makeTempDir({ dir: "/run", prefix });
  await Deno.chmod(dir, 0o755);
  return dir;
}

/** A port of 127.0.0.1 that nobody listens on right now. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

const system: Installed = { root: "", env: {} };
const found = new Map<string, Found>();
const noted = new Set<string>();

function find(name: string, recipe: Recipe): Found {
  if (recipe.npm !== undefined) return findNpm(recipe.npm);
  if (recipe.probe(system) === undefined) return { place: system };
  const hint = `run the tests with TANDEM_INSTALL=1, or: apt-get install ${recipe.packages.join(" ")}`;
  const cache = cacheDir();
  const unpacked = unpackedAt(join(cache, name));
  if (isDir(unpacked.root) && recipe.probe(unpacked) === undefined) return { place: unpacked };
  if (Deno.env.get("CI") !== "true" && Deno.env.get("TANDEM_INSTALL") !== "1") return { missing: hint };
  if (Deno.build.os !== "linux") {
    return { missing: `${recipe.packages.join(", ")}: install by hand, this is no Debian` };
  }
  using lock = Deno.openSync(join(cache, "lock"), { create: true, write: true });
  lock.lockSync(true);
  // Another test file may have fetched it while this one waited for the lock.
  if (recipe.probe(system) === undefined) return { place: system };
  try {
    const wanted = missingPackages(recipe.packages);
    unpack(wanted.install, unpacked.root);
    const why = recipe.probe(unpacked);
    if (why === undefined) return { place: unpacked };
    if (Deno.uid() !== 0) return { missing: `${hint} (as root; unpacked elsewhere it says: ${why})` };
    if (wanted.remove.length > 0) return { missing: `${hint} (it would remove ${wanted.remove.join(" ")})` };
    install(recipe.packages);
    const still = recipe.probe(system);
    return still === undefined ? { place: system } : { missing: `${hint} (installed, and yet: ${still})` };
  } catch (error) {
    return { missing: `${hint} (${error instanceof Error ? error.message : error})` };
  }
}

/** A package of npm, in Deno's cache alone: neither the lock file nor a folder of the repository knows it. */
function findNpm(npm: string): Found {
  const cache = (...more: readonly string[]) =>
    attempt(() => run(Deno.execPath(), ["install", "-q", "--no-lock", ...more, "--entrypoint", npm]));
  if (cache("--cached-only") !== undefined) return { place: system };
  const hint = `run the tests with TANDEM_INSTALL=1, or: deno cache --no-lock ${npm}`;
  if (Deno.env.get("CI") !== "true" && Deno.env.get("TANDEM_INSTALL") !== "1") return { missing: hint };
  return cache() === undefined ? { missing: `${hint} (it cannot be fetched)` } : { place: system };
}

/** A folder of our own in the temporary folder: packages in it are run, so nobody else may have made it. */
function cacheDir(): string {
  const dir = join(Deno.env.get("TMPDIR") ?? "/tmp", `tandem-servers-${Deno.uid() ?? "user"}`);
  Deno.mkdirSync(dir, { recursive: true, mode: 0o755 });
  const info = Deno.lstatSync(dir);
  const ours = Deno.build.os === "windows" || (info.uid === Deno.uid() && ((info.mode ?? 0) & 0o022) === 0);
  if (!info.isDirectory || !ours) throw new Error(`"${dir}" belongs to somebody else`);
  return dir;
}

function unpackedAt(root: string): Installed {
  const libraries = ["usr/lib", "lib"].map((dir) => join(root, dir, `${Deno.build.arch}-linux-gnu`));
  const env = { LD_LIBRARY_PATH: libraries.join(":"), PYTHONPATH: join(root, "usr/lib/python3/dist-packages") };
  return { root, env };
}

function isDir(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

/** These packages and what apt would install and remove for them, asked without changing anything. */
function missingPackages(packages: readonly string[]): { install: string[]; remove: string[] } {
  const simulate = () => apt(["install", "--simulate", "--no-install-recommends", ...packages]);
  const plan = attempt(simulate) ?? (apt(["update"]), simulate());
  const names = (verb: string) =>
    plan.split("\n").flatMap((line) => line.startsWith(`${verb} `) ? [line.split(" ")[1] ?? ""] : []);
  return { install: [...new Set([...packages, ...names("Inst")])], remove: names("Remv") };
}

function unpack(packages: readonly string[], root: string): void {
  const downloads = Deno.makeTempDirSync({ prefix: "tandem-packages-" });
  try {
    apt(["download", ...packages], downloads);
    Deno.mkdirSync(root, { recursive: true });
    for (const { name } of Deno.readDirSync(downloads)) run("dpkg", ["-x", join(downloads, name), root]);
  } finally {
    Deno.removeSync(downloads, { recursive: true });
  }
}

/** Installs with service starts barred: a newcomer's machine must not get services on :21, :22, :80. */
function install(packages: readonly string[]): void {
  const policy = "/usr/sbin/policy-rc.d";
  const barred = attempt(() => Deno.lstatSync(policy)) !== undefined;
  if (!barred) Deno.writeTextFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755, createNew: true });
  try {
    apt(["install", "--yes", "--no-install-recommends", "--no-remove", ...packages]);
  } finally {
    if (!barred) Deno.removeSync(policy);
  }
}

function apt(args: readonly string[], cwd?: string): string {
  return run("timeout", ["600", "apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", ...args], cwd);
}

function run(program: string, args: readonly string[], cwd?: string): string {
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  const output = new Deno.Command(program, { args: [...args], env, ...(cwd === undefined ? {} : { cwd }) })
    .outputSync();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (!output.success) throw new Error(`${program} ${args.join(" ")}: ${text(output.stderr).trim().slice(-400)}`);
  return text(output.stdout);
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

function noteSkip(server: string, how: string): void {
  if (noted.has(server)) return;
  noted.add(server);
  const line = `SKIP ${server}: ${how}\n`;
  const file = Deno.env.get("TANDEM_SKIPS");
  if (file === undefined || file === "") {
    Deno.stderr.writeSync(new TextEncoder().encode(line));
    return;
  }
  Deno.writeTextFileSync(file, line, { append: true });
}
