import type { RelPath } from "./path.ts";

/** What went wrong, as far as code may branch on it. The list is closed. */
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

/** What a message alone does not tell: `retryAfter` in ms, `id` a PowerShell error id such as NamedParameterNotFound. */
export interface ErrorFacts {
  readonly operation: string;
  readonly path?: RelPath;
  readonly backend?: string;
  readonly transient?: boolean;
  readonly retryAfter?: number;
  readonly id?: string;
  readonly cause?: unknown;
}

/** The one error that leaves a backend, a command or the binder. The message is for people and holds no secret. */
export class SyncError extends Error {
  override readonly name = "SyncError";

  constructor(readonly kind: ErrorKind, message: string, readonly facts: ErrorFacts) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
  }
}

/** PowerShell's ErrorCategory of a kind. */
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

/** The exit code of a run that this kind ended before anything was changed. */
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

/** A SyncError as it is; anything else as kind "unexpected", with its cause kept. */
export function toSyncError(error: unknown, operation: string): SyncError {
  if (error instanceof SyncError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new SyncError("unexpected", message, { operation, cause: error });
}

/** Wrong usage: what was wrong, what was expected, what to type instead. */
export function badInput(message: string, id?: string): SyncError {
  return new SyncError("badInput", message, { operation: "read the command", ...(id === undefined ? {} : { id }) });
}

/** The reason of an aborted signal as a SyncError: kind "cancelled", unless the signal was aborted with a SyncError. */
export function cancelled(signal: AbortSignal, operation: string): SyncError {
  if (signal.reason instanceof SyncError) return signal.reason;
  return new SyncError("cancelled", `Cancelled: ${operation}`, { operation });
}

/** Does this end a scan or a run, whatever path it came from? */
export function endsAll(kind: ErrorKind): boolean {
  return FATAL.has(kind);
}

const FATAL: ReadonlySet<ErrorKind> = new Set(["connection", "timeout", "auth", "hostKey", "cancelled"]);

/** The error id where no state folder can be had; kind badInput. */
export const noStateFolder = "NoStateFolder";
