import { type RunResult, tandem } from "./tandem.ts";
import { readDisk, tree, type TreeLiteral } from "./trees/tree.ts";

/** Two folders and a state folder of their own. */
export interface TwoFolders extends AsyncDisposable {
  readonly folder: string;
  readonly a: string;
  readonly b: string;
  readonly state: string;
  sync(...more: readonly string[]): Promise<RunResult>;
  run(...words: readonly string[]): Promise<RunResult>;
  both(): Promise<readonly [TreeLiteral, TreeLiteral]>;
}

/** Makes two folders of this disk with what they hold, and a program that keeps them the same. */
export async function freshPair(local: TreeLiteral, remote: TreeLiteral = {}): Promise<TwoFolders> {
  const folder = await Deno.makeTempDir({ prefix: "tandem-both-" });
  const [a, b, state] = [`${folder}/a`, `${folder}/b`, `${folder}/state`];
  await Promise.all([a, b, state].map((dir) => Deno.mkdir(dir, { mode: 0o700 })));
  await tree(local).disk(a);
  await tree(remote).disk(b);
  const run = (...words: readonly string[]) => tandem(words, { cwd: folder, env: { TANDEM_STATE: state } });
  return {
    folder,
    a,
    b,
    state,
    run,
    sync: (...more) => run("Sync-Path", a, `file://${b}`, "-Mode", "Both", ...more),
    both: async () => [await readDisk(a), await readDisk(b)],
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}
