import { join } from "node:path";
import type { Backend } from "../lib/backends/mod.ts";
import { SyncError, toSyncError } from "../lib/errors.ts";
import { printable } from "../lib/path.ts";
import type { Host } from "../lib/shell/command.ts";
import { noStateFolder, openState, type State } from "../lib/state.ts";
import { openHistory, type Remembered } from "../lib/sync/history.ts";
import { takeLock } from "../lib/sync/lock.ts";
import type { Lock } from "../lib/sync/lock_owner.ts";
import { type PairIdentity, pairName } from "../lib/sync/pair_name.ts";
import type { Backends } from "../lib/sync/transfer.ts";
import { takeRemoteLock } from "../lib/sync/remote_lock.ts";
import { PairTrash } from "../lib/sync/trash.ts";
import type { SyncMode } from "./sync_params.ts";

/** Words that say where memory lies and how much is kept. */
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

/** What is asked of memory for one pair. `session`: the server's label. */
export interface MemoryOptions {
  readonly words: MemoryWords;
  readonly mode: SyncMode["mode"];
  readonly session: string;
  readonly host: Host;
}

/** What is kept of one pair of roots between runs. `remembered` is missing where this user has no folder to keep state in. */
export interface Memory extends AsyncDisposable {
  readonly remembered?: Remembered;
  /** In Both, and with -Recycle. */
  readonly trash?: PairTrash;
  /** None where nothing is written; this machine's not without a state folder. */
  readonly locks: readonly Lock[];
}

/**
 * Opens what is kept of the pair, whose lock is taken first: rejects with busy while another run has it. Where there is no state folder a
 * warning says so, and refused it is where deletions would travel.
 */
export async function openMemory(sides: Backends, options: MemoryOptions): Promise<Memory> {
  const { words, mode, host, session } = options;
  const state = await findState(host);
  if (state === undefined && mode === "Both" && words.Remove) throw needsState();
  const machine = await state?.machineId() ?? host.machine;
  const pair = toPair(sides, machine);
  const keeps = mode === "Both" || words.Recycle;
  const trash = keeps
    ? new PairTrash({
      home: trashHome(state),
      pair: pairName(pair),
      sides,
      start: host.now(),
      session,
      ...(words.RemoteTrash === undefined ? {} : { remoteTrash: words.RemoteTrash }),
    })
    : undefined;
  const lock = state === undefined || host.common.whatIf ? undefined : await takeLock({
    folder: join(state.folder, "locks"),
    pair: pairName(pair),
    wait: words.WaitLock ?? 0,
    take: words.BreakLock,
    world: { host: host.machine, now: host.now, every, sleep },
    signal: host.signal,
  });
  await using stack = new AsyncDisposableStack();
  if (lock !== undefined) stack.use(lock);
  const remoteLock = await lockRemote(sides.remote, options);
  if (remoteLock !== undefined) stack.use(remoteLock);
  const folder = words.HistoryPath ?? (state && join(state.folder, "history"));
  const remembered = folder === undefined ? undefined : await openRemembered({ folder, pair, host });
  if (remembered !== undefined) stack.use(remembered);
  const opened = stack.move();
  return {
    ...(remembered === undefined ? {} : { remembered }),
    ...(trash === undefined ? {} : { trash }),
    locks: [lock, remoteLock].filter((one) => one !== undefined),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
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

/** Where trash and its lists lie; undefined where there is no state folder. */
export function trashHome(state: State | undefined): string | undefined {
  return state && join(state.folder, "trash");
}

/** The state folder; undefined, with a warning, where there can be none. */
export async function findState(host: Host): Promise<State | undefined> {
  try {
    return await openState({ env: host.env, readOnly: host.common.whatIf });
  } catch (error) {
    const why = toSyncError(error, "open the state folder");
    if (why.facts.id !== noStateFolder) throw why;
    host.warn(`${why.message} Until then nothing is remembered from one run to the next.`);
    return undefined;
  }
}

function needsState(): SyncError {
  const message = "-Mode Both -Remove needs a state folder: which deletions may travel is remembered there. " +
    "Set TANDEM_STATE to a folder, or run the same command without -Remove.";
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

async function openRemembered(
  { folder, pair, host }: { readonly folder: string; readonly pair: PairIdentity; readonly host: Host },
): Promise<Remembered> {
  const remembered = await openHistory({ folder, pair, readOnly: host.common.whatIf });
  if (remembered.unusable !== undefined) {
    host.warn(
      `What both sides held after the last run cannot be used, ${remembered.unusable}. ` +
        "This is a first run: nothing counts as deleted.",
    );
  }
  return remembered;
}

/** Both roots by their real paths, the server as it was reached, its host's name in lower case. */
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
