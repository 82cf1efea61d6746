import type { Backend, CallOptions } from "../../core/backend.ts";
import { toSyncError } from "../../core/errors.ts";
import { parentOf, type RelPath, root } from "../../core/path.ts";
import { type DirEntry, type Entry, type Side, sides as bothSides } from "../../core/entry.ts";
import { sameChecksum } from "../common/criteria.ts";
import { runConcurrently, takeInOrder } from "../common/concurrency.ts";
import { deriveRoots, deriveUpdates, type RelistedSide, type RunFacts } from "./derive.ts";
import type { Backends } from "../common/sides.ts";
import type { Roots } from "../common/roots.ts";
import type { BaseEntry, HistoryUpdate } from "../../core/history.ts";
import type { Note } from "../../core/plan.ts";

/**
 * `mayRelist`: whether the sides may be listed again; false after a run that was cancelled or lost its server. `roots`:
 * as recorded so far.
 */
export interface UpdateOptions extends CallOptions {
  readonly facts: Omit<RunFacts, "seen" | "traits" | "endedAt" | "otherClocks" | "rootEntries">;
  readonly rootEntries: Readonly<Partial<Record<Side, DirEntry>>>;
  readonly roots: Roots;
  readonly mayRelist: boolean;
  /** Returns the current time in ms since the epoch. */
  now(): number;
}

/** The history update of a run, and notes for the user. */
export interface UpdatedHistory {
  readonly updates: readonly HistoryUpdate[];
  readonly roots: Roots;
  readonly notes: readonly Note[];
}

/**
 * Lists again the folders that were written to and returns the history update of the run. Never rejects: entries in a
 * folder that cannot be listed are not recorded.
 */
export async function updateHistory(sides: Backends, options: UpdateOptions): Promise<UpdatedHistory> {
  const notes: Note[] = [];
  const seen: Partial<Record<Side, RelistedSide>> = {};
  const endedAt = options.now();
  if (options.mayRelist) {
    for (const side of bothSides) {
      const found = await relist(sides[side], writtenPaths(options.facts.done, side), { ...options, side, notes });
      if (found !== undefined) seen[side] = found;
    }
  }
  const traits = { local: sides.local.traits, remote: sides.remote.traits };
  const rootEntries = { ...options.rootEntries, ...relistedRoots(seen) };
  // A disk of this machine has its clock; so has the local side, whatever backend it is.
  const otherClocks = sides.remote.root.diskPath === undefined ? ["remote"] as const : [];
  const facts: RunFacts = { ...options.facts, seen, traits, endedAt, otherClocks, rootEntries };
  const updates = deriveUpdates(facts);
  const proven = options.mayRelist ? await addChecksums(updates, sides, options) : updates;
  return { updates: proven, roots: deriveRoots(facts, rootEntries, options.roots), notes };
}

const MAX_FOLDERS_AT_ONCE = 32;
const MAX_FILES_AT_ONCE = 8;
/** The maximum number of bytes that are hashed at the end of a run. */
const MAX_BYTES = 64 * 1024 * 1024;

/**
 * Adds checksums to unproven entries, so that the next run does not take an edit of one side for an edit of both. Both
 * sides are hashed if that needs no transfer; otherwise the local checksum stands for both, but only if a later local
 * edit would be visible. Entries that differ, or changed meanwhile, are not recorded.
 */
async function addChecksums(
  updates: readonly HistoryUpdate[],
  sides: Backends,
  call: CallOptions,
): Promise<readonly HistoryUpdate[]> {
  const proven = new Map<HistoryUpdate, HistoryUpdate | undefined>();
  let budget = MAX_BYTES;
  const wanting = updates.filter(({ base }) => {
    if (base?.unprovenSide === undefined || base.checksum !== undefined || base.local === undefined) return false;
    budget -= base.local.size;
    return budget >= 0;
  });
  const work = async (update: HistoryUpdate) => void proven.set(update, await addChecksum(update, sides, call));
  await runConcurrently(takeInOrder(wanting), work, { limit: MAX_FILES_AT_ONCE, signal: call.signal });
  return updates.flatMap((update) => {
    if (!proven.has(update)) return [update];
    const one = proven.get(update);
    return one === undefined ? [] : [one];
  });
}

