import { join } from "node:path";
import type { Backend } from "../../lib/backends/mod.ts";
import { noStateFolder, SyncError, toSyncError } from "../../lib/core/errors.ts";
import { escapeForDisplay } from "../../lib/core/path.ts";
import type { CommandContext } from "../../lib/shell/command/command.ts";
import { assertWritable } from "../../lib/machine/own_files.ts";
import { openStateFolder, type StateFolder } from "../../lib/session/state_folder.ts";
import { openHistory, type PairHistory } from "../../lib/sync/history/file.ts";
import { takeLock } from "../../lib/sync/lock/local_lock.ts";
import type { Lock } from "../../lib/sync/lock/owner.ts";
import { type PairIdentity, pairName } from "../../lib/sync/history/pair_id.ts";
import { takeRemoteLock } from "../../lib/sync/lock/remote_lock.ts";
import { PairTrash } from "../../lib/sync/trash/trash.ts";
import { assertOwnTrash } from "../../lib/sync/trash/index_file.ts";
import type { SyncMode } from "./sync_params.ts";
import type { Backends } from "../../lib/sync/common/sides.ts";

/** The parameters for the location of the state and for how much of it is kept. */
export interface BoundState {
  readonly HistoryPath: string | undefined;
  readonly Recycle: boolean;
  readonly TrashDays: number;
  readonly RemoteTrash: string | undefined;
  readonly WaitLock: number | undefined;
  readonly BreakLock: boolean;
  readonly RemoteLock: boolean;
  readonly Remove: boolean;
}

/** The options for the state of one pair. `session`: the server's label. */
export interface PairStateOptions {
  readonly bound: BoundState;
  readonly mode: SyncMode["mode"];
  readonly session: string;
  readonly context: CommandContext;
}

/** The state of one pair of roots that is kept between runs. */
export interface PairState extends AsyncDisposable {
  /** Missing if this user has no folder for state. */
  readonly history?: PairHistory;
  /** In Both, and with -Recycle. */
  readonly trash?: PairTrash;
  /** None if nothing is written; without this machine's own lock if there is no state folder. */
  readonly locks: readonly Lock[];
}

/**
 * Opens the state of the pair and takes its lock first: rejects with busy while another run holds it. If no state can
 * be written, warns, or rejects with refused if deletions would be propagated.
 */
