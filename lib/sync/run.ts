import type { Call } from "../backends/backend.ts";
import { badInput, cancelled, SyncError, toSyncError } from "../errors.ts";
import { printable, root } from "../path.ts";
import { trashPath } from "../temp.ts";
import {
  type Action,
  type Entry,
  type Note,
  type Plan,
  type Side,
  sides as bothSides,
  type SyncEvent,
} from "../types.ts";
import { apply, type ApplyEnd } from "./apply.ts";
import type { ApplyOptions } from "./crew.ts";
import { dangers, describeDanger } from "./check.ts";
import { digest, type OpenPair, toLoneFiles, toOpenPairs, toReadBack } from "./digest.ts";
import type { Remembered } from "./history.ts";
import { type Danger, type Limits, type PlanOptions, type RootState, toPlanOptions } from "./options.ts";
import { plan } from "./plan.ts";
import { toUntraced } from "./plan_trace.ts";
import { forgetRestored, lookAtRoots, remember, type RootEntries, watch } from "./run_memory.ts";
import { toConflictName } from "./run_names.ts";
import { checkRoots, findMarker, type Missing } from "./run_roots.ts";
import { type Scan, scan, type ScanOptions } from "./scan.ts";
import { toSnapshot } from "./snapshot.ts";
import { type Owner, toOwner } from "./tag.ts";
import type { Backends } from "./transfer.ts";
import type { PairTrash, Trash } from "./trash.ts";

type Choices = Pick<
  PlanOptions,
  | "mode"
  | "criteria"
  | "mirror"
  | "remove"
  | "skipNew"
  | "skipModified"
  | "conflict"
  | "moves"
  | "removeDespiteFailures"
>;

/**
 * What a run is told. `allow`, `maxRemove`: what the guards are told; `marker`: a file that must lie in both roots; `defaulted`: sides
 * whose root no word of the user named; `noReadBack`: no remote file is read to compare it; `planOnly`: stop after the plan, write
 * nothing; `owner`: this machine and user, in any words; `host`: this machine's name, for conflict copies; `abandon`: see apply().
 */
export interface RunOptions extends Choices, Call {
  readonly links: ScanOptions["links"];
  readonly allow: Limits["allow"];
  readonly maxRemove?: Limits["maxRemove"];
  readonly marker?: string;
  readonly defaulted?: readonly Side[];
  readonly noReadBack: boolean;
  readonly stopOnError: boolean;
  readonly planOnly: boolean;
  readonly concurrency?: number;
  readonly owner: string;
  readonly host: string;
  /** What is remembered of this pair; it is read for the plan, and written once the plan is carried out. */
  readonly remembered?: Remembered;
  /** Where versions go that have to go; in Both it is what lets a conflict have a winner. */
  readonly trash?: Trash & Pick<PairTrash, "prune">;
  /** For how many days the trash keeps what lost no conflict; for ever, if not given. */
  readonly trashDays?: number;
  stillHeld?: ApplyOptions["stillHeld"];
  readonly abandon?: AbortSignal;
  /** May the plan run in spite of these? Not asked about what no key allows, nor under planOnly. */
  ask?(dangers: readonly Danger[]): Promise<boolean>;
  /** The plan as a whole, before anything is changed (-Confirm). */
  approve?(plan: Plan): Promise<boolean>;
  /** ms since the epoch. */
  now(): number;
}

/** How a run ended: with the plan only (planOnly), declined by the user, or carried out as `applied` tells. */
export type RunEnd =
  | { readonly outcome: "planned" | "declined"; readonly plan: Plan }
  | { readonly outcome: "applied"; readonly plan: Plan; readonly applied: ApplyEnd };

/**
 * The whole run: check the roots, list both sides, plan, settle open pairs by checksum and plan once more, guard, carry out. Rejects
 * before the first change with badInput, refused (all dangers in words, after "planned"), the server's errors, or cancelled; a missing
 * root that is to be written to is made once the plan may run. Later failures are events, and so is being cancelled: see ApplyEnd.
 */
export async function* run(sides: Backends, options: RunOptions): AsyncGenerator<SyncEvent, RunEnd, void> {
  const missing = await checkRoots(sides, {
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
  const listedAt = options.now();
  const rootEntries = options.remembered === undefined ? {} : await lookAtRoots(sides, { signal });
  const scans = await scanBoth(sides, { options, owners, missing });
  for (const side of bothSides) yield { type: "scanned", side, entries: scans[side].snapshot.size };
  const made = yield* planBoth(sides, scans, { ...options, rootEntries });
  yield { type: "planned", plan: made };
  await guard(made, scans, { options, sides, missing, marker });
  if (options.planOnly) return { outcome: "planned", plan: made };
  if (options.approve !== undefined && !await options.approve(made)) return { outcome: "declined", plan: made };
  if (signal.aborted) throw cancelled(signal, "carry out the plan");
  yield* forgetRestored(made, options.remembered);
  for (const side of bothSides) if (missing[side]) await sides[side].makeDir(root, { signal });
  const done = new Map<Action, Entry | undefined>();
  const applied = yield* watch(
    done,
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
    }),
  );
  const { remembered, now } = options;
  if (remembered !== undefined) {
    const before = { local: scans.local.snapshot, remote: scans.remote.snapshot };
    const carried = { plan: made, before, done, applied, listedAt, rootEntries };
    yield* remember(sides, carried, { remembered, signal, now });
  }
  if (!applied.cancelled && applied.lost === undefined) yield* prune(options);
  return { outcome: "applied", plan: made, applied };
}

