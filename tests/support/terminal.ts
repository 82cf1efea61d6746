import { cleanEnv, denoArgs, type RunOptions } from "./tandem.ts";

/** What a run on a terminal showed there, both streams and the echo of what was typed. */
export interface Shown {
  readonly code: number;
  readonly shown: string;
}

/**
 * Runs the program on a terminal of its own (util-linux' script), and types a line once what is shown ends as `after` says. Rejects where
 * the question never comes.
 */
export async function onTerminal(
  args: readonly string[],
  options: RunOptions & { readonly type: { readonly after: RegExp; readonly text: string } },
): Promise<Shown> {
  const { after, text } = options.type;
  const command = [Deno.execPath(), ...denoArgs, ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
  const child = new Deno.Command("script", {
    args: ["-qefc", command, "/dev/null"],
    clearEnv: true,
    env: { ...cleanEnv(options), TERM: "xterm", SHELL: "/bin/sh" },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const keyboard = child.stdin.getWriter();
  const deadline = setTimeout(() => child.kill("SIGKILL"), DEADLINE_MS);
  let [shown, isTyped] = ["", false];
  for await (const piece of child.stdout.pipeThrough(new TextDecoderStream())) {
    shown += piece;
    if (isTyped || !after.test(shown)) continue;
    isTyped = true;
    await keyboard.write(new TextEncoder().encode(`${text}\r`));
  }
  clearTimeout(deadline);
  await keyboard.close().catch(() => {});
  const { code } = await child.status;
  if (!isTyped) throw new Error(`no question was shown, only: ${shown}`);
  return { code, shown };
}

const DEADLINE_MS = 60_000;
