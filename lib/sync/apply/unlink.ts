import { type SyncError, toSyncError } from "../../core/errors.ts";
import { isWithin, type RelPath } from "../../core/path.ts";
import type { DirEntry, Side } from "../../core/entry.ts";
import { type Crew, hold, sideBySide } from "./executor.ts";
import type { Phases, Remove } from "./phases.ts";

/** A folder that is to be removed with its whole content. */
interface Whole {
  readonly side: Side;
  readonly entry: DirEntry;
}

/**
 * Removes the links that a listing showed as folders, before anything is removed from their targets, if the backend has
 * such listings. Returns the phases without the removals of that content, since it is no longer in the tree. A link
 * that must stay is one failure, and the removals of its apparent content are held.
 */
export async function unlinkFolders(phases: Phases, crew: Crew): Promise<Phases> {
  const removals = [...phases.removals, ...phases.emptied.flat()];
  const settled = new Set<Remove>();
  const ends: Whole[] = [];
  const isSettled = ({ side, entry }: Whole) =>
    ends.some((end) => end.side === side && isWithin(entry.path, end.entry.path));
  // From the top down: nothing behind a link is checked.
  for (const level of levels(phases)) {
    await sideBySide(level.filter((whole) => !isSettled(whole)), crew, {
      async work(whole) {
        const end = await unlink(whole, crew);
        if (end === false) return;
        ends.push(whole);
        const { side, entry } = whole;
        const within = removals.filter(({ to, path }) => to === side && isWithin(path, entry.path));
        for (const action of within) settled.add(action);
        await settle(within, { end, path: entry.path, crew });
      },
    });
  }
  if (settled.size === 0) return phases;
  const isLeft = (action: Remove) => !settled.has(action);
  return {
    ...phases,
    removals: phases.removals.filter(isLeft),
    emptied: phases.emptied.map((level) => level.filter(isLeft)),
  };
}

interface End {
  readonly end: true | SyncError;
  /** The folder's own path. */
  readonly path: RelPath;
  readonly crew: Crew;
}

/**
 * Ends the removals in a folder that was a link: done if the link was removed, otherwise held because the folder's own
 * removal failed.
 */
async function settle(within: readonly Remove[], { end, path, crew }: End): Promise<void> {
  if (end === true) {
    for (const action of within) await crew.attempts.attempt(action, () => Promise.resolve({}));
    return;
  }
  const own = within.find((action) => action.path === path);
  if (own !== undefined) await crew.attempts.attempt(own, () => Promise.reject(end));
  hold(within.filter((action) => action !== own), end.message, crew);
}

/** Returns the folders that are removed as a whole by depth, topmost first: each of them may be a link. */
function levels({ emptied, takeovers }: Phases): readonly (readonly Whole[])[] {
  const replaced = takeovers.map(({ copy, replaces }) => ({ side: copy.to, entry: replaces }));
  const going = emptied.toReversed().map((level) =>
    level.flatMap(({ to, target }) => target.kind === "dir" ? [{ side: to, entry: target }] : [])
  );
  return [replaced, ...going];
}

/**
 * Returns whether it was a link and is removed now, or the error because of which it must stay. Any other failure will
 * occur again in the removals themselves.
 */
async function unlink({ side, entry }: Whole, { sides, attempts }: Crew): Promise<boolean | SyncError> {
  try {
    return await sides[side].removeLink?.(entry, attempts) ?? false;
  } catch (error) {
    const why = toSyncError(error, "remove");
    return why.kind === "refused" ? why : false;
  }
}
