import { Buffer } from "node:buffer";
import { gate, type RelPath } from "../path.ts";
import type { Entry, OpaqueEntry } from "../types.ts";

/** How a server spells names. */
export type Spelling = "utf8" | "latin1";

/** Which entries a listing gives. `here`: "." or its like stood in it; `lines`: how many lines told of something. */
export interface Listed {
  readonly entries: readonly Entry[];
  readonly here: boolean;
  readonly lines: number;
}

export interface ListSettings {
  readonly dir: RelPath;
  readonly spelling: Spelling;
}

/** A LIST tells local times without their zone. `now`: ms since the epoch; `zone`: ms the server's clock is ahead of UTC. */
export interface Clock {
  readonly now: number;
  readonly zone: number;
}

/** Milliseconds of an entry that tells minutes, or only the day. */
export const MINUTE = 60_000;
export const DAY = 86_400_000;

/** The lines of a listing, without their ends. A lone line feed belongs to a name where the others end in CRLF. */
export function linesOf(bytes: Uint8Array): readonly string[] {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
  return text.split(text.includes("\r\n") ? "\r\n" : "\n").filter((line) => line !== "");
}

/** The lines of an MLSD listing (RFC 3659, section 7). Throws a RangeError naming a line that is none. */
export function parseMlsd(lines: readonly string[], settings: ListSettings): Listed {
  const entries: Entry[] = [];
  const names = new Set<string>();
  let here = false;
  for (const line of lines) {
    const parsed = parseFacts(line);
    if (parsed === undefined) throw new RangeError(`"${line.slice(0, 100)}" is no line of an MLSD listing`);
    const { facts, name } = parsed;
    const type = facts.get("type")?.toLowerCase();
    if (type === "cdir") here = true;
    if (type === "cdir" || type === "pdir" || name === "." || name === ".." || names.has(name)) continue;
    names.add(name);
    entries.push(toEntry(name, settings, (path) => factEntry(path, facts)));
  }
  return { entries, here, lines: lines.length };
}

/** The entry of the line " facts; path" in an MLST reply; undefined where it has none. */
export function parseMlst(text: string, path: RelPath): Entry | undefined {
  const line = text.split("\n").slice(1, -1).find((one) => one.includes("=") && one.includes(";"));
  const facts = line === undefined ? undefined : parseFacts(line.trimStart())?.facts;
  return facts === undefined ? undefined : factEntry(path, facts);
}

/** "20260131235959.123" in UTC as ms; undefined for anything else. */
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

/** ms as "20260131235959" in UTC, the second it lies in; undefined outside the years 1 to 9999. */
export function formatTime(ms: number): string | undefined {
  const date = new Date(Math.floor(ms / 1000) * 1000);
  if (Number.isNaN(date.getTime()) || date.getUTCFullYear() < 1 || date.getUTCFullYear() > 9999) return undefined;
  return date.toISOString().replace(/\.\d+Z$/, "").replace(/\D/g, "").padStart(14, "0");
}

/** The lines of a LIST as Unix (ls -l) or DOS writes it. Throws a RangeError naming a line that is neither: what is not understood may hold a name. */
export function parseList(lines: readonly string[], settings: ListSettings & { readonly clock: Clock }): Listed {
  const entries: Entry[] = [];
  const names = new Set<string>();
  let here = false;
  for (const line of lines) {
    if (/^total \d+\s*$/i.test(line)) continue;
    const parsed = parseUnix(line, settings.clock) ?? parseDos(line, settings.clock);
    if (parsed === undefined) throw new RangeError(`"${line.slice(0, 100)}" is no line of a listing`);
    const { name, make } = parsed;
    if (name === ".") here = true;
    if (name === "." || name === ".." || names.has(name)) continue;
    names.add(name);
    entries.push(toEntry(name, settings, make));
  }
  return { entries, here, lines: lines.length };
}

interface Facts {
  readonly facts: ReadonlyMap<string, string>;
  readonly name: string;
}

interface Line {
  readonly name: string;
  make(path: RelPath): Entry;
}

