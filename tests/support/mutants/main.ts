/**
 * Makes one line of the engine wrong at a time, in a copy of the checkout, and tells whether the tests notice: `killed` or `SURVIVED`.
 * Arguments pick mutants by words in their names or files. Exits 1 when one survives, 2 when a line to be changed is not there.
 */
import { type Mutant, mutantsOfPlans } from "./list.ts";
import { mutantsOfDav } from "./dav.ts";
import { mutantsOfDavServers } from "./dav_servers.ts";
import { mutantsOfNet } from "./net.ts";
import { mutantsOfDisk } from "./disk.ts";
import { mutantsOfFtp } from "./ftp.ts";
import { mutantsOfListings } from "./listings.ts";
import { mutantsOfPlan } from "./plan.ts";
import { mutantsOfSsh } from "./ssh.ts";
import { mutantsOfState } from "./state.ts";
import { mutantsOfStore } from "./store.ts";
import { mutantsOfTls } from "./tls.ts";
import { mutantsOfTrash } from "./trash.ts";
import { mutantsOfWords } from "./words.ts";
import { mutantsOfDirectWrites } from "./direct_writes.ts";
import { mutantsOfWork } from "./work.ts";

/** Beyond this a test hangs, which is noticed too. */
const limitMs = 180_000;
const mutants: readonly Mutant[] = [
  ...mutantsOfPlans,
  ...mutantsOfDav,
  ...mutantsOfDavServers,
  ...mutantsOfNet,
  ...mutantsOfDisk,
  ...mutantsOfFtp,
  ...mutantsOfListings,
  ...mutantsOfPlan,
  ...mutantsOfSsh,
  ...mutantsOfState,
  ...mutantsOfStore,
  ...mutantsOfTls,
  ...mutantsOfTrash,
  ...mutantsOfWords,
  ...mutantsOfDirectWrites,
  ...mutantsOfWork,
];
const root = new URL("../../../", import.meta.url).pathname;
const parts = ["lib", "cmd", "tests", "mod.ts", "deno.json", "deno.lock", "README.md"];

Deno.exit(await tryAll(Deno.args));

async function tryAll(words: readonly string[]): Promise<number> {
  const wanted = mutants.filter((one) => words.every((word) => `${one.name} ${one.file}`.includes(word)));
  const lost = await findLost(wanted);
  for (const one of lost) say(`not there once in ${one.file}: ${one.old.trim()}`);
  if (lost.length > 0) return 2;
  const copy = await Deno.makeTempDir({ prefix: "tandem-mutants-" });
  try {
    for (const part of parts) await copyAll(`${root}${part}`, `${copy}/${part}`);
    const tests = [...new Set(wanted.flatMap((one) => one.tests))];
    const broken = await findBroken(copy, tests);
    for (const test of broken) say(`${test} fails before anything is changed`);
    if (broken.length > 0) return 2;
    const survivors: Mutant[] = [];
    for (const one of wanted) if (!await isKilled(copy, one)) survivors.push(one);
    say(`${wanted.length} mutants, ${wanted.length - survivors.length} killed, ${survivors.length} survived`);
    return survivors.length === 0 ? 0 : 1;
  } finally {
    await Deno.remove(copy, { recursive: true });
  }
}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

/** Those whose line does not stand in its file exactly once. */
async function findLost(wanted: readonly Mutant[]): Promise<readonly Mutant[]> {
  const found: Mutant[] = [];
  for (const one of wanted) {
    const text = await Deno.readTextFile(`${root}${one.file}`);
    if (text.split(one.old).length !== 2) found.push(one);
  }
  return found;
}

async function findBroken(copy: string, tests: readonly string[]): Promise<readonly string[]> {
  const broken: string[] = [];
  for (const test of tests) if (!await passes(copy, [test])) broken.push(test);
  return broken;
}

async function isKilled(copy: string, { name, file, old, new: sabotage, tests }: Mutant): Promise<boolean> {
  const path = `${copy}/${file}`;
  const text = await Deno.readTextFile(path);
  await Deno.writeTextFile(path, text.replace(old, () => sabotage));
  const began = performance.now();
  let by: string | undefined;
  for (const test of tests) {
    if (await passes(copy, [test])) continue;
    by = test;
    break;
  }
  await Deno.writeTextFile(path, text);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  say(by === undefined ? `SURVIVED ${name} (${file})` : `killed   ${name} (by ${by}, ${seconds} s)`);
  return by !== undefined;
}

async function passes(copy: string, tests: readonly string[]): Promise<boolean> {
  const existing = tests.filter((test) => exists(`${copy}/${test}`));
  if (existing.length === 0) return true;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["test", "-q", "-A", "--no-check", "--fail-fast", ...existing],
    cwd: copy,
    stdout: "null",
    stderr: "null",
  }).spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), limitMs);
  const { success } = await child.status;
  clearTimeout(timer);
  return success;
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function copyAll(from: string, to: string): Promise<void> {
  if (!exists(from)) return;
  if (!(await Deno.stat(from)).isDirectory) return await Deno.copyFile(from, to);
  await Deno.mkdir(to);
  for await (const { name } of Deno.readDir(from)) await copyAll(`${from}/${name}`, `${to}/${name}`);
}
