import { Buffer } from "node:buffer";
import { type CivilTime, type Clock, DAY, fullYear, MINUTE, SECOND, utcToMs } from "./line.ts";
import { monthOf } from "./months.ts";

/** A date that was found in a line. */
export interface FoundDate {
  /** The position right after the date. */
  readonly end: number;
  /** The way in which the date is written. */
  readonly shape: string;
  readonly time: FileTime;
}

/** `timeStep`: absent for a time with its zone, which is exact; otherwise the time is one of the server's own zone. */
export interface FileTime {
  readonly modified: number;
  readonly timeStep?: number;
}

/** A way to write dates. `read` returns undefined for dates that do not exist. */
interface DateForm {
  readonly shape: string;
  readonly pattern: RegExp;
  read(parts: readonly (string | undefined)[], clock: Clock): FileTime | undefined;
}

/** Reads the date that begins at the position and ends before a blank; undefined if there is none. */
export function dateAt(line: string, at: number, clock: Clock): FoundDate | undefined {
  BEGINNING.lastIndex = at;
  if (!BEGINNING.test(line)) return undefined;
  for (const { pattern, shape, read } of FORMS) {
    pattern.lastIndex = at;
    const parts = pattern.exec(line);
    if (parts === null) continue;
    const time = read(parts, clock);
    if (time !== undefined) return { end: pattern.lastIndex, shape, time };
  }
  return undefined;
}

/** The text as the connection shows it: one character per byte of UTF-8. */
const raw = (text: string) => Buffer.from(text, "utf8").toString("latin1");
const anyOf = (...marks: readonly string[]) => `(?:${marks.join("|")})`;
// Chinese and Japanese, and Korean: in UTF-8, Shift JIS, EUC-JP, GBK, Big5 and EUC-KR.
const YEAR_MARK = anyOf(raw("年"), raw("년"), "\x94\x4e", "\xc7\xaf", "\xc4\xea", "\xa6\x7e", "\xb3\xe2");
const MONTH_MARK = anyOf(raw("月"), raw("월"), "\x8c\x8e", "\xb7\xee", "\xd4\xc2", "\xa4\xeb", "\xbf\xf9");
const DAY_MARK = anyOf(raw("日"), raw("일"), "\x93\xfa", "\xc6\xfc", "\xc8\xd5", "\xa4\xe9", "\xc0\xcf");

const WORD = String.raw`([^ \t\d][^ \t\d,]*,?)`;
const TIME = String.raw`(\d{1,2}:\d\d)`;
const TIME_OR_YEAR = String.raw`(?:${TIME}|(\d{4}))`;
const SECONDS = String.raw`(\d{1,2}:\d\d:\d\d)`;
const ends = (source: string) => new RegExp(`${source}(?=[ \\t])`, "y");

/** How every date begins, to rule out other columns at once. */
const BEGINNING = /[^ \t\d][^ \t]* +\d|\d{1,4}(?:[^ \t\d]|[ \t]+[^ \t\d])/y;

