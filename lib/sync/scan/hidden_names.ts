import type { Backend, CallOptions } from "../../core/backend.ts";
import { isFatal, toSyncError } from "../../core/errors.ts";
import { nameOf, type RelPath, root, toRelPath } from "../../core/path.ts";
import { tempPath } from "../../core/temp_name.ts";
import { type Entry, otherSide, type Side, sides as bothSides } from "../../core/entry.ts";
import type { Mode } from "../common/options.ts";
import type { Scan } from "./scan.ts";
import { toSnapshot } from "./snapshot.ts";
import type { TempOwner } from "../common/temp_tag.ts";
import type { Backends } from "../common/sides.ts";
import type { History } from "../../core/history.ts";
import type { Note, Plan } from "../../core/plan.ts";

type Scans = Readonly<Record<Side, Scan>>;

/** `owners`: the owners of this pair's temporary names on each side. */
export interface HiddenOptions extends CallOptions {
  readonly mode: Mode;
  readonly remove: boolean;
  readonly planOnly: boolean;
  readonly missing: Readonly<Record<Side, boolean>>;
  readonly owners: Readonly<Record<Side, TempOwner>>;
  readonly history: History | undefined;
}

/**
 * Corrects the scans if a side lists no name that begins with a dot while the other side has some. A test distinguishes
 * servers that omit such names from those that have none: it checks names that may exist, and, if removals depend on
 * it, writes a temporary file and lists it. On a server that hides them, the names become unreadable on both sides. If
 * no test is possible, they are added to the side that lacks them as entries of cause "hidden", in whose place nothing
 * is removed.
 */
export async function resolveHiddenNames(sides: Backends, scans: Scans, options: HiddenOptions): Promise<Scans> {
  let resolved = scans;
  for (const side of bothSides) {
    const suspects = findSuspects(side, sides, { scans, missing: options.missing });
    if (suspects.length === 0) continue;
    const { signal } = options;
    const across = otherSide(side);
    const removable = toRemovable(suspects, side, options);
    const shows = sides[side].traits.showsDots ??
      (await existsAny(sides[side], [...removable, ...suspects], { signal }) ? false : undefined) ??
      (removable.length > 0 ? await probeDotNames(sides[side], side, options) : undefined);
    if (shows === false) resolved = { ...resolved, [across]: withUnreadableDots(scans[across]) };
    else if (shows === undefined && removable.length > 0) {
      resolved = { ...resolved, [side]: withHidden(scans[side], removable) };
    }
  }
  return resolved;
}

/** Returns the plan with one note for all names whose absence is not certain. */
export function mergeHiddenNotes(plan: Plan): Plan {
  const hidden = plan.notes.filter(({ code }) => code === "hidden");
  if (hidden.length === 0) return plan;
  const notes = bothSides.flatMap((side): Note[] => {
    const own = hidden.filter((note) => note.side === side);
    if (own.length === 0) return [];
    const across = otherSide(side);
    const why =
      `the ${side} side lists no name that begins with a dot, and only a write to it could show whether it hides them: ` +
      `the ${across} side keeps those it has; remove by hand what is not wanted`;
    return [{ code: "hidden", side, count: own.reduce((sum, { count = 1 }) => sum + count, 0), why }];
  });
  return { ...plan, notes: [...plan.notes.filter(({ code }) => code !== "hidden"), ...notes] };
}

/** The maximum number of names to check: a server hides all of them or none. */
const MAX_STATS = 5;
const HIDDEN_NAME = "the server hides names that begin with a dot, so it may exist there";

/** Returns the dot names that the other side has and this one does not list, without those inside another one. */
function findSuspects(
  side: Side,
  sides: Backends,
  { scans, missing }: { readonly scans: Scans; readonly missing: HiddenOptions["missing"] },
): readonly RelPath[] {
  if (missing[side] || sides[side].traits.showsDots === true || scans[side].showsDots) return [];
  return topDotNames(scans[otherSide(side)]).map(({ path }) => path);
}

function topDotNames({ snapshot, showsDots }: Scan): readonly Entry[] {
  if (!showsDots) return [];
  const found: Entry[] = [];
  let above = "";
  for (const entry of snapshot) {
    if (above !== "" && entry.path.startsWith(above)) continue;
    above = "";
    if (!nameOf(entry.path).startsWith(".")) continue;
    found.push(entry);
    above = `${entry.path}/`;
  }
  return found;
}

/** Returns the names that a plan may remove because this side lacks them. */
function toRemovable(
  suspects: readonly RelPath[],
  side: Side,
  { mode, remove, history }: HiddenOptions,
): readonly RelPath[] {
  if (!remove || (mode !== "Both" && mode !== (side === "remote" ? "Local" : "Remote"))) return [];
  return mode === "Both" ? suspects.filter((path) => history?.get(path) !== undefined) : suspects;
}

async function existsAny(backend: Backend, paths: readonly RelPath[], call: CallOptions): Promise<boolean> {
  for (const path of new Set(paths.slice(0, MAX_STATS))) {
    if (await ignoreHarmless(backend.stat(path, call)) !== undefined) return true;
  }
  return false;
}

/**
 * Writes a temporary file and checks whether the listing shows it. Returns undefined if writing is not allowed, or
 * fails.
 */
async function probeDotNames(
  backend: Backend,
  side: Side,
  { mode, planOnly, owners, signal }: HiddenOptions,
): Promise<boolean | undefined> {
  const isWritten = mode === "Both" || mode === (side === "local" ? "Local" : "Remote");
  if (!isWritten || planOnly) return undefined;
  const path = tempPath(toRelPath("probe"), owners[side].partial + owners[side].partial, backend.traits.maxNameBytes);
  const content = () => Promise.resolve(new Uint8Array());
  const probe = await ignoreHarmless(backend.write(path, content, { signal, size: 0 }));
  if (probe === undefined) return undefined;
  const listed = await ignoreHarmless(backend.list(root, { signal }));
  await ignoreHarmless(backend.remove(probe, { signal }));
  return listed?.some((entry) => entry.path === path);
}

/** Returns undefined if the work fails for a reason that does not end the run. */
async function ignoreHarmless<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (isFatal(toSyncError(error, "look at").kind)) throw error;
    return undefined;
  }
}

function withUnreadableDots(scan: Scan): Scan {
  const tops = new Map(topDotNames(scan).map((entry) => [entry.path, entry]));
  const entries: Entry[] = [];
  let above = "";
  for (const entry of scan.snapshot) {
    if (above !== "" && entry.path.startsWith(above)) continue;
    const isTop = tops.has(entry.path);
    above = isTop ? `${entry.path}/` : "";
    entries.push(isTop ? { kind: "opaque", path: entry.path, cause: "unreadable", why: HIDDEN_NAME } : entry);
  }
  return { ...scan, snapshot: toSnapshot(entries) };
}

function withHidden(scan: Scan, paths: readonly RelPath[]): Scan {
  const hidden = paths.map((path): Entry => ({ kind: "opaque", path, cause: "hidden", why: HIDDEN_NAME }));
  return { ...scan, snapshot: toSnapshot([...scan.snapshot, ...hidden]) };
}
