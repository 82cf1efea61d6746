import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { checkName, escapeForDisplay, type RelPath } from "../../core/path.ts";
import type { Entry, OpaqueEntry } from "../../core/entry.ts";
import { type LineResult, type ListFormat, utcToMs } from "./formats/line.ts";
import { findEncoding } from "../../net/text_encoding.ts";

/** The parsed content of a listing. */
export interface ParsedListing {
  readonly entries: readonly Entry[];
  /** Whether "." (MLSD: the line of the folder itself) was listed. */
  readonly showsSelf: boolean;
  /** The number of lines that hold an entry, unreadable ones included. */
  readonly lineCount: number;
  /** The number of lines that could not be parsed with certainty. Any name may have been in them. */
  readonly unreadableCount: number;
  /** The first of these lines; absent if there are none, undefined if most lines are of that kind. */
  readonly unreadLines?: readonly string[] | undefined;
  /** A hash of all entries without the folder's own name; "" if no folder is among them. */
  readonly fingerprint: string;
}

export interface ListSettings {
  readonly dir: RelPath;
  /** The name of the encoding of names. */
  readonly encoding: string;
}

/** The part of a listing that cannot be read. */
export type UnreadLines = Pick<ParsedListing, "unreadableCount" | "unreadLines">;

/** The reader of the lines of one listing. */
export interface LineReader extends Pick<ListFormat, "isWrapped" | "join" | "review"> {
  read(line: string): LineResult;
  /** Whether a first line is a heading, provided that other lines can be read. */
  isHeader?(line: string): boolean;
}

/**
 * Collects the entries of the lines that can be read, as long as all are written in one way. All other lines become one
 * entry that marks the folder as incomplete: their names are unknown, so no name may count as absent. A name that comes
 * twice with different facts becomes an opaque entry too. Throws a RangeError that names the first line after many lines
 * none of which can be read.
 */
export class ListingParser {
  readonly #settings: ListSettings;
  readonly #reader: LineReader;
  readonly #entries = new Map<string, Entry>();
  readonly #unread: string[] = [];
  #unreadCount = 0;
  #header: string | undefined;
  #held: string | undefined;
  #shape: string | undefined;
  #showsSelf = false;
  #parsedCount = 0;

  constructor(settings: ListSettings, reader: LineReader) {
    this.#settings = settings;
    this.#reader = reader;
  }

