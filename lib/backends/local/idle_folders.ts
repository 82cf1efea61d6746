import fs from "node:fs";
import type { RelPath } from "../../core/path.ts";

/**
 * A cache of open folders for later operations: to open one costs more than to verify that it has not moved. Only one
 * operation uses a descriptor at a time. The least recently used are closed.
 */
export class IdleFolders {
  readonly #idle = new Map<RelPath, number[]>();
  #count = 0;
  #isClosed = false;

  /** Takes an open folder, which the caller owns until it returns or closes it; undefined if there is none. */
  take(dir: RelPath): number | undefined {
    const waiting = this.#idle.get(dir);
    const fd = waiting?.pop();
    if (waiting === undefined || fd === undefined) return undefined;
    this.#count--;
    if (waiting.length === 0) this.#idle.delete(dir);
    return fd;
  }

  release(dir: RelPath, fd: number): void {
    if (this.#isClosed) return fs.closeSync(fd);
    const waiting = this.#idle.get(dir) ?? [];
    waiting.push(fd);
    this.#count++;
    this.#idle.delete(dir);
    this.#idle.set(dir, waiting);
    if (this.#count > MOST) this.#closeOldest();
  }

  /** Closes all of them, and any folder that is returned later. */
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

/** The most folders that stay open. */
const MOST = 64;
