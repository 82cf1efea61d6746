import { type ErrorKind, SyncError } from "../core/errors.ts";
import { printable, type RelPath } from "../core/path.ts";
import type { Call } from "../core/backend.ts";
import { netWords } from "../net/net_error.ts";
import { isSentAway, sentAway } from "../net/client_certificate.ts";
import { ON_WIRE } from "../net/transport.ts";

/** On whose behalf a request is sent; for messages too: "Cannot write "a/b": …". */
export interface Ask extends Call {
  readonly operation: string;
  readonly path: RelPath;
  /** What messages show instead of the path: the trouble is not that of one file. */
  readonly shown?: string;
}

/** Why something failed. `status`: the reply's, where there was one. */
export interface Why {
  readonly why: string;
  readonly cause?: unknown;
  readonly transient?: boolean;
  /** ms. */
  readonly retryAfter?: number;
}

/** An error of this request: "Cannot write "a/b": why". */
export function failure({ operation, path, shown }: Ask, kind: ErrorKind, detail: Why): SyncError {
  const { why, cause, retryAfter, transient = kind === "connection" || kind === "timeout" } = detail;
  return new SyncError(kind, `Cannot ${operation} ${shown ?? `"${printable(path) || "."}"`}: ${why}`, {
    operation,
    ...(shown === undefined ? { path } : {}),
    ...(transient ? { transient } : {}),
    ...(retryAfter === undefined ? {} : { retryAfter }),
    ...(cause === undefined ? {} : { cause }),
  });
}

/** A reply's status and its headers in lower case, all that a refusal needs. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** What a status means: a kind, a sentence, and whether it passes by itself. */
export type Meaning = readonly [kind: ErrorKind, why: string, passes?: boolean];

/** A reply that is no success as the error of its request; what `meanings` leaves out is unexpected. RFC 9110, section 15. */
export function refused(
  ask: Ask,
  { status, headers }: Answer,
  meanings: Readonly<Record<number, Meaning>>,
): SyncError {
  const cause = new HttpStatus(status);
  if (status >= 300 && status < 400) {
    const to = originOf(one(headers.location));
    return failure(ask, "refused", { why: `the server sends it on${to}, which is not followed`, cause });
  }
  const [kind, why, passes = false] = meanings[status] ?? ["unexpected", `the server answered with status ${status}`];
  const wait = passes ? retryAfter(one(headers["retry-after"])) : undefined;
  return failure(ask, kind, { why, cause, transient: passes, ...(wait === undefined ? {} : { retryAfter: wait }) });
}

/** The status that a request was refused with; undefined for every other error. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof SyncError && error.facts.cause instanceof HttpStatus ? error.facts.cause.status : undefined;
}

/** What the net or TLS said, as the error of a request. A SyncError stays as it is. */
export function toSyncError(ask: Ask, error: unknown): SyncError {
  if (error instanceof SyncError) {
    if (error.facts.operation !== ON_WIRE) return error;
    if (error.kind !== "timeout" && error.facts.cause !== undefined) return toSyncError(ask, error.facts.cause);
    const why = error.kind === "timeout" ? SILENT : error.message;
    return failure(ask, error.kind, { why, cause: error, transient: error.facts.transient === true });
  }
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const message = error instanceof Error ? error.message : String(error);
  if (isSentAway(message)) return failure(ask, "auth", { why: sentAway, cause: error });
  if (isUntrusted(error)) {
    return failure(ask, "hostKey", { why: untrusted(message), cause: error });
  }
  if (code === "ETIMEDOUT") return failure(ask, "timeout", { why: SILENT, cause: error });
  const known = netWords(error) ?? `the connection was lost (${printable(message).slice(0, 200)})`;
  return failure(ask, "connection", { why: known, cause: error });
}

/** Why a certificate is refused that nobody vouches for, and the way to have it taken all the same. */
export function untrusted(message: string): string {
  const way = "if you know it to be right, name its SHA-256 fingerprint with -TlsHostCertificateFingerprint";
  return `the server's certificate is not trusted (${printable(message).slice(0, 200)}); ${way}`;
}

/** Was a certificate not trusted? The runtime tells it in a code, or in words alone. */
export function isUntrusted(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return CERTIFICATE.test("code" in error ? String(error.code) : "") || CERTIFICATE.test(error.message);
}

const SILENT = "the server did not answer in time; -Timeout allows more";

class HttpStatus extends Error {
  constructor(readonly status: number) {
    super(`status ${status}`);
  }
}

const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_(?:GET|VERIFY)|certificate|HostnameMismatch|NotValidForName/;
const MOST_WAIT = 300_000;

/** Seconds as ms, at most five minutes. A date is left alone: it goes by the clock of the server. */
function retryAfter(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,6}$/.test(text)) return undefined;
  return Math.min(MOST_WAIT, Number(text) * 1000);
}

/** The place a redirect leads to, without path and query: these may hold secrets. */
function originOf(location: string | undefined): string {
  if (location === undefined || !URL.canParse(location)) return "";
  return ` to ${printable(new URL(location).origin).slice(0, 100)}`;
}

function one(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
