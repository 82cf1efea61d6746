import { parentOf, type RelPath, root } from "../../core/path.ts";
import { otherSide, type Side, type Snapshot } from "../../core/entry.ts";
import { toSpelling } from "./spelling.ts";
import type { Backends } from "../common/sides.ts";
import { quote } from "../common/text.ts";
import { isLeaf } from "../common/leaves.ts";
import type { History } from "../../core/history.ts";
import type { Action, Note, Plan, Refusal } from "../../core/plan.ts";

/**
 * The reason why an action must not be carried out: "wrong" if its listing was wrong, "hidden" if the other side has a
 * name that it does not list.
 */
export interface Doubt {
  readonly is: "wrong" | "hidden";
  readonly why: string;
}

export interface ConfirmedOptions {
  readonly sides: Backends;
  readonly snapshots: Readonly<Record<Side, Snapshot>>;
  readonly history: History | undefined;
  readonly removeDespiteFailures: boolean;
}

/**
 * Returns the plan without the doubtful actions and those that depend on them. Pure. Each path about which a listing
 * was wrong is refused. Every other removal, move and change of type is then held, unless failures are to be ignored.
 */
export function withoutDoubtful(plan: Plan, doubts: ReadonlyMap<Action, Doubt>, options: ConfirmedOptions): Plan {
  const first = Array.from(doubts).find(([, { is }]) => is === "wrong");
  const removalBlock = first === undefined || options.removeDespiteFailures
    ? undefined
    : `${quote(pathOf(first[0]))} was missing from a listing although it exists; run again`;
  const staying = findKept(plan.actions, { doubts, isHolding: removalBlock !== undefined });
  const toCopy = moveToCopy(options);
  const actions: Action[] = [];
  const refusals = [...plan.refusals];
  const held = [...plan.heldRemovals];
  for (const action of plan.actions) {
    const doubt = doubts.get(action);
    const isHeld = removalBlock !== undefined && isDestructive(action);
    const blocked = blockedBy(action, staying);
    if (doubt === undefined && !isHeld && blocked === undefined) {
      actions.push(action);
      continue;
    }
    if (action.do === "move" && blocked === undefined) actions.push(...toCopy(action));
    if (doubt?.is === "wrong" && !isAbove(action, staying)) refusals.push(toRefusal(action, doubt.why));
    if (doubt !== undefined) continue;
    if (isHeld) held.push(toHeldRemoval(action, removalBlock));
    else if (blocked !== undefined && removalBlock !== undefined) held.push(toHeldRemoval(action, removalBlock));
    else if (blocked !== undefined && action.do === "copy") refusals.push(toRefusal(action, blocked));
  }
  return { ...plan, actions, refusals, heldRemovals: held, notes: [...plan.notes, ...toHiddenNotes(doubts)] };
}

type Paths = Readonly<Record<Side, Set<RelPath>>>;

/** The entries that stay although the plan removed them. */
interface KeptEntries {
  /** The folders above an entry that stays. */
  readonly above: Paths;
  /** The paths that keep their old type. */
  readonly unchangedTypes: Paths;
}

function findKept(
  actions: readonly Action[],
  { doubts, isHolding }: { readonly doubts: ReadonlyMap<Action, Doubt>; readonly isHolding: boolean },
): KeptEntries {
  const above = { local: new Set<RelPath>(), remote: new Set<RelPath>() };
  const places = { local: new Set<RelPath>(), remote: new Set<RelPath>() };
  for (const action of actions) {
    if (!isDestructive(action) || (!isHolding && !doubts.has(action))) continue;
    if (changesType(action)) places[action.to].add(action.path);
    const path = pathOf(action);
    for (let dir = parentOf(path); dir !== root; dir = parentOf(dir)) above[action.to].add(dir);
  }
  for (const action of actions) {
    if (changesType(action) && above[action.to].has(action.path)) places[action.to].add(action.path);
  }
  return { above, unchangedTypes: places };
}

/** Returns why an action that is not in doubt itself cannot be carried out; undefined if it can. */
function blockedBy(action: Action, { above, unchangedTypes: places }: KeptEntries): string | undefined {
  if (action.do === "remove" && above[action.to].has(action.path)) return "something in it stays";
  if (places[action.to].size === 0) return undefined;
  for (let path = action.path; path !== root; path = parentOf(path)) {
    if (places[action.to].has(path)) return `${quote(path)} keeps the type it has`;
  }
  return undefined;
}

/** Whether the action removes a folder that contains something that stays, so that it needs no report of its own. */
function isAbove(action: Action, { above }: KeptEntries): boolean {
  return action.do === "remove" && above[action.to].has(action.path);
}

function changesType(action: Action): boolean {
  if (action.do === "makeDir") return action.replaces !== undefined;
  return action.do === "copy" && action.replaces !== undefined && action.replaces.kind !== action.source.kind;
}

function isDestructive(action: Action): boolean {
  return action.do === "remove" || action.do === "move" || changesType(action);
}

/** Returns the path that the action would remove or replace. */
function pathOf(action: Action): RelPath {
  return action.do === "move" ? action.source.path : action.path;
}

function toRefusal(action: Action, why: string): Refusal {
  return { path: pathOf(action), side: otherSide(action.to), kind: "changed", why };
}

function toHeldRemoval(action: Action, why: string): Refusal {
  return { path: pathOf(action), side: action.to, kind: "refused", why };
}

/** Returns the function that replaces a move by a copy: the new name is still created, from the other side's file. */
function moveToCopy(options: ConfirmedOptions): (move: Action) => readonly Action[] {
  const spellings = {
    local: toSpelling({ ...options, from: "local" }),
    remote: toSpelling({ ...options, from: "remote" }),
  };
  return ({ to, path }) => {
    const from = otherSide(to);
    const source = options.snapshots[from].get(spellings[from].own(path));
    return source?.kind === "file" ? [{ do: "copy", to, path, why: "new", source }] : [];
  };
}

/** Returns one note per side about all names that it hides. */
function toHiddenNotes(doubts: ReadonlyMap<Action, Doubt>): readonly Note[] {
  const hidden = Array.from(doubts).filter(([action, { is }]) => is === "hidden" && !isFolderRemoval(action));
  const sides = new Set(hidden.map(([{ to }]) => to));
  return Array.from(sides, (to) => {
    const paths = hidden.filter(([action]) => action.to === to).map(([action]) => pathOf(action));
    const side = otherSide(to);
    const shown = paths.slice(0, SHOWN).map(quote).join(", ") + (paths.length > SHOWN ? " …" : "");
    const why = `the ${side} side has names that its listings do not show (${shown}): the ${to} side keeps its copies`;
    return { code: "hiddenNames", side, count: paths.length, why };
  });
}

const SHOWN = 4;

function isFolderRemoval(action: Action): boolean {
  return action.do === "remove" && !isLeaf(action.target);
}
