/** A version that somebody wrote: its content begins with `id`. */
export interface SoakResult {
  readonly id: string;
  readonly root: string;
  readonly path: string;
}

const paths = ["a", "b", "c", "d/a", "d/b", "d/e/f", "g/h"];
const SIZES = [0, 10, 1000, 3_000_000];

/** Three folders that hold one tree, what users wrote there, and what of it nobody has done away with. */
export class SoakTree {
  readonly #roots: readonly string[];
  readonly #random: (below: number) => number;
  readonly #live = new Map<string, SoakResult>();
  #count = 0;

  constructor(roots: readonly string[], random: (below: number) => number) {
    this.#roots = roots;
    this.#random = random;
  }

  /** Versions written so far. */
  get written(): number {
    return this.#count;
  }

  /** Somebody writes, deletes or renames something below that root. */
  async edit(root: string, round: number): Promise<void> {
    const path = this.#any(paths);
    const how = this.#random(6);
    if (how < 4) return await this.#write(root, path, round);
    if (how === 4) return await this.#remove(root, path);
    const content = await readIf(`${root}/${path}`);
    if (content === undefined) return;
    await this.#remove(root, path);
    await this.#put(root, this.#any(paths), content);
  }

  /** Live versions that are nowhere: on no side, and in no trash. They are told once. */
  async lost(home: string): Promise<readonly SoakResult[]> {
    const held = new Set<string>();
    for (const root of [...this.#roots, home]) {
      for (const path of await filesBelow(root)) held.add(idOf(await readIf(`${root}/${path}`)));
    }
    const missing = [...this.#live.values()].filter(({ id }) => !held.has(id));
    for (const { id } of missing) this.#live.delete(id);
    return missing;
  }

  /** Paths that are not the same in all three folders. */
  async differing(): Promise<readonly string[]> {
    const trees = await Promise.all(this.#roots.map(async (root) => {
      const files = await filesBelow(root);
      return new Map(await Promise.all(files.map(async (path) => [path, await readIf(`${root}/${path}`)] as const)));
    }));
    const all = new Set(trees.flatMap((tree) => [...tree.keys()]).filter((path) => !path.includes(".tandem-trash")));
    return [...all].filter((path) => new Set(trees.map((tree) => tree.get(path))).size > 1);
  }

  async #write(root: string, path: string, round: number): Promise<void> {
    const id = `version ${++this.#count} of round ${round};`;
    await this.#put(root, path, id + "x".repeat(this.#any(SIZES)));
  }

  async #put(root: string, path: string, content: string): Promise<void> {
    const dir = path.includes("/") ? `${root}/${path.slice(0, path.lastIndexOf("/"))}` : root;
    await Deno.mkdir(dir, { recursive: true });
    await this.#giveUp(root, path);
    await Deno.writeTextFile(`${root}/${path}`, content);
    this.#live.set(idOf(content), { id: idOf(content), root, path });
  }

  async #remove(root: string, path: string): Promise<void> {
    await this.#giveUp(root, path);
    await Deno.remove(`${root}/${path}`).catch(ignoreAbsence);
  }

  /** The user does away with what is there; copies of other names that a run made of it need not be kept either. */
  async #giveUp(root: string, path: string): Promise<void> {
    this.#live.delete(idOf(await readIf(`${root}/${path}`)));
  }

  #any<T>(items: readonly [T, ...T[]] | readonly T[]): T {
    const item = items[this.#random(items.length)];
    if (item === undefined) throw new RangeError("nothing to choose from");
    return item;
  }
}

function idOf(content: string | undefined): string {
  return content?.slice(0, content.indexOf(";") + 1) ?? "";
}

async function readIf(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    return ignoreAbsence(error);
  }
}

function ignoreAbsence(error: unknown): undefined {
  if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.IsADirectory) return undefined;
  throw error;
}

async function filesBelow(root: string, dir = ""): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isFile, isDirectory } of Deno.readDir(`${root}/${dir}`)) {
    if (isFile) found.push(dir + name);
    else if (isDirectory) found.push(...await filesBelow(root, `${dir}${name}/`));
  }
  return found;
}
