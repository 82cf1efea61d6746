import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { checkName, escapeForDisplay, type RelPath } from "../../core/path.ts";
import type { Entry, OpaqueEntry } from "../../core/entry.ts";

/** The encoding of names on a server. */
export type PathEncoding = "utf8" | "latin1";

/** The parsed content of a listing. */
export interface ParsedListing {
  readonly entries: readonly Entry[];
  /** Whether "." (MLSD: the line of the folder itself) was listed. */
  readonly here: boolean;
  /** The number of lines that hold an entry, unreadable ones included. */
  readonly lines: number;
  /** The number of lines that could not be parsed with certainty. Any name may have been in them. */
  readonly unread: number;
  /** A hash of all entries without the folder's own name; "" if no folder is among them. */
  readonly fingerprint: string;
}

/** One parsed line of a listing. `isSelf`: the line is that of the folder itself or of its parent. */
export interface Line {
  readonly name: string;
  readonly isSelf?: boolean;
  make(path: RelPath): Entry;
}

export interface ListSettings {
  readonly dir: RelPath;
  readonly encoding: PathEncoding;
}

/**
 * The clock to read LIST times with, which are local times without a zone. `now`: ms since the epoch; `zone`: ms the
 * server's clock is ahead of UTC.
 */
export interface Clock {
  readonly now: number;
  readonly zone: number;
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
  readonly #parseLine: (line: string) => Line | undefined;
  readonly #entries = new Map<string, Entry>();
  readonly #unreadable: string[] = [];
  #isHeader: ((line: string) => boolean) | undefined;
  #header: string | undefined;
  #showsSelf = false;
  #parsedCount = 0;

