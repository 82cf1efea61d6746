import { type SyncError, toSyncError } from "../../core/errors.ts";
import { isWithin, type RelPath } from "../../core/path.ts";
import type { DirEntry, Side } from "../../core/entry.ts";
import { type ApplyContext, reportHeld, runLimited } from "./executor.ts";
import type { Phases, Remove } from "./phases.ts";

/** A folder that is to be removed with its whole content. */
interface RemovedFolder {
  readonly side: Side;
  readonly entry: DirEntry;
}

/**
 * Removes the links that a listing showed as folders, before anything is removed from their targets, if the backend has
 * such listings. Returns the phases without the removals of that content, since it is no longer in the tree. A link
 * that must stay is one failure, and the removals of its apparent content are held.
 */
export async function unlinkFolders(phases: Phases, context: ApplyContext): Promise<Phases> {
  const removals = [...phases.fileRemovals, ...phases.folderRemovals.flat()];
  const finished = new Set<Remove>();
  const ends: RemovedFolder[] = [];
  const isFinished = ({ side, entry }: RemovedFolder) =>
    ends.some((end) => end.side === side && isWithin(entry.path, end.entry.path));
  // From the top down: nothing behind a link is checked.
  for (const level of levels(phases)) {
    await runLimited(level.filter((whole) => !isFinished(whole)), context, {
      async work(whole) {
        const end = await removeIfLink(whole, context);
        if (end === false) return;
        ends.push(whole);
        const { side, entry } = whole;
        const within = removals.filter(({ to, path }) => to === side && isWithin(path, entry.path));
        for (const action of within) finished.add(action);
        await endRemovals(within, { end, path: entry.path, crew: context });
      },
    });
  }
  if (finished.size === 0) return phases;
  const isLeft = (action: Remove) => !finished.has(action);
  return {
    ...phases,
    fileRemovals: phases.fileRemovals.filter(isLeft),
    folderRemovals: phases.folderRemovals.map((level) => level.filter(isLeft)),
  };
}

interface LinkEnd {
  readonly end: true | SyncError;
  /** The folder's own path. */
  readonly path: RelPath;
  readonly crew: ApplyContext;
}

/**
 * Ends the removals in a folder that was a link: done if the link was removed, otherwise held because the folder's own
 * removal failed.
 */
async function endRemovals(within: readonly Remove[], { end, path, crew: context }: LinkEnd): Promise<void> {
  if (end === true) {
    for (const action of within) await context.actionLog.run(action, () => Promise.resolve({}));
    return;
  }
  const own = within.find((action) => action.path === path);
  if (own !== undefined) await context.actionLog.run(own, () => Promise.reject(end));
  reportHeld(within.filter((action) => action !== own), end.message, context);
}

/** Returns the folders that are removed as a whole by depth, topmost first: each of them may be a link. */
function levels({ folderRemovals: emptied, dirsToFiles: takeovers }: Phases): readonly (readonly RemovedFolder[])[] {
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
async function removeIfLink(
  { side, entry }: RemovedFolder,
  { sides, actionLog }: ApplyContext,
): Promise<boolean | SyncError> {
  try {
    return await sides[side].removeLink?.(entry, actionLog) ?? false;
  } catch (error) {
    const why = toSyncError(error, "remove");
    return why.kind === "refused" ? why : false;
  }
}
