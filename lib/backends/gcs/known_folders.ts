/**
 * Keys that were seen to be folders, by a listing or because we wrote below them: nobody has to ask for them again. A bucket would hold
 * an object "a" beside one "a/b"; a tree cannot.
 */
export class Folders {
  readonly #keys = new Set<string>();

  has(key: string): boolean {
    return key === "" || this.#keys.has(key);
  }

  add(key: string): void {
    this.#keys.add(key);
  }

  /** The key turned out to be none any more, nor is any below it. */
  drop(key: string): void {
    if (!this.#keys.delete(key)) return;
    for (const one of this.#keys) if (one.startsWith(`${key}/`)) this.#keys.delete(one);
  }
}
