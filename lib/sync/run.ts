import { cancelled, SyncError, toSyncError } from "../core/errors.ts";
import { printable, root } from "../core/path.ts";
import { type Plan, type Side, sides as bothSides, type Snapshot, type SyncEvent } from "../core/entry.ts";
import { apply, type ApplyEnd } from "./apply/apply.ts";
import { dangers, describeDanger } from "./guards/guards.ts";
import { confirmAbsences } from "./confirm/confirm.ts";
import { gatherHidden, settleHidden } from "./scan/hidden_names.ts";
import { type Danger, type Limits, type RootState } from "./common/options.ts";
import { type Ends, forgetRestored, noteInPlace, remember, watch } from "./record_run.ts";
import { planRun, type Scans } from "./plan_run.ts";
import { checkRoots, findMarker } from "./guards/root_checks.ts";
import { type Scan, scan } from "./scan/scan.ts";
import { toSnapshot } from "./scan/snapshot.ts";
import { type Owner, toOwner } from "./common/temp_tag.ts";
import { probeListing } from "./apply/vanished.ts";
import { alongShifts, findZoneShifts, noteShift } from "./history/time_zone_shift.ts";
import { restoreDisplaced } from "./scan/displaced.ts";
import type { Backends } from "./common/sides.ts";
import type { Missing, RootEntries } from "./common/roots.ts";
import type { RunOptions } from "./run_options.ts";

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
    return yield* conduct(sides, options);
  } catch (error) {
    // "busy" is reserved for another run that holds the lock of the pair; an overloaded server is a connection error.
    const isBusy = error instanceof SyncError && error.kind === "busy";
    throw isBusy ? new SyncError("connection", error.message, { ...error.facts, cause: error }) : error;
  }
}

async function* conduct(sides: Backends, options: RunOptions): AsyncGenerator<SyncEvent, RunEnd, void> {
  const listedAt = options.now();
  const { missing, entries: rootEntries } = await checkRoots(sides, {
    signal: options.signal,
    mode: options.mode,
    remove: options.remove,
    known: options.remembered?.known ?? false,
    allowMissing: options.allow.includes("-AllowMissingRoot"),
  });
  const { signal } = options;
  const marker = options.marker === undefined
    ? undefined
    : await findMarker(options.marker, sides, { signal, missing });
  const owners = toOwners(sides, options);
  const scans = await scanBoth(sides, { options, owners, missing });
  for (const side of bothSides) yield { type: "scanned", side, entries: scans[side].snapshot.size };
  yield* tellCautions(sides);
  const told = yield* keepPace(options, { scans, rootEntries });
  const settled = await settleHidden(sides, scans, {
    ...{ signal, mode: options.mode, remove: options.remove || options.mirror, planOnly: options.planOnly },
    ...{ missing, owners, history: told.remembered?.history },
  });
  const raw = gatherHidden(yield* planRun(sides, settled, { ...told, rootEntries, listedAt }));
  const snapshots = { local: settled.local.snapshot, remote: settled.remote.snapshot };
  const listed = { local: scans.local.snapshot, remote: scans.remote.snapshot };
  const found = findDangers(raw, listed, { options: told, sides, missing, marker });
  const isRefused = found.length > 0 && !mayAsk(found, told);
  const made = isRefused ? raw : await confirmAbsences(raw, sides, {
    ...told,
    snapshots,
    history: told.remembered?.history,
  });
  yield { type: "planned", plan: made };
  await guard(found, told);
  await probeListing(made, sides, { signal, snapshot: snapshots.remote });
  if (options.planOnly) return { outcome: "planned", plan: made };
  if (options.approve !== undefined && !await options.approve(made)) return { outcome: "declined", plan: made };
  if (signal.aborted) throw cancelled(signal, "carry out the plan");
  const { remembered, now } = told;
  await forgetRestored(made, remembered);
  await noteInPlace(made, remembered);
  for (const side of bothSides) if (missing[side]) await sides[side].makeDir(root, { signal });
  yield* restoreDisplaced(sides, { local: scans.local.displaced, remote: scans.remote.displaced }, { signal });
  const ends: Ends = { done: new Map(), doneAt: new Map() };
  const applied = yield* watch(
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
      ...(options.stillHeld === undefined ? {} : { stillHeld: options.stillHeld }),
      listedAt,
    }),
    now,
  );
  if (remembered !== undefined) {
    const carried = { plan: made, before: snapshots, ...ends, applied, listedAt, rootEntries };
    yield* remember(sides, carried, { remembered, signal, now });
  }
  if (!applied.cancelled && applied.lost === undefined) yield* prune(options);
  return { outcome: "applied", plan: made, applied };
}

