import { cancelled, SyncError } from "../../core/errors.ts";
import { checkName, type RelPath, root } from "../../core/path.ts";
import type { Entry } from "../../core/entry.ts";
import { describeMismatch } from "../shared/preconditions.ts";
import { childOf, parseStat, stat } from "./stat.ts";
import type { Pool } from "./pool.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

export interface FindOptions extends OperationContext {
  /** The server path of the folder. */
  readonly serverPath: string;
}

/**
 * Lists everything below a folder by one command of GNU find, which costs the server and the network a fraction of
 * listing folder by folder. Rejects with unsupported unless the listing is proven complete and equal to what SFTP
 * shows: if the account has no shell or no such find, if anything could not be read or vanished meanwhile, or if a
 * sample looks different over SFTP.
 */
export async function walk(pool: Pool, options: FindOptions): Promise<readonly Entry[]> {
  const reader = new FindReader(options.path);
  await runFind(pool, reader, options);
  const found = reader.end();
  if (found === undefined) throw unproven(options, "the output of find is incomplete");
  await compareSample(pool, found, options);
  return found.entries;
}

/** The parsed output of find: the entries, and the folder itself. */
export interface FindResult {
  readonly self: Entry;
  readonly entries: readonly Entry[];
}

/**
 * Parses the output of COMMAND, in pieces of any size. Each entry is `<type><mode> <size> <seconds since 1970> <path>`,
 * NUL, a link's target, NUL. Text before the word "begin" is output of the shell itself. Pure.
 */
export class FindReader {
  readonly #dir: RelPath;
  readonly #entries: Entry[] = [];
  /** Folders whose names were refused: the paths below them cannot be represented either. */
  readonly #refused = new Set<string>();
  /** Folders listed so far, relative to the starting point: find prints a folder before its content. */
  readonly #folders = new Set<string>([""]);
  #self: Entry | undefined;
  #state: "talk" | "entries" | "end" | "broken" = "talk";
  #rest = "";
  /** The number of characters before the entries and after them. */
  #ignoredChars = 0;

  constructor(dir: RelPath) {
    this.#dir = dir;
  }

  /** Whether the output is invalid, so that the rest of it does not matter. */
  get isBroken(): boolean {
    return this.#state === "broken";
  }

