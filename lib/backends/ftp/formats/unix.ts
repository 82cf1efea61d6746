import type { Entry } from "../../../core/entry.ts";
import {
  type Clock,
  DAY,
  type LineResult,
  type ListFormat,
  opaqueInexact,
  opaqueLink,
  opaqueSpecial,
  parseSize,
} from "./line.ts";
import { dateAt, type FoundDate } from "./unix_date.ts";

/**
 * The format of "ls -l": type and rights, link count, owner, group, size, date and name. A slash behind the name of a
 * folder is no part of it, but a mark of "ls -F", which marks programs by a star as well.
 */
export function unixFormat(): ListFormat {
  let hasMarks = false;
  return {
    read(line, clock) {
      const found = readEntry(line, clock) ?? readUnstated(line);
      if (typeof found !== "object" || !found.name.endsWith("/") || !/^[ \t\d]*d/.test(line)) return found;
      hasMarks = true;
      return { ...found, name: found.name.slice(0, -1) };
    },
    review: (entry) => hasMarks ? withoutMark(entry) : entry,
  };
}

function withoutMark(entry: Entry): Entry {
  if (entry.kind !== "file" || !entry.path.endsWith("*") || ((entry.mode ?? 0) & 0o111) === 0) return entry;
  const why = "the star at its end may be a mark of the listing";
  return { kind: "opaque", path: entry.path, cause: "name", why, incomplete: true };
}

/** Type and rights, behind an inode and a number of blocks in some listings. */
const HEAD = /^[ \t]*(?:\d+[ \t]+){0,2}([-bcdlpsDCMnP?])((?:[-r][-w][-xsStTlL]){3})[.+@]?(?=[ \t\d])/;

/**
 * Reads a line by its date: the number right before it is the size, what stands before the size are link count, owner
 * and group in any words, and what follows the one blank after the date is the name, with all of its own blanks.
 */
function readEntry(line: string, clock: Clock): LineResult {
  const head = HEAD.exec(line);
  if (head === null) return undefined;
  const [{ length }, type = "", rights = ""] = head;
  const found = findDate(line, length, clock);
  if (found === undefined) return undefined;
  const { digits, date } = found;
  const rest = line.slice(date.end + 1);
  // In "Mar 2 2016 15:13 name" the time may belong to the date.
  if (rest === "" || (date.time.timeStep === DAY && /^\d{1,2}:\d\d/.test(rest))) return undefined;
  const shape = `unix, ${date.shape}`;
  if (type === "l") {
    const name = linkName(rest, digits);
    return name === undefined ? undefined : { name, shape, make: opaqueLink };
  }
  const mode = parseMode(rights);
  if (type === "d") return { name: rest, shape, make: (path) => ({ kind: "dir", path, mode }) };
  if (type !== "-") return { name: rest, shape, make: opaqueSpecial };
  if (/[KMGTPB]$/i.test(digits)) return { name: rest, shape, make: opaqueInexact };
  const size = parseSize(digits);
  if (size === undefined) return undefined;
  return { name: rest, shape, make: (path) => ({ kind: "file", path, size, ...date.time, mode }) };
}

/** The columns of most lines, up to the size: link count, owner and group in one word each. */
const PLAIN = /[ \t]+\d+[ \t]+[^ \t]+[ \t]+[^ \t]+[ \t]+(\d+)[ \t]+(?=[^ \t\d])/y;

/** A size, exact or rounded, or the two numbers of a device. */
const SIZE = /[ \t](\d+|\d[\d.,]*[KMGTP]?i?B?|\d+,[ \t]*\d+)[ \t]+/gi;

interface SizeAndDate {
  readonly digits: string;
  readonly date: FoundDate;
}

/**
 * Finds the first date with a size before it and something before that: a name may look like a size and a date as well,
 * and so may the name of an owner right after the link count.
 */
function findDate(line: string, from: number, clock: Clock): SizeAndDate | undefined {
  PLAIN.lastIndex = from;
  const plain = PLAIN.exec(line);
  if (plain !== null) {
    const date = dateAt(line, PLAIN.lastIndex, clock);
    if (date !== undefined) return { digits: plain[1] ?? "", date };
  }
  SIZE.lastIndex = from;
  for (let parts = SIZE.exec(line); parts !== null; parts = SIZE.exec(line)) {
    const date = dateAt(line, SIZE.lastIndex, clock);
    const before = date === undefined ? "" : line.slice(from, parts.index).trim();
    if (date !== undefined && before !== "") {
      const [, digits = ""] = parts;
      return isSumOf(before, digits) ? undefined : { digits, date };
    }
    SIZE.lastIndex = parts.index + 1;
  }
  return undefined;
}

/** Whether the size is the sum of the two numbers before it, as of a file's two forks (NetPresenz): it is neither. */
function isSumOf(before: string, digits: string): boolean {
  const [, one, other] = /^(\d+)[ \t]+(\d+)$/.exec(before) ?? [];
  return Number(one) + Number(other) === Number(digits) && Number(digits) > 0;
}

/**
 * Returns the name of a link. Of several arrows the one ends the name behind which there are as many bytes as the
 * link's size says; undefined if none does.
 */
function linkName(rest: string, digits: string): string | undefined {
  const first = rest.indexOf(ARROW);
  if (first < 0) return rest;
  if (!rest.includes(ARROW, first + 1)) return rest.slice(0, first);
  const end = rest.length - Number(digits) - ARROW.length;
  return end > 0 && rest.startsWith(ARROW, end) ? rest.slice(0, end) : undefined;
}

const ARROW = " -> ";

function parseMode(rights: string): number {
  let mode = 0;
  for (const letter of rights) mode = mode * 2 + ("-ST".includes(letter) ? 0 : 1);
  return mode;
}

/** Reads a line with "?" for all that the server itself could not read; its type may be known. */
function readUnstated(line: string): LineResult {
  const [, name] = /^[-bcdlpsD]\?{9}(?:[ \t]+\?){5}[ \t](.+)$/s.exec(line) ?? [];
  if (name === undefined) return undefined;
  const why = "the server itself could not read what it is";
  return { name, make: (path) => ({ kind: "opaque", path, cause: "unreadable", why }) };
}
