import { type OperationContext, operationError } from "../core/operation.ts";
import { type ErrorKind, SyncError } from "../core/errors.ts";
import { escapeForDisplay } from "../core/path.ts";
import {
  describeNetError,
  explainUntrusted,
  isUntrustedCertificate,
  NETWORK_OPERATION,
  PROXY_FAILED,
} from "../net/net_error.ts";
import { CLIENT_CERTIFICATE_ADVICE, isClientCertificateRejected } from "../net/client_certificate.ts";

/** A reply's status and its headers in lower case. */
export interface ResponseHead {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** The meaning of a status: an error kind, a sentence, and whether it is transient. */
export type StatusMeaning = readonly [kind: ErrorKind, why: string, passes?: boolean];

/**
 * Returns the error of a request whose reply is not a success; a status that `meanings` does not list is unexpected.
 * RFC 9110, section 15.
 */
export function responseToSyncError(
  context: OperationContext,
  { status, headers }: ResponseHead,
  meanings: Readonly<Record<number, StatusMeaning>>,
): SyncError {
  const cause = new HttpStatusError(status);
  if (status >= 300 && status < 400) {
    const to = originOf(firstValue(headers.location));
    return operationError(context, "refused", {
      why: `the server redirects${to}, and redirects are not followed`,
      cause,
    });
  }
  const [kind, why, passes = false] = meanings[status] ?? ["unexpected", `the server answered with status ${status}`];
  const wait = passes ? parseRetryAfter(firstValue(headers["retry-after"])) : undefined;
  return operationError(context, kind, {
    why,
    cause,
    transient: passes,
    ...(wait === undefined ? {} : { retryAfter: wait }),
  });
}

/** Returns the status with which a request was refused; undefined for any other error. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof SyncError && error.facts.cause instanceof HttpStatusError
    ? error.facts.cause.status
    : undefined;
}

/** Converts an error of the network or of TLS to the error of a request. A SyncError of a call stays unchanged. */
export function networkToSyncError(context: OperationContext, error: unknown): SyncError {
  if (error instanceof SyncError) {
    if (error.facts.operation !== NETWORK_OPERATION) return error;
    if (error.kind !== "timeout" && error.facts.cause !== undefined) {
      return networkToSyncError(context, error.facts.cause);
    }
    const why = error.kind === "timeout" && error.facts.id !== PROXY_FAILED ? NO_ANSWER : error.message;
    return operationError(context, error.kind, { why, cause: error, transient: error.facts.transient === true });
  }
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const message = error instanceof Error ? error.message : String(error);
  if (isClientCertificateRejected(message)) {
    return operationError(context, "auth", { why: CLIENT_CERTIFICATE_ADVICE, cause: error });
  }
  if (isUntrustedCertificate(error)) {
    return operationError(context, "hostKey", { why: explainUntrusted(message), cause: error });
  }
  if (code === "ETIMEDOUT") return operationError(context, "timeout", { why: NO_ANSWER, cause: error });
  const known = describeNetError(error) ?? `the connection was lost (${escapeForDisplay(message).slice(0, 200)})`;
  return operationError(context, "connection", { why: known, cause: error });
}

const NO_ANSWER = "the server did not answer in time; -Timeout allows more";

class HttpStatusError extends Error {
  constructor(readonly status: number) {
    super(`status ${status}`);
  }
}

const MAX_RETRY_AFTER_MS = 300_000;

/**
 * Parses Retry-After in seconds to ms, at most five minutes. A date is ignored, since it depends on the server's clock.
 */
function parseRetryAfter(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,6}$/.test(text)) return undefined;
  return Math.min(MAX_RETRY_AFTER_MS, Number(text) * 1000);
}

/** Returns the origin of a redirect's target, without path and query: these may contain secrets. */
function originOf(location: string | undefined): string {
  if (location === undefined || !URL.canParse(location)) return "";
  return ` to ${escapeForDisplay(new URL(location).origin).slice(0, 100)}`;
}

function firstValue(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
