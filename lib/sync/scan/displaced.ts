import { toSyncError } from "../../core/errors.ts";
import { nameOf, printable, type RelPath } from "../../core/path.ts";
import { isSwapTag, tempTag, tempTarget } from "../../core/temp_name.ts";
import { type Entry, type FileEntry, type Side, sides as bothSides, type SyncEvent } from "../../core/entry.ts";
import type { Backend, Call } from "../../core/backend.ts";

/**
 * The old version of a file that a killed run left under a temporary name, before the new version was renamed to the
 * file's name.
 */
export interface Displaced {
  readonly from: RelPath;
  readonly to: RelPath;
}

/**
 * The result for the old versions that a scan found: entries under their own names, or leftovers if the new version
 * exists.
 */
export interface Settled {
  readonly entries: readonly Entry[];
  readonly displaced: readonly Displaced[];
  readonly leftovers: readonly RelPath[];
}

/**
 * Whether an entry is an old version that one of our replacements renamed, under a temporary name that contains its
 * whole own name.
 */
export function isDisplaced(entry: Entry, partial: string): entry is FileEntry {
  const tag = entry.kind === "file" ? tempTag(entry.path) : undefined;
  if (tag === undefined || !isSwapTag(tag, partial)) return false;
  return new TextEncoder().encode(nameOf(entry.path)).length < LONGEST_SURE;
}

/** Decides what the old versions are, by the other entries of the side. Pure. */
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

/** Renames the old versions back, as the plan assumes. A failure is noted; the actions of that file fail later. */
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

/**
 * The length in bytes of a temporary name below which the file's own name was certainly not shortened: names may have
 * 255.
 */
const LONGEST_SURE = 250;
