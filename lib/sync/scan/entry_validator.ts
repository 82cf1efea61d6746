import {
  escapeForDisplay,
  explainInvalidName,
  nameOf,
  type NameRules,
  parentOf,
  type RelPath,
  root,
} from "../../core/path.ts";
import type { SyncError } from "../../core/errors.ts";
import type { Entry } from "../../core/entry.ts";
import { assertChild } from "../common/entry_check.ts";
import { ListingTooLarge } from "../common/ends_run.ts";

/** The limits of a listing. `maxBytes`: maximum memory; `label`: the side's, for messages. */
export interface ValidatorOptions {
  readonly maxBytes?: number | undefined;
  readonly label: string;
  readonly names: NameRules;
}

/**
 * The validation of one side's listing, whichever backend it comes from. Every entry is checked: an entry whose name is
 * not one plain segment of the listed folder becomes opaque and is never opened.
 */
export class EntryValidator {
  readonly #options: ValidatorOptions;
  readonly #maxBytes: number;
  /** Folders whose names are all checked. */
  readonly #checkedFolders = new Set<RelPath>([root]);
  /** The folder of the last entry: most entries are in the same folder as the one before. */
  #lastFolder: RelPath = root;
  #bytes = 0;
  #entries = 0;

  constructor(options: ValidatorOptions) {
    this.#options = options;
    this.#maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
  }

  /** Checks an entry of one folder's listing. Throws if it is not in that folder. */
  checkChild(entry: Entry, dir: RelPath): Entry {
    assertChild(entry, dir);
    this.#count(entry);
    return this.#toChecked(entry, explainInvalidName(nameOf(entry.path), this.#options.names));
  }

  /** Checks an entry of a recursive listing. */
  check(entry: Entry): Entry {
    this.#count(entry);
    return this.#toChecked(entry, this.#pathProblem(entry.path));
  }

  #toChecked(entry: Entry, why: string | undefined): Entry {
    if (why === undefined || (entry.kind === "opaque" && entry.cause === "name")) return entry;
    const path = (escapeForDisplay(entry.path).replaceAll("/", "\u2215") || "(empty)") as RelPath;
    return { kind: "opaque", path, cause: "name", why };
  }

  #pathProblem(path: RelPath): string | undefined {
    const why = explainInvalidName(nameOf(path), this.#options.names);
    if (why !== undefined) return why;
    const at = path.length - nameOf(path).length - 1;
    if (at > 0 && at === this.#lastFolder.length && path.startsWith(this.#lastFolder)) return undefined;
    // The first name is empty, and the entry would appear to be in the root.
    if (at === 0) return "the name is empty";
    const dir = parentOf(path);
    if (this.#checkedFolders.has(dir)) {
      this.#lastFolder = dir;
      return undefined;
    }
    const above = this.#pathProblem(dir);
    if (above === undefined) this.#checkedFolders.add(dir);
    return above;
  }

  #count({ path }: Entry): void {
    this.#bytes += ENTRY_BYTES + 2 * path.length;
    if (++this.#entries > MAX_ENTRIES) throw this.#tooLarge(`more than ${MAX_ENTRIES} entries`);
    if (this.#bytes <= this.#maxBytes) return;
    const mib = Math.ceil(this.#maxBytes / MIB);
    throw this.#tooLarge(`names that take more than ${mib} MiB of memory (${this.#entries} so far)`);
  }

  #tooLarge(what: string): SyncError {
    const { label } = this.#options;
    const message = `Cannot list ${label}: it holds ${what}. If that is right, give -MaxListing a larger size; ` +
      "otherwise name a smaller folder.";
    return new ListingTooLarge("refused", message, { operation: "list", backend: label });
  }
}

const MIB = 1 << 20;
const DEFAULT_MAX_BYTES = 1024 * MIB;
/** The memory of an entry in bytes besides its path, as measured with Deno 2.9. */
const ENTRY_BYTES = 160;
/** The maximum number of entries, more than any disk holds. */
const MAX_ENTRIES = 10_000_000;
