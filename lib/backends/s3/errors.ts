import { type ErrorKind, SyncError } from "../../core/errors.ts";
import { escapeForDisplay } from "../../core/path.ts";
import { networkToSyncError as toNetError } from "../../http/errors.ts";
import { type FailureDetail, type OperationContext, operationError } from "../../core/operation.ts";

/** A store's error reply. A reply to HEAD has a status and no code. */
export interface ErrorReply {
  readonly code: string | undefined;
  readonly status: number;
  /** Empty if the reply has none. */
  readonly message: string;
  /** The bucket's region, if the request went to another one. */
  readonly region: string | undefined;
  /** In ms. */
  readonly retryAfter: number | undefined;
}

/** An error reply as an exception; toSyncError() makes it the cause of the request's error. */
export class ErrorReplyError extends Error {
  constructor(readonly reply: ErrorReply) {
    super(reply.message);
  }
}

/**
 * Returns the SyncError for a failure of the store, the network, TLS, or the credential provider. A SyncError is
 * returned as it is.
 */
export function toSyncError(context: OperationContext, error: unknown): SyncError {
  if (error instanceof SyncError) return error;
  if (error instanceof ErrorReplyError) return fromErrorReply(context, error);
  const name = error instanceof Error ? error.name : "";
  // A credential provider can be a service of its own, and can refuse the request.
  const isLogin = error instanceof Error && "$fault" in error;
  if (isLogin || name === "CredentialsProviderError" || name === "TokenProviderError") {
    const why = `no credentials: give -AccessKey and -SecretKey, -Profile, or set AWS_ACCESS_KEY_ID (${
      shortMessage(error)
    })`;
    return operationError(context, "auth", { why, cause: error });
  }
  if (name === "TimeoutError") {
    return operationError(context, "timeout", {
      why: "the store did not answer in time; -Timeout allows more",
      cause: error,
    });
  }
  return toNetError(context, error);
}

/** Returns the error reply that caused a SyncError; undefined if the store sent none. */
export function errorReplyOf(error: unknown): ErrorReply | undefined {
  return error instanceof SyncError && error.facts.cause instanceof ErrorReplyError
    ? error.facts.cause.reply
    : undefined;
}

/**
 * Whether the store may have refused the request for its precondition: it does not implement something, or answers 400
 * with no code that explains it.
 */
export function mayRefusePrecondition(error: unknown): boolean {
  const refused = errorReplyOf(error);
  if (refused === undefined) return false;
  const { code = "", status } = refused;
  return status === 501 || code === "NotImplemented" || (status === 400 && codes[code] === undefined);
}

/** Whether the store asked for fewer requests. */
export function isSlowDown(error: SyncError): boolean {
  const refused = errorReplyOf(error);
  return refused !== undefined && meaningOf(refused) === slow;
}

function shortMessage(error: unknown): string {
  return error instanceof Error ? escapeForDisplay(error.message).slice(0, 200) : "";
}

function fromErrorReply(context: OperationContext, cause: ErrorReplyError): SyncError {
  const { code = "", status, region, retryAfter } = cause.reply;
  // Amazon names the bucket's region in every error reply to a listing; there it is relevant only if the code does not
  // explain the error.
  const isElsewhere = status === 400 && region !== undefined && codes[code] === undefined;
  if (status === 301 || status === 307 || WRONG_REGION.has(code) || isElsewhere) {
    const way = region === undefined ? "name its region with -Region" : `write -Region ${escapeForDisplay(region)}`;
    return operationError(context, "connection", {
      why: `the bucket is in another region: ${way}`,
      cause,
      transient: false,
    });
  }
  const [kind, why, passes = false] = meaningOf(cause.reply) ?? unknownMeaning(cause.reply);
  const detail: FailureDetail = { why, cause, transient: passes };
  return operationError(context, kind, passes && retryAfter !== undefined ? { ...detail, retryAfter } : detail);
}

function meaningOf({ code = "", status }: ErrorReply): Meaning | undefined {
  return codes[code] ?? statuses[status];
}

