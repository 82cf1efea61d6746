import type { RelPath } from "../../core/path.ts";
import type { Entry } from "../../core/entry.ts";
import { ListingParser, type ListSettings, parseTime } from "./listing_parser.ts";
import { type LineResult, opaqueLink, opaqueSpecial, parseSize } from "./formats/line.ts";

/**
 * Parses the lines of an MLSD listing (RFC 3659, section 7). `onUnique` receives the UNIQUE fact of each folder,
 * including the listed one.
 */
export function mlsdParser(
  settings: ListSettings,
  onUnique?: (folder: RelPath, unique: string) => void,
): ListingParser {
  const read = (line: string): LineResult => {
    const parsed = parseFacts(line);
    if (parsed === undefined || parsed.isAmbiguous) return undefined;
    const { facts, name } = parsed;
    const [type, unique] = [facts.get("type")?.toLowerCase(), facts.get("unique")];
    const isHere = type === "cdir" || (name === "." && type !== "pdir");
    const isSelf = isHere || type === "pdir" || name === "..";
    if (isHere && unique !== undefined) onUnique?.(settings.dir, unique);
    if (isSelf) return { name: isHere ? "." : "..", make: opaqueSpecial };
    const make = (path: RelPath) => {
      if (type === "dir" && unique !== undefined) onUnique?.(path, unique);
      return entryFromFacts(path, facts);
    };
    return { name, make };
  };
  return new ListingParser(settings, { read });
}

/** Returns the entry of the line " facts; path" in an MLST reply, or undefined if it has none. */
export function parseMlst(text: string, path: RelPath): Entry | undefined {
  const line = text.split("\n").slice(1, -1).find((one) => one.includes("=") && one.includes(";"));
  const facts = line === undefined ? undefined : parseFacts(line.trimStart())?.facts;
  return facts === undefined ? undefined : entryFromFacts(path, facts);
}

/**
 * Returns the OPTS MLST command that selects only the facts in use, so that no user or group name is among them.
 * Returns undefined if that is the default, or if a needed fact is not offered. `offered`: the rest of FEAT's line
 * "MLST type*;size*;", with "*" after each fact that is on.
 */
export function optsMlstCommand(offered: string | undefined): string | undefined {
  const all = (offered ?? "").split(";").map((one) => one.trim()).filter((one) => /^[\w.-]+\*?$/.test(one));
  const wanted = all.filter(isUsed);
  if (all.every((one) => isUsed(one) === one.endsWith("*"))) return undefined;
  if (!NEEDED.every((fact) => wanted.some((one) => factName(one) === fact))) return undefined;
  return `OPTS MLST ${wanted.map((one) => `${one.replace("*", "")};`).join("")}`;
}

function isUsed(offered: string): boolean {
  return USED.includes(factName(offered));
}

function factName(offered: string): string {
  return offered.replace("*", "").toLowerCase();
}

const NEEDED: readonly string[] = ["type", "size", "modify"];
const USED: readonly string[] = [...NEEDED, "unique", "unix.mode"];
/** Facts whose values contain neither blanks nor ";". */
const PLAIN_FACTS: ReadonlySet<string> = new Set([
  ...USED,
  ...["sizd", "create", "perm", "lang", "charset", "media-type", "unix.uid", "unix.gid"],
]);

interface ParsedFacts {
  readonly facts: ReadonlyMap<string, string>;
  readonly name: string;
  /** Whether the name may also begin at another position. */
  readonly isAmbiguous: boolean;
}

/**
 * Parses `fact=value;…; name`. RFC 3659 allows no blank in a value, but names of groups and targets of links contain
 * some, so the name begins after the first "; ". That is ambiguous if such a value comes last and another "; " follows.
 * Returns undefined for any other line.
 */
function parseFacts(line: string): ParsedFacts | undefined {
  const isBare = line.startsWith(" ");
  const end = isBare ? 0 : line.indexOf("; ") + 1;
  if ((end === 0 && !isBare) || end > MAX_FACTS_LENGTH) return undefined;
  const name = line.slice(end + 1);
  const facts = new Map<string, string>();
  let isFree = false;
  for (let at = 0; at < end;) {
    const [equals, next] = [line.indexOf("=", at), line.indexOf(";", at)];
    const key = line.slice(at, equals).toLowerCase();
    const value = line.slice(equals + 1, next);
    isFree = isFreeText(key, value);
    if (equals < 0 || equals > next || !isFactName(key) || facts.has(key) || (!isFree && value.includes(" "))) {
      return undefined;
    }
    facts.set(key, value);
    at = next + 1;
  }
  return { facts, name, isAmbiguous: beginsWithFact(name) || (isFree && name.includes("; ")) };
}

const MAX_FACTS_LENGTH = 4096;

/** Whether a name looks like more facts, as written by servers that put a blank after each ";". */
function beginsWithFact(name: string): boolean {
  const fact = /^([\w.-]+)=[^;]*;/.exec(name)?.[1]?.toLowerCase();
  return fact !== undefined && (PLAIN_FACTS.has(fact) || /^(?:unix|os)\./.test(fact));
}

/** Whether a value is free text: the name of a user or group, the target of a link, or an unknown fact. */
function isFreeText(fact: string, value: string): boolean {
  return !PLAIN_FACTS.has(fact) || (fact === "type" && /^os\.[^=]*=/i.test(value));
}

function isFactName(fact: string): boolean {
  return PLAIN_FACTS.has(fact) || /^[\w.-]+$/.test(fact);
}

function entryFromFacts(path: RelPath, facts: ReadonlyMap<string, string>): Entry {
  const type = facts.get("type")?.toLowerCase() ?? "";
  const bits = /^[0-7]{3,5}$/.exec(facts.get("unix.mode") ?? "");
  const mode = bits === null ? {} : { mode: Number.parseInt(bits[0], 8) & 0o777 };
  if (type === "dir" || type === "cdir" || type === "pdir") return { kind: "dir", path, ...mode };
  if (/^os\.[^=]*=(?:slink|symlink|link)/.test(type)) return opaqueLink(path);
  if (type !== "file") return opaqueSpecial(path);
  const size = parseSize(facts.get("size"));
  if (size === undefined) {
    return { kind: "opaque", path, cause: "unreadable", why: "the server reports no valid size" };
  }
  const modified = parseTime(facts.get("modify") ?? "");
  return { kind: "file", path, size, ...(modified === undefined ? {} : { modified }), ...mode };
}
