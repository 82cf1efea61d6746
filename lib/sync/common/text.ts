import { escapeForDisplay } from "../../core/path.ts";
import type { Entry } from "../../core/entry.ts";

/** Returns the path in quotes, for messages. */
export function quote(path: string): string {
  return `"${escapeForDisplay(path)}"`;
}

/** Returns a count with its noun: "12 files", "1 file". */
export function countOf(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? "" : "s"}`;
}

/** Returns the kind of an entry in words, for messages. */
export function describeKind(entry: Entry): string {
  if (entry.kind === "dir") return "a folder";
  return entry.kind === "link" ? "a link" : "a file";
}
