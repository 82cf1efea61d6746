import type { Backend, CallOptions } from "../../core/backend.ts";
import { toSyncError } from "../../core/errors.ts";
import { escapeForDisplay, explainUnstorableName, foldPath, parentOf, type RelPath, root } from "../../core/path.ts";
import { type Entry, otherSide, type Side, sides as bothSides, type Snapshot } from "../../core/entry.ts";
import { type Doubt, withoutDoubtful } from "./confirmed_plan.ts";
import { runConcurrently, takeInOrder } from "../common/concurrency.ts";
import { Relisting } from "../common/relisting.ts";
import { type Spelling, toSpelling } from "./spelling.ts";
import type { Backends } from "../common/sides.ts";
import { isSameEntry } from "../common/entry_check.ts";
import { endsRun } from "../common/ends_run.ts";
import type { History } from "../../core/history.ts";
import type { Action, Plan } from "../../core/plan.ts";
import { failureReason } from "../../core/operation.ts";

/** `snapshots`: the listings from which the plan was made. */
export interface ConfirmOptions extends CallOptions {
  readonly snapshots: Readonly<Record<Side, Snapshot>>;
  readonly history: History | undefined;
  readonly removeDespiteFailures: boolean;
}

/**
 * Confirms each absence because of which the plan removes, moves or replaces something: a listing that omitted or
 * corrupted a name must not destroy the other side's copy. If the paths are few, each is checked by stat; otherwise the
 * folders are listed again and a sample is checked by stat as well, starting with names that servers tend to hide.
 * Returns the plan without the actions that were not confirmed: a name that exists after all is a failure, which holds
 * all other removals; a name that no listing shows stays, with one note. Only reads. Rejects as a scan does when the
 * server is lost.
 */
export async function confirmAbsences(plan: Plan, sides: Backends, options: ConfirmOptions): Promise<Plan> {
  const doubts = new Map<Action, Doubt>();
  for (const from of bothSides) {
    const spelling = toSpelling({ ...options, from, sides });
    const claims = plan.actions.flatMap((action) => toClaims(action, from));
    if (claims.length === 0) continue;
    const listing: SideCheck = {
      backend: sides[from],
      side: from,
      relisting: new Relisting(sides[from], { signal: options.signal, key: spelling.key ?? foldPathFully }),
      others: options.snapshots[otherSide(from)],
      spelling,
      signal: options.signal,
    };
    await checkClaims(claims, listing, { listed: options.snapshots[from], doubts });
  }
  return doubts.size === 0 ? plan : withoutDoubtful(plan, doubts, { ...options, sides });
}

/**
 * The assumption of an action: the other side lacks a path, or has an entry of another kind there. Spelled as in the
 * action.
 */
interface Claim {
  readonly action: Action;
  readonly path: RelPath;
  readonly expected: "absent" | Entry["kind"];
}

/** A side that is checked again. */
interface SideCheck extends CallOptions {
  readonly backend: Backend;
  readonly side: Side;
  readonly relisting: Relisting;
  /** The listing of the other side. */
  readonly others: Snapshot;
  readonly spelling: Spelling;
}

interface CheckState {
  /** The listing of the side itself. */
  readonly listed: Snapshot;
  readonly doubts: Map<Action, Doubt>;
}

/** The maximum number of paths that are checked one by one, or a tenth of the side if that is more. */
const MAX_STATS = 1000;
const MAX_CONCURRENT = 64;
const MAX_CONTROLS = 4;

function toClaims(action: Action, from: Side): readonly Claim[] {
  if (action.to !== otherSide(from)) return [];
  switch (action.do) {
    case "remove":
      return [{ action, path: action.path, expected: "absent" }];
    case "move":
      return [{ action, path: action.source.path, expected: "absent" }];
    case "copy":
      return action.replaces === undefined || action.replaces.kind === action.source.kind
        ? []
        : [{ action, path: action.source.path, expected: action.source.kind }];
    case "makeDir":
      return action.replaces === undefined ? [] : [{ action, path: action.path, expected: "dir" }];
    case "touch":
      return [];
    default:
      return action satisfies never;
  }
}

