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
  const file = fileURLToPath(new URL(`../../servers/programs/${program}`, import.meta.url));
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-q", "-A", "--no-lock", "--no-check", file, recipes[recipe]?.npm ?? "", ...words],
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
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
  if ((await reader.read()).done) throw new Error(`${recipe} did not start`);
}
