import { checkName, type RelPath, root } from "../../core/path.ts";
import type { DirEntry, Entry, OpaqueEntry } from "../../core/entry.ts";
import type { OperationContext } from "../../core/operation.ts";

/** The context of an operation. `prefix` is the root's: "" or "a/b/". */
export interface ObjectContext extends OperationContext {
  readonly prefix: string;
}

/** Returns the key of the file at this path. */
export function keyOf({ prefix, path }: ObjectContext): string {
  return path === root ? prefix.replace(/\/$/, "") : prefix + path;
}

/** Returns the prefix of the keys in the folder at this path. */
export function prefixOf({ prefix, path }: ObjectContext): string {
  return path === root ? prefix : `${prefix}${path}/`;
}

/** One object of a listing. `etag` has no quotes. */
export interface ListedObject {
  readonly key: string;
  readonly size: number;
  readonly etag: string | undefined;
}

/** Returns the key prefix of a folder, which is given as "/" or "/a/b". */
export function toPrefix(folder: string): string {
  return folder === "/" ? "" : `${folder.slice(1)}/`;
}

/**
 * Converts the objects below one prefix to entries: files, the folders that their keys imply (each once), and opaque
 * entries for keys that no path can represent. An empty object whose key ends with "/" is a folder marker.
 */
export class KeyParser {
  readonly #prefix: string;
  readonly #folders = new Map<string, Folder>();

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** Yields the object's entry, after the entries of folders that it is the first to imply. */
  *parseObject({ key, size, etag }: ListedObject): Generator<Entry> {
    const name = key.slice(this.#prefix.length);
    const slash = name.lastIndexOf("/");
    const folder = slash < 0 ? { path: root } : yield* this.#folder(name.slice(0, slash));
    const last = name.slice(slash + 1);
    if (last === "" && size === 0) {
      return folder.why === undefined || name === "" ? undefined : yield opaqueEntry(folder, name);
    }
    const checked = folder.why === undefined ? checkName(folder.path, last) : undefined;
    if (checked?.ok === true) {
      return yield { kind: "file", path: checked.path, size, ...(etag === undefined ? {} : { revision: etag }) };
    }
    const why = last === "" ? "an object with content has the name of a folder" : checked?.why;
    yield opaqueEntry({ ...folder, ...(why === undefined ? {} : { why }) }, name);
  }

  /** Yields the entry of a common prefix ("a/b/"). */
  *parsePrefix(prefix: string): Generator<Entry> {
    const name = prefix.slice(this.#prefix.length, -1);
    const folder = yield* this.#folder(name);
    if (folder.why !== undefined) yield opaqueEntry(folder, name);
  }

  *#folder(name: string): Generator<DirEntry, Folder> {
    const known = this.#folders.get(name);
    if (known !== undefined) return known;
    const slash = name.lastIndexOf("/");
    const above = slash < 0 ? { path: root } : yield* this.#folder(name.slice(0, slash));
    const made = above.why === undefined ? childFolder(above.path, name.slice(slash + 1)) : above;
    this.#folders.set(name, made);
    if (made.why === undefined) yield { kind: "dir", path: made.path };
    return made;
  }
}

/** Returns one entry per path; a path that is a file and a folder at once becomes neither. */
export function withoutClashes(entries: readonly Entry[]): readonly Entry[] {
  const all = new Map<RelPath, Entry>();
  for (const entry of entries) {
    const { path } = entry;
    const why = "it is a file and a folder at once";
    all.set(path, all.has(path) ? { kind: "opaque", path, cause: "unreadable", why } : entry);
  }
  return [...all.values()];
}

/** With `why`: `path` is the last folder that can be opened, and what is below it cannot. */
interface Folder {
  readonly path: RelPath;
  readonly why?: string;
}

function childFolder(above: RelPath, name: string): Folder {
  const checked = checkName(above, name);
  return checked.ok ? { path: checked.path } : { path: above, why: checked.why };
}

function opaqueEntry({ path, why = "" }: Folder, name: string): OpaqueEntry {
  const rest = path === root ? name : name.slice(path.length + 1);
  const checked = checkName(path, rest);
  return { kind: "opaque", path: checked.ok ? checked.path : checked.displayPath, cause: "name", why };
}
