import process from "node:process";
import type { CallOptions } from "../../core/backend.ts";
import { SyncError } from "../../core/errors.ts";
import { escapeForDisplay } from "../../core/path.ts";

/**
 * The holder of a lock. `boot`: identifies the boot of the machine to which its process id belongs; `start`, `lease`:
 * in ms since the epoch.
 */
export interface LockOwner {
  readonly host: string;
  readonly boot?: string;
  readonly pid: number;
  readonly start: number;
  /** The time of the last renewal. */
  readonly lease: number;
  /** Whether the run has ended normally. */
  readonly released?: boolean;
}

/** The clock, timers and facts about this machine that a lock uses. */
export interface LockContext {
  readonly host: string;
  readonly pid?: number;
  readonly boot?: string;
  now(): number;
  /** Calls `tick` every `ms` milliseconds until the returned function is called. Does not keep the process alive. */
  every(ms: number, tick: () => void): () => void;
  sleep(ms: number, call: CallOptions): Promise<void>;
  isAlive?(pid: number): boolean;
}

/** An exclusive lock on a pair of roots. Disposing it releases the lock. */
export interface Lock extends AsyncDisposable {
  /** Whether this run still holds the lock. Called before anything is overwritten or removed. */
  isLockOwner(): Promise<boolean>;
}

/** The interval between renewals, and the time without a renewal after which a lock counts as abandoned. */
export const RENEW_MS = 60_000;
export const EXPIRY_MS = 600_000;

/** Returns this process as a lock holder, starting now. */
export async function currentOwner(world: LockContext): Promise<LockOwner> {
  const boot = world.boot ?? await bootId();
  const now = world.now();
  return {
    host: world.host,
    pid: world.pid ?? Deno.pid,
    start: now,
    lease: now,
    ...(boot === undefined ? {} : { boot }),
  };
}

/** Parses a lock's text. Returns undefined if it is not valid, or contains values that no run writes. */
export function parseLockOwner(text: string): LockOwner | undefined {
  if (text.length > MAX_LOCK_BYTES) return undefined;
  try {
    const { host, boot, pid, start, lease, released } = JSON.parse(text);
    if (typeof host !== "string" || host.length > MAX_NAME || !isTime(start) || !isTime(lease)) return undefined;
    if (!Number.isInteger(pid) || pid <= 0 || pid > MAX_PID) return undefined;
    if (boot !== undefined && (typeof boot !== "string" || boot.length > MAX_NAME)) return undefined;
    return { host, pid, start, lease, ...(boot === undefined ? {} : { boot }), released: released === true };
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined;
    throw error;
  }
}

/** The maximum size of a lock's text: one line of JSON. */
export const MAX_LOCK_BYTES = 4096;
const MAX_NAME = 1024;
const MAX_PID = 2 ** 32;
/** The largest time value of ECMAScript. */
const MAX_TIME = 8.64e15;

function isTime(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value <= MAX_TIME;
}

/** Whether a process with this id exists on this machine. */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

export function busyError({ host, pid, start }: LockOwner): SyncError {
  const since = new Date(start).toISOString().slice(0, 19).replace("T", " ");
  const message =
    `Another run works on this pair of folders: process ${pid} on ${escapeForDisplay(host)}, since ${since} UTC. ` +
    "Wait for it with -WaitLock 10m; if you know it is gone, take over with -BreakLock.";
  return new SyncError("busy", message, { operation: "take the lock" });
}

async function bootId(): Promise<string | undefined> {
  if (Deno.build.os !== "linux") return undefined;
  try {
    return (await Deno.readTextFile("/proc/sys/kernel/random/boot_id")).trim();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) return undefined;
    throw error;
  }
}
