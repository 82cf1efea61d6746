/**
 * Every test, against real servers where they are installed; arguments pick files, folders or test names. The last line is
 * `N passed, N failed, N skipped`; what was skipped for want of a server stands above it with the command that installs it.
 */
import { existsSync } from "node:fs";
import { stripVTControlCharacters } from "node:util";

/** Beyond this a test hangs. */
const limitMs = 45 * 60_000;
const root = new URL("../../", import.meta.url);

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** A server that was not there: a test says so with a line `SKIP <server>: <how to get it>` in the file that TANDEM_SKIPS names. */
interface MissingServer {
  readonly server: string;
  readonly how: string;
}

const nothingRan: Counts = { passed: 0, failed: 1, skipped: 0 };

Deno.exit(await runTests(Deno.args));

async function runTests(args: readonly string[]): Promise<number> {
  const frozen = Deno.env.get("CI") === "true" ? ["--frozen"] : [];
  const common = ["-q", "-A", "--no-check", ...frozen];
  const picked = await pick(args);
  if (!await fetchPackages(frozen)) return report([nothingRan], []);

  const skips = await Deno.makeTempFile({ prefix: "tandem-skips-" });
  try {
    const counts = await runDeno(["test", ...common, "--parallel", ...picked], skips);
    if (args.length > 0 && counts.passed + counts.failed + counts.skipped === 0) {
      say(
        `No test ran: ${
          args.join(" ")
        }. A word picks test files by their path; one that no path holds picks tests by name.`,
      );
    }
    return report([counts], parseSkips(await Deno.readTextFile(skips)));
  } finally {
    await Deno.remove(skips);
  }
}

/** Paths stay paths, options options; any other word is sought in the names of test files, else in the names of tests. */
async function pick(args: readonly string[]): Promise<readonly string[]> {
  const files = await testFiles("tests");
  const names: string[] = [];
  const picked = args.flatMap((arg) => {
    if (arg.startsWith("-") || existsSync(new URL(arg, root))) return [arg];
    const found = files.filter((file) => file.includes(arg));
    if (found.length === 0) names.push(arg);
    return found;
  });
  const filter = names.length === 0 ? [] : [`--filter=/(?i)${names.map((name) => RegExp.escape(name)).join("|")}/`];
  const anyPath = picked.some((arg) => !arg.startsWith("-"));
  return [...filter, ...picked, ...(anyPath ? [] : ["tests/"])];
}

/** Beforehand and quietly, so that no download's line stands between the tests. */
async function fetchPackages(frozen: readonly string[]): Promise<boolean> {
  const entrypoints = [...await testFiles("tests"), ...(existsSync(new URL("mod.ts", root)) ? ["mod.ts"] : [])];
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["install", "-q", ...frozen, "--entrypoint", ...entrypoints],
    cwd: root,
    stdin: "null",
    stdout: "null",
  }).output();
  if (!success) say("Cannot fetch the npm packages that the tests import; the reason stands above.");
  return success;
}

async function testFiles(folder: string): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(new URL(folder, root))) {
    if (isDirectory) found.push(...await testFiles(`${folder}/${name}`));
    else if (name.endsWith("_test.ts")) found.push(`${folder}/${name}`);
  }
  return found.sort();
}

/** Shows what deno prints as it comes and reads the counts out of its closing line. */
async function runDeno(args: readonly string[], skips: string): Promise<Counts> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: root,
    env: { TANDEM_SKIPS: skips, ...(Deno.args.includes("servers") ? { TANDEM_SERVERS: "all" } : {}) },
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const stop = setTimeout(() => {
    say(`The tests take more than ${limitMs / 60_000} minutes: stopped.`);
    child.kill("SIGKILL");
  }, limitMs);
  const [shown, tail] = child.stdout.tee();
  const [counts, { success }] = await Promise.all([
    readCounts(tail),
    child.status,
    shown.pipeTo(Deno.stdout.writable, { preventClose: true }),
  ]);
  clearTimeout(stop);
  if (counts === undefined) return nothingRan;
  return success ? counts : { ...counts, failed: Math.max(1, counts.failed) };
}

async function readCounts(output: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<Counts | undefined> {
  let text = "";
  for await (const piece of output.pipeThrough(new TextDecoderStream())) text = (text + piece).slice(-64 * 1024);
  const closing = stripVTControlCharacters(text).match(/^(?:ok|FAILED) \| .*$/gm)?.at(-1);
  if (closing === undefined) return undefined;
  const count = (word: string) => Number(closing.match(new RegExp(`(\\d+) ${word}`))?.[1] ?? 0);
  return { passed: count("passed"), failed: count("failed"), skipped: count("ignored") };
}

function parseSkips(text: string): readonly MissingServer[] {
  const missing = text.split("\n").flatMap((line) => {
    const [, server, how] = line.match(/^SKIP ([^:]+): (.+)$/) ?? [];
    return server === undefined || how === undefined ? [] : [{ server, how }];
  });
  return [...new Map(missing.map((one) => [one.server, one])).values()];
}

function report(runs: readonly Counts[], missing: readonly MissingServer[]): number {
  const required = (Deno.env.get("TANDEM_REQUIRE") ?? "").split(",");
  const wanting = missing.filter(({ server }) => required.includes(server));
  for (const { server, how } of missing) {
    const verdict = required.includes(server) ? "MISSING though TANDEM_REQUIRE names it" : "skipped";
    say(`${server}: ${verdict}. To get it: ${how}`);
  }
  const sum = (pick: (counts: Counts) => number) => runs.reduce((total, counts) => total + pick(counts), 0);
  const passed = sum((counts) => counts.passed);
  const failed = sum((counts) => counts.failed) + wanting.length;
  const skipped = Math.max(sum((counts) => counts.skipped), missing.length - wanting.length);
  say(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  return failed > 0 || passed === 0 ? 1 : 0;
}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
