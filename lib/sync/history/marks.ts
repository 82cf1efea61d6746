import type { Traits } from "../../core/backend.ts";
import { type FileEntry, type Side } from "../../core/entry.ts";
import { isRecent, isSameTime, RECENT_MS, stepOf } from "../common/criteria.ts";
import { hasSourceTime } from "../common/entry_check.ts";
import type { BaseEntry } from "../../core/history.ts";

/**
 * The origin of a file's marks. `readAt`: the time at which they were read, in ms since the epoch; `entries`: the files
 * as they were listed.
 */
export interface StampOrigin {
  readonly traits: Readonly<Record<Side, Traits>>;
  readonly readAt: Readonly<Record<Side, number>>;
  readonly entries: Readonly<Partial<Record<Side, FileEntry>>>;
}

/**
 * Returns the entry with exactly those marks provisional whose times are so recent that other content could have the
 * same time.
 */
export function markRecentUnproven(known: BaseEntry, reading: StampOrigin): BaseEntry {
  const [local, remote] = [isRecentStamp(known, reading, "local"), isRecentStamp(known, reading, "remote")];
  if (!local && !remote && known.unprovenSide === undefined) return known;
  const { unprovenSide: _, ...rest } = known;
  if (!local && !remote) return rest;
  return { ...rest, unprovenSide: local && remote ? "both" : local ? "local" : "remote" };
}

/** Returns the entry with this side's mark provisional as well. */
export function markUnproven(known: BaseEntry, side: Side): BaseEntry {
  const { unprovenSide: provisional = side } = known;
  return { ...known, unprovenSide: provisional === side ? side : "both" };
}

/** A completed write: its result, its source, the file it replaced, and the time range in which it happened. */
export interface WriteFacts {
  readonly replaced: FileEntry | undefined;
  readonly result: FileEntry;
  readonly source: FileEntry;
  readonly traits: Traits;
  readonly since: number;
  readonly doneAt: number;
}

/**
 * Returns the file as the listing shows it after a write if it can be the written one; otherwise undefined. The next
 * run compares with the listing. `isKept`: the file has the requested time. `isSure`: it has that time or a matching
 * revision; with only a server-set time an edit of the same moment would look the same. A weak revision that did not
 * change with the content is ignored.
 */
export function recognizeWritten(
  seen: FileEntry,
  { result, source, replaced, traits, since, doneAt }: WriteFacts,
): { readonly entry: FileEntry; readonly isSure: boolean; readonly isKept: boolean } | undefined {
  const isKept = hasSourceTime(seen, source, traits);
  if (seen.size !== result.size) return undefined;
  const step = Math.max(stepOf(seen, traits), stepOf(result, traits));
  const isSame = isSameTime(result.modified, seen.modified, step);
  if (seen.revision !== undefined && result.revision !== undefined) {
    const isStale = traits.weakRevisions === true && replaced?.revision === seen.revision;
    if (seen.revision === result.revision && !isStale) return { entry: seen, isSure: true, isKept };
    if (traits.weakRevisions !== true || !isSame) return undefined;
    const { revision: _, ...entry } = seen;
    return { entry, isSure: false, isKept };
  }
  if (isSame && (isKept || seen.modified === undefined)) return { entry: seen, isSure: true, isKept };
  const span = Math.max(step, RECENT_MS);
  const isOfThisRun = seen.modified !== undefined && seen.modified >= since - span && seen.modified <= doneAt + span;
  return isSame || isKept || isOfThisRun ? { entry: seen, isSure: false, isKept } : undefined;
}

function isRecentStamp(known: BaseEntry, { traits, readAt, entries }: StampOrigin, side: Side): boolean {
  const mark = known[side];
  if (mark?.modified === undefined) return false;
  if (mark.revision !== undefined && traits[side].weakRevisions !== true) return false;
  const entry = entries[side];
  const step = entry === undefined ? traits[side].timeStep ?? 0 : stepOf(entry, traits[side]);
  return isRecent(mark.modified, readAt[side], Math.max(step, RECENT_MS));
}
