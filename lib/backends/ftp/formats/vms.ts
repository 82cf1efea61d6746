import type { LineResult, ListFormat } from "./line.ts";
import { opaqueInexact } from "./line.ts";

/**
 * The format of VMS: "NAME.TXT;1  12/15  2-JUL-2003 10:30:13  [OWNER]  (RWED,RWED,RE,)", a long name in a line of its
 * own. Sizes are numbers of blocks, so that only folders are entries that can be used.
 */
export function vmsFormat(): ListFormat {
  return {
    read: readEntry,
    isWrapped: (line) => NAME_ALONE.test(line),
    join: (first, second) => SIZE_OR_DATE.test(second) ? `${first.trim()} ${second.trim()}` : undefined,
  };
}

const NAME_ALONE = /^[^ \t;]+;\d{1,5}[ \t]*$/;
const SIZE_OR_DATE = /^[ \t]*(?:\d+(?:\/\d+)?[ \t]+)?\d{1,2}-[A-Z]{3}-\d{4}[ \t]/i;
const DATE = /(?:^|[ \t])\d{1,2}-[^ \t\d-]{3,4}-\d{4}(?:[ \t]+\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?)?(?=[ \t]|$)/;
const OWNER_OR_RIGHTS = /\[[^\]]*\]|\([A-Z, :]*\)/gi;
const OTHER_FACT = /^(?:\d+\/\d+|[A-Z\d_$]*)$/i;
/** A limit above the longest facts, behind a name, of any line. */
const MAX_FACTS = 500;
const REFUSED = /^%?[A-Z]+-[A-Z]-[A-Z]+,|^(?:insufficient privilege|no privilege)/i;

function readEntry(line: string): LineResult {
  if (/^(?:Directory|Grand total of|Total of) [^;]+$/.test(line)) return "none";
  const [, full, facts = ""] = /^([^ \t;]+);\d{1,5}[ \t]+(.+)$/.exec(line) ?? [];
  if (full === undefined || facts.length > MAX_FACTS) return undefined;
  const shape = "vms";
  if (REFUSED.test(facts)) {
    const why = "the server itself could not read what it is";
    return { name: full, shape, make: (path) => ({ kind: "opaque", path, cause: "unreadable", why }) };
  }
  const others = facts.replace(DATE, "").replace(OWNER_OR_RIGHTS, "").split(/[ \t]/);
  if (!DATE.test(facts) || !others.every((fact) => OTHER_FACT.test(fact))) return undefined;
  const name = full.replace(/\.DIR$/i, "");
  if (name === "") return undefined;
  return name === full
    ? { name, shape, make: opaqueInexact }
    : { name, shape, make: (path) => ({ kind: "dir", path }) };
}
