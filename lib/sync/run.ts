import { cancelled, SyncError, toSyncError } from "../core/errors.ts";
import { escapeForDisplay, root } from "../core/path.ts";
import { type Side, sides as bothSides, type Snapshot } from "../core/entry.ts";
import { apply, type ApplyEnd } from "./apply/apply.ts";
import { describeSafetyIssue, findSafetyIssues } from "./guards/guards.ts";
import { confirmAbsences } from "./confirm/confirm.ts";
import { mergeHiddenNotes, resolveHiddenNames } from "./scan/hidden_names.ts";
import { type RootState, type SafetyIssue, type SafetyLimits } from "./common/options.ts";
import { DirectWriteRecord } from "./direct_writes.ts";
import { type ActionResults, dropRestored, recordInPlace, recordRun, tapEvents } from "./record_run.ts";
import { planRun, type Scans } from "./plan_run.ts";
import { checkRoots, findMarkers } from "./guards/root_checks.ts";
import { type Scan, scan } from "./scan/scan.ts";
import { toSnapshot } from "./scan/snapshot.ts";
import { type TempOwner, toTempOwner } from "./common/temp_tag.ts";
import { probeListing } from "./apply/vanished.ts";
import { applyShifts, findZoneShifts, toShiftNote } from "./history/time_zone_shift.ts";
import { restoreDisplaced } from "./scan/displaced.ts";
import type { Backends } from "./common/sides.ts";
import type { MissingRoots, RootEntries } from "./common/roots.ts";
import type { RunOptions } from "./run_options.ts";
import type { Plan, SyncEvent } from "../core/plan.ts";

/** The outcome of a run: only planned (planOnly), declined by the user, or carried out with the result `applied`. */
export type RunEnd =
  | { readonly outcome: "planned" | "declined"; readonly plan: Plan }
  | { readonly outcome: "applied"; readonly plan: Plan; readonly applied: ApplyEnd };

/**
 * Runs a whole synchronization: checks the roots, lists both sides, plans, compares open pairs by checksum and plans
 * again, applies the guards, confirms absences, and carries out the plan. Rejects before the first change with
 * badInput, refused (the message lists all dangers; after "planned"), the server's errors, or cancelled. A missing root
 * that is to be written to is created once the plan may run. Later failures, cancellation included, are events: see
 * ApplyEnd.
 */
export async function* run(sides: Backends, options: RunOptions): AsyncGenerator<SyncEvent, RunEnd, void> {
  try {
    return yield* synchronize(sides, options);
  } catch (error) {
    // "busy" is reserved for another run that holds the lock of the pair; an overloaded server is a connection error.
    const isBusy = error instanceof SyncError && error.kind === "busy";
    throw isBusy ? new SyncError("connection", error.message, { ...error.facts, cause: error }) : error;
  }
}

