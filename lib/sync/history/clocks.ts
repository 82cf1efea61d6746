import type { DirEntry, Entry, Side, Snapshot } from "../../core/entry.ts";

/**
 * The clock of a side that is not this machine's, and may be wrong by any amount. `latest`: the latest time that the
 * server itself has set (of a folder), so that its clock has passed it; `listedAt`, `endedAt`: the start of the
 * listings and the end of the run by this machine's clock.
 */
export interface OtherClock {
  readonly latest: number | undefined;
  readonly listedAt: number;
  readonly endedAt: number;
}

/** The clocks of the sides that have another one than this machine. */
export type SideClocks = Readonly<Partial<Record<Side, OtherClock>>>;

/**
 * The facts from which other clocks are read. `otherClocks`: the sides that have one; `before`: both sides as listed;
 * `folders`: the folders that were listed again after the run.
 */
export interface ClockFacts extends Omit<OtherClock, "latest"> {
  readonly otherClocks?: readonly Side[];
  readonly before: Readonly<Record<Side, Snapshot>>;
  readonly rootEntries?: Readonly<Partial<Record<Side, DirEntry>>>;
  readonly folders: Readonly<Partial<Record<Side, Iterable<DirEntry>>>>;
}

/** Returns the clocks of the sides that have another one, each read from the folders' times when it is first needed. */
export function toClocks({ otherClocks = [], ...facts }: ClockFacts): SideClocks {
  return Object.fromEntries(otherClocks.map((side) => [side, toClock(side, facts)]));
}

function toClock(side: Side, { before, rootEntries, folders, listedAt, endedAt }: ClockFacts): OtherClock {
  let [isRead, latest]: [boolean, number | undefined] = [false, undefined];
  const take = (entry: Entry | undefined) => {
    if (entry?.kind === "dir" && entry.modified !== undefined) latest = Math.max(latest ?? -Infinity, entry.modified);
  };
  return {
    listedAt,
    endedAt,
    get latest() {
      if (isRead) return latest;
      isRead = true;
      take(rootEntries?.[side]);
      for (const entry of before[side]) take(entry);
      for (const entry of folders[side] ?? []) take(entry);
      return latest;
    },
  };
}
