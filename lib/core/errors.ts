import type { RelPath } from "./path.ts";

/** The kind of an error, the only property of it that code may branch on. The list is closed. */
export type ErrorKind =
  | "notFound"
  | "exists"
  | "denied"
  | "auth"
  | "hostKey"
  | "unsupported"
  | "connection"
  | "timeout"
  | "busy"
  | "full"
  | "changed"
  | "badInput"
  | "refused"
  | "cancelled"
  | "unexpected";

/**
 * The details of an error beside its message: `retryAfter` in ms, `id` a PowerShell error id such as
 * NamedParameterNotFound.
 */
export interface ErrorFacts {
  readonly operation: string;
  readonly path?: RelPath;
  readonly backend?: string;
  readonly transient?: boolean;
  readonly retryAfter?: number;
  readonly id?: string;
  readonly cause?: unknown;
}

/**
 * The only error type that a backend, a command or the binder throws. The message is for users and contains no secret.
 */
export class SyncError extends Error {
  override readonly name = "SyncError";

  constructor(readonly kind: ErrorKind, message: string, readonly facts: ErrorFacts) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
  }
}

/** The PowerShell ErrorCategory of each kind. */
export const categories: Readonly<Record<ErrorKind, string>> = {
  notFound: "ObjectNotFound",
  exists: "ResourceExists",
  denied: "PermissionDenied",
  auth: "AuthenticationError",
  hostKey: "SecurityError",
  unsupported: "NotImplemented",
  connection: "ConnectionError",
  timeout: "OperationTimeout",
  busy: "ResourceBusy",
  full: "QuotaExceeded",
  changed: "InvalidResult",
  badInput: "InvalidArgument",
  refused: "InvalidOperation",
  cancelled: "OperationStopped",
  unexpected: "NotSpecified",
};

/** The exit code of a run that an error of each kind ended before any change. */
export const exitCodes: Readonly<Record<ErrorKind, number>> = {
  notFound: 1,
  exists: 1,
  denied: 1,
  auth: 4,
  hostKey: 4,
  unsupported: 2,
  connection: 4,
  timeout: 4,
  busy: 5,
  full: 1,
  changed: 1,
  badInput: 2,
  refused: 3,
  cancelled: 130,
  unexpected: 1,
};

/** Returns a SyncError unchanged; wraps any other error as kind "unexpected", with its cause. */
export function toSyncError(error: unknown, operation: string): SyncError {
  if (error instanceof SyncError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new SyncError("unexpected", message, { operation, cause: error });
}

/** Returns the error of wrong usage. The message names the mistake, what was expected and what to type instead. */
export function badInput(message: string, id?: string): SyncError {
  return new SyncError("badInput", message, { operation: "read the command", ...(id === undefined ? {} : { id }) });
}

/** Returns the reason of an aborted signal as a SyncError: kind "cancelled", unless it was aborted with a SyncError. */
export function cancelled(signal: AbortSignal, operation: string): SyncError {
  if (signal.reason instanceof SyncError) return signal.reason;
  return new SyncError("cancelled", `Cancelled: ${operation}`, { operation });
}

/** Whether an error of this kind ends the whole scan or run, whichever path it occurred at. */
export function isFatal(kind: ErrorKind): boolean {
  return FATAL.has(kind);
}

const FATAL: ReadonlySet<ErrorKind> = new Set(["connection", "timeout", "auth", "hostKey", "cancelled"]);

/** The error id if no state folder is available; kind badInput. */
export const noStateFolder = "NoStateFolder";
