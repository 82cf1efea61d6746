import type { Backend, Call } from "../../core/backend.ts";
import { SyncError, toSyncError } from "../../core/errors.ts";
import { printable, type RelPath } from "../../core/path.ts";
import { isInTrash } from "../../core/temp_name.ts";
import { type Action, type FileEntry, type InTrash, type LinkEntry, type Side } from "../../core/entry.ts";
import type { Outcome } from "./action_log.ts";
import type { Remove } from "./phases.ts";
import { type Away, awayWith, type KeepOptions, type PutAway, putInPlace, removeInRoot } from "./keep.ts";
import { newTelling } from "./times.ts";
import type { Owner } from "../common/temp_tag.ts";
import { isInPlace, stagingPath, transfer, type TransferOptions } from "./transfer.ts";
import type { Backends, Copy } from "../common/sides.ts";
import { expectSame } from "../common/entry_check.ts";

/** `listedAt`: see TransferOptions. */
export interface PerformOptions extends KeepOptions, Pick<TransferOptions, "listedAt"> {
  readonly owners: Readonly<Record<Side, Owner>>;
  onBytes(bytes: number): void;
}

/** Carries out one action after verifying that the entry is still what the plan saw. Rejects with a SyncError. */
export async function perform(action: Action, sides: Backends, options: PerformOptions): Promise<Outcome> {
  const backend = sides[action.to];
  switch (action.do) {
    case "makeDir":
      return { entry: await backend.makeDir(action.path, options) };
    case "copy":
      return await copy(action, sides, options);
    case "move":
      return { entry: await move(backend, action, options) };
    case "touch":
      return await touch(backend, action, options);
    case "remove":
      return await remove(backend, action, options);
    default:
      return action satisfies never;
  }
}

async function copy(action: Copy, sides: Backends, options: PerformOptions): Promise<Outcome> {
  const { told, toOutcome } = newTelling(action, sides[action.to]);
  const carrying: TransferOptions = { ...options, owner: options.owners[action.to], ...told };
  const away = awayWith(action, sides, options);
  if (away === undefined) {
    const entry = await transfer(action, sides, carrying);
    return entry === undefined ? { vanished: true } : toOutcome(entry);
  }
  const early = await away.needsStaging() ? undefined : await putInPlace(away);
  const staging = early === undefined ? stagingPath(action, sides, carrying.owner) : undefined;
  const { entry, kept } = staging === undefined
    ? await replaceKept(action, sides, { ...carrying, away: early ?? await away.put() })
    : await exchange(action, sides, { ...carrying, away, staging });
  return entry === undefined ? { vanished: true } : toOutcome(entry, kept);
}

interface Replaced {
  readonly entry: FileEntry | LinkEntry | undefined;
  readonly kept?: InTrash | undefined;
}

/**
 * Replaces a file whose old version was kept while it stays in its place. If the new version fails, the kept one is
 * taken back, unless the file was partly overwritten in place: then it stays in the trash.
 */
async function replaceKept(
  action: Copy,
  sides: Backends,
  { away, ...options }: TransferOptions & { readonly away: PutAway },
): Promise<Replaced> {
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
async function exchange(
  action: Copy,
  sides: Backends,
  { away, staging, ...options }: TransferOptions & { readonly away: Away; readonly staging: RelPath },
): Promise<Replaced> {
  const backend = sides[action.to];
  const { signal } = options;
  const staged = await transfer(action, sides, { ...options, place: { path: staging } });
  if (staged?.kind !== "file") return { entry: staged };
  let putAway: PutAway | undefined;
  try {
    putAway = await away.put();
    const expect = putAway.moved ? "absent" : action.replaces ?? "absent";
    await backend.rename?.(staging, action.path, { signal, expect });
  } catch (error) {
    await putAway?.undo();
    await backend.remove(staged, options);
    throw error;
  }
  return { entry: { ...staged, path: action.path }, kept: putAway.kept };
}

async function move(
  backend: Backend,
  { source, path }: Extract<Action, { readonly do: "move" }>,
  call: Call,
): Promise<FileEntry> {
  if (backend.rename === undefined) {
    const message = `Cannot rename "${printable(source.path)}": ${backend.label} cannot rename; use -SkipMoves`;
    throw new SyncError("unsupported", message, { operation: "move", path });
  }
  await expectSame(backend, source, call);
  await backend.rename(source.path, path, { signal: call.signal, expect: "absent" });
  return { ...source, path };
}

async function touch(
  backend: Backend,
  { target, modified }: Extract<Action, { readonly do: "touch" }>,
  call: Call,
): Promise<Outcome> {
  await expectSame(backend, target, call);
  const warn = (why: string): Outcome => ({
    entry: target,
    warnings: [`The time of "${printable(target.path)}" could not be set: ${why}`],
    isUntimed: true,
  });
  if (backend.setModified === undefined) return warn(`${backend.label} keeps no times`);
  try {
    await backend.setModified(target.path, modified, call);
    return { entry: { ...target, modified } };
  } catch (error) {
    const why = toSyncError(error, "touch");
    if (why.kind === "denied" || why.kind === "unsupported") return warn(why.message);
    throw why;
  }
}

/** Removes the entry that the plan saw; a version to be kept is put into the trash first. */
async function remove(backend: Backend, action: Remove, options: PerformOptions): Promise<Outcome> {
  const { to, path, target, keep } = action;
  const { trash } = options;
  const isKept = target.kind === "file" || target.kind === "link";
  if (trash === undefined || !isKept || (keep !== undefined && !isInTrash(keep))) {
    await removeInRoot(backend, action, options);
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
  return { kept: { id, at } };
}
