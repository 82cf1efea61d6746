import type { Backend, Call } from "../backends/backend.ts";
import { SyncError, toSyncError } from "../errors.ts";
import { parentOf, printable, type RelPath, root } from "../path.ts";
import type { Action, Entry, FileEntry, Side } from "../types.ts";
import type { Outcome } from "./attempts.ts";
import type { Remove } from "./order.ts";
import type { Owner } from "./tag.ts";
import {
  type Backends,
  type Copy,
  isSame,
  type Place,
  stagingPath,
  transfer,
  type TransferOptions,
} from "./transfer.ts";

/** `place`: where a copy goes instead of its path. */
export interface PerformOptions extends Call {
  readonly owners: Readonly<Record<Side, Owner>>;
  readonly place?: Place;
  onBytes(bytes: number): void;
}

/** Does what one action says, having made sure that what is there is still what the plan saw. Rejects with a SyncError. */
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
      await remove(backend, action, options);
      return {};
    default:
      return action satisfies never;
  }
}

/** The entry, provided that it is still there as it was; rejects with changed else. */
export async function expectSame(backend: Backend, entry: Entry, call: Call): Promise<Entry> {
  const now = await backend.stat(entry.path, call);
  if (now !== undefined && isSame(now, entry)) return now;
  const state = now === undefined ? "it is gone" : "it has changed";
  const message = `"${printable(entry.path)}" on ${backend.label} is not what was listed: ${state}; run again`;
  throw new SyncError("changed", message, { operation: "compare", path: entry.path });
}

async function copy(action: Copy, sides: Backends, options: PerformOptions): Promise<Outcome> {
  const warnings: string[] = [];
  const carrying = {
    signal: options.signal,
    owner: options.owners[action.to],
    onBytes: options.onBytes,
    onWarning: (message: string) => void warnings.push(message),
  };
  const { keep, replaces } = action;
  const loser = keep !== undefined && replaces?.kind === "file" ? { entry: replaces, keep } : undefined;
  const staging = loser && stagingPath(action, sides, carrying.owner);
  let entry: Entry | undefined;
  if (loser !== undefined && staging !== undefined) {
    entry = await exchange(action, sides, { ...carrying, ...loser, staging });
  } else {
    if (loser !== undefined) await keepCopy(sides[action.to], loser, options);
    const { place } = options;
    entry = await transfer(action, sides, place === undefined ? carrying : { ...carrying, place });
  }
  return entry === undefined ? { vanished: true } : { entry, warnings };
}

interface Loser {
  readonly entry: FileEntry;
  readonly keep: RelPath;
}

/**
 * Brings the new content under a name of our own, then renames the old file to where it is kept and the new one to its place: nothing
 * is seen before the content is complete, and a run that breaks between the two renames is healed by the next.
 */
async function exchange(
  action: Copy,
  sides: Backends,
  { entry, keep, staging, ...options }: TransferOptions & Loser & { readonly staging: RelPath },
): Promise<Entry | undefined> {
  const backend = sides[action.to];
  const { signal } = options;
  const staged = await transfer(action, sides, { ...options, place: { path: staging } });
  if (staged?.kind !== "file") return staged;
  try {
    await makeParents(backend, keep, options);
    await expectSame(backend, entry, options);
    await backend.rename?.(entry.path, keep, { signal, expect: "absent" });
  } catch (error) {
    await backend.remove(staged, options);
    throw error;
  }
  await backend.rename?.(staging, action.path, { signal, expect: "absent" });
  return { ...staged, path: action.path };
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

/** Removes what the plan saw there; what is to be kept is put away under its other name instead. */
async function remove(backend: Backend, { target, keep }: Remove, call: Call): Promise<void> {
  if (keep === undefined) return await backend.remove(target, call);
  await makeParents(backend, keep, call);
  if (backend.rename !== undefined) {
    await expectSame(backend, target, call);
    return await backend.rename(target.path, keep, { signal: call.signal, expect: "absent" });
  }
  if (target.kind !== "file") {
    const message = `Cannot put "${printable(target.path)}" away before it is removed: ${backend.label} cannot rename`;
    throw new SyncError("unsupported", message, { operation: "remove", path: target.path });
  }
  await keepCopy(backend, { entry: target, keep }, call);
  await backend.remove(target, call);
}

/** A second copy on the same side, made where the file lies if that can be. The first one stays in its place all the time. */
async function keepCopy(backend: Backend, { entry, keep }: Loser, call: Call): Promise<void> {
  await makeParents(backend, keep, call);
  if (backend.copy !== undefined) {
    await expectSame(backend, entry, call);
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

async function makeParents(backend: Backend, path: RelPath, call: Call): Promise<void> {
  const missing: RelPath[] = [];
  for (let dir = parentOf(path); dir !== root; dir = parentOf(dir)) missing.unshift(dir);
  for (const dir of missing) await backend.makeDir(dir, call);
}
