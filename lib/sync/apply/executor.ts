import type { CallOptions } from "../../core/backend.ts";
import type { RelPath } from "../../core/path.ts";
import type { Side } from "../../core/entry.ts";
import type { ActionLog, Outcome } from "./action_log.ts";
import type { ParentCheck } from "../common/parent_check.ts";
import { runAction } from "./action.ts";
import { runConcurrently, takeInOrder } from "../common/concurrency.ts";
import { type TempOwner, toTempTag } from "../common/temp_tag.ts";
import type { WriteTarget } from "./transfer.ts";
import type { Trash } from "../trash/trash.ts";
import type { VanishedFiles } from "./vanished.ts";
import type { Backends, Copy } from "../common/sides.ts";
import type { Action, SyncEvent } from "../../core/plan.ts";

/** The options of apply(). */
export interface ApplyOptions extends CallOptions {
  /** The owners of this pair's temporary names on each side. */
  readonly owners: Readonly<Record<Side, TempOwner>>;
  /** This pair's temporary files that a scan found, removed when they are no longer needed. */
  readonly leftovers?: Readonly<Record<Side, readonly RelPath[]>>;
  /** "stop": end the run at the first failure. */
  readonly onError: "continue" | "stop";
  readonly removeDespiteFailures: boolean;
  /** The number of files in flight, by default the remote backend's value. */
  readonly concurrency?: number;
  /** If aborted after the run was cancelled, running transfers are not awaited. */
  readonly abandon?: AbortSignal;
  /** Keeps every version before it is overwritten or removed. */
  readonly trash?: Trash;
  /** The start of the plan's listings, in ms since the epoch. */
  readonly listedAt?: number;
  /** Awaited before the first byte of a new file is written under its final name. */
  onDirectWrite?(action: Copy): Promise<void>;
  /** Whether this run still holds the lock and may remove anything. */
  isLockOwner?(): Promise<boolean>;
}

/** The context of every step of apply(). `resumable`: tags of failed transfers that the next run may continue. */
export interface ApplyContext {
  readonly sides: Backends;
  readonly options: ApplyOptions;
  readonly actionLog: ActionLog;
  readonly resumable: Set<string>;
  readonly vanished: VanishedFiles;
  readonly parents: ParentCheck;
  emit(event: SyncEvent): void;
}

/**
 * Carries out actions concurrently, started in this order. Returns those that were not started because the run was
 * cancelled or stopped.
 */
export async function runActions(actions: readonly Action[], context: ApplyContext): Promise<readonly Action[]> {
  let begun = 0;
  await runLimited(actions, context, {
    weight: bytesInFlight,
    async work(action) {
      begun++;
      await context.actionLog.run(action, () => runInContext(action, context));
    },
  });
  return actions.slice(begun);
}

/**
 * Calls runAction() in this context: progress becomes events, and the remainder of a failed copy is recorded. `target`:
 * the target of a copy instead of its path.
 */
export async function runInContext(action: Action, context: ApplyContext, target?: WriteTarget): Promise<Outcome> {
  const { sides, options, actionLog, vanished } = context;
  if (action.do === "copy") vanished.countTried();
  if (action.do === "remove") await context.parents.assertFolders(action.to, action.path);
  try {
    const outcome = await runAction(action, sides, {
      signal: actionLog.signal,
      owners: options.owners,
      ...(target === undefined ? {} : { target }),
      ...(options.trash === undefined ? {} : { trash: options.trash }),
      ...(options.listedAt === undefined ? {} : { listedAt: options.listedAt }),
      ...(options.onDirectWrite === undefined ? {} : { onDirectWrite: options.onDirectWrite }),
      onBytes: (bytes) => context.emit({ type: "progress", action, bytes }),
    });
    if (action.do === "copy" && "vanished" in outcome) await vanished.confirmGone(action);
    return outcome;
  } catch (error) {
    if (action.do === "copy") context.resumable.add(toTempTag(options.owners[action.to], "partial", action.source));
    throw error;
  }
}

/** The function that processes an item, and the number of bytes it has in flight meanwhile. */
export interface LimitedWork<T> {
  weight?(item: T): number;
  work(item: T): Promise<void>;
}

/** Processes items concurrently, limited by the remote backend's parallelism and by the bytes in flight. */
export function runLimited<T>(
  items: readonly T[],
  context: ApplyContext,
  { weight, work }: LimitedWork<T>,
): Promise<void> {
  const { options, sides, actionLog } = context;
  return runConcurrently(takeInOrder(items), work, {
    signal: actionLog.signal,
    limit: Math.max(1, options.concurrency ?? sides.remote.traits.parallelFiles),
    budget: BYTES_IN_FLIGHT,
    ...(weight === undefined ? {} : { weight }),
  });
}

/** Returns the bytes that a copy has in flight, for a large file only the streamed part; 0 for every other action. */
export function bytesInFlight(action: Action): number {
  return action.do === "copy" && action.source.kind === "file" ? Math.min(action.source.size, BYTES_PER_FILE) : 0;
}

/** Returns why nothing may be removed now; undefined if removals are allowed. */
export function findHoldReason({ options, actionLog, vanished }: ApplyContext): string | undefined {
  if (actionLog.signal.aborted && !actionLog.stopped) return "the run was cancelled";
  if (actionLog.stopped) return "the run stopped at a failure";
  if (actionLog.lost !== undefined) return "the connection was lost";
  if (vanished.areMost) return "most files vanished before they were copied, so that the listing cannot be right";
  if (options.removeDespiteFailures || actionLog.failures === 0) return undefined;
  return actionLog.failures === 1 ? "another action failed" : `${actionLog.failures} other actions failed`;
}

/** Reports these actions as held. */
export function reportHeld(actions: readonly Action[], why: string, context: ApplyContext): void {
  for (const action of actions) context.emit({ type: "held", action, why });
}

// The maximum number of bytes in flight, and the maximum for one file: large files are streamed, and four of them
// saturate a connection.
const BYTES_IN_FLIGHT = 64 * 1024 * 1024;
const BYTES_PER_FILE = 16 * 1024 * 1024;
