/**
 * Two clients and somebody on the server edit one tree for many rounds, through real processes and a real server, some of which are
 * killed or cut off: `deno task soak --rounds=200 --seed=7`. Ends with figures, and with exit code 1 when a version was lost or the
 * sides differ after quiet runs. Before that the engine's simulation runs long (`--sequences=10000`).
 */
import { parseArgs } from "node:util";
import { type ProxiedSftpPair, startProxiedSftpPair } from "../targets/sftp_pair.ts";
import { type SoakResult, SoakTree } from "./tree.ts";
import { startTandem } from "../tandem.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "200" },
    seed: { type: "string", default: "1" },
    sequences: { type: "string", default: "10000" },
  },
});

/** What a run of the program may end with here: all done, something failed, the line was cut, killed. */
const expected: readonly number[] = [0, 1, 4, 137];
const words = ["-Mode", "Both", "-Remove", "-MaxRemove", "100%", "-AllowEmptySource", "-AllowAllChanged", "-Quiet"];

const simulated = await simulate(Number(values.sequences));
Deno.exit(await soak(Number(values.rounds), Number(values.seed)) && simulated ? 0 : 1);

async function simulate(sequences: number): Promise<boolean> {
  if (sequences === 0) return true;
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "-q", "-A", "--no-check", "tests/property/engine_test.ts"],
    cwd: new URL("../../../", import.meta.url).pathname,
    env: { TANDEM_RUNS: String(sequences) },
  }).spawn().status;
  return success;
}

async function soak(rounds: number, seed: number): Promise<boolean> {
  await using pair = await startProxiedSftpPair();
  const random = newRandom(seed);
  const second = `${pair.sshd.dir}/second`;
  await Deno.mkdir(second);
  const roots = [pair.local, second, pair.remote] as const;
  const tree = new SoakTree(roots, random);
  const told: Record<string, number> = {};
  const count = (what: string) => told[what] = (told[what] ?? 0) + 1;
  for (let round = 0; round < rounds; round++) {
    for (let edits = random(4); edits > 0; edits--) await tree.edit(roots[random(3)] ?? pair.local, round);
    const code = await sync(pair, roots[random(2)] ?? pair.local, { random, count });
    count(`exit ${code}`);
    if (!expected.includes(code)) say(`round ${round} of seed ${seed} ended with ${code}`);
    report(await tree.lost(pair.sshd.home), round);
  }
  for (let quiet = 0; quiet < 4; quiet++) await run(pair, roots[quiet % 2] ?? pair.local).output();
  const lost = await tree.lost(pair.sshd.home);
  const differing = await tree.differing();
  say(
    `${rounds} rounds of seed ${seed}: ${tree.written} versions written, ${lost.length} lost, ${differing.length} paths differ`,
  );
  say(Object.entries(told).sort().map(([what, times]) => `${what}: ${times}`).join(", "));
  for (const path of differing) say(`differs: ${path}`);
  const codes = Object.keys(told).filter((what) => what.startsWith("exit ")).map((what) => Number(what.slice(5)));
  return lost.length + differing.length === 0 && codes.every((code) => expected.includes(code));
}

/** One run; one in four is killed, one in six loses its line, at some moment. */
async function sync(
  pair: ProxiedSftpPair,
  local: string,
  { random, count }: { random(below: number): number; count(what: string): void },
): Promise<number> {
  const child = run(pair, local);
  const after = 300 + random(1500);
  const end = random(12);
  const timer = setTimeout(() => {
    if (end < 3) child.kill("SIGKILL");
    else if (end < 5) pair.proxy.cut();
  }, after);
  const { code } = await child.output();
  clearTimeout(timer);
  if (end < 5) count(end < 3 ? "to be killed" : "to be cut");
  return code;
}

function run({ address, sshd }: ProxiedSftpPair, local: string): Deno.ChildProcess {
  return startTandem(["Sync-Path", local, address, ...words], { home: sshd.home });
}

function report(lost: readonly SoakResult[], round: number): void {
  for (const { id, path, root } of lost) say(`round ${round}: "${id}" of ${root}/${path} is lost`);
}

/** Numbers below a limit, the same for the same seed. */
function newRandom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
