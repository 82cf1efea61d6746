import { type OperationContext, operationError } from "../core/operation.ts";
import { type ErrorKind, SyncError } from "../core/errors.ts";
import { printable } from "../core/path.ts";
import { isUntrusted, netWords, untrusted } from "../net/net_error.ts";
import { isSentAway, sentAway } from "../net/client_certificate.ts";
import { ON_WIRE } from "../net/transport.ts";

/** A reply's status and its headers in lower case. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** The meaning of a status: an error kind, a sentence, and whether it is transient. */
export type Meaning = readonly [kind: ErrorKind, why: string, passes?: boolean];

/**
 * Returns the error of a request whose reply is not a success; a status that `meanings` does not list is unexpected.
 * RFC 9110, section 15.
 */
export function refused(
  ask: OperationContext,
  { status, headers }: Answer,
  meanings: Readonly<Record<number, Meaning>>,
): SyncError {
  const cause = new HttpStatus(status);
  if (status >= 300 && status < 400) {
    const to = originOf(one(headers.location));
    return operationError(ask, "refused", { why: `the server sends it on${to}, which is not followed`, cause });
  }
  const [kind, why, passes = false] = meanings[status] ?? ["unexpected", `the server answered with status ${status}`];
  const wait = passes ? retryAfter(one(headers["retry-after"])) : undefined;
  return operationError(ask, kind, {
    why,
    cause,
    transient: passes,
    ...(wait === undefined ? {} : { retryAfter: wait }),
  });
}

/** Returns the status with which a request was refused; undefined for any other error. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof SyncError && error.facts.cause instanceof HttpStatus ? error.facts.cause.status : undefined;
}

/** Converts an error of the network or of TLS to the error of a request. A SyncError of a call stays unchanged. */
export function toSyncError(ask: OperationContext, error: unknown): SyncError {
  if (error instanceof SyncError) {
    if (error.facts.operation !== ON_WIRE) return error;
    if (error.kind !== "timeout" && error.facts.cause !== undefined) return toSyncError(ask, error.facts.cause);
    const why = error.kind === "timeout" ? SILENT : error.message;
    return operationError(ask, error.kind, { why, cause: error, transient: error.facts.transient === true });
  }
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const message = error instanceof Error ? error.message : String(error);
  if (isSentAway(message)) return operationError(ask, "auth", { why: sentAway, cause: error });
  if (isUntrusted(error)) {
    return operationError(ask, "hostKey", { why: untrusted(message), cause: error });
  }
  if (code === "ETIMEDOUT") return operationError(ask, "timeout", { why: SILENT, cause: error });
  const known = netWords(error) ?? `the connection was lost (${printable(message).slice(0, 200)})`;
  return operationError(ask, "connection", { why: known, cause: error });
}

const SILENT = "the server did not answer in time; -Timeout allows more";

class HttpStatus extends Error {
  constructor(readonly status: number) {
    super(`status ${status}`);
  }
}

const MOST_WAIT = 300_000;

/**
 * Parses Retry-After in seconds to ms, at most five minutes. A date is ignored, since it depends on the server's clock.
 */
function retryAfter(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,6}$/.test(text)) return undefined;
  return Math.min(MOST_WAIT, Number(text) * 1000);
}

/** Returns the origin of a redirect's target, without path and query: these may contain secrets. */
function originOf(location: string | undefined): string {
  if (location === undefined || !URL.canParse(location)) return "";
  return ` to ${printable(new URL(location).origin).slice(0, 100)}`;
}

function one(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
