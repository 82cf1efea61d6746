import type { CallOptions } from "./backend.ts";
import { type ErrorKind, SyncError } from "./errors.ts";
import { escapeForDisplay, type RelPath } from "./path.ts";

/** The backend call that a request belongs to; also for messages: "Cannot write "a/b": …". */
export interface OperationContext extends CallOptions {
  readonly operation: string;
  readonly path: RelPath;
  /** The text that messages show instead of the path, if the failure does not concern a single file. */
  readonly displayName?: string;
}

/** The reason of a failure. `transient`: whether a retry may help; by default for lost connections, timeouts and busy servers. */
export interface FailureDetail {
  readonly why: string;
  readonly cause?: unknown;
  readonly transient?: boolean;
  /** In ms. */
  readonly retryAfter?: number;
}

/** Returns the error of a call: "Cannot write "a/b": why". */
export function operationError(context: OperationContext, kind: ErrorKind, detail: FailureDetail): SyncError {
  const { operation, path, displayName: shown } = context;
  const { why, cause, retryAfter, transient = TRANSIENT.has(kind) } = detail;
  return new SyncError(kind, `Cannot ${operation} ${shown ?? `"${escapeForDisplay(path) || "."}"`}: ${why}`, {
    operation,
    ...(shown === undefined ? { path } : {}),
    ...(transient ? { transient } : {}),
    ...(retryAfter === undefined ? {} : { retryAfter }),
    ...(cause === undefined ? {} : { cause }),
  });
}

const TRANSIENT: ReadonlySet<ErrorKind> = new Set(["connection", "timeout", "busy"]);
