import { explainUnstorableName, foldPath, nameOf, parentOf, type RelPath } from "../../core/path.ts";
import { type Side, sides as bothSides } from "../../core/entry.ts";
import type { PlanSide } from "../common/options.ts";

/**
 * The rules by which names of both sides are equal. Both sides are compared under the coarser side's rule: if either
 * folds case or Unicode forms, both are folded. If neither does, the key of a path is the path itself and no index is
 * built.
 */
export interface NameMatcher {
  readonly folds: boolean;
  key(path: string): string;
  /** Records how a side spells a folder, for entries created below it. */
  recordSpelling(side: Side, key: string, path: RelPath): void;
  /**
   * Returns the path on `side` for the entry with this key, called `path` on the other side: in the folder as that side
   * spells it.
   */
  pathOn(side: Side, key: string, path: RelPath): RelPath;
  /** Whether either side has an entry of this name. */
  isTaken(path: RelPath): boolean;
}

export function toNameMatcher(sides: Readonly<Record<Side, PlanSide>>): NameMatcher {
  const rules = {
    caseSensitive: bothSides.every((side) => sides[side].traits.caseSensitive),
    normalizes: bothSides.some((side) => sides[side].traits.normalizes),
  };
  if (rules.caseSensitive && !rules.normalizes) return exactMatcher(sides);
  const key = (path: string) => {
    if (!ASCII.test(path)) return foldPath(path, rules);
    return rules.caseSensitive ? path : path.toLowerCase();
  };
  const spelled: Readonly<Record<Side, Map<string, RelPath>>> = { local: new Map(), remote: new Map() };
  const keys = new Set<string>();
  return {
    folds: true,
    key,
    recordSpelling: (side, folder, path) => void spelled[side].set(folder, path),
    pathOn(side, of, path) {
      const folder = spelled[side].get(parentOf(of as RelPath)) ?? parentOf(path);
      return (folder === "" ? nameOf(path) : `${folder}/${nameOf(path)}`) as RelPath;
    },
    isTaken(path) {
      if (keys.size === 0) {
        for (const side of bothSides) for (const entry of sides[side].snapshot) keys.add(key(entry.path));
      }
      return keys.has(key(path));
    },
  };
}

/** Returns why `side` cannot hold a new entry of this name, as a clause; undefined if it can. */
export function nameProblem(side: Side, path: RelPath, sides: Readonly<Record<Side, PlanSide>>): string | undefined {
  const { names, maxNameBytes } = sides[side].traits;
  return explainUnstorableName(nameOf(path), names, maxNameBytes);
}

/** Returns the folder that contains the trash folder named in the path; undefined if the path names no trash folder. */
export function folderOfTrash(path: string): string | undefined {
  if (!path.includes(TRASH)) return undefined;
  const names = path.split("/");
  const at = names.indexOf(TRASH);
  return at < 0 ? undefined : names.slice(0, at).join("/");
}

function exactMatcher(sides: Readonly<Record<Side, PlanSide>>): NameMatcher {
  return {
    folds: false,
    key: (path) => path,
    recordSpelling: () => {},
    pathOn: (_side, _key, path) => path,
    isTaken: (path) => bothSides.some((side) => sides[side].snapshot.get(path) !== undefined),
  };
}

/** The name of the trash folder. It is reserved, and ignored at every depth. */
const TRASH = ".tandem-trash";

/** ASCII text: Unicode normalization leaves it unchanged, and case folding only makes it lower case. */
// deno-lint-ignore no-control-regex
const ASCII = /^[\u0000-\u007f]*$/;