/** Returns the options; if a side's time zone has changed, the times in history are shifted accordingly. */
async function* keepPace(
  options: RunOptions,
  { scans, rootEntries }: { readonly scans: Scans; readonly rootEntries: RootEntries },
): AsyncGenerator<SyncEvent, RunOptions, void> {
  const { remembered } = options;
  if (remembered === undefined) return options;
  const snapshots = { local: scans.local.snapshot, remote: scans.remote.snapshot };
  const shifts = findZoneShifts(remembered.history, snapshots);
  if (shifts.length === 0) return options;
  for (const shift of shifts) yield { type: "noted", note: noteShift(shift) };
  return { ...options, remembered: alongShifts(remembered, shifts, { snapshots, rootEntries }) };
}

/** Reports the cautions of the backends themselves, one note per side. */
function* tellCautions(sides: Backends): Generator<SyncEvent, void, void> {
  for (const side of bothSides) {
    const why = sides[side].caution?.();
    if (why !== undefined) yield { type: "noted", note: { code: "caution", side, count: 1, why } };
  }
}

/** Removes expired versions from the trash. A failure is only noted. */
async function* prune({ trash, trashDays, now, signal }: RunOptions): AsyncGenerator<SyncEvent, void, void> {
  if (trash === undefined || trashDays === undefined) return;
  try {
    await trash.prune(trashDays, now(), { signal });
  } catch (error) {
    const { message } = toSyncError(error, "prune");
    yield { type: "noted", note: { code: "unpruned", count: 1, why: `The trash could not be tidied up: ${message}` } };
  }
}

type Owners = Readonly<Record<Side, Owner>>;

/** Lists both sides concurrently; the first failure aborts the other listing. */
async function scanBoth(
  sides: Backends,
  { options, owners, missing }: { options: RunOptions; owners: Owners; missing: Missing },
): Promise<Scans> {
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const scanOne = async (side: Side): Promise<Scan> => {
    if (missing[side]) return { snapshot: toSnapshot([]), leftovers: [], displaced: [], showsDots: false };
    try {
      const { links, maxListing } = options;
      return await scan(sides[side], { signal, links, owner: owners[side], maxBytes: maxListing });
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
function findDangers(
  made: Plan,
  snapshots: Readonly<Record<Side, Snapshot>>,
  { options, sides, missing, marker }: {
    readonly options: RunOptions;
    readonly sides: Backends;
    readonly missing: Missing;
    readonly marker: Limits["marker"] | undefined;
  },
): readonly Danger[] {
  const { mode, remove, mirror, allow, maxRemove, remembered } = options;
  const rootState = (side: Side): RootState => ({
    ...(sides[side].place.broad === undefined ? {} : { broad: sides[side].place.broad }),
    defaulted: options.defaulted?.includes(side) ?? false,
    // An object store has no empty folders, so a prefix without objects is not a missing root.
    missing: missing[side] && sides[side].traits.hasDirs,
    known: remembered?.known ?? false,
  });
  const limits: Limits = {
    mode,
    remove,
    mirror,
    allow,
    roots: { local: rootState("local"), remote: rootState("remote") },
    ...(maxRemove === undefined ? {} : { maxRemove }),
    ...(marker === undefined ? {} : { marker }),
  };
  return dangers(made, snapshots, remembered?.history, limits);
}

function mayAsk(found: readonly Danger[], { planOnly, ask }: RunOptions): boolean {
  return !planOnly && ask !== undefined && found.every((danger) => danger.allowedBy !== undefined);
}

/** Throws refused if there are dangers, unless each of them can be allowed by a key and the user confirms. */
async function guard(found: readonly Danger[], options: RunOptions): Promise<void> {
  if (found.length === 0) return;
  if (mayAsk(found, options) && await options.ask?.(found)) return;
  throw new SyncError("refused", found.map(describeDanger).join("\n"), { operation: "check the plan" });
}

function toOwners(sides: Backends, options: RunOptions): Owners {
  const places = bothSides.flatMap((side) => [sides[side].label, printable(sides[side].place.path)]);
  return {
    local: toOwner([options.owner, ...places, "local"]),
    remote: toOwner([options.owner, ...places, "remote"]),
  };
}
