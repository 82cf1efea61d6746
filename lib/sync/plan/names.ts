import { foldPath, nameOf, parentOf, type RelPath, unfit } from "../../core/path.ts";
import { type Side, sides as bothSides } from "../../core/entry.ts";
import type { PlanSide } from "../common/options.ts";

/**
 * The rules by which names of both sides are equal. Both sides are compared under the coarser side's rule: if either
 * folds case or Unicode forms, both are folded. If neither does, the key of a path is the path itself and no index is
 * built.
 */
export interface Names {
  readonly folds: boolean;
  key(path: string): string;
  /** Records how a side spells a folder, for entries created below it. */
  spell(side: Side, key: string, path: RelPath): void;
  /**
   * Returns the path on `side` for the entry with this key, called `path` on the other side: in the folder as that side
   * spells it.
   */
  placeOn(side: Side, key: string, path: RelPath): RelPath;
  /** Whether either side has an entry of this name. */
  taken(path: RelPath): boolean;
}

export function toNames(sides: Readonly<Record<Side, PlanSide>>): Names {
  const rules = {
    caseSensitive: bothSides.every((side) => sides[side].traits.caseSensitive),
    normalizes: bothSides.some((side) => sides[side].traits.normalizes),
  };
  if (rules.caseSensitive && !rules.normalizes) return exactNames(sides);
  const key = (path: string) => {
    if (!ASCII.test(path)) return foldPath(path, rules);
    return rules.caseSensitive ? path : path.toLowerCase();
  };
  const spelled: Readonly<Record<Side, Map<string, RelPath>>> = { local: new Map(), remote: new Map() };
  const keys = new Set<string>();
  return {
    folds: true,
    key,
    spell: (side, folder, path) => void spelled[side].set(folder, path),
    placeOn(side, of, path) {
      const folder = spelled[side].get(parentOf(of as RelPath)) ?? parentOf(path);
      return (folder === "" ? nameOf(path) : `${folder}/${nameOf(path)}`) as RelPath;
    },
    taken(path) {
      if (keys.size === 0) {
        for (const side of bothSides) for (const entry of sides[side].snapshot) keys.add(key(entry.path));
      }
      return keys.has(key(path));
    },
  };
}

/** Returns why `side` cannot hold a new entry of this name, as a clause; undefined if it can. */
export function misfit(side: Side, path: RelPath, sides: Readonly<Record<Side, PlanSide>>): string | undefined {
  const { names, maxNameBytes } = sides[side].traits;
  return unfit(nameOf(path), names, maxNameBytes);
}

/** Returns the folder that contains the trash folder named in the path; undefined if the path names no trash folder. */
export function trashHolder(path: string): string | undefined {
  if (!path.includes(TRASH)) return undefined;
  const names = path.split("/");
  const at = names.indexOf(TRASH);
  return at < 0 ? undefined : names.slice(0, at).join("/");
}

function exactNames(sides: Readonly<Record<Side, PlanSide>>): Names {
  return {
    folds: false,
    key: (path) => path,
    spell: () => {},
    placeOn: (_side, _key, path) => path,
    taken: (path) => bothSides.some((side) => sides[side].snapshot.get(path) !== undefined),
  };
}

/** The name of the trash folder. It is reserved, and ignored at every depth. */
const TRASH = ".tandem-trash";

/** ASCII text: Unicode normalization leaves it unchanged, and case folding only makes it lower case. */
// deno-lint-ignore no-control-regex
const ASCII = /^[\u0000-\u007f]*$/;
