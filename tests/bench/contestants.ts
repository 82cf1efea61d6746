import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Contestant, Job } from "./contest.ts";
import type { Invocation } from "./measure.ts";

/** How those who speak several protocols reach one server. */
export interface Way {
  /** Tandem's address and parameters. */
  tandem(job: Job): { readonly address: string; readonly params: readonly string[] };
  /** rclone's remote (":sftp:/path") and flags. */
  rclone(job: Job): { readonly remote: string; readonly flags: readonly string[] };
  /** lftp's lines up to and with "open". */
  lftp(job: Job): readonly string[];
  /** HOME and whatever else they need in their environment. */
  readonly env: Readonly<Record<string, string>>;
}

/** Tandem as a user runs it from a checkout. */
export function tandem(way: Way): Contestant {
  const main = fileURLToPath(new URL("../../mod.ts", import.meta.url));
  const dir = denoDir();
  const program = Deno.execPath();
  const run = ["run", "-q", "-A", "--no-check", main];
  // Deno compiles the checkout once; that is nobody's daily run.
  if (existsSync(main)) new Deno.Command(program, { args: [...run, "Get-Command"], stdin: "null" }).outputSync();
  return {
    name: "tandem",
    role: "ours",
    version: existsSync(main) ? `this checkout, deno ${Deno.version.deno}` : undefined,
    command(job) {
      const { address, params } = way.tandem(job);
      const mode = { upload: "Remote", meet: "Remote", nothing: "Remote", download: "Local", both: "Both" }[job.work];
      const words = ["Sync-Path", job.local, address, "-Mode", mode, ...params];
      // Deno's caches stay where they are, whatever HOME the run is given.
      const env = { ...way.env, ...(job.work === "meet" ? { HOME: stranger(way.env["HOME"]) } : {}), DENO_DIR: dir };
      return { program, args: [...run, ...words], env };
    },
  };
}

/** A home in which nobody remembers anything. */
function stranger(home: string | undefined): string {
  return Deno.makeTempDirSync(home === undefined ? {} : { dir: home });
}

/** rclone as it comes, and with 16 files in flight. */
export function rclone(way: Way): readonly Contestant[] {
  const version = versionOf("rclone", ["version"], /v([\w.-]+)/);
  const run = (name: string, more: readonly string[]): Contestant => ({
    name,
    role: "rival",
    version,
    command(job): Invocation {
      const { remote, flags } = way.rclone(job);
      const ends = job.work === "download" ? [remote, job.local] : [job.local, remote];
      const verb = job.work === "both" ? ["bisync", ...(job.isFirst === true ? ["--resync"] : [])] : ["sync"];
      // rclone stops at a certificate bundle meant for others.
      const env = { ...way.env, RCLONE_CONFIG: "/dev/null" };
      return { program: "env", args: ["-u", "AWS_CA_BUNDLE", "rclone", ...verb, ...ends, ...flags, ...more], env };
    },
  });
  return [run("rclone", []), run("rclone 16", ["--transfers=16", "--checkers=16"])];
}

/** lftp with 4 files in flight; where turns are dear also with 8, and a large download in 4 pieces. */
export function lftp(way: Way): readonly Contestant[] {
  const version = versionOf("lftp", ["--version"], /LFTP \| Version ([\d.]+)/);
  const run = (name: string, flags: string, suits: (job: Job) => boolean): Contestant => ({
    name,
    role: "rival",
    version,
    command(job) {
      if (job.work === "both" || !suits(job)) return undefined;
      const { local, remote } = job;
      const words = job.work === "download" ? [flags, remote, local] : ["-R", flags, local, remote];
      const lines = ["set cmd:fail-exit yes", "set net:max-retries 1", ...way.lftp(job), `mirror ${words.join(" ")}`];
      return { program: "lftp", args: ["--norc", "-c", lines.join("; ")], env: way.env };
    },
  });
  return [
    run("lftp -P4", "-P4", () => true),
    run("lftp -P8", "-P8", ({ rtt, data }) => rtt > 0 && data !== "large"),
    run("lftp pget", "--use-pget-n=4", ({ work, data }) => work === "download" && data === "large"),
  ];
}

/** What a program says about its version, undefined where it is not installed. */
export function versionOf(program: string, args: readonly string[], pattern: RegExp): string | undefined {
  try {
    const { stdout, stderr } = new Deno.Command("env", { args: ["-u", "AWS_CA_BUNDLE", program, ...args] })
      .outputSync();
    const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    return text.match(pattern)?.[1];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function denoDir(): string {
  const { stdout } = new Deno.Command(Deno.execPath(), { args: ["info", "--json"], stderr: "null" }).outputSync();
  return JSON.parse(new TextDecoder().decode(stdout)).denoDir;
}