function parseFacts(line: string): Facts | undefined {
  const end = line.indexOf(" ");
  if (end < 0 || end > 4096) return undefined;
  const facts = new Map<string, string>();
  for (const part of line.slice(0, end).split(";")) {
    if (part === "") continue;
    const at = part.indexOf("=");
    if (at <= 0) return undefined;
    facts.set(part.slice(0, at).toLowerCase(), part.slice(at + 1));
  }
  return { facts, name: line.slice(end + 1) };
}

function factEntry(path: RelPath, facts: ReadonlyMap<string, string>): Entry {
  const type = facts.get("type")?.toLowerCase() ?? "";
  const bits = /^[0-7]{3,5}$/.exec(facts.get("unix.mode") ?? "");
  const mode = bits === null ? {} : { mode: Number.parseInt(bits[0], 8) & 0o777 };
  if (type === "dir" || type === "cdir" || type === "pdir") return { kind: "dir", path, ...mode };
  if (/^os\.[^=]*=(?:slink|symlink|link)/.test(type)) return aLink(path);
  if (type !== "file") return special(path);
  const size = sizeOf(facts.get("size"));
  if (size === undefined) {
    return { kind: "opaque", path, cause: "unreadable", why: "the server tells no possible size" };
  }
  const modified = parseTime(facts.get("modify") ?? "");
  return { kind: "file", path, size, ...(modified === undefined ? {} : { modified }), ...mode };
}

/** "-rw-r--r--  1 owner group  1234 Nov 22 07:48 name", with or without the count of links and the group. */
function parseUnix(line: string, clock: Clock): Line | undefined {
  const parts = UNIX.exec(line);
  if (parts === null) return undefined;
  const [, type = "", rights = "", digits = "", when = "", rest = ""] = parts;
  const time = unixTime(when, clock);
  if (time === undefined) return undefined;
  if (type === "l") {
    const at = rest.indexOf(" -> ");
    return { name: at < 0 ? rest : rest.slice(0, at), make: aLink };
  }
  const mode = modeOf(rights);
  if (type === "d") return { name: rest, make: (path) => ({ kind: "dir", path, mode }) };
  if (type !== "-") return { name: rest, make: special };
  const size = sizeOf(digits);
  if (size === undefined) return undefined;
  return { name: rest, make: (path) => ({ kind: "file", path, size, ...time, mode }) };
}

/** "11-22-26  07:48AM  <DIR>  name" and "2026-11-22  07:48  1,234  name". */
function parseDos(line: string, clock: Clock): Line | undefined {
  const parts = DOS.exec(line);
  if (parts === null) return undefined;
  const [, first = "", second = "", third = "", hour = "", minute = "", half, what = "", name = ""] = parts;
  const [y, m, d] = first.length === 4 ? [first, second, third] : [third, first, second];
  const year = y.length === 4 ? Number(y) : Number(y) + (Number(y) < 70 ? 2000 : 1900);
  const hours = half === undefined ? Number(hour) : Number(hour) % 12 + (half.toUpperCase() === "P" ? 12 : 0);
  const modified = civil({ year, month: Number(m), day: Number(d), hours, minutes: Number(minute) });
  if (modified === undefined) return undefined;
  if (/^<DIR>$/i.test(what)) return { name, make: (path) => ({ kind: "dir", path }) };
  if (what.startsWith("<")) return { name, make: aLink };
  const size = sizeOf(what.replaceAll(",", ""));
  if (size === undefined) return undefined;
  return { name, make: (path) => ({ kind: "file", path, size, modified: modified - clock.zone, timeStep: MINUTE }) };
}

const UNIX =
  /^([-bcdlpsD])([-rwxsStTlL]{9})[.+@]?\s+(?:\d+\s+)?(?:\S+\s+){1,2}?(\d+|\d+,\s*\d+)\s+([A-Za-z]{3}\s+\d{1,2}\s+(?:\d{1,2}:\d\d(?::\d\d)?|\d{4})|\d{1,2}\s+[A-Za-z]{3}\s+(?:\d{1,2}:\d\d|\d{4})|\d{4}-\d\d-\d\d\s+\d\d:\d\d(?::\d\d)?)\s(.+)$/s;
