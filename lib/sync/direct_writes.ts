import { SyncError, toSyncError } from "../core/errors.ts";
import type { HistoryUpdate } from "../core/history.ts";
import type { Action, Plan } from "../core/plan.ts";
import type { Copy } from "./common/sides.ts";
import type { Side } from "../core/entry.ts";
import type { PairHistory } from "./history/file.ts";

/**
 * The record of new files that are written under their final names. Before the first of them is begun on a side, history
 * names all that this plan creates there: a run that is killed leaves one half written, and the next run must not take
 * it for a new file of that side.
 */
export class DirectWriteRecord {
  readonly #plan: Plan;
  readonly #pairHistory: PairHistory | undefined;
  readonly #begun = new Set<Action>();
  readonly #saved = new Map<Side, Promise<void>>();
  readonly #before: HistoryUpdate[] = [];

  /** Without a history nothing is recorded. */
  constructor(plan: Plan, pairHistory: PairHistory | undefined) {
    this.#plan = plan;
    this.#pairHistory = pairHistory;
  }

  /** Records a copy before its first byte is written. Rejects with refused if history cannot be written. */
  async begin(action: Copy): Promise<void> {
    this.#begun.add(action);
    const saved = this.#saved.get(action.to) ?? this.#save(action.to);
    this.#saved.set(action.to, saved);
    await saved;
  }

  /** Returns the updates that take back the records of files that were never begun. */
  updatesOfUnbegun(): readonly HistoryUpdate[] {
    const begun = new Set(
      Array.from(this.#begun, (action) => action.do === "copy" ? historyPath(action) : action.path),
    );
    return this.#before.filter(({ path }) => !begun.has(path));
  }

  async #save(to: Side): Promise<void> {
    const pairHistory = this.#pairHistory;
    if (pairHistory === undefined) return;
    const paths = this.#plan.actions.flatMap((action) =>
      action.do === "copy" && action.to === to && action.source.kind === "file" && action.replaces === undefined
        ? [historyPath(action)]
        : []
    );
    this.#before.push(...paths.map((path) => ({ path, base: pairHistory.history.get(path) })));
    try {
      // Without stamps: an absence is then never taken for a deletion, and what is there never for a whole file.
      await pairHistory.saveAhead(paths.map((path) => ({ path, base: { path, kind: "file", partialSide: to } })));
    } catch (error) {
      throw new SyncError(
        "refused",
        "Cannot write under final names: history, in which an interrupted write must be recorded, cannot be written. " +
          toSyncError(error, "remember").message,
        { operation: "remember", cause: error },
      );
    }
  }
}

/** Returns the path by which history knows the pair: its local spelling. */
function historyPath({ to, path, source }: Copy): HistoryUpdate["path"] {
  return to === "local" ? path : source.path;
}
