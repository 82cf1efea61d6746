import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { SyncError } from "../errors.ts";
import { printable } from "../path.ts";
import { type History, type Known, type Lesson, type Side } from "../types.ts";
import { type BlockStore, covers, find, learnInto, sortLessons, toKey, unpackBlock } from "./history_rows.ts";
import { otherThan, type PairIdentity, pairName } from "./pair_name.ts";

/**
 * A root as it was when history was written. `id`: what tells it from another folder at the same place; `modified`: its own time, in ms,
 * where that was old enough to be trusted.
 */
export interface RootFacts {
  readonly id?: string;
  readonly modified?: number;
}

export type Roots = Readonly<Partial<Record<Side, RootFacts>>>;

/** `folder`: where the histories of all pairs lie. `readOnly`: nothing is written, not even a damaged file put aside. */
export interface HistoryOptions {
  readonly folder: string;
  readonly pair: PairIdentity;
  readonly readOnly: boolean;
}

/** What is remembered of one pair. After save() or dispose the history is not read any more; after note() it is. */
export interface Remembered extends Disposable {
  /** Empty where nothing is known. */
  readonly history: History;
  /** Has an earlier run written it? */
  readonly known: boolean;
  readonly roots: Roots;
  /** Why what is there is not used: a clause for people. */
  readonly unusable?: string;
  /** Writes these lessons before the plan is carried out, as save() writes; the roots stay as they were. */
  note(lessons: readonly Lesson[]): Promise<void>;
  /**
   * Writes what was learned, whole and on the disk, or not at all. Nothing is written where nothing is new. Rejects with a SyncError.
   */
  save(lessons: Iterable<Lesson>, roots: Roots): Promise<void>;
}

/**
 * Opens what is remembered of the pair. A file that is damaged, of a newer version or of another pair counts as nothing: it is put aside
 * under another name, never removed. Rejects only where that cannot be done.
 */
export async function openHistory(options: HistoryOptions): Promise<Remembered> {
  const path = join(options.folder, `${pairName(options.pair)}.sqlite`);
  if (!await exists(path)) return new HistoryFile(path, options, {});
  try {
    return new HistoryFile(path, options, { book: await readBook(path, options.pair) });
  } catch (error) {
    const unusable = error instanceof Unusable ? error.message : "it is damaged";
    if (options.readOnly) return new HistoryFile(path, options, { unusable });
    const aside = await putAside(path);
    return new HistoryFile(path, options, { unusable: `${unusable}; it was put aside as "${printable(aside)}"` });
  }
}

const FORMAT = 1;
/** Histories up to this size stay in memory once read; larger ones are read from the file each time. */
const KEPT = 50_000;
const SCHEMA = `CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE blocks (first TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;`;

class Unusable extends Error {}

interface Head {
  readonly format: number;
  readonly pair: PairIdentity;
  readonly roots: Roots;
  readonly size: number;
}

/** An open file whose content has been checked. `find`: the block that may hold a key. */
interface Book {
  readonly db: DatabaseSync;
  readonly head: Head;
  readonly blocks: readonly (readonly Known[])[] | undefined;
  find(key: string): readonly Known[];
}

class HistoryFile implements Remembered {
  readonly history: History;
  readonly known: boolean;
  readonly roots: Roots;
  readonly unusable?: string;
  readonly #path: string;
  readonly #options: HistoryOptions;
  #book: Book | undefined;
  #isThere: boolean;