export async function openPairState(sides: Backends, options: PairStateOptions): Promise<PairState> {
  const { bound, mode, context, session } = options;
  await using stack = new AsyncDisposableStack();
  const parts = await openStateParts(sides, options);
  if (parts?.lock !== undefined) stack.use(parts.lock);
  const pair = parts?.pair ?? toPairIdentity(sides, context.machineName);
  const home = trashFolderOf(parts?.state);
  const keeps = mode === "Both" || bound.Recycle;
  const trash = keeps
    ? new PairTrash({
      home,
      pair: pairName(pair),
      sides,
      start: context.now(),
      session,
      ...(bound.RemoteTrash === undefined ? {} : { remoteTrash: bound.RemoteTrash }),
    })
    : undefined;
  if (home !== undefined && keeps) await assertOwnTrash({ home, pair: pairName(pair) });
  const remoteLock = await takeLockOfRemote(sides.remote, options);
  if (remoteLock !== undefined) stack.use(remoteLock);
  const history = parts === undefined ? undefined : await openPairHistory(parts, options);
  if (history !== undefined) stack.use(history);
  const opened = stack.move();
  return {
    ...(history === undefined ? {} : { history }),
    ...(trash === undefined ? {} : { trash }),
    locks: [parts?.lock, remoteLock].filter((one) => one !== undefined),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

/** The parts of the state folder that this pair needs. `key` seals the history; no lock if nothing is written. */
interface StateParts {
  readonly state: StateFolder;
  readonly pair: PairIdentity;
  readonly key: Uint8Array;
  readonly lock: Lock | undefined;
}

/** Opens the state folder and takes the pair's lock; returns undefined, with a warning, if no state can be written. */
async function openStateParts(
  sides: Backends,
  { bound, mode, context }: PairStateOptions,
): Promise<StateParts | undefined> {
  try {
    const state = await openStateFolder({ env: context.env, readOnly: context.common.whatIf });
    if (!context.common.whatIf) await state.assertWritable();
    const [machine, key] = [await state.machineId(), await state.derivedKey("history")];
    const pair = toPairIdentity(sides, machine);
    const lock = context.common.whatIf ? undefined : await takeLock({
      folder: join(state.folder, "locks"),
      pair: pairName(pair),
      wait: bound.WaitLock ?? 0,
      force: bound.BreakLock,
      context: { host: context.machineName, now: context.now, every, sleep },
      signal: context.signal,
    });
    return { state, pair, key, lock };
  } catch (error) {
    const { message } = requireNoStateError(error);
    if (mode === "Both" && bound.Remove) throw stateRequiredError(message);
    context.warn(`${message} ${WITHOUT_STATE}`);
    return undefined;
  }
}

async function takeLockOfRemote(remote: Backend, { bound, context }: PairStateOptions): Promise<Lock | undefined> {
  if (!bound.RemoteLock || context.common.whatIf) return undefined;
  const world = { host: context.machineName, now: context.now, every, sleep };
  const lock = await takeRemoteLock(remote, {
    wait: bound.WaitLock ?? 0,
    force: bound.BreakLock,
    context: world,
    signal: context.signal,
  });
  if (lock === undefined) {
    context.warn(
      `"${
        escapeForDisplay(remote.root.path)
      }" does not exist yet, so -RemoteLock cannot keep other machines out of this run.`,
    );
  }
  return lock;
}

/** Returns the folder of the trash and its lists; undefined if there is no state folder. */
export function trashFolderOf(state: StateFolder | undefined): string | undefined {
  return state && join(state.folder, "trash");
}

/** Returns the state folder for reading; undefined, with a warning, if there can be none. */
export async function openStateForReading(context: CommandContext): Promise<StateFolder | undefined> {
  try {
    return await openStateFolder({ env: context.env, readOnly: true });
  } catch (error) {
    context.warn(`${requireNoStateError(error).message} ${WITHOUT_STATE}`);
    return undefined;
  }
}

const WITHOUT_STATE = "Until then nothing is remembered from one run to the next.";

/** Returns the error if it means that there is no state; throws every other one. */
function requireNoStateError(error: unknown): SyncError {
  const why = toSyncError(error, "open the state folder");
  if (why.facts.id !== noStateFolder) throw why;
  return why;
}

function stateRequiredError(why: string): SyncError {
  const message = "-Mode Both -Remove needs a state folder: it records which deletions may travel. " +
    `${why} Or run the same command without -Remove.`;
  return new SyncError("refused", message, { operation: "open the state folder" });
}

function every(ms: number, tick: () => void): () => void {
  const timer = setInterval(tick, ms);
  return () => clearInterval(timer);
}

/** Resolves early when the signal is aborted. */
function sleep(ms: number, { signal }: Pick<CommandContext, "signal">): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
  });
}

/**
 * Opens the history, with a warning if the existing one cannot be used. Rejects with refused if deletions would be
 * propagated by the file of another user.
 */
async function openPairHistory(
  { state, pair, key }: StateParts,
  { bound, mode, context }: PairStateOptions,
): Promise<PairHistory> {
  const folder = bound.HistoryPath ?? join(state.folder, "history");
  const history = await openHistory({ folder, pair, key, readOnly: context.common.whatIf });
  const { unusable, frozen, unsealed } = history;
  if (frozen === true && mode === "Both" && bound.Remove) {
    throw new SyncError("refused", `${unusable}. Without a history -Mode Both -Remove cannot tell what was deleted.`, {
      operation: "open the history",
    });
  }
  if (mode === "Both" && bound.Remove && !context.common.whatIf) await assertStateWritable(folder);
  if (unusable !== undefined) {
    context.warn(
      `The history of this pair cannot be used, ${unusable}. ` +
        "This run counts as the first: nothing counts as deleted.",
    );
  }
  if (unsealed === true) {
    context.warn(
      "The history of this pair has no seal, because an older version wrote it: nothing counts as deleted in this run.",
    );
  }
  return history;
}

/**
 * Rejects if the history cannot be written: later runs would find the same deletion again, when it is no longer one.
 */
async function assertStateWritable(folder: string): Promise<void> {
  try {
    await assertWritable(folder);
  } catch (error) {
    if (error instanceof SyncError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw stateRequiredError(
      `Nothing can be written in "${escapeForDisplay(folder)}" (${why}); see -HistoryPath and TANDEM_STATE.`,
    );
  }
}

/** Identifies the pair: both roots by their real paths, the server by its label, with the host's name in lower case. */
function toPairIdentity({ local, remote }: Backends, machine: string): PairIdentity {
  const disk = remote.root.diskPath;
  const at = remote.label.lastIndexOf("@") + 1;
  const server = remote.label.slice(0, at) + remote.label.slice(at).toLowerCase();
  return {
    machine,
    local: local.root.diskPath ?? local.root.path,
    server: disk === undefined ? server : "file:",
    remote: disk ?? remote.root.path,
    ...(remote.fingerprint === undefined ? {} : { peer: remote.fingerprint }),
  };
}
