import { type OperationContext, operationError } from "../../core/operation.ts";

/** The limits of a paged listing. `maxBytes`: of all names together; absent if they are counted elsewhere. */
export interface PageLimitOptions {
  readonly maxBytes?: number;
}

/**
 * A guard that ends a paged listing without progress: repeated tokens, many pages without a name, names without end.
 */
export class PageLimit {
  readonly #context: OperationContext;
  readonly #maxBytes: number;
  readonly #tokens = new Set<string>();
  #bytes = 0;
  #empty = 0;

  constructor(context: OperationContext, { maxBytes = Infinity }: PageLimitOptions = {}) {
    this.#context = context;
    this.#maxBytes = maxBytes;
  }

  /** Records a page and the token of the next one. Throws unexpected if the listing must not continue. */
  addPage(names: readonly string[], next: string | undefined): void {
    for (const name of names) this.#bytes += name.length;
    if (this.#bytes > this.#maxBytes) throw this.#endlessError(`its names take more than ${this.#maxBytes >> 20} MiB`);
    if (next === undefined) return;
    if (next.length > MAX_TOKEN) throw this.#endlessError("the token of its next page is too long");
    if (this.#tokens.has(next)) throw this.#endlessError("it repeats a page");
    this.#tokens.add(next);
    this.#empty = names.length === 0 ? this.#empty + 1 : 0;
    if (this.#empty > MAX_EMPTY_PAGES) throw this.#endlessError(`${MAX_EMPTY_PAGES} pages in a row hold nothing`);
  }

  #endlessError(why: string): Error {
    return operationError(this.#context, "unexpected", { why: `the listing does not end: ${why}` });
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
export const MAX_FOLDER_BYTES = 64 << 20;

/** The most empty pages in a row: a bucket with versioning returns empty pages while it skips delete markers. */
const MAX_EMPTY_PAGES = 1000;
const MAX_TOKEN = 1 << 16;

function rank(unit: number): number {
  return unit >= 0xe000 ? unit - 0x800 : unit >= 0xd800 ? unit + 0x2000 : unit;
}
