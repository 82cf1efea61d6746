import type { Traits } from "../../core/backend.ts";
import { escapeForDisplay, foldPath, parentOf, type RelPath, root } from "../../core/path.ts";
import { type DirEntry, type Entry, otherSide, type Side, type Snapshot } from "../../core/entry.ts";
import { tempTarget } from "../../core/temp_name.ts";
import type { PlanBuilder } from "./context.ts";
import type { UnprovenAbsence } from "../common/options.ts";
import type { Roots } from "../common/roots.ts";
import type { BaseEntry, History } from "../../core/history.ts";

/**
 * Both sides as listed and as recorded in history. `rootEntries`: the roots as they were listed; `leftovers`: temporary
 * files of this pair.
 */
export interface EvidenceFacts {
  readonly snapshots: Readonly<Record<Side, Snapshot>>;
  readonly traits: Readonly<Record<Side, Traits>>;
  readonly rootEntries: Readonly<Partial<Record<Side, DirEntry>>>;
  readonly history: History;
  readonly roots: Roots;
  readonly leftovers: Readonly<Record<Side, readonly RelPath[]>>;
}

/**
 * Returns the function that reports why the absence of a path on a side is no deletion: an earlier run was interrupted
 * while it replaced the file; the root is another folder than the recorded one; or the nearest existing folder is not
 * later than recorded, so that side was restored from a backup or is not mounted. The function returns undefined if the
 * absence may be a deletion, also if folder times are no evidence.
 */
export function toAbsenceCheck(facts: EvidenceFacts): (path: RelPath, side: Side) => UnprovenAbsence | undefined {
  const { traits, rootEntries, roots } = facts;
  const folders = toFolderIndex(facts);
  const begun = { local: toTargets(facts.leftovers.local), remote: toTargets(facts.leftovers.remote) };
  return (path, side) => {
    if (begun[side].has(path)) {
      return { folder: parentOf(path), why: "an earlier run was interrupted while it replaced the file" };
    }
    const [id, entry] = [roots[side]?.id, rootEntries[side]];
    if (id !== undefined && entry?.fileId !== undefined && id !== entry.fileId) {
      return { folder: root, why: `it is another folder than in the last run: ${HINT}` };
    }
    if (!traits[side].dirTimes) return undefined;
    let folder = parentOf(path);
    while (folder !== root && folders.find(folder, side)?.kind !== "dir") folder = parentOf(folder);
    const found = folder === root ? entry : folders.find(folder, side);
    const now = found?.kind === "dir" ? found.modified : undefined;
    const then = folder === root ? roots[side]?.modified : folders.findBase(folder)?.[side]?.modified;
    if (now === undefined || then === undefined || now > then) return undefined;
    const state = now === then ? "nothing in it was deleted since the last run" : "it is older than in the last run";
    return { folder, why: `${state}: ${HINT}` };
  };
}

/** Returns the reason that applies to every absence while history has no seal. */
export function unsealedAbsence(): UnprovenAbsence {
  return { folder: root, why: "the history was written by an older version and has no seal yet" };
}

const HINT = "was it restored from a backup, or is a disk not mounted?";

function toTargets(leftovers: readonly RelPath[]): ReadonlySet<RelPath> {
  return new Set(leftovers.flatMap((path) => tempTarget(path) ?? []));
}

interface FolderIndex {
  find(folder: RelPath, side: Side): Entry | undefined;
  findBase(folder: RelPath): BaseEntry | undefined;
}

/** Indexes folders by name, under every spelling that the coarser side treats as the same name. */
function toFolderIndex({ snapshots, traits, history }: EvidenceFacts): FolderIndex {
  const caseSensitive = traits.local.caseSensitive && traits.remote.caseSensitive;
  const normalizes = traits.local.normalizes || traits.remote.normalizes;
  if (caseSensitive && !normalizes) {
    return { find: (folder, side) => snapshots[side].get(folder), findBase: (folder) => history.get(folder) };
  }
  const key = (path: RelPath) => foldPath(path, { caseSensitive, normalizes });
  const byKey = <T extends { readonly kind: string; readonly path: RelPath }>(items: Iterable<T>) => {
    let found: Map<string, T> | undefined;
    return (folder: RelPath) => {
      found ??= new Map(Array.from(items).filter(({ kind }) => kind === "dir").map((one) => [key(one.path), one]));
      return found.get(key(folder));
    };
  };
  const sides = { local: byKey(snapshots.local), remote: byKey(snapshots.remote) };
  return { find: (folder, side) => sides[side](folder), findBase: byKey(history) };
}

/** Counts files for the one note about their folder. */
export function countUnprovenAbsence(
  { unprovenAbsences: untraced }: PlanBuilder,
  { folder, why }: UnprovenAbsence,
  more: { side: Side; count: number },
): void {
  const key = `${more.side} ${folder}`;
  const counted = untraced.get(key);
  if (counted === undefined) untraced.set(key, { folder, why, ...more });
  else counted.count += more.count;
}

/** Adds one note per folder. `restores`: the missing entries are restored from the other side. */
export function noteUnprovenAbsences({ unprovenAbsences: untraced, notes }: PlanBuilder, restores: boolean): void {
  for (const { folder, side, count, why } of untraced.values()) {
    const where = folder === root ? "the root" : `"${escapeForDisplay(folder)}"`;
    const what = count === 1 ? "1 file is" : `${count} files are`;
    const end = restores
      ? `brought back from the ${otherSide(side)} side`
      : `not removed from the ${otherSide(side)} side`;
    const text = `${what} missing in ${where} on the ${side} side, but ${why}${why.endsWith("?") ? "" : "."} ${
      count === 1 ? "It is" : "They are"
    } ${end}`;
    notes.push({ code: "untraced", side, count, why: text });
  }
}
