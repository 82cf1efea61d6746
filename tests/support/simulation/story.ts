import fc from "npm:fast-check@4.10.2";
import type { ConflictPolicy, Mode } from "../../../lib/sync/common/options.ts";
import type { Side } from "../../../lib/core/entry.ts";
import type { Lies } from "../lying.ts";
import type { MemoryDials, OptionalMethod } from "../../../lib/backends/memory/options.ts";

/** What goes wrong in a run; numbers are counted modulo what there is. */
export type Trouble =
  | { readonly trouble: "none" }
  | { readonly trouble: "crash"; readonly at: number; readonly isDone: boolean }
  | { readonly trouble: "fail"; readonly at: number; readonly lost: boolean }
  | { readonly trouble: "list"; readonly side: Side; readonly at: number; readonly after: number }
  | { readonly trouble: "cut"; readonly side: Side; readonly at: number; readonly after: number }
  | {
    readonly trouble: "inject";
    readonly at: number;
    readonly edit: Edit;
    readonly side: Side;
    readonly there: boolean;
  }
  | { readonly trouble: "lie"; readonly side: Side; readonly lies: Lies }
  | { readonly trouble: "cancel"; readonly at: number };

/** What a user does: `content` numbers a shared content, or makes one of its own; `old`: its time lies in the past. */
export interface Edit {
  readonly how: "write" | "makeDir" | "delete" | "touch" | "rename";
  readonly path: string;
  readonly to: string;
  readonly content: "fresh" | "long" | "x" | "y";
  readonly old: boolean;
}

export interface Sync {
  readonly mode: Mode;
  readonly mirror: boolean;
  readonly remove: boolean;
  readonly skipNew: boolean;
  readonly skipModified: boolean;
  readonly conflict: ConflictPolicy;
  readonly checksum: boolean;
  readonly concurrency: number;
  readonly careful: boolean;
  readonly dry: boolean;
  /** Whether what loses is put away, and whether that takes it from its place. */
  readonly trash: "none" | "copies" | "moves";
  readonly trouble: Trouble;
}

export type Step =
  | { readonly step: "edit"; readonly side: Side; readonly edit: Edit }
  | { readonly step: "sync"; readonly sync: Sync }
  | { readonly step: "forget" };

/** `base`: what both sides held before, edits of one tree. `seed`: the order of listings. */
export interface Story {
  readonly dials: Readonly<Record<Side, MemoryDials>>;
  readonly base: readonly Edit[];
  readonly steps: readonly Step[];
}

export interface StoryOptions {
  /** Runs that something goes wrong in. */
  readonly troubled: boolean;
  /** Both, removing, no version ever given up; else runs of every kind. */
  readonly quiet: boolean;
}

/** One tree, edited on both sides, and runs in between. */
export function anyStory({ troubled, quiet }: StoryOptions): fc.Arbitrary<Story> {
  const trouble = troubled ? anyTrouble : fc.constant<Trouble>({ trouble: "none" });
  const sync = fc.record({ ...(quiet ? quietSync : usualSync), trouble }).map(withTrash);
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 6, arbitrary: fc.record({ step: fc.constant("edit" as const), side, edit: anyEdit }) },
    { weight: 4, arbitrary: fc.record({ step: fc.constant("sync" as const), sync }) },
    ...(quiet ? [] : [{ weight: 1, arbitrary: fc.record({ step: fc.constant("forget" as const) }) }]),
  );
  return fc.record({
    dials: fc.record({ local: fc.oneof(fc.constant({}), diskDials), remote: anyDials }),
    base: fc.array(anyEdit, { maxLength: 6 }),
    steps: fc.array(step, { minLength: 1, maxLength: 10 }),
  });
}

/** In Both what loses is always put away. */
function withTrash(sync: Sync): Sync {
  return sync.mode === "Both" && sync.trash === "none" ? { ...sync, trash: "copies" } : sync;
}

const side = fc.constantFrom("local", "remote" as const);
const names = ["a", "b", "A", "c", "caf\u00e9", "cafe\u0301"];
const paths = fc.array(fc.constantFrom(...names.slice(0, 2), ...names), { minLength: 1, maxLength: 3 }).map((each) =>
  each.join("/")
);

const anyEdit: fc.Arbitrary<Edit> = fc.record({
  how: fc.constantFrom("write", "write", "write", "delete", "makeDir", "touch", "rename"),
  path: paths,
  to: paths,
  content: fc.constantFrom("fresh", "fresh", "long", "x", "y"),
  old: fc.boolean(),
});

