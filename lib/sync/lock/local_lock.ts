import { join } from "node:path";
import type { CallOptions } from "../../core/backend.ts";
import { cancelled, noStateFolder, SyncError } from "../../core/errors.ts";
import { ignoreNotFound, makeOwnFolder, readOwnText } from "../../machine/own_files.ts";
import { escapeForDisplay } from "../../core/path.ts";
import {
  busyError,
  currentOwner,
  EXPIRY_MS,
  isAlive,
  type Lock,
  type LockContext,
  type LockOwner,
  MAX_LOCK_BYTES,
  parseLockOwner,
  RENEW_MS,
} from "./owner.ts";

/** `wait`: how many ms to wait for a lock that is held; `force`: take the lock over even if it is held. */
export interface LockOptions extends CallOptions {
  readonly folder: string;
  readonly pair: string;
  readonly wait: number;
  readonly force: boolean;
  readonly context: LockContext;
}

/**
 * Takes the pair's lock. Rejects with busy while another run holds it, with refused if the lock cannot be read or
 * belongs to another user, with cancelled, and with id noStateFolder if no lock can be written.
 *
 * The lock is a file with a number in its name; the process that created the highest number holds it. A new number is
 * created exclusively, so of several processes that find the lock free at the same moment exactly one gets it. Numbers
 * never decrease, and only the holder of a higher number removes a lower one.
 */
export async function takeLock(options: LockOptions): Promise<Lock> {
  const { folder, pair, context: world } = options;
  const self = await currentOwner(world);
  const until = world.now() + options.wait;
  try {
    await makeOwnFolder(folder);
    for (;;) {
      const [highest = 0, ...lower] = await lockNumbers(options);
      if (!Number.isSafeInteger(highest + 1)) {
        throw lockRefused(`"${escapeForDisplay(lockPath(options, highest))}" is damaged: remove it.`);
      }
      const holder = highest === 0 ? undefined : await readOwner(options, highest);
      if (holder !== undefined && !options.force && !canTakeOver(holder, self, world)) {
        if (world.now() >= until) throw busyError(holder);
        await world.sleep(POLL_MS, options);
        if (options.signal.aborted) throw cancelled(options.signal, "wait for the other run");
        continue;
      }
      if (!await createLockFile(options, highest + 1, self)) continue;
      const [now] = await lockNumbers(options);
      if (now !== highest + 1) {
        // This process was slow and created again a number that a later holder had already removed.
        await Deno.remove(lockPath(options, highest + 1)).catch(ignoreNotFound);
        continue;
      }
      for (const old of [highest, ...lower]) {
        if (old > 0) await Deno.remove(lockPath(options, old)).catch(ignoreNotFound);
      }
      return new OwnedLock(options, highest + 1, self);
    }
  } catch (error) {
    throw error instanceof SyncError ? error : toLockError(`${folder}/${pair}`, error);
  }
}

const POLL_MS = 1000;
/**
 * The canonical form of a lock file's number. Another spelling would name a file that cannot be derived from the
 * number.
 */
const NUMBERED = /^\.([1-9]\d{0,15})\.lock$/;
/** The system's error codes for a state folder that cannot be written. */
const UNWRITABLE_CODES: ReadonlySet<string> = new Set(["EROFS", "EACCES", "EPERM", "ENOSPC", "EDQUOT"]);
/**
 * The number of reads, READ_AGAIN_MS apart, before an empty lock file is reported: a disk without hard links shows a
 * lock before its content is written.
 */
const READS = 20;
const READ_AGAIN_MS = 50;

class OwnedLock implements Lock {
  readonly #options: LockOptions;
  readonly #number: number;
  readonly #self: LockOwner;
  readonly #stop: () => void;
  #renewal: Promise<void> = Promise.resolve();