const DOS =
  /^(\d{2}|\d{4})[-/.](\d{2})[-/.](\d{2}|\d{4})\s+(\d{1,2}):(\d{2})(?:\s*([AP])M?)?\s+(<[A-Za-z]+>|[\d,]+)\s+(.+)$/is;
const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
/** Longer than any file system allows. */
const MOST_NAME_BYTES = 1024;

function unixTime(when: string, clock: Clock): { readonly modified: number; readonly timeStep: number } | undefined {
  const words = when.split(/\s+/);
  const iso = /^(\d{4})-(\d\d)-(\d\d)$/.exec(words[0] ?? "");
  if (iso !== null) {
    const [hours = NaN, minutes = NaN, seconds = 0] = (words[1] ?? "").split(":").map(Number);
    const at = civil({ year: Number(iso[1]), month: Number(iso[2]), day: Number(iso[3]), hours, minutes });
    return at === undefined ? undefined : { modified: at + seconds * 1000 - clock.zone, timeStep: MINUTE };
  }
  const [first = "", second = "", last = ""] = words;
  const [name, date] = /^\d/.test(first) ? [second, first] : [first, second];
  const [month, day] = [MONTHS.indexOf(name.toLowerCase()) + 1, Number(date)];
  if (month === 0) return undefined;
  if (!last.includes(":")) {
    const at = civil({ year: Number(last), month, day, hours: 0, minutes: 0 });
    return at === undefined ? undefined : { modified: at - clock.zone, timeStep: DAY };
  }
  const [hours = NaN, minutes = NaN] = last.split(":").map(Number);
  const there = clock.now + clock.zone;
  // Without a year it is the last such day; a clock that is a little ahead shows tomorrow.
  const latest = new Date(there).getUTCFullYear() + 1;
  for (let year = latest; year > latest - 10; year--) {
    const at = civil({ year, month, day, hours, minutes });
    if (at !== undefined && at <= there + DAY) return { modified: at - clock.zone, timeStep: MINUTE };
  }
  return undefined;
}

interface Civil {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hours: number;
  readonly minutes: number;
}

function civil({ year, month, day, hours, minutes }: Civil): number | undefined {
  const text = [String(year).padStart(4, "0"), month, day, hours, minutes, 0].map((one) =>
    String(one).padStart(2, "0")
  );
  return parseTime(text.join(""));
}

function toEntry(raw: string, { dir, spelling }: ListSettings, make: (path: RelPath) => Entry): Entry {
  if (raw.length > MOST_NAME_BYTES) {
    const gated = gate(dir, `${raw.slice(0, 64)}…`);
    return refused(gated.ok ? gated.path : gated.shown, `the name is longer than ${MOST_NAME_BYTES} bytes`);
  }
  const gated = gate(dir, spelling === "latin1" ? raw : Buffer.from(raw, "latin1").toString("utf8"));
  return gated.ok ? make(gated.path) : refused(gated.shown, gated.why);
}

function refused(path: RelPath, why: string): OpaqueEntry {
  return { kind: "opaque", path, cause: "name", why };
}

/** A link is not touched: FTP tells no target that could be relied on. */
export function aLink(path: RelPath): OpaqueEntry {
  return { kind: "opaque", path, cause: "link", why: "it is a link, which FTP cannot tell the target of" };
}

function special(path: RelPath): OpaqueEntry {
  return { kind: "opaque", path, cause: "special", why: "it is no file, folder or link" };
}

function sizeOf(digits: string | undefined): number | undefined {
  if (digits === undefined || !/^\d{1,16}$/.test(digits)) return undefined;
  const size = Number(digits);
  return Number.isSafeInteger(size) ? size : undefined;
}

function modeOf(rights: string): number {
  return [...rights].reduce((mode, letter) => mode * 2 + (/[-ST]/.test(letter) ? 0 : 1), 0);
}
