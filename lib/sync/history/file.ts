import { dirname, join } from "node:path";
import { SyncError } from "../../core/errors.ts";
import {
  assertOwn,
  assertTrustedAncestors,
  flushFolder,
  ignoreNotFound,
  isForeignStateError,
  makeOwnFolder,
  openOwn,
} from "../../machine/own_files.ts";
import { escapeForDisplay } from "../../core/path.ts";
import {
  type HistoryDatabase,
  readDatabase,
  SIDECARS,
  toHistory,
  UnusableHistory,
  writeDatabase,
} from "./sealed_file.ts";
import { sortUpdates } from "./blocks.ts";
import { type PairIdentity, pairName } from "./pair_id.ts";
import type { Roots } from "../common/roots.ts";
import type { History, HistoryUpdate } from "../../core/history.ts";

/** The options for opening a history. */
export interface HistoryOptions {
  /** The folder with the histories of all pairs. */
  readonly folder: string;
  readonly pair: PairIdentity;
  /** The sealing key, 32 bytes that only this user has. */
  readonly key: Uint8Array;
  /** Whether nothing is written; a damaged file is not renamed either. */
  readonly readOnly: boolean;
}

/** The history of one pair. It is readable after saveAhead(), but not after save() or dispose. */
export interface PairHistory extends Disposable {
  /** The entries; empty if there is no usable history. */
  readonly history: History;
  /** Whether an earlier run wrote this history. */
  readonly exists: boolean;
  readonly roots: Roots;
  /**
   * Whether the history has no seal because an older version wrote it. Its stamps are used, but no absence counts as a
   * deletion. save() seals it.
   */
  readonly unsealed?: boolean;
  /** Why an existing history file is not used: a clause for messages. */
  readonly unusable?: string;
  /**
   * Whether the existing file belongs to another user or cannot be read. It is left unchanged, and nothing is written
   * in this run.
   */
  readonly frozen?: boolean;
  /** Writes these updates before the plan is carried out, as durably as save(); the roots stay unchanged. */
  saveAhead(updates: readonly HistoryUpdate[]): Promise<void>;
  /**
   * Writes the updates atomically and flushes them to the disk. Writes nothing if there is no change. Rejects with a
   * SyncError.
   */
  save(updates: Iterable<HistoryUpdate>, roots: Roots): Promise<void>;
}

/**
 * Opens the history of the pair. A file that is damaged, of a newer version, of another pair or sealed with another key
 * is not used: it is renamed, never removed. A file that another user could have written is not used either, and is not
 * renamed. Rejects only if a file cannot be renamed.
 */
export async function openHistory(options: HistoryOptions): Promise<PairHistory> {
  const path = join(options.folder, `${pairName(options.pair)}.sqlite`);
  try {
    await assertTrustedAncestors(options.folder);
    await assertOwn(options.folder, "folder");
    if (!await exists(path)) return new HistoryFile(path, options, {});
    return new HistoryFile(path, options, { book: await readDatabase(path, options) });
  } catch (error) {
    if (isForeignStateError(error)) {
      return new HistoryFile(path, options, { unusable: error.message.replace(/\.$/, ""), frozen: true });
    }
    if (isSystemError(error)) {
      return new HistoryFile(path, options, {
        unusable: `"${escapeForDisplay(path)}" cannot be read: ${reasonOf(error)}`,
        frozen: true,
      });
    }
    const unusable = error instanceof UnusableHistory ? error.message : "it is damaged";
    if (options.readOnly) return new HistoryFile(path, options, { unusable });
    const aside = await moveAside(path);
    return new HistoryFile(path, options, {
      unusable: `${unusable}; the file was renamed to "${escapeForDisplay(aside)}"`,
    });
  }
}

interface OpenedFile {
  readonly book?: HistoryDatabase;
  readonly unusable?: string;
  readonly frozen?: boolean;
}

class HistoryFile implements PairHistory {
  readonly history: History;
  readonly exists: boolean;
  readonly roots: Roots;
  readonly unsealed: boolean;
  readonly frozen: boolean;
  readonly unusable?: string;
  readonly #path: string;
  readonly #options: HistoryOptions;
  #book: HistoryDatabase | undefined;
  #isThere: boolean;

