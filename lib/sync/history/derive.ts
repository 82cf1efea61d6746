import type { Traits } from "../../core/backend.ts";
import { parentOf, type RelPath, root } from "../../core/path.ts";
import {
  type Action,
  type DirEntry,
  type Entry,
  type FileEntry,
  type History,
  type Known,
  type Lesson,
  type LinkEntry,
  type Mark,
  otherSide,
  type Plan,
  type Side,
  sides as bothSides,
  type Snapshot,
} from "../../core/entry.ts";
import { type Reading, recognize, toDoubted, toProvisional } from "./marks.ts";
import type { RootFacts, Roots } from "../common/roots.ts";
import { toMark } from "../common/criteria.ts";

/** The second listing of one side after the run. */
export interface Seen {
  /** The written entries by path; present if a listing may differ from the result of a write. */
  readonly entries?: ReadonlyMap<RelPath, Entry>;
  /** The folders that were written to. */
  readonly folders: ReadonlyMap<RelPath, DirEntry>;
}

/** All facts from which history is derived. */
export interface Facts {
  readonly plan: Plan;
  /** The results of actions; actions of the plan that are missing were not carried out. */
  readonly done: ReadonlyMap<Action, Entry | undefined>;
  readonly history: History;
  /** Both sides as the plan saw them. */
  readonly before: Readonly<Record<Side, Snapshot>>;
  /** The second listings; missing for a side that was not listed again. */
  readonly seen: Readonly<Partial<Record<Side, Seen>>>;
  readonly traits: Readonly<Record<Side, Traits>>;
  /** The start of the listings, in ms since the epoch. */
  readonly listedAt: number;
  /** The end of the last action, in ms since the epoch. */
  readonly endedAt: number;
  /** The end time of each action. Without it no action is assumed to have ended later than the listings. */
  readonly doneAt?: ReadonlyMap<Action, number>;
}

/**
 * Returns the history updates of a run. Pure. Only entries that were verified equal on both sides are recorded. A path
 * that one side lacks afterwards is removed from history, unless its removal is still pending. Failures, open conflicts
 * and excluded paths keep their history.
 */
export function toLessons(facts: Facts): readonly Lesson[] {
  const { plan, done } = facts;
  const judged = { facts, pending: findPending(facts) };
  const lessons = plan.lessons.map((lesson) => ripen(lesson, judged)).filter((one) => one !== undefined);
  for (const action of plan.actions) {
    lessons.push(...(done.has(action) ? learnDone(action, judged) : learnUndone(action, facts)));
  }
  return lessons;
}

/**
 * Returns the facts about the roots to record: a root keeps its former time if its present one cannot be trusted.
 * `entries`: as listed.
 */
export function toRoots(facts: Facts, entries: Readonly<Partial<Record<Side, DirEntry>>>, old: Roots): Roots {
  const pending = findPending(facts);
  const roots: Partial<Record<Side, RootFacts>> = {};
  for (const side of bothSides) {
    const [entry, then] = [entries[side], old[side]];
    const kept = then?.modified === undefined ? undefined : { size: 0, modified: then.modified };
    const mark = entry === undefined ? kept : folderMark(entry, kept, { facts, side, pending });
    const id = entry?.fileId ?? then?.id;
    roots[side] = {
      ...(id === undefined ? {} : { id }),
      ...(mark?.modified === undefined ? {} : { modified: mark.modified }),
    };
  }
  return roots;
}

/** Folders, by side, in which an entry is missing that history still knows: their times must not be recorded. */
type Pending = Readonly<Record<Side, ReadonlySet<RelPath>>>;

interface Judged {
  readonly facts: Facts;
  readonly pending: Pending;
}

/** The granularity of disk times in ms: disks count time in ticks, however many digits they show. */
const TICK_MS = 10;

/** Returns the listings before the run as the origin of a path's marks. */
function readWith({ traits, listedAt, before }: Facts, path: RelPath): Reading {
  const entryOf = (side: Side) => {
    const entry = before[side].get(path);
    return entry?.kind === "file" ? { [side]: entry } : {};
  };
  const entries = { ...entryOf("local"), ...entryOf("remote") };
  return { traits, readAt: { local: listedAt, remote: listedAt }, entries };
}

