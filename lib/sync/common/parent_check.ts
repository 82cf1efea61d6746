import type { Backend, CallOptions } from "../../core/backend.ts";
import { SyncError } from "../../core/errors.ts";
import { escapeForDisplay, parentOf, type RelPath, root } from "../../core/path.ts";
import type { Entry, Side } from "../../core/entry.ts";
import type { Backends } from "./sides.ts";

/**
 * A check that the folders above a path are still folders: the content of one that became a link does not belong to
 * this run.
 */
export class ParentCheck {
  readonly #sides: Backends;
  readonly #call: CallOptions;
  readonly #stats: Readonly<Record<Side, Map<RelPath, Promise<Entry | undefined>>>> = {
    local: new Map(),
    remote: new Map(),
  };

  constructor(sides: Backends, { signal }: CallOptions) {
    this.#sides = sides;
    this.#call = { signal };
  }

  /** Clears the cache, so that each folder is checked again once. */
  clear(): void {
    this.#stats.local.clear();
    this.#stats.remote.clear();
  }

  /**
   * Rejects with changed if something above the path is not a folder any more. In an object store folders are only
   * names and are not checked.
   */
  async assertFolders(side: Side, path: RelPath): Promise<void> {
    const backend = this.#sides[side];
    if (!backend.traits.hasDirs) return;
    const seen = this.#stats[side];
    for (let dir = parentOf(path); dir !== root; dir = parentOf(dir)) {
      const looked = seen.get(dir) ?? backend.stat(dir, this.#call);
      seen.set(dir, looked);
      // A missing folder is no error: its content is removed already.
      if ((await looked)?.kind === "dir" || await looked === undefined) continue;
      const shown = `"${escapeForDisplay(path)}" on ${backend.label}`;
      const message = `Cannot remove ${shown}: "${escapeForDisplay(dir)}" is no longer a folder; run again`;
      throw new SyncError("changed", message, { operation: "remove", path });
    }
  }
}

/** Creates the folders above a path, from the root down. */
export async function makeParents(backend: Backend, path: RelPath, call: CallOptions): Promise<void> {
  for (const dir of foldersAbove(path)) await backend.makeDir(dir, call);
}

/** Returns the folders above a path, from the root down. */
export function foldersAbove(path: RelPath): readonly RelPath[] {
  const above: RelPath[] = [];
  for (let dir = parentOf(path); dir !== root; dir = parentOf(dir)) above.unshift(dir);
  return above;
}
