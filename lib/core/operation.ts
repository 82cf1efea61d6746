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

/**
 * A path as callers know it and as the server names it, with the operation that it was resolved for. `ServerPath`: the
 * form in which the protocol holds the server's path.
 */
export interface ResolvedPath<ServerPath = string> extends OperationContext {
  readonly serverPath: ServerPath;
}

/** The reason of a failure. `transient`: whether a retry may help; by default for lost connections, timeouts and busy servers. */
export interface FailureDetail {
  readonly why: string;
  readonly cause?: unknown;
  readonly transient?: boolean;
  /** In ms. */
  readonly retryAfter?: number;
  readonly attempts?: number | undefined;
}

/** Returns the error of a call: "Cannot write "a/b": why". */
export function operationError(context: OperationContext, kind: ErrorKind, detail: FailureDetail): SyncError {
  const { operation, path, displayName } = context;
  const { why, cause, retryAfter, attempts, transient = TRANSIENT.has(kind) } = detail;
  return new SyncError(kind, `Cannot ${operation} ${displayName ?? `"${escapeForDisplay(path) || "."}"`}: ${why}`, {
    operation,
    ...(displayName === undefined ? { path } : {}),
    ...(transient ? { transient } : {}),
    ...(retryAfter === undefined ? {} : { retryAfter }),
    ...(attempts === undefined ? {} : { attempts }),
    ...(cause === undefined ? {} : { cause }),
  });
}

/**
 * Returns the reason of a failed call without the words that operationError() puts before it, for a message that names
 * the place itself.
 */
export function failureReason({ message, facts }: SyncError): string {
  const opening = `Cannot ${facts.operation} "`;
  const end = message.indexOf('": ', opening.length);
  return message.startsWith(opening) && end >= 0 ? message.slice(end + 3) : message;
}

const TRANSIENT: ReadonlySet<ErrorKind> = new Set(["connection", "timeout", "busy"]);
