import type { Traits } from "../../core/backend.ts";
import { type FileEntry, type Side, sides as bothSides } from "../../core/entry.ts";
import { isRecent, isSameTime, MAX_AHEAD_MS, RECENT_MS, sameChecksum, stepOf } from "../common/criteria.ts";
import type { OtherClock, SideClocks } from "./clocks.ts";
import { hasSourceTime } from "../common/entry_check.ts";
import type { BaseEntry, SideStamp } from "../../core/history.ts";

/**
 * The origin of a file's stamps. `readAt`: the time at which they were read, in ms since the epoch; `entries`: the
 * files as they were listed; `clocks`: of the sides that have another clock than this machine; `before`: the entry that
 * history has so far; `written`: the side to which this run wrote the file.
 */
export interface StampOrigin {
  readonly traits: Readonly<Record<Side, Traits>>;
  readonly readAt: Readonly<Record<Side, number>>;
  readonly entries: Readonly<Partial<Record<Side, FileEntry>>>;
  readonly clocks?: SideClocks;
  readonly before?: BaseEntry | undefined;
  readonly written?: Side;
}

/**
 * Returns the entry with exactly those stamps unproven whose times are so recent that other content could have the same
 * time.
 */
export function markRecentUnproven(base: BaseEntry, origin: StampOrigin): BaseEntry {
  const [here, there] = bothSides.map((side) => provenFrom(base, origin, side));
  if (here === undefined && there === undefined && base.unprovenSide === undefined) return base;
  const { unprovenSide: _, provableFrom: _from, ...rest } = base;
  if (here === undefined && there === undefined) return rest;
  const unprovenSide = there === undefined ? "local" : here === undefined ? "remote" : "both";
  const from = Math.max(here ?? -Infinity, there ?? -Infinity);
  return { ...rest, unprovenSide, ...(Number.isFinite(from) ? { provableFrom: from } : {}) };
}

/** Returns the entry with this side's stamp unproven as well. */
export function markUnproven(base: BaseEntry, side: Side): BaseEntry {
  const { unprovenSide: provisional = side } = base;
  return { ...base, unprovenSide: provisional === side ? side : "both" };
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

/**
 * Returns the time by this machine's clock from which equal content proves the stamp, or -Infinity if any later run may
 * prove it; undefined if the stamp is proven already.
 */
function provenFrom(base: BaseEntry, origin: StampOrigin, side: Side): number | undefined {
  const stamp = base[side];
  const { traits, readAt, entries, clocks } = origin;
  if (stamp?.modified === undefined || readAt[side] === Infinity) return undefined;
  if (stamp.revision !== undefined && traits[side].weakRevisions !== true) return undefined;
  const entry = entries[side];
  const step = entry === undefined ? traits[side].timeStep ?? 0 : stepOf(entry, traits[side]);
  const span = Math.max(step, RECENT_MS);
  const clock = clocks?.[side];
  if (clock === undefined) {
    // A change time that is old shows any later edit, whatever the file's own time is.
    const isYoung = isRecent(stamp.modified, readAt[side], span) &&
      (stamp.changeTime === undefined || isRecent(stamp.changeTime, readAt[side], span));
    return isYoung ? -Infinity : undefined;
  }
  return provenFromBy(clock, { ...stamp, modified: stamp.modified }, { base, reading: origin, side, span });
}

/**
 * Returns the same for a side with another clock. A time proves content if that clock had moved on by a step when the
 * content was read. It has if the server has set a later time itself. Otherwise it has one step after this run, in
 * which it had reached the file's time; if this run set that time, the clock may still have to reach it.
 */
function provenFromBy(
  { latest, listedAt, endedAt }: OtherClock,
  stamp: SideStamp & { readonly modified: number },
  { base, reading: { before, written }, side, span }: {
    readonly base: BaseEntry;
    readonly reading: StampOrigin;
    readonly side: Side;
    readonly span: number;
  },
): number | undefined {
  const old = before?.[side];
  const isOld = old !== undefined && isSameMark(old, stamp) &&
    sameChecksum(before?.checksum, base.checksum) !== false;
  if (isOld && before !== undefined) {
    const isUnproven = before.unprovenSide === side || before.unprovenSide === "both";
    const from = before.provableFrom ?? -Infinity;
    return isUnproven && listedAt < from ? from : undefined;
  }
  if (latest !== undefined && stamp.modified + span <= latest) return undefined;
  const isSet = written === side;
  // A time of days ago that nothing shows to be new: no clock is that wrong, and a first run may find a million of them.
  if ((old === undefined || isSet) && Math.abs(endedAt - stamp.modified) >= MAX_AHEAD_MS) return undefined;
  return endedAt + span + (isSet ? Math.max(0, stamp.modified - (latest ?? endedAt)) : 0);
}

function isSameMark(a: SideStamp, b: SideStamp): boolean {
  return a.size === b.size && a.modified === b.modified && a.revision === b.revision;
}
