import { createHash, createHmac } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { foreign, guardOwn, openOwn } from "../../machine/own_files.ts";
import { toRelPath } from "../../core/path.ts";
import { type History, type Known, type Lesson } from "../../core/entry.ts";
import { type BlockStore, covers, find, learnInto, toKey, unpackBlock } from "./blocks.ts";
import { otherThan, type PairIdentity } from "./pair_id.ts";
import type { Roots } from "../common/roots.ts";

/** The pair of a history, and the key that seals it (32 bytes). */
export interface BookOwner {
  readonly pair: PairIdentity;
  readonly key: Uint8Array;
}

/** The header of a history. `size`: the number of entries. */
export interface Head {
  readonly format: number;
  readonly pair: PairIdentity;
  readonly roots: Roots;
  readonly size: number;
}

/**
 * An open history file whose content has been checked. `sealed`: by this user's key; `find`: returns the block that may
 * contain a key.
 */
export interface Book {
  readonly db: DatabaseSync;
  readonly head: Head;
  readonly sealed: boolean;
  readonly blocks: readonly (readonly Known[])[] | undefined;
  find(key: string): readonly Known[];
}

/** The reason why the content of a history is not used, as a clause. */
export class Unusable extends Error {}

/** The format version that is written. */
export const FORMAT = 2;
/** The suffixes of the files that SQLite keeps beside a database. */
export const SIDECARS = ["-journal", "-wal", "-shm"];

/**
 * Opens and checks a history. Rejects with Unusable, or with a database error, if this user did not write the content
 * for this pair; with refused and id foreignState for a file of another user; with the system's error if it cannot be
 * read.
 */
export async function readBook(path: string, { pair, key }: BookOwner): Promise<Book> {
  const { DatabaseSync } = await import("node:sqlite");
  const handle = await openOwn(path);
  if (handle === undefined) throw new Unusable("it is gone");
  let db: DatabaseSync | undefined;
  try {
    for (const end of SIDECARS) await guardOwn(`${path}${end}`, "file");
    // SQLite reads an immutable database without its journals, which could change the content.
    const url = new URL(pathToFileURL(path));
    url.searchParams.set("immutable", "1");
    db = new DatabaseSync(url, { readOnly: true });
    const { ino, dev } = await handle.stat();
    const now = await Deno.lstat(path);
    const isJudged = !now.isSymlink && (Deno.build.os === "windows" || (now.ino === ino && now.dev === dev));
    const book = toBook(db, { pair, key });
    // A seal proves the content whichever file was opened; a run that ends meanwhile replaces the file.
    if (!book.sealed && !isJudged) throw foreign(path, "was exchanged while it was opened");
    return book;
  } catch (error) {
    db?.close();
    throw error;
  } finally {
    await handle.close();
  }
}

/** Returns the History of an open file. `now`: returns the file that is open at the moment. */
export function toHistory(now: () => Book): History {
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

/**
 * Applies the lessons and seals the result. The file is empty or a copy of a history of this pair, which is checked
 * again. No other process sees it yet, so it needs no journal.
 */
export async function writeBook(
  path: string,
  lessons: readonly Lesson[],
  { roots, pair, key }: BookOwner & { readonly roots: Roots },
): Promise<void> {
  const { DatabaseSync } = await import("node:sqlite");
  const db = new DatabaseSync(path);
  try {
    db.exec("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF");
    db.exec("BEGIN");
    const isNew = db.prepare("SELECT name FROM sqlite_schema WHERE name = 'meta'").get() === undefined;
    if (isNew) db.exec(SCHEMA);
    const before = isNew ? 0 : checkHead(db, { pair, key }).head.size;
    const headText = JSON.stringify({ format: FORMAT, pair, roots, size: before + learnInto(toStore(db), lessons) });
    db.exec("DELETE FROM meta");
    const put = db.prepare("INSERT INTO meta VALUES (?, ?)");
    put.run("head", headText);
    put.run("seal", sealOf(db, headText, key));
    db.exec("COMMIT");
  } finally {
    db.close();
  }
}

/** The format before histories were sealed. Its checksum needs no key, so it does not authenticate the author. */
const UNSEALED = 1;
/** The maximum number of entries that are kept in memory; larger histories are read from the file each time. */
const KEPT = 50_000;
const SCHEMA = `CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE blocks (first TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;`;

function toBook(db: DatabaseSync, owner: BookOwner): Book {
  const { head, sealed } = checkHead(db, owner);
  const blocks = head.size <= KEPT ? Array.from(readBlocks(db)) : undefined;
  // Without a seal every name is checked; a seal proves that the names were checked before they were written.
  if (!sealed) { for (const block of blocks ?? readBlocks(db)) for (const { path } of block) toRelPath(path); }
  const read = db.prepare("SELECT body FROM blocks WHERE first <= ? ORDER BY first DESC LIMIT 1");
  const findBlock = (key: string) => {
    const { body } = read.get(key) ?? {};
    return typeof body === "string" ? unpackBlock(body) : [];
  };
  return { db, head, sealed, blocks, find: findBlock };
}

/** Returns the header of a database after verifying its whole content. Throws Unusable. */
function checkHead(db: DatabaseSync, { pair, key }: BookOwner): { readonly head: Head; readonly sealed: boolean } {
  const headText = meta(db, "head");
  const head: Head = JSON.parse(headText);
  if (head.format !== FORMAT && head.format !== UNSEALED) {
    throw new Unusable(`it is of format ${head.format}, and this version reads ${FORMAT}`);
  }
  const sealed = head.format === FORMAT;
  const other = otherThan(pair, head.pair);
  if (other !== undefined) throw new Unusable(other);
  if (sealed && sealOf(db, headText, key) !== meta(db, "seal")) {
    throw new Unusable("it is damaged, or was written with another key");
  }
  if (!sealed && sumOf(db, headText) !== meta(db, "sum")) throw new Unusable("it is damaged");
  return { head, sealed };
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

/** Returns the HMAC of every byte that is ever read from the file, with an unambiguous encoding. */
function sealOf(db: DatabaseSync, head: string, key: Uint8Array): string {
  const seal = createHmac("sha256", key).update(`${head.length}\n${head}`);
  for (const { first, body } of rowsOf(db)) seal.update(`${first.length} ${body.length}\n${first}${body}`);
  return seal.digest("hex");
}

function sumOf(db: DatabaseSync, head: string): string {
  const hash = createHash("sha256").update(`${head}\n`);
  for (const { first, body } of rowsOf(db)) hash.update(`${first}\n${body}\n`);
  return hash.digest("hex");
}

function* rowsOf(db: DatabaseSync): Iterable<{ readonly first: string; readonly body: string }> {
  for (const { first, body } of db.prepare("SELECT first, body FROM blocks ORDER BY first").iterate()) {
    if (typeof first !== "string" || typeof body !== "string") throw new Unusable("it is damaged");
    yield { first, body };
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
