import assert from "node:assert/strict";
import { toRelPath } from "../../../../lib/core/path.ts";
import { type Phases, toPhases } from "../../../../lib/sync/apply/phases.ts";
import type { DirEntry, FileEntry } from "../../../../lib/core/entry.ts";
import type { Action } from "../../../../lib/core/plan.ts";

const dir = (path: string): DirEntry => ({ kind: "dir", path: toRelPath(path) });
const file = (path: string): FileEntry => ({ kind: "file", path: toRelPath(path), size: 1 });
const makeDir = (path: string, replaces?: FileEntry): Action => ({
  do: "makeDir",
  to: "remote",
  path: toRelPath(path),
  why: "new",
  ...(replaces === undefined ? {} : { replaces }),
});
const copy = (path: string, more: { replaces?: FileEntry | DirEntry; keep?: string } = {}): Action => ({
  do: "copy",
  to: "remote",
  path: toRelPath(path),
  why: "new",
  source: file(path),
  ...(more.replaces === undefined ? {} : { replaces: more.replaces }),
  ...(more.keep === undefined ? {} : { backupPath: toRelPath(more.keep) }),
});
const remove = (target: FileEntry | DirEntry): Action => ({
  do: "remove",
  to: "remote",
  path: target.path,
  why: "gone",
  target,
});

function paths(actions: readonly Action[]): readonly string[] {
  return actions.map((action) => action.path);
}

function levels(list: Phases["folders"] | Phases["folderRemovals"]): readonly (readonly string[])[] {
  return list.map(paths);
}

Deno.test("toPhases() groups folders by depth, parents first, and removes them the other way round", () => {
  const phases = toPhases([
    makeDir("a"),
    makeDir("a/b/c"),
    makeDir("a/b"),
    remove(dir("x")),
    remove(dir("x/y")),
    remove(file("x/y/z")),
    makeDir("d"),
  ]);
  assert.deepEqual(levels(phases.folders), [["a", "d"], ["a/b"], ["a/b/c"]]);
  assert.deepEqual(levels(phases.folderRemovals), [["x/y"], ["x"]]);
  assert.deepEqual(paths(phases.fileRemovals), ["x/y/z"]);
});

Deno.test("toPhases() takes what goes into a folder that replaces a file out of the ordinary order", () => {
  const phases = toPhases([makeDir("p", file("p")), makeDir("p/q"), copy("p/q/r"), copy("pq"), copy("s")]);
  assert.deepEqual(phases.filesToDirs.map((swap) => swap.dir.path), ["p"]);
  assert.deepEqual(levels(phases.newDirFolders), [["p/q"]]);
  assert.deepEqual(paths(phases.newDirContent), ["p/q/r"]);
  assert.deepEqual(paths(phases.transfers), ["pq", "s"]);
  assert.deepEqual(phases.folders, []);
});

Deno.test("toPhases() sets a file apart that takes a folder's place", () => {
  const phases = toPhases([copy("d", { replaces: dir("d") }), copy("e")]);
  assert.deepEqual(phases.dirsToFiles.map((one) => one.copy.path), ["d"]);
  assert.deepEqual(paths(phases.transfers), ["e"]);
});

Deno.test("toPhases() puts copies first that keep a copy of what they replace", () => {
  const phases = toPhases([copy("a"), copy("b", { replaces: file("b"), keep: "b (conflict)" })]);
  assert.deepEqual([paths(phases.keepingCopies), paths(phases.transfers)], [["b"], ["a"]]);
});