  constructor(path: string, options: HistoryOptions, { book, unusable, frozen = false }: OpenedFile) {
    this.#path = path;
    this.#options = options;
    this.#book = book;
    this.exists = book !== undefined;
    this.#isThere = this.exists;
    this.unsealed = book?.sealed === false;
    this.frozen = frozen;
    this.roots = book?.head.roots ?? {};
    this.history = book === undefined ? emptyHistory : toHistory(() => this.#book ?? book);
    if (unusable !== undefined) this.unusable = unusable;
  }

  async saveAhead(updates: readonly HistoryUpdate[]): Promise<void> {
    if (this.#options.readOnly || this.frozen || updates.length === 0) return;
    if (!this.#isThere && updates.every(({ base }) => base === undefined)) return;
    await this.#write(sortUpdates(updates), this.roots);
    try {
      this.#book = await readDatabase(this.#path, this.#options);
    } catch (error) {
      throw toHistoryError(this.#path, "read", error);
    }
  }

  async save(updates: Iterable<HistoryUpdate>, roots: Roots): Promise<void> {
    if (this.#options.readOnly || this.frozen) return;
    const sorted = sortUpdates(updates);
    const isNew = sorted.length > 0 || JSON.stringify(roots) !== JSON.stringify(this.roots);
    if (this.exists && !this.unsealed && !isNew) return;
    await this.#write(sorted, roots);
  }

  /**
   * Flushes the content, renames the file, then flushes the folder: after a power failure either the old or the new
   * history exists.
   */
  async #write(sorted: readonly HistoryUpdate[], roots: Roots): Promise<void> {
    this[Symbol.dispose]();
    const fresh = `${this.#path}.new`;
    try {
      await makeOwnFolder(dirname(this.#path));
      for (const end of ["", ...SIDECARS]) await Deno.remove(`${fresh}${end}`).catch(ignoreNotFound);
      await copyOwnFile(this.#isThere ? this.#path : undefined, fresh);
      await writeDatabase(fresh, sorted, { ...this.#options, roots });
      await flush(fresh);
      await Deno.rename(fresh, this.#path);
      this.#isThere = true;
      await flushFolder(dirname(this.#path));
    } catch (error) {
      throw toHistoryError(this.#path, "write", error);
    }
  }

  [Symbol.dispose](): void {
    this.#book?.db.close();
    this.#book = undefined;
  }
}

const emptyHistory: History = { size: 0, get: () => undefined, [Symbol.iterator]: () => [][Symbol.iterator]() };
const COPY_BYTES = 1 << 20;

/** Copies a file of this user to a new one that only this user can read; without a source the new file is empty. */
async function copyOwnFile(from: string | undefined, to: string): Promise<void> {
  using file = await Deno.open(to, { write: true, createNew: true, mode: 0o600 });
  if (from === undefined) return;
  const handle = await openOwn(from);
  if (handle === undefined) throw new UnusableHistory("it is gone");
  try {
    const buffer = new Uint8Array(COPY_BYTES);
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, null);
      if (bytesRead === 0) return;
      for (let at = 0; at < bytesRead;) at += await file.write(buffer.subarray(at, bytesRead));
    }
  } finally {
    await handle.close();
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Renames the file to the first free name of its kind and returns that name. */
async function moveAside(path: string): Promise<string> {
  try {
    for (let count = 1;; count++) {
      const aside = `${path}.unused-${count}`;
      if (await exists(aside)) continue;
      await Deno.rename(path, aside);
      return aside;
    }
  } catch (error) {
    throw toHistoryError(path, "put aside", error);
  }
}

async function flush(path: string): Promise<void> {
  using file = await Deno.open(path, { read: true, write: true });
  await file.sync();
}

/** Whether the error comes from the system and not from the content of the file: then the file is not damaged. */
function isSystemError(error: unknown): boolean {
  return error instanceof Error && "code" in error && /^E[A-Z0-9]+$/.test(String(error.code));
}

function toHistoryError(path: string, what: string, cause: unknown): SyncError {
  if (cause instanceof SyncError) return cause;
  const kind = cause instanceof Deno.errors.PermissionDenied ? "denied" : "unexpected";
  const message = `Cannot ${what} the history "${escapeForDisplay(path)}": ${reasonOf(cause)}`;
  return new SyncError(kind, message, { operation: what, cause });
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
