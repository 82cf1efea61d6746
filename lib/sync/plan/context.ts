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

/** What one pass over a snapshot tells, by key of the folder: who holds names that cannot be carried, and who must stay. */
export interface Survey {
  readonly unnamed: ReadonlySet<string>;
  readonly stays: ReadonlySet<string>;
  /** The first folder that could not be read. */
  readonly unread: RelPath | undefined;
}

/** A plan in the making. */
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
  /** Names given to conflict copies in this plan, by key. */
  readonly given: Set<string>;
  /** What is missing without a trace of a deletion, by side and folder. */
  readonly untraced: Map<string, Missing>;
  /** What is counted for one note at the end. */
  readonly counts: Record<Count, number>;
  /** What history knows and one side lacks, and gets back. */
  readonly restoring: RelPath[];
}

export type Count = "onlyThere" | "skippedNew" | "emptyFolders" | "restored" | "unproven";

/** All that the parts of planning share. */
export interface Context {
  readonly sides: Readonly<Record<Side, PlanSide>>;
  readonly history: History | undefined;
  readonly options: PlanOptions;
  readonly names: Names;
  readonly surveys: Readonly<Record<Side, Survey>>;
  /** Sides whose revisions are another in each answer. */
  readonly loose: Readonly<Record<Side, boolean>>;
  readonly draft: Draft;
  /** Why no removal may happen in this run; undefined when removals may. */
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

/** Leaves a path out of the run, as a failure of that path. */
export function refuse(context: Context, side: Side, refusal: Omit<Refusal, "side">): void {
  context.draft.refusals.push({ side, ...refusal });
}

/** Lists a pair for a checksum, under each spelling it has. */
export function askFor(list: RelPath[], row: Row): void {
  if (row.local !== undefined) list.push(row.local.path);
  if (row.remote !== undefined && row.remote.path !== row.local?.path) list.push(row.remote.path);
}

/** The key of the folder that holds the row. */
export function folderOf(key: string): string {
  return parentOf(key as RelPath);
}

/** The entries that a row has on one side: one, or those that clash. */
export function entriesOf(row: Row, side: Side): readonly Entry[] {
  if (row.clash !== undefined) return row.clash[side];
  const entry = row[side];
  return entry === undefined ? [] : [entry];
}

/** Mode Both keeps what is overwritten or removed; elsewhere nothing is kept. As fields of an action. */
export function keepOf(context: Context, loser: Entry, side: Side): { readonly keep?: RelPath } {
  if (context.options.mode !== "Both") return {};
  const keep = context.options.keepLosers(loser.path, side);
  return keep === undefined ? {} : { keep };
}

/** Both sides, the one that is read first. */
export function sidesFrom(source: Side): readonly Side[] {
  return source === "local" ? bothSides : [...bothSides].reverse();
}

/** Paths that fail before anything is written, whatever the mode. */
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

/** What is missing without a trace, counted by folder. */
export interface Missing extends Untraced {
  readonly side: Side;
  count: number;
}