async function* synchronize(sides: Backends, options: RunOptions): AsyncGenerator<SyncEvent, RunEnd, void> {
  const listedAt = options.now();
  const { missing, entries: rootEntries } = await checkRoots(sides, {
    signal: options.signal,
    mode: options.mode,
    remove: options.remove,
    hasHistory: options.pairHistory?.exists ?? false,
    allowMissing: options.allow.includes("-AllowMissingRoot"),
  });
  const { signal } = options;
  const markers = options.markers === undefined
    ? undefined
    : await findMarkers(options.markers, sides, { signal, missing });
  const owners = toTempOwners(sides, options);
  const scans = await scanBoth(sides, { options, owners, missing });
  for (const side of bothSides) yield { type: "scanned", side, entries: scans[side].snapshot.size };
  yield* reportCautions(sides);
  const runOptions = yield* applyZoneShifts(options, { scans, rootEntries });
  const settled = await resolveHiddenNames(sides, scans, {
    ...{ signal, mode: options.mode, remove: options.remove || options.mirror, planOnly: options.planOnly },
    ...{ missing, owners, history: runOptions.pairHistory?.history },
  });
  const raw = mergeHiddenNotes(yield* planRun(sides, settled, { ...runOptions, rootEntries, listedAt }));
  const snapshots = { local: settled.local.snapshot, remote: settled.remote.snapshot };
  const listed = { local: scans.local.snapshot, remote: scans.remote.snapshot };
  const found = findIssues(raw, listed, { options: runOptions, sides, missing, markers });
  const isRefused = found.length > 0 && !canBeAllowed(found, runOptions);
  const made = isRefused ? raw : await confirmAbsences(raw, sides, {
    ...runOptions,
    snapshots,
    history: runOptions.pairHistory?.history,
  });
  yield { type: "planned", plan: made };
  await enforceGuards(found, runOptions);
  await probeListing(made, sides, { signal, snapshot: snapshots.remote });
  if (options.planOnly) return { outcome: "planned", plan: made };
  if (options.approve !== undefined && !await options.approve(made)) return { outcome: "declined", plan: made };
  if (signal.aborted) throw cancelled(signal, "carry out the plan");
  const { pairHistory, now } = runOptions;
  await dropRestored(made, pairHistory);
  await recordInPlace(made, pairHistory);
  for (const side of bothSides) if (missing[side]) await sides[side].makeDir(root, { signal });
  yield* restoreDisplaced(sides, { local: scans.local.displaced, remote: scans.remote.displaced }, { signal });
  const directWrites = new DirectWriteRecord(made, pairHistory);
  const ends: ActionResults = { done: new Map(), doneAt: new Map() };
  const applied = yield* tapEvents(
    ends,
    apply(made, sides, {
      signal,
      owners,
      leftovers: {
        local: options.mode === "Remote" ? [] : scans.local.leftovers,
        remote: options.mode === "Local" ? [] : scans.remote.leftovers,
      },
      onError: options.stopOnError ? "stop" : "continue",
      removeDespiteFailures: options.removeDespiteFailures,
      ...(options.concurrency === undefined ? {} : { concurrency: options.concurrency }),
      ...(options.abandon === undefined ? {} : { abandon: options.abandon }),
      ...(options.trash === undefined ? {} : { trash: options.trash }),
      ...(options.isLockOwner === undefined ? {} : { isLockOwner: options.isLockOwner }),
      onDirectWrite: (action) => directWrites.begin(action),
      listedAt,
    }),
    now,
  );
  if (pairHistory !== undefined) {
    const carried = { plan: made, before: snapshots, ...ends, applied, listedAt, rootEntries, directWrites };
    yield* recordRun(sides, carried, { pairHistory, signal, now });
  }
  if (!applied.cancelled && applied.lost === undefined) yield* pruneTrash(options);
  return { outcome: "applied", plan: made, applied };
}

/** Returns the options; if a side's time zone has changed, the times in history are shifted accordingly. */
async function* applyZoneShifts(
  options: RunOptions,
  { scans, rootEntries }: { readonly scans: Scans; readonly rootEntries: RootEntries },
): AsyncGenerator<SyncEvent, RunOptions, void> {
  const { pairHistory } = options;
  if (pairHistory === undefined) return options;
  const snapshots = { local: scans.local.snapshot, remote: scans.remote.snapshot };
  const shifts = findZoneShifts(pairHistory.history, snapshots);
  if (shifts.length === 0) return options;
  for (const shift of shifts) yield { type: "noted", note: toShiftNote(shift) };
  return { ...options, pairHistory: applyShifts(pairHistory, shifts, { snapshots, rootEntries }) };
}

/** Reports the cautions of the backends themselves, one note per side. */
function* reportCautions(sides: Backends): Generator<SyncEvent, void, void> {
  for (const side of bothSides) {
    const why = sides[side].securityWarning?.();
    if (why !== undefined) yield { type: "noted", note: { code: "caution", side, count: 1, why } };
  }
}

