import { type Entry, type Side, sides as bothSides, type Snapshot } from "../../core/entry.ts";
import type { PairHistory } from "./file.ts";
import { countOf } from "../common/text.ts";
import type { RootEntries } from "../common/roots.ts";
import type { BaseEntry, History, HistoryUpdate, SideStamp } from "../../core/history.ts";
import type { Note } from "../../core/plan.ts";

/**
 * A time zone change of one side: history's times are `ms` less than those of the present listing, in `count` files.
 */
export interface ZoneShift {
  readonly side: Side;
  readonly ms: number;
  readonly count: number;
}

export type Snapshots = Readonly<Record<Side, Snapshot>>;

/**
 * Detects a side whose times are now shown in another time zone. More than half of the files that both history and the
 * listing contain, and more than ten, must have moved by the same multiple of 15 minutes, at most 26 hours, with
 * unchanged sizes. Pure.
 */
export function findZoneShifts(history: History, snapshots: Snapshots): readonly ZoneShift[] {
  return bothSides.flatMap((side) => findShift(history, snapshots[side], side) ?? []);
}

/**
 * Returns the history with the stamps of these sides shifted; a stamp that the listing still shows unchanged is kept.
 * save() writes the shifted stamps too, so that the next run finds them equal.
 */
export function applyShifts(
  pairHistory: PairHistory,
  shifts: readonly ZoneShift[],
  { snapshots, rootEntries }: { readonly snapshots: Snapshots; readonly rootEntries: RootEntries },
): PairHistory {
  const { history, roots } = pairHistory;
  const entryAt = (side: Side, base: BaseEntry) => snapshots[side].get(base.path);
  const move = (base: BaseEntry): BaseEntry =>
    shifts.reduce((moved, shift) => {
      const stamp = shiftStamp(moved[shift.side], entryAt(shift.side, base), shift);
      return stamp === moved[shift.side] ? moved : { ...moved, [shift.side]: stamp };
    }, base);
  const told = new Set<string>();
  function* updates(): Iterable<HistoryUpdate> {
    for (const base of history) {
      const moved = move(base);
      if (moved !== base && !told.has(base.path)) yield { path: base.path, base: moved };
    }
  }
  return {
    ...(pairHistory.unusable === undefined ? {} : { unusable: pairHistory.unusable }),
    ...(pairHistory.unsealed === undefined ? {} : { unsealed: pairHistory.unsealed }),
    exists: pairHistory.exists,
    roots: shifts.reduce((moved, shift) => {
      const facts = moved[shift.side];
      if (facts?.modified === undefined) return moved;
      const stamp = shiftStamp({ size: 0, modified: facts.modified }, rootEntries[shift.side], shift);
      return {
        ...moved,
        [shift.side]: { ...facts, ...(stamp?.modified === undefined ? {} : { modified: stamp.modified }) },
      };
    }, roots),
    history: {
      size: history.size,
      get: (path) => {
        const base = history.get(path);
        return base && move(base);
      },
      *[Symbol.iterator]() {
        for (const base of history) yield move(base);
      },
    },
    saveAhead: (noted) => {
      for (const { path } of noted) told.add(path);
      return pairHistory.saveAhead(noted);
    },
    save: (learned, newRoots) => pairHistory.save([...updates(), ...learned], newRoots),
    [Symbol.dispose]: () => pairHistory[Symbol.dispose](),
  };
}

/** Returns the note about a time zone change for the user. */
export function toShiftNote({ side, ms, count }: ZoneShift): Note {
  const minutes = Math.abs(ms) / MINUTE_MS;
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60];
  const far = [hours === 0 ? "" : countOf(hours, "hour"), rest === 0 ? "" : `${rest} minutes`].filter((part) =>
    part !== ""
  );
  const why = `The times of ${countOf(count, "file")} on the ${side} side all moved ${far.join(" ")} ${
    ms > 0 ? "forward" : "back"
  }: this looks like another time zone of that side, so nothing is transferred because of it`;
  return { code: "zoneShift", side, count, why };
}

const MINUTE_MS = 60_000;
const QUARTER_MS = 15 * MINUTE_MS;
/** The largest difference between two time zones: from UTC-12 to UTC+14. */
const WIDEST_MS = 26 * 60 * MINUTE_MS;
const FEW = 10;
/** The number of files after which the search stops unless at least a quarter of them has moved. */
const SAMPLE_SIZE = 256;

function findShift(history: History, snapshot: Snapshot, side: Side): ZoneShift | undefined {
  const moved = new Map<number, number>();
  let common = 0;
  let unmoved = 0;
  for (const base of history) {
    const by = timeDifference(base, snapshot, side);
    if (by === undefined) continue;
    common++;
    const isShift = by !== 0 && by % QUARTER_MS === 0 && Math.abs(by) <= WIDEST_MS;
    if (isShift) moved.set(by, (moved.get(by) ?? 0) + 1);
    else unmoved++;
    if (common === SAMPLE_SIZE && unmoved * 4 > SAMPLE_SIZE * 3) return undefined;
  }
  for (const [ms, count] of moved) if (count > FEW && count * 2 > common) return { side, ms, count };
  return undefined;
}

/**
 * Returns by how many ms the file's time moved. Returns undefined if the path is not a file in both, has no time, has
 * another size, or has a revision.
 */
function timeDifference(base: BaseEntry, snapshot: Snapshot, side: Side): number | undefined {
  const stamp = base[side];
  if (base.kind !== "file" || stamp?.modified === undefined || stamp.revision !== undefined) return undefined;
  const entry = snapshot.get(base.path);
  if (entry?.kind !== "file" || entry.modified === undefined || entry.size !== stamp.size) return undefined;
  return entry.modified - stamp.modified;
}

function shiftStamp(stamp: SideStamp | undefined, entry: Entry | undefined, { ms }: ZoneShift): SideStamp | undefined {
  if (stamp?.modified === undefined) return stamp;
  const shown = entry?.kind === "file" || entry?.kind === "dir" ? entry.modified : undefined;
  return shown === stamp.modified ? stamp : { ...stamp, modified: stamp.modified + ms };
}
