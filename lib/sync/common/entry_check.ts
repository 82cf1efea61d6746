import type { Backend, Call, Traits } from "../../core/backend.ts";
import type { Entry, FileEntry } from "../../core/entry.ts";
import { stepOf, YOUNG_MS } from "./criteria.ts";
import { SyncError } from "../../core/errors.ts";
import { printable } from "../../core/path.ts";

/**
 * Whether the present entry is the one seen before. Files are compared by size, time (at the coarser step), revision
 * and file id, each if both have it; links by target; other entries by kind.
 */
export function isSame(now: Entry, before: Entry): boolean {
  if (now.kind === "link" && before.kind === "link") return now.target === before.target;
  if (now.kind !== "file" || before.kind !== "file") return now.kind === before.kind;
  const step = Math.max(now.timeStep ?? 0, before.timeStep ?? 0);
  return now.size === before.size &&
    agree(now.modified, before.modified, (a, b) => Math.abs(a - b) <= step) &&
    agree(now.revision, before.revision, (a, b) => a === b) &&
    agree(now.fileId, before.fileId, (a, b) => a === b);
}

/** Whether the file has the time of its source. */
export function keepsTime(entry: FileEntry, source: FileEntry, traits: Traits): boolean {
  if (entry.modified === undefined || source.modified === undefined) return false;
  return Math.abs(entry.modified - source.modified) < Math.max(stepOf(entry, traits), stepOf(source, traits), YOUNG_MS);
}

function agree<T>(a: T | undefined, b: T | undefined, same: (a: T, b: T) => boolean): boolean {
  return a === undefined || b === undefined || same(a, b);
}

/** Returns the present entry if it is unchanged; otherwise rejects with changed. */
export async function expectSame(backend: Backend, entry: Entry, call: Call): Promise<Entry> {
  const now = await backend.stat(entry.path, call);
  if (now !== undefined && isSame(now, entry)) return now;
  const state = now === undefined ? "it is gone" : "it has changed";
  const message = `"${printable(entry.path)}" on ${backend.label} is not what was listed: ${state}; run again`;
  throw new SyncError("changed", message, { operation: "compare", path: entry.path });
}