const FORMS: readonly DateForm[] = [
  {
    shape: "Mar 2",
    pattern: ends(String.raw`${WORD} +(\d{1,2}) +${TIME_OR_YEAR}`),
    read: ([, month = "", day = "", time = "", year = ""], clock) => toTime({ year, month, day, time }, clock),
  },
  {
    shape: "2 Mar",
    pattern: ends(String.raw`(\d{1,2})\.? +${WORD} +${TIME_OR_YEAR}`),
    read: ([, day = "", month = "", time = "", year = ""], clock) => toTime({ year, month, day, time }, clock),
  },
  {
    shape: "Mar 2 15:13:10 2016",
    pattern: ends(String.raw`${WORD} +(\d{1,2}) +${SECONDS} +(\d{4})`),
    read: ([, month = "", day = "", time = "", year = ""], clock) => toTime({ year, month, day, time }, clock),
  },
  {
    shape: "2 Mar 15:13:10 2016",
    pattern: ends(String.raw`(\d{1,2})\.? +${WORD} +${SECONDS} +(\d{4})`),
    read: ([, day = "", month = "", time = "", year = ""], clock) => toTime({ year, month, day, time }, clock),
  },
  {
    shape: "Mar 2, 2016 15:13",
    pattern: ends(String.raw`([^ \t\d,]+) +(\d{1,2}), +(\d{4}) +${TIME}`),
    read: ([, month = "", day = "", year = "", time = ""], clock) => toTime({ year, month, day, time }, clock),
  },
  {
    shape: "2-Mar-16 15:13",
    pattern: ends(String.raw`(\d{1,2})-([^ \t\d-]+)-(\d{4}|\d\d) +${TIME}`),
    read: ([, day = "", month = "", year = "", time = ""], clock) => toTime({ year, month, day, time }, clock),
  },
  {
    shape: "2-Mar-16",
    pattern: ends(String.raw`(\d{1,2})-([^ \t\d-]+)-(\d{4}|\d\d)`),
    read: ([, day = "", month = "", year = ""], clock) => toTime({ year, month, day, time: "" }, clock),
  },
  {
    shape: "2016-03-02 15:13:10 +0100",
    pattern: ends(String.raw`(\d{4})-(\d\d)-(\d\d) +${SECONDS}(?:[.,](\d+))? +([-+]\d\d)(\d\d)`),
    read: ([, year = "", month = "", day = "", time = "", fraction = "", hours = "", minutes = ""]) => {
      const zone = (Number(hours) * 60 + Number(`${hours[0]}${minutes}`)) * MINUTE;
      const at = utcToMs(civil({ year, month: Number(month), day, time }));
      return at === undefined ? undefined : { modified: at - zone + Math.floor(Number(`0.${fraction || 0}`) * 1000) };
    },
  },
  {
    shape: "2016-03-02 15:13:10",
    pattern: ends(String.raw`(\d{4})([-/])(\d\d)\2(\d\d) +${SECONDS}`),
    read: ([, year = "", , month = "", day = "", time = ""], clock) => toTime({ year, month, day, time }, clock),
  },
  {
    shape: "2016-03-02 15:13",
    pattern: ends(String.raw`(\d{4})([-/])(\d\d)\2(\d\d) +${TIME}`),
    read: ([, year = "", , month = "", day = "", time = ""], clock) => toTime({ year, month, day, time }, clock),
  },
  {
    shape: "3月 2日",
    pattern: ends(String.raw`(\d{1,2})${MONTH_MARK} *(\d{1,2})(?:${DAY_MARK})? +(?:${TIME}|(\d{4})(?:${YEAR_MARK})?)`),
    read: ([, month = "", day = "", time = "", year = ""], clock) => toTime({ year, month, day, time }, clock),
  },
  {
    // Written beside "3月 2日 15:13".
    shape: "3月 2日",
    pattern: ends(String.raw`(\d{4})${YEAR_MARK} *(\d{1,2})${MONTH_MARK} *(\d{1,2})(?:${DAY_MARK})?`),
    read: ([, year = "", month = "", day = ""], clock) => toTime({ year, month, day, time: "" }, clock),
  },
];

interface DateWords {
  /** Empty if the line shows none. */
  readonly year: string;
  /** A number or a name. */
  readonly month: string;
  readonly day: string;
  /** Empty if the line shows none. */
  readonly time: string;
}

function toTime({ month: word, ...words }: DateWords, clock: Clock): FileTime | undefined {
  const month = /^\d/.test(word) ? Number(word) : monthOf(word);
  if (month === undefined) return undefined;
  const date = { ...words, month };
  const timeStep = words.time === "" ? DAY : words.time.length > "00:00".length ? SECOND : MINUTE;
  const at = words.year === "" ? latestTime(date, clock) : utcToMs(civil(date));
  return at === undefined ? undefined : { modified: at - clock.zoneOffset, timeStep };
}

type NumberedDate = Omit<DateWords, "month"> & { readonly month: number };

function civil({ year, month, day, time }: NumberedDate): CivilTime {
  const colon = time.indexOf(":");
  const hours = Number(time.slice(0, Math.max(0, colon)));
  const minutes = Number(time.slice(colon + 1, colon + 3));
  return { year: fullYear(year), month, day: Number(day), hours, minutes, seconds: Number(time.slice(colon + 4)) };
}

/** Returns the latest such time. Without a year a time is never in the future, but a clock that is ahead shows tomorrow. */
function latestTime(date: NumberedDate, clock: Clock): number | undefined {
  const there = clock.now + clock.zoneOffset;
  const latest = new Date(there).getUTCFullYear() + 1;
  const parts = civil({ ...date, year: "0000" });
  for (let year = latest; year > latest - 10; year--) {
    const at = utcToMs({ ...parts, year });
    if (at !== undefined && at <= there + DAY) return at;
  }
  return undefined;
}
