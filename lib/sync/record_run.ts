import type { CallOptions } from "../core/backend.ts";
import { SyncError, toSyncError } from "../core/errors.ts";
import { parentOf } from "../core/path.ts";
import { type Entry, type Side, sides as bothSides, type Snapshot } from "../core/entry.ts";
import type { ApplyEnd } from "./apply/apply.ts";
import type { PairHistory } from "./history/file.ts";
import { updateHistory, writtenPaths } from "./history/update.ts";
import type { Backends } from "./common/sides.ts";
import type { RootEntries } from "./common/roots.ts";
import { toSideStamp } from "./common/criteria.ts";
import type { DirectWriteRecord } from "./direct_writes.ts";
import type { HistoryUpdate } from "../core/history.ts";
import type { Action, Plan, SyncEvent } from "../core/plan.ts";

/** The outcomes of actions and their end times, in ms since the epoch. */
export interface ActionResults {
  readonly done: Map<Action, Entry | undefined>;
  readonly doneAt: Map<Action, number>;
}

/**
 * Passes events on and records the outcome of each action. If another version than the planned one was transferred, its
 * entry is not recorded.
 */
export async function* tapEvents<R>(
  { done, doneAt }: ActionResults,
  events: AsyncGenerator<SyncEvent, R, void>,
  now: () => number,
): AsyncGenerator<SyncEvent, R, void> {
  let next = await events.next();
  try {
    for (; next.done !== true; next = await events.next()) {
      if (next.value.type === "done") {
        const { action, result, isNewerSource: isOther } = next.value;
        done.set(action, isOther === true ? undefined : result);
        doneAt.set(action, now());
      }
      yield next.value;
    }
    return next.value;
  } finally {
    if (next.done !== true) await events.return(undefined as R);
  }
}

/** A run whose plan was carried out. `listedAt` in ms since the epoch. */
export interface AppliedRun {
  readonly plan: Plan;
  readonly before: Readonly<Record<Side, Snapshot>>;
  readonly done: ReadonlyMap<Action, Entry | undefined>;
  readonly doneAt: ReadonlyMap<Action, number>;
  readonly applied: ApplyEnd;
  readonly listedAt: number;
  readonly rootEntries: RootEntries;
  readonly directWrites: DirectWriteRecord;
}

/** Options for updating history after a run. `now`: ms since the epoch. */
export interface RecordOptions extends CallOptions {
  readonly pairHistory: PairHistory;
  now(): number;
}

/**
 * Removes from history the entries that will be restored on a side, before the plan is carried out. Otherwise a run
 * that is interrupted half way could leave a folder without such an entry, and the next run would take it for deleted.
 * Rejects with refused if history cannot be written.
 */
export async function dropRestored(
  { restored: restoring = [] }: Plan,
  pairHistory: PairHistory | undefined,
): Promise<void> {
  try {
    await pairHistory?.saveAhead(restoring.map((path) => ({ path, base: undefined })));
  } catch (error) {
    const { message } = toSyncError(error, "remember");
    throw new SyncError(
      "refused",
      "Nothing was changed: before files are brought back to a side, their history entries must be removed, or a later run " +
        `could take the files for deleted, and the history cannot be written. ${message}`,
      { operation: "remember", cause: error },
    );
  }
}

/**
 * Records in history the files whose content will be replaced in place, before the plan is carried out. A run that is
 * interrupted half way leaves such a file half old and half new, and the next run has to know. Rejects if history
 * cannot be written: then nothing may be replaced in place.
 */
export async function recordInPlace({ actions }: Plan, pairHistory: PairHistory | undefined): Promise<void> {
  const updates = actions.flatMap((action): HistoryUpdate[] => {
    if (action.do !== "copy" || action.inPlace !== true || action.replaces?.kind !== "file") return [];
    const { to, replaces, source } = action;
    // History keys a pair by its local spelling.
    const path = to === "local" ? action.path : source.path;
    const base = pairHistory?.history.get(path);
    // Its stamp shows the last whole content, not what an interrupted write left.
    if (base?.partialSide === to) return [];
    const marks = base?.kind === "file" ? base : { path, kind: "file" } as const;
    return [{ path, base: { ...marks, [to]: toSideStamp(replaces), partialSide: to } }];
  });
  if (updates.length === 0) return;
  if (pairHistory === undefined) {
    throw new SyncError(
      "refused",
      "Cannot write in place: there is no history in which an interrupted write could be recorded.",
      {
        operation: "sync",
      },
    );
  }
  await pairHistory.saveAhead(updates);
}

/**
 * Returns the note of a history that could not be written. It counts as a failure: another run would otherwise rely on
 * what this one was to record.
 */
function unrecordedNote(thrown: unknown): SyncEvent {
  const { kind, message, facts } = toSyncError(thrown, "remember");
  const why = `The history of this pair could not be written: ${message.replace(/[.\s]*$/, ".")} ` +
    "The files are in place; run the same command again once the cause is gone, so that it is written.";
  return { type: "noted", note: { code: "unremembered", why, error: new SyncError(kind, why, facts) } };
}

/** Flushes the folders that were written to: history must not claim names that a power failure can still undo. */
async function flushFolders(sides: Backends, done: AppliedRun["done"]): Promise<void> {
  // Also after a cancelled run: what it did is recorded in history.
  const { signal } = new AbortController();
  for (const side of bothSides) {
    const folders = new Set(Array.from(writtenPaths(done, side), (path) => parentOf(path)));
    if (folders.size > 0) await sides[side].flush?.([...folders], { signal });
  }
}

/**
 * Writes to history what is now equal on both sides. A failed write is reported as a failure of the run; the next one
 * then uses the older history, which loses no data.
 */
export async function* recordRun(
  sides: Backends,
  { plan, before, done, doneAt, applied, listedAt, rootEntries, directWrites }: AppliedRun,
  { pairHistory, signal, now }: RecordOptions,
): AsyncGenerator<SyncEvent, void, void> {
  const { history, roots } = pairHistory;
  const settled = await updateHistory(sides, {
    facts: { plan, done, doneAt, history, before, listedAt },
    rootEntries,
    roots,
    mayRelist: !applied.cancelled && applied.lost === undefined,
    signal,
    now,
  });
  for (const note of settled.notes) yield { type: "noted", note };
  try {
    await flushFolders(sides, done);
    const unbegun = directWrites.updatesOfUnbegun();
    await pairHistory.save(unbegun.length === 0 ? settled.updates : [...unbegun, ...settled.updates], settled.roots);
  } catch (error) {
    yield unrecordedNote(error);
  }
}
