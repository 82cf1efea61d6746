import { join } from "node:path";
import type { Call } from "../../core/backend.ts";
import { cancelled, noStateFolder, SyncError } from "../../core/errors.ts";
import { absent, makeOwnFolder, readOwnText } from "../../machine/own_files.ts";
import { printable } from "../../core/path.ts";
import {
  busy,
  isAlive,
  type Lock,
  type LockOwner,
  type LockWorld,
  MAX_LOCK_BYTES,
  RENEW_MS,
  SILENT_MS,
  toOwner,
  toSelf,
} from "./owner.ts";

/** `wait`: for how many ms a lock that is held is waited for; `take`: it is taken over whoever holds it. */
export interface LockOptions extends Call {
  readonly folder: string;
  readonly pair: string;
  readonly wait: number;
  readonly take: boolean;
  readonly world: LockWorld;
}

/**
 * Takes the pair's lock. Rejects with busy while another run holds it, with refused when the lock does not tell its holder or is another
 * user's, with cancelled; with id noStateFolder where no lock can be written.
 *
 * The lock is a file with a number in its name, and whoever made the highest number holds it: a new number is made exclusively, so of
 * those who find a lock free at the same moment one gets it. Numbers never fall, and only who holds a higher one removes a lower one.
 */
export async function takeLock(options: LockOptions): Promise<Lock> {
  const { folder, pair, world } = options;
  const self = await toSelf(world);
  const until = world.now() + options.wait;
  try {
    await makeOwnFolder(folder);
    for (;;) {
      const [highest = 0, ...lower] = await generations(options);
      if (!Number.isSafeInteger(highest + 1)) {
        throw refused(`"${printable(lockPath(options, highest))}" is damaged: remove it.`);
      }
      const holder = highest === 0 ? undefined : await readOwner(options, highest);
      if (holder !== undefined && !options.take && !isFree(holder, self, world)) {
        if (world.now() >= until) throw busy(holder);
        await world.sleep(POLL_MS, options);
        if (options.signal.aborted) throw cancelled(options.signal, "wait for the other run");
        continue;
      }
      if (!await make(options, highest + 1, self)) continue;
      const [now] = await generations(options);
      if (now !== highest + 1) {
        // A slow one that made again what a later holder had removed.
        await Deno.remove(lockPath(options, highest + 1)).catch(absent);
        continue;
      }
      for (const old of [highest, ...lower]) if (old > 0) await Deno.remove(lockPath(options, old)).catch(absent);
      return new HeldLock(options, highest + 1, self);
    }
  } catch (error) {
    throw error instanceof SyncError ? error : unusable(`${folder}/${pair}`, error);
  }
}

const POLL_MS = 1000;
/** A number in the one form in which it is written: another spelling would name a file that no number leads back to. */
const NUMBERED = /^\.([1-9]\d{0,15})\.lock$/;
/** What the system says where nothing can be written. */
const UNWRITABLE: ReadonlySet<string> = new Set(["EROFS", "EACCES", "EPERM", "ENOSPC", "EDQUOT"]);
/** A disk without links shows a lock before it is written: so often it is read again, after so many ms. */
const READS = 20;
const READ_AGAIN_MS = 50;

class HeldLock implements Lock {
  readonly #options: LockOptions;
  readonly #number: number;
  readonly #self: LockOwner;
  readonly #stop: () => void;
  #renewal: Promise<void> = Promise.resolve();

  constructor(options: LockOptions, number: number, self: LockOwner) {
    this.#options = options;
    this.#number = number;
    this.#self = self;
    this.#stop = options.world.every(RENEW_MS, () => {
      this.#renewal = this.#write({ lease: options.world.now() });
    });
  }

  async stillHeld(): Promise<boolean> {
    const [highest] = await generations(this.#options);
    return highest === this.#number;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop();
    await this.#renewal;
    await this.#write({ released: true });
  }

  /** A lock that was taken over is left alone; one that cannot be written falls silent, and that is what it says. */
  async #write(change: Partial<LockOwner>): Promise<void> {
    const path = lockPath(this.#options, this.#number);
    try {
      if (!await this.stillHeld()) return;
      const beside = temporary(this.#options, this.#self);
      await Deno.writeTextFile(beside, JSON.stringify({ ...this.#self, ...change }), { mode: 0o600 });
      await Deno.rename(beside, path);
    } catch {
      return;
    }
  }
}

/** Numbers of the pair's locks, the highest first. */
async function generations({ folder, pair }: LockOptions): Promise<readonly number[]> {
  const found: number[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    const number = name.startsWith(`${pair}.`) ? NUMBERED.exec(name.slice(pair.length))?.[1] : undefined;
    if (number !== undefined) found.push(Number(number));
  }
  return found.sort((a, b) => b - a);
}

/** Undefined when it is gone meanwhile. */
async function readOwner(options: LockOptions, number: number): Promise<LockOwner | undefined> {
  const path = lockPath(options, number);
  for (let count = 1;; count++) {
    try {
      const text = await readOwnText(path, { limit: MAX_LOCK_BYTES });
      if (text === undefined) return undefined;
      const owner = toOwner(text);
      if (owner !== undefined || options.take) return owner;
    } catch (error) {
      if (!options.take) throw error instanceof SyncError ? error : unreadable(path, error);
      return undefined;
    }
    if (count === READS) {
      throw refused(`"${printable(path)}" does not say who works on this pair: if nobody does, use -BreakLock.`);
    }
    await options.world.sleep(READ_AGAIN_MS, options);
  }
}

function isFree(holder: LockOwner, self: LockOwner, world: LockWorld): boolean {
  if (holder.released === true || self.lease - holder.lease >= SILENT_MS) return true;
  if (world.now() - holder.lease >= SILENT_MS) return true;
  if (holder.host !== self.host) return false;
  if (holder.boot !== undefined && self.boot !== undefined && holder.boot !== self.boot) return true;
  return !(world.isAlive ?? isAlive)(holder.pid);
}

/** False when another was quicker. It appears whole, where the disk knows links. */
async function make(options: LockOptions, number: number, self: LockOwner): Promise<boolean> {
  const path = lockPath(options, number);
  const text = JSON.stringify({ ...self, lease: options.world.now() });
  const beside = temporary(options, self);
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
    await Deno.remove(beside).catch(absent);
  }
}

function lockPath({ folder, pair }: LockOptions, number: number): string {
  return join(folder, `${pair}.${number}.lock`);
}

/** One run has one lock of a pair, so its process id keeps two runs' files apart. */
function temporary({ folder, pair }: LockOptions, { pid, start }: LockOwner): string {
  return join(folder, `${pair}.${pid}-${start}.tmp`);
}

function refused(message: string): SyncError {
  return new SyncError("refused", message, { operation: "take the lock" });
}

/** A lock that is there and cannot be read may be held: to go on without it is no choice of the program's. */
function unreadable(path: string, cause: unknown): SyncError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return refused(`"${printable(path)}" cannot be read (${why}): if no other run works on this pair, use -BreakLock.`);
}

/** Where nothing can be written there is no state to speak of; every other reason stands for itself. */
function unusable(path: string, cause: unknown): SyncError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const message = `Cannot take the lock "${printable(path)}": ${why}`;
  if (!UNWRITABLE.has(code)) return new SyncError("denied", message, { operation: "take the lock", cause });
  return new SyncError("badInput", `${message}; set TANDEM_STATE to a folder you may write to.`, {
    operation: "take the lock",
    id: noStateFolder,
    cause,
  });
}