  push(text: string): void {
    if (this.#state === "end") this.#ignoredChars += text.length;
    if (this.#ignoredChars > MAX_SHELL_OUTPUT) this.#state = "broken";
    if (this.#state === "broken" || this.#state === "end") return;
    const words = (this.#rest + text).split("\0");
    this.#rest = words.pop() ?? "";
    if (this.#rest.length > MAX_SHELL_OUTPUT) this.#state = "broken";
    let at = 0;
    if (this.#state === "talk") {
      const begin = words.indexOf(BEGIN);
      if (begin < 0) {
        this.#ignoredChars += text.length;
        return;
      }
      this.#state = "entries";
      at = begin + 1;
    }
    // Taken in pairs: an entry that is cut between the two waits for the next piece.
    for (; at + 1 < words.length; at += 2) {
      if (!this.#takeRecord(words[at] ?? "", words[at + 1] ?? "")) return;
    }
    if (at < words.length) this.#rest = `${words[at]}\0${this.#rest}`;
  }

  /** Returns the result, or undefined unless the output was complete, including the closing word. */
  end(): FindResult | undefined {
    if (this.#state !== "end" || this.#self === undefined) return undefined;
    return { self: this.#self, entries: this.#entries };
  }

  #takeRecord(record: string, target: string): boolean {
    if (record === "" && target === END) {
      this.#state = "end";
      return false;
    }
    const toSize = record.indexOf(" ");
    const toTime = record.indexOf(" ", toSize + 1);
    const toPath = record.indexOf(" ", toTime + 1);
    const type = TYPES[record.charAt(0)] ?? SOCKET;
    const mode = parseInt(record.slice(1, toSize), 8);
    const size = Number(record.slice(toSize + 1, toTime));
    const time = record.slice(toTime + 1, toPath);
    const mtime = parseInt(time, 10);
    // SFTP represents times as seconds in 32 bits, and cannot represent others.
    const isSftpTime = mtime >= 0 && mtime < 2 ** 32 && !time.startsWith("-");
    if (
      toSize < 0 || toTime < 0 || toPath < 0 || !isSftpTime || !(mode >= 0) || !(size >= 0) ||
      this.#entries.length >= MAX_ENTRIES
    ) {
      this.#state = "broken";
      return false;
    }
    this.#addEntry(record.slice(toPath + 1), { attributes: { mode: type | mode, size, mtime }, target });
    return this.#state === "entries";
  }

  #addEntry(path: string, { attributes, target }: FindRecord): void {
    if (path === "") {
      this.#self = parseStat(this.#dir, attributes) as Entry;
      return;
    }
    const cut = path.lastIndexOf("/");
    const above = cut < 0 ? "" : path.slice(0, cut);
    const isFolder = (attributes.mode & TYPE_MASK) === TYPES.d;
    if (this.#refused.size > 0 && this.#refused.has(above)) {
      if (isFolder) this.#refused.add(path);
      return;
    }
    if (!this.#folders.has(above)) {
      // The name check has seen the last name only: "../x" would be a path outside the root.
      this.#state = "broken";
      return;
    }
    const dir = (this.#dir === root ? above : cut < 0 ? this.#dir : `${this.#dir}/${above}`) as RelPath;
    const gated = checkName(dir, path.slice(cut + 1));
    if (!gated.ok) {
      if (isFolder) this.#refused.add(path);
      this.#entries.push({ kind: "opaque", path: gated.displayPath, cause: "name", why: gated.why });
      return;
    }
    if (isFolder) this.#folders.add(path);
    const seen = parseStat(gated.path, attributes);
    if (seen.kind !== "link") this.#entries.push(seen);
    else if (target !== "" && !target.includes("\ufffd")) this.#entries.push({ ...seen, target });
    else this.#entries.push({ kind: "opaque", path: seen.path, cause: "link", why: "its target is no valid Unicode" });
  }
}

interface FindRecord {
  readonly attributes: { readonly mode: number; readonly size: number; readonly mtime: number };
  readonly target: string;
}

const BEGIN = "tandem begin";
const END = "tandem end";
/**
 * The command to run. The folder's name is sent NUL-separated over standard input, never on a command line; all shells
 * parse these quotes alike.
 */
const COMMAND = `xargs -0 sh -c 'cd -- "$1" && printf "\\0${BEGIN}\\0" && ` +
  `find . -printf "%y%m %s %T@ %P\\0%l\\0" && printf "\\0${END}\\0"' sh`;
const MAX_SHELL_OUTPUT = 64 * 1024;
const MAX_ENTRIES = 10_000_000;
/** ms without output after which the command is aborted. */
const SILENCE_TIMEOUT_MS = 30_000;
/** The number of entries that are compared with SFTP. */
const SAMPLES = 24;
const TYPE_MASK = 0o170000;
const SOCKET = 0o140000;
const TYPES: Readonly<Record<string, number>> = { f: 0o100000, d: 0o040000, l: 0o120000 };

async function runFind(pool: Pool, reader: FindReader, options: FindOptions): Promise<void> {
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  let timer = setTimeout(() => stop.abort(), SILENCE_TIMEOUT_MS);
  const onText = (text: string) => {
    clearTimeout(timer);
    timer = setTimeout(() => stop.abort(), SILENCE_TIMEOUT_MS);
    reader.push(text);
    if (reader.isBroken) stop.abort();
  };
  try {
    const code = await pool.runCommand(COMMAND, { input: `${options.serverPath}\0`, onText, signal });
    if (code !== 0 && !signal.aborted) throw await explainExit(pool, code, options);
  } catch (error) {
    if (!stop.signal.aborted || options.signal.aborted) throw error;
  } finally {
    clearTimeout(timer);
  }
  if (options.signal.aborted) throw cancelled(options.signal, options.operation);
  if (reader.isBroken) throw unproven(options, "find printed unexpected output");
  if (stop.signal.aborted) throw unproven(options, `find printed nothing for ${SILENCE_TIMEOUT_MS / 1000} s`);
}

async function explainExit(pool: Pool, code: number, options: FindOptions): Promise<SyncError> {
  const self = await stat(await pool.client(options), options.serverPath, options);
  if (self === undefined) return operationError(options, "notFound", { why: "there is no such folder" });
  return unproven(options, `find ended with exit code ${code}`);
}

/** Compares a sample of the entries with SFTP, because a command may see another file system than the SFTP server. */
async function compareSample(pool: Pool, { self, entries }: FindResult, options: FindOptions): Promise<void> {
  const client = await pool.client(options);
  const step = Math.max(1, entries.length / SAMPLES);
  const samples = [self];
  for (let at = 0; at < entries.length; at += step) {
    const entry = entries[Math.floor(at)];
    if (entry !== undefined && entry.kind !== "opaque") samples.push(entry);
  }
  await Promise.all(samples.map(async (entry) => {
    const context = { ...options, path: entry.path };
    const isSelf = entry === self;
    const current = await stat(client, isSelf ? options.serverPath : serverPathOf(entry.path, options), context);
    const sameTime = entry.kind !== "dir" || current?.kind !== "dir" || entry.modified === current.modified;
    if (describeMismatch(entry, current) !== undefined || !sameTime) {
      throw unproven(options, `SFTP shows "${entry.path}" differently`);
    }
  }));
}

/** Returns the server path of an entry below the folder. */
function serverPathOf(path: RelPath, { serverPath: at, path: dir }: FindOptions): string {
  return childOf(at, dir === root ? path : path.slice(dir.length + 1));
}

function unproven(options: FindOptions, why: string): SyncError {
  return operationError(options, "unsupported", { why });
}
