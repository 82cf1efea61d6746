import { posix } from "node:path";
import type { Backend, Call } from "../backends/backend.ts";
import { SyncError } from "../errors.ts";
import { nameOf, parentOf, printable, type RelPath, root, toRelPath } from "../path.ts";

/** A folder of the server to which what loses is renamed. `whole`: the server from its root on. */
export interface ServerBin {
  readonly whole: Backend;
  readonly folder: string;
}

/**
 * The folder on the server for what loses below the root: `given`, else `.tandem-trash` in the login folder; in it `below`. Undefined where
 * nothing can be renamed to it, or it would lie inside the root and nobody said so.
 */
export async function findServerBin(
  remote: Backend,
  { given, below, signal }: Call & { readonly given?: string; readonly below: string },
): Promise<ServerBin | undefined> {
  if (remote.rename === undefined) return undefined;
  const { place } = await remote.at(given ?? "~", { signal });
  const base = given === undefined ? posix.join(place.path, ".tandem-trash") : place.path;
  if (given === undefined && isBelow(base, remote.place.path)) return undefined;
  const whole = await remote.at("/", { signal });
  return whole.place.path === "/" ? { whole, folder: posix.join(base, below) } : undefined;
}

/** Makes the folder and those above it that are missing, for this user's eyes alone. Rejects where that cannot be. */
export async function makeServerFolder({ whole }: Pick<ServerBin, "whole">, folder: string, call: Call): Promise<void> {
  const missing: RelPath[] = [];
  for (let dir = below(folder); dir !== root; dir = parentOf(dir)) {
    if (await whole.stat(dir, call) !== undefined) break;
    missing.unshift(dir);
  }
  for (const dir of missing) {
    await whole.makeDir(dir, call);
    if (nameOf(dir) === ".tandem-trash") await whole.setMode?.(dir, 0o700, call);
  }
}

/** Renames from one absolute path to another, which must be free. */
export async function renameOnServer(
  { whole }: Pick<ServerBin, "whole">,
  { from, to, signal }: Call & { readonly from: string; readonly to: string },
): Promise<void> {
  if (whole.rename === undefined) {
    throw new SyncError("unsupported", `${whole.label} cannot rename`, { operation: "keep" });
  }
  await whole.rename(below(from), below(to), { signal, expect: "absent" });
}

/** Can the server keep a version while it stays in its place? */
export function canDuplicate({ whole }: Pick<ServerBin, "whole">): boolean {
  return whole.hardLink !== undefined || whole.copy !== undefined;
}

/** Gives the file a second name, or else a copy, at an absolute path that must be free. Rejects with unsupported where the disk can do neither. */
export async function duplicateOnServer(
  { whole }: Pick<ServerBin, "whole">,
  { from, to, signal }: Call & { readonly from: string; readonly to: string },
): Promise<void> {
  const options = { signal, expect: "absent" } as const;
  const how = whole.hardLink?.bind(whole) ?? whole.copy?.bind(whole);
  if (how === undefined) throw new SyncError("unsupported", `${whole.label} cannot copy`, { operation: "keep" });
  await how(below(from), below(to), options);
}

/** Removes what was kept there. Absent: no error. */
export async function removeFromServer({ whole }: Pick<ServerBin, "whole">, at: string, call: Call): Promise<void> {
  const entry = await whole.stat(below(at), call);
  if (entry !== undefined) await whole.remove(entry, call);
}

/** An absolute path as one below the server's root; rejects a name that no path can hold. */
export function below(absolute: string): RelPath {
  try {
    return toRelPath(absolute.replace(/^\/+/, ""));
  } catch {
    const message = `"${printable(absolute)}" holds a name that cannot be written as a path`;
    throw new SyncError("unsupported", message, { operation: "keep" });
  }
}

function isBelow(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith("/") ? folder : `${folder}/`);
}
