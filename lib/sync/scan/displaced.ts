import { toSyncError } from "../../core/errors.ts";
import { escapeForDisplay, nameOf, type RelPath } from "../../core/path.ts";
import { isDisplacedTag, tempTag, tempTarget } from "../../core/temp_name.ts";
import { type Entry, type FileEntry, type Side, sides as bothSides } from "../../core/entry.ts";
import type { Backend, CallOptions } from "../../core/backend.ts";
import type { SyncEvent } from "../../core/plan.ts";

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
export interface ResolvedDisplaced {
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
  if (tag === undefined || !isDisplacedTag(tag, partial)) return false;
  return new TextEncoder().encode(nameOf(entry.path)).length < MAX_UNSHORTENED;
}

/** Decides what the old versions are, by the other entries of the side. Pure. */
export function resolveDisplaced(oldVersions: readonly FileEntry[], entries: readonly Entry[]): ResolvedDisplaced {
  if (oldVersions.length === 0) return { entries: [], displaced: [], leftovers: [] };
  const taken = new Set(entries.map((entry) => entry.path));
  const restored = new Set<RelPath>();
  const result = { entries: [] as Entry[], displaced: [] as Displaced[], leftovers: [] as RelPath[] };
  for (const aside of oldVersions) {
    const to = tempTarget(aside.path);
    if (to === undefined || taken.has(to)) {
      result.leftovers.push(aside.path);
      continue;
    }
    if (restored.has(to)) {
      const why = "it is one of several old versions of one file";
      result.entries.push({ kind: "opaque", path: aside.path, cause: "special", why });
      continue;
    }
    restored.add(to);
    result.entries.push({ ...aside, path: to });
    result.displaced.push({ from: aside.path, to });
  }
  return result;
}

/** Renames the old versions back, as the plan assumes. A failure is noted; the actions of that file fail later. */
export async function* restoreDisplaced(
  sides: Readonly<Record<Side, Backend>>,
  displaced: Readonly<Record<Side, readonly Displaced[]>>,
  { signal }: CallOptions,
): AsyncGenerator<SyncEvent, void, void> {
  for (const side of bothSides) {
    for (const { from, to } of displaced[side]) {
      const name = escapeForDisplay(to);
      let why = `"${name}" had been renamed to "${
        escapeForDisplay(from)
      }" by a run that was interrupted; it has its name again`;
      try {
        await sides[side].rename?.(from, to, { signal, expect: "absent" });
      } catch (error) {
        why = `The old version of "${name}" is still called "${escapeForDisplay(from)}": ${
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
const MAX_UNSHORTENED = 250;
