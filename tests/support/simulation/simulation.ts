import assert from "node:assert/strict";
import { memory, type MemoryBackend } from "../../../lib/backends/memory/mod.ts";
import { SyncError } from "../../../lib/core/errors.ts";
import { foldPath } from "../../../lib/core/path.ts";
import { chooseCriteria } from "../../../lib/sync/common/criteria.ts";
import type { GuardKey } from "../../../lib/sync/common/options.ts";
import { run, type RunEnd } from "../../../lib/sync/run.ts";
import { otherSide, type Side } from "../../../lib/core/entry.ts";
import { assertKept, assertReport, assertRest, assertSourceUntouched, assertUnchanged } from "./checks.ts";
import { applyEdit, type Contents, contentsOf, type UserEdit } from "./edits.ts";
import { type HistoryMemory, newMemory, openHistory } from "./history.ts";
import type { Edit, Story, Sync } from "./story.ts";
import { memoryTrash } from "./trash.ts";
import { injectTrouble } from "./trouble.ts";
import { noWrite } from "../backend_assertions.ts";
import type { Backends } from "../../../lib/sync/common/sides.ts";
import type { RunOptions } from "../../../lib/sync/run_options.ts";
import type { SyncEvent } from "../../../lib/core/plan.ts";

/** Two trees in memory, two users, and what history and the users know. */
export interface SimulationState {
  readonly sides: Readonly<Record<Side, MemoryBackend>>;
  readonly clock: { ms: number };
  /** Contents that a user wrote, by path and content, and no user has overwritten or deleted since. */
  readonly live: Map<string, string>;
  /** Every content that was ever written. */
  readonly written: Set<string>;
  readonly memory: HistoryMemory;
  /** Contents that runs have put away. */
  readonly trash: Set<string>;
  edits: number;
}

/** What one run did to the trees. */
export interface SyncRun {
  readonly sync: Sync;
  readonly before: Readonly<Record<Side, Contents>>;
  readonly after: Readonly<Record<Side, Contents>>;
  readonly events: readonly SyncEvent[];
  readonly end: RunEnd | undefined;
  readonly error: SyncError | undefined;
  /** Contents that somebody wrote on a side while the run went on. */
  readonly injected: Readonly<Record<Side, readonly string[]>>;
}

/** Both, removing, both versions of a conflict kept: what brings two sides together. */
export const quietSync: Sync = {
  mode: "Both",
  mirror: false,
  remove: true,
  skipNew: false,
  skipModified: false,
  conflict: "KeepBoth",
  checksum: false,
  concurrency: 2,
  careful: false,
  dry: false,
  trash: "copies",
  trouble: { trouble: "none" },
};

/** Lives the story through, holds every run to the contract, lets both sides come to rest, and gives what they hold then. */
export async function simulate(story: Story): Promise<SimulationState> {
  const world = await playStory(story);
  await syncUntilStable(world);
  return world;
}

/** The same, without the rest in the end. `prepare`: puts something there before anything happens. */
export async function playStory(story: Story, prepare?: (world: SimulationState) => void): Promise<SimulationState> {
  const world = await newWorld(story, prepare);
  for (const step of story.steps) {
    if (step.step === "edit") await userEdit(world, step.side, step.edit);
    else if (step.step === "forget") Object.assign(world, { memory: newMemory() });
    else await syncOnce(world, step.sync);
  }
  return world;
}

/** A world as the story finds it: one tree on both sides. */
async function newWorld({ dials, base }: Story, prepare?: (world: SimulationState) => void): Promise<SimulationState> {
  const clock = { ms: START };
  const now = () => clock.ms++;
  const sides = { local: memory({ ...dials.local, now }), remote: memory({ ...dials.remote, now }) };
  const world: SimulationState = {
    sides,
    clock,
    live: new Map(),
    written: new Set(),
    memory: newMemory(),
    trash: new Set(),
    edits: 0,
  };
  prepare?.(world);
  for (const edit of base) await userEdit(world, "local", edit);
  if (base.length > 0) await syncOnce(world, { ...quietSync, mode: "Remote" });
  return world;
}

/** A user's edit; what it overwrites or deletes need not be kept any more. */
export async function userEdit(world: SimulationState, side: Side, edit: Edit): Promise<string | undefined> {
  world.clock.ms += PAUSE_MS;
  const userEdit = toUserEdit(world, edit);
  const backend = world.sides[side];
  const edited = await applyEdit(backend, userEdit).catch((error) => {
    if (error instanceof SyncError && error.kind === "unsupported") return undefined;
    throw error;
  });
  if (edited === undefined) return undefined;
  const left = new Set((await contentsOf(backend, { own: false })).values());
  for (const [path, content] of edited.lost) {
    if (!world.live.delete(versionKey(path, content)) && !left.has(content)) giveUp(world, content);
  }
  for (const [path, content] of edited.made) world.live.set(versionKey(path, content), content);
  if (userEdit.edit !== "write") return undefined;
  world.written.add(userEdit.content);
  return userEdit.content;
}

