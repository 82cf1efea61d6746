import type { Backend, CallOptions, Content } from "../../core/backend.ts";
import { badInput, cancelled, SyncError } from "../../core/errors.ts";
import { escapeForDisplay, root, toRelPath } from "../../core/path.ts";
import { tempPath } from "../../core/temp_name.ts";
import type { FileEntry } from "../../core/entry.ts";
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
export interface RemoteLockOptions extends CallOptions {
  readonly wait: number;
  readonly force: boolean;
  readonly context: LockContext;
}

/**
 * Takes a lock by writing a file into the remote root, for other users and machines that use this lock as well. Returns
 * undefined if the root does not exist yet. Rejects with busy while another run holds it, with badInput if the name is
 * taken by something that is not a file, with cancelled.
 *
 * No exclusive create is supported by all servers. A run that finds no lock writes one, waits a moment, and holds
 * the lock if its own text is still there: of two runs that write at the same time the later one wins. The lock is
 * advisory: files are safe because each one is compared right before it is changed.
 */
export async function takeRemoteLock(backend: Backend, options: RemoteLockOptions): Promise<Lock | undefined> {
  const { context: world, signal } = options;
  const self = await currentOwner(world);
  const until = world.now() + options.wait;
  if (await backend.stat(root, options) === undefined) return undefined;
  for (let unread = 0;;) {
    if (signal.aborted) throw cancelled(signal, "wait for the other run");
    const began = world.now();
    const entry = await findLockFile(backend, options);
    if (entry !== undefined && !options.force) {
      const holder = await readHolder(backend, entry, options);
      if (holder === undefined) {
        if (++unread === READS) throw unreadable(backend);
        await world.sleep(READ_AGAIN_MS, options);
        continue;
      }
      if (!await canTakeOver({ holder, entry, self }, backend, options)) {
        if (world.now() >= until) throw busyError(holder);
        await world.sleep(POLL_MS, options);
        continue;
      }
    }
    const lock = new OwnedLock(backend, self, options);
    if (!await lock.write({ lease: world.now() }, entry ?? "absent")) continue;
    try {
      await world.sleep(Math.max(CLAIM_WAIT_MS, 2 * (world.now() - began)), options);
      if (await lock.isLockOwner()) return lock.startRenewal();
    } catch (error) {
      // Cancelled, or the connection was lost: a lock that was never used must not block other runs.
      await lock[Symbol.asyncDispose]();
      throw error;
    }
  }
}

const PATH = toRelPath(".tandem-lock");
const POLL_MS = 5000;
/**
 * The minimum wait for another run that found no lock at the same moment; twice the time of the check and the write if
 * that is longer.
 */
const CLAIM_WAIT_MS = 500;
/**
 * The number of reads, READ_AGAIN_MS apart, before an unreadable lock is reported: a server that does not replace files
 * atomically may show half a lock.
 */
const READS = 10;
const READ_AGAIN_MS = 200;

class OwnedLock implements Lock {
  readonly #backend: Backend;
  readonly #self: LockOwner;
  readonly #options: RemoteLockOptions;
  #stop = () => {};
  #renewal: Promise<unknown> = Promise.resolve();

  constructor(backend: Backend, self: LockOwner, options: RemoteLockOptions) {
    this.#backend = backend;
    this.#self = self;
    this.#options = options;
  }

