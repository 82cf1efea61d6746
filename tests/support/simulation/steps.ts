import assert from "node:assert/strict";
import type { Backend } from "../../../lib/core/backend.ts";
import { memory, type MemoryBackend } from "../../../lib/backends/memory/mod.ts";
import { decorate } from "../../../lib/backends/layers/decorator.ts";
import { toRelPath } from "../../../lib/core/path.ts";
import { chooseCriteria } from "../../../lib/sync/common/criteria.ts";
import { run } from "../../../lib/sync/run.ts";
import { type Side, sides as bothSides } from "../../../lib/core/entry.ts";
import { utf8, wholeBody } from "../content.ts";
import { contentsOf } from "./edits.ts";
import { type HistoryMemory, newMemory, openHistory } from "./history.ts";
import { memoryTrash } from "./trash.ts";
import type { Moment, StepRun, StepsStory } from "./steps_story.ts";
import type { SyncEvent } from "../../../lib/core/plan.ts";

/** Two places, one clock behind both, and all that is known of them. */
interface StepsWorld {
  readonly sides: Readonly<Record<Side, MemoryBackend>>;
  readonly clock: { ms: number };
  /** By how many ms the remote side's clock is ahead. */
  readonly clockOff: number;
  readonly memory: HistoryMemory;
  readonly trash: Set<string>;
  /** Contents by side that no user has superseded where they were written. */
  readonly live: Map<Side, string>;
  saves: number;
}

/** What one run did: whether it told of anything that it left apart, and the contents that it read. */
interface Ran {
  readonly isReported: boolean;
  readonly reads: number;
  readonly actions: number;
}

const FILE = toRelPath("f");
const START = Date.UTC(2026, 0, 1);
const call = { signal: new AbortController().signal };
/** Longer than any step: every mark is old by then. */
const REST_MS = 600_000;

/**
 * Lives the story through. After its last run both sides are equal, or the run has told why not; no edit that another did not supersede is
 * lost in Both; and a few quiet runs later nothing is done or read any more.
 */
export async function playSteps({ dials, moments, last }: StepsStory): Promise<void> {
  const clock = { ms: START };
  const now = () => clock.ms;
  const world: StepsWorld = {
    sides: { local: memory({ ...dials.local, now }), remote: memory({ ...dials.remote, now }) },
    clock,
    clockOff: dials.remote.clockOff ?? 0,
    memory: newMemory(),
    trash: new Set(),
    live: new Map(),
    saves: 0,
  };
  await save(world, "local", false);
  clock.ms += REST_MS;
  await runOnce(world, { mode: "Remote", mirror: false, remove: false, conflict: "Newest" });
  clock.ms += REST_MS;
  for (const moment of moments) await happen(world, moment);
  clock.ms += 1;
  await assertSettled(world, last, await runOnce(world, last));
  let rest: Ran | undefined;
  for (let i = 0; i < 4; i++) {
    clock.ms += REST_MS;
    rest = await runOnce(world, last);
  }
  assert.equal(rest?.actions, 0, "quiet runs still change something");
  // A conflict that is left open is looked at in each run.
  if (last.mode !== "Both" || last.conflict !== "Skip") assert.equal(rest.reads, 0, "quiet runs still read something");
  if (rest !== undefined) await assertSettled(world, last, rest);
}

async function happen(world: StepsWorld, moment: Moment): Promise<void> {
  world.clock.ms += moment.wait;
  if (moment.do === "run") {
    await runOnce(world, moment.run);
    return;
  }
  if (moment.do === "putBack") {
    const before = await world.sides.local.stat(FILE, call);
    if (before?.kind === "file" && before.modified !== undefined) await save(world, "local", false, before.modified);
    return;
  }
  const chosen = moment.side === "both" ? bothSides : [moment.side];
  for (const side of chosen) await save(world, side, moment.isLonger);
}

/** `modified`: the file's time, if it is not that of the save. */
async function save(world: StepsWorld, side: Side, isLonger: boolean, modified?: number): Promise<void> {
  const letter = String.fromCharCode(65 + world.saves++);
  const content = isLonger ? `${letter}${letter}` : letter;
  const off = side === "remote" ? world.clockOff : 0;
  const options = { ...call, size: content.length, modified: modified ?? world.clock.ms + off };
  await world.sides[side].write(FILE, wholeBody(utf8(content)), options);
  world.live.set(side, content);
}

async function runOnce(world: StepsWorld, { mode, mirror, remove, conflict }: StepRun): Promise<Ran> {
  const counts = { local: 0, remote: 0 };
  const sides = {
    local: counting(world.sides.local, () => counts.local++),
    remote: counting(world.sides.remote, () => counts.remote++),
  };
  const before = await held(world);
  const running = run(sides, {
    ...{ mode, remove, conflict },
    mirror: mirror && mode !== "Both",
    criteria: chooseCriteria(["Either"]),
    skipNew: false,
    skipModified: false,
    moves: true,
    removeDespiteFailures: false,
    links: "Skip",
    allow: ["-MaxRemove 100%", "-AllowEmptySource", "-AllowRoot", "-AllowMissingRoot", "-AllowAllChanged"],
    noReadBack: false,
    stopOnError: false,
    planOnly: false,
    owner: "simulated",
    host: "here",
    signal: call.signal,
    now: () => world.clock.ms,
    pairHistory: openHistory(world.memory, () => false),
    trash: memoryTrash(world.sides, world.trash, false),
  });
  const events: SyncEvent[] = [];
  let step = await running.next();
  for (; step.done !== true; step = await running.next()) events.push(step.value);
  if (mode === "Both") await assertKept(world, before);
  const { plan } = step.value;
  const told = [...plan.refusals, ...plan.conflicts, ...plan.heldRemovals].length > 0 ||
    plan.notes.some(({ code }) => ["keptNewer", "onlyThere", "unproven", "untraced"].includes(code)) ||
    events.some(({ type }) => type === "failed" || type === "noted");
  return { isReported: told, reads: counts.local + counts.remote, actions: plan.actions.length };
}

/** The backend, each content that is read or hashed counted. */
function counting(inner: Backend, count: () => void): Backend {
  return decorate(inner, {
    call({ operation, run: work }) {
      if (operation === "read" || operation === "checksum") count();
      return work();
    },
    walk: ({ run: work }) => work(),
  });
}

async function held({ sides, trash }: StepsWorld): Promise<ReadonlySet<string | null>> {
  const [local, remote] = [await contentsOf(sides.local, { own: true }), await contentsOf(sides.remote, { own: true })];
  return new Set([...local.values(), ...remote.values(), ...trash]);
}

/** What a user wrote and that was there before the run is there after it, or in the trash. */
async function assertKept(world: StepsWorld, before: ReadonlySet<string | null>): Promise<void> {
  const after = await held(world);
  for (const content of world.live.values()) {
    assert.ok(!before.has(content) || after.has(content), `"${content}" is lost`);
  }
}

async function assertSettled({ sides }: StepsWorld, { mode }: StepRun, { isReported }: Ran): Promise<void> {
  const [local, remote] = [await contentsOf(sides.local, { own: true }), await contentsOf(sides.remote, { own: true })];
  const shown = (found: ReadonlyMap<string, string | null>) => JSON.stringify([...found].sort());
  assert.ok(
    isReported || shown(local) === shown(remote),
    `${mode} said nothing, and the sides hold ${shown(local)} and ${shown(remote)}`,
  );
}
