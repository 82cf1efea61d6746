import type { Entry } from "../../../core/entry.ts";
import {
  type Clock,
  fullYear,
  type LineResult,
  type ListFormat,
  MINUTE,
  opaqueLink,
  parseSize,
  utcToMs,
} from "./line.ts";

/**
 * The format of "dir", as IIS writes it: "11-22-26  07:48AM  <DIR>  name" and "2026-11-22  07:48  1,234  name". An
 * entry has no time where its date may be read in two ways.
 */
export function dosFormat(): ListFormat {
  let isInDoubt = false;
  return {
    read(line, clock) {
      const parts = DOS.exec(line);
      if (parts === null) return undefined;
      const [, date = "", hour = "", minute = "", half = "", ...facts] = parts.map((part) => part ?? "");
      const [hours, minutes] = [toHours(Number(hour), half.toUpperCase()), Number(minute)];
      const days = possibleDays(date).flatMap((day) => utcToMs({ ...day, hours, minutes }) ?? []);
      if (days.length === 0) return undefined;
      // IIS writes the month first with AM and PM, unless another line of the listing shows that it does not.
      if (half !== "" && !isMonthFirst(date)) isInDoubt = true;
      const isCertain = days.length === 1 || half !== "" || days[0] === days[1];
      return toLine(facts, isCertain ? days[0] : undefined, clock);
    },
    review: (entry) => isInDoubt ? withoutTime(entry) : entry,
  };
}

const DOS =
  /^[ \t]*(\d\d(?:-\d\d-|\/\d\d\/|\.\d\d\.)(?:\d{4}|\d\d)|\d{4}(?:-\d\d-|\/\d\d\/|\.\d\d\.)\d\d)[ \t]+(\d{1,2}):(\d\d)[ \t]*(?:([AP])M?)?[ \t]+(<[A-Z]+>|[\d,]+)([ \t]+)([^ \t].*)$/is;

type Day = Pick<Parameters<typeof utcToMs>[0], "year" | "month" | "day">;

/** Returns the days that a date may mean, the more likely one first; dots stand in dates that begin with the day. */
function possibleDays(date: string): readonly Day[] {
  const [first = "", second = "", third = ""] = date.split(/[-/.]/);
  if (first.length === 4) return [{ year: Number(first), month: Number(second), day: Number(third) }];
  const year = fullYear(third);
  const dayFirst = { year, month: Number(second), day: Number(first) };
  return date.includes(".") ? [dayFirst] : [{ year, month: Number(first), day: Number(second) }, dayFirst];
}

function isMonthFirst(date: string): boolean {
  return Number(date.slice(0, 2)) <= 12 || /^\d{4}/.test(date);
}

/** Returns NaN for an hour that no clock with AM and PM shows. */
function toHours(hour: number, half: string): number {
  if (half === "") return hour;
  return hour < 1 || hour > 12 ? NaN : hour % 12 + (half === "P" ? 12 : 0);
}

/** IIS puts ten blanks between "<DIR>" and a name, and one between a size and a name. */
const BLANKS_AFTER_DIR = 10;

function toLine(
  [what = "", blanks = "", rest = ""]: readonly string[],
  at: number | undefined,
  clock: Clock,
): LineResult {
  const shape = "dos";
  const name = blanks.slice(what.startsWith("<") ? BLANKS_AFTER_DIR : 1) + rest;
  if (/^<DIR>$/i.test(what)) return { name, shape, make: (path) => ({ kind: "dir", path }) };
  if (what.startsWith("<")) {
    // Some servers write where the link leads behind its name.
    const isLink = /^<(?:JUNCTION|SYMLINKD?)>$/i.test(what) && !/ \[| -> /.test(name);
    return isLink ? { name, shape, make: opaqueLink } : undefined;
  }
  const size = parseSize(what.replaceAll(",", ""));
  if (size === undefined) return undefined;
  const time = at === undefined ? {} : { modified: at - clock.zoneOffset, timeStep: MINUTE };
  return { name, shape, make: (path) => ({ kind: "file", path, size, ...time }) };
}

function withoutTime(entry: Entry): Entry {
  if (entry.kind !== "file") return entry;
  const { modified: _modified, timeStep: _timeStep, ...rest } = entry;
  return rest;
}
