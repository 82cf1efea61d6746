import type { SyncError } from "../../core/errors.ts";
import { tempTag } from "../../core/temp_name.ts";
import { type Side, sides as bothSides } from "../../core/entry.ts";
import { ActionLog } from "./action_log.ts";
import {
  type ApplyContext,
  type ApplyOptions,
  findHoldReason,
  reportHeld,
  runActions,
  runLimited,
} from "./executor.ts";
import { EventQueue } from "./event_queue.ts";
import { type Phases, toPhases } from "./phases.ts";
import { ParentCheck } from "../common/parent_check.ts";
import {
  type AsideFile,
  holdStaged,
  noteAside,
  removeAsides,
  removeTempFile,
  replaceDirs,
  replaceFiles,
  stageFiles,
} from "./type_change.ts";
import { unlinkFolders } from "./unlink.ts";
import { VanishedFiles } from "./vanished.ts";
import type { Backends } from "../common/sides.ts";
import type { Plan, SyncEvent } from "../../core/plan.ts";

/**
 * The end of a plan's execution. `lost`: the connection to the server was lost and the remaining actions were not
 * tried.
 */
export interface ApplyEnd {
  readonly failures: number;
  readonly cancelled: boolean;
  readonly stopped: boolean;
  readonly lost?: SyncError;
}

/**
 * Carries out the plan, and nothing but the plan. Invariants:
 * 1. Folders before their content, copies concurrently, removals last: files, then folders bottom up.
 * 2. Nothing is removed and no type replaces another unless every transfer has succeeded (removeDespiteFailures waives
 *    that), the run was not cancelled, and it did not stop at a failure; actions postponed for this are reported as
 *    "held".
 * 3. An entry is compared with the plan right before it is overwritten or removed; if it is another one, the action
 *    fails as "changed".
 * 4. Every started action ends in one of done, failed, held, or noted (its source vanished). Actions that a cancelled
 *    or stopped run did not start get no event, except removals and type changes: they are held.
 */
export async function* apply(
  plan: Plan,
  sides: Backends,
  options: ApplyOptions,
): AsyncGenerator<SyncEvent, ApplyEnd, void> {
  const queue = new EventQueue();
  const emit = (event: SyncEvent) => queue.push(event);
  const quit = new AbortController();
  const signal = AbortSignal.any([options.signal, quit.signal]);
  const actionLog = new ActionLog(sides, { signal, onError: options.onError, emit });
  const [vanished, parents] = [new VanishedFiles(sides, { signal }), new ParentCheck(sides, { signal })];
  const work = runPhases(plan, { sides, options, actionLog, emit, resumable: new Set(), vanished, parents }).finally(
    () => queue.close(),
  );
  // The promise is awaited below, after the last event; until then a rejection must not count as unhandled.
  work.catch(() => {});
  const abandon = () => queue.close();
  options.abandon?.addEventListener("abort", abandon);
  try {
    for (let events = await queue.next(); events !== undefined; events = await queue.next()) {
      for (const event of events) yield event;
    }
  } finally {
    quit.abort();
    options.abandon?.removeEventListener("abort", abandon);
    if (options.abandon?.aborted !== true) await work;
  }
  return {
    failures: actionLog.failures,
    cancelled: options.signal.aborted,
    stopped: actionLog.stopped,
    ...(actionLog.lost === undefined ? {} : { lost: actionLog.lost }),
  };
}

async function runPhases(plan: Plan, context: ApplyContext): Promise<void> {
  const phases = toPhases(plan.actions);
  for (const level of phases.folders) await runActions(level, context);
  await runActions(phases.keepingCopies, context);
  await runActions(phases.transfers, context);
  const earlier = await removeLeftovers(context);
  const staged = await stageFiles(phases.dirsToFiles, context);
  const asides = await replaceFiles(phases, context);
  const why = findHoldReason(context) ?? await findLockLoss(context);
  if (why === undefined) {
    await removeAsides(plan.heldRemovals.length === 0 ? [...asides, ...earlier] : asides, context);
    await runRemovals(await unlinkFolders(phases, context), context);
    await replaceDirs(staged, context);
    return;
  }
  reportHeld([...phases.fileRemovals, ...phases.folderRemovals.flat()], why, context);
  await holdStaged(staged, why, context);
  for (const aside of asides) noteAside(aside, why, context);
}

/** Returns why nothing may be removed if another run has taken over the lock; otherwise undefined. */
async function findLockLoss({ options }: ApplyContext): Promise<string | undefined> {
  return await options.isLockOwner?.() === false ? "another run took over the lock of this pair" : undefined;
}

/** Removes files and links first, then folders from the deepest up. */
async function runRemovals(
  { fileRemovals: removals, folderRemovals: emptied }: Phases,
  context: ApplyContext,
): Promise<void> {
  for (const level of [removals, ...emptied]) {
    for (let at = 0; at < level.length; at += REMOVALS_PER_CHECK) {
      const why = await findLockLoss(context);
      if (why !== undefined) reportHeld(level.slice(at), why, context);
      if (why !== undefined) break;
      context.parents.clear();
      const left = await runActions(level.slice(at, at + REMOVALS_PER_CHECK), context);
      reportHeld(left, findHoldReason(context) ?? "the run ended", context);
    }
  }
}

/** The number of removals between two checks of the lock. */
const REMOVALS_PER_CHECK = 256;

/**
 * Removes this pair's temporary files of an earlier run before this run creates new ones of the same names, except
 * those from which a transfer can be continued. Returns the files that an earlier run moved aside: they are removed
 * when removals are allowed.
 */
async function removeLeftovers(context: ApplyContext): Promise<readonly AsideFile[]> {
  const { options, actionLog, resumable: wanted } = context;
  const found = bothSides.flatMap((side) =>
    (options.leftovers?.[side] ?? []).map((path) => ({ side, path, from: path, tag: tempTag(path) ?? "" }))
  );
  const isAside = ({ side, tag }: { side: Side; tag: string }) => tag.startsWith(options.owners[side].aside);
  if (actionLog.lost === undefined) {
    await runLimited(found.filter((one) => !isAside(one) && !wanted.has(one.tag)), context, {
      work: ({ side, path }) => removeTempFile({ side, path }, context),
    });
  }
  return found.filter(isAside);
}
