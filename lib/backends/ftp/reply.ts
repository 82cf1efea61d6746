import { type OperationContext, operationError } from "../../core/operation.ts";
import { Buffer } from "node:buffer";
import { type ErrorKind, SyncError } from "../../core/errors.ts";
import { escapeForDisplay } from "../../core/path.ts";

/** A final reply of the server. `text` holds every line, one character per byte. */
export interface Reply {
  readonly code: number;
  readonly text: string;
}

/** A pending reply. `patient`: a transfer is running, and its data connection is watched instead. */
export interface PendingReply {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: SyncError) => void;
  untimed: boolean;
  /** Whether the reply is discarded. */
  readonly isDiscarded?: boolean;
  /** Whether the command asked for a port. */
  readonly isForPort?: boolean;
}

/**
 * Returns a refusal as the error of a call. If the code is ambiguous, the text of the reply decides, in the wording of
 * the common servers.
 */
export function toSyncError(context: OperationContext, reply: Reply): SyncError {
  const kind = errorKindOf(reply);
  return operationError(context, kind, { why: `${probableCause(kind, reply)}${serverMessage(reply)}` });
}

/**
 * Returns the probable cause when the text is ambiguous: vsftpd has one reply for everything that prevents the creation
 * of a file.
 */
function probableCause(kind: ErrorKind, { code, text }: Reply): string {
  if (kind === "full" && code === 451) return "its disk or quota seems to be full, ";
  const isBare = code === 553 && /could not create file/i.test(text);
  return isBare ? "no right to write there, or a name that it does not take, " : "";
}

/** Returns the error kind of a refusal. */
export function errorKindOf({ code, text }: Reply): ErrorKind {
  if (code === 452 || code === 552 || /quota|no space|disk full/i.test(text)) return "full";
  // The texts of vsftpd, Pure-FTPd and ProFTPD, in this order, when a write to their disk fails. They report a network
  // fault as 426.
  if (code === 451 && /writing to local file|write to file|input\/output error/i.test(text)) return "full";
  if (code === 421 || code === 450) return "busy";
  if (code === 425 || code === 522) return "connection";
  if (code === 426 || code === 451) return isDenied(text) ? "denied" : "connection";
  if (code === 530 || code === 430) return /too many|maximum|limit/i.test(text) ? "busy" : "auth";
  if (code === 500 || code === 502 || code === 504) return "unsupported";
  if (isAbsent(text)) return "notFound";
  if (isDenied(text)) return "denied";
  if (/exists/i.test(text)) return "exists";
  if (/not empty/i.test(text)) return "changed";
  return code === 553 ? "denied" : "unexpected";
}

/** Whether the text reports that the path is absent. */
export function isAbsent(text: string): boolean {
  return /no such|not found|doesn't exist|does not exist|cannot find|file existence/i.test(text);
}

/** Whether the text reports a missing permission. */
export function isDenied(text: string): boolean {
  return /denied|not permitted|forbidden|read-only|not allowed|prohibited/i.test(text);
}

/** Returns the server's reply in a form for messages. */
export function serverMessage({ code, text }: Reply): string {
  const words = escapeForDisplay(Buffer.from(text, "latin1").toString("utf8")).replace(/\\u000a/g, " ").slice(0, 300);
  if (code === 522) {
    return `the server insists on the TLS session of the control connection and was not given it (${words})`;
  }
  return `the server says "${words}"`;
}

/** Returns the port of "229 … (|||6446|)", or undefined if there is none. RFC 2428. */
export function parseEpsvPort({ code, text }: Reply): number | undefined {
  return code === 229 ? parsePort(/\(([!-~])\1\1(\d{1,5})\1\)/.exec(text)?.[2]) : undefined;
}

/**
 * Returns the port of "227 … (h1,h2,h3,h4,p1,p2)". The host in it is ignored: data connections go to the host of the
 * control connection.
 */
export function parsePasvPort({ code, text }: Reply): number | undefined {
  if (code !== 227) return undefined;
  const [, high, low] = /\d{1,3},\d{1,3},\d{1,3},\d{1,3},(\d{1,3}),(\d{1,3})(?!\d)/.exec(text) ?? [];
  return parsePort(high === undefined ? undefined : String(Number(high) * 256 + Number(low)));
}

/** Returns the folder of `257 "/a ""quoted"" one" is …`, or undefined if there is none. */
export function parsePwdFolder({ code, text }: Reply): string | undefined {
  return code === 257 ? /"((?:[^"]|"")*)"/.exec(text)?.[1]?.replaceAll('""', '"') : undefined;
}

/** Parses the reply to FEAT: feature names in capitals, each with the rest of its line. */
export function parseFeatures({ code, text }: Reply): ReadonlyMap<string, string> {
  const features = new Map<string, string>();
  if (code >= 300) return features;
  for (const line of text.split("\n").slice(1, -1)) {
    const [, name = "", more = ""] = /^\s*(\S+)\s*(.*)$/.exec(line) ?? [];
    // SITE UTIME and SITE CHMOD are one feature each.
    const [, sub = ""] = /^(\S+)/.exec(more) ?? [];
    features.set(name.toUpperCase() === "SITE" ? `SITE ${sub.toUpperCase()}` : name.toUpperCase(), more);
  }
  return features;
}

function parsePort(digits: string | undefined): number | undefined {
  const port = Number(digits);
  return Number.isInteger(port) && port > 0 && port < 65536 ? port : undefined;
}
