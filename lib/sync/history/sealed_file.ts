import { createHash, createHmac } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { assertOwn, foreignStateError, openOwn } from "../../machine/own_files.ts";
import { toRelPath } from "../../core/path.ts";
import { applyUpdates, type BlockStore, coversPath, findEntry, toKey, unpackBlock } from "./blocks.ts";
import { describeOtherPair, type PairIdentity } from "./pair_id.ts";
import type { Roots } from "../common/roots.ts";
import type { BaseEntry, History, HistoryUpdate } from "../../core/history.ts";

/** The pair of a history, and the key that seals it (32 bytes). */
export interface SealOptions {
  readonly pair: PairIdentity;
  readonly key: Uint8Array;
}

/** The header of a history. `size`: the number of entries. */
export interface HistoryHeader {
  readonly format: number;
  readonly pair: PairIdentity;
  readonly roots: Roots;
  readonly size: number;
}

/**
 * An open history file whose content has been checked. `sealed`: by this user's key; `find`: returns the block that may
 * contain a key.
 */
export interface HistoryDatabase {
  readonly db: DatabaseSync;
  readonly head: HistoryHeader;
  readonly sealed: boolean;
  readonly blocks: readonly (readonly BaseEntry[])[] | undefined;
  find(key: string): readonly BaseEntry[];
}

/** The reason why the content of a history is not used, as a clause. */
export class UnusableHistory extends Error {}

/** The format version that is written. */
export const FORMAT = 2;
/** The suffixes of the files that SQLite keeps beside a database. */
export const SIDECARS = ["-journal", "-wal", "-shm"];

/**
 * Opens and checks a history. Rejects with Unusable, or with a database error, if this user did not write the content
 * for this pair; with refused and id foreignState for a file of another user; with the system's error if it cannot be
 * read.
 */
export async function readDatabase(path: string, { pair, key }: SealOptions): Promise<HistoryDatabase> {
  const { DatabaseSync } = await import("node:sqlite");
  const handle = await openOwn(path);
  if (handle === undefined) throw new UnusableHistory("it is gone");
  let db: DatabaseSync | undefined;
  try {
    for (const end of SIDECARS) await assertOwn(`${path}${end}`, "file");
    // SQLite reads an immutable database without its journals, which could change the content.
    const url = new URL(pathToFileURL(path));
    url.searchParams.set("immutable", "1");
    db = new DatabaseSync(url, { readOnly: true });
    const { ino, dev } = await handle.stat();
    const now = await Deno.lstat(path);
    const isJudged = !now.isSymlink && (Deno.build.os === "windows" || (now.ino === ino && now.dev === dev));
    const book = toDatabase(db, { pair, key });
    // A seal proves the content whichever file was opened; a run that ends meanwhile replaces the file.
    if (!book.sealed && !isJudged) throw foreignStateError(path, "was exchanged while it was opened");
    return book;
  } catch (error) {
    db?.close();
    throw error;
  } finally {
    await handle.close();
  }
}

/** Returns the History of an open file. `now`: returns the file that is open at the moment. */
export function toHistory(now: () => HistoryDatabase): History {
  let [recent, from]: [readonly BaseEntry[], HistoryDatabase] = [[], now()];
  return {
    get size() {
      return now().head.size;
    },
    get(path) {
      const book = now();
      if (book !== from || !coversPath(recent, path)) [recent, from] = [book.find(toKey(path)), book];
      return findEntry(recent, path);
    },
    *[Symbol.iterator]() {
      const { db, blocks } = now();
      for (const block of blocks ?? readBlocks(db)) yield* block;
    },
  };
}

/**
 * Applies the updates and seals the result. The file is empty or a copy of a history of this pair, which is checked
 * again. No other process sees it yet, so it needs no journal.
 */
export async function writeDatabase(
  path: string,
  updates: readonly HistoryUpdate[],
  { roots, pair, key }: SealOptions & { readonly roots: Roots },
): Promise<void> {
  const { DatabaseSync } = await import("node:sqlite");
  const db = new DatabaseSync(path);
  try {
    db.exec("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF");
    db.exec("BEGIN");
    const isNew = db.prepare("SELECT name FROM sqlite_schema WHERE name = 'meta'").get() === undefined;
    if (isNew) db.exec(SCHEMA);
    const before = isNew ? 0 : checkHeader(db, { pair, key }).head.size;
    const headText = JSON.stringify({ format: FORMAT, pair, roots, size: before + applyUpdates(toStore(db), updates) });
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
const UNSEALED_FORMAT = 1;
/** The maximum number of entries that are kept in memory; larger histories are read from the file each time. */
const MAX_IN_MEMORY = 50_000;
const SCHEMA = `CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE blocks (first TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;`;

function toDatabase(db: DatabaseSync, owner: SealOptions): HistoryDatabase {
  const { head, sealed } = checkHeader(db, owner);
  const blocks = head.size <= MAX_IN_MEMORY ? Array.from(readBlocks(db)) : undefined;
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
function checkHeader(
  db: DatabaseSync,
  { pair, key }: SealOptions,
): { readonly head: HistoryHeader; readonly sealed: boolean } {
  const headText = readMeta(db, "head");
  const head: HistoryHeader = JSON.parse(headText);
  if (head.format !== FORMAT && head.format !== UNSEALED_FORMAT) {
    throw new UnusableHistory(`it is of format ${head.format}, and this version reads ${FORMAT}`);
  }
  const sealed = head.format === FORMAT;
  const other = describeOtherPair(pair, head.pair);
  if (other !== undefined) throw new UnusableHistory(other);
  if (sealed && sealOf(db, headText, key) !== readMeta(db, "seal")) {
    throw new UnusableHistory("it is damaged, or was written with another key");
  }
  if (!sealed && checksumOf(db, headText) !== readMeta(db, "sum")) throw new UnusableHistory("it is damaged");
  return { head, sealed };
}

function* readBlocks(db: DatabaseSync): Iterable<readonly BaseEntry[]> {
  for (const { body } of db.prepare("SELECT body FROM blocks ORDER BY first").iterate()) {
    if (typeof body === "string") yield unpackBlock(body);
  }
}

function readMeta(db: DatabaseSync, key: string): string {
  const { value } = db.prepare("SELECT value FROM meta WHERE key = ?").get(key) ?? {};
  if (typeof value !== "string") throw new UnusableHistory("it is damaged");
  return value;
}

/** Returns the HMAC of every byte that is ever read from the file, with an unambiguous encoding. */
function sealOf(db: DatabaseSync, head: string, key: Uint8Array): string {
  const seal = createHmac("sha256", key).update(`${head.length}\n${head}`);
  for (const { first, body } of rowsOf(db)) seal.update(`${first.length} ${body.length}\n${first}${body}`);
  return seal.digest("hex");
}

function checksumOf(db: DatabaseSync, head: string): string {
  const hash = createHash("sha256").update(`${head}\n`);
  for (const { first, body } of rowsOf(db)) hash.update(`${first}\n${body}\n`);
  return hash.digest("hex");
}

function* rowsOf(db: DatabaseSync): Iterable<{ readonly first: string; readonly body: string }> {
  for (const { first, body } of db.prepare("SELECT first, body FROM blocks ORDER BY first").iterate()) {
    if (typeof first !== "string" || typeof body !== "string") throw new UnusableHistory("it is damaged");
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
    remove: (first) => void drop.run(first),
    add: (first, body) => void put.run(first, body),
  };
}
