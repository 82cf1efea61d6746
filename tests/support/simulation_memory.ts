import type { RelPath } from "../../lib/core/path.ts";
import type { Remembered } from "../../lib/sync/history/file.ts";
import type { Known, Lesson } from "../../lib/core/entry.ts";
import { toHistory } from "./interpret.ts";
import type { Roots } from "../../lib/sync/common/roots.ts";

/** What is remembered of the pair, as a run that ended well left it. */
export interface Memory {
  readonly known: Map<RelPath, Known>;
  roots: Roots;
  isKnown: boolean;
  /** What the last run that was saved had learned. */
  learned: readonly Lesson[];
}

/** Nothing is known yet. */
export function newMemory(): Memory {
  return { known: new Map(), roots: {}, isKnown: false, learned: [] };
}

/** History as a run is given it. A process that has ended writes none. */
export function recall(memory: Memory, hasCrashed: () => boolean): Remembered {
  return {
    history: toHistory(memory.known.values()),
    known: memory.isKnown,
    roots: memory.roots,
    note(lessons) {
      if (!hasCrashed()) learnAll(memory.known, lessons);
      return Promise.resolve();
    },
    save(lessons, roots) {
      if (hasCrashed()) return Promise.resolve();
      memory.learned = [...lessons];
      learnAll(memory.known, memory.learned);
      Object.assign(memory, { roots, isKnown: true });
      return Promise.resolve();
    },
    [Symbol.dispose]() {},
  };
}

/** What is known once these lessons are learned. */
export function learnAll(known: Memory["known"], lessons: Iterable<Lesson>): void {
  for (const { path, known: learned } of lessons) {
    if (learned === undefined) known.delete(path);
    else known.set(path, learned);
  }
}
