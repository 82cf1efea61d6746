import type { Traits } from "../../core/backend.ts";
import { parentOf, type RelPath, root } from "../../core/path.ts";
import {
  type DirEntry,
  type Entry,
  type FileEntry,
  type LinkEntry,
  otherSide,
  type Side,
  sides as bothSides,
  type Snapshot,
} from "../../core/entry.ts";
import { markRecentUnproven, markUnproven, recognizeWritten, type StampOrigin } from "./stamps.ts";
import { type SideClocks, toClocks } from "./clocks.ts";
import type { RootFacts, Roots } from "../common/roots.ts";
import { toSideStamp } from "../common/criteria.ts";
import type { BaseEntry, History, HistoryUpdate, SideStamp } from "../../core/history.ts";
import type { Action, Plan } from "../../core/plan.ts";

/** The second listing of one side after the run. */
export interface RelistedSide {
  /** The written entries by path; present if a listing may differ from the result of a write. */
  readonly entries?: ReadonlyMap<RelPath, Entry>;
  /** The folders that were written to. */
  readonly folders: ReadonlyMap<RelPath, DirEntry>;
}

/** All facts from which history is derived. */
export interface RunFacts {
  readonly plan: Plan;
  /** The results of actions; actions of the plan that are missing were not carried out. */
  readonly done: ReadonlyMap<Action, Entry | undefined>;
  readonly history: History;
  /** Both sides as the plan saw them. */
  readonly before: Readonly<Record<Side, Snapshot>>;
  /** The second listings; missing for a side that was not listed again. */
  readonly seen: Readonly<Partial<Record<Side, RelistedSide>>>;
  readonly traits: Readonly<Record<Side, Traits>>;
  /** The sides whose files' times are set by another clock than this machine's. */
  readonly otherClocks?: readonly Side[];
  /** The entries of the roots as they were listed. */
  readonly rootEntries?: Readonly<Partial<Record<Side, DirEntry>>>;
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
export function deriveUpdates(facts: RunFacts): readonly HistoryUpdate[] {
  const { plan, done } = facts;
  const state = { facts, pending: findPending(facts), clocks: toClocks({ ...facts, folders: relistedFolders(facts) }) };
  const updates = plan.historyUpdates.map((update) => finalizeUpdate(update, state)).filter((one) => one !== undefined);
  for (const action of plan.actions) {
    updates.push(...(done.has(action) ? updatesOfDone(action, state) : updatesOfUndone(action, facts)));
  }
  return updates;
}

/**
 * Returns the facts about the roots to record: a root keeps its former time if its present one cannot be trusted.
 * `entries`: as listed.
 */
export function deriveRoots(facts: RunFacts, entries: Readonly<Partial<Record<Side, DirEntry>>>, old: Roots): Roots {
  const pending = findPending(facts);
  const roots: Partial<Record<Side, RootFacts>> = {};
  for (const side of bothSides) {
    const [entry, then] = [entries[side], old[side]];
    const kept = then?.modified === undefined ? undefined : { size: 0, modified: then.modified };
    const stamp = entry === undefined ? kept : folderStamp(entry, kept, { facts, side, pending });
    const id = entry?.fileId ?? then?.id;
    roots[side] = {
      ...(id === undefined ? {} : { id }),
      ...(stamp?.modified === undefined ? {} : { modified: stamp.modified }),
    };
  }
  return roots;
}

/** Folders, by side, in which an entry is missing that history still knows: their times must not be recorded. */
type PendingFolders = Readonly<Record<Side, ReadonlySet<RelPath>>>;

interface DeriveState {
  readonly facts: RunFacts;
  readonly pending: PendingFolders;
  readonly clocks: SideClocks;
}

/** Returns the folders that were listed again, by side. */
function relistedFolders({ seen }: RunFacts): Readonly<Partial<Record<Side, Iterable<DirEntry>>>> {
  return { local: seen.local?.folders.values() ?? [], remote: seen.remote?.folders.values() ?? [] };
}

/** The granularity of disk times in ms: disks count time in ticks, however many digits they show. */
const TICK_MS = 10;

/** Returns the listings before the run as the origin of a path's stamps. */
function stampOrigin({ facts, clocks }: DeriveState, path: RelPath): StampOrigin {
  const { traits, listedAt, before, history } = facts;
  const entryOf = (side: Side) => {
    const entry = before[side].get(path);
    return entry?.kind === "file" ? { [side]: entry } : {};
  };
  const entries = { ...entryOf("local"), ...entryOf("remote") };
  return { traits, readAt: { local: listedAt, remote: listedAt }, entries, clocks, before: history.get(path) };
}

function findPending({ plan, done, before }: RunFacts): PendingFolders {
  const found = { local: new Set<RelPath>(), remote: new Set<RelPath>() };
  const addMissing = (path: RelPath) => {
    for (const side of bothSides) {
      if (before[side].get(path) !== undefined) continue;
      let dir = parentOf(path);
      while (dir !== root && before[side].get(dir)?.kind !== "dir") dir = parentOf(dir);
      found[side].add(dir);
    }
  };
  for (const { path } of [...plan.heldRemovals, ...plan.refusals, ...plan.conflicts]) addMissing(path);
  for (const action of plan.actions) if (!done.has(action)) addMissing(action.path);
  return found;
}

/**
 * Returns an update of the plan (the same object if possible, since there may be a million) with stamps that are too
 * recent to be trusted set unproven or omitted. Returns undefined if nothing new remains.
 */
function finalizeUpdate(update: HistoryUpdate, state: DeriveState): HistoryUpdate | undefined {
  const { path, base } = update;
  if (base?.kind === "file") {
    const ripe = markRecentUnproven(base, stampOrigin(state, path));
    return ripe === base ? update : { path, base: ripe };
  }
  if (base?.kind !== "dir") return update;
  const ripe = toBaseDir(path, state);
  return isSameDir(ripe, state.facts.history.get(path)) ? undefined : { path, base: ripe };
}

function updatesOfDone(action: Action, state: DeriveState): readonly HistoryUpdate[] {
  const { to, path } = action;
  const { facts } = state;
  switch (action.do) {
    case "remove":
      return removeFromHistory(facts, path);
    case "makeDir":
      if (facts.before[otherSide(to)].get(path)?.kind !== "dir") return removeFromHistory(facts, path);
      return [{ path, base: toBaseDir(path, state) }];
    case "copy":
      return action.source.kind === "link"
        ? updatesOfLink(action.source, { to, path, facts })
        : updatesOfCopy(action.source, { to, path, state, action });
    case "move":
      return [
        ...removeFromHistory(facts, action.source.path),
        ...updatesOfAligned(action.source, { to, path, state, action }),
      ];
    case "touch":
      return updatesOfAligned(action.target, { to, path, state, action }).map((update) => asUnproven(update, to));
    default:
      return action satisfies never;
  }
}

/**
 * Marks the side as unproven: setting the time hides an edit made right before, so the next run compares the content
 * again.
 */
function asUnproven({ path, base }: HistoryUpdate, side: Side): HistoryUpdate {
  return { path, base: base === undefined ? undefined : markUnproven(base, side) };
}

/**
 * Returns the updates of an action that was not carried out: an entry that was to be created is removed from history,
 * so that its absence is no deletion; otherwise history keeps the entry.
 */
function updatesOfUndone(action: Action, facts: RunFacts): readonly HistoryUpdate[] {
  if (action.do === "remove" || action.do === "touch" || action.do === "move") return [];
  return action.replaces === undefined ? removeFromHistory(facts, action.path) : [];
}

interface UpdateTarget {
  readonly to: Side;
  readonly path: RelPath;
}

function updatesOfLink(
  source: LinkEntry,
  { to, path, facts }: UpdateTarget & { readonly facts: RunFacts },
): readonly HistoryUpdate[] {
  const seen = facts.seen[to]?.entries?.get(path);
  if (seen !== undefined && (seen.kind !== "link" || seen.target !== source.target)) return [];
  const name = to === "local" ? path : source.path;
  return recordUnderName(facts, [path, source.path], { path: name, kind: "link", target: source.target });
}

function updatesOfCopy(
  source: FileEntry,
  { to, path, state, action }: UpdateTarget & { readonly state: DeriveState; readonly action: Action },
): readonly HistoryUpdate[] {
  const { facts, clocks } = state;
  const result = facts.done.get(action);
  if (result?.kind !== "file") return [];
  const isAltered = result.size !== source.size;
  if (isAltered && facts.traits[to].altersFiles !== true) return [];
  const listed = facts.seen[to]?.entries;
  const seen = listed === undefined ? result : listed.get(path);
  if (seen?.kind !== "file") return [];
  const doneAt = facts.doneAt?.get(action) ?? facts.listedAt;
  const replaced = "replaces" in action && action.replaces?.kind === "file" ? action.replaces : undefined;
  const traits = facts.traits[to];
  const found = recognizeWritten(seen, { result, source, replaced, traits, since: facts.listedAt, doneAt });
  if (found === undefined) return [];
  const mine = toSideStamp(found.entry);
  const stamps = to === "local"
    ? { local: mine, remote: toSideStamp(source) }
    : { local: toSideStamp(source), remote: mine };
  const checksum = isAltered ? undefined : result.checksum ?? source.checksum;
  const name = to === "local" ? path : source.path;
  const base: BaseEntry = { path: name, kind: "file", ...stamps, ...(checksum === undefined ? {} : { checksum }) };
  const entries = to === "local" ? { local: seen, remote: source } : { local: source, remote: seen };
  // The time of an upload is always recent, so a revision beside it is trusted.
  const isStamped = !found.isKept && found.entry.revision !== undefined;
  const readAt = { local: facts.listedAt, remote: facts.listedAt, [to]: isStamped ? Infinity : doneAt };
  const before = facts.history.get(name) ?? facts.history.get(to === "local" ? source.path : path);
  const ripe = markRecentUnproven(base, {
    ...{ traits: facts.traits, readAt, entries, clocks, before },
    ...(found.isKept ? { written: to } : {}),
  });
  return recordUnderName(facts, [path, source.path], found.isSure ? ripe : markUnproven(ripe, to));
}

/** Returns the update for proven equal content whose name or time was corrected. */
function updatesOfAligned(
  target: FileEntry,
  { to, path, state, action }: UpdateTarget & { readonly state: DeriveState; readonly action: Action },
): readonly HistoryUpdate[] {
  const { facts } = state;
  const across = facts.before[otherSide(to)].get(path);
  const listed = facts.seen[to]?.entries;
  const seen = listed === undefined ? facts.done.get(action) : listed.get(path);
  if (across?.kind !== "file" || seen?.kind !== "file") return [];
  if (seen.size !== target.size || across.size !== target.size) return [];
  const [mine, theirs] = [toSideStamp(seen), toSideStamp(across)];
  const stamps = to === "local" ? { local: mine, remote: theirs } : { local: theirs, remote: mine };
  const checksum = target.checksum ?? across.checksum ?? facts.history.get(target.path)?.checksum;
  const base: BaseEntry = { path, kind: "file", ...stamps, ...(checksum === undefined ? {} : { checksum }) };
  return [{ path, base: markRecentUnproven(base, stampOrigin(state, path)) }];
}

function toBaseDir(path: RelPath, state: DeriveState): BaseEntry {
  const { facts } = state;
  const old = facts.history.get(path);
  const stamps: Partial<Record<Side, SideStamp>> = {};
  for (const side of bothSides) {
    const { folders, entries } = facts.seen[side] ?? {};
    const entry = folders?.get(path) ?? entries?.get(path) ?? facts.before[side].get(path);
    const kept = old?.kind === "dir" ? old[side] : undefined;
    const stamp = entry?.kind === "dir" ? folderStamp(entry, kept, { ...state, side }) : kept;
    if (stamp !== undefined) stamps[side] = stamp;
  }
  return { path, kind: "dir", ...stamps };
}

/**
 * Returns the stamp with the folder's time, by which a later absence in it can be told from a deletion. The former
 * stamp is kept if the time is too recent, or if an entry that history knows is missing in the folder.
 */
function folderStamp(
  { path, modified }: DirEntry,
  kept: SideStamp | undefined,
  { facts, side, pending }: Omit<DeriveState, "clocks"> & { readonly side: Side },
): SideStamp | undefined {
  const { dirTimes, timeStep } = facts.traits[side];
  if (!dirTimes || modified === undefined || pending[side].has(path)) return kept;
  if (kept?.modified === modified) return kept;
  const readAt = facts.seen[side]?.folders.has(path) ? facts.endedAt : facts.listedAt;
  return readAt - modified <= Math.max(timeStep ?? 0, TICK_MS) ? kept : { size: 0, modified };
}

function isSameDir(a: BaseEntry, b: BaseEntry | undefined): boolean {
  return b?.kind === "dir" && bothSides.every((side) => a[side]?.modified === b[side]?.modified);
}

/** Removes the entries under other spellings from history and records this one. */
function recordUnderName(facts: RunFacts, spellings: readonly RelPath[], base: BaseEntry): readonly HistoryUpdate[] {
  const others = spellings.filter((path) => path !== base.path).flatMap((path) => removeFromHistory(facts, path));
  return [...others, { path: base.path, base }];
}

function removeFromHistory({ history }: RunFacts, path: RelPath): readonly HistoryUpdate[] {
  return history.get(path) === undefined ? [] : [{ path, base: undefined }];
}