/** Removes from the trash what has lain there for long enough; that it did not work ends nothing. */
async function* prune({ trash, trashDays, now, signal }: RunOptions): AsyncGenerator<SyncEvent, void, void> {
  if (trash === undefined || trashDays === undefined) return;
  try {
    await trash.prune(trashDays, now(), { signal });
  } catch (error) {
    const { message } = toSyncError(error, "prune");
    yield { type: "noted", note: { code: "unpruned", count: 1, why: `The trash could not be tidied up: ${message}` } };
  }
}

type Scans = Readonly<Record<Side, Scan>>;
type Owners = Readonly<Record<Side, Owner>>;

/** Both lists at once; the first failure ends the other. */
async function scanBoth(
  sides: Backends,
  { options, owners, missing }: { options: RunOptions; owners: Owners; missing: Missing },
): Promise<Scans> {
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const scanOne = async (side: Side): Promise<Scan> => {
    if (missing[side]) return { snapshot: toSnapshot([]), leftovers: [] };
    try {
      return await scan(sides[side], { signal, links: options.links, owner: owners[side] });
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

/** The plan, made a second time where a checksum settles what the listings leave open. */
async function* planBoth(
  sides: Backends,
  scans: Scans,
  options: RunOptions & { readonly rootEntries: RootEntries },
): AsyncGenerator<SyncEvent, Plan, void> {
  const stamp = { host: options.host, now: options.now() };
  const { remembered, rootEntries } = options;
  const before = { local: scans.local.snapshot, remote: scans.remote.snapshot };
  const traits = { local: sides.local.traits, remote: sides.remote.traits };
  const { mode, criteria, mirror, remove, skipNew, skipModified, conflict, removeDespiteFailures } = options;
  const changed = mode === "Both" ? bothSides : [mode === "Local" ? "local" : "remote"] as const;
  const moves = options.moves && changed.every((side) => sides[side].rename !== undefined);
  const planOptions = toPlanOptions({
    ...{ mode, criteria, mirror, remove, skipNew, skipModified, conflict, moves, removeDespiteFailures },
    ask: "free",
    ...(options.trash === undefined ? {} : { keepLosers: trashPath }),
    ...(remembered === undefined ? {} : {
      untraced: toUntraced({
        snapshots: before,
        traits,
        rootEntries,
        history: remembered.history,
        roots: remembered.roots,
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
  const history = options.remembered?.history;
  const first = plan(planSides(snapshots), history, planOptions);
  const mayBeFree = first.free ?? [];
  if (first.open.length + mayBeFree.length === 0) return first;
  const needed = toOpenPairs(first.open, snapshots);
  const free = toOpenPairs(mayBeFree, snapshots);
  const lone = {
    needed: toLoneFiles(first.open, snapshots, history),
    free: toLoneFiles(mayBeFree, snapshots, history),
  };
  const readBack = toReadBack(needed, sides.remote);
  if (readBack.length > 0) yield { type: "noted", note: readBackNote(readBack, sides, options) };
  const { signal } = options;
  snapshots = await digest(needed, sides, { signal, snapshots, readBack: !options.noReadBack, lone: lone.needed });
  snapshots = await digest(free, sides, { signal, snapshots, readBack: false, lone: lone.free });
  return plan(planSides(snapshots), history, { ...planOptions, ask: "nothing" });
}

function readBackNote(pairs: readonly OpenPair[], { remote }: Backends, options: RunOptions): Note {
  const bytes = pairs.reduce((sum, pair) => sum + pair.remote.size, 0);
  const what = `${pairs.length} ${pairs.length === 1 ? "file" : "files"} (${bytes} bytes)`;
  if (options.noReadBack) {
    throw badInput(
      `${remote.label} gives no checksums: comparing ${what} by content means reading them back, which -NoReadBack forbids. ` +
        "Leave -NoReadBack out, or choose other -Criteria.",
    );
  }
  const why = `${remote.label} gives no checksums: ${what} are read back to compare them; -NoReadBack forbids it`;
  return { code: "readBack", side: "remote", count: pairs.length, why };
}

/** Throws refused unless nothing is dangerous, or the user says yes to what a key could have allowed. */
async function guard(
  made: Plan,
  scans: Scans,
  { options, sides, missing, marker }: {
    readonly options: RunOptions;
    readonly sides: Backends;
    readonly missing: Missing;
    readonly marker: Limits["marker"] | undefined;
  },
): Promise<void> {
  const { mode, remove, mirror, allow, maxRemove, remembered } = options;
  const rootState = (side: Side): RootState => ({
    ...(sides[side].place.broad === undefined ? {} : { broad: sides[side].place.broad }),
    defaulted: options.defaulted?.includes(side) ?? false,
    missing: missing[side],
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
  const snapshots = { local: scans.local.snapshot, remote: scans.remote.snapshot };
  const found = dangers(made, snapshots, remembered?.history, limits);
  if (found.length === 0) return;
  const askable = !options.planOnly && found.every((danger) => danger.allowedBy !== undefined);
  if (askable && await options.ask?.(found)) return;
  throw new SyncError("refused", found.map(describeDanger).join("\n"), { operation: "check the plan" });
}

function toOwners(sides: Backends, options: RunOptions): Owners {
  const places = bothSides.flatMap((side) => [sides[side].label, printable(sides[side].place.path)]);
  return {
    local: toOwner([options.owner, ...places, "local"]),
    remote: toOwner([options.owner, ...places, "remote"]),
  };
}
