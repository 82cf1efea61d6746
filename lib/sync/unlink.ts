import { type SyncError, toSyncError } from "../errors.ts";
import { isWithin, parentOf, type RelPath } from "../path.ts";
import type { DirEntry, Side } from "../types.ts";
import { type Crew, hold, sideBySide } from "./crew.ts";
import type { Phases, Remove } from "./order.ts";

/** A folder that is to go with all that it holds. */
interface Whole {
  readonly side: Side;
  readonly entry: DirEntry;
}

/**
 * Removes the links that a listing showed as folders, before anything is removed from what they point to, where the backend has such
 * listings. Returns the phases without the removals that came with them, as nothing of that content is in the tree any more. A link that
 * is to be left alone is one failure, and what seems to lie in it is held.
 */
export async function unlinkFolders(phases: Phases, crew: Crew): Promise<Phases> {
  const removals = [...phases.removals, ...phases.emptied.flat()];
  const settled = new Set<Remove>();
  await sideBySide(topmost(phases), crew, {
    async work(whole) {
      const end = await unlink(whole, crew);
      if (end === false) return;
      const { side, entry } = whole;
      const within = removals.filter(({ to, path }) => to === side && isWithin(path, entry.path));
      for (const action of within) settled.add(action);
      if (end === true) {
        for (const action of within) await crew.attempts.attempt(action, () => Promise.resolve({}));
        return;
      }
      const own = within.find(({ path }) => path === entry.path);
      if (own !== undefined) await crew.attempts.attempt(own, () => Promise.reject(end));
      hold(within.filter((action) => action !== own), end.message, crew);
    },
  });
  if (settled.size === 0) return phases;
  const isLeft = (action: Remove) => !settled.has(action);
  return {
    ...phases,
    removals: phases.removals.filter(isLeft),
    emptied: phases.emptied.map((level) => level.filter(isLeft)),
  };
}

/** The folders that go as a whole, without those that lie in another one. */
function topmost({ emptied, takeovers }: Phases): readonly Whole[] {
  const all = [
    ...emptied.flat().flatMap(({ to, target }) => target.kind === "dir" ? [{ side: to, entry: target }] : []),
    ...takeovers.map(({ copy, replaces }) => ({ side: copy.to, entry: replaces })),
  ];
  const paths: Readonly<Record<Side, ReadonlySet<RelPath>>> = {
    local: pathsOf(all, "local"),
    remote: pathsOf(all, "remote"),
  };
  return all.filter(({ side, entry }) => !paths[side].has(parentOf(entry.path)));
}

function pathsOf(all: readonly Whole[], wanted: Side): ReadonlySet<RelPath> {
  return new Set(all.filter(({ side }) => side === wanted).map(({ entry }) => entry.path));
}

/** Whether it was a link and is gone now, or why it must be left alone. Any other failure is met again by the removals themselves. */
async function unlink({ side, entry }: Whole, { sides, attempts }: Crew): Promise<boolean | SyncError> {
  try {
    return await sides[side].removeLink?.(entry, attempts) ?? false;
  } catch (error) {
    const why = toSyncError(error, "remove");
    return why.kind === "refused" ? why : false;
  }
}
