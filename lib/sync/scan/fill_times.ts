import type { CallOptions } from "../../core/backend.ts";
import { cancelled, toSyncError } from "../../core/errors.ts";
import { foldPath, type RelPath } from "../../core/path.ts";
import {
  type Checksum,
  type Entry,
  type FileEntry,
  otherSide,
  type Side,
  sides as bothSides,
} from "../../core/entry.ts";
import { type Snapshots, withChanges } from "./hash_pairs.ts";
import type { PlanOptions } from "../common/options.ts";
import { runConcurrently, takeInOrder } from "../common/concurrency.ts";
import { proveByListing } from "./content_proof.ts";
import { CHEAP_READ_BYTES } from "../common/worth.ts";
import type { Backends } from "../common/sides.ts";
import { endsRun } from "../common/ends_run.ts";
import type { History } from "../../core/history.ts";
import { failureReason } from "../../core/operation.ts";

/**
 * Returns the snapshots with the times that a backend stores but does not list (S3: they are in each object's
 * metadata), as far as a plan needs them: for files on both sides, unless history knows this version. If the listing
 * proves that the other side has the same content, both entries get its checksum instead, without a request: for this
 * small files are read, and files of any size if contents are to be compared anyway. A file whose stat fails becomes an
 * opaque entry. Rejects when the server is lost or the signal aborted.
 */
export async function fillTimes(
  snapshots: Snapshots,
  sides: Backends,
  options: CallOptions & TimeChoices & { readonly history: History | undefined },
): Promise<Snapshots> {
  const { history, signal, mode, criteria } = options;
  if (mode !== "Both" && !criteria.some(({ name }) => name === "Time" || name === "Checksum")) return snapshots;
  const maxBytes = criteria.some(({ needs }) => needs === "checksum") ? Infinity : CHEAP_READ_BYTES;
  const found: FillOptions["found"] = { local: new Map(), remote: new Map() };
  await Promise.all(bothSides.map(async (side) => {
    const untimed = findUntimed(side, { snapshots, sides, history });
    if (untimed.length > 0) await fillSide(untimed, side, { sides, signal, maxBytes, found });
  }));
  return { local: withChanges(snapshots.local, found.local), remote: withChanges(snapshots.remote, found.remote) };
}

export { CHEAP_READ_BYTES } from "../common/worth.ts";

type TimeChoices = Pick<PlanOptions, "mode" | "criteria">;

interface TimeSources {
  readonly snapshots: Snapshots;
  readonly sides: Backends;
  readonly history: History | undefined;
}

/** A file without a time, and its counterpart on the other side. */
interface UntimedFile {
  readonly entry: FileEntry;
  readonly counterpart: FileEntry;
}

function findUntimed(side: Side, { snapshots, sides, history }: TimeSources): readonly UntimedFile[] {
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
  const untimed: UntimedFile[] = [];
  for (const entry of snapshots[side]) {
    if (entry.kind !== "file" || entry.modified !== undefined) continue;
    const pair = pairOf(entry.path);
    if (pair?.kind !== "file") continue;
    const stamp = history?.get(entry.path)?.[side];
    const isKnown = entry.revision !== undefined && stamp?.revision === entry.revision && stamp.size === entry.size;
    if (!isKnown) untimed.push({ entry, counterpart: pair });
  }
  return untimed;
}

interface FillOptions extends CallOptions {
  readonly sides: Backends;
  /** The maximum size of a file that is read to prove it equal. */
  readonly maxBytes: number;
  readonly found: Readonly<Record<Side, Map<RelPath, Entry | Checksum>>>;
}

async function fillSide(
  untold: readonly UntimedFile[],
  side: Side,
  { sides, signal, maxBytes: most, found }: FillOptions,
): Promise<void> {
  const stop = new AbortController();
  const call = { signal: AbortSignal.any([signal, stop.signal]) };
  const counterSide = otherSide(side);
  const prover = { prover: sides[side], reader: sides[counterSide], signal: call.signal };
  const isProven = async ({ entry, counterpart: across }: UntimedFile) => {
    if (across.size > most) return false;
    const proof = await proveByListing(entry, { counterpart: across, ...prover });
    if (proof?.isEqual !== true) return false;
    const { checksum } = proof;
    found[side].set(entry.path, checksum);
    found[counterSide].set(across.path, checksum);
    return true;
  };
  const fillByStat = async ({ path }: FileEntry) => {
    const entry = await sides[side].stat(path, call);
    if (entry?.kind === "file") found[side].set(path, entry);
  };
  const work = async (one: UntimedFile) => {
    try {
      if (!await isProven(one)) await fillByStat(one.entry);
    } catch (error) {
      const why = toSyncError(error, "look at");
      if (await endsRun(why, sides[side], call) || await endsRun(why, sides[counterSide], call)) {
        stop.abort(why);
        throw why;
      }
      const { path } = one.entry;
      const reason = `its time could not be read: ${failureReason(why)}`;
      found[side].set(path, { kind: "opaque", path, cause: "unreadable", why: reason });
    }
  };
  await runConcurrently(takeInOrder(untold), work, {
    limit: Math.max(1, sides[side].traits.parallelFiles),
    signal: call.signal,
  });
  if (signal.aborted) throw cancelled(signal, "look at times");
}
