import { fileURLToPath } from "node:url";
import type { RunResult } from "./tandem.ts";

/** What a line of a shell left behind; `codes`: the exit codes of the stages of its last pipeline. */
export type ShellResult = Pick<RunResult, "stdout" | "stderr"> & { readonly codes: readonly number[] };

/** Runs a line of bash in which `tandem` is the program, each time a process of its own. */
export async function bash(
  line: string,
  options: { readonly home: string; readonly cwd: string; readonly env?: Readonly<Record<string, string>> },
): Promise<ShellResult> {
  const deno = `'${Deno.execPath()}' run -q -A --no-check '${fileURLToPath(new URL("../../mod.ts", import.meta.url))}'`;
  const script = `tandem() { ${deno} "$@"; }\n${line}\n` +
    `codes="\${PIPESTATUS[*]}"; printf '%s' "$codes" > codes`;
  const cache = Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`;
  const { stdout, stderr } = await new Deno.Command("bash", {
    args: ["-c", script],
    cwd: options.cwd,
    clearEnv: true,
    env: { PATH: Deno.env.get("PATH") ?? "", DENO_DIR: cache, HOME: options.home, ...options.env },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  const codes = (await Deno.readTextFile(`${options.cwd}/codes`)).split(" ").map(Number);
  return { codes, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** The objects that a command wrote to a pipe, one a line. */
export function objectsOf(text: string): Record<string, unknown>[] {
  return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}
