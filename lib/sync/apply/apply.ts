import type { SyncError } from "../../core/errors.ts";
import { tempTag } from "../../core/temp_name.ts";
import { type Plan, type Side, sides as bothSides, type SyncEvent } from "../../core/entry.ts";
import { Attempts } from "./action_log.ts";
import { type ApplyOptions, type Crew, doAll, heldBecause, hold, sideBySide } from "./executor.ts";
import { Feed } from "./event_queue.ts";
import { type Phases, toPhases } from "./phases.ts";
import { Parents } from "../common/parent_check.ts";
import {
  type Aside,
  clearAsides,
  giveBack,
  keepAside,
  removeOwn,
  stageAll,
  swapAll,
  takeOverAll,
} from "./type_change.ts";
import { unlinkFolders } from "./unlink.ts";
import { Vanished } from "./vanished.ts";
import type { Backends } from "../common/sides.ts";

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
  const feed = new Feed();
  const emit = (event: SyncEvent) => feed.push(event);
  const quit = new AbortController();
  const signal = AbortSignal.any([options.signal, quit.signal]);
  const attempts = new Attempts(sides, { signal, onError: options.onError, emit });
  const [vanished, parents] = [new Vanished(sides, { signal }), new Parents(sides, { signal })];
  const work = conduct(plan, { sides, options, attempts, emit, wanted: new Set(), vanished, parents }).finally(() =>
    feed.close()
  );
  // The promise is awaited below, after the last event; until then a rejection must not count as unhandled.
  work.catch(() => {});
  const abandon = () => feed.close();
  options.abandon?.addEventListener("abort", abandon);
  try {
    for (let events = await feed.next(); events !== undefined; events = await feed.next()) {
      for (const event of events) yield event;
    }
  } finally {
    quit.abort();
    options.abandon?.removeEventListener("abort", abandon);
    if (options.abandon?.aborted !== true) await work;
  }
  return {
    failures: attempts.failures,
    cancelled: options.signal.aborted,
    stopped: attempts.stopped,
    ...(attempts.lost === undefined ? {} : { lost: attempts.lost }),
  };
}

async function conduct(plan: Plan, crew: Crew): Promise<void> {
  const phases = toPhases(plan.actions);
  for (const level of phases.folders) await doAll(level, crew);
  await doAll(phases.keepers, crew);
  await doAll(phases.transfers, crew);
  const earlier = await sweep(crew);
  const waiting = await stageAll(phases.takeovers, crew);
  const asides = await swapAll(phases, crew);
  const why = heldBecause(crew) ?? await takenOver(crew);
  if (why === undefined) {
    await clearAsides(plan.held.length === 0 ? [...asides, ...earlier] : asides, crew);
    await removeAll(await unlinkFolders(phases, crew), crew);
    await takeOverAll(waiting, crew);
    return;
  }
  hold([...phases.removals, ...phases.emptied.flat()], why, crew);
  await giveBack(waiting, why, crew);
  for (const aside of asides) keepAside(aside, why, crew);
}

/** Returns why nothing may be removed if another run has taken over the lock; otherwise undefined. */
async function takenOver({ options }: Crew): Promise<string | undefined> {
  return await options.stillHeld?.() === false ? "another run took over the lock of this pair" : undefined;
}

/** Removes files and links first, then folders from the deepest up. */
async function removeAll({ removals, emptied }: Phases, crew: Crew): Promise<void> {
  for (const level of [removals, ...emptied]) {
    for (let at = 0; at < level.length; at += REMOVED_AT_ONCE) {
      const why = await takenOver(crew);
      if (why !== undefined) hold(level.slice(at), why, crew);
      if (why !== undefined) break;
      crew.parents.forget();
      const left = await doAll(level.slice(at, at + REMOVED_AT_ONCE), crew);
      hold(left, heldBecause(crew) ?? "the run ended", crew);
    }
  }
}

/** The number of removals between two checks of the lock. */
const REMOVED_AT_ONCE = 256;

/**
 * Removes this pair's temporary files of an earlier run before this run creates new ones of the same names, except
 * those from which a transfer can be continued. Returns the files that an earlier run moved aside: they are removed
 * when removals are allowed.
 */
async function sweep(crew: Crew): Promise<readonly Aside[]> {
  const { options, attempts, wanted } = crew;
  const found = bothSides.flatMap((side) =>
    (options.leftovers?.[side] ?? []).map((path) => ({ side, path, from: path, tag: tempTag(path) ?? "" }))
  );
  const isAside = ({ side, tag }: { side: Side; tag: string }) => tag.startsWith(options.owners[side].aside);
  if (attempts.lost === undefined) {
    await sideBySide(found.filter((one) => !isAside(one) && !wanted.has(one.tag)), crew, {
      work: ({ side, path }) => removeOwn({ side, path }, crew),
    });
  }
  return found.filter(isAside);
}
