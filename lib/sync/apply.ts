import { type SyncError, toSyncError } from "../errors.ts";
import { printable, type RelPath } from "../path.ts";
import { tempTag } from "../temp.ts";
import { type Plan, type Side, sides as bothSides, type SyncEvent } from "../types.ts";
import { Attempts } from "./attempts.ts";
import { type ApplyOptions, type Crew, doAll, heldBecause, hold, sideBySide } from "./crew.ts";
import { Feed } from "./feed.ts";
import { type Phases, toPhases } from "./order.ts";
import { clearAsides, giveBack, keepAside, stageAll, swapAll, takeOverAll } from "./replace.ts";
import type { Backends } from "./transfer.ts";

/** How a plan's execution ended. `lost`: the server went away and the rest was not tried. */
export interface ApplyEnd {
  readonly failures: number;
  readonly cancelled: boolean;
  readonly stopped: boolean;
  readonly lost?: SyncError;
}

/**
 * Carries out the plan, and nothing but the plan. Invariants:
 * 1. Folders before what they hold, copies side by side, removals last: files, then folders bottom up.
 * 2. Nothing is removed and no type replaces another unless every transfer has succeeded (removeDespiteFailures waives that), the
 *    run was not cancelled, and it did not stop at a failure; what is held back then is told as "held".
 * 3. What is overwritten or removed is compared with what the plan saw right before; if it is another, the action fails as "changed".
 * 4. Every action that was started ends in one done, failed, held, or noted (its source vanished). What a cancelled or stopped run did
 *    not begin gets no event, except removals and type changes: they are held.
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
  const work = conduct(plan, { sides, options, attempts, emit, wanted: new Set() }).finally(() => feed.close());
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
  const waiting = await stageAll(phases.takeovers, crew);
  const asides = await swapAll(phases, crew);
  const why = heldBecause(crew);
  await sweep(crew, { asides: why === undefined && plan.held.length === 0 });
  if (why === undefined) {
    await removeAll(phases, crew);
    await takeOverAll(waiting, crew);
    await clearAsides(asides, crew);
    return;
  }
  hold([...phases.removals, ...phases.emptied.flat()], why, crew);
  await giveBack(waiting, why, crew);
  for (const aside of asides) keepAside(aside, why, crew);
}

/** Files and links first, then folders from the deepest up. */
async function removeAll({ removals, emptied }: Phases, crew: Crew): Promise<void> {
  for (const level of [removals, ...emptied]) {
    const left = await doAll(level, crew);
    hold(left, heldBecause(crew) ?? "the run ended", crew);
  }
}

interface Leftover {
  readonly side: Side;
  readonly path: RelPath;
  readonly tag: string;
}

/**
 * Removes temporary files of our own that an earlier run left, but for those that a transfer may still be continued from. `asides`:
 * files that had been moved aside go too, because removals may happen.
 */
async function sweep(crew: Crew, { asides }: { readonly asides: boolean }): Promise<void> {
  const { options, sides, attempts } = crew;
  if (attempts.signal.aborted || attempts.lost !== undefined) return;
  const found = bothSides.flatMap((side) => (options.leftovers?.[side] ?? []).map((path) => toLeftover(side, path)));
  const useless = found.filter(({ side, tag }) =>
    !crew.wanted.has(tag) && (asides || !tag.startsWith(options.owners[side].aside))
  );
  await sideBySide(useless, crew, {
    async work({ side, path }) {
      try {
        const entry = await sides[side].stat(path, attempts);
        if (entry?.kind === "file" || entry?.kind === "link") await sides[side].remove(entry, attempts);
      } catch (error) {
        const why = `the temporary file "${printable(path)}" is left to the next run: ${
          toSyncError(error, "remove").message
        }`;
        crew.emit({ type: "noted", note: { code: "leftover", path, side, why } });
      }
    },
  });
}

function toLeftover(side: Side, path: RelPath): Leftover {
  return { side, path, tag: tempTag(path) ?? "" };
}
