import assert from "node:assert/strict";
import { foldPath, type RelPath } from "../../../lib/core/path.ts";
import type { RunEnd } from "../../../lib/sync/run.ts";
import { otherSide, type Side, sides as bothSides } from "../../../lib/core/entry.ts";
import { isOwnName, type SimulationState, sourceOf, type SyncRun, versionKey } from "./simulation.ts";
import type { Contents } from "./edits.ts";
import type { Action } from "../../../lib/core/plan.ts";

/** No version is lost (P1), and what was written meanwhile is still there (P13). One-way runs without a trash may take what the target alone holds. */
export function assertKept(world: SimulationState, { sync, before, after, injected }: SyncRun): void {
  const target = sync.mode === "Local" ? "local" : "remote";
  const mayTake = sync.mode !== "Both" && sync.trash === "none";
  if (mayTake) {
    for (const [path, content] of before[target]) {
      if (content !== null && after[target].get(path) !== content) world.live.delete(versionKey(path, content));
    }
  }
  const held = new Set([...after.local.values(), ...after.remote.values(), ...world.trash]);
  for (const [key, content] of world.live) {
    if (held.has(content)) continue;
    assert.ok(mayTake, `"${content}" is lost`);
    world.live.delete(key);
  }
  for (const side of bothSides) {
    const here = new Set(after[side].values());
    for (const content of injected[side]) {
      const isSuperseded = !new Set(world.live.values()).has(content);
      assert.ok(
        isSuperseded || here.has(content),
        `"${content}", written meanwhile on the ${side} side, is gone there`,
      );
    }
  }
}

/** A one-way run changes nothing where it reads. */
export function assertSourceUntouched({ sync, before, after, injected }: SyncRun): void {
  const source = sourceOf(sync);
  if (source === undefined || sync.trouble.trouble === "inject" || injected[source].length > 0) return;
  assert.deepEqual(after[source], before[source], "the source was changed");
}

/** A run that was refused, or only planned, changed nothing; one that could not list a folder removed nothing (P9). */
export function assertUnchanged({ sync, before, after, events, end, error }: SyncRun): void {
  const { trouble } = sync;
  if (error !== undefined && trouble.trouble === "none") {
    assert.ok(error.kind === "refused" && sync.careful, `the run failed: ${error.message}`);
  }
  if (end === undefined && trouble.trouble !== "crash" && trouble.trouble !== "inject") {
    assert.deepEqual([after.local, after.remote], [before.local, before.remote], "a run that failed changed something");
  }
  if (trouble.trouble !== "list" || end === undefined) return;
  const isBroken = end.plan.refusals.some(({ why }) => why.includes("it broke off"));
  const removed = events.filter((event) => event.type === "done" && event.action.do === "remove");
  if (isBroken) assert.deepEqual(removed, [], "something was removed after a listing had failed");
}

/** The report is what happened (P14): each path that changed is named by an action that is done, and what is done is there. */
export function assertReport({ sides }: SimulationState, passed: SyncRun): void {
  const { sync, before, after, events, end } = passed;
  const kinds = ["none", "list", "cut"];
  if (end?.outcome !== "applied" || !kinds.includes(sync.trouble.trouble)) return;
  const done = events.flatMap((event) => event.type === "done" ? [event.action] : []);
  for (const side of bothSides) {
    const named = new Set(done.filter(({ to }) => to === side).flatMap(placesOf));
    const { hasDirs } = sides[side].traits;
    for (const path of new Set([...before[side].keys(), ...after[side].keys()])) {
      const [then, now] = [before[side].get(path), after[side].get(path)];
      if (then === now || isOwnName(path) || (!hasDirs && (then ?? null) === (now ?? null))) continue;
      assert.ok(named.has(path as RelPath), `${side} ${path} changed from ${then} to ${now}, and no action says so`);
    }
  }
  for (const action of done) {
    if (action.do !== "makeDir" || sides[action.to].traits.hasDirs) assertDone(action, passed);
  }
}

/** Nothing is left to do (P2), and both sides hold the same where nothing stands in the way (P3). */
export function assertRest(world: SimulationState, last: SyncRun | undefined, end: RunEnd | undefined): void {
  assert.ok(last?.end !== undefined && end !== undefined);
  const { actions, refusals, conflicts } = end.plan;
  assert.deepEqual(actions, [], "a quiet run has still something to do");
  assert.deepEqual(world.memory.learned, [], "a quiet run has still something to learn");
  for (const side of bothSides) {
    assert.deepEqual(
      [...last.after[side].keys()].filter(isOwnName),
      [],
      `a temporary file is left on the ${side} side`,
    );
  }
  if (refusals.length + conflicts.length > 0) return;
  const [local, remote] = bothSides.map((side) => outline(world, last.after[side]));
  assert.deepEqual(local, remote, "both sides came to rest and differ");
}

/** One key for all spellings that are one name for this pair. */
export function pairKey(sides: SimulationState["sides"], path: string): RelPath {
  const traits = bothSides.map((side) => sides[side].traits);
  const caseSensitive = traits.every((one) => one.caseSensitive);
  return foldPath(path, { caseSensitive, normalizes: traits.some((one) => one.normalizes) }) as RelPath;
}

function placesOf(action: Action): readonly RelPath[] {
  if (action.do === "move") return [action.path, action.source.path];
  const kept = "backupPath" in action && action.backupPath !== undefined ? [action.backupPath] : [];
  return [action.path, ...kept];
}

function assertDone(action: Action, { before, after }: SyncRun): void {
  const { to, path } = action;
  const now = after[to].get(path);
  if (action.do === "remove") assert.equal(now, undefined, `${to} ${path} is said to be removed`);
  if (action.do === "makeDir") assert.equal(now, null, `${to} ${path} is said to be a folder`);
  if (action.do === "move") assert.equal(now, before[to].get(action.source.path), `${to} ${path} was moved`);
  if (action.do !== "copy") return;
  const content = before[otherSide(to)].get(action.source.path) ?? after[otherSide(to)].get(action.source.path);
  assert.equal(now, content, `${to} ${path} is said to be a copy`);
}

/** What a side holds in the words of the coarser side; folders that hold nothing are left out where a side has none. */
function outline({ sides }: SimulationState, contents: Contents): Readonly<Record<string, string | null>> {
  const traits = bothSides.map((side: Side) => sides[side].traits);
  const hasDirs = traits.every((one) => one.hasDirs);
  const found: Record<string, string | null> = {};
  for (const [path, content] of contents) {
    if (content === null && !hasDirs) continue;
    found[pairKey(sides, path)] = content;
  }
  return Object.fromEntries(Object.entries(found).sort(([a], [b]) => a < b ? -1 : 1));
}
