import type { CallOptions } from "../../core/backend.ts";
import type { Entry } from "../../core/entry.ts";
import { checkName, type RelPath } from "../../core/path.ts";
import { type DiskScheduler, isAbsence, opaque, toEntry } from "./disk.ts";
import { codeOf } from "./errors.ts";
import type { LocalRoot } from "./root.ts";

/** The options of a listing. `onFolder` is called with the folder's path on the disk, while the folder is held. */
export interface ListOptions extends CallOptions {
  onFolder(folder: string): Promise<void>;
}

/** Lists the entries of a folder, without those that vanish meanwhile. */
export async function list(disk: LocalRoot, dir: RelPath, options: ListOptions): Promise<readonly Entry[]> {
  return await disk.runOperation("list", dir, async () => {
    disk.assertActive("list", options);
    using held = await disk.hold(dir, "list");
    const { folder } = held;
    await options.onFolder(folder);
    const names = await disk.schedule(
      () => Array.from(Deno.readDirSync(folder), (found) => found.name),
      async () => (await Array.fromAsync(Deno.readDir(folder))).map((found) => found.name),
    );
    const found: Entry[] = [];
    for (let i = 0; i < names.length; i += BATCH) {
      disk.assertActive("list", options);
      for (const entry of await statNames(disk.schedule, dir, held.pathTo(""), names.slice(i, i + BATCH))) {
        found.push(entry);
      }
    }
    await held.verifyAfterwards();
    return found;
  });
}

/** Names processed between two checks of the signal. */
const BATCH = 64;

/**
 * Returns the entries of some names of one folder, without those that vanished meanwhile. `prefix`: the folder on the
 * disk, with its separator.
 */
export async function statNames(
  schedule: DiskScheduler,
  dir: RelPath,
  prefix: string,
  names: readonly string[],
): Promise<Entry[]> {
  const found = await schedule(
    () => names.map((name) => lstatOrError(() => Deno.lstatSync(prefix + name))),
    () => Promise.all(names.map((name) => Deno.lstat(prefix + name).catch(toError))),
    names.length,
  );
  const entries: Entry[] = [];
  for (const [i, name] of names.entries()) {
    const info = found[i];
    const gated = checkName(dir, name);
    if (!gated.ok) entries.push(opaque(gated.displayPath, "name", gated.why));
    else if (info !== undefined && !(info instanceof Error)) entries.push(toEntry(gated.path, info, prefix + name));
    else if (!isAbsence(info)) {
      entries.push(opaque(gated.path, "unreadable", `it cannot be looked at (${codeOf(info) ?? "unknown error"})`));
    }
  }
  return entries;
}

function lstatOrError(info: () => Deno.FileInfo): Deno.FileInfo | Error {
  try {
    return info();
  } catch (error) {
    return toError(error);
  }
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
