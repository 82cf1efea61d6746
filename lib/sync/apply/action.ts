import type { Backend, CallOptions } from "../../core/backend.ts";
import { SyncError, toSyncError } from "../../core/errors.ts";
import { escapeForDisplay, type RelPath } from "../../core/path.ts";
import { isInTrash } from "../../core/temp_name.ts";
import { type FileEntry, type LinkEntry, otherSide, type Side } from "../../core/entry.ts";
import type { Outcome } from "./action_log.ts";
import type { Remove } from "./phases.ts";
import {
  type Backup,
  backUpInPlace,
  type BackupMethod,
  type KeepOptions,
  removeKeeping,
  toBackupMethod,
} from "./backup.ts";
import { newTransferReport } from "./times.ts";
import type { TempOwner } from "../common/temp_tag.ts";
import { isInPlace, stagingPath, transfer, type TransferOptions } from "./transfer.ts";
import type { Backends, Copy } from "../common/sides.ts";
import { assertUnchanged } from "../common/entry_check.ts";
import type { Action, TrashedVersion } from "../../core/plan.ts";

/** `listedAt`: see TransferOptions. */
export interface ActionOptions extends KeepOptions, Pick<TransferOptions, "listedAt" | "onDirectWrite"> {
  readonly owners: Readonly<Record<Side, TempOwner>>;
  onBytes(bytes: number): void;
}

/** Carries out one action after verifying that the entry is still what the plan saw. Rejects with a SyncError. */
export async function runAction(action: Action, sides: Backends, options: ActionOptions): Promise<Outcome> {
  const backend = sides[action.to];
  switch (action.do) {
    case "makeDir":
      return { entry: await backend.makeDir(action.path, options) };
    case "copy":
      return await copy(action, sides, options);
    case "move":
      return { entry: await move(backend, action, options) };
    case "touch":
      return await touch(sides, action, options);
    case "remove":
      return await remove(backend, action, options);
    default:
      return action satisfies never;
  }
}

async function copy(action: Copy, sides: Backends, options: ActionOptions): Promise<Outcome> {
  const { callbacks: told, toOutcome } = newTransferReport(action, sides[action.to]);
  const carrying: TransferOptions = { ...options, owner: options.owners[action.to], ...told };
  const away = toBackupMethod(action, sides, options);
  if (away === undefined) {
    const entry = await transfer(action, sides, carrying);
    return entry === undefined ? { vanished: true } : toOutcome(entry);
  }
  const early = await away.needsStaging() ? undefined : await backUpInPlace(away);
  const staging = early === undefined ? stagingPath(action, sides, carrying.owner) : undefined;
  const { entry, kept } = staging === undefined
    ? await replaceKept(action, sides, { ...carrying, away: early ?? await away.create() })
    : await replaceStaged(action, sides, { ...carrying, away, staging });
  return entry === undefined ? { vanished: true } : toOutcome(entry, kept);
}

interface ReplacedFile {
  readonly entry: FileEntry | LinkEntry | undefined;
  readonly kept?: TrashedVersion | undefined;
}

/**
 * Replaces a file whose old version was kept while it stays in its place. If the new version fails, the kept one is
 * taken back, unless the file was partly overwritten in place: then it stays in the trash.
 */
async function replaceKept(
  action: Copy,
  sides: Backends,
  { away, ...options }: TransferOptions & { readonly away: Backup },
): Promise<ReplacedFile> {
  const { kept, undo } = away;
  let begun = false;
  const onBytes = (bytes: number) => {
    begun = true;
    options.onBytes(bytes);
  };
  let entry: FileEntry | LinkEntry | undefined;
  try {
    entry = await transfer(action, sides, { ...options, onBytes });
  } finally {
    if (entry === undefined && !(begun && isInPlace(action, options))) await undo();
  }
  return { entry, kept };
}

/**
 * Writes the new content under a temporary name, then puts the old file away and renames the new one to its path: no
 * incomplete content is visible, and if a run is interrupted between the two steps the next one repairs it.
 */
async function replaceStaged(
  action: Copy,
  sides: Backends,
  { away, staging, ...options }: TransferOptions & { readonly away: BackupMethod; readonly staging: RelPath },
): Promise<ReplacedFile> {
  const backend = sides[action.to];
  const { signal } = options;
  const staged = await transfer(action, sides, { ...options, target: { path: staging } });
  if (staged?.kind !== "file") return { entry: staged };
  let putAway: Backup | undefined;
  try {
    putAway = await away.create();
    const expect = putAway.moved ? "absent" : action.replaces ?? "absent";
    await backend.rename?.(staging, action.path, { signal, expect });
  } catch (error) {
    await putAway?.undo();
    await backend.remove(staged, options);
    throw error;
  }
  return { entry: { ...sinceChanged(staged), path: action.path }, kept: putAway.kept };
}

async function move(
  backend: Backend,
  { source, path }: Extract<Action, { readonly do: "move" }>,
  call: CallOptions,
): Promise<FileEntry> {
  if (backend.rename === undefined) {
    const message = `Cannot rename "${escapeForDisplay(source.path)}": ${backend.label} cannot rename; use -SkipMoves`;
    throw new SyncError("unsupported", message, { operation: "move", path });
  }
  await assertUnchanged(backend, source, call);
  await backend.rename(source.path, path, { signal: call.signal, expect: "absent" });
  return { ...sinceChanged(source), path };
}

/** Returns a file's entry after a change of its name or time: its change time is another one then, not known yet. */
function sinceChanged({ changeTime: _, ...entry }: FileEntry): FileEntry {
  return entry;
}

async function touch(
  sides: Backends,
  { to, path, target, modified }: Extract<Action, { readonly do: "touch" }>,
  call: CallOptions,
): Promise<Outcome> {
  const backend = sides[to];
  await assertUnchanged(backend, target, call);
  const warn = (why: string): Outcome => ({
    entry: target,
    warnings: [`The time of "${escapeForDisplay(target.path)}" could not be set: ${why}`],
    isUntimed: true,
  });
  if (backend.setModified === undefined) return warn(`${backend.label} keeps no times`);
  try {
    const source = { kind: "file", path, size: target.size, modified } as const;
    const nanoseconds = backend.traits.keepsNanoseconds === true
      ? sides[otherSide(to)].nanosecondsOf?.(source)
      : undefined;
    await backend.setModified(target.path, modified, {
      signal: call.signal,
      ...(nanoseconds === undefined ? {} : { nanoseconds }),
    });
    return { entry: { ...sinceChanged(target), modified } };
  } catch (error) {
    const why = toSyncError(error, "touch");
    if (why.kind === "denied" || why.kind === "unsupported") return warn(why.message);
    throw why;
  }
}

/** Removes the entry that the plan saw; a version to be kept is put into the trash first. */
async function remove(backend: Backend, action: Remove, options: ActionOptions): Promise<Outcome> {
  const { to, path, target, backupPath: keep } = action;
  const { trash } = options;
  const isKept = target.kind === "file" || target.kind === "link";
  if (trash === undefined || !isKept || (keep !== undefined && !isInTrash(keep))) {
    await removeKeeping(backend, action, options);
    return {};
  }
  const { id, at, moved, undo } = await trash.keep(
    { side: to, entry: target, path, why: "removed", take: true },
    options,
  );
  try {
    if (!moved) await backend.remove(target, options);
  } catch (error) {
    await undo(options);
    throw error;
  }
  return { kept: { id, path: at } };
}