async function addChecksum(
  update: HistoryUpdate,
  { local, remote }: Backends,
  { signal }: CallOptions,
): Promise<HistoryUpdate | undefined> {
  const { path, base } = update;
  if (base?.local === undefined || base.remote === undefined) return update;
  try {
    const wanted = ["sha256"];
    const checksum = await local.checksum?.({ kind: "file", path, ...base.local }, wanted, { signal });
    if (checksum === undefined) return update;
    const isNear = remote.root.diskPath !== undefined;
    const theirs = isNear
      ? await remote.checksum?.({ kind: "file", path, ...base.remote }, wanted, { signal })
      : undefined;
    if (theirs === undefined && !isLocalCertain(base)) return update;
    return sameChecksum(checksum, theirs) === false ? undefined : { path, base: { ...base, checksum } };
  } catch {
    // The file was replaced meanwhile: the next run compares both.
    return undefined;
  }
}

/**
 * Whether the local file is certainly the one that was compared. Its time must be finer than a step in which two edits
 * could happen.
 */
function isLocalCertain({ local, unprovenSide: provisional }: BaseEntry): boolean {
  const isDoubted = provisional === "local" || provisional === "both";
  return !isDoubted || (local?.modified !== undefined && local.modified % WHOLE_SECOND_MS !== 0);
}

/** The step of backends without fractions of a second. */
const WHOLE_SECOND_MS = 1000;

/** Returns the paths at which something was created, changed or removed on that side. */
export function writtenPaths(done: RunFacts["done"], side: Side): ReadonlySet<RelPath> {
  const paths = new Set<RelPath>();
  for (const action of done.keys()) {
    if (action.to !== side) continue;
    paths.add(action.path);
    if (action.do === "move") paths.add(action.source.path);
  }
  return paths;
}

/** Lists again the folders of the written paths. Returns undefined if nothing was written. */
async function relist(
  backend: Backend,
  paths: ReadonlySet<RelPath>,
  { signal, side, notes }: CallOptions & { readonly side: Side; readonly notes: Note[] },
): Promise<RelistedSide | undefined> {
  if (paths.size === 0) return undefined;
  // On a disk the result of a write equals its listing.
  const entries = backend.root.diskPath === undefined ? new Map<RelPath, Entry>() : undefined;
  const folders = new Map<RelPath, DirEntry>();
  const written = new Set(Array.from(paths, (path) => parentOf(path)));
  const lookAt = async (dir: RelPath) => {
    try {
      // Reads the folder's time first: a deletion after that moment leaves a later time.
      const folder = await backend.stat(dir, { signal });
      if (folder?.kind !== "dir") return;
      folders.set(dir, folder);
      if (entries === undefined) return;
      for (const entry of await backend.list(dir, { signal })) {
        if (paths.has(entry.path)) entries.set(entry.path, entry);
      }
    } catch (error) {
      const why = `what was written there is not remembered, the next run compares it: ${
        toSyncError(error, "list").message
      }`;
      notes.push({ code: "unsettled", path: dir, side, why });
    }
  };
  const limit = Math.max(1, Math.min(MAX_FOLDERS_AT_ONCE, backend.traits.parallelFiles));
  await runConcurrently(takeInOrder([...written]), lookAt, { limit, signal });
  return { folders, ...(entries === undefined ? {} : { entries }) };
}

function relistedRoots(seen: Readonly<Partial<Record<Side, RelistedSide>>>): Readonly<Partial<Record<Side, DirEntry>>> {
  const found: Partial<Record<Side, DirEntry>> = {};
  for (const side of bothSides) {
    const entry = seen[side]?.folders.get(root);
    if (entry !== undefined) found[side] = entry;
  }
  return found;
}
