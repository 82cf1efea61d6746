import type { Call } from "../backends/backend.ts";
import { cancelled, toSyncError } from "../errors.ts";
import { foldPath, type RelPath } from "../path.ts";
import { type Entry, type FileEntry, type History, otherSide, type Side, sides as bothSides } from "../types.ts";
import { overlay, type Snapshots } from "./digest.ts";
import { drain, inOrder } from "./pool.ts";
import { endsAll } from "./scan.ts";
import type { Backends } from "./transfer.ts";

/**
 * The snapshots with the times filled in that a place keeps but does not list (S3: they lie in each object's metadata), as far as a
 * plan needs them: of files that both sides have, unless history knows this very version. A file that cannot be looked at becomes an
 * opaque entry. Rejects when the server is lost or the signal aborted.
 */
export async function tellTimes(
  snapshots: Snapshots,
  sides: Backends,
  { history, signal }: Call & { readonly history: History | undefined },
): Promise<Snapshots> {
  const [local, remote] = await Promise.all(bothSides.map(async (side) => {
    const untold = untoldOf(side, { snapshots, sides, history });
    return untold.length === 0
      ? snapshots[side]
      : overlay(snapshots[side], await look(untold, side, { sides, signal }));
  }));
  return { local: local ?? snapshots.local, remote: remote ?? snapshots.remote };
}

interface Known {
  readonly snapshots: Snapshots;
  readonly sides: Backends;
  readonly history: History | undefined;
}

function untoldOf(side: Side, { snapshots, sides, history }: Known): readonly FileEntry[] {
  if (sides[side].traits.timeStep === undefined) return [];
  const across = otherSide(side);
  const rules = {
    caseSensitive: bothSides.every((one) => sides[one].traits.caseSensitive),
    normalizes: bothSides.some((one) => sides[one].traits.normalizes),
  };
  const folds = !rules.caseSensitive || rules.normalizes;
  const keys = new Set<string>();
  if (folds) { for (const { path } of snapshots[across]) keys.add(foldPath(path, rules)); }
  const isPaired = (path: RelPath) =>
    folds ? keys.has(foldPath(path, rules)) : snapshots[across].get(path)?.kind === "file";
  const untold: FileEntry[] = [];
  for (const entry of snapshots[side]) {
    if (entry.kind !== "file" || entry.modified !== undefined || !isPaired(entry.path)) continue;
    const mark = history?.get(entry.path)?.[side];
    const isKnown = entry.revision !== undefined && mark?.revision === entry.revision && mark.size === entry.size;
    if (!isKnown) untold.push(entry);
  }
  return untold;
}

async function look(
  untold: readonly FileEntry[],
  side: Side,
  { sides, signal }: Call & { readonly sides: Backends },
): Promise<ReadonlyMap<RelPath, Entry>> {
  const found = new Map<RelPath, Entry>();
  const stop = new AbortController();
  const call = { signal: AbortSignal.any([signal, stop.signal]) };
  const work = async ({ path }: FileEntry) => {
    try {
      const entry = await sides[side].stat(path, call);
      if (entry?.kind === "file") found.set(path, entry);
    } catch (error) {
      const why = toSyncError(error, "look at");
      if (endsAll(why.kind)) {
        stop.abort(why);
        throw why;
      }
      found.set(path, { kind: "opaque", path, cause: "unreadable", why: `its time could not be told: ${why.message}` });
    }
  };
  await drain(inOrder(untold), work, { limit: Math.max(1, sides[side].traits.parallelFiles), signal: call.signal });
  if (signal.aborted) throw cancelled(signal, "look at times");
  return found;
}
