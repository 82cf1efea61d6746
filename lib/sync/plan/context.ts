import { parentOf, type RelPath } from "../../core/path.ts";
import { type Entry, type Side, sides as bothSides } from "../../core/entry.ts";
import type { PlanOptions, PlanSide, UnprovenAbsence } from "../common/options.ts";
import { folderOfTrash, type NameMatcher, toNameMatcher } from "./names.ts";
import { hasVolatileRevisions } from "./revisions.ts";
import type { Row } from "./rows.ts";
import { quote } from "../common/text.ts";
import type { History, HistoryUpdate } from "../../core/history.ts";
import type { Action, Conflict, Note, Refusal } from "../../core/plan.ts";

/**
 * The result of one pass over a snapshot, by key of the folder. `unnamed`: folders with names that cannot be
 * synchronized; `incomplete`: those of them whose listing has lines that cannot be read; `stays`: folders that must not
 * be removed.
 */
export interface FolderFacts {
  readonly unnamed: ReadonlySet<string>;
  readonly incomplete: ReadonlySet<string>;
  readonly stays: ReadonlySet<string>;
  /** The first folder that could not be read. */
  readonly unreadable: RelPath | undefined;
}

/** A plan under construction. */
export interface PlanBuilder {
  readonly actions: Action[];
  readonly conflicts: Conflict[];
  readonly refusals: Refusal[];
  readonly heldRemovals: Refusal[];
  readonly notes: Note[];
  readonly historyUpdates: HistoryUpdate[];
  readonly undecided: RelPath[];
  readonly free: RelPath[];
  readonly doubtful: RelPath[];
  readonly unproven: RelPath[];
  /** The names given to conflict copies in this plan, by key. */
  readonly copyNames: Set<string>;
  /** Entries that are missing without evidence of a deletion, by side and folder. */
  readonly unprovenAbsences: Map<string, AbsenceCount>;
  /** Counters, each reported in one note at the end. */
  readonly counts: Record<CounterName, number>;
  /** Leftovers of other programs that are left alone, one path for each name. */
  readonly foreign: RelPath[];
  /** Entries that history knows, that one side lacks, and that are restored there. */
  readonly restored: RelPath[];
}

export type CounterName = "onlyThere" | "skippedNew" | "emptyFolders" | "restored" | "unproven";

/** The shared state of all planning functions. */
export interface PlanContext {
  readonly sides: Readonly<Record<Side, PlanSide>>;
  readonly history: History | undefined;
  readonly options: PlanOptions;
  readonly names: NameMatcher;
  readonly folderFacts: Readonly<Record<Side, FolderFacts>>;
  /** Sides whose revisions differ in each answer. */
  readonly volatileRevisions: Readonly<Record<Side, boolean>>;
  readonly builder: PlanBuilder;
  /** The reason why nothing may be removed in this run; undefined if removals are allowed. */
  readonly removalBlock: string | undefined;
}

export function toPlanContext(
  sides: Readonly<Record<Side, PlanSide>>,
  history: History | undefined,
  options: PlanOptions,
): PlanContext {
  const builder: PlanBuilder = {
    actions: [],
    conflicts: [],
    refusals: [],
    heldRemovals: [],
    notes: [],
    historyUpdates: [],
    undecided: [],
    free: [],
    doubtful: [],
    unproven: [],
    copyNames: new Set(),
    unprovenAbsences: new Map(),
    counts: { onlyThere: 0, skippedNew: 0, emptyFolders: 0, restored: 0, unproven: 0 },
    foreign: [],
    restored: [],
  };
  const names = toNameMatcher(sides);
  const folderFacts = {
    local: findFolderFacts("local", sides.local, { names, draft: builder }),
    remote: findFolderFacts("remote", sides.remote, { names, draft: builder }),
  };
  const unread = folderFacts.local.unreadable ?? folderFacts.remote.unreadable;
  const removalBlock = unread === undefined || options.removeDespiteFailures
    ? undefined
    : `${quote(unread)} could not be read, and nothing is removed after a failed listing; ` +
      "-RemoveDespiteFailures allows removals outside of it";
  const volatileRevisions = {
    local: hasVolatileRevisions("local", sides.local, history),
    remote: hasVolatileRevisions("remote", sides.remote, history),
  };
  return { sides, history, options, names, folderFacts, volatileRevisions, builder, removalBlock };
}

/** Excludes a path from the run and reports it as failed. */
export function refuse(context: PlanContext, side: Side, refusal: Omit<Refusal, "side">): void {
  context.builder.refusals.push({ side, ...refusal });
}

/** Adds a pair to a list of paths to compare by checksum, under each of its spellings. */
export function requestChecksum(list: RelPath[], row: Row): void {
  if (row.local !== undefined) list.push(row.local.path);
  if (row.remote !== undefined && row.remote.path !== row.local?.path) list.push(row.remote.path);
}

/** Returns the key of the folder that contains the row. */
export function folderOf(key: string): string {
  return parentOf(key as RelPath);
}

/** Returns the entries of a row on one side: one, or those that clash. */
export function entriesOf(row: Row, side: Side): readonly Entry[] {
  if (row.clash !== undefined) return row.clash[side];
  const entry = row[side];
  return entry === undefined ? [] : [entry];
}

/**
 * Returns the fields of an action that keep the replaced or removed version, in mode Both; no fields in the other
 * modes.
 */
export function keepFields(context: PlanContext, loser: Entry, side: Side): { readonly backupPath?: RelPath } {
  if (context.options.mode !== "Both") return {};
  const keep = context.options.keepDiscarded(loser.path, side);
  return keep === undefined ? {} : { backupPath: keep };
}

/** Returns both sides, the source first. */
export function sourceFirst(source: Side): readonly Side[] {
  return source === "local" ? bothSides : [...bothSides].reverse();
}

/** Returns why nothing in a folder may be removed on either side; undefined if both of its listings are whole. */
export function incompleteFolder({ folderFacts }: PlanContext, folder: string): string | undefined {
  const side = bothSides.find((one) => folderFacts[one].incomplete.has(folder));
  return side &&
    `the listing of its folder on the ${side} side has lines that cannot be read; nothing beside such lines is removed`;
}

/** Finds the paths that fail before anything is written, in every mode, and the folders that must stay. */
function findFolderFacts(
  side: Side,
  given: PlanSide,
  { names, draft: builder }: { names: NameMatcher; draft: PlanBuilder },
): FolderFacts {
  const unnamed = new Set<string>();
  const incomplete = new Set<string>();
  const stays = new Set<string>();
  let unread: RelPath | undefined;
  for (const dir of given.hidden ?? []) stays.add(names.key(dir));
  for (const entry of given.snapshot) {
    const holder = folderOfTrash(entry.path);
    if (holder !== undefined) {
      stays.add(names.key(holder));
      continue;
    }
    if (entry.kind !== "opaque") continue;
    const { path, why, cause } = entry;
    const folder = names.key(parentOf(path));
    if (entry.incomplete === true) incomplete.add(folder);
    if (cause === "name" || entry.incomplete === true) {
      unnamed.add(folder);
      stays.add(folder);
    }
    if (cause === "name") {
      builder.refusals.push({ path, side, kind: "badInput", why });
    } else if (cause === "unreadable") {
      unread ??= path;
      builder.refusals.push({ path, side, kind: "denied", why });
    }
  }
  return { unnamed, incomplete, stays, unreadable: unread };
}

/** Entries that are missing without evidence of a deletion, counted per folder. */
export interface AbsenceCount extends UnprovenAbsence {
  readonly side: Side;
  count: number;
}
