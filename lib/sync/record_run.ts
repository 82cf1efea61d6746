import type { Call } from "../core/backend.ts";
import { SyncError, toSyncError } from "../core/errors.ts";
import { parentOf } from "../core/path.ts";
import {
  type Action,
  type Entry,
  type Lesson,
  type Plan,
  type Side,
  sides as bothSides,
  type Snapshot,
  type SyncEvent,
} from "../core/entry.ts";
import type { ApplyEnd } from "./apply/apply.ts";
import type { Remembered } from "./history/file.ts";
import { settle, writtenPaths } from "./history/update.ts";
import type { Backends } from "./common/sides.ts";
import type { RootEntries } from "./common/roots.ts";
import { toMark } from "./common/criteria.ts";

/** What actions came to, and when they were over, in ms since the epoch. */
export interface Ends {
  readonly done: Map<Action, Entry | undefined>;
  readonly doneAt: Map<Action, number>;
}

/** Passes events on, and notes what each action came to. A version that was not planned with is no entry to learn. */
export async function* watch<R>(
  { done, doneAt }: Ends,
  events: AsyncGenerator<SyncEvent, R, void>,
  now: () => number,
): AsyncGenerator<SyncEvent, R, void> {
  let next = await events.next();
  try {
    for (; next.done !== true; next = await events.next()) {
      if (next.value.type === "done") {
        const { action, result, isOther } = next.value;
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
export interface Carried {
  readonly plan: Plan;
  readonly before: Readonly<Record<Side, Snapshot>>;
  readonly done: ReadonlyMap<Action, Entry | undefined>;
  readonly doneAt: ReadonlyMap<Action, number>;
  readonly applied: ApplyEnd;
  readonly listedAt: number;
  readonly rootEntries: RootEntries;
}

/** `now`: ms since the epoch. */
export interface RememberOptions extends Call {
  readonly remembered: Remembered;
  now(): number;
}

/**
 * Before the plan is carried out: what comes back to a side is unknown from now on. A run that is ended half way leaves its folder there
 * without it, and the next would take it for deleted in it. Rejects with refused where that cannot be written.
 */
export async function forgetRestored({ restoring = [] }: Plan, remembered: Remembered | undefined): Promise<void> {
  try {
    await remembered?.note(restoring.map((path) => ({ path, known: undefined })));
  } catch (error) {
    const { message } = toSyncError(error, "remember");
    throw new SyncError(
      "refused",
      "Nothing was changed: what comes back to a side has to be forgotten first, or a later run could take it for deleted, and " +
        `that cannot be written. ${message}`,
      { operation: "remember", cause: error },
    );
  }
}

/**
 * Before the plan is carried out: whose content is replaced in place. A run that is ended half way leaves it half old, half new, and the
 * next one has to know. Rejects where that cannot be written: then nothing may be replaced so.
 */
export async function noteInPlace({ actions }: Plan, remembered: Remembered | undefined): Promise<void> {
  const lessons = actions.flatMap((action): Lesson[] => {
    if (action.do !== "copy" || action.inPlace !== true || action.replaces?.kind !== "file") return [];
    const { to, replaces, source } = action;
    // History knows a pair by the local spelling.
    const path = to === "local" ? action.path : source.path;
    const known = remembered?.history.get(path);
    const marks = known?.kind === "file" ? known : { path, kind: "file" } as const;
    return [{ path, known: { ...marks, [to]: toMark(replaces), begun: to } }];
  });
  if (lessons.length === 0) return;
  if (remembered === undefined) {
    throw new SyncError("refused", "Nothing is replaced in place without a history to remember it in.", {
      operation: "sync",
    });
  }
  await remembered.note(lessons);
}

function unremembered(error: unknown): SyncEvent {
  const { message } = toSyncError(error, "remember");
  return { type: "noted", note: { code: "unremembered", count: 1, why: message } };
}

/** History must not claim what a power cut can still take back: the names in the folders that were written to. */
async function flush(sides: Backends, done: Carried["done"]): Promise<void> {
  // Also after a run was cancelled: what it did is remembered.
  const { signal } = new AbortController();
  for (const side of bothSides) {
    const folders = new Set(Array.from(writtenPaths(done, side), (path) => parentOf(path)));
    if (folders.size > 0) await sides[side].flush?.([...folders], { signal });
  }
}

/** Writes what is equal now. What cannot be written is told: the next run goes by what was known before, and that loses nothing. */
export async function* remember(
  sides: Backends,
  { plan, before, done, doneAt, applied, listedAt, rootEntries }: Carried,
  { remembered, signal, now }: RememberOptions,
): AsyncGenerator<SyncEvent, void, void> {
  const { history, roots } = remembered;
  const settled = await settle(sides, {
    facts: { plan, done, doneAt, history, before, listedAt },
    rootEntries,
    roots,
    again: !applied.cancelled && applied.lost === undefined,
    signal,
    now,
  });
  for (const note of settled.notes) yield { type: "noted", note };
  try {
    await flush(sides, done);
    await remembered.save(settled.lessons, settled.roots);
  } catch (error) {
    yield unremembered(error);
  }
}
