import fs from "node:fs";
import type { RelPath } from "../../core/path.ts";

/**
 * Open folders that wait for the next operation in them: opening one costs more than proving that it still lies where it did. One is
 * taken by a single operation at a time. The least recently used are closed.
 */
export class IdleFolders {
  readonly #idle = new Map<RelPath, number[]>();
  #count = 0;
  #isClosed = false;

  /** An open folder, which is the caller's until it is given back or closed; undefined when there is none. */
  take(dir: RelPath): number | undefined {
    const waiting = this.#idle.get(dir);
    const fd = waiting?.pop();
    if (waiting === undefined || fd === undefined) return undefined;
    this.#count--;
    if (waiting.length === 0) this.#idle.delete(dir);
    return fd;
  }

  give(dir: RelPath, fd: number): void {
    if (this.#isClosed) return fs.closeSync(fd);
    const waiting = this.#idle.get(dir) ?? [];
    waiting.push(fd);
    this.#count++;
    this.#idle.delete(dir);
    this.#idle.set(dir, waiting);
    if (this.#count > MOST) this.#closeOldest();
  }

  /** Closes all of them, and from then on what is given back. */
  close(): void {
    this.#isClosed = true;
    while (this.#count > 0) this.#closeOldest();
  }

  #closeOldest(): void {
    const [dir] = this.#idle.keys();
    const fd = dir === undefined ? undefined : this.take(dir);
    if (fd !== undefined) fs.closeSync(fd);
  }
}

/** Folders that stay open. */
const MOST = 64;
