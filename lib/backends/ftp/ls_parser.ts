import {
  DAY,
  ListingParser,
  type ListSettings,
  MINUTE,
  opaqueLink,
  opaqueSpecial,
  type ParsedLine,
  parseSize,
  utcToMs,
} from "./listing_parser.ts";

/** The clock to read LIST times with, which are local times without a zone. */
export interface Clock {
  /** ms since the epoch. */
  readonly now: number;
  /** ms the server's clock is ahead of UTC. */
  readonly zoneOffset: number;
}

/** Parses the lines of a LIST as Unix (ls -l) or DOS writes it. The total in the first line of ls is no entry. */
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

/**
 * Parses "-rw-r--r--  1 owner group  1234 Nov 22 07:48 name", with or without the link count and the group. Owner and
 * group may both contain blanks ("Domain Users").
 */
function parseUnix(line: string, clock: Clock): ParsedLine | undefined {
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
function parseDos(line: string, clock: Clock): ParsedLine | undefined {
  const parts = DOS.exec(line);
  if (parts === null) return undefined;
  const [, first = "", second = "", third = "", hour = "", minute = "", half, what = "", name = ""] = parts;
  const [y, m, d] = first.length === 4 ? [first, second, third] : [third, first, second];
  const year = y.length === 4 ? Number(y) : Number(y) + (Number(y) < 70 ? 2000 : 1900);
  const hours = half === undefined ? Number(hour) : Number(hour) % 12 + (half.toUpperCase() === "P" ? 12 : 0);
  const modified = utcToMs({ year, month: Number(m), day: Number(d), hours, minutes: Number(minute) });
  if (modified === undefined) return undefined;
  if (/^<DIR>$/i.test(what)) return { name, make: (path) => ({ kind: "dir", path }) };
  if (what.startsWith("<")) return { name, make: opaqueLink };
  const size = parseSize(what.replaceAll(",", ""));
  if (size === undefined) return undefined;
  return {
    name,
    make: (path) => ({ kind: "file", path, size, modified: modified - clock.zoneOffset, timeStep: MINUTE }),
  };
}

const UNIX =
  /^([-bcdlpsD])([-rwxsStTlL]{9})[.+@]?\s+(?:\d+\s+)?(?:\S+\s+){1,8}?(\d+|\d+,\s*\d+)\s+([A-Za-z]{3}\s+\d{1,2}\s+(?:\d{1,2}:\d\d(?::\d\d)?|\d{4})|\d{1,2}\s+[A-Za-z]{3}\s+(?:\d{1,2}:\d\d|\d{4})|\d{4}-\d\d-\d\d\s+\d\d:\d\d(?::\d\d)?)\s(.+)$/s;
const DOS =
  /^(\d{2}|\d{4})[-/.](\d{2})[-/.](\d{2}|\d{4})\s+(\d{1,2}):(\d{2})(?:\s*([AP])M?)?\s+(<[A-Za-z]+>|[\d,]+)\s+(.+)$/is;
const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
function parseUnixTime(
  when: string,
  clock: Clock,
): { readonly modified: number; readonly timeStep: number } | undefined {
  const words = when.split(/\s+/);
  const iso = /^(\d{4})-(\d\d)-(\d\d)$/.exec(words[0] ?? "");
  if (iso !== null) {
    const [hours = NaN, minutes = NaN, seconds = 0] = (words[1] ?? "").split(":").map(Number);
    const at = utcToMs({ year: Number(iso[1]), month: Number(iso[2]), day: Number(iso[3]), hours, minutes });
    return at === undefined ? undefined : { modified: at + seconds * 1000 - clock.zoneOffset, timeStep: MINUTE };
  }
  const [first = "", second = "", last = ""] = words;
  const [name, date] = /^\d/.test(first) ? [second, first] : [first, second];
  const [month, day] = [MONTHS.indexOf(name.toLowerCase()) + 1, Number(date)];
  if (month === 0) return undefined;
  if (!last.includes(":")) {
    const at = utcToMs({ year: Number(last), month, day, hours: 0, minutes: 0 });
    return at === undefined ? undefined : { modified: at - clock.zoneOffset, timeStep: DAY };
  }
  const [hours = NaN, minutes = NaN] = last.split(":").map(Number);
  const there = clock.now + clock.zoneOffset;
  // Without a year it is the latest such day; a clock that is a little ahead shows tomorrow.
  const latest = new Date(there).getUTCFullYear() + 1;
  for (let year = latest; year > latest - 10; year--) {
    const at = utcToMs({ year, month, day, hours, minutes });
    if (at !== undefined && at <= there + DAY) return { modified: at - clock.zoneOffset, timeStep: MINUTE };
  }
  return undefined;
}

function parseMode(rights: string): number {
  return [...rights].reduce((mode, letter) => mode * 2 + (/[-ST]/.test(letter) ? 0 : 1), 0);
}