/** One run, and all that must be true of any run. */
export async function syncOnce(world: SimulationState, sync: Sync): Promise<SyncRun> {
  world.clock.ms += PAUSE_MS;
  const planned = sync.dry ? await planOf(world, sync) : undefined;
  const before = await treesOf(world);
  const trouble = injectTrouble(world, sync.trouble);
  const { events, end, error } = await attempt(trouble.sides, world, { sync, ...trouble });
  const after = await treesOf(world);
  const passed: SyncRun = { sync, before, after, events, end, error, injected: trouble.injected };
  if (planned !== undefined && end !== undefined && trouble.isCalm) {
    assert.equal(JSON.stringify(planned), JSON.stringify(end.plan), "what was planned is not what was carried out");
  }
  assertKept(world, passed);
  assertSourceUntouched(passed);
  assertUnchanged(passed);
  assertReport(world, passed);
  return passed;
}

/** Quiet runs until nothing is left to do, three at most; then both sides hold the same. */
export async function syncUntilStable(world: SimulationState): Promise<void> {
  let last: SyncRun | undefined;
  for (let i = 0; i < 3; i++) last = await syncOnce(world, quietSync);
  const idle = { local: noWrite(world.sides.local), remote: noWrite(world.sides.remote) };
  world.memory.learned = [];
  const { end, error } = await attempt(idle, world, { sync: quietSync, signal: calm, hasCrashed: () => false });
  assert.equal(error, undefined);
  assertRest(world, last, end);
}

const START = Date.UTC(2026, 0, 1);
const PAUSE_MS = 600_000;
const calm = new AbortController().signal;
const everyKey: readonly GuardKey[] = [
  "-MaxRemove 100%",
  "-AllowEmptySource",
  "-AllowRoot",
  "-AllowMissingRoot",
  "-AllowAllChanged",
];

/** A version: a content under a path, however that is spelled. */
export function versionKey(path: string, content: string): string {
  return `${foldPath(path, { caseSensitive: false, normalizes: true })} ${content}`;
}

/** A user has done away with the last copy, under whatever name a conflict had given it. */
function giveUp({ live }: SimulationState, content: string): void {
  for (const [key, one] of live) if (one === content) live.delete(key);
}

function toUserEdit(world: SimulationState, { how, path, to, content, old }: Edit): UserEdit {
  const count = ++world.edits;
  const at = old ? START - count * PAUSE_MS : world.clock.ms;
  if (how === "write") {
    const own = String(count).padStart(4, "0");
    const written = content === "fresh" ? own : content === "long" ? `a longer one, ${own}` : content;
    return { edit: "write", path, content: written, at };
  }
  if (how === "rename") return { edit: "rename", path, to };
  return how === "touch" ? { edit: "touch", path, at } : { edit: how, path };
}

async function treesOf({ sides }: SimulationState): Promise<Readonly<Record<Side, Contents>>> {
  return {
    local: await contentsOf(sides.local, { own: true }),
    remote: await contentsOf(sides.remote, { own: true }),
  };
}

interface Attempt {
  readonly events: readonly SyncEvent[];
  readonly end: RunEnd | undefined;
  readonly error: SyncError | undefined;
}

async function attempt(
  sides: Backends,
  world: SimulationState,
  { sync, signal, hasCrashed }: { readonly sync: Sync; readonly signal: AbortSignal; hasCrashed(): boolean },
): Promise<Attempt> {
  const events: SyncEvent[] = [];
  try {
    const trash = sync.trash === "none" ? {} : { trash: memoryTrash(sides, world.trash, sync.trash === "moves") };
    const running = run(sides, {
      ...toRunOptions(world, sync),
      ...trash,
      signal,
      pairHistory: openHistory(world.memory, hasCrashed),
    });
    for (;;) {
      const step = await running.next();
      if (step.done === true) return { events, end: step.value, error: undefined };
      events.push(step.value);
    }
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    return { events, end: undefined, error };
  }
}

async function planOf(world: SimulationState, sync: Sync): Promise<unknown> {
  const idle = { local: noWrite(world.sides.local), remote: noWrite(world.sides.remote) };
  const remembered = openHistory(world.memory, () => assert.fail("a run that only plans wrote its history"));
  const trash = sync.trash === "none" ? {} : { trash: memoryTrash(idle, world.trash, sync.trash === "moves") };
  const running = run(idle, { ...toRunOptions(world, sync), ...trash, planOnly: true, pairHistory: remembered });
  try {
    for (;;) {
      const step = await running.next();
      if (step.done === true) return step.value.plan;
    }
  } catch (error) {
    if (error instanceof SyncError) return undefined;
    throw error;
  }
}

function toRunOptions(world: SimulationState, sync: Sync): RunOptions {
  const { mode, mirror, remove, skipNew, skipModified, conflict, checksum, concurrency, careful } = sync;
  const now = world.clock.ms;
  return {
    ...{ mode, remove, skipNew, skipModified, conflict, concurrency },
    mirror: mirror && mode !== "Both",
    criteria: chooseCriteria(checksum ? ["Either", "Checksum"] : ["Either"]),
    moves: true,
    removeDespiteFailures: false,
    links: "Skip",
    allow: careful ? [] : everyKey,
    noReadBack: false,
    stopOnError: false,
    planOnly: false,
    owner: "simulated",
    host: "here",
    signal: calm,
    now: () => now,
  };
}

/** The side that a one-way run may not touch. */
export function sourceOf({ mode }: Sync): Side | undefined {
  if (mode === "Both") return undefined;
  return otherSide(mode === "Local" ? "local" : "remote");
}

/** Is it a name that only Tandem gives? */
export function isOwnName(path: string): boolean {
  return path.includes(".tandem-");
}