async function checkClaims(
  claims: readonly Claim[],
  listing: SideCheck,
  { listed: own, doubts }: CheckState,
): Promise<void> {
  const unreliable = await findUnreliableStat(claims, listing, own);
  if (unreliable !== undefined) {
    for (const { action, expected: wants } of claims) if (wants === "absent") doubts.set(action, unreliable);
    return;
  }
  const checksAll = claims.length <= Math.max(MAX_STATS, own.size / 10);
  const chosen = checksAll ? claims : sampleClaims(claims);
  await forEachClaim(chosen, listing, async (claim) => {
    const doubt = await checkClaim(claim, listing);
    if (doubt !== undefined) doubts.set(claim.action, doubt);
  });
  if (checksAll) return;
  const left = claims.filter(({ action, expected: wants }) => wants === "absent" && !doubts.has(action));
  await forEachClaim(left, listing, async (claim) => {
    try {
      const listed = await findRelisted(claim.path, listing);
      const isIt = listed !== undefined && (listing.spelling.key !== undefined || listed === claim.path);
      if (isIt) doubts.set(claim.action, wronglyAbsent(listing.side));
    } catch (error) {
      doubts.set(claim.action, await toDoubt(error, listing));
    }
  });
}

/**
 * Checks known files first: if stat does not find a file that is listed, its answers prove no absence. Returns why this
 * side's answers cannot be believed; undefined if the sampled files are found.
 */
async function findUnreliableStat(
  claims: readonly Claim[],
  { backend, side, relisting: again, signal }: SideCheck,
  listed: Snapshot,
): Promise<Doubt | undefined> {
  for (const path of pickControls(claims, listed)) {
    try {
      if (await backend.stat(path, { signal }) !== undefined || await again.find(path) === undefined) continue;
      const why = `the ${side} side lists "${
        escapeForDisplay(path)
      }" and says that it is not there: what it calls absent may be there too`;
      return { is: "wrong", why };
    } catch (error) {
      // An error is ignored here unless it ends the run: it is reported for the checked paths themselves.
      await toDoubt(error, { backend, signal });
    }
  }
  return undefined;
}

/**
 * Returns one listed file from each of a few folders in which something is to be removed; from any folder if those
 * contain none.
 */
function pickControls(claims: readonly Claim[], listed: Snapshot): readonly RelPath[] {
  const folders = new Set(claims.flatMap(({ path, expected: wants }) => wants === "absent" ? [parentOf(path)] : []));
  if (folders.size === 0) return [];
  const found = new Map<RelPath, RelPath>();
  let other: RelPath | undefined;
  for (const { kind, path } of listed) {
    if (kind !== "file") continue;
    other ??= path;
    const dir = parentOf(path);
    if (folders.has(dir) && !found.has(dir)) found.set(dir, path);
    if (found.size === MAX_CONTROLS) break;
  }
  return found.size > 0 || other === undefined ? [...found.values()] : [other];
}

function forEachClaim(claims: readonly Claim[], { backend, signal }: SideCheck, work: (claim: Claim) => Promise<void>) {
  const limit = Math.max(1, Math.min(MAX_CONCURRENT, backend.traits.parallelFiles));
  return runConcurrently(takeInOrder(claims), work, { limit, signal });
}

/** Checks the path itself and returns why the claim is in doubt; undefined if it is confirmed. */
async function checkClaim({ path, expected: wants }: Claim, listing: SideCheck): Promise<Doubt | undefined> {
  const { backend, side, spelling, others } = listing;
  if (wants === "absent" && cannotHold(path, backend)) return undefined;
  try {
    if (wants !== "absent") return await hasOnlyKind(wants, path, listing) ? undefined : wrongKind(side);
    const entry = await statAnySpelling(path, listing);
    const listed = entry === undefined && spelling.key === undefined ? undefined : await findRelisted(path, listing);
    if (entry === undefined) return listed === undefined ? undefined : wronglyAbsent(side);
    // An empty folder under another spelling cannot be identified.
    if (listed === undefined || (listed !== entry.path && entry.kind === "dir")) {
      return { is: "hidden", why: `the ${side} side has it although it does not list it: kept` };
    }
    const isRenamed = listed !== entry.path && others.get(listed) === undefined &&
      await isSameFile(entry, listed, listing);
    return isRenamed ? undefined : wronglyAbsent(side);
  } catch (error) {
    return await toDoubt(error, listing);
  }
}

/**
 * Whether the side has the path as this kind under one spelling and as no other kind under another: a listing may have
 * lost one of two names that are one name on the other side.
 */
