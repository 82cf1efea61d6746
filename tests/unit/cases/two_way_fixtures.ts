import assert from "node:assert/strict";
import type { MemoryBackend } from "../../../lib/backends/memory/mod.ts";
import { type RelPath, toRelPath } from "../../../lib/core/path.ts";
import type { PairHistory } from "../../../lib/sync/history/file.ts";
import { toHistory } from "../../support/planning/interpret.ts";
import { applyUpdates } from "../../support/simulation/history.ts";
import { signal, type Texts, texts } from "../sync/fixtures.ts";
import { memories, type Outcome, outcomeOf, quiet } from "./fixtures.ts";
import type { Backends } from "../../../lib/sync/common/sides.ts";
import type { Roots } from "../../../lib/sync/common/roots.ts";
import type { RunOptions } from "../../../lib/sync/run_options.ts";
import type { BaseEntry } from "../../../lib/core/history.ts";

/** What is remembered of a pair, in memory, from run to run. */
export interface Notebook {
  readonly known: Map<RelPath, BaseEntry>;
  /** What the next run is given. */
  open(): PairHistory;
}

export function notebook(): Notebook {
  const known = new Map<RelPath, BaseEntry>();
  const state: { roots: Roots; isKnown: boolean } = { roots: {}, isKnown: false };
  return {
    known,
    open: () => ({
      history: toHistory(known.values()),
      exists: state.isKnown,
      roots: state.roots,
      saveAhead(lessons) {
        applyUpdates(known, lessons);
        return Promise.resolve();
      },
      save(lessons, roots) {
        applyUpdates(known, lessons);
        Object.assign(state, { roots, isKnown: true });
        return Promise.resolve();
      },
      [Symbol.dispose]() {},
    }),
  };
}

/** A run in Both that lets deletions travel, with what the notebook remembers. */
export function both(sides: Backends, book: Notebook, options: Partial<RunOptions> = {}): Promise<Outcome> {
  return outcomeOf(sides, { mode: "Both", mirror: false, remove: true, pairHistory: book.open(), ...options });
}

/** Two sides that hold the same and know it. */
export async function inStep(tree: Texts, dials = {}) {
  const sides = memories({ local: tree, remote: tree, dials });
  const book = notebook();
  assert.deepEqual(await both(sides, book), quiet);
  return { sides, book, sync: (options = {}) => both(sides, book, options) };
}

/** Fails unless both sides hold this, and the next run finds nothing to do. */
export async function assertInStep(
  { sides, sync }: Awaited<ReturnType<typeof inStep>>,
  expected: Texts,
): Promise<void> {
  assert.deepEqual(await texts(sides.local), expected);
  assert.deepEqual(await texts(sides.remote), expected);
  assert.deepEqual((await sync()).actions, []);
}

/** A user deletes a file, or a folder with all it holds. */
export async function remove(backend: MemoryBackend, path: string): Promise<void> {
  const entry = await backend.stat(toRelPath(path), { signal });
  assert.ok(entry !== undefined, path);
  if (entry.kind === "dir") {
    for (const child of await backend.list(entry.path, { signal })) await remove(backend, child.path);
  }
  const now = await backend.stat(entry.path, { signal });
  if (now !== undefined) await backend.remove(now, { signal });
}
