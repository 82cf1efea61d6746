import type { OpaqueEntry } from "../../../core/entry.ts";
import type { RelPath } from "../../../core/path.ts";
import { type LineResult, type ListFormat, parseSize } from "./line.ts";

/**
 * The format of OS/400 (IBM i): "OWNER  77824 02/23/00 15:09:55 *DIR  name/". Only stream files have a size in bytes; the
 * order of day, month and year is that of the login, so entries have no time.
 */
export function os400Format(): ListFormat {
  return { read: readOs400 };
}

const OS400 =
  /^[A-Z][A-Z\d_.$#@]{0,9}[ \t]+(?:(\d+)[ \t]+\d\d([-/.])\d\d\2\d\d[ \t]+\d\d:\d\d:\d\d[ \t]+)?(\*[A-Z]+)([ \t]+)(.+)$/;
/** The width of the types' column, and of the blank behind it. */
const TYPE_WIDTH = 11;

function readOs400(line: string): LineResult {
  const [, digits, , type = "", blanks = "", rest = ""] = OS400.exec(line) ?? [];
  if (rest === "" || (blanks.length > 1 && type.length + blanks.length !== TYPE_WIDTH)) return undefined;
  const shape = "os400";
  const isFolder = rest.endsWith("/");
  const name = isFolder ? rest.slice(0, -1) : rest;
  if (/^\*D?DIR$|^\*FLR$/.test(type) && isFolder) {
    return { name, shape, isSelf: name === "." || name === "..", make: (path) => ({ kind: "dir", path }) };
  }
  const size = parseSize(digits);
  if (/^\*D?STMF$/.test(type) && !isFolder && size !== undefined) {
    return { name, shape, make: (path) => ({ kind: "file", path, size }) };
  }
  // A member "FILE/MEMBER" stands for the file that holds it.
  return { name: name.replace(/\/.*$/s, ""), shape, make: opaqueRecords };
}

/** The format of z/OS (MVS), which lists datasets, or the members of one, with no size in bytes. */
export function mvsFormat(): ListFormat {
  let heading: "datasets" | "members" | undefined;
  return {
    read(line) {
      if (heading === undefined) heading = headingOf(line);
      else return heading === "datasets" ? readDataset(line) : readMember(line);
      return heading === undefined ? undefined : "none";
    },
  };
}

function headingOf(line: string): "datasets" | "members" | undefined {
  if (/^Volume +Unit +Referred +Ext +Used +Recfm +Lrecl +BlkSz +Dsorg +Dsname *$/.test(line)) return "datasets";
  return /^ ?Name +(?:VV\.MM +Created +Changed|Size +TTR +Alias-of) /.test(line) ? "members" : undefined;
}

const DATASET_NAME = "([A-Z@#$][A-Z\\d@#$-]{0,7}(?:\\.[A-Z@#$][A-Z\\d@#$-]{0,7})*)";
const DATASET = new RegExp(
  `^(?:Migrated|ARCIVE|Pseudo Directory|[A-Z\\d@#$]{1,6} +(?:\\d{4}|Tape)(?: +[^ ]+)*?) +${DATASET_NAME} *$`,
);
const MEMBER = /^ ?([A-Z@#$][A-Z\d@#$]{0,7})(?: +[\dA-F.].*)?$/;

function readDataset(line: string): LineResult {
  const [, name] = DATASET.exec(line) ?? [];
  return name === undefined ? undefined : { name, shape: "mvs, datasets", make: opaqueRecords };
}

function readMember(line: string): LineResult {
  const [, name] = MEMBER.exec(line) ?? [];
  return name === undefined ? undefined : { name, shape: "mvs, members", make: opaqueRecords };
}

function opaqueRecords(path: RelPath): OpaqueEntry {
  return { kind: "opaque", path, cause: "special", why: "it consists of records, whose size in bytes is not listed" };
}
