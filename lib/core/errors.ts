import type { RelPath } from "./path.ts";

/**
 * The kind of an error, the only property of it that code may branch on. The list is closed.
 *
 * - `notFound`: a file, folder or bucket does not exist.
 * - `exists`: something is there that must not be overwritten.
 * - `denied`: the rights of the user who is logged in do not suffice.
 * - `auth`: the login failed.
 * - `hostKey`: the host key or certificate is not trusted; nothing was sent.
 * - `unsupported`: the server or the protocol cannot do this.
 * - `connection`: the server cannot be reached, broke the connection off, or is overloaded.
 * - `timeout`: the server did not answer in time.
 * - `busy`: another run holds the lock of this pair of folders.
 * - `full`: the disk, the quota or the size limit is reached.
 * - `changed`: a file changed while it was worked on; nothing was overwritten.
 * - `badInput`: wrong usage: an option, an address, a combination.
 * - `refused`: a guard stopped the run before anything was changed.
 * - `cancelled`: the run was interrupted, or its signal was aborted.
 * - `unexpected`: everything else, with its cause.
 */
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

/** The details of an error beside its message. */
export interface ErrorFacts {
  /** The operation that failed, a verb and a noun: "read the command". */
  readonly operation: string;
  /** The path that it concerns. */
  readonly path?: RelPath;
  /** The label of the backend. */
  readonly backend?: string;
  /** Whether the same operation may succeed later. */
  readonly transient?: boolean;
  /** The number of attempts that the operation is worth after this failure, if it is more than usual. */
  readonly attempts?: number;
  /** The time in ms after which the server wants to be asked again. */
  readonly retryAfter?: number;
  /** A PowerShell error id such as NamedParameterNotFound. */
  readonly id?: string;
  /** The error that led to this one. */
  readonly cause?: unknown;
}

/**
 * The only error type that a backend, a command or the binder throws. The message is for users and contains no secret.
 */
export class SyncError extends Error {
  /** The name of the class. */
  override readonly name = "SyncError";
  /** The kind of the error. */
  readonly kind: ErrorKind;
  /** Its details. */
  readonly facts: ErrorFacts;

  /** Makes an error with a sentence for users. */
  constructor(kind: ErrorKind, message: string, facts: ErrorFacts) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.kind = kind;
    this.facts = facts;
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
