import { fileURLToPath } from "node:url";
import { ensureServer } from "./install.ts";
import { recipes } from "./recipes.ts";

/** A server that a program of tests/servers/programs starts from a package of npm. */
export interface NpmProgram {
  /** Its name in recipes.ts. */
  readonly recipe: string;
  /** "s3rver.ts". */
  readonly program: string;
  /** What follows the package on its command line. */
  readonly words: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts it and waits for its first line; the stack ends it by its process id. Rejects where the package is missing. */
export async function startNpmProgram(
  { recipe, program, words, env = {} }: NpmProgram,
  stack: AsyncDisposableStack,
): Promise<void> {
  const found = ensureServer(recipe);
  if ("missing" in found) throw new Error(`${recipe} is missing: ${found.missing}`);
  const args = [
    "run",
    "-q",
    "-A",
    "--no-lock",
    "--no-check",
    programFile(program),
    recipes[recipe]?.npm ?? "",
    ...words,
  ];
  await startUntilReady({ program: Deno.execPath(), args, env }, stack);
}

/** Returns the path of a program of tests/servers/programs. */
export function programFile(name: string): string {
  return fileURLToPath(new URL(`../../servers/programs/${name}`, import.meta.url));
}

/** Starts a program and waits for its first line; the stack ends it by its process id. */
export async function startUntilReady(
  { program, args, env }: {
    readonly program: string;
    readonly args: readonly string[];
    readonly env: Readonly<Record<string, string>>;
  },
  stack: AsyncDisposableStack,
): Promise<void> {
  const child = new Deno.Command(program, { args: [...args], env, stdin: "null", stdout: "piped", stderr: "null" })
    .spawn();
  stack.defer(async () => {
    try {
      child.kill("SIGKILL");
    } catch {
      // It ended by itself.
    }
    await child.status;
  });
  const reader = child.stdout.getReader();
  stack.defer(() => reader.cancel());
  if ((await reader.read()).done) throw new Error(`${args.find((one) => /\.(?:ts|py)$/.test(one))} did not start`);
}
