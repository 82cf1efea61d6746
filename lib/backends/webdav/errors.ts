import type { SyncError } from "../../core/errors.ts";
import { root } from "../../core/path.ts";
import { type ResponseHead, responseToSyncError, type StatusMeaning } from "../../http/errors.ts";
import type { OperationContext } from "../../core/operation.ts";

/** Returns a reply without success as the error of its request. RFC 9110 section 15, RFC 4918 section 11. */
export function toSyncError(context: OperationContext, answer: ResponseHead): SyncError {
  return responseToSyncError(context, answer, STATUS_MEANINGS);
}

/**
 * Returns the refusal of a stat or a listing, which may be repeated. A transient refusal of the root means that the
 * whole server cannot be used; below the root it concerns one path, and ends no run.
 */
export function statToSyncError(context: OperationContext, answer: ResponseHead): SyncError {
  if (answer.status === 405) {
    return responseToSyncError(context, answer, { 405: ["unsupported", UNLISTED_FOLDER] });
  }
  const kind = context.path === root ? "connection" : "unexpected";
  const [, why] = STATUS_MEANINGS[answer.status] ?? [];
  const isPassing = why !== undefined && TRANSIENT_STATUSES.includes(answer.status);
  return responseToSyncError(
    context,
    answer,
    isPassing ? { ...STATUS_MEANINGS, [answer.status]: [kind, why, true] } : STATUS_MEANINGS,
  );
}

/** Apache's mod_dir sends every request for a folder on to its index page, which is no folder. */
const UNLISTED_FOLDER = "the server does not allow PROPFIND there (405); Apache does so in a folder that holds an " +
  'index page: write "DirectoryIndex disabled" into its configuration';
const TRANSIENT_STATUSES: readonly number[] = [408, 425, 429, 500, 502, 503, 504];
const STATUS_MEANINGS: Readonly<Record<number, StatusMeaning>> = {
  400: ["unsupported", "the server does not understand the request (400)"],
  401: [
    "auth",
    "the server does not accept the user name and password (401); check both, the password is that of -PasswordFile or TANDEM_PASSWORD",
  ],
  403: ["denied", "permission denied: the server forbids it to this user (403)"],
  404: ["notFound", "there is no such file or folder"],
  405: ["unsupported", "the server does not allow this there (405)"],
  408: ["timeout", "the server waited too long for the request", true],
  409: ["notFound", "the folder above does not exist, or cannot hold it"],
  410: ["notFound", "it was removed (410)"],
  411: ["unsupported", "the server does not see the length of the upload (411)"],
  412: ["changed", "it was changed after it was listed (412)"],
  413: ["full", "the server accepts no file of this size (413): raise its limit for uploads"],
  415: ["unsupported", "the server does not take this kind of content (415)"],
  423: ["busy", "another client holds a lock on it (423); a later run tries again", true],
  424: ["busy", "a part of it is locked or was refused (424)"],
  425: ["busy", "the server is not ready for it", true],
  429: ["busy", "the server asks for fewer requests", true],
  500: ["unexpected", "the server failed (500); its log shows why"],
  501: ["unsupported", "the server does not know this method (501)"],
  502: ["connection", "the server behind the proxy does not answer (502)", true],
  503: ["busy", "the server is overloaded or in maintenance (503)", true],
  504: ["timeout", "the server behind the proxy does not answer in time (504)", true],
  507: ["full", "the disk or the quota of the server is full (507)"],
};
