import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { checkName, escapeForDisplay, type RelPath } from "../../core/path.ts";
import type { Entry, OpaqueEntry } from "../../core/entry.ts";

/** The encoding of names on a server. */
export type PathEncoding = "utf8" | "latin1";

/** Encodes text for the connection, one character per byte. */
export function encodeText(text: string, encoding: PathEncoding): string {
  return encoding === "latin1" ? text : Buffer.from(text, "utf8").toString("latin1");
}

/** Decodes text received over the connection. */
export function decodeText(text: string, encoding: PathEncoding): string {
  return encoding === "latin1" ? text : Buffer.from(text, "latin1").toString("utf8");
}

/** The parsed content of a listing. */
export interface ParsedListing {
  readonly entries: readonly Entry[];
  /** Whether "." (MLSD: the line of the folder itself) was listed. */
  readonly showsSelf: boolean;
  /** The number of lines that hold an entry, unreadable ones included. */
  readonly lineCount: number;
  /** The number of lines that could not be parsed with certainty. Any name may have been in them. */
  readonly unreadableCount: number;
  /** A hash of all entries without the folder's own name; "" if no folder is among them. */
  readonly fingerprint: string;
}

/** One parsed line of a listing. */
export interface ParsedLine {
  readonly name: string;
  /** Whether the line is that of the folder itself or of its parent. */
  readonly isSelf?: boolean;
  make(path: RelPath): Entry;
}

export interface ListSettings {
  readonly dir: RelPath;
  readonly encoding: PathEncoding;
}

/** The time step, in ms, of an entry that shows minutes, or only the day. */
export const MINUTE = 60_000;
export const DAY = 86_400_000;

/**
 * Collects the entries of the lines that `read` can parse. All other lines become one entry of cause "name": their
 * names are unknown, so no name may count as absent. A name that comes twice with different facts becomes an opaque
 * entry too. Throws a RangeError that names the first unreadable line when most lines are unreadable: then the format
 * is a different one.
 */
export class ListingParser {
  readonly #settings: ListSettings;
  readonly #parseLine: (line: string) => ParsedLine | undefined;
  readonly #entries = new Map<string, Entry>();
  readonly #unreadable: string[] = [];
  #isHeader: ((line: string) => boolean) | undefined;
  #header: string | undefined;
  #showsSelf = false;
  #parsedCount = 0;

  /** `isHead`: whether a first line is a header, provided that other lines can be parsed. */
  constructor(
    settings: ListSettings,
    read: (line: string) => ParsedLine | undefined,
    isHead?: (line: string) => boolean,
  ) {
    this.#settings = settings;
    this.#parseLine = read;
    this.#isHeader = isHead;
  }

