import { Buffer } from "node:buffer";
import { type ErrorKind, SyncError } from "../../core/errors.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";
import { escapeForDisplay } from "../../core/path.ts";
import { explainUntrusted, isUntrustedCertificate } from "../../net/net_error.ts";
import type { Reply } from "./replies.ts";

/**
 * Returns a refusal as the error of a call. If the code is ambiguous, the text of the reply decides, in the wording of
 * the common servers. `command`: the one that was refused, if the call sends several.
 */
export function toSyncError(context: OperationContext, reply: Reply, command?: string): SyncError {
  const kind = errorKindOf(reply);
  const refused = command === undefined ? "" : `${command} was refused: `;
  return operationError(context, kind, { why: `${refused}${probableCause(kind, reply)}${serverMessage(reply)}` });
}

/**
 * Returns the probable cause when the text is ambiguous: vsftpd has one reply for everything that prevents the creation
 * of a file.
 */
function probableCause(kind: ErrorKind, { code, text }: Reply): string {
  if (kind === "full" && code === 451) return "its disk or quota seems to be full, ";
  const isBare = code === 553 && /could not create file/i.test(text);
  return isBare ? "it has no right to write there or does not accept the name, " : "";
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

/** Whether the refusal of a listing may mean that the folder is empty, as some servers put it. */
export function saysNothingFound({ code, text }: Reply): boolean {
  if (code !== 550 && code !== 450 || isDenied(text)) return false;
  return isAbsent(text) ||
    /\b(?:no|0|zero|any) (?:matching |such )?(?:files?|entries|items|match)|empty|nothing/i.test(text);
}

/** Whether the text reports a missing permission. */
export function isDenied(text: string): boolean {
  return /denied|not permitted|forbidden|read-only|not allowed|prohibited/i.test(text);
}

/** Returns the server's reply in a form for messages. */
export function serverMessage({ code, text }: Reply): string {
  const words = escapeForDisplay(Buffer.from(text, "latin1").toString("utf8")).replace(/\\u000a/g, " ").slice(0, 300);
  if (code === 522) {
    return `the server requires each data connection to resume the TLS session of the control connection (${words})`;
  }
  return `the server answered "${words}"`;
}

/**
 * Returns the operation's error if the certificate of a data connection was refused, otherwise undefined. The server's
 * own reply would be misleading.
 */
export function toCertificateError(error: unknown, context: OperationContext): SyncError | undefined {
  if (error instanceof SyncError ? error.kind !== "hostKey" : !isUntrustedCertificate(error)) return undefined;
  const why = error instanceof SyncError
    ? error.message
    : explainUntrusted(error instanceof Error ? error.message : "");
  return operationError(context, "hostKey", { why: `on the data connection, ${why}`, cause: error });
}
