import { checkName, type RelPath, root } from "../../core/path.ts";
import type { Entry } from "../../core/entry.ts";
import { type GcsObject, toFileEntry } from "./object.ts";

/** A parsed key below a folder: the folders in its path, outermost first, and the entry at its end. */
export interface ParsedKey {
  readonly dirs: readonly RelPath[];
  readonly entry?: Entry;
}

/** Returns the prefix of all keys below a folder's key. */
export function prefixOf(key: string): string {
  return key === "" ? "" : `${key}/`;
}

/**
 * Parses the rest of an object's key below `dir`. A key that no path can represent (an empty segment, "." or "..") ends
 * in an opaque entry at the first such segment; a marker ("d/" without content) becomes its folder.
 */
export function parseKey(dir: RelPath, rest: string, object: GcsObject): ParsedKey {
  const dirs: RelPath[] = [];
  const segments = rest.split("/");
  const last = segments.pop() ?? "";
  let at = dir;
  for (const segment of segments) {
    const check = checkName(at, segment);
    if (!check.ok) return { dirs, entry: opaqueEntry(check.displayPath, check.why) };
    at = check.path;
    dirs.push(at);
  }
  if (last === "" && object.size === 0) return { dirs };
  const checked = checkName(at, last);
  if (checked.ok) return { dirs, entry: toFileEntry(checked.path, object) };
  const why = last === "" ? "the object's name ends in a slash, and yet it has content" : checked.why;
  return { dirs, entry: opaqueEntry(checked.displayPath, why) };
}

/** Returns the folder that a listing reports as a prefix: "name/" below `dir`. */
export function parsePrefix(dir: RelPath, rest: string): Entry {
  const check = checkName(dir, rest.replace(/\/$/, ""));
  return check.ok ? { kind: "dir", path: check.path } : opaqueEntry(check.displayPath, check.why);
}

/**
 * Returns the key of a root: `folder` is absolute, or relative to `from`. Undefined if it contains an empty segment:
 * that would be another folder of the bucket, which no path can name.
 */
export function resolveRootKey(from: string, folder: string): string | undefined {
  const isAbsolute = folder.startsWith("/");
  const names = isAbsolute || from === "" ? [] : from.split("/");
  const given = folder.replace(/^\//, "").replace(/\/$/, "");
  for (const name of given === "" ? [] : given.split("/")) {
    if (name === "") return undefined;
    if (name === "..") names.pop();
    else if (name !== ".") names.push(name);
  }
  return names.join("/");
}

/** Returns the key of a path below the root's key. */
export function keyOf(rootAt: string, path: RelPath): string {
  return path === root ? rootAt : prefixOf(rootAt) + path;
}

/**
 * Keys known to be folders, from a listing or because this session wrote below them, so that they need no further
 * request. A bucket can store an object "a" beside one "a/b"; a tree cannot.
 */
export class KnownFolders {
  readonly #keys = new Set<string>();

  has(key: string): boolean {
    return key === "" || this.#keys.has(key);
  }

  add(key: string): void {
    this.#keys.add(key);
  }

  /** Forgets a key that is no folder any more, and all keys below it. */
  remove(key: string): void {
    if (!this.#keys.delete(key)) return;
    for (const one of this.#keys) if (one.startsWith(`${key}/`)) this.#keys.delete(one);
  }
}

function opaqueEntry(path: RelPath, why: string): Entry {
  return { kind: "opaque", path, cause: "name", why };
}
