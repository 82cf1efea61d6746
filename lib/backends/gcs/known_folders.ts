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
