import fc from "npm:fast-check@4.10.2";
import type { RelPath } from "../../../lib/core/path.ts";
import type { Entry, Side } from "../../../lib/core/entry.ts";
import type { Tree, TreeNode } from "../planning/interpret.ts";
import { START, sumOf } from "../planning/planning.ts";

/** One thing a user does to a tree. Paths are positions among those that exist or could, so that shrinking stays meaningful. */
export type Edit =
  | { readonly edit: "write"; readonly path: string; readonly content: string }
  | { readonly edit: "link"; readonly path: string; readonly target: string }
  | { readonly edit: "makeDir"; readonly path: string }
  | { readonly edit: "delete"; readonly path: string }
  | { readonly edit: "touch"; readonly path: string }
  | { readonly edit: "rename"; readonly path: string; readonly to: string };

/** One tree that was edited on both sides: unrelated trees would share nothing. `base`: what both sides held before. */
export interface Story {
  readonly base: readonly Edit[];
  readonly local: readonly Edit[];
  readonly remote: readonly Edit[];
  /** Listings give checksums. */
  readonly sums: boolean;
}

/** Contents "x" and "y" are of one size. */
const contents = ["x", "y", "long"] as const;

/** Any path of three names, three deep. */
export const anyPath = fc.array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 3 }).map((names) =>
  names.join("/")
);

const anyEdit: fc.Arbitrary<Edit> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ edit: fc.constant("write" as const), path: anyPath, content: fc.constantFrom(...contents) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ edit: fc.constant("link" as const), path: anyPath, target: fc.constantFrom("s", "t") }),
  },
  { weight: 1, arbitrary: fc.record({ edit: fc.constant("makeDir" as const), path: anyPath }) },
  { weight: 3, arbitrary: fc.record({ edit: fc.constant("delete" as const), path: anyPath }) },
  { weight: 1, arbitrary: fc.record({ edit: fc.constant("touch" as const), path: anyPath }) },
  { weight: 2, arbitrary: fc.record({ edit: fc.constant("rename" as const), path: anyPath, to: anyPath }) },
);

export const anyStory: fc.Arbitrary<Story> = fc.record({
  base: fc.array(anyEdit, { maxLength: 8 }),
  local: fc.array(anyEdit, { maxLength: 4 }),
  remote: fc.array(anyEdit, { maxLength: 4 }),
  sums: fc.boolean(),
});

/** The trees of a story. Each edit has a time of its own, a minute apart from every other on either side. */
export function treesOf({ base, local, remote, sums }: Story): Readonly<Record<"base" | Side, Tree>> {
  const before = editAll(new Map(), base, { sums, from: START });
  return {
    base: before,
    local: editAll(before, local, { sums, from: START + HOUR_MS }),
    remote: editAll(before, remote, { sums, from: START + 2 * HOUR_MS }),
  };
}

/** A tree after some more edits. What an edit stands in the way of is replaced: a file by the folder above a new one. */
function editAll(tree: Tree, edits: readonly Edit[], { sums, from }: { sums: boolean; from: number }): Tree {
  const edited = new Map(tree);
  edits.forEach((edit, i) => editOne(edited, edit, { sums, time: from + i * MINUTE_MS }));
  return edited;
}

/** What a tree holds, times aside: to compare two sides. */
export function outline(tree: Tree): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Array.from(tree, ([path, { entry, content }]) => [path, `${entry.kind} ${content}`] as const).sort(),
  );
}

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

type Growing = Map<RelPath, TreeNode>;

function editOne(tree: Growing, edit: Edit, { sums, time }: { sums: boolean; time: number }): void {
  const path = edit.path as RelPath;
  if (edit.edit === "delete") return clear(tree, path);
  if (edit.edit === "touch") {
    const found = tree.get(path);
    if (found?.entry.kind === "file") tree.set(path, { ...found, entry: { ...found.entry, modified: time } });
    return;
  }
  if (edit.edit === "rename") return rename(tree, path, edit.to as RelPath);
  if (edit.edit === "makeDir" && tree.get(path)?.entry.kind === "dir") return;
  clear(tree, path);
  makeParents(tree, path);
  if (edit.edit === "makeDir") tree.set(path, { content: "", entry: { kind: "dir", path } });
  else if (edit.edit === "link") {
    tree.set(path, { content: `-> ${edit.target}`, entry: { kind: "link", path, target: edit.target } });
  } else {
    const entry: Entry = { kind: "file", path, size: edit.content.length, modified: time };
    tree.set(path, { content: edit.content, entry: sums ? { ...entry, checksum: sumOf(edit.content) } : entry });
  }
}

function rename(tree: Growing, path: RelPath, to: RelPath): void {
  if (!tree.has(path) || to === path || to.startsWith(`${path}/`) || path.startsWith(`${to}/`)) return;
  const moved = Array.from(tree).filter(([at]) => at === path || at.startsWith(`${path}/`));
  clear(tree, path);
  clear(tree, to);
  makeParents(tree, to);
  for (const [at, thing] of moved) {
    const new_ = (to + at.slice(path.length)) as RelPath;
    tree.set(new_, { ...thing, entry: { ...thing.entry, path: new_ } });
  }
}

function clear(tree: Growing, path: RelPath): void {
  for (const at of [...tree.keys()]) if (at === path || at.startsWith(`${path}/`)) tree.delete(at);
}

function makeParents(tree: Growing, path: RelPath): void {
  const names = path.split("/");
  for (let depth = 1; depth < names.length; depth++) {
    const dir = names.slice(0, depth).join("/") as RelPath;
    if (tree.get(dir)?.entry.kind !== "dir") tree.set(dir, { content: "", entry: { kind: "dir", path: dir } });
  }
}
