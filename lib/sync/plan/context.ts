import { parentOf, type RelPath } from "../../core/path.ts";
import {
  type Action,
  type Conflict,
  type Entry,
  type History,
  type Lesson,
  type Note,
  type Refusal,
  type Side,
  sides as bothSides,
} from "../../core/entry.ts";
import type { PlanOptions, PlanSide, Untraced } from "../common/options.ts";
import { type Names, toNames, trashHolder } from "./names.ts";
import { hasLooseRevisions } from "./revisions.ts";
import type { Row } from "./rows.ts";
import { quoted } from "../common/text.ts";

/**
 * The result of one pass over a snapshot, by key of the folder. `unnamed`: folders with names that cannot be
 * synchronized; `stays`: folders that must not be removed.
 */
export interface Survey {
  readonly unnamed: ReadonlySet<string>;
  readonly stays: ReadonlySet<string>;
  /** The first folder that could not be read. */
  readonly unread: RelPath | undefined;
}

/** A plan under construction. */
export interface Draft {
  readonly actions: Action[];
  readonly conflicts: Conflict[];
  readonly refusals: Refusal[];
  readonly held: Refusal[];
  readonly notes: Note[];
  readonly lessons: Lesson[];
  readonly open: RelPath[];
  readonly free: RelPath[];
  readonly doubtful: RelPath[];
  readonly unsure: RelPath[];
  /** The names given to conflict copies in this plan, by key. */
  readonly given: Set<string>;
  /** Entries that are missing without evidence of a deletion, by side and folder. */
  readonly untraced: Map<string, Missing>;
  /** Counters, each reported in one note at the end. */
  readonly counts: Record<Count, number>;
  /** Entries that history knows, that one side lacks, and that are restored there. */
  readonly restoring: RelPath[];
}

export type Count = "onlyThere" | "skippedNew" | "emptyFolders" | "restored" | "unproven";

/** The shared state of all planning functions. */
export interface Context {
  readonly sides: Readonly<Record<Side, PlanSide>>;
  readonly history: History | undefined;
  readonly options: PlanOptions;
  readonly names: Names;
  readonly surveys: Readonly<Record<Side, Survey>>;
  /** Sides whose revisions differ in each answer. */
  readonly loose: Readonly<Record<Side, boolean>>;
  readonly draft: Draft;
  /** The reason why nothing may be removed in this run; undefined if removals are allowed. */
  readonly holding: string | undefined;
}

export function toContext(
  sides: Readonly<Record<Side, PlanSide>>,
  history: History | undefined,
  options: PlanOptions,
): Context {
  const draft: Draft = {
    actions: [],
    conflicts: [],
    refusals: [],
    held: [],
    notes: [],
    lessons: [],
    open: [],
    free: [],
    doubtful: [],
    unsure: [],
    given: new Set(),
    untraced: new Map(),
    counts: { onlyThere: 0, skippedNew: 0, emptyFolders: 0, restored: 0, unproven: 0 },
    restoring: [],
  };
  const names = toNames(sides);
  const surveys = {
    local: survey("local", sides.local, { names, draft }),
    remote: survey("remote", sides.remote, { names, draft }),
  };
  const unread = surveys.local.unread ?? surveys.remote.unread;
  const holding = unread === undefined || options.removeDespiteFailures
    ? undefined
    : `${quoted(unread)} could not be read, and nothing is removed after a failed listing; ` +
      "-RemoveDespiteFailures lets removals go on outside of it";
  const loose = {
    local: hasLooseRevisions("local", sides.local, history),
    remote: hasLooseRevisions("remote", sides.remote, history),
  };
  return { sides, history, options, names, surveys, loose, draft, holding };
}

/** Excludes a path from the run and reports it as failed. */
export function refuse(context: Context, side: Side, refusal: Omit<Refusal, "side">): void {
  context.draft.refusals.push({ side, ...refusal });
}

/** Adds a pair to a list of paths to compare by checksum, under each of its spellings. */
export function askFor(list: RelPath[], row: Row): void {
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
export function keepOf(context: Context, loser: Entry, side: Side): { readonly keep?: RelPath } {
  if (context.options.mode !== "Both") return {};
  const keep = context.options.keepLosers(loser.path, side);
  return keep === undefined ? {} : { keep };
}

/** Returns both sides, the source first. */
export function sidesFrom(source: Side): readonly Side[] {
  return source === "local" ? bothSides : [...bothSides].reverse();
}

/** Finds the paths that fail before anything is written, in every mode, and the folders that must stay. */
function survey(side: Side, given: PlanSide, { names, draft }: { names: Names; draft: Draft }): Survey {
  const unnamed = new Set<string>();
  const stays = new Set<string>();
  let unread: RelPath | undefined;
  for (const dir of given.hidden ?? []) stays.add(names.key(dir));
  for (const entry of given.snapshot) {
    const holder = trashHolder(entry.path);
    if (holder !== undefined) {
      stays.add(names.key(holder));
      continue;
    }
    if (entry.kind !== "opaque") continue;
    const { path, why, cause } = entry;
    if (cause === "name") {
      const folder = names.key(parentOf(path));
      unnamed.add(folder);
      stays.add(folder);
      draft.refusals.push({ path, side, kind: "badInput", why });
    } else if (cause === "unreadable") {
      unread ??= path;
      draft.refusals.push({ path, side, kind: "denied", why });
    }
  }
  return { unnamed, stays, unread };
}

/** Entries that are missing without evidence of a deletion, counted per folder. */
export interface Missing extends Untraced {
  readonly side: Side;
  count: number;
}