  addLine(line: string): void {
    const isHead = this.#isHeader?.(line);
    this.#isHeader = undefined;
    if (isHead === true) return void (this.#header = line);
    const parsed = this.#parseLine(line);
    if (parsed === undefined) {
      if (this.#unreadable.push(line.slice(0, 100)) > MAX_UNREADABLE) throw this.#unknownFormat();
      return;
    }
    this.#parsedCount++;
    const { name, isSelf = name === "." || name === "..", make } = parsed;
    if (isSelf) this.#showsSelf ||= name !== "..";
    if (isSelf) return;
    const entry = toEntry(name, this.#settings, make);
    const before = this.#entries.get(name);
    if (before !== undefined && isSameEntry(before, entry)) return;
    this.#entries.set(
      name,
      before === undefined ? entry : { kind: "opaque", path: entry.path, cause: "unreadable", why: TWICE },
    );
  }

  result(): ParsedListing {
    // A lone line in an unknown format may also be a bare name.
    const isBare = this.#parsedCount === 0 && this.#header !== undefined && !/^total\s/i.test(this.#header);
    if (isBare) this.#unreadable.push(this.#header ?? "");
    const unread = this.#unreadable.length;
    if (unread > this.#parsedCount) throw this.#unknownFormat();
    const entries = Array.from(this.#entries.values());
    if (unread > 0) entries.push(opaqueLines(this.#unreadable, this.#settings.dir));
    return {
      entries,
      showsSelf: this.#showsSelf,
      lineCount: this.#parsedCount + unread,
      unreadableCount: unread,
      fingerprint: this.#fingerprint(),
    };
  }

  #fingerprint(): string {
    const all = Array.from(this.#entries.values());
    if (!all.some(({ kind }) => kind === "dir")) return "";
    const told = Array.from(
      this.#entries,
      ([name, one]) => one.kind === "file" ? [name, one.size, one.modified] : [name, one.kind],
    );
    return createHash("sha256").update(JSON.stringify(told)).digest("base64");
  }

  #unknownFormat(): RangeError {
    return new RangeError(`"${escapeForDisplay(this.#unreadable[0] ?? "")}" is not a line of any known listing format`);
  }
}

/** The number of unreadable lines that ends a listing at once. */
const MAX_UNREADABLE = 1000;

/** Returns one entry for all unreadable lines. */
function opaqueLines([first = "", ...others]: readonly string[], dir: RelPath): OpaqueEntry {
  const gated = checkName(dir, escapeForDisplay(first).slice(0, 64));
  const more = others.length === 0 ? "" : ` and ${others.length} more`;
  const why = `the server's listing has a line that cannot be read for certain, "${escapeForDisplay(first)}"${more}`;
  return { kind: "opaque", path: gated.ok ? gated.path : gated.displayPath, cause: "name", why };
}

/** Parses "20260131235959.123" in UTC as ms since the epoch. Returns undefined for any other text. */
export function parseTime(text: string): number | undefined {
  const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\.\d+)?$/.exec(text);
  if (parts === null) return undefined;
  const [year = NaN, month = NaN, day = NaN, hours = NaN, minutes = NaN, seconds] = parts.slice(1, 7).map(Number);
  const time = utcToMs({ year, month, day, hours, minutes, seconds });
  return time === undefined ? undefined : time + Math.floor(Number(parts[7] ?? 0) * 1000);
}

/** A date and a time of day, in UTC or in a server's own zone. */
export interface CivilTime {
  readonly year: number;
  /** From 1 to 12. */
  readonly month: number;
  readonly day: number;
  readonly hours: number;
  readonly minutes: number;
  readonly seconds?: number | undefined;
}

/** Returns ms since the epoch of a time in UTC, or undefined for a day or an hour that does not exist. */
export function utcToMs({ year, month, day, hours, minutes, seconds = 0 }: CivilTime): number | undefined {
  const time = Date.UTC(year, month - 1, day, hours, minutes, seconds);
  const date = new Date(time);
  return hours <= 23 && date.getUTCMonth() === month - 1 && date.getUTCDate() === day ? time : undefined;
}

/**
 * Formats ms since the epoch as "20260131235959" in UTC, rounded down to the second. Returns undefined outside the
 * years 1 to 9999.
 */
export function formatTime(ms: number): string | undefined {
  const date = new Date(Math.floor(ms / 1000) * 1000);
  if (Number.isNaN(date.getTime()) || date.getUTCFullYear() < 1 || date.getUTCFullYear() > 9999) return undefined;
  return date.toISOString().replace(/\.\d+Z$/, "").replace(/\D/g, "").padStart(14, "0");
}

/** A limit above the longest name that any file system allows. */
const MAX_NAME_BYTES = 1024;

function toEntry(raw: string, { dir, encoding }: ListSettings, make: (path: RelPath) => Entry): Entry {
  if (raw.length > MAX_NAME_BYTES) {
    const gated = checkName(dir, `${raw.slice(0, 64)}…`);
    return opaqueName(gated.ok ? gated.path : gated.displayPath, `the name is longer than ${MAX_NAME_BYTES} bytes`);
  }
  const isPlain = encoding === "latin1" || /^[ -~]*$/.test(raw);
  const gated = checkName(dir, isPlain ? raw : decodeText(raw, encoding));
  return gated.ok ? make(gated.path) : opaqueName(gated.displayPath, gated.why);
}

const TWICE = "the listing names it twice";

/** Whether two lines describe the same entry. */
function isSameEntry(one: Entry, other: Entry): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function opaqueName(path: RelPath, why: string): OpaqueEntry {
  return { kind: "opaque", path, cause: "name", why };
}

/** Returns the opaque entry of a link. Links are never changed, because FTP reports no reliable target. */
export function opaqueLink(path: RelPath): OpaqueEntry {
  return { kind: "opaque", path, cause: "link", why: "it is a link, whose target FTP does not report" };
}

export function opaqueSpecial(path: RelPath): OpaqueEntry {
  return { kind: "opaque", path, cause: "special", why: "it is not a file, folder or link" };
}

export function parseSize(digits: string | undefined): number | undefined {
  if (digits === undefined || !/^\d{1,16}$/.test(digits)) return undefined;
  const size = Number(digits);
  return Number.isSafeInteger(size) ? size : undefined;
}

/** A limit above the longest line of a listing: a name of 1,024 bytes after its facts. */
const MAX_LINE = 1 << 16;

/**
 * Splits incoming bytes into lines and passes each to `onLine` without its line ending. If any line ends in CRLF, all
 * do, and a lone line feed belongs to a name. If no CRLF came within the first 64 KiB, lines end in line feeds. Throws
 * a RangeError on a longer line, and when both line endings are mixed: either reading may be right.
 */
export class LineSplitter {
  readonly #onLine: (line: string) => void;
  #rest = "";
  #end: "\r\n" | "\n" | undefined;

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  take(bytes: Uint8Array): void {
    this.#rest += toText(bytes);
    if (this.#end === undefined && this.#rest.includes("\r\n")) this.#end = "\r\n";
    if (this.#end === undefined && this.#rest.length > MAX_LINE) this.#end = "\n";
    if (this.#end !== undefined) this.#split(this.#end);
    if (this.#rest.length > MAX_LINE) throw new RangeError(`one of its lines is longer than ${MAX_LINE} bytes`);
  }

  /** Passes on the remaining lines. Returns false if the input ended in the middle of a line. */
  finish(): boolean {
    if (this.#end === undefined) this.#split("\n");
    return this.#rest === "";
  }

  #split(end: "\r\n" | "\n"): void {
    const lines = this.#rest.split(end);
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      if (end === "\n" && line.endsWith("\r")) throw new RangeError("some of its lines end in CRLF, others in LF");
      if (line !== "") this.#onLine(line);
    }
  }
}

function toText({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString("latin1");
}
