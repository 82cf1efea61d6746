import type { Backend, Call, Content } from "../../core/backend.ts";
import { badInput, cancelled, SyncError } from "../../core/errors.ts";
import { printable, root, toRelPath } from "../../core/path.ts";
import { tempPath } from "../../core/temp_name.ts";
import type { FileEntry } from "../../core/entry.ts";
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
export interface RemoteLockOptions extends Call {
  readonly wait: number;
  readonly take: boolean;
  readonly world: LockWorld;
}

/**
 * Puts a file into the root that says who works on it, for other users and machines that ask for it too; undefined where the root does not
 * exist yet. Rejects with busy while another run holds it, with badInput where the name is taken, with cancelled.
 *
 * Servers know no exclusive create that all of them share. Who finds no lock writes one, waits a moment, and holds it if it is still his:
 * of two that wrote at once the later one does. What keeps files safe is that each is compared right before it is changed.
 */
export async function takeRemoteLock(backend: Backend, options: RemoteLockOptions): Promise<Lock | undefined> {
  const { world, signal } = options;
  const self = await toSelf(world);
  const until = world.now() + options.wait;
  if (await backend.stat(root, options) === undefined) return undefined;
  for (let unread = 0;;) {
    if (signal.aborted) throw cancelled(signal, "wait for the other run");
    const began = world.now();
    const entry = await find(backend, options);
    if (entry !== undefined && !options.take) {
      const holder = await readHolder(backend, entry, options);
      if (holder === undefined) {
        if (++unread === READS) throw unreadable(backend);
        await world.sleep(READ_AGAIN_MS, options);
        continue;
      }
      if (!await isFree({ holder, entry, self }, backend, options)) {
        if (world.now() >= until) throw busy(holder);
        await world.sleep(POLL_MS, options);
        continue;
      }
    }
    const lock = new HeldLock(backend, self, options);
    if (!await lock.write({ lease: world.now() }, entry ?? "absent")) continue;
    try {
      await world.sleep(Math.max(SETTLE_MS, 2 * (world.now() - began)), options);
      if (await lock.stillHeld()) return lock.held();
    } catch (error) {
      // Cancelled, or the line is gone: nobody should have to wait for what was never used.
      await lock[Symbol.asyncDispose]();
      throw error;
    }
  }
}

const PATH = toRelPath(".tandem-lock");
const POLL_MS = 5000;
/** At least so long, and twice as long as it took to look and to write, is waited for another who found no lock at the same moment. */
const SETTLE_MS = 500;
/** A server that replaces nothing at one stroke may show half a lock: so often it is read again, after so many ms. */
const READS = 10;
const READ_AGAIN_MS = 200;

class HeldLock implements Lock {
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

  /** Renews itself from now on. */
  held(): this {
    const { world } = this.#options;
    this.#stop = world.every(RENEW_MS, () => {
      this.#renewal = this.#renew();
    });
    return this;
  }

  /** False when another was quicker. */
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

  async stillHeld(): Promise<boolean> {
    return await this.#mine() !== undefined;
  }

  /** What cannot be removed falls silent, and that is what it says. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop();
    await this.#renewal;
    // Also after a run was cancelled: nobody else should have to wait for it.
    const call = { signal: new AbortController().signal };
    try {
      const entry = await this.#mine(call);
      if (entry !== undefined) await this.#backend.remove(entry, call);
    } catch {
      return;
    }
  }

  async #mine(call: Call = this.#options): Promise<FileEntry | undefined> {
    const entry = await find(this.#backend, call);
    const holder = entry && await readHolder(this.#backend, entry, call);
    const { host, pid, start } = this.#self;
    return holder?.host === host && holder.pid === pid && holder.start === start ? entry : undefined;
  }

  async #renew(): Promise<void> {
    try {
      const entry = await this.#mine();
      if (entry !== undefined) await this.write({ lease: this.#options.world.now() }, entry);
    } catch {
      return;
    }
  }
}

async function find(backend: Backend, { signal }: Call): Promise<FileEntry | undefined> {
  const entry = await backend.stat(PATH, { signal });
  if (entry === undefined || entry.kind === "file") return entry;
  throw badInput(`"${PATH}" in "${printable(backend.place.path)}" is no file: remove it, or leave -RemoteLock out.`);
}

/** Undefined where nobody can tell who holds it: it is damaged, or gone meanwhile. */
async function readHolder(backend: Backend, entry: FileEntry, { signal }: Call): Promise<LockOwner | undefined> {
  if (entry.size > MAX_LOCK_BYTES) return undefined;
  try {
    const text = await readShort(await backend.read(PATH, { signal }));
    return text === undefined ? undefined : toOwner(text);
  } catch (error) {
    if (error instanceof SyncError && (error.kind === "notFound" || error.kind === "changed")) return undefined;
    throw error;
  }
}

/** The content as text; undefined where a server sends more than a lock can hold, whatever size it told. */
async function readShort(content: Content): Promise<string | undefined> {
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
  const place = printable(backend.place.path);
  const message = `"${PATH}" in "${place}" does not say who works there: if nobody does, use -BreakLock.`;
  return new SyncError("refused", message, { operation: "take the lock" });
}

interface Standing {
  readonly holder: LockOwner;
  readonly entry: FileEntry;
  readonly self: LockOwner;
}

/**
 * May it be taken over? Its process is gone, as far as this machine can tell; or it was silent for ten minutes, by this machine's clock and,
 * where the server says when files came there, by the server's: the holder's own clock may be wrong.
 */
async function isFree(
  { holder, entry, self }: Standing,
  backend: Backend,
  options: RemoteLockOptions,
): Promise<boolean> {
  const { world, signal } = options;
  const isHere = holder.host === self.host && holder.boot !== undefined && holder.boot === self.boot;
  if (isHere && !(world.isAlive ?? isAlive)(holder.pid)) return true;
  if (world.now() - holder.lease < SILENT_MS) return false;
  if (entry.modified === undefined) return true;
  const path = tempPath(PATH, self.start.toString(16).padStart(16, "0"));
  const probe = await backend.write(path, () => Promise.resolve(new Uint8Array()), { signal, size: 0 });
  await backend.remove(probe, { signal });
  return probe.modified === undefined || probe.modified - entry.modified >= SILENT_MS;
}
