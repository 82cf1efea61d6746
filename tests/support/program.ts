import { comparePathCommand } from "../../cmd/compare_path.ts";
import { newSessionCommand } from "../../cmd/new_session.ts";
import { programStep, type ProgramSurroundings } from "../../cmd/shared/program_context.ts";
import type { CompareOptions, SessionOptions, SyncOptions } from "../../cmd/shared/command_options.ts";
import { syncPathCommand } from "../../cmd/sync_path.ts";
import type { SyncResult } from "../../lib/report/result.ts";
import { createListStep, createStep, type Step } from "../../lib/shell/run/pipe.ts";
import { readDisk, tree, type TreeLiteral } from "./trees/tree.ts";

/** Two folders, and the functions of mod.ts with a state folder and an environment of their own. */
export interface TestProgram extends AsyncDisposable {
  readonly local: string;
  readonly remote: string;
  readonly state: string;
  /** Warnings that the program did not take itself. */
  readonly warnings: string[];
  newSession(address: string, options?: SessionOptions): Step<unknown, object>;
  /** syncPath() of the two folders. */
  syncPath(options: Partial<SyncOptions>): Step<unknown, SyncResult>;
  comparePath(options: Partial<CompareOptions>): Step<unknown, readonly object[]>;
  both(): Promise<readonly [TreeLiteral, TreeLiteral]>;
  /** The names of files that a run left behind: locks that are not released, and temporary files on either side. */
  leftovers(): string[];
}

/** Makes two folders with what they hold, and a program that keeps them the same. */
export async function testProgram(
  local: TreeLiteral,
  options: { readonly remote?: TreeLiteral; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<TestProgram> {
  const folder = await Deno.makeTempDir({ prefix: "tandem-program-" });
  const [a, b, state] = [`${folder}/a`, `${folder}/b`, `${folder}/state`] as const;
  await Promise.all([a, b, state].map((dir) => Deno.mkdir(dir, { mode: 0o700 })));
  await tree(local).disk(a);
  await tree(options.remote ?? {}).disk(b);
  const warnings: string[] = [];
  const env: Readonly<Record<string, string>> = { TANDEM_STATE: state, HOME: folder, ...options.env };
  const surroundings: ProgramSurroundings = {
    machineName: "here",
    now: Date.now,
    env: (name) => env[name],
    warn: (message) => void warnings.push(message),
  };
  const pair = { localPath: a, remotePath: `file://${b}` };
  return {
    ...{ local: a, remote: b, state, warnings },
    newSession: (address, more = {}) =>
      programStep(createStep, newSessionCommand, surroundings, { ...more, address: [address] }),
    syncPath: (more) =>
      programStep(createStep, syncPathCommand, surroundings, { ...pair, ...more }) as Step<unknown, SyncResult>,
    comparePath: (more) => programStep(createListStep, comparePathCommand, surroundings, { ...pair, ...more }),
    both: async () => [await readDisk(a), await readDisk(b)],
    leftovers: () => [
      ...namesIn(`${state}/locks`).filter((name) =>
        JSON.parse(Deno.readTextFileSync(`${state}/locks/${name}`)).released !== true
      ),
      ...[a, b].flatMap(namesIn).filter((name) => name.includes(".tandem-")),
    ],
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

function namesIn(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map((entry) => entry.name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
