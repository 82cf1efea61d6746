import { fileURLToPath } from "node:url";

/** What a run of the program left behind. */
export interface RunResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** The objects of standard output, one a line. */
  objects(): Record<string, unknown>[];
  /** The one SyncResult among them. */
  result(): Record<string, unknown>;
}

export interface RunOptions {
  /** HOME of the process; a folder that does not exist by default, so that no key or config of the tester is found. */
  readonly home?: string;
  readonly cwd?: string;
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs the program as a user's shell does, without a terminal and with a clean environment. */
export async function tandem(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const child = startTandem(args, options);
  if (options.stdin !== undefined) {
    const writer = child.stdin.getWriter();
    // A command that reads no input may be gone before it is written.
    await writer.write(new TextEncoder().encode(options.stdin)).catch(() => {});
    await writer.close().catch(() => {});
  }
  const { code, stdout, stderr } = await child.output();
  const out = new TextDecoder().decode(stdout);
  const objects = () => out.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
  return {
    code,
    stdout: out,
    stderr: new TextDecoder().decode(stderr),
    objects,
    result: () => objects().find((object) => object.Type === "SyncResult"),
  };
}

/** Uploads, downloads, removals, conflicts and failures of the one result. */
export function counts(ran: RunResult): readonly unknown[] {
  const { UploadCount, DownloadCount, RemovalCount, ConflictCount, FailureCount } = ran.result();
  return [UploadCount, DownloadCount, RemovalCount, ConflictCount, FailureCount];
}

/** Starts the program and lets it run: its process id is Deno's own, not a shell's. */
export function startTandem(args: readonly string[], options: RunOptions = {}): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [...denoArgs, ...args],
    clearEnv: true,
    env: cleanEnv(options),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    stdin: options.stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Deno's own arguments before those of the program. */
export const denoArgs = ["run", "-q", "-A", "--no-check", fileURLToPath(new URL("../../mod.ts", import.meta.url))];

/** The whole environment of a run. */
export function cleanEnv({ home, env }: RunOptions): Record<string, string> {
  return { ...inheritedEnv(), HOME: home ?? "/nonexistent", ...env };
}

/** What Deno itself needs to find its cache; a state folder of the test's own. */
function inheritedEnv(): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of ["PATH", "DENO_DIR", "DENO_INSTALL_ROOT", "TMPDIR", "USER", "LOGNAME"]) {
    const value = Deno.env.get(name);
    if (value !== undefined) found[name] = value;
  }
  found["DENO_DIR"] ??= `${Deno.env.get("HOME")}/.cache/deno`;
  return found;
}
