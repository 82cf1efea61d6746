/**
 * Attacks the parsers for a while, each in a process of its own that may use 256 MB: `deno task fuzz --seconds=600 --seed=7 mlsd xml`.
 * Words pick targets by their names. Exits 1 when one throws what it must not, takes too long, hangs, or needs more memory; the input
 * lies in the file that is named then.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { fuzz } from "./fuzz.ts";
import { FuzzFault } from "./target.ts";
import { targets } from "./targets.ts";

const { values, positionals } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: {
    seconds: { type: "string", default: "60" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    only: { type: "string" },
    folder: { type: "string" },
  },
});
const seconds = Number(values.seconds);
const seed = Number(values.seed);
const LIMIT_MB = 256;
/** A target that says nothing for so long hangs, in ms. */
const SILENT_MS = 30_000;

Deno.exit(values.only === undefined ? await attackAll() : await attackOne(values.only));

/** In a process of its own: the input is on disk before the parser sees it. */
async function attackOne(name: string): Promise<number> {
  const target = targets.find((one) => one.name === name);
  if (target === undefined) return 2;
  const end = performance.now() + seconds * 1000;
  let told = 0;
  using file = Deno.openSync(join(values.folder ?? ".", `${name}.input`), {
    create: true,
    write: true,
    truncate: true,
  });
  try {
    const { tried, outcomes } = await fuzz(target, {
      seed,
      goesOn(tried) {
        const now = performance.now();
        if (now - told > 1000) {
          told = now;
          say(".");
        }
        return tried % 16 !== 0 || now < end;
      },
      watch(input) {
        file.seekSync(0, Deno.SeekMode.Start);
        file.truncateSync(0);
        file.writeSync(input);
      },
    });
    say(`${name}: ${tried} inputs, ${outcomes} outcomes\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof FuzzFault)) throw error;
    say(`${error.message}\n${error.cause instanceof Error ? error.cause.stack : ""}\n`);
    return 1;
  }
}

async function attackAll(): Promise<number> {
  const folder = await Deno.makeTempDir({ prefix: "tandem-fuzz-" });
  const wanted = targets.filter(({ name }) =>
    positionals.length === 0 || positionals.some((word) => name.includes(word))
  );
  say(`${wanted.length} targets, ${seconds} s each, seed ${seed}\n`);
  let faults = 0;
  for (const { name } of wanted) {
    const why = await attackIn(folder, name);
    if (why === undefined) continue;
    faults += 1;
    say(`FAULT ${name}: ${why}; its input: ${join(folder, `${name}.input`)}\n`);
  }
  if (faults === 0) await Deno.remove(folder, { recursive: true });
  say(`${wanted.length - faults} of ${wanted.length} targets held\n`);
  return faults === 0 ? 0 : 1;
}

/** Returns why the target did not hold. */
async function attackIn(folder: string, name: string): Promise<string | undefined> {
  const own = [`--only=${name}`, `--seconds=${seconds}`, `--seed=${seed}`, `--folder=${folder}`];
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-q",
      "-A",
      "--no-check",
      `--v8-flags=--max-old-space-size=${LIMIT_MB}`,
      import.meta.filename ?? "",
      ...own,
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let isSilent = false;
  const stop = () => {
    isSilent = true;
    child.kill("SIGKILL");
  };
  let alarm = setTimeout(stop, SILENT_MS);
  let said = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    clearTimeout(alarm);
    alarm = setTimeout(stop, SILENT_MS);
    said += text.replace(/^\.+/, "");
  }
  clearTimeout(alarm);
  const { success, code, signal } = await child.status;
  say(said);
  if (isSilent) return `it hung for ${SILENT_MS / 1000} s`;
  return success ? undefined : said.trim() || `it ended with ${signal ?? code}: more than ${LIMIT_MB} MB of memory?`;
}

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}
