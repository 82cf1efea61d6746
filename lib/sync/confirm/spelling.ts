import { foldPath, nameOf, parentOf, type RelPath, root } from "../../core/path.ts";
import { type History, type Side, sides as bothSides, type Snapshot } from "../../core/entry.ts";
import type { Backends } from "../common/sides.ts";

/** `from`: the side whose spelling is wanted. History knows the local side's. */
export interface SpellingOptions {
  readonly from: Side;
  readonly sides: Backends;
  readonly snapshots: Readonly<Record<Side, Snapshot>>;
  readonly history: History | undefined;
}

/** How one side of a pair spells names of the other. */
export interface Spelling {
  /** One key for all spellings that are one name for this pair; undefined where names are told apart exactly. */
  readonly key: ((path: RelPath) => string) | undefined;
  /** The side's own spelling of a path of the other side; where nothing tells it, that of the other in the folder as the side spells it. */
  own(path: RelPath): RelPath;
  /** Every spelling under which the side may have it, the likeliest first. */
  all(path: RelPath): readonly RelPath[];
}

export function toSpelling({ from, sides, snapshots, history }: SpellingOptions): Spelling {
  const rules = {
    caseSensitive: bothSides.every((side) => sides[side].traits.caseSensitive),
    normalizes: bothSides.some((side) => sides[side].traits.normalizes),
  };
  if (rules.caseSensitive && !rules.normalizes) return { key: undefined, own: (path) => path, all: (path) => [path] };
  const key = (path: RelPath) => foldPath(path, rules);
  let spelled: Map<string, RelPath> | undefined;
  const own = (path: RelPath): RelPath => {
    spelled ??= new Map(
      [...from === "local" ? history ?? [] : [], ...snapshots[from]].map((one) => [key(one.path), one.path]),
    );
    const known = spelled.get(key(path));
    if (known !== undefined || path === root) return known ?? root;
    const dir = own(parentOf(path));
    return (dir === root ? nameOf(path) : `${dir}/${nameOf(path)}`) as RelPath;
  };
  const all = (path: RelPath) => {
    const first = own(path);
    return [...new Set([first, path, first.normalize("NFC") as RelPath, first.normalize("NFD") as RelPath])];
  };
  return { key, own, all };
}