  /** `isHead`: whether a first line is a header, provided that other lines can be parsed. */
  constructor(settings: ListSettings, read: (line: string) => Line | undefined, isHead?: (line: string) => boolean) {
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
      here: this.#showsSelf,
      lines: this.#parsedCount + unread,
      unread,
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
    return new RangeError(`"${escapeForDisplay(this.#unreadable[0] ?? "")}" is no line of a listing`);
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

/** Parses the lines of a LIST as Unix (ls -l) or DOS writes it. The total that ls puts first is no entry. */
export function listParser({ clock, ...settings }: ListSettings & { readonly clock: Clock }): ListingParser {
  return new ListingParser(settings, (line) => parseUnix(line, clock) ?? parseDos(line, clock), isTotalLine);
}

/**
 * Whether the line is ls's "total 12", in any language: a word and a number of blocks. No line of an entry looks like
 * that.
 */
function isTotalLine(line: string): boolean {
  return /^\S+:?\s+\d[\d.,]*[KMGT]?\s*$/i.test(line);
}

/** Parses "20260131235959.123" in UTC as ms since the epoch. Returns undefined for any other text. */
export function parseTime(text: string): number | undefined {
  const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\.\d+)?$/.exec(text);
  if (parts === null) return undefined;
  const [, year, month, day, hour, minute, second, part] = parts;
  const [y, m, d] = [Number(year), Number(month), Number(day)];
  const time = Date.UTC(y, m - 1, d, Number(hour), Number(minute), Number(second));
  const date = new Date(time);
  if (date.getUTCMonth() !== m - 1 || date.getUTCDate() !== d || Number(hour) > 23) return undefined;
  return time + (part === undefined ? 0 : Math.floor(Number(part) * 1000));
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

/**
 * Parses "-rw-r--r--  1 owner group  1234 Nov 22 07:48 name", with or without the link count and the group. Owner and
 * group may both contain blanks ("Domain Users").
 */
function parseUnix(line: string, clock: Clock): Line | undefined {
  const parts = UNIX.exec(line);
  if (parts === null) return undefined;
  const [, type = "", rights = "", digits = "", when = "", rest = ""] = parts;
  const time = parseUnixTime(when, clock);
  if (time === undefined) return undefined;
  if (type === "l") {
    // With a second arrow it is ambiguous which one ends the name.
    const [name = "", , ...more] = rest.split(" -> ");
    return more.length > 0 ? undefined : { name, make: opaqueLink };
  }
  const mode = parseMode(rights);
  if (type === "d") return { name: rest, make: (path) => ({ kind: "dir", path, mode }) };
  if (type !== "-") return { name: rest, make: opaqueSpecial };
  const size = parseSize(digits);
  if (size === undefined) return undefined;
  return { name: rest, make: (path) => ({ kind: "file", path, size, ...time, mode }) };
}

/** Parses "11-22-26  07:48AM  <DIR>  name" and "2026-11-22  07:48  1,234  name". */
function parseDos(line: string, clock: Clock): Line | undefined {
  const parts = DOS.exec(line);
  if (parts === null) return undefined;
  const [, first = "", second = "", third = "", hour = "", minute = "", half, what = "", name = ""] = parts;
  const [y, m, d] = first.length === 4 ? [first, second, third] : [third, first, second];
  const year = y.length === 4 ? Number(y) : Number(y) + (Number(y) < 70 ? 2000 : 1900);
  const hours = half === undefined ? Number(hour) : Number(hour) % 12 + (half.toUpperCase() === "P" ? 12 : 0);
  const modified = civilToMs({ year, month: Number(m), day: Number(d), hours, minutes: Number(minute) });
  if (modified === undefined) return undefined;
  if (/^<DIR>$/i.test(what)) return { name, make: (path) => ({ kind: "dir", path }) };
  if (what.startsWith("<")) return { name, make: opaqueLink };
  const size = parseSize(what.replaceAll(",", ""));
  if (size === undefined) return undefined;
  return { name, make: (path) => ({ kind: "file", path, size, modified: modified - clock.zone, timeStep: MINUTE }) };
}

const UNIX =
  /^([-bcdlpsD])([-rwxsStTlL]{9})[.+@]?\s+(?:\d+\s+)?(?:\S+\s+){1,8}?(\d+|\d+,\s*\d+)\s+([A-Za-z]{3}\s+\d{1,2}\s+(?:\d{1,2}:\d\d(?::\d\d)?|\d{4})|\d{1,2}\s+[A-Za-z]{3}\s+(?:\d{1,2}:\d\d|\d{4})|\d{4}-\d\d-\d\d\s+\d\d:\d\d(?::\d\d)?)\s(.+)$/s;
const DOS =
  /^(\d{2}|\d{4})[-/.](\d{2})[-/.](\d{2}|\d{4})\s+(\d{1,2}):(\d{2})(?:\s*([AP])M?)?\s+(<[A-Za-z]+>|[\d,]+)\s+(.+)$/is;
const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
/** A limit above the longest name that any file system allows. */
const MAX_NAME_BYTES = 1024;

function parseUnixTime(
  when: string,
  clock: Clock,
): { readonly modified: number; readonly timeStep: number } | undefined {
  const words = when.split(/\s+/);
  const iso = /^(\d{4})-(\d\d)-(\d\d)$/.exec(words[0] ?? "");
  if (iso !== null) {
    const [hours = NaN, minutes = NaN, seconds = 0] = (words[1] ?? "").split(":").map(Number);
    const at = civilToMs({ year: Number(iso[1]), month: Number(iso[2]), day: Number(iso[3]), hours, minutes });
    return at === undefined ? undefined : { modified: at + seconds * 1000 - clock.zone, timeStep: MINUTE };
  }
  const [first = "", second = "", last = ""] = words;
  const [name, date] = /^\d/.test(first) ? [second, first] : [first, second];
  const [month, day] = [MONTHS.indexOf(name.toLowerCase()) + 1, Number(date)];
  if (month === 0) return undefined;
  if (!last.includes(":")) {
    const at = civilToMs({ year: Number(last), month, day, hours: 0, minutes: 0 });
    return at === undefined ? undefined : { modified: at - clock.zone, timeStep: DAY };
  }
  const [hours = NaN, minutes = NaN] = last.split(":").map(Number);
  const there = clock.now + clock.zone;
  // Without a year it is the latest such day; a clock that is a little ahead shows tomorrow.
  const latest = new Date(there).getUTCFullYear() + 1;
  for (let year = latest; year > latest - 10; year--) {
    const at = civilToMs({ year, month, day, hours, minutes });
    if (at !== undefined && at <= there + DAY) return { modified: at - clock.zone, timeStep: MINUTE };
  }
  return undefined;
}

interface CivilTime {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hours: number;
  readonly minutes: number;
}

function civilToMs({ year, month, day, hours, minutes }: CivilTime): number | undefined {
  const text = [String(year).padStart(4, "0"), month, day, hours, minutes, 0].map((one) =>
    String(one).padStart(2, "0")
  );
  return parseTime(text.join(""));
}

export function toEntry(raw: string, { dir, encoding }: ListSettings, make: (path: RelPath) => Entry): Entry {
  if (raw.length > MAX_NAME_BYTES) {
    const gated = checkName(dir, `${raw.slice(0, 64)}…`);
    return opaqueName(gated.ok ? gated.path : gated.displayPath, `the name is longer than ${MAX_NAME_BYTES} bytes`);
  }
  const isPlain = encoding === "latin1" || /^[ -~]*$/.test(raw);
  const gated = checkName(dir, isPlain ? raw : Buffer.from(raw, "latin1").toString("utf8"));
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

/** Returns the opaque entry of a link. Links are never touched, because FTP reports no reliable target. */
export function opaqueLink(path: RelPath): OpaqueEntry {
  return { kind: "opaque", path, cause: "link", why: "it is a link, which FTP cannot tell the target of" };
}

export function opaqueSpecial(path: RelPath): OpaqueEntry {
  return { kind: "opaque", path, cause: "special", why: "it is no file, folder or link" };
}

export function parseSize(digits: string | undefined): number | undefined {
  if (digits === undefined || !/^\d{1,16}$/.test(digits)) return undefined;
  const size = Number(digits);
  return Number.isSafeInteger(size) ? size : undefined;
}

function parseMode(rights: string): number {
  return [...rights].reduce((mode, letter) => mode * 2 + (/[-ST]/.test(letter) ? 0 : 1), 0);
}
