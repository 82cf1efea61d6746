import { toSyncError } from "../../core/errors.ts";
import { nameOf, printable, type RelPath } from "../../core/path.ts";
import { isSwapTag, tempTag, tempTarget } from "../../core/temp_name.ts";
import { type Entry, type FileEntry, type Side, sides as bothSides, type SyncEvent } from "../../core/entry.ts";
import type { Backend, Call } from "../../core/backend.ts";

/** A file that a run which was killed left under a temporary name: its old version, before the new one had its name. */
export interface Displaced {
  readonly from: RelPath;
  readonly to: RelPath;
}

/** What a scan makes of the old versions it found: entries under their own names, or leftovers where the new version is there. */
export interface Settled {
  readonly entries: readonly Entry[];
  readonly displaced: readonly Displaced[];
  readonly leftovers: readonly RelPath[];
}

/** Whether an entry is an old version that stepped aside for a replacement of ours, under a name that tells its own name whole. */
export function isDisplaced(entry: Entry, partial: string): entry is FileEntry {
  const tag = entry.kind === "file" ? tempTag(entry.path) : undefined;
  if (tag === undefined || !isSwapTag(tag, partial)) return false;
  return new TextEncoder().encode(nameOf(entry.path)).length < LONGEST_SURE;
}

/** Settles the old versions by what else the side holds. Pure. */
export function settleDisplaced(asides: readonly FileEntry[], entries: readonly Entry[]): Settled {
  if (asides.length === 0) return { entries: [], displaced: [], leftovers: [] };
  const taken = new Set(entries.map((entry) => entry.path));
  const given = new Set<RelPath>();
  const settled = { entries: [] as Entry[], displaced: [] as Displaced[], leftovers: [] as RelPath[] };
  for (const aside of asides) {
    const to = tempTarget(aside.path);
    if (to === undefined || taken.has(to)) {
      settled.leftovers.push(aside.path);
      continue;
    }
    if (given.has(to)) {
      const why = "it is one of several old versions of one file";
      settled.entries.push({ kind: "opaque", path: aside.path, cause: "special", why });
      continue;
    }
    given.add(to);
    settled.entries.push({ ...aside, path: to });
    settled.displaced.push({ from: aside.path, to });
  }
  return settled;
}

/** Gives the old versions their names again, as the plan takes for granted. One that cannot be renamed is noted; its actions fail later. */
export async function* restoreDisplaced(
  sides: Readonly<Record<Side, Backend>>,
  displaced: Readonly<Record<Side, readonly Displaced[]>>,
  { signal }: Call,
): AsyncGenerator<SyncEvent, void, void> {
  for (const side of bothSides) {
    for (const { from, to } of displaced[side]) {
      const name = printable(to);
      let why = `"${name}" had been renamed to "${
        printable(from)
      }" by a run that was interrupted; it has its name again`;
      try {
        await sides[side].rename?.(from, to, { signal, expect: "absent" });
      } catch (error) {
        why = `The old version of "${name}" is still called "${printable(from)}": ${
          toSyncError(error, "rename").message
        }`;
      }
      yield { type: "noted", note: { code: "displaced", path: to, side, why } };
    }
  }
}

/** Bytes of a temporary name up to which nothing of the file's own name was cut off: names may have 255. */
const LONGEST_SURE = 250;