/** Removes expired versions from the trash. A failure is only noted. */
async function* pruneTrash({ trash, trashDays, now, signal }: RunOptions): AsyncGenerator<SyncEvent, void, void> {
  if (trash === undefined || trashDays === undefined) return;
  try {
    await trash.prune(trashDays, now(), { signal });
  } catch (error) {
    const { message } = toSyncError(error, "prune");
    yield { type: "noted", note: { code: "unpruned", count: 1, why: `The trash could not be cleaned up: ${message}` } };
  }
}

type TempOwners = Readonly<Record<Side, TempOwner>>;

/** Lists both sides concurrently; the first failure aborts the other listing. */
async function scanBoth(
  sides: Backends,
  { options, owners, missing }: { options: RunOptions; owners: TempOwners; missing: MissingRoots },
): Promise<Scans> {
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const scanOne = async (side: Side): Promise<Scan> => {
    if (missing[side]) return { snapshot: toSnapshot([]), leftovers: [], displaced: [], showsDots: false };
    try {
      const { links, maxListing, includeForeign = false } = options;
      return await scan(sides[side], { signal, links, includeForeign, owner: owners[side], maxBytes: maxListing });
    } catch (error) {
      stop.abort(error);
      throw error;
    }
  };
  const [local, remote] = await Promise.allSettled([scanOne("local"), scanOne("remote")]);
  if (local.status === "fulfilled" && remote.status === "fulfilled") {
    return { local: local.value, remote: remote.value };
  }
  throw cancelled(signal, "list both sides");
}

/**
 * Returns the dangers that the guards find in the plan before actions are postponed: postponed actions count as well.
 */
function findIssues(
  made: Plan,
  snapshots: Readonly<Record<Side, Snapshot>>,
  { options, sides, missing, markers }: {
    readonly options: RunOptions;
    readonly sides: Backends;
    readonly missing: MissingRoots;
    readonly markers: SafetyLimits["markers"] | undefined;
  },
): readonly SafetyIssue[] {
  const { mode, remove, mirror, allow, maxRemove, pairHistory } = options;
  const rootState = (side: Side): RootState => ({
    ...(sides[side].root.risk === undefined ? {} : { risk: sides[side].root.risk }),
    defaulted: options.defaulted?.includes(side) ?? false,
    // An object store has no empty folders, so a prefix without objects is not a missing root.
    missing: missing[side] && sides[side].traits.hasDirs,
    hasHistory: pairHistory?.exists ?? false,
  });
  const limits: SafetyLimits = {
    mode,
    remove,
    mirror,
    allow,
    roots: { local: rootState("local"), remote: rootState("remote") },
    ...(maxRemove === undefined ? {} : { maxRemove }),
    ...(markers === undefined ? {} : { markers }),
  };
  return findSafetyIssues(made, snapshots, pairHistory?.history, limits);
}

function canBeAllowed(found: readonly SafetyIssue[], { planOnly, allowIssues: ask }: RunOptions): boolean {
  return !planOnly && ask !== undefined && found.every((issue) => issue.allowedBy !== undefined);
}

/** Throws refused if there are dangers, unless each of them can be allowed by a key and the user confirms. */
async function enforceGuards(found: readonly SafetyIssue[], options: RunOptions): Promise<void> {
  if (found.length === 0) return;
  if (canBeAllowed(found, options) && await options.allowIssues?.(found)) return;
  throw new SyncError("refused", found.map(describeSafetyIssue).join("\n"), { operation: "check the plan" });
}

function toTempOwners(sides: Backends, options: RunOptions): TempOwners {
  const places = bothSides.flatMap((side) => [sides[side].label, escapeForDisplay(sides[side].root.path)]);
  return {
    local: toTempOwner([options.owner, ...places, "local"]),
    remote: toTempOwner([options.owner, ...places, "remote"]),
  };
}
