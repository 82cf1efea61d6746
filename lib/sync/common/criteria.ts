import type { Traits } from "../../core/backend.ts";
import type { Checksum, FileEntry, Side } from "../../core/entry.ts";
import type { SideStamp } from "../../core/history.ts";
import type { Reason } from "../../core/plan.ts";

/** The result of one criterion for a pair. "unknown": it cannot decide, and the next criterion is applied. */
export type Verdict = "same" | "localNewer" | "remoteNewer" | "differ" | "unknown";

/** A criterion by which two files of one name are compared. Pure. `why`: the reason of a copy it causes. */
export interface Criterion {
  readonly name: "Time" | "Size" | "Checksum";
  readonly why: Reason;
  /** The checksum is required: without one the verdict on files of equal size is "unknown". */
  readonly needs?: "checksum";
  compare(local: FileEntry, remote: FileEntry, traits: Readonly<Record<Side, Traits>>): Verdict;
}

/** A value of -Criteria. */
export interface CriterionChoice {
  readonly name: string;
  readonly help: string;
  readonly parts: readonly Criterion[];
}

const time: Criterion = {
  name: "Time",
  why: "newer",
  compare(local, remote, traits) {
    const steps = { local: stepOf(local, traits.local), remote: stepOf(remote, traits.remote) };
    return compareTimes(local.modified, remote.modified, steps);
  },
};

const size: Criterion = {
  name: "Size",
  why: "size",
  compare: (local, remote) => local.size === remote.size ? "same" : "differ",
};

const checksum: Criterion = {
  name: "Checksum",
  why: "checksum",
  needs: "checksum",
  compare(local, remote) {
    if (local.size !== remote.size) return "differ";
    const same = sameChecksum(local.checksum, remote.checksum);
    if (same === undefined) return "unknown";
    return same ? "same" : "differ";
  },
};

/** The values of -Criteria. Criteria are applied in the order of this table, whatever the order of the arguments. */
export const criteria: readonly CriterionChoice[] = [
  { name: "None", help: "Files on both sides are left alone; only new and obsolete ones are handled.", parts: [] },
  { name: "Time", help: "The newer file wins.", parts: [time] },
  { name: "Size", help: "Files of other size differ.", parts: [size] },
  { name: "Either", help: "Time first, then size.", parts: [time, size] },
  { name: "Checksum", help: "Files of equal size are compared by content.", parts: [checksum] },
];

/**
 * Returns the criteria of the named choices together, in the order in which they are applied. Names are
 * case-insensitive. Throws a RangeError for an unknown name.
 */
export function chooseCriteria(names: readonly string[]): readonly Criterion[] {
  const wanted = new Set<Criterion>();
  for (const name of names) {
    const choice = criteria.find((one) => one.name.toLowerCase() === name.toLowerCase());
    if (choice === undefined) throw new RangeError(`"${name}" is no criterion`);
    for (const part of choice.parts) wanted.add(part);
  }
  return [time, size, checksum].filter((part) => wanted.has(part));
}

/**
 * Compares the modification times of the two sides, in ms. They are the same if they are equal at the coarser side's
 * step, or differ by less than that step (by less than 2 s if the step is longer, for backends that round up or to even
 * seconds). Steps longer than a time zone's offset (a day) begin at the server's midnight, not at UTC's; there the
 * finer time is also the same if it is within the unit that the coarser one begins.
 */
export function compareTimes(
  local: number | undefined,
  remote: number | undefined,
  steps: Readonly<Record<Side, number>>,
): Verdict {
  if (local === undefined || remote === undefined) return "unknown";
  const apart = local - remote;
  const step = Math.max(steps.local, steps.remote);
  if (Math.abs(apart) < Math.min(step, CLOSE_MS) || isSameTime(local, remote, step)) return "same";
  const intoUnit = steps.remote > steps.local ? apart : -apart;
  if (step > ZONE_MS && intoUnit >= 0 && intoUnit < step) return "same";
  return apart > 0 ? "localNewer" : "remoteNewer";
}

/** Whether the times of the two sides are so close that their difference proves nothing. */
export function areTimesClose(local: number | undefined, remote: number | undefined): boolean {
  return local !== undefined && remote !== undefined && Math.abs(local - remote) < CLOSE_MS;
}

/** Whether two times of the SAME side agree at its step. Two unknown times agree. */
export function isSameTime(then: number | undefined, now: number | undefined, step: number): boolean {
  if (then === undefined || now === undefined) return then === now;
  return then === now || (step > 0 && Math.floor(then / step) === Math.floor(now / step));
}

/**
 * Returns the step of a file's time in ms: the listing's step if it is coarser than the backend's, otherwise the
 * backend's.
 */
export function stepOf(entry: FileEntry, traits: Traits): number {
  return Math.max(entry.timeStep ?? 0, traits.timeStep ?? 0);
}

/** Whether two checksums are equal. Undefined if one is missing or their algorithms differ. */
export function sameChecksum(a: Checksum | undefined, b: Checksum | undefined): boolean | undefined {
  if (a === undefined || b === undefined) return undefined;
  if (a === b) return true;
  const algorithm = (sum: string) => sum.slice(0, sum.indexOf(":")).toLowerCase();
  if (algorithm(a) !== algorithm(b)) return undefined;
  return a.toLowerCase() === b.toLowerCase();
}

/**
 * The age in ms up to which a file counts as recent: it could have been written again without a visible change. A
 * longer time step counts instead.
 */
export const RECENT_MS = 2000;

/** The lead in ms from which on a time was set explicitly: no clock is further ahead than any time zone. */
export const MAX_AHEAD_MS = 26 * 3_600_000;

/**
 * Whether the file could have been written again within `span` without a visible change. A time in the future comes
 * from a clock that is ahead, and may be its present time.
 */
export function isRecent(modified: number, now: number, span: number): boolean {
  return now - modified < span && modified - now < MAX_AHEAD_MS;
}

/** The tolerance in ms for different clocks and for backends that round. */
const CLOSE_MS = 2000;

/** The granularity of time zone offsets, in ms. */
const ZONE_MS = 900_000;

/** Returns the stamp of a file for history. */
export function toSideStamp({ size, modified, revision, fileId, changeTime }: FileEntry): SideStamp {
  return {
    size,
    ...(modified === undefined ? {} : { modified }),
    ...(revision === undefined ? {} : { revision }),
    ...(fileId === undefined ? {} : { fileId }),
    ...(changeTime === undefined ? {} : { changeTime }),
  };
}

/**
 * Whether a file of the recorded size and time was nevertheless changed or replaced since: its change time differs, or,
 * if the disk lists none, its file id. A swap by rename and an edit whose time was set back look like that, and so do
 * chmod, hard links and a restored backup. Only the content can tell them apart.
 */
export function isReplaced(entry: FileEntry, stamp: SideStamp): boolean {
  if (entry.changeTime !== undefined && stamp.changeTime !== undefined) return entry.changeTime !== stamp.changeTime;
  return entry.fileId !== undefined && stamp.fileId !== undefined && entry.fileId !== stamp.fileId;
}
