import type { Backend, CallOptions } from "../../core/backend.ts";
import { SyncError } from "../../core/errors.ts";
import { escapeForDisplay, type RelPath } from "../../core/path.ts";
import { isInTrash } from "../../core/temp_name.ts";
import { type FileEntry, otherSide } from "../../core/entry.ts";
import type { Remove } from "./phases.ts";
import { makeParents } from "../common/parent_check.ts";
import { isInPlace, type WriteTarget } from "./transfer.ts";
import type { DiscardedVersion, Trash } from "../trash/trash.ts";
import type { Backends, Copy } from "../common/sides.ts";
import { assertUnchanged } from "../common/entry_check.ts";
import type { TrashedVersion } from "../../core/plan.ts";

/** `target`: the target of a copy instead of its path; `trash`: keeps versions that are overwritten or removed. */
export interface KeepOptions extends CallOptions {
  readonly target?: WriteTarget;
  readonly trash?: Trash;
}

/** The way in which the version that a copy replaces is put away first. */
export interface BackupMethod {
  /** Whether putting it away frees its path, so that the new content must be written elsewhere first. */
  needsStaging(): Promise<boolean>;
  create(): Promise<Backup>;
}

export interface Backup {
  readonly kept?: TrashedVersion;
  /** Whether the path is free now. */
  readonly moved: boolean;
  undo(): Promise<void>;
}

/** Returns how the version that a copy replaces is kept; undefined if nothing is kept. */
export function toBackupMethod(action: Copy, sides: Backends, options: KeepOptions): BackupMethod | undefined {
  const { to, path, why, backupPath: keep, replaces } = action;
  if (replaces?.kind !== "file" && replaces?.kind !== "link") return undefined;
  const { trash } = options;
  const backend = sides[to];
  if (trash !== undefined && (keep === undefined || isInTrash(keep))) {
    const loss = why === "conflict" ? "conflict" : "overwritten";
    const how = { take: false, inPlace: isInPlace(action, options), winner: otherSide(to) };
    const version: DiscardedVersion = { side: to, entry: replaces, path, why: loss, ...how };
    return {
      needsStaging: () => trash.mustMove(version, options),
      async create() {
        const { id, at, moved, undo } = await trash.keep(version, options);
        return { kept: { id, path: at }, moved, undo: () => undo(options) };
      },
    };
  }
  if (keep === undefined || replaces.kind !== "file") return undefined;
  const { rename } = backend;
  return {
    needsStaging: () => Promise.resolve(rename !== undefined),
    async create() {
      if (rename === undefined) {
        await keepCopy(backend, { entry: replaces, keep }, options);
        return { moved: false, undo: () => Promise.resolve() };
      }
      await makeParents(backend, keep, options);
      await assertUnchanged(backend, replaces, options);
      const call = { signal: options.signal, expect: "absent" } as const;
      await backend.rename?.(replaces.path, keep, call);
      return { moved: true, undo: async () => await backend.rename?.(keep, replaces.path, call) };
    },
  };
}

/** Keeps the version while it stays in its place. Returns undefined if it turns out that it must be moved away. */
export async function backUpInPlace(away: BackupMethod): Promise<Backup | undefined> {
  try {
    return await away.create();
  } catch (error) {
    if (await away.needsStaging()) return undefined;
    throw error;
  }
}

/** Removes the entry that the plan saw; a version to be kept in the root is moved or copied there first. */
export async function removeKeeping(
  backend: Backend,
  { target, backupPath: keep }: Remove,
  call: CallOptions,
): Promise<void> {
  if (keep === undefined) return await backend.remove(target, call);
  await makeParents(backend, keep, call);
  if (backend.rename !== undefined) {
    await assertUnchanged(backend, target, call);
    return await backend.rename(target.path, keep, { signal: call.signal, expect: "absent" });
  }
  if (target.kind !== "file") {
    const message = `Cannot put "${
      escapeForDisplay(target.path)
    }" away before it is removed: ${backend.label} cannot rename`;
    throw new SyncError("unsupported", message, { operation: "remove", path: target.path });
  }
  await keepCopy(backend, { entry: target, keep }, call);
  await backend.remove(target, call);
}

/**
 * Makes a second copy on the same side, without transferring the content if the backend can copy. The original stays in
 * its place all the time.
 */
async function keepCopy(backend: Backend, { entry, keep }: CopyTarget, call: CallOptions): Promise<void> {
  await makeParents(backend, keep, call);
  if (backend.copy !== undefined) {
    await assertUnchanged(backend, entry, call);
    return await backend.copy(entry.path, keep, { signal: call.signal, expect: "absent" });
  }
  await backend.write(
    keep,
    (from = 0, to = entry.size) =>
      backend.read(entry.path, { signal: call.signal, offset: from, length: to - from, expect: entry }),
    {
      signal: call.signal,
      size: entry.size,
      expect: "absent",
      ...(entry.modified === undefined ? {} : { modified: entry.modified }),
    },
  );
}

interface CopyTarget {
  readonly entry: FileEntry;
  readonly keep: RelPath;
}