  constructor(
    path: string,
    options: HistoryOptions,
    { book, unusable }: { readonly book?: Book; readonly unusable?: string },
  ) {
    this.#path = path;
    this.#options = options;
    this.#book = book;
    this.known = book !== undefined;
    this.#isThere = this.known;
    this.roots = book?.head.roots ?? {};
    this.history = book === undefined ? nothing : toHistory(() => this.#book ?? book);
    if (unusable !== undefined) this.unusable = unusable;
  }

  async note(lessons: readonly Lesson[]): Promise<void> {
    if (this.#options.readOnly || lessons.length === 0) return;
    if (!this.#isThere && lessons.every(({ known }) => known === undefined)) return;
    await this.#write(sortLessons(lessons), this.roots);
    try {
      this.#book = await readBook(this.#path, this.#options.pair);
    } catch (error) {
      throw broken(this.#path, "read", error);
    }
  }

  async save(lessons: Iterable<Lesson>, roots: Roots): Promise<void> {
    if (this.#options.readOnly) return;
    const sorted = sortLessons(lessons);
    if (this.known && sorted.length === 0 && JSON.stringify(roots) === JSON.stringify(this.roots)) return;
    await this.#write(sorted, roots);
  }

  async #write(sorted: readonly Lesson[], roots: Roots): Promise<void> {
    const head = { format: FORMAT, pair: this.#options.pair, roots, size: 0 };
    this[Symbol.dispose]();
    const fresh = `${this.#path}.new`;
    try {
      await Deno.mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
      if (await exists(fresh)) await Deno.remove(fresh);
      if (this.#isThere) await Deno.copyFile(this.#path, fresh);
      await writeBook(fresh, sorted, head);
      await flush(fresh);
      await Deno.rename(fresh, this.#path);
      this.#isThere = true;
      await flushFolder(dirname(this.#path));
    } catch (error) {
      throw broken(this.#path, "write", error);
    }
  }

  [Symbol.dispose](): void {
    this.#book?.db.close();
    this.#book = undefined;
  }
}

const nothing: History = { size: 0, get: () => undefined, [Symbol.iterator]: () => [][Symbol.iterator]() };

async function readBook(path: string, pair: PairIdentity): Promise<Book> {
  const { DatabaseSync } = await import("node:sqlite");
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    const headText = meta(db, "head");
    const head: Head = JSON.parse(headText);
    if (head.format !== FORMAT) throw new Unusable(`it is of format ${head.format}, and this version reads ${FORMAT}`);
    const other = otherThan(pair, head.pair);
    if (other !== undefined) throw new Unusable(other);
    if (sumOf(db, headText) !== meta(db, "sum")) throw new Unusable("it is damaged");
    const blocks = head.size <= KEPT ? Array.from(readBlocks(db)) : undefined;
    const read = db.prepare("SELECT body FROM blocks WHERE first <= ? ORDER BY first DESC LIMIT 1");
    const find = (key: string) => {
      const { body } = read.get(key) ?? {};
      return typeof body === "string" ? unpackBlock(body) : [];
    };
    return { db, head, blocks, find };
  } catch (error) {
    db.close();
    throw error;
  }
}

/** `now`: the file as it is open at the moment. */
function toHistory(now: () => Book): History {
  let [recent, from]: [readonly Known[], Book] = [[], now()];
  return {
    get size() {
      return now().head.size;
    },
    get(path) {
      const book = now();
      if (book !== from || !covers(recent, path)) [recent, from] = [book.find(toKey(path)), book];
      return find(recent, path);
    },
    *[Symbol.iterator]() {
      const { db, blocks } = now();
      for (const block of blocks ?? readBlocks(db)) yield* block;
    },
  };
}

function* readBlocks(db: DatabaseSync): Iterable<readonly Known[]> {
  for (const { body } of db.prepare("SELECT body FROM blocks ORDER BY first").iterate()) {
    if (typeof body === "string") yield unpackBlock(body);
  }
}

function meta(db: DatabaseSync, key: string): string {
  const { value } = db.prepare("SELECT value FROM meta WHERE key = ?").get(key) ?? {};
  if (typeof value !== "string") throw new Unusable("it is damaged");
  return value;
}

/** Covers every byte that is ever read of the file. */
function sumOf(db: DatabaseSync, head: string): string {
  const hash = createHash("sha256").update(`${head}\n`);
  for (const { first, body } of db.prepare("SELECT first, body FROM blocks ORDER BY first").iterate()) {
    hash.update(`${first}\n${body}\n`);
  }
  return hash.digest("hex");
}

/** Works on a file that nobody else sees yet, so it needs no journal of its own. */
async function writeBook(path: string, lessons: readonly Lesson[], head: Head): Promise<void> {
  const { DatabaseSync } = await import("node:sqlite");
  const db = new DatabaseSync(path);
  try {
    db.exec("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF");
    db.exec("BEGIN");
    const known = db.prepare("SELECT name FROM sqlite_schema WHERE name = 'meta'").get() !== undefined;
    if (!known) db.exec(SCHEMA);
    const before: Head = known ? JSON.parse(meta(db, "head")) : head;
    const headText = JSON.stringify({ ...head, size: before.size + learnInto(toStore(db), lessons) });
    const put = db.prepare("INSERT OR REPLACE INTO meta VALUES (?, ?)");
    put.run("head", headText);
    put.run("sum", sumOf(db, headText));
    db.exec("COMMIT");
  } finally {
    db.close();
  }
}

function toStore(db: DatabaseSync): BlockStore {
  const last = db.prepare("SELECT first, body FROM blocks WHERE first <= ? ORDER BY first DESC LIMIT 1");
  const next = db.prepare("SELECT first FROM blocks WHERE first > ? ORDER BY first LIMIT 1");
  const drop = db.prepare("DELETE FROM blocks WHERE first = ?");
  const put = db.prepare("INSERT INTO blocks VALUES (?, ?)");
  return {
    last(key) {
      const { first, body } = last.get(key) ?? {};
      return typeof first === "string" && typeof body === "string" ? { first, body } : undefined;
    },
    next(key) {
      const { first } = next.get(key) ?? {};
      return typeof first === "string" ? first : undefined;
    },
    drop: (first) => void drop.run(first),
    put: (first, body) => void put.run(first, body),
  };
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw broken(path, "look at", error);
  }
}

/** Renames the file to the first free name of its kind; gives that name. */
async function putAside(path: string): Promise<string> {
  for (let count = 1;; count++) {
    const aside = `${path}.unused-${count}`;
    if (await exists(aside)) continue;
    try {
      await Deno.rename(path, aside);
      return aside;
    } catch (error) {
      throw broken(path, "put aside", error);
    }
  }
}

async function flush(path: string): Promise<void> {
  using file = await Deno.open(path, { read: true, write: true });
  await file.sync();
}

/** A new name is on the disk once its folder is; Windows has no such call, and needs none. */
async function flushFolder(path: string): Promise<void> {
  if (Deno.build.os === "windows") return;
  using folder = await Deno.open(path);
  await folder.sync();
}

function broken(path: string, what: string, cause: unknown): SyncError {
  if (cause instanceof SyncError) return cause;
  const why = cause instanceof Error ? cause.message : String(cause);
  const kind = cause instanceof Deno.errors.PermissionDenied ? "denied" : "unexpected";
  return new SyncError(kind, `Cannot ${what} "${printable(path)}", where what both sides held is remembered: ${why}`, {
    operation: what,
    cause,
  });
}
