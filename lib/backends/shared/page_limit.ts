import { type OperationContext, operationError } from "../../core/operation.ts";

/** The limits of a paged listing. `maxBytes`: of all names together; absent if they are counted elsewhere. */
export interface PageBoundOptions {
  readonly maxBytes?: number;
}

/**
 * A guard that ends a paged listing without progress: repeated tokens, many pages without a name, names without end.
 */
export class PageBound {
  readonly #ask: OperationContext;
  readonly #maxBytes: number;
  readonly #tokens = new Set<string>();
  #bytes = 0;
  #empty = 0;

  constructor(ask: OperationContext, { maxBytes = Infinity }: PageBoundOptions = {}) {
    this.#ask = ask;
    this.#maxBytes = maxBytes;
  }

  /** Records a page and the token of the next one. Throws unexpected if the listing must not continue. */
  take(names: readonly string[], next: string | undefined): void {
    for (const name of names) this.#bytes += name.length;
    if (this.#bytes > this.#maxBytes) throw this.#endless(`its names take more than ${this.#maxBytes >> 20} MiB`);
    if (next === undefined) return;
    if (next.length > LONGEST_TOKEN) throw this.#endless("the mark of its next page is too long");
    if (this.#tokens.has(next)) throw this.#endless("it begins again and again");
    this.#tokens.add(next);
    this.#empty = names.length === 0 ? this.#empty + 1 : 0;
    if (this.#empty > MOST_EMPTY) throw this.#endless(`${MOST_EMPTY} pages in a row hold nothing`);
  }

  #endless(why: string): Error {
    return operationError(this.#ask, "unexpected", { why: `the listing comes to no end: ${why}` });
  }
}

/**
 * Compares keys in the order of stores, by UTF-8 bytes, which differs from the order of UTF-16 units for surrogate
 * pairs.
 */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

/** The limit in bytes for the names of one folder's listing. */
export const FOLDER_BYTES = 64 << 20;

/** The most empty pages in a row: a bucket with versioning returns empty pages while it skips delete markers. */
const MOST_EMPTY = 1000;
const LONGEST_TOKEN = 1 << 16;

function rank(unit: number): number {
  return unit >= 0xe000 ? unit - 0x800 : unit >= 0xd800 ? unit + 0x2000 : unit;
}
