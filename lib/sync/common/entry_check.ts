import type { Backend, CallOptions, Traits } from "../../core/backend.ts";
import type { Entry, FileEntry } from "../../core/entry.ts";
import { RECENT_MS, stepOf } from "./criteria.ts";
import { SyncError } from "../../core/errors.ts";
import { escapeForDisplay, isChild, type RelPath } from "../../core/path.ts";

/**
 * Whether the present entry is the one seen before. Files are compared by size, time (at the coarser step), revision
 * and file id, each if both have it; links by target; other entries by kind.
 */
export function isSameEntry(now: Entry, before: Entry): boolean {
  if (now.kind === "link" && before.kind === "link") return now.target === before.target;
  if (now.kind !== "file" || before.kind !== "file") return now.kind === before.kind;
  const step = Math.max(now.timeStep ?? 0, before.timeStep ?? 0);
  return now.size === before.size &&
    agreeIfKnown(now.modified, before.modified, (a, b) => Math.abs(a - b) <= step) &&
    agreeIfKnown(now.revision, before.revision, (a, b) => a === b) &&
    agreeIfKnown(now.fileId, before.fileId, (a, b) => a === b);
}

/** Whether the file has the time of its source. */
export function hasSourceTime(entry: FileEntry, source: FileEntry, traits: Traits): boolean {
  if (entry.modified === undefined || source.modified === undefined) return false;
  return Math.abs(entry.modified - source.modified) <
    Math.max(stepOf(entry, traits), stepOf(source, traits), RECENT_MS);
}

function agreeIfKnown<T>(a: T | undefined, b: T | undefined, same: (a: T, b: T) => boolean): boolean {
  return a === undefined || b === undefined || same(a, b);
}

/** Rejects a listing that names an entry of another folder than the listed one, whichever backend it comes from. */
export function assertChild(entry: Entry, dir: RelPath): void {
  if (isChild(entry.path, dir)) return;
  throw new SyncError(
    "unexpected",
    `its listing contains "${escapeForDisplay(entry.path)}", which is not in that folder`,
    {
      operation: "list",
    },
  );
}

/** Returns the present entry if it is unchanged; otherwise rejects with changed. */
export async function assertUnchanged(backend: Backend, entry: Entry, call: CallOptions): Promise<Entry> {
  const now = await backend.stat(entry.path, call);
  if (now !== undefined && isSameEntry(now, entry)) return now;
  const state = now === undefined ? "it is gone" : "it has changed";
  const message = `"${escapeForDisplay(entry.path)}" on ${backend.label} is not what was listed: ${state}; run again`;
  throw new SyncError("changed", message, { operation: "compare", path: entry.path });
}
