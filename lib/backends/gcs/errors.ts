import type { SyncError } from "../../core/errors.ts";
import { type ResponseHead, responseToSyncError, type StatusMeaning } from "../../http/errors.ts";
import type { OperationContext } from "../../core/operation.ts";

/**
 * Returns the error of a request from a reply that is no success. `reason`: the reason that the server sends besides
 * the status, if any.
 */
export function toSyncError(context: OperationContext, answer: ResponseHead, reason?: string): SyncError {
  const special = reason === undefined || !Object.hasOwn(reasons, reason) ? undefined : reasons[reason];
  return responseToSyncError(context, answer, special === undefined ? meanings : { [answer.status]: special });
}

/** Cloud Storage JSON API, "HTTP status and error codes". */
const meanings: Readonly<Record<number, StatusMeaning>> = {
  400: ["unsupported", "the server refuses the request as malformed (400): it may not take the name"],
  401: ["auth", "the server does not accept the credentials"],
  403: ["denied", "permission denied: the account lacks a role that allows it"],
  404: ["notFound", "there is no such object or bucket"],
  405: ["unsupported", "the server does not allow this there (405)"],
  408: ["timeout", "the server waited too long for the request", true],
  409: ["busy", "another client changes it at the same time (409)", true],
  410: ["connection", "the upload's session is gone", true],
  412: ["changed", "it changed since it was listed"],
  413: ["full", "the server takes no object of this size"],
  429: ["busy", "the server asks for fewer requests", true],
  500: ["busy", "the server failed (500)", true],
  501: ["unsupported", "the server cannot do this (501)"],
  502: ["connection", "the server behind the gateway does not answer (502)", true],
  503: ["busy", "the server is overloaded (503)", true],
  504: ["timeout", "the server behind the gateway does not answer in time (504)", true],
};

const slow: StatusMeaning = ["busy", "the server asks for fewer requests", true];

const reasons: Readonly<Record<string, StatusMeaning>> = {
  rateLimitExceeded: slow,
  userRateLimitExceeded: slow,
  quotaExceeded: slow,
  userProjectMissing: ["denied", "the caller pays for requests to this bucket: name a project with -UserProject"],
  accountDisabled: ["auth", "the account is disabled"],
  retentionPolicyNotMet: ["denied", "the bucket's retention policy keeps it"],
  objectUnderActiveHold: ["denied", "a hold keeps it"],
};