  /** Starts the renewal and returns the lock. */
  startRenewal(): this {
    const { context: world } = this.#options;
    this.#stop = world.every(RENEW_MS, () => {
      this.#renewal = this.#renew();
    });
    return this;
  }

  /** Writes the lock file. Returns false if another run was faster. */
  async write(change: Partial<LockOwner>, expect: FileEntry | "absent"): Promise<boolean> {
    const bytes = new TextEncoder().encode(JSON.stringify({ ...this.#self, ...change }));
    const { signal } = this.#options;
    try {
      await this.#backend.write(PATH, () => Promise.resolve(bytes), { signal, expect, size: bytes.length });
      return true;
    } catch (error) {
      if (error instanceof SyncError && (error.kind === "changed" || error.kind === "exists")) return false;
      throw error;
    }
  }

  async isLockOwner(): Promise<boolean> {
    return await this.#ownEntry() !== undefined;
  }

  /** Stops the renewal and removes the lock file. A failure is ignored: without renewal the lock expires. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop();
    await this.#renewal;
    // Also after a cancelled run, so that other runs need not wait for the lock to expire.
    const call = { signal: new AbortController().signal };
    try {
      const entry = await this.#ownEntry(call);
      if (entry !== undefined) await this.#backend.remove(entry, call);
    } catch {
      return;
    }
  }

  async #ownEntry(call: CallOptions = this.#options): Promise<FileEntry | undefined> {
    const entry = await findLockFile(this.#backend, call);
    const holder = entry && await readHolder(this.#backend, entry, call);
    const { host, pid, start } = this.#self;
    return holder?.host === host && holder.pid === pid && holder.start === start ? entry : undefined;
  }

  async #renew(): Promise<void> {
    try {
      const entry = await this.#ownEntry();
      if (entry !== undefined) await this.write({ lease: this.#options.context.now() }, entry);
    } catch {
      return;
    }
  }
}

async function findLockFile(backend: Backend, { signal }: CallOptions): Promise<FileEntry | undefined> {
  const entry = await backend.stat(PATH, { signal });
  if (entry === undefined || entry.kind === "file") return entry;
  throw badInput(
    `"${PATH}" in "${escapeForDisplay(backend.root.path)}" is not a file: remove it, or leave -RemoteLock out.`,
  );
}

/** Returns the holder of the lock, or undefined if the lock is damaged or was removed meanwhile. */
async function readHolder(backend: Backend, entry: FileEntry, { signal }: CallOptions): Promise<LockOwner | undefined> {
  if (entry.size > MAX_LOCK_BYTES) return undefined;
  try {
    const text = await readLimitedText(await backend.read(PATH, { signal }));
    return text === undefined ? undefined : parseLockOwner(text);
  } catch (error) {
    if (error instanceof SyncError && (error.kind === "notFound" || error.kind === "changed")) return undefined;
    throw error;
  }
}

/**
 * Returns the content as text, or undefined if the server sends more than a lock can hold, whatever size it reported.
 */
async function readLimitedText(content: Content): Promise<string | undefined> {
  const bytes = new Uint8Array(MAX_LOCK_BYTES);
  let size = 0;
  for await (const chunk of content instanceof Uint8Array ? [content] : content) {
    if (size + chunk.length > bytes.length) return undefined;
    bytes.set(chunk, size);
    size += chunk.length;
  }
  return new TextDecoder().decode(bytes.subarray(0, size));
}

function unreadable(backend: Backend): SyncError {
  const place = escapeForDisplay(backend.root.path);
  const message =
    `"${PATH}" in "${place}" does not name the run that holds the lock: if no run works there, use -BreakLock.`;
  return new SyncError("refused", message, { operation: "take the lock" });
}

interface LockState {
  readonly holder: LockOwner;
  readonly entry: FileEntry;
  readonly self: LockOwner;
}

/**
 * Whether the lock may be taken over: its process has ended, as far as this machine can tell, or it was not renewed for
 * ten minutes, by this machine's clock and, if the server reports modification times, also by the server's clock (the
 * holder's own clock may be wrong).
 */
async function canTakeOver(
  { holder, entry, self }: LockState,
  backend: Backend,
  options: RemoteLockOptions,
): Promise<boolean> {
  const { context: world, signal } = options;
  const isHere = holder.host === self.host && holder.boot !== undefined && holder.boot === self.boot;
  if (isHere && !(world.isAlive ?? isAlive)(holder.pid)) return true;
  if (world.now() - holder.lease < EXPIRY_MS) return false;
  if (entry.modified === undefined) return true;
  const path = tempPath(PATH, self.start.toString(16).padStart(16, "0"));
  const probe = await backend.write(path, () => Promise.resolve(new Uint8Array()), { signal, size: 0 });
  await backend.remove(probe, { signal });
  return probe.modified === undefined || probe.modified - entry.modified >= EXPIRY_MS;
}
