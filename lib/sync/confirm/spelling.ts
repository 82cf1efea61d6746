import { foldPath, nameOf, parentOf, type RelPath, root } from "../../core/path.ts";
import { type Side, sides as bothSides, type Snapshot } from "../../core/entry.ts";
import type { Backends } from "../common/sides.ts";
import type { History } from "../../core/history.ts";

/** `from`: the side whose spelling is wanted. History has the local side's spelling. */
export interface SpellingOptions {
  readonly from: Side;
  readonly sides: Backends;
  readonly snapshots: Readonly<Record<Side, Snapshot>>;
  readonly history: History | undefined;
}

/** A mapping from names of one side of a pair to the other side's spelling. */
export interface Spelling {
  /** Returns one key for all spellings that are one name for this pair; undefined if names are compared exactly. */
  readonly key: ((path: RelPath) => string) | undefined;
  /**
   * Returns the side's own spelling of a path of the other side. If it is unknown, the other side's name is used in the
   * folder as this side spells it.
   */
  own(path: RelPath): RelPath;
  /** Returns every spelling under which the side may have the path, the likeliest first. */
  all(path: RelPath): readonly RelPath[];
}

export function toSpelling({ from, sides, snapshots, history }: SpellingOptions): Spelling {
  const rules = {
    caseSensitive: bothSides.every((side) => sides[side].traits.caseSensitive),
    normalizes: bothSides.some((side) => sides[side].traits.normalizes),
  };
  if (rules.caseSensitive && !rules.normalizes) return { key: undefined, own: (path) => path, all: (path) => [path] };
  const key = (path: RelPath) => foldPath(path, rules);
  let spellings: Map<string, RelPath> | undefined;
  const own = (path: RelPath): RelPath => {
    spellings ??= new Map(
      [...from === "local" ? history ?? [] : [], ...snapshots[from]].map((one) => [key(one.path), one.path]),
    );
    const spelled = spellings.get(key(path));
    if (spelled !== undefined || path === root) return spelled ?? root;
    const dir = own(parentOf(path));
    return (dir === root ? nameOf(path) : `${dir}/${nameOf(path)}`) as RelPath;
  };
  const all = (path: RelPath) => {
    const first = own(path);
    return [...new Set([first, path, first.normalize("NFC") as RelPath, first.normalize("NFD") as RelPath])];
  };
  return { key, own, all };
}