  constructor(options: LockOptions, number: number, self: LockOwner) {
    this.#options = options;
    this.#number = number;
    this.#self = self;
    this.#stop = options.context.every(RENEW_MS, () => {
      this.#renewal = this.#write({ lease: options.context.now() });
    });
  }

  async isLockOwner(): Promise<boolean> {
    const [highest] = await lockNumbers(this.#options);
    return highest === this.#number;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop();
    await this.#renewal;
    await this.#write({ released: true });
  }

  /**
   * Rewrites the lock's text unless another run has taken the lock over. A failure is ignored: without renewal the lock
   * expires.
   */
  async #write(change: Partial<LockOwner>): Promise<void> {
    const path = lockPath(this.#options, this.#number);
    try {
      if (!await this.isLockOwner()) return;
      const beside = tempLockPath(this.#options, this.#self);
      await Deno.writeTextFile(beside, JSON.stringify({ ...this.#self, ...change }), { mode: 0o600 });
      await Deno.rename(beside, path);
    } catch {
      return;
    }
  }
}

/** Returns the numbers of the pair's lock files, highest first. */
async function lockNumbers({ folder, pair }: LockOptions): Promise<readonly number[]> {
  const found: number[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    const number = name.startsWith(`${pair}.`) ? NUMBERED.exec(name.slice(pair.length))?.[1] : undefined;
    if (number !== undefined) found.push(Number(number));
  }
  return found.sort((a, b) => b - a);
}

/** Returns the holder of a lock, or undefined if the lock file was removed meanwhile. */
async function readOwner(options: LockOptions, number: number): Promise<LockOwner | undefined> {
  const path = lockPath(options, number);
  for (let count = 1;; count++) {
    try {
      const text = await readOwnText(path, { limit: MAX_LOCK_BYTES });
      if (text === undefined) return undefined;
      const owner = parseLockOwner(text);
      if (owner !== undefined || options.force) return owner;
    } catch (error) {
      if (!options.force) throw error instanceof SyncError ? error : unreadable(path, error);
      return undefined;
    }
    if (count === READS) {
      throw lockRefused(
        `"${
          escapeForDisplay(path)
        }" does not name the run that holds the lock: if no run works on this pair, use -BreakLock.`,
      );
    }
    await options.context.sleep(READ_AGAIN_MS, options);
  }
}

function canTakeOver(holder: LockOwner, self: LockOwner, world: LockContext): boolean {
  if (holder.released === true || self.lease - holder.lease >= EXPIRY_MS) return true;
  if (world.now() - holder.lease >= EXPIRY_MS) return true;
  if (holder.host !== self.host) return false;
  if (holder.boot !== undefined && self.boot !== undefined && holder.boot !== self.boot) return true;
  return !(world.isAlive ?? isAlive)(holder.pid);
}

/**
 * Creates a lock file and returns false if another process was faster. The file appears with its complete content if
 * the disk supports hard links.
 */
async function createLockFile(options: LockOptions, number: number, self: LockOwner): Promise<boolean> {
  const path = lockPath(options, number);
  const text = JSON.stringify({ ...self, lease: options.context.now() });
  const beside = tempLockPath(options, self);
  try {
    await Deno.writeTextFile(beside, text, { mode: 0o600 });
    await Deno.link(beside, path).catch(async (error) => {
      if (error instanceof Deno.errors.AlreadyExists) throw error;
      await Deno.writeTextFile(path, text, { createNew: true, mode: 0o600 });
    });
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    throw error;
  } finally {
    await Deno.remove(beside).catch(ignoreNotFound);
  }
}

function lockPath({ folder, pair }: LockOptions, number: number): string {
  return join(folder, `${pair}.${number}.lock`);
}

/**
 * Returns the path of this process's temporary lock file. One run has one lock per pair, so the process id keeps the
 * files of two runs apart.
 */
function tempLockPath({ folder, pair }: LockOptions, { pid, start }: LockOwner): string {
  return join(folder, `${pair}.${pid}-${start}.tmp`);
}

function lockRefused(message: string): SyncError {
  return new SyncError("refused", message, { operation: "take the lock" });
}

/** The error for a lock that exists and cannot be read. Another run may hold it, so this one must not continue. */
function unreadable(path: string, cause: unknown): SyncError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return lockRefused(
    `"${escapeForDisplay(path)}" cannot be read (${why}): if no other run works on this pair, use -BreakLock.`,
  );
}

/**
 * The error for a lock that cannot be taken. If the state folder cannot be written it has id noStateFolder; other
 * causes are reported as they are.
 */
function toLockError(path: string, cause: unknown): SyncError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const message = `Cannot take the lock "${escapeForDisplay(path)}": ${why}`;
  if (!UNWRITABLE_CODES.has(code)) return new SyncError("denied", message, { operation: "take the lock", cause });
  return new SyncError("badInput", `${message}; set TANDEM_STATE to a folder you may write to.`, {
    operation: "take the lock",
    id: noStateFolder,
    cause,
  });
}