const at = fc.nat(40);
const anyTrouble: fc.Arbitrary<Trouble> = fc.oneof(
  { weight: 2, arbitrary: fc.constant({ trouble: "none" as const }) },
  fc.record({ trouble: fc.constant("crash" as const), at, isDone: fc.boolean() }),
  fc.record({ trouble: fc.constant("fail" as const), at, lost: fc.boolean() }),
  fc.record({ trouble: fc.constant("list" as const), side, at: fc.nat(6), after: fc.nat(2) }),
  fc.record({ trouble: fc.constant("cut" as const), side, at: fc.nat(4), after: fc.nat(3) }),
  fc.record({ trouble: fc.constant("inject" as const), at, edit: anyEdit, side, there: fc.boolean() }),
  fc.record({ trouble: fc.constant("cancel" as const), at }),
);

const usualSync = {
  mode: fc.constantFrom<Mode>("Local", "Remote", "Both", "Both"),
  mirror: fc.boolean(),
  remove: fc.boolean(),
  skipNew: fc.nat(7).map((n) => n === 0),
  skipModified: fc.nat(7).map((n) => n === 0),
  conflict: fc.constantFrom<ConflictPolicy>(
    "Newest",
    "Oldest",
    "Local",
    "Remote",
    "Larger",
    "Smaller",
    "KeepBoth",
    "Skip",
  ),
  checksum: fc.nat(3).map((n) => n === 0),
  concurrency: fc.integer({ min: 1, max: 4 }),
  careful: fc.nat(3).map((n) => n === 0),
  dry: fc.nat(3).map((n) => n === 0),
  trash: fc.constantFrom("none", "copies", "moves" as const),
};

const quietSync = {
  ...usualSync,
  mode: fc.constant<Mode>("Both"),
  mirror: fc.constant(false),
  remove: fc.constant(true),
  skipNew: fc.constant(false),
  skipModified: fc.constant(false),
  conflict: fc.constantFrom<ConflictPolicy>("Newest", "Oldest", "Local", "Remote", "Larger", "Smaller", "KeepBoth"),
  careful: fc.constant(false),
};

/** A run in Both that brings deletions along. */
export const anyQuietSync: fc.Arbitrary<Sync> = fc.record({
  ...quietSync,
  trouble: fc.constant<Trouble>({ trouble: "none" }),
}).map(withTrash);

/** A removing run of any mode over a side whose listings lie. */
export const anyDeceivedSync: fc.Arbitrary<Sync> = fc.record({
  ...usualSync,
  remove: fc.constant(true),
  trouble: fc.record({
    trouble: fc.constant("lie" as const),
    side,
    lies: fc.record({ seed: fc.nat(1_000_000), steady: fc.boolean(), among: fc.constantFrom(1, 2, 3, 6) }),
  }),
}).map(withTrash);

const lacks: fc.Arbitrary<readonly OptionalMethod[]> = fc.constantFrom(
  ...[[], [], ["walk"], ["rename"], ["copy"], ["rename", "copy", "checksum"], [
    "checksum",
    "walk",
  ]] as OptionalMethod[][],
);

const anyDials: fc.Arbitrary<MemoryDials> = fc.record({
  timeStep: fc.constantFrom(1, 1, 1000, 2000, 60_000, undefined),
  caseSensitive: fc.nat(3).map((n) => n > 0),
  normalizes: fc.nat(3).map((n) => n === 0),
  hasDirs: fc.nat(3).map((n) => n > 0),
  dirTimes: fc.boolean(),
  revisions: fc.nat(3).map((n) => n === 0),
  fileIds: fc.boolean(),
  seed: fc.nat(9),
  lacks,
}).map((dials) => ({ ...dials, dirTimes: dials.dirTimes && dials.hasDirs }));

/** What a disk may be like: it has folders, and keeps times. */
const diskDials: fc.Arbitrary<MemoryDials> = fc.record({
  timeStep: fc.constantFrom(1, 100, 2000),
  caseSensitive: fc.boolean(),
  normalizes: fc.nat(3).map((n) => n === 0),
  dirTimes: fc.boolean(),
  fileIds: fc.boolean(),
  changeTimes: fc.boolean(),
  seed: fc.nat(9),
  lacks: fc.constantFrom<readonly OptionalMethod[]>([], ["walk"], ["copy", "checksum"]),
});
