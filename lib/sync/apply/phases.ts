import { parentOf, type RelPath, root } from "../../core/path.ts";
import { type DirEntry, type FileEntry, type LinkEntry, type Side, sides } from "../../core/entry.ts";
import type { Copy } from "../common/sides.ts";
import type { Action } from "../../core/plan.ts";

export type MakeDir = Extract<Action, { readonly do: "makeDir" }>;
export type Remove = Extract<Action, { readonly do: "remove" }>;

/** A folder that replaces a file or link, which is moved aside first. */
export interface FileToDir {
  readonly dir: MakeDir;
  readonly replaces: FileEntry | LinkEntry;
}

/** A file or link that replaces a folder: it is written under a temporary name, and renamed when the folder is gone. */
export interface DirToFile {
  readonly copy: Copy;
  readonly replaces: DirEntry;
}

/** The actions of a plan in execution order; the actions of one list may run concurrently. */
export interface Phases {
  /** By depth, parents first. */
  readonly folders: readonly (readonly MakeDir[])[];
  /** Copies that keep a second copy of the file they replace; other copies may read that one. */
  readonly keepingCopies: readonly Copy[];
  /** Copies, moves and touches whose target is free or contains what they replace. */
  readonly transfers: readonly Action[];
  readonly dirsToFiles: readonly DirToFile[];
  readonly filesToDirs: readonly FileToDir[];
  /** The content of the folders that replace files: folders by depth, then the rest. */
  readonly newDirFolders: readonly (readonly MakeDir[])[];
  readonly newDirContent: readonly Action[];
  /** The removals of files and links. */
  readonly fileRemovals: readonly Remove[];
  /** The removals of folders by depth, deepest first. */
  readonly folderRemovals: readonly (readonly Remove[])[];
}

/** Sorts a plan's actions into phases. Pure; keeps the plan's order within each list. */
export function toPhases(actions: readonly Action[]): Phases {
  const swapped = findFilesToDirs(actions);
  const folders: MakeDir[] = [];
  const keepers: Copy[] = [];
  const transfers: Action[] = [];
  const takeovers: DirToFile[] = [];
  const swapFolders: MakeDir[] = [];
  const swapContent: Action[] = [];
  const removals: Remove[] = [];
  const emptied: Remove[] = [];
  for (const action of actions) {
    if (action.do === "remove") {
      (action.target.kind === "dir" ? emptied : removals).push(action);
      continue;
    }
    const swap = fileToDirAbove(action, swapped);
    if (action.do === "makeDir") {
      if (swap?.dir !== action) (swap === undefined ? folders : swapFolders).push(action);
    } else if (swap !== undefined) swapContent.push(action);
    else if (action.do !== "copy") transfers.push(action);
    else if (action.replaces?.kind === "dir") takeovers.push({ copy: action, replaces: action.replaces });
    else (action.backupPath === undefined ? transfers : keepers).push(action);
  }
  return {
    folders: byDepth(folders),
    keepingCopies: keepers,
    transfers,
    dirsToFiles: takeovers,
    filesToDirs: sides.flatMap((side) => [...swapped[side].values()]),
    newDirFolders: byDepth(swapFolders),
    newDirContent: swapContent,
    fileRemovals: removals,
    folderRemovals: byDepth(emptied).toReversed(),
  };
}

/** Returns the actions grouped by the depth of their paths, topmost first. */
function byDepth<T extends Action>(actions: readonly T[]): readonly (readonly T[])[] {
  const levels: T[][] = [];
  for (const action of actions) {
    const depth = depthOf(action.path);
    while (levels.length <= depth) levels.push([]);
    levels[depth]?.push(action);
  }
  return levels.filter((level) => level.length > 0);
}

type FilesToDirs = Readonly<Record<Side, Map<RelPath, FileToDir>>>;

function findFilesToDirs(actions: readonly Action[]): FilesToDirs {
  const swaps: FilesToDirs = { local: new Map(), remote: new Map() };
  for (const dir of actions) {
    if (dir.do !== "makeDir") continue;
    const { replaces } = dir;
    if (replaces?.kind !== "file" && replaces?.kind !== "link") continue;
    swaps[dir.to].set(dir.path, { dir, replaces });
  }
  return swaps;
}

/** Returns the replacement of a file that creates the action's own path or a folder above it. */
function fileToDirAbove(action: Action, swaps: FilesToDirs): FileToDir | undefined {
  const bySide = swaps[action.to];
  if (bySide.size === 0) return undefined;
  for (let path = action.path; path !== root; path = parentOf(path)) {
    const swap = bySide.get(path);
    if (swap !== undefined) return swap;
  }
  return undefined;
}

function depthOf(path: string): number {
  let depth = 0;
  for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) depth++;
  return depth;
}
