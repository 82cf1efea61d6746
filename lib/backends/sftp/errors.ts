import { type OperationContext, operationError } from "../../core/operation.ts";
import { type ErrorKind, SyncError } from "../../core/errors.ts";
import { escapeForDisplay } from "../../core/path.ts";
import type { RawError } from "../../ssh/channels.ts";

/** SSH_FX_* of draft-ietf-secsh-filexfer-02, section 7. */
export const END_OF_FILE = 1;
export const NO_SUCH_FILE = 2;
export const PERMISSION_DENIED = 3;
export const FAILURE = 4;
export const BAD_MESSAGE = 5;
export const OP_UNSUPPORTED = 8;

/** Returns the SFTP status of a refused request, or undefined for every other error. */
export function statusOf(error: unknown): number | undefined {
  if (!(error instanceof SyncError)) return undefined;
  const cause = error.facts.cause;
  return cause instanceof Error && "code" in cause && typeof cause.code === "number" ? cause.code : undefined;
}

const refusedWrites = new WeakSet<object>();

/** Records that the server refused a WRITE, if that is the error's reason. */
export function markRefusedWrite(error: unknown): void {
  if (error instanceof SyncError && statusOf(error) !== undefined) refusedWrites.add(error);
}

/** Whether the error is the refusal of a WRITE, and not of another request of the call. */
export function isRefusedWrite(error: unknown): boolean {
  return error instanceof SyncError && refusedWrites.has(error);
}

/** Whether the server complains about the order of the bytes. */
export function isOrderError(error: unknown): boolean {
  const cause = error instanceof SyncError ? error.facts.cause : undefined;
  return isRefusedWrite(error) && cause instanceof Error && ORDER_WORDS.test(cause.message);
}

/** Whether the server does not know a handle that it gave and that is open. */
export function isLostHandle(error: unknown): boolean {
  const cause = error instanceof SyncError ? error.facts.cause : undefined;
  return statusOf(error) !== undefined && cause instanceof Error && /\binvalid handle\b/i.test(cause.message);
}

/** Returns the retryable error of a lost handle. */
export function lostHandleError(context: OperationContext, cause: unknown): SyncError {
  const why = "the server lost an open file; from now on one at a time is opened";
  return operationError(context, "busy", { why, cause });
}

/** Whether a FAILURE says nothing about its reason. */
export function isMereFailure(error: unknown): boolean {
  const cause = error instanceof SyncError ? error.facts.cause : undefined;
  return cause instanceof Error &&
    /^(?:(?:general |generic )?failure|error|unknown error)?[.!]?$/i.test(cause.message.trim());
}

/** Whether the server does not know a request, although it may have announced it. */
export function isUnknownRequest(error: unknown): boolean {
  const status = statusOf(error);
  return status === OP_UNSUPPORTED || status === BAD_MESSAGE;
}

/** The words of servers that write only in order. */
const ORDER_WORDS = /\bseek|\boffset\b|\bout of order\b|\bsequential|\brandom (?:access|write)/i;

/** Returns the loss of the connection as the error of a request. */
export function toLostError(context: OperationContext, reason: unknown): SyncError {
  const kind = reason instanceof SyncError ? reason.kind : "connection";
  const message = reason instanceof Error ? reason.message : String(reason);
  const why = message.replace(/^The /, "the ");
  const attempts = reason instanceof SyncError ? reason.facts.attempts : undefined;
  return operationError(context, kind, { why, attempts, cause: reason });
}

/**
 * Returns a refusal by the server as the error of a request. Code 4, FAILURE, has no specific meaning; callers
 * investigate it if necessary.
 */
export function toSyncError(context: OperationContext, error: NonNullable<RawError>): SyncError {
  // No status: the channel ended before the answer, or received an invalid answer.
  if (error.code === undefined) {
    const why = `the SFTP channel broke: ${escapeForDisplay(error.message)}`;
    return operationError(context, "connection", { why, cause: error });
  }
  if (error.code !== NO_SUCH_FILE && OPEN_LIMIT_WORDS.test(error.message)) {
    return operationError(context, "busy", { why: "the server allows no more open files", cause: error });
  }
  const known = STATUS_MEANINGS[error.code];
  const [kind, why] = known ?? ["unexpected", `the server reports "${escapeForDisplay(error.message).slice(0, 200)}"`];
  return operationError(context, kind, { why, cause: error });
}

/** The words of servers that allow no more open files. */
const OPEN_LIMIT_WORDS =
  /\btoo many (?:open )?(?:files|handles)\b|\bE[MN]FILE\b|\b(?:max|maximum|limit)\b.{0,40}\b(?:open files|(?:file )?handles)\b|\b(?:no|out of)\b.{0,20}\bhandles\b/i;

/** The meanings of the status codes. Those above 8 belong to later versions, but some servers send them anyway. */
const STATUS_MEANINGS: Readonly<Record<number, readonly [ErrorKind, string]>> = {
  2: ["notFound", "there is no such file or folder"],
  3: ["denied", "permission denied"],
  6: ["connection", "the server has no connection to its files"],
  7: ["connection", "the server lost its connection to its files"],
  8: ["unsupported", "the server does not support it"],
  11: ["exists", "it exists"],
  12: ["denied", "the file system is read-only"],
  14: ["full", "the disk is full"],
  15: ["full", "the quota is used up"],
  18: ["changed", "the folder is not empty"],
};

/** Returns undefined where the server answers that there is no such file. */
export async function absentAsUndefined<T>(request: Promise<T>): Promise<T | undefined> {
  try {
    return await request;
  } catch (error) {
    if (statusOf(error) === NO_SUCH_FILE) return undefined;
    throw error;
  }
}
