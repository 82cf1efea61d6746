/**
 * Parses a time as servers write it, in ms: the three forms of HTTP (RFC 9110, section 5.6.7), which are the usual one,
 * that of RFC 850 and that of asctime, also with one-digit days and numeric zones; and RFC 3339. Returns undefined for
 * anything else, including impossible dates.
 */
export function parseDate(text: string | undefined): number | undefined {
  if (text === undefined || text.length > MAX_LENGTH) return undefined;
  for (const form of FORMATS) {
    const groups = form.exec(text.trim())?.groups;
    if (groups !== undefined) return toTime(groups);
  }
  return undefined;
}

const MAX_LENGTH = 64;
const CLOCK = String.raw`(?<hour>\d{2}):(?<minute>\d{2}):(?<second>\d{2})(?:\.(?<part>\d{1,9}))?`;
const ZONE = String.raw`(?:(?:GMT|UTC|UT|Z)?(?:(?<sign>[+-])(?<zoneHour>\d{2}):?(?<zoneMinute>\d{2}))?)`;

/**
 * The accepted forms. A time without a zone is UTC: a server that omits the zone means that, or one that cannot be
 * known.
 */
const FORMATS: readonly RegExp[] = [
  new RegExp(String.raw`^(?:[a-z]{3,9},? +)?(?<day>\d{1,2}) (?<month>[a-z]{3}) (?<year>\d{4}) ${CLOCK} *${ZONE}$`, "i"),
  new RegExp(
    String.raw`^(?:[a-z]{3,9},? +)?(?<day>\d{1,2})-(?<month>[a-z]{3})-(?<year>\d{4}|\d{2}) ${CLOCK} *${ZONE}$`,
    "i",
  ),
  new RegExp(String.raw`^[a-z]{3,9} (?<month>[a-z]{3}) {1,2}(?<day>\d{1,2}) ${CLOCK} (?<year>\d{4})$`, "i"),
  new RegExp(String.raw`^(?<year>\d{4})-(?<month>\d{2})-(?<day>\d{2})[T ]${CLOCK} *${ZONE}$`, "i"),
];
const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const MINUTE = 60_000;

function toTime(groups: Readonly<Record<string, string | undefined>>): number | undefined {
  const number = (name: string) => Number(groups[name] ?? 0);
  const { month = "", year = "", part = "", sign } = groups;
  const index = /^\d/.test(month) ? Number(month) - 1 : MONTHS.indexOf(month.toLowerCase());
  const [day, hour, minute, second] = [number("day"), number("hour"), number("minute"), number("second")];
  const full = year.length === 2 ? fullYear(Number(year)) : Number(year);
  // A leap second counts as the last second of its minute.
  const at = new Date(Date.UTC(full, index, day, hour, minute, Math.min(second, 59)));
  // Date does not reject the 31st of a short month but moves on to the next month.
  const isReal = index >= 0 && at.getUTCMonth() === index && at.getUTCDate() === day && hour < 24 && minute < 60 &&
    second <= 60 && number("zoneHour") < 24 && number("zoneMinute") < 60;
  if (!isReal) return undefined;
  const zone = (number("zoneHour") * 60 + number("zoneMinute")) * MINUTE * (sign === "-" ? -1 : 1);
  return at.getTime() + Math.floor(Number(`0.${part || "0"}`) * 1000) - zone;
}

/**
 * Returns the full year of two digits: one that would be more than 50 years ahead belongs to the century before. RFC
 * 9110, section 5.6.7.
 */
function fullYear(year: number): number {
  const now = new Date().getUTCFullYear();
  const full = now - now % 100 + year;
  return full > now + 50 ? full - 100 : full;
}
