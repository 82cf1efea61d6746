import process from "node:process";
import type { Call } from "../../core/backend.ts";
import { SyncError } from "../../core/errors.ts";
import { printable } from "../../core/path.ts";

/** Who holds a lock. `boot`: names the start of the machine since which its process ids count; `start`, `lease` in ms since the epoch. */
export interface LockOwner {
  readonly host: string;
  readonly boot?: string;
  readonly pid: number;
  readonly start: number;
  /** When it was last heard of. */
  readonly lease: number;
  /** It has ended in good order. */
  readonly released?: boolean;
}

/** Time, and what is known of this machine. */
export interface LockWorld {
  readonly host: string;
  readonly pid?: number;
  readonly boot?: string;
  now(): number;
  /** Calls `tick` every so many ms until what it gives is called; does not keep the process alive. */
  every(ms: number, tick: () => void): () => void;
  sleep(ms: number, call: Call): Promise<void>;
  isAlive?(pid: number): boolean;
}

/** A pair of roots that no other run of this user on this machine works on. Disposing it gives it back. */
export interface Lock extends AsyncDisposable {
  /** Asked before anything is destroyed: has nobody taken it over? */
  stillHeld(): Promise<boolean>;
}

/** How often a holder says that it lives, and for how long its silence is borne. */
export const RENEW_MS = 60_000;
export const SILENT_MS = 600_000;

/** This process as a holder from now on. */
export async function toSelf(world: LockWorld): Promise<LockOwner> {
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

/** What a lock's text says; undefined where it says nothing that can be read, or what no run writes. */
export function toOwner(text: string): LockOwner | undefined {
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

/** A lock is a line. */
export const MAX_LOCK_BYTES = 4096;
const MAX_NAME = 1024;
const MAX_PID = 2 ** 32;
/** ECMAScript's range of times. */
const MAX_TIME = 8.64e15;

function isTime(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value <= MAX_TIME;
}

/** Is there a process of this number on this machine? */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

export function busy({ host, pid, start }: LockOwner): SyncError {
  const since = new Date(start).toISOString().slice(0, 19).replace("T", " ");
  const message =
    `Another run works on this pair of folders: process ${pid} on ${printable(host)}, since ${since} UTC. ` +
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
