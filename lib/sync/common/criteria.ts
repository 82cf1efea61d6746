import type { Traits } from "../../core/backend.ts";
import type { Checksum, FileEntry, Mark, Reason, Side } from "../../core/entry.ts";

/** What one criterion says of a pair. "unknown": it cannot tell, the next one is asked. */
export type Verdict = "same" | "localNewer" | "remoteNewer" | "differ" | "unknown";

/** One way in which two files of one name may differ. Pure. `why`: the reason of a copy it causes. */
export interface Criterion {
  readonly name: "Time" | "Size" | "Checksum";
  readonly why: Reason;
  /** Entries must carry a checksum, else the verdict on files of equal size is "unknown". */
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

/** The table behind -Criteria. Parts are asked in the order of this table, whatever the order they were given in. */
export const criteria: readonly CriterionChoice[] = [
  { name: "None", help: "Files on both sides are left alone; only new and obsolete ones are handled.", parts: [] },
  { name: "Time", help: "The newer file wins.", parts: [time] },
  { name: "Size", help: "Files of other size differ.", parts: [size] },
  { name: "Either", help: "Time first, then size.", parts: [time, size] },
  { name: "Checksum", help: "Files of equal size are compared by content.", parts: [checksum] },
];

/** The criteria of the named choices together (names are case-blind), in the order in which they decide. An unknown name is a RangeError. */
export function chooseCriteria(names: readonly string[]): readonly Criterion[] {
  const wanted = new Set<Criterion>();
  for (const name of names) {
    const choice = criteria.find((known) => known.name.toLowerCase() === name.toLowerCase());
    if (choice === undefined) throw new RangeError(`"${name}" is no criterion`);
    for (const part of choice.parts) wanted.add(part);
  }
  return [time, size, checksum].filter((part) => wanted.has(part));
}

/**
 * Two times of two places, in ms. The same when they are one at the coarser side's step, or apart by less than that step (by less than
 * 2 s, for places that round up or to even seconds, where the step is longer). Steps longer than a zone's offset (a day) begin at the
 * server's midnight, not at UTC's, so there the finer time is also the same when it lies within the unit that the coarser one begins.
 */
export function compareTimes(
  local: number | undefined,
  remote: number | undefined,
  steps: Readonly<Record<Side, number>>,
): Verdict {
  if (local === undefined || remote === undefined) return "unknown";
  const apart = local - remote;
  const step = Math.max(steps.local, steps.remote);
  if (Math.abs(apart) < Math.min(step, CLOSE_MS) || sameStamp(local, remote, step)) return "same";
  const intoUnit = steps.remote > steps.local ? apart : -apart;
  if (step > ZONE_MS && intoUnit >= 0 && intoUnit < step) return "same";
  return apart > 0 ? "localNewer" : "remoteNewer";
}

/** Are two times of two places so close that their difference proves nothing? */
export function isClose(local: number | undefined, remote: number | undefined): boolean {
  return local !== undefined && remote !== undefined && Math.abs(local - remote) < CLOSE_MS;
}

/** Do two times of ONE place agree at its step? Two unknown ones do. */
export function sameStamp(then: number | undefined, now: number | undefined, step: number): boolean {
  if (then === undefined || now === undefined) return then === now;
  return then === now || (step > 0 && Math.floor(then / step) === Math.floor(now / step));
}

/** The step in ms at which a file's time is known: the listing's where that is coarser than the place's own. */
export function stepOf(entry: FileEntry, traits: Traits): number {
  return Math.max(entry.timeStep ?? 0, traits.timeStep ?? 0);
}

/** Undefined where one is missing or they are of different algorithms. */
export function sameChecksum(a: Checksum | undefined, b: Checksum | undefined): boolean | undefined {
  if (a === undefined || b === undefined) return undefined;
  if (a === b) return true;
  const algorithm = (sum: string) => sum.slice(0, sum.indexOf(":")).toLowerCase();
  if (algorithm(a) !== algorithm(b)) return undefined;
  return a.toLowerCase() === b.toLowerCase();
}

/** A file of this many ms, or one step, before it was listed could have been written once more without showing it. */
export const YOUNG_MS = 2000;

/** A clock that is further ahead than any time zone tells a time that was set, not the time of an edit. */
const MOST_AHEAD_MS = 26 * 3_600_000;

/**
 * Could the file have been written once more within `span` without showing it? A time that is still to come is that of a clock that is
 * ahead, and may be its present one.
 */
export function isRecent(modified: number, now: number, span: number): boolean {
  return now - modified < span && modified - now < MOST_AHEAD_MS;
}

/** Clocks and places that round are trusted no further. */
const CLOSE_MS = 2000;

/** Zones differ by multiples of this. */
const ZONE_MS = 900_000;

/** A file as history remembers it. */
export function toMark({ size, modified, revision, fileId }: FileEntry): Mark {
  return {
    size,
    ...(modified === undefined ? {} : { modified }),
    ...(revision === undefined ? {} : { revision }),
    ...(fileId === undefined ? {} : { fileId }),
  };
}