function findPending({ plan, done, before }: Facts): Pending {
  const found = { local: new Set<RelPath>(), remote: new Set<RelPath>() };
  const miss = (path: RelPath) => {
    for (const side of bothSides) {
      if (before[side].get(path) !== undefined) continue;
      let dir = parentOf(path);
      while (dir !== root && before[side].get(dir)?.kind !== "dir") dir = parentOf(dir);
      found[side].add(dir);
    }
  };
  for (const { path } of [...plan.held, ...plan.refusals, ...plan.conflicts]) miss(path);
  for (const action of plan.actions) if (!done.has(action)) miss(action.path);
  return found;
}

/**
 * Returns a lesson of the plan (the same object if possible, since there may be a million) with marks that are too
 * recent to be trusted set provisional or omitted. Returns undefined if nothing new remains.
 */
function ripen(lesson: Lesson, judged: Judged): Lesson | undefined {
  const { path, known } = lesson;
  if (known?.kind === "file") {
    const ripe = toProvisional(known, readWith(judged.facts, path));
    return ripe === known ? lesson : { path, known: ripe };
  }
  if (known?.kind !== "dir") return lesson;
  const ripe = toKnownDir(path, judged);
  return isSameDir(ripe, judged.facts.history.get(path)) ? undefined : { path, known: ripe };
}

function learnDone(action: Action, judged: Judged): readonly Lesson[] {
  const { to, path } = action;
  const { facts } = judged;
  switch (action.do) {
    case "remove":
      return drop(facts, path);
    case "makeDir":
      if (facts.before[otherSide(to)].get(path)?.kind !== "dir") return drop(facts, path);
      return [{ path, known: toKnownDir(path, judged) }];
    case "copy":
      return action.source.kind === "link"
        ? learnLink(action.source, { to, path, facts })
        : learnCopy(action.source, { to, path, facts, action });
    case "move":
      return [...drop(facts, action.source.path), ...learnMended(action.source, { to, path, facts, action })];
    case "touch":
      return learnMended(action.target, { to, path, facts, action }).map((lesson) => unsure(lesson, to));
    default:
      return action satisfies never;
  }
}

/**
 * Marks the side as provisional: setting the time hides an edit made right before, so the next run compares the content
 * again.
 */
function unsure({ path, known }: Lesson, side: Side): Lesson {
  return { path, known: known === undefined ? undefined : toDoubted(known, side) };
}

/**
 * Returns the lessons of an action that was not carried out: an entry that was to be created is removed from history,
 * so that its absence is no deletion; otherwise history keeps the entry.
 */
function learnUndone(action: Action, facts: Facts): readonly Lesson[] {
  if (action.do === "remove" || action.do === "touch" || action.do === "move") return [];
  return action.replaces === undefined ? drop(facts, action.path) : [];
}

interface Where {
  readonly to: Side;
  readonly path: RelPath;
  readonly facts: Facts;
}

function learnLink(source: LinkEntry, { to, path, facts }: Where): readonly Lesson[] {
  const seen = facts.seen[to]?.entries?.get(path);
  if (seen !== undefined && (seen.kind !== "link" || seen.target !== source.target)) return [];
  const name = to === "local" ? path : source.path;
  return respell(facts, [path, source.path], { path: name, kind: "link", target: source.target });
}

