import type { Call } from "../../core/backend.ts";
import { cancelled, toSyncError } from "../../core/errors.ts";
import { foldPath, type RelPath } from "../../core/path.ts";
import {
  type Checksum,
  type Entry,
  type FileEntry,
  type History,
  otherSide,
  type Side,
  sides as bothSides,
} from "../../core/entry.ts";
import { overlay, type Snapshots } from "./hash_pairs.ts";
import type { PlanOptions } from "../common/options.ts";
import { drain, inOrder } from "../common/concurrency.ts";
import { prove } from "./content_proof.ts";
import { WORTH_READING } from "../common/worth.ts";
import type { Backends } from "../common/sides.ts";
import { endsRun } from "../common/ends_run.ts";

/**
 * Returns the snapshots with the times that a backend stores but does not list (S3: they are in each object's
 * metadata), as far as a plan needs them: for files on both sides, unless history knows this version. If the listing
 * proves that the other side has the same content, both entries get its checksum instead, without a request: for this
 * small files are read, and files of any size if contents are to be compared anyway. A file whose stat fails becomes an
 * opaque entry. Rejects when the server is lost or the signal aborted.
 */
export async function tellTimes(
  snapshots: Snapshots,
  sides: Backends,
  options: Call & Choices & { readonly history: History | undefined },
): Promise<Snapshots> {
  const { history, signal, mode, criteria } = options;
  if (mode !== "Both" && !criteria.some(({ name }) => name === "Time" || name === "Checksum")) return snapshots;
  const most = criteria.some(({ needs }) => needs === "checksum") ? Infinity : WORTH_READING;
  const found: Telling["found"] = { local: new Map(), remote: new Map() };
  await Promise.all(bothSides.map(async (side) => {
    const untold = untoldOf(side, { snapshots, sides, history });
    if (untold.length > 0) await tell(untold, side, { sides, signal, most, found });
  }));
  return { local: overlay(snapshots.local, found.local), remote: overlay(snapshots.remote, found.remote) };
}

export { WORTH_READING } from "../common/worth.ts";

type Choices = Pick<PlanOptions, "mode" | "criteria">;

interface Known {
  readonly snapshots: Snapshots;
  readonly sides: Backends;
  readonly history: History | undefined;
}

/** A file without a time, and its counterpart on the other side. */
interface Untold {
  readonly entry: FileEntry;
  readonly across: FileEntry;
}

function untoldOf(side: Side, { snapshots, sides, history }: Known): readonly Untold[] {
  if (sides[side].traits.timeStep === undefined) return [];
  const across = snapshots[otherSide(side)];
  const rules = {
    caseSensitive: bothSides.every((one) => sides[one].traits.caseSensitive),
    normalizes: bothSides.some((one) => sides[one].traits.normalizes),
  };
  const folds = !rules.caseSensitive || rules.normalizes;
  const folded = new Map<string, Entry>();
  if (folds) { for (const entry of across) folded.set(foldPath(entry.path, rules), entry); }
  const pairOf = (path: RelPath) => folds ? folded.get(foldPath(path, rules)) : across.get(path);
  const untold: Untold[] = [];
  for (const entry of snapshots[side]) {
    if (entry.kind !== "file" || entry.modified !== undefined) continue;
    const pair = pairOf(entry.path);
    if (pair?.kind !== "file") continue;
    const mark = history?.get(entry.path)?.[side];
    const isKnown = entry.revision !== undefined && mark?.revision === entry.revision && mark.size === entry.size;
    if (!isKnown) untold.push({ entry, across: pair });
  }
  return untold;
}

interface Telling extends Call {
  readonly sides: Backends;
  /** The maximum size of a file that is read to prove it equal. */
  readonly most: number;
  readonly found: Readonly<Record<Side, Map<RelPath, Entry | Checksum>>>;
}

async function tell(untold: readonly Untold[], side: Side, { sides, signal, most, found }: Telling): Promise<void> {
  const stop = new AbortController();
  const call = { signal: AbortSignal.any([signal, stop.signal]) };
  const far = otherSide(side);
  const prover = { prover: sides[side], reader: sides[far], signal: call.signal };
  const isProven = async ({ entry, across }: Untold) => {
    if (across.size > most) return false;
    const proof = await prove(entry, { held: across, ...prover });
    if (proof?.isEqual !== true) return false;
    const { checksum } = proof;
    found[side].set(entry.path, checksum);
    found[far].set(across.path, checksum);
    return true;
  };
  const look = async ({ path }: FileEntry) => {
    const entry = await sides[side].stat(path, call);
    if (entry?.kind === "file") found[side].set(path, entry);
  };
  const work = async (one: Untold) => {
    try {
      if (!await isProven(one)) await look(one.entry);
    } catch (error) {
      const why = toSyncError(error, "look at");
      if (await endsRun(why, sides[side], call) || await endsRun(why, sides[far], call)) {
        stop.abort(why);
        throw why;
      }
      const { path } = one.entry;
      const reason = `its time could not be told: ${why.message}`;
      found[side].set(path, { kind: "opaque", path, cause: "unreadable", why: reason });
    }
  };
  await drain(inOrder(untold), work, { limit: Math.max(1, sides[side].traits.parallelFiles), signal: call.signal });
  if (signal.aborted) throw cancelled(signal, "look at times");
}
