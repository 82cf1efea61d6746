import type { CallOptions } from "../../core/backend.ts";
import type { Entry } from "../../core/entry.ts";
import type { RelPath } from "../../core/path.ts";
import { statNames } from "./disk.ts";
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