function learnCopy(
  source: FileEntry,
  { to, path, facts, action }: Where & { readonly action: Action },
): readonly Lesson[] {
  const result = facts.done.get(action);
  if (result?.kind !== "file" || result.size !== source.size) return [];
  const listed = facts.seen[to]?.entries;
  const seen = listed === undefined ? result : listed.get(path);
  if (seen?.kind !== "file") return [];
  const doneAt = facts.doneAt?.get(action) ?? facts.listedAt;
  const replaced = "replaces" in action && action.replaces?.kind === "file" ? action.replaces : undefined;
  const traits = facts.traits[to];
  const found = recognize(seen, { result, source, replaced, traits, since: facts.listedAt, doneAt });
  if (found === undefined) return [];
  const mine = toMark(found.entry);
  const marks = to === "local" ? { local: mine, remote: toMark(source) } : { local: toMark(source), remote: mine };
  const checksum = result.checksum ?? source.checksum;
  const name = to === "local" ? path : source.path;
  const known: Known = { path: name, kind: "file", ...marks, ...(checksum === undefined ? {} : { checksum }) };
  const entries = to === "local" ? { local: seen, remote: source } : { local: source, remote: seen };
  // The time of an upload is always recent, so a revision beside it is trusted.
  const isStamped = !found.isKept && found.entry.revision !== undefined;
  const readAt = { local: facts.listedAt, remote: facts.listedAt, [to]: isStamped ? Infinity : doneAt };
  const ripe = toProvisional(known, { traits: facts.traits, readAt, entries });
  return respell(facts, [path, source.path], found.isSure ? ripe : toDoubted(ripe, to));
}

/** Returns the lesson for proven equal content whose name or time was corrected. */
function learnMended(
  target: FileEntry,
  { to, path, facts, action }: Where & { readonly action: Action },
): readonly Lesson[] {
  const across = facts.before[otherSide(to)].get(path);
  const listed = facts.seen[to]?.entries;
  const seen = listed === undefined ? facts.done.get(action) : listed.get(path);
  if (across?.kind !== "file" || seen?.kind !== "file") return [];
  if (seen.size !== target.size || across.size !== target.size) return [];
  const [mine, theirs] = [toMark(seen), toMark(across)];
  const marks = to === "local" ? { local: mine, remote: theirs } : { local: theirs, remote: mine };
  const checksum = target.checksum ?? across.checksum ?? facts.history.get(target.path)?.checksum;
  const known: Known = { path, kind: "file", ...marks, ...(checksum === undefined ? {} : { checksum }) };
  return [{ path, known: toProvisional(known, readWith(facts, path)) }];
}

function toKnownDir(path: RelPath, judged: Judged): Known {
  const { facts } = judged;
  const old = facts.history.get(path);
  const marks: Partial<Record<Side, Mark>> = {};
  for (const side of bothSides) {
    const { folders, entries } = facts.seen[side] ?? {};
    const entry = folders?.get(path) ?? entries?.get(path) ?? facts.before[side].get(path);
    const kept = old?.kind === "dir" ? old[side] : undefined;
    const mark = entry?.kind === "dir" ? folderMark(entry, kept, { ...judged, side }) : kept;
    if (mark !== undefined) marks[side] = mark;
  }
  return { path, kind: "dir", ...marks };
}

/**
 * Returns the mark with the folder's time, by which a later absence in it can be told from a deletion. The former mark
 * is kept if the time is too recent, or if an entry that history knows is missing in the folder.
 */
function folderMark(
  { path, modified }: DirEntry,
  kept: Mark | undefined,
  { facts, side, pending }: Judged & { readonly side: Side },
): Mark | undefined {
  const { dirTimes, timeStep } = facts.traits[side];
  if (!dirTimes || modified === undefined || pending[side].has(path)) return kept;
  if (kept?.modified === modified) return kept;
  const readAt = facts.seen[side]?.folders.has(path) ? facts.endedAt : facts.listedAt;
  return readAt - modified <= Math.max(timeStep ?? 0, TICK_MS) ? kept : { size: 0, modified };
}

function isSameDir(a: Known, b: Known | undefined): boolean {
  return b?.kind === "dir" && bothSides.every((side) => a[side]?.modified === b[side]?.modified);
}

/** Removes the entries under other spellings from history and records this one. */
function respell(facts: Facts, spellings: readonly RelPath[], known: Known): readonly Lesson[] {
  const others = spellings.filter((path) => path !== known.path).flatMap((path) => drop(facts, path));
  return [...others, { path: known.path, known }];
}

function drop({ history }: Facts, path: RelPath): readonly Lesson[] {
  return history.get(path) === undefined ? [] : [{ path, known: undefined }];
}
