import { join } from "node:path";
import { APACHE_PROPERTIES } from "../support/targets/remote_pair.ts";
import { type DataName, makeData } from "./data.ts";

/** Folders of one run on this disk: the data, and what the works read and write. */
export interface Places {
  /** The local data set, never written to. */
  data(name: DataName): string;
  /** A copy with the same times, as a server that is in step holds it. Made when first asked for. */
  mirror(name: DataName): Promise<string>;
  /** A new empty folder, in place of the one this gave before. */
  fresh(): Promise<string>;
}

/** Makes the data sets and the folders below `dir`. */
export async function makePlaces(dir: string, names: readonly DataName[]): Promise<Places> {
  for (const name of names) makeData(name, join(dir, "data", name));
  await Deno.mkdir(join(dir, "mirror"));
  const fresh = join(dir, "fresh");
  return {
    data: (name) => join(dir, "data", name),
    async mirror(name) {
      const path = join(dir, "mirror", name);
      if (!await exists(path)) await succeed("cp", ["-a", join(dir, "data", name), path]);
      return path;
    },
    async fresh() {
      if (await exists(fresh)) await Deno.remove(fresh, { recursive: true });
      await Deno.mkdir(fresh);
      return fresh;
    },
  };
}

/** What differs between two folders in names or bytes, undefined when nothing does. */
export async function difference(one: string, other: string): Promise<string | undefined> {
  const { text } = await output("diff", ["-rq", "--no-dereference", `--exclude=${APACHE_PROPERTIES}`, one, other]);
  return text === "" ? undefined : text.split("\n").slice(0, 3).join("; ");
}

/** The size of every file below a folder, by its path. */
export function sizesOf(folder: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const visit = (dir: string) => {
    for (const { name, isFile } of Deno.readDirSync(join(folder, dir))) {
      const path = join(dir, name);
      if (isFile) found.set(path, String(Deno.statSync(join(folder, path)).size));
      else visit(path);
    }
  };
  visit("");
  return found;
}

/** Watches folders: gives a function that names something written or changed in them since, undefined when nothing was. */
export async function watchUntouched(
  dir: string,
  folders: readonly string[],
): Promise<() => Promise<string | undefined>> {
  const stamp = join(dir, "stamp");
  await Deno.writeTextFile(stamp, "");
  // A kernel's file times may stand still for some ms.
  await new Promise((resolve) => setTimeout(resolve, 20));
  return async () => {
    const { text } = await output("find", [...folders, "-cnewer", stamp, "-print", "-quit"]);
    return text === "" ? undefined : `touched ${text.trim()}`;
  };
}

async function exists(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, (error) => {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  });
}

async function succeed(program: string, args: readonly string[]): Promise<void> {
  const { success, text } = await output(program, args);
  if (!success) throw new Error(`${program} ${args.join(" ")} failed: ${text}`);
}

async function output(
  program: string,
  args: readonly string[],
): Promise<{ readonly success: boolean; readonly text: string }> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args: [...args], stdin: "null" }).output();
  const decoder = new TextDecoder();
  return { success, text: decoder.decode(stdout) + decoder.decode(stderr) };
}
