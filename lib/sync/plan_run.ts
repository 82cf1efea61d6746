import { badInput } from "../core/errors.ts";
import { trashPath } from "../core/temp_name.ts";
import { type Side, sides as bothSides } from "../core/entry.ts";
import { hashPairs, type OpenPair, toOneSidedFiles, toOpenPairs, toReadBack } from "./scan/hash_pairs.ts";
import { toPlanOptions } from "./common/options.ts";
import { plan } from "./plan/plan.ts";
import { toAbsenceCheck, unsealedAbsence } from "./plan/deletion_evidence.ts";
import { selectDoubts } from "./settle_doubts.ts";
import { toConflictName } from "./conflict_name.ts";
import type { Scan } from "./scan/scan.ts";
import { fillTimes } from "./scan/fill_times.ts";
import type { Backends } from "./common/sides.ts";
import type { RootEntries } from "./common/roots.ts";
import type { RunOptions } from "./run_options.ts";
import type { Note, Plan, SyncEvent } from "../core/plan.ts";

/** The listings of both sides. */
export type Scans = Readonly<Record<Side, Scan>>;

/** Plans the run, a second time if checksums decide what the listings leave open. Returns the last plan. */
export async function* planRun(
  sides: Backends,
  scans: Scans,
  options: RunOptions & { readonly rootEntries: RootEntries; readonly listedAt: number },
): AsyncGenerator<SyncEvent, Plan, void> {
  const stamp = { host: options.host, now: options.now() };
  const { pairHistory, rootEntries } = options;
  const listed = { local: scans.local.snapshot, remote: scans.remote.snapshot };
  const { mode, criteria, mirror, remove, skipNew, skipModified, conflict, removeDespiteFailures } = options;
  const filling = { mode, criteria, history: pairHistory?.history, signal: options.signal };
  const before = await fillTimes(listed, sides, filling);
  const traits = { local: sides.local.traits, remote: sides.remote.traits };
  const changed = mode === "Both" ? bothSides : [mode === "Local" ? "local" : "remote"] as const;
  const moves = options.moves && changed.every((side) => sides[side].rename !== undefined);
  const planOptions = toPlanOptions({
    ...{ mode, criteria, mirror, remove, skipNew, skipModified, conflict, moves, removeDespiteFailures },
    checksumPolicy: "free",
    listedAt: options.listedAt,
    inPlace: options.inPlace ?? false,
    ...(options.trash === undefined ? {} : { keepDiscarded: trashPath }),
    ...(pairHistory === undefined ? {} : {
      unprovenAbsence: mode === "Both" && pairHistory.unsealed === true ? unsealedAbsence : toAbsenceCheck({
        snapshots: before,
        traits,
        rootEntries,
        history: pairHistory.history,
        roots: pairHistory.roots,
        leftovers: { local: scans.local.leftovers, remote: scans.remote.leftovers },
      }),
    }),
    conflictName: (path, attempt) => toConflictName(path, stamp, attempt),
  });
  const planSides = (snapshots: Readonly<Record<Side, Scan["snapshot"]>>) => ({
    local: { snapshot: snapshots.local, traits: sides.local.traits },
    remote: { snapshot: snapshots.remote, traits: sides.remote.traits },
  });
  let snapshots = before;
  const history = options.pairHistory?.history;
  const first = plan(planSides(snapshots), history, planOptions);
  const { undecided: open, hashIfFree: free = [], possiblyEqual: doubtful = [], unproven: unsure = [] } = first;
  if (open.length + free.length + doubtful.length + unsure.length === 0) return first;
  const { signal, noReadBack } = options;
  const pairs = { needed: toOpenPairs(open, snapshots), doubtful: toOpenPairs(doubtful, snapshots) };
  const readBack = toReadBack([...pairs.needed, ...(noReadBack ? [] : pairs.doubtful)], sides.remote);
  if (readBack.length > 0) yield { type: "noted", note: toReadBackNote(readBack, sides, options) };
  const oneSided = {
    needed: toOneSidedFiles(open, snapshots, history),
    free: toOneSidedFiles(free, snapshots, history),
  };
  const hashing = { signal, readBack: !noReadBack };
  const mayBeFree = toOpenPairs(free, snapshots);
  snapshots = await hashPairs(pairs.needed, sides, { ...hashing, snapshots, lone: oneSided.needed });
  snapshots = await hashPairs(pairs.doubtful, sides, { ...hashing, snapshots });
  const doubtfulFiles = selectDoubts(unsure, snapshots, history);
  snapshots = await hashPairs(doubtfulFiles.pairs, sides, {
    ...hashing,
    isOptional: true,
    snapshots,
    lone: doubtfulFiles.oneSided,
  });
  snapshots = await hashPairs(mayBeFree, sides, { signal, snapshots, readBack: false, lone: oneSided.free });
  return plan(planSides(snapshots), history, { ...planOptions, checksumPolicy: "nothing" });
}

function toReadBackNote(pairs: readonly OpenPair[], { remote }: Backends, options: RunOptions): Note {
  const bytes = pairs.reduce((sum, pair) => sum + pair.remote.size, 0);
  const what = `${pairs.length} ${pairs.length === 1 ? "file" : "files"} (${bytes} bytes)`;
  if (options.noReadBack) {
    throw badInput(
      `${remote.label} offers no checksums: to compare ${what} by content they must be read back, and -NoReadBack forbids that. ` +
        "Leave -NoReadBack out, or choose other -Criteria.",
    );
  }
  const why = `${remote.label} offers no checksums: ${what} are read back to compare them; -NoReadBack forbids it`;
  return { code: "readBack", side: "remote", count: pairs.length, why };
}
