import type { RelPath } from "../../../lib/path.ts";
import type { Remembered, Roots } from "../../../lib/sync/history.ts";
import type { RunOptions } from "../../../lib/sync/run.ts";
import type { Backends } from "../../../lib/sync/transfer.ts";
import type { Known } from "../../../lib/types.ts";
import { toHistory } from "../../support/interpret.ts";
import { type Outcome, outcomeOf } from "./rig.ts";

/** What is remembered of a pair, in memory, from run to run. */
export interface Notebook {
  readonly known: Map<RelPath, Known>;
  /** What the next run is given. */
  open(): Remembered;
}

export function notebook(): Notebook {
  const known = new Map<RelPath, Known>();
  const state: { roots: Roots; isKnown: boolean } = { roots: {}, isKnown: false };
  return {
    known,
    open: () => ({
      history: toHistory(known.values()),
      known: state.isKnown,
      roots: state.roots,
      save(lessons, roots) {
        for (const { path, known: learned } of lessons) {
          if (learned === undefined) known.delete(path);
          else known.set(path, learned);
        }
        Object.assign(state, { roots, isKnown: true });
        return Promise.resolve();
      },
      [Symbol.dispose]() {},
    }),
  };
}

/** A run in Both that lets deletions travel, with what the notebook remembers. */
export function both(sides: Backends, book: Notebook, options: Partial<RunOptions> = {}): Promise<Outcome> {
  return outcomeOf(sides, { mode: "Both", mirror: false, remove: true, remembered: book.open(), ...options });
}
