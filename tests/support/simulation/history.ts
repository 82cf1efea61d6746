import type { RelPath } from "../../../lib/core/path.ts";
import type { PairHistory } from "../../../lib/sync/history/file.ts";
import { toHistory } from "../planning/interpret.ts";
import type { Roots } from "../../../lib/sync/common/roots.ts";
import type { BaseEntry, HistoryUpdate } from "../../../lib/core/history.ts";

/** What is remembered of the pair, as a run that ended well left it. */
export interface HistoryMemory {
  readonly known: Map<RelPath, BaseEntry>;
  roots: Roots;
  isKnown: boolean;
  /** What the last run that was saved had learned. */
  learned: readonly HistoryUpdate[];
}

/** Nothing is known yet. */
export function newMemory(): HistoryMemory {
  return { known: new Map(), roots: {}, isKnown: false, learned: [] };
}

/** History as a run is given it. A process that has ended writes none. */
export function openHistory(memory: HistoryMemory, hasCrashed: () => boolean): PairHistory {
  return {
    history: toHistory(memory.known.values()),
    exists: memory.isKnown,
    roots: memory.roots,
    saveAhead(lessons) {
      if (!hasCrashed()) applyUpdates(memory.known, lessons);
      return Promise.resolve();
    },
    save(lessons, roots) {
      if (hasCrashed()) return Promise.resolve();
      memory.learned = [...lessons];
      applyUpdates(memory.known, memory.learned);
      Object.assign(memory, { roots, isKnown: true });
      return Promise.resolve();
    },
    [Symbol.dispose]() {},
  };
}

/** What is known once these lessons are learned. */
export function applyUpdates(known: HistoryMemory["known"], lessons: Iterable<HistoryUpdate>): void {
  for (const { path, base: learned } of lessons) {
    if (learned === undefined) known.delete(path);
    else known.set(path, learned);
  }
}
