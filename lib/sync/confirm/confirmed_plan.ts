import { parentOf, type RelPath, root } from "../../core/path.ts";
import {
  type Action,
  type History,
  type Note,
  otherSide,
  type Plan,
  type Refusal,
  type Side,
  type Snapshot,
} from "../../core/entry.ts";
import { toSpelling } from "./spelling.ts";
import type { Backends } from "../common/sides.ts";
import { quoted } from "../common/text.ts";
import { isLeaf } from "../common/leaves.ts";

/**
 * The reason why an action must not be carried out: "wrong" if its listing was wrong, "hidden" if the other side has a
 * name that it does not list.
 */
export interface Doubt {
  readonly is: "wrong" | "hidden";
  readonly why: string;
}

export interface DoubtOptions {
  readonly sides: Backends;
  readonly snapshots: Readonly<Record<Side, Snapshot>>;
  readonly history: History | undefined;
  readonly removeDespiteFailures: boolean;
}

/**
 * Returns the plan without the doubtful actions and those that depend on them. Pure. Each path about which a listing
 * was wrong is refused. Every other removal, move and change of type is then held, unless failures are to be ignored.
 */
export function withDoubts(plan: Plan, doubts: ReadonlyMap<Action, Doubt>, options: DoubtOptions): Plan {
  const first = Array.from(doubts).find(([, { is }]) => is === "wrong");
  const holding = first === undefined || options.removeDespiteFailures
    ? undefined
    : `${quoted(pathOf(first[0]))} was missing from a listing though it is there; run again`;
  const staying = toStaying(plan.actions, { doubts, isHolding: holding !== undefined });
  const toCopy = copier(options);
  const actions: Action[] = [];
  const refusals = [...plan.refusals];
  const held = [...plan.held];
  for (const action of plan.actions) {
    const doubt = doubts.get(action);
    const isHeld = holding !== undefined && isDestructive(action);
    const blocked = blockedBy(action, staying);
    if (doubt === undefined && !isHeld && blocked === undefined) {
      actions.push(action);
      continue;
    }
    if (action.do === "move" && blocked === undefined) actions.push(...toCopy(action));
    if (doubt?.is === "wrong" && !isAbove(action, staying)) refusals.push(toRefusal(action, doubt.why));
    if (doubt !== undefined) continue;
    if (isHeld) held.push(toHeld(action, holding));
    else if (blocked !== undefined && holding !== undefined) held.push(toHeld(action, holding));
    else if (blocked !== undefined && action.do === "copy") refusals.push(toRefusal(action, blocked));
  }
  return { ...plan, actions, refusals, held, notes: [...plan.notes, ...hiddenNotes(doubts)] };
}

type Paths = Readonly<Record<Side, Set<RelPath>>>;

/** The entries that stay although the plan removed them. */
interface Staying {
  /** The folders above an entry that stays. */
  readonly above: Paths;
  /** The paths that keep their old type. */
  readonly places: Paths;
}

function toStaying(
  actions: readonly Action[],
  { doubts, isHolding }: { readonly doubts: ReadonlyMap<Action, Doubt>; readonly isHolding: boolean },
): Staying {
  const above = { local: new Set<RelPath>(), remote: new Set<RelPath>() };
  const places = { local: new Set<RelPath>(), remote: new Set<RelPath>() };
  for (const action of actions) {
    if (!isDestructive(action) || (!isHolding && !doubts.has(action))) continue;
    if (isChangeOfType(action)) places[action.to].add(action.path);
    const path = pathOf(action);
    for (let dir = parentOf(path); dir !== root; dir = parentOf(dir)) above[action.to].add(dir);
  }
  for (const action of actions) {
    if (isChangeOfType(action) && above[action.to].has(action.path)) places[action.to].add(action.path);
  }
  return { above, places };
}

/** Returns why an action that is not in doubt itself cannot be carried out; undefined if it can. */
function blockedBy(action: Action, { above, places }: Staying): string | undefined {
  if (action.do === "remove" && above[action.to].has(action.path)) return "something in it stays";
  if (places[action.to].size === 0) return undefined;
  for (let path = action.path; path !== root; path = parentOf(path)) {
    if (places[action.to].has(path)) return `${quoted(path)} keeps the type it has`;
  }
  return undefined;
}

/** Whether the action removes a folder that contains something that stays, so that it needs no report of its own. */
function isAbove(action: Action, { above }: Staying): boolean {
  return action.do === "remove" && above[action.to].has(action.path);
}

function isChangeOfType(action: Action): boolean {
  if (action.do === "makeDir") return action.replaces !== undefined;
  return action.do === "copy" && action.replaces !== undefined && action.replaces.kind !== action.source.kind;
}

function isDestructive(action: Action): boolean {
  return action.do === "remove" || action.do === "move" || isChangeOfType(action);
}

/** Returns the path that the action would remove or replace. */
function pathOf(action: Action): RelPath {
  return action.do === "move" ? action.source.path : action.path;
}

function toRefusal(action: Action, why: string): Refusal {
  return { path: pathOf(action), side: otherSide(action.to), kind: "changed", why };
}

function toHeld(action: Action, why: string): Refusal {
  return { path: pathOf(action), side: action.to, kind: "refused", why };
}

/** Returns the function that replaces a move by a copy: the new name is still created, from the other side's file. */
function copier(options: DoubtOptions): (move: Action) => readonly Action[] {
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
function hiddenNotes(doubts: ReadonlyMap<Action, Doubt>): readonly Note[] {
  const hidden = Array.from(doubts).filter(([action, { is }]) => is === "hidden" && !isFolder(action));
  const sides = new Set(hidden.map(([{ to }]) => to));
  return Array.from(sides, (to) => {
    const paths = hidden.filter(([action]) => action.to === to).map(([action]) => pathOf(action));
    const side = otherSide(to);
    const shown = paths.slice(0, SHOWN).map(quoted).join(", ") + (paths.length > SHOWN ? " …" : "");
    const why = `the ${side} side has names that its listings do not show (${shown}): the ${to} copies are left alone`;
    return { code: "hiddenNames", side, count: paths.length, why };
  });
}

const SHOWN = 4;

function isFolder(action: Action): boolean {
  return action.do === "remove" && !isLeaf(action.target);
}
