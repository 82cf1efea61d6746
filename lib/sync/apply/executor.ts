import type { Call } from "../../core/backend.ts";
import type { RelPath } from "../../core/path.ts";
import type { Action, Side, SyncEvent } from "../../core/entry.ts";
import type { Attempts, Outcome } from "./action_log.ts";
import type { Parents } from "../common/parent_check.ts";
import { perform } from "./action.ts";
import { drain, inOrder } from "../common/concurrency.ts";
import { type Owner, toTag } from "../common/temp_tag.ts";
import type { Place } from "./transfer.ts";
import type { Trash } from "../trash/trash.ts";
import type { Vanished } from "./vanished.ts";
import type { Backends } from "../common/sides.ts";

/**
 * `owners`: whose temporary names on each side are our own; `leftovers`: those that a scan found there, removed when nothing needs them
 * any more. `onError` "stop" gives up at the first failure. `concurrency`: files in flight, by default as the remote side likes.
 * `abandon`: once aborted, after the run was cancelled, what is still in flight is no longer waited for. `trash`: every version that is to
 * be overwritten or removed goes there first. `listedAt`: when the plan's listings began. `stillHeld`: may this run still destroy anything, or has another one taken over?
 */
export interface ApplyOptions extends Call {
  readonly owners: Readonly<Record<Side, Owner>>;
  readonly leftovers?: Readonly<Record<Side, readonly RelPath[]>>;
  readonly onError: "continue" | "stop";
  readonly removeDespiteFailures: boolean;
  readonly concurrency?: number;
  readonly abandon?: AbortSignal;
  readonly trash?: Trash;
  readonly listedAt?: number;
  stillHeld?(): Promise<boolean>;
}

/** What every step of apply() works with. `wanted`: tags of transfers that failed and that the next run may continue. */
export interface Crew {
  readonly sides: Backends;
  readonly options: ApplyOptions;
  readonly attempts: Attempts;
  readonly wanted: Set<string>;
  readonly vanished: Vanished;
  readonly parents: Parents;
  emit(event: SyncEvent): void;
}

/** Carries out actions side by side, begun in this order. Gives those that were not begun because the run was cancelled or stopped. */
export async function doAll(actions: readonly Action[], crew: Crew): Promise<readonly Action[]> {
  let begun = 0;
  await sideBySide(actions, crew, {
    weight: bytesOf,
    async work(action) {
      begun++;
      await crew.attempts.attempt(action, () => performOne(action, crew));
    },
  });
  return actions.slice(begun);
}

/** perform() for this crew: progress goes to the feed, and what a failed copy leaves is remembered. `place`: where a copy goes instead. */
export async function performOne(action: Action, crew: Crew, place?: Place): Promise<Outcome> {
  const { sides, options, attempts, vanished } = crew;
  if (action.do === "copy") vanished.countTried();
  if (action.do === "remove") await crew.parents.mustBeFolders(action.to, action.path);
  try {
    const outcome = await perform(action, sides, {
      signal: attempts.signal,
      owners: options.owners,
      ...(place === undefined ? {} : { place }),
      ...(options.trash === undefined ? {} : { trash: options.trash }),
      ...(options.listedAt === undefined ? {} : { listedAt: options.listedAt }),
      onBytes: (bytes) => crew.emit({ type: "progress", action, bytes }),
    });
    if (action.do === "copy" && "vanished" in outcome) await vanished.lookAgain(action);
    return outcome;
  } catch (error) {
    if (action.do === "copy") crew.wanted.add(toTag(options.owners[action.to], "partial", action.source));
    throw error;
  }
}

/** What to do with an item, and how many bytes it has in flight meanwhile. */
export interface Work<T> {
  weight?(item: T): number;
  work(item: T): Promise<void>;
}

/** Works on items side by side, as many as the remote side likes, and no more bytes at once than memory and line bear. */
export function sideBySide<T>(items: readonly T[], crew: Crew, { weight, work }: Work<T>): Promise<void> {
  const { options, sides, attempts } = crew;
  return drain(inOrder(items), work, {
    signal: attempts.signal,
    limit: Math.max(1, options.concurrency ?? sides.remote.traits.parallelFiles),
    budget: BYTES_IN_FLIGHT,
    ...(weight === undefined ? {} : { weight }),
  });
}

/** The bytes a copy has in flight, a large file's streamed part only; 0 for everything else. */
export function bytesOf(action: Action): number {
  return action.do === "copy" && action.source.kind === "file" ? Math.min(action.source.size, BYTES_OF_ONE) : 0;
}

/** Why nothing may be removed now; undefined while it may. */
export function heldBecause({ options, attempts, vanished }: Crew): string | undefined {
  if (attempts.signal.aborted && !attempts.stopped) return "the run was cancelled";
  if (attempts.stopped) return "the run stopped at a failure";
  if (attempts.lost !== undefined) return "the connection was lost";
  if (vanished.areMost) return "most files vanished before they were copied, so that the listing cannot be right";
  if (options.removeDespiteFailures || attempts.failures === 0) return undefined;
  return attempts.failures === 1 ? "something else failed" : `${attempts.failures} other things failed`;
}

/** Tells that these actions are not done. */
export function hold(actions: readonly Action[], why: string, crew: Crew): void {
  for (const action of actions) crew.emit({ type: "held", action, why });
}

// What may be in flight at once, in bytes, and what one file counts at most: large files are streamed, and four of them fill a line.
const BYTES_IN_FLIGHT = 64 * 1024 * 1024;
const BYTES_OF_ONE = 16 * 1024 * 1024;