  addLine(line: string): void {
    const held = this.#held;
    this.#held = undefined;
    const joined = held === undefined ? undefined : this.#reader.join?.(held, line);
    if (joined !== undefined) return this.#addEntry(joined);
    if (held !== undefined) this.#addEntry(held);
    if (this.#reader.isWrapped?.(line) === true) this.#held = line;
    else if (this.#isHeader(line)) this.#header = line;
    else this.#addEntry(line);
  }

  result(): ParsedListing {
    if (this.#held !== undefined) this.#addEntry(this.#held);
    this.#held = undefined;
    // A lone line in an unknown format may also be a bare name.
    const isBare = this.#parsedCount === 0 && this.#header !== undefined && !isKnownSum(this.#header);
    if (isBare) this.#addUnread(this.#header ?? "");
    this.#header = undefined;
    const entries = Array.from(this.#entries.values(), (entry) => this.#reader.review?.(entry) ?? entry);
    const unread = this.#unreadCount;
    if (unread > 0) entries.push(opaqueLines({ lines: this.#unread, count: unread }, this.#settings.dir));
    return {
      entries,
      showsSelf: this.#showsSelf,
      lineCount: this.#parsedCount + unread,
      unreadableCount: unread,
      fingerprint: this.#fingerprint(),
      ...(unread === 0 ? {} : { unreadLines: unread > this.#parsedCount ? undefined : this.#unread }),
    };
  }

  #isHeader(line: string): boolean {
    return this.#parsedCount === 0 && this.#header === undefined && this.#reader.isHeader?.(line) === true;
  }

  #addEntry(line: string): void {
    const parsed = this.#reader.read(line);
    if (parsed === "none") return;
    if (parsed === undefined || (parsed.shape ?? this.#shape) !== (this.#shape ?? parsed.shape)) {
      return this.#addUnread(line);
    }
    this.#shape ??= parsed.shape;
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

  #addUnread(line: string): void {
    if (this.#unreadCount++ < MAX_UNREAD) this.#unread.push(line);
    else if (this.#parsedCount === 0) {
      const first = escapeForDisplay((this.#unread[0] ?? "").slice(0, 100));
      throw new RangeError(`"${first}" is not a line of any known listing format`);
    }
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
}

/** Whether the line begins with ls's word for "total" in some language. */
function isKnownSum(line: string): boolean {
  const [word = ""] = line.split(/[ \t:]/);
  return SUMS.includes((findEncoding("utf8")?.decode(word) ?? word).toLowerCase());
}

const SUMS: readonly string[] = [
  ...["total", "insgesamt", "gesamt", "totale", "totaal", "totalt", "yhteensä", "razem", "łącznie", "celkem", "spolu"],
  ...[
    "összesen",
    "toplam",
    "skupaj",
    "ukupno",
    "итого",
    "всего",
    "разом",
    "σύνολο",
    "合計",
    "合计",
    "总用量",
    "總計",
    "합계",
  ],
];

/** The number of unreadable lines that are kept. */
const MAX_UNREAD = 1000;

/**
 * Whether a line that cannot be read may be that of the name, as it is sent to the server. A line is only ruled out if
 * a word of the name does not occur in it, and never if most lines cannot be read: then the format is unknown.
 */
export function mayBeUnread(
  { unreadableCount: count, unreadLines: lines }: UnreadLines,
  rawName: string,
): boolean {
  if (count === 0) return false;
  // Other characters may be shown as "?", or escaped.
  if (lines === undefined || lines.length < count || !/^[\w .,;:+=@%~#!^&(){}[\]-]+$/.test(rawName)) return true;
  const words = rawName.toLowerCase().split(" ");
  return lines.some((line) => words.every((word) => line.toLowerCase().includes(word)));
}

/** Returns one entry for all lines that cannot be read. */
function opaqueLines(
  { lines, count }: { readonly lines: readonly string[]; readonly count: number },
  dir: RelPath,
): OpaqueEntry {
  const line = escapeForDisplay((lines[0] ?? "").slice(0, 100));
  const gated = checkName(dir, "(a line of the listing)");
  const why = count === 1
    ? `the server's listing has a line that cannot be read for certain, "${line}"`
    : `the server's listing has ${count} lines that cannot be read for certain, the first of them "${line}"`;
  return {
    kind: "opaque",
    path: gated.ok ? gated.path : gated.displayPath,
    cause: "name",
    why: `${why}: nothing beside it is removed`,
    incomplete: true,
  };
}

/** Parses "20260131235959.123" in UTC as ms since the epoch. Returns undefined for any other text. */
export function parseTime(text: string): number | undefined {
  const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\.\d+)?$/.exec(text);
  if (parts === null) return undefined;
  const [year = NaN, month = NaN, day = NaN, hours = NaN, minutes = NaN, seconds] = parts.slice(1, 7).map(Number);
  const time = utcToMs({ year, month, day, hours, minutes, seconds });
  return time === undefined ? undefined : time + Math.floor(Number(parts[7] ?? 0) * 1000);
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
  const name = /^[ -~]*$/.test(raw) ? raw : findEncoding(encoding)?.decode(raw) ?? "\ufffd";
  const gated = checkName(dir, name);
  if (gated.ok) return make(gated.path);
  return opaqueName(gated.displayPath, name.includes("\ufffd") ? explainEncoding(encoding) : gated.why);
}

/** Returns why a name cannot be read, and the option that names the right encoding. */
export function explainEncoding(name: string): string {
  const used = name === "utf8" ? "UTF-8" : name;
  return `the name is not valid in ${used}: -FtpEncoding names the server's encoding, such as latin1, cp1252 or gbk`;
}

const TWICE = "the listing names it twice";

/** Whether two lines describe the same entry. */
function isSameEntry(one: Entry, other: Entry): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function opaqueName(path: RelPath, why: string): OpaqueEntry {
  return { kind: "opaque", path, cause: "name", why };
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
