import type { RelPath } from "../../../core/path.ts";
import type { Entry, OpaqueEntry } from "../../../core/entry.ts";

/** One parsed line of a listing. */
export interface ParsedLine {
  readonly name: string;
  /** Whether the line is that of the folder itself or of its parent. */
  readonly isSelf?: boolean;
  /** The way in which the line is written. All lines of one listing are written in the same way. */
  readonly shape?: string;
  make(path: RelPath): Entry;
}

/** A parsed line; "none" for a heading or a sum, which holds no entry; undefined for a line that cannot be read. */
export type LineResult = ParsedLine | "none" | undefined;

/** The clock to read LIST times with, which are local times without a zone. */
export interface Clock {
  /** ms since the epoch. */
  readonly now: number;
  /** ms the server's clock is ahead of UTC. */
  readonly zoneOffset: number;
}

/** One listing format, with what it remembers of the lines of one listing. */
export interface ListFormat {
  read(line: string, clock: Clock): LineResult;
  /** Whether the line is the name of an entry whose facts follow in the next line. */
  isWrapped?(line: string): boolean;
  /** Returns both parts of a wrapped entry as one line; undefined if the second part is not one. */
  join?(first: string, second: string): string | undefined;
  /** Returns an entry as the whole listing shows it: a later line may have put the meaning of earlier ones in doubt. */
  review?(entry: Entry): Entry;
}

/** The time step, in ms, of an entry that shows seconds, minutes, or only the day. */
export const SECOND = 1000;
export const MINUTE = 60_000;
export const DAY = 86_400_000;

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

/** Returns ms since the epoch of a time in UTC, or undefined for a day or a time of day that does not exist. */
export function utcToMs({ year, month, day, hours, minutes, seconds = 0 }: CivilTime): number | undefined {
  const time = Date.UTC(year, month - 1, day, hours, minutes, seconds);
  const date = new Date(time);
  const isTime = hours <= 23 && minutes <= 59 && seconds <= 60;
  return isTime && date.getUTCMonth() === month - 1 && date.getUTCDate() === day ? time : undefined;
}

/** Returns the year of two digits, or the year itself. */
export function fullYear(digits: string): number {
  const year = Number(digits);
  return digits.length === 4 ? year : year + (year < 70 ? 2000 : 1900);
}

export function parseSize(digits: string | undefined): number | undefined {
  if (digits === undefined || !/^\d{1,16}$/.test(digits)) return undefined;
  const size = Number(digits);
  return Number.isSafeInteger(size) ? size : undefined;
}

/** Returns the opaque entry of a link. Links are never changed, because FTP reports no reliable target. */
export function opaqueLink(path: RelPath): OpaqueEntry {
  return { kind: "opaque", path, cause: "link", why: "it is a link, whose target FTP does not report" };
}

export function opaqueSpecial(path: RelPath): OpaqueEntry {
  return { kind: "opaque", path, cause: "special", why: "it is not a file, folder or link" };
}

/** Returns the opaque entry of a file without an exact size, by which no transfer could be checked. */
export function opaqueInexact(path: RelPath): OpaqueEntry {
  return { kind: "opaque", path, cause: "unreadable", why: "the server's listing does not show its exact size" };
}
