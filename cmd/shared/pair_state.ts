import { join } from "node:path";
import type { Backend } from "../../lib/backends/mod.ts";
import { noStateFolder, SyncError, toSyncError } from "../../lib/core/errors.ts";
import { printable } from "../../lib/core/path.ts";
import type { Host } from "../../lib/shell/command/command.ts";
import { probeFolder } from "../../lib/machine/own_files.ts";
import { openState, type State } from "../../lib/session/state_folder.ts";
import { openHistory, type Remembered } from "../../lib/sync/history/file.ts";
import { takeLock } from "../../lib/sync/lock/local_lock.ts";
import type { Lock } from "../../lib/sync/lock/owner.ts";
import { type PairIdentity, pairName } from "../../lib/sync/history/pair_id.ts";
import { takeRemoteLock } from "../../lib/sync/lock/remote_lock.ts";
import { PairTrash } from "../../lib/sync/trash/trash.ts";
import { guardTrash } from "../../lib/sync/trash/index_file.ts";
import type { SyncMode } from "./sync_params.ts";
import type { Backends } from "../../lib/sync/common/sides.ts";

/** The parameters for the location of the state and for how much of it is kept. */
export interface MemoryWords {
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
export interface MemoryOptions {
  readonly words: MemoryWords;
  readonly mode: SyncMode["mode"];
  readonly session: string;
  readonly host: Host;
}

/**
 * The state of one pair of roots that is kept between runs. `remembered` is missing if this user has no folder for
 * state.
 */
export interface Memory extends AsyncDisposable {
  readonly remembered?: Remembered;
  /** In Both, and with -Recycle. */
  readonly trash?: PairTrash;
  /** None if nothing is written; without the host's own lock if there is no state folder. */
  readonly locks: readonly Lock[];
}

/**
 * Opens the state of the pair and takes its lock first: rejects with busy while another run holds it. If no state can
 * be written, warns, or rejects with refused if deletions would be propagated.
 */
export async function openMemory(sides: Backends, options: MemoryOptions): Promise<Memory> {
  const { words, mode, host, session } = options;
  await using stack = new AsyncDisposableStack();
  const kept = await openKept(sides, options);
  if (kept?.lock !== undefined) stack.use(kept.lock);
  const pair = kept?.pair ?? toPair(sides, host.machine);
  const home = trashHome(kept?.state);
  const keeps = mode === "Both" || words.Recycle;
  const trash = keeps
    ? new PairTrash({
      home,
      pair: pairName(pair),
      sides,
      start: host.now(),
      session,
      ...(words.RemoteTrash === undefined ? {} : { remoteTrash: words.RemoteTrash }),
    })
    : undefined;
  if (home !== undefined && keeps) await guardTrash({ home, pair: pairName(pair) });
  const remoteLock = await lockRemote(sides.remote, options);
  if (remoteLock !== undefined) stack.use(remoteLock);
  const remembered = kept === undefined ? undefined : await openRemembered(kept, options);
  if (remembered !== undefined) stack.use(remembered);
  const opened = stack.move();
  return {
    ...(remembered === undefined ? {} : { remembered }),
    ...(trash === undefined ? {} : { trash }),
    locks: [kept?.lock, remoteLock].filter((one) => one !== undefined),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

/** The parts of the state folder that this pair needs. `key` seals the history; no lock if nothing is written. */
interface Kept {
  readonly state: State;
  readonly pair: PairIdentity;
  readonly key: Uint8Array;
  readonly lock: Lock | undefined;
}

/** Opens the state folder and takes the pair's lock; returns undefined, with a warning, if no state can be written. */
async function openKept(sides: Backends, { words, mode, host }: MemoryOptions): Promise<Kept | undefined> {
  try {
    const state = await openState({ env: host.env, readOnly: host.common.whatIf });
    if (!host.common.whatIf) await state.mustBeWritable();
    const [machine, key] = [await state.machineId(), await state.derivedKey("history")];
    const pair = toPair(sides, machine);
    const lock = host.common.whatIf ? undefined : await takeLock({
      folder: join(state.folder, "locks"),
      pair: pairName(pair),
      wait: words.WaitLock ?? 0,
      take: words.BreakLock,
      world: { host: host.machine, now: host.now, every, sleep },
      signal: host.signal,
    });
    return { state, pair, key, lock };
  } catch (error) {
    const { message } = withoutState(error);
    if (mode === "Both" && words.Remove) throw needsState(message);
    host.warn(`${message} ${WITHOUT_MEMORY}`);
    return undefined;
  }
}

async function lockRemote(remote: Backend, { words, host }: MemoryOptions): Promise<Lock | undefined> {
  if (!words.RemoteLock || host.common.whatIf) return undefined;
  const world = { host: host.machine, now: host.now, every, sleep };
  const lock = await takeRemoteLock(remote, {
    wait: words.WaitLock ?? 0,
    take: words.BreakLock,
    world,
    signal: host.signal,
  });
  if (lock === undefined) {
    host.warn(`"${printable(remote.place.path)}" does not exist yet: -RemoteLock keeps nobody else out of this run.`);
  }
  return lock;
}

/** Returns the folder of the trash and its lists; undefined if there is no state folder. */
export function trashHome(state: State | undefined): string | undefined {
  return state && join(state.folder, "trash");
}

/** Returns the state folder for reading; undefined, with a warning, if there can be none. */
export async function findState(host: Host): Promise<State | undefined> {
  try {
    return await openState({ env: host.env, readOnly: true });
  } catch (error) {
    host.warn(`${withoutState(error).message} ${WITHOUT_MEMORY}`);
    return undefined;
  }
}

const WITHOUT_MEMORY = "Until then nothing is remembered from one run to the next.";

/** Returns the error if it means that there is no state; throws every other one. */
function withoutState(error: unknown): SyncError {
  const why = toSyncError(error, "open the state folder");
  if (why.facts.id !== noStateFolder) throw why;
  return why;
}

function needsState(why: string): SyncError {
  const message = "-Mode Both -Remove needs a state folder: which deletions may travel is remembered there. " +
    `${why} Or run the same command without -Remove.`;
  return new SyncError("refused", message, { operation: "open the state folder" });
}

function every(ms: number, tick: () => void): () => void {
  const timer = setInterval(tick, ms);
  return () => clearInterval(timer);
}

/** Resolves early when the signal is aborted. */
function sleep(ms: number, { signal }: Pick<Host, "signal">): Promise<void> {
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
async function openRemembered({ state, pair, key }: Kept, { words, mode, host }: MemoryOptions): Promise<Remembered> {
  const folder = words.HistoryPath ?? join(state.folder, "history");
  const remembered = await openHistory({ folder, pair, key, readOnly: host.common.whatIf });
  const { unusable, frozen, unsealed } = remembered;
  if (frozen === true && mode === "Both" && words.Remove) {
    throw new SyncError("refused", `${unusable}. Without a history -Mode Both -Remove cannot tell what was deleted.`, {
      operation: "open the history",
    });
  }
  if (mode === "Both" && words.Remove && !host.common.whatIf) await mustBeWritable(folder);
  if (unusable !== undefined) {
    host.warn(
      `What both sides held after the last run cannot be used, ${unusable}. ` +
        "This is a first run: nothing counts as deleted.",
    );
  }
  if (unsealed === true) {
    host.warn(
      "What both sides held after the last run carries no seal, being of an older version: in this run nothing counts as deleted.",
    );
  }
  return remembered;
}

/**
 * Rejects if the history cannot be written: later runs would find the same deletion again, when it is no longer one.
 */
async function mustBeWritable(folder: string): Promise<void> {
  try {
    await probeFolder(folder);
  } catch (error) {
    if (error instanceof SyncError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw needsState(`Nothing can be written in "${printable(folder)}" (${why}); see -HistoryPath and TANDEM_STATE.`);
  }
}

/** Identifies the pair: both roots by their real paths, the server by its label, with the host's name in lower case. */
function toPair({ local, remote }: Backends, machine: string): PairIdentity {
  const disk = remote.place.disk;
  const at = remote.label.lastIndexOf("@") + 1;
  const server = remote.label.slice(0, at) + remote.label.slice(at).toLowerCase();
  return {
    machine,
    local: local.place.disk ?? local.place.path,
    server: disk === undefined ? server : "file:",
    remote: disk ?? remote.place.path,
    ...(remote.peer === undefined ? {} : { peer: remote.peer }),
  };
}
