/**
 * The same work by Tandem and by each installed peer, in one run, as medians and ratios:
 * `deno task bench:peers -- sftp [--rounds N] [--only upload-small,nothing-100k] [--rtt 0,40] [--who tandem,rsync]
 * [--limit SECONDS] [--dir FOLDER] [--quick]`.
 * Only ratios from one run count: machines differ, and are never quiet. Works in memory where there is room, since a disk that takes
 * a millisecond to make a file hides what the programs do; --dir names a disk instead.
 */
import { statfsSync } from "node:fs";
import { parseArgs } from "node:util";
import { type Arena, type Cell, contest, type Contestant, type Score } from "./contest.ts";
import type { Measured } from "./measure.ts";
import { openFtp } from "./ftp.ts";
import { makePlaces } from "./places.ts";
import { openS3Arena } from "./s3.ts";
import { openSftp, openTwoWay } from "./sftp.ts";
import { formatTable } from "./table.ts";
import { openWebdav } from "./webdav.ts";

const arenas: Readonly<Record<string, () => Promise<Arena>>> = {
  ftp: openFtp,
  s3: openS3Arena,
  sftp: openSftp,
  twoway: openTwoWay,
  webdav: openWebdav,
};

await benchPeers(Deno.args.filter((arg) => arg !== "--"));

async function benchPeers(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      rounds: { type: "string" },
      only: { type: "string" },
      rtt: { type: "string" },
      who: { type: "string" },
      limit: { type: "string" },
      dir: { type: "string", default: roomInMemory() },
      quick: { type: "boolean", default: false },
    },
  });
  const unknown = positionals.find((name) => !(name in arenas));
  if (unknown !== undefined || positionals.length === 0) {
    throw new Error(`Name what to measure, one or more of: ${Object.keys(arenas).join(", ")}.`);
  }
  const rounds = Number(values.rounds ?? (values.quick ? 1 : 3));
  const limitMs = Number(values.limit ?? (values.quick ? 20 : 60)) * 1000;
  const wanted = {
    who: values.who?.split(","),
    only: values.only?.split(","),
    rtts: values.rtt?.split(",").map(Number),
    parent: values.dir,
  };
  for (const name of positionals) {
    const open = arenas[name];
    if (open !== undefined) await benchArena(await open(), { ...wanted, name, rounds, limitMs });
  }
}

interface Wanted {
  readonly name: string;
  readonly rounds: number;
  readonly limitMs: number;
  readonly who: readonly string[] | undefined;
  readonly only: readonly string[] | undefined;
  readonly rtts: readonly number[] | undefined;
  readonly parent: string | undefined;
}

async function benchArena(opened: Arena, { name, rounds, limitMs, who, only, rtts, parent }: Wanted): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const everybody = stack.use(opened);
  const contestants = everybody.contestants.filter((one) => who?.includes(one.name) ?? true);
  const arena: Arena = { ...everybody, contestants };
  const dir = await Deno.makeTempDir({ prefix: "tandem-bench-", ...(parent === undefined ? {} : { dir: parent }) });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const interrupted = () => void stack.disposeAsync().finally(() => Deno.exit(130));
  Deno.addSignalListener("SIGINT", interrupted);
  stack.defer(() => Deno.removeSignalListener("SIGINT", interrupted));
  const cells = arena.cells.filter(({ work, data, rtt }) =>
    (only?.includes(`${work}-${data}`) ?? true) && (rtts?.includes(rtt) ?? true)
  );
  if (cells.length === 0) throw new Error(`Nothing to do; there is ${arena.cells.map(nameOf).join(", ")}.`);
  // Some servers run as a user of their own.
  await Deno.chmod(dir, 0o755);
  const places = await makePlaces(dir, [...new Set(cells.map(({ data }) => data))]);
  const scores: Score[] = [];
  for (const cell of cells) scores.push(await contest(arena, cell, { rounds, limitMs, places, dir, onRun }));
  say(
    `\n${name}, ${rounds} rounds, medians of wall time and the highest peak memory, in ${dir}; ${
      versions(arena.contestants)
    }\n`,
  );
  say(formatTable(scores, arena.contestants));
}

/** The memory disk of Linux, where four gigabytes are free in it. */
function roomInMemory(): string | undefined {
  try {
    const { bavail, bsize } = statfsSync("/dev/shm");
    return bavail * bsize > 4e9 ? "/dev/shm" : undefined;
  } catch {
    return undefined;
  }
}

function nameOf({ work, data, rtt }: Cell): string {
  return `${work}-${data} at ${rtt} ms`;
}

function onRun(cell: Cell, name: string, measured: Measured): void {
  const text = measured.how === "failed"
    ? measured.why
    : `${measured.how === "capped" ? ">" : ""}${(measured.ms / 1000).toFixed(2)} s`;
  say(`${nameOf(cell)}: ${name} ${text}`);
}

function versions(contestants: readonly Contestant[]): string {
  return contestants.map(({ name, version }) => version === undefined ? `${name} is MISSING` : `${name} ${version}`)
    .join(", ");
}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