async function hasOnlyKind(
  kind: Entry["kind"],
  path: RelPath,
  { backend, spelling, signal }: SideCheck,
): Promise<boolean> {
  const kinds = new Set<Entry["kind"]>();
  for (const spelled of spelling.all(path)) {
    const entry = await backend.stat(spelled, { signal });
    if (entry !== undefined) kinds.add(entry.kind);
  }
  return kinds.size === 1 && kinds.has(kind);
}

async function statAnySpelling(path: RelPath, { backend, spelling, signal }: SideCheck): Promise<Entry | undefined> {
  for (const spelled of spelling.all(path)) {
    const entry = await backend.stat(spelled, { signal });
    if (entry !== undefined) return entry;
  }
  return undefined;
}

/** Returns the path as a second listing spells it; undefined if that contains no match. */
async function findRelisted(path: RelPath, { relisting: again }: SideCheck): Promise<RelPath | undefined> {
  let above: Entry | undefined = { kind: "dir", path: root };
  for (const name of path.split("/")) {
    // Only a folder can contain the next name.
    if (above?.kind !== "dir") return undefined;
    const inside: RelPath = (above.path === root ? name : `${above.path}/${name}`) as RelPath;
    above = await again.find(inside);
    if (above === undefined) await again.assertFoundOrAbsent(inside);
  }
  return above?.path;
}

/**
 * Whether the server has renamed the file because it folds names although it does not report so: both spellings lead to
 * the same file, and the plan creates the new spelling.
 */
async function isSameFile(entry: Entry, listed: RelPath, { backend, signal }: SideCheck): Promise<boolean> {
  if (entry.kind !== "file" || entry.modified === undefined) return false;
  const other = await backend.stat(listed, { signal });
  return other?.kind === "file" && other.modified !== undefined && isSameEntry(other, entry);
}

/** Returns a key for all spellings that some server may treat as one name. */
function foldPathFully(path: RelPath): string {
  return foldPath(path, { caseSensitive: false, normalizes: true });
}

/** Whether the backend cannot hold the name. */
function cannotHold(path: RelPath, { traits }: Backend): boolean {
  return path.split("/").some((name) => explainUnstorableName(name, traits.names, traits.maxNameBytes) !== undefined);
}

function wronglyAbsent(side: Side): Doubt {
  return { is: "wrong", why: `it exists on the ${side} side although the listing lacked it: not removed` };
}

function wrongKind(side: Side): Doubt {
  return { is: "wrong", why: `it is of another type on the ${side} side than the listing showed: not replaced` };
}

/** Rejects with an error that ends the run; any other error concerns one path and becomes a doubt. */
async function toDoubt(error: unknown, { backend, signal }: Pick<SideCheck, "backend" | "signal">): Promise<Doubt> {
  const why = toSyncError(error, "look at");
  if (await endsRun(why, backend, { signal })) throw why;
  return { is: "wrong", why: `its absence could not be confirmed: ${escapeForDisplay(failureReason(why))}` };
}

/**
 * Selects the claims to check if there are many: all about kinds, then names that servers tend to hide, then an even
 * sample of the rest.
 */
function sampleClaims(claims: readonly Claim[]): readonly Claim[] {
  const kinds = claims.filter(({ expected: wants }) => wants !== "absent");
  const absences = claims.filter(({ expected: wants }) => wants === "absent");
  const odd = absences.filter(({ path }) => isOftenHidden(path)).slice(0, MAX_STATS / 2);
  const rest = absences.filter(({ path }) => !isOftenHidden(path));
  const count = Math.min(rest.length, MAX_STATS - MAX_CONTROLS - odd.length);
  const spread = Array.from({ length: count }, (_, i) => rest[Math.floor(i * rest.length / count)]);
  return [...kinds, ...odd, ...spread.filter((claim) => claim !== undefined)];
}

/**
 * Whether the path contains a name that servers tend to hide: dot files, backups, Windows system files, long or
 * non-ASCII names.
 */
function isOftenHidden(path: RelPath): boolean {
  return path.split("/").some((name) => OFTEN_HIDDEN.test(name) || name.length > LONG_NAME);
}

const OFTEN_HIDDEN = /^[.~#_$]|[~#]$|\.(?:bak|tmp|swp|part)$|^(?:thumbs\.db|desktop\.ini)$|[^\x20-\x7e]/i;
const LONG_NAME = 100;
