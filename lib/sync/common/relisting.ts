import type { Backend, CallOptions } from "../../core/backend.ts";
import { SyncError, toSyncError } from "../../core/errors.ts";
import { parentOf, type RelPath, root } from "../../core/path.ts";
import type { Entry } from "../../core/entry.ts";
import { assertChild } from "./entry_check.ts";

/**
 * A second listing of single folders of one side; each folder is listed once. `key`: returns one key for all spellings
 * of a path.
 */
export class Relisting {
  readonly #backend: Backend;
  readonly #call: CallOptions;
  readonly #key: (path: RelPath) => string;
  readonly #folders = new Map<RelPath, Promise<RelistedFolder>>();

  constructor(backend: Backend, { signal, key = exact }: CallOptions & { readonly key?: (path: RelPath) => string }) {
    this.#backend = backend;
    this.#call = { signal };
    this.#key = key;
  }

  /**
   * Returns the listed entry at the path, otherwise one under the same key. Rejects as list() does, except for an
   * absent folder.
   */
  async find(path: RelPath): Promise<Entry | undefined> {
    const dir = parentOf(path);
    const listed = this.#folders.get(dir) ?? this.#list(dir);
    this.#folders.set(dir, listed);
    const { exact, keyed } = await listed;
    return exact.get(path) ?? keyed.get(this.#key(path));
  }

  /** Rejects if the path is missing from a listing with lines that cannot be read, which proves no absence. */
  async assertFoundOrAbsent(path: RelPath): Promise<void> {
    if (await this.find(path) !== undefined) return;
    const { unread } = await this.#folders.get(parentOf(path)) ?? {};
    if (unread !== undefined) throw new SyncError("unexpected", unread, { operation: "list" });
  }

  async #list(dir: RelPath): Promise<RelistedFolder> {
    const found: RelistedFolder = { exact: new Map(), keyed: new Map(), unread: undefined };
    try {
      for (const entry of await this.#backend.list(dir, this.#call)) {
        assertChild(entry, dir);
        if (entry.kind === "opaque" && entry.incomplete === true) found.unread = entry.why;
        found.exact.set(entry.path, entry);
        if (this.#key !== exact) found.keyed.set(this.#key(entry.path), entry);
      }
    } catch (error) {
      if (dir === root || toSyncError(error, "list").kind !== "notFound") throw error;
    }
    return found;
  }
}

interface RelistedFolder {
  readonly exact: Map<string, Entry>;
  readonly keyed: Map<string, Entry>;
  /** The reason why any name may be missing from the listing. */
  unread: string | undefined;
}

function exact(path: RelPath): string {
  return path;
}