function unknownMeaning({ code, status, message }: ErrorReply): Meaning {
  const said = [code, status, message].filter((one) => one !== undefined && one !== "");
  const passes = status >= 500;
  return [
    passes ? "connection" : "unexpected",
    `the store says ${escapeForDisplay(said.join(" ")).slice(0, 200)}`,
    passes,
  ];
}

const WRONG_REGION = new Set(["PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed"]);

type Meaning = readonly [ErrorKind, string, boolean?];

const wrongKey: Meaning = ["auth", "the store does not know the access key"];
const expired: Meaning = ["auth", "the token of the access key is not valid or has expired: log in again"];
const denied: Meaning = ["denied", "permission denied"];
const missing: Meaning = ["notFound", "there is no such object"];
const changed: Meaning = ["changed", "it changed since it was listed"];
const slow: Meaning = ["busy", "the store asks for fewer requests", true];
const damaged: Meaning = ["connection", "the content was damaged on its way", true];
const failed: Meaning = ["connection", "the store failed", true];

/** Error codes of "Amazon S3 API Reference, Error responses", and those of S3-compatible stores. */
const codes: Readonly<Record<string, Meaning>> = {
  InvalidAccessKeyId: wrongKey,
  SignatureDoesNotMatch: ["auth", "the secret does not match the access key"],
  InvalidToken: expired,
  ExpiredToken: expired,
  TokenRefreshRequired: expired,
  ExpiredTokenException: expired,
  NotSignedUp: ["auth", "the account may not use the store"],
  RequestTimeTooSkewed: ["auth", "this machine's clock is wrong by more than the store allows: set it right"],
  RequestExpired: ["auth", "this machine's clock is wrong by more than the store allows: set it right"],
  AccessDenied: denied,
  AllAccessDisabled: denied,
  AccountProblem: denied,
  NoSuchBucket: ["notFound", "there is no such bucket"],
  InvalidBucketName: ["badInput", "no bucket can have this name"],
  NoSuchKey: missing,
  NoSuchUpload: ["changed", "its unfinished upload is gone"],
  PreconditionFailed: changed,
  ConditionalRequestConflict: ["changed", "another client writes it at the same time", true],
  OperationAborted: ["busy", "another client changes it at the same time", true],
  InvalidRange: ["changed", "it is shorter than when it was listed"],
  SlowDown: slow,
  ServiceUnavailable: slow,
  Throttling: slow,
  ThrottlingException: slow,
  TooManyRequests: slow,
  RequestLimitExceeded: slow,
  RequestTimeout: ["timeout", "the store waited too long for the content", true],
  InternalError: failed,
  BadDigest: damaged,
  XAmzContentSHA256Mismatch: damaged,
  IncompleteBody: damaged,
  KeyTooLongError: ["unsupported", "the path is longer than the 1024 bytes of a key"],
  EntityTooLarge: ["full", "the store takes no object of this size"],
  QuotaExceeded: ["full", "the quota is full"],
  InsufficientCapacity: ["full", "the store is full"],
  InvalidStorageClass: ["badInput", "the store has no such storage class: see -StorageClass"],
  AccessControlListNotSupported: ["badInput", "the bucket takes no access rules of single objects: leave -Acl out"],
  InvalidObjectState: ["denied", "it is archived: restore it in the store first"],
  MethodNotAllowed: ["unsupported", "the store does not allow this there"],
  NotImplemented: ["unsupported", "the store cannot do this"],
};

/** Meanings of a status that comes without a code. */
const statuses: Readonly<Record<number, Meaning>> = {
  401: wrongKey,
  403: denied,
  404: missing,
  405: ["unsupported", "the store does not allow this there (405)"],
  408: ["timeout", "the store waited too long for the request", true],
  409: ["changed", "another client changes it at the same time", true],
  412: changed,
  416: ["changed", "it is shorter than when it was listed"],
  429: slow,
  501: ["unsupported", "the store cannot do this (501)"],
  502: failed,
  503: slow,
  504: ["timeout", "the store did not answer in time (504)", true],
  507: ["full", "the store is full"],
};
