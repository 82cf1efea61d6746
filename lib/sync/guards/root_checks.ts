import type { Backend, CallOptions } from "../../core/backend.ts";
import { badInput, SyncError } from "../../core/errors.ts";
import { escapeForDisplay, type RelPath, root, toRelPath } from "../../core/path.ts";
import type { Entry, Side } from "../../core/entry.ts";
import type { Mode, SafetyLimits } from "../common/options.ts";
import type { Backends } from "../common/sides.ts";
import type { MissingRoots, RootEntries } from "../common/roots.ts";

/** The options for checking the roots. `hasHistory`: whether there is a history of this pair. */
export interface RootCheckOptions extends CallOptions {
  readonly mode: Mode;
  readonly remove: boolean;
  readonly hasHistory: boolean;
  readonly allowMissing: boolean;
}

export interface CheckedRoots {
  readonly missing: MissingRoots;
  readonly entries: RootEntries;
}

/**
 * Verifies that the roots are folders, that neither contains the other, and that the source exists. A missing source is
 * badInput, or refused if its absence could count as a deletion. A missing target is no error.
 */
export async function checkRoots(sides: Backends, options: RootCheckOptions): Promise<CheckedRoots> {
  assertDisjoint(sides);
  const [local, remote] = await Promise.all([statRoot(sides.local, options), statRoot(sides.remote, options)]);
  const missing = { local: local === undefined, remote: remote === undefined };
  const entries = { ...(local?.kind === "dir" ? { local } : {}), ...(remote?.kind === "dir" ? { remote } : {}) };
  const source = missingSource({ ...options, isStore: !sides.remote.traits.hasDirs }, missing);
  if (source === undefined) return { missing, entries };
  const shown = quoteRoot(sides[source]);
  if (!options.remove && !options.hasHistory) {
    throw badInput(`The ${source} folder ${shown} does not exist, so there is nothing to copy from.`);
  }
  if (options.mode === "Both" && options.allowMissing) return { missing, entries };
  const way = options.mode === "Both" ? "; -AllowMissingRoot creates it" : "";
  throw new SyncError(
    "refused",
    `The ${source} folder ${shown} does not exist: is a disk unplugged? Nothing was changed${way}.`,
    { operation: "check the roots", backend: sides[source].label },
  );
}

/** Checks which of the markers exist below both roots. Throws badInput for an invalid path. */
export async function findMarkers(
  names: readonly string[],
  sides: Backends,
  options: CallOptions & { readonly missing: MissingRoots },
): Promise<NonNullable<SafetyLimits["markers"]>> {
  const paths = names.map(markerPath);
  const has = async (side: Side, path: RelPath) =>
    !options.missing[side] && await sides[side].stat(path, { signal: options.signal }) !== undefined;
  return await Promise.all(paths.map(async (path) => {
    const [local, remote] = await Promise.all([has("local", path), has("remote", path)]);
    return { name: path, present: { local, remote } };
  }));
}

/**
 * Returns the side whose missing root forbids the run: the source. In mode Both each side is a source. There a remote
 * folder unknown to history is created, since nothing is deleted without history, while a missing local folder is more
 * likely a typing error. `isStore`: in an object store a folder exists only while it contains something, so a known one
 * without content is empty, and is left to the guards for emptied sides.
 */
function missingSource(
  { mode, hasHistory, isStore }: RootCheckOptions & { readonly isStore: boolean },
  missing: MissingRoots,
): Side | undefined {
  if (mode === "Local") return missing.remote && !(isStore && hasHistory) ? "remote" : undefined;
  if (missing.local) return "local";
  return mode === "Both" && missing.remote && !isStore && hasHistory ? "remote" : undefined;
}

async function statRoot(backend: Backend, call: CallOptions): Promise<Entry | undefined> {
  const entry = await backend.stat(root, call);
  if (entry?.kind === "file") throw badInput(`${quoteRoot(backend)} is a file: name a folder.`);
  return entry;
}

function assertDisjoint({ local, remote }: Backends): void {
  const [here, there] = [diskPath(local), diskPath(remote)];
  if (here === undefined || there === undefined) return;
  if (here === there) throw badInput(`Both sides are the same folder, ${quoteRoot(local)}.`);
  if (!here.startsWith(there) && !there.startsWith(here)) return;
  const [inner, outer] = here.length > there.length ? [local, remote] : [remote, local];
  throw badInput(`${quoteRoot(inner)} is inside ${quoteRoot(outer)}: neither side may contain the other.`);
}

/** Returns the path with a final separator, so that it is a prefix of another path only if it contains that path. */
function diskPath({ root: place, traits }: Backend): string | undefined {
  if (place.diskPath === undefined) return undefined;
  const path = place.diskPath.replaceAll("\\", "/").replace(/\/*$/, "/");
  return traits.caseSensitive ? path : path.toLowerCase();
}

function quoteRoot({ root: place }: Backend): string {
  return `"${escapeForDisplay(place.path)}"`;
}

function markerPath(name: string): RelPath {
  try {
    return toRelPath(name);
  } catch {
    throw badInput(
      `-RequireMarker takes the path of a file below both roots, such as ".marker" or "photos/.marker", not "${
        escapeForDisplay(name)
      }".`,
    );
  }
}
