import { SyncError } from "../core/errors.ts";
import { escapeForDisplay } from "../core/path.ts";
import type { DialOptions } from "./types.ts";

const OPERATION = "connect";

/** Returns the error of a login timeout. */
export function loginTimeoutError({ user, host, timeout }: DialOptions): SyncError {
  const message = `Cannot log in to ${user}@${host}: no answer in ${timeout / 1000} s (-Timeout)`;
  return new SyncError("timeout", message, { operation: OPERATION, transient: true });
}

/** Returns the error of a failed login: no attempt is left, or the server requires something unavailable. */
export function authError({ user, host }: DialOptions, why: string): SyncError {
  return new SyncError("auth", `The server refuses the login of ${user}@${host}: ${why}`, { operation: OPERATION });
}

/** Returns the error of a failed connection. Only this function interprets the client library's messages. */
export function connectionError({ host, port }: Pick<DialOptions, "host" | "port">, cause: Error | string): SyncError {
  const why = typeof cause === "string" ? cause : cause.message;
  const negotiation = why.startsWith("Handshake failed: no matching");
  const hint = negotiation ? "; an old server needs -AllowLegacyAlgorithms" : "";
  return new SyncError("connection", `The connection to ${host}:${port} failed: ${escapeForDisplay(why)}${hint}`, {
    operation: OPERATION,
    transient: !negotiation,
    cause,
  });
}

/** Returns the non-transient error of a server that is not an SSH server, or with which no exchange is safe. */
export function permanentConnectionError(options: Pick<DialOptions, "host" | "port">, why: string): SyncError {
  return new SyncError("connection", connectionError(options, why).message, { operation: OPERATION });
}

/**
 * Returns the error of a server whose first bytes on the SFTP channel are text: a login shell or a script prints it ahead
 * of SFTP.
 */
export function textBeforeSftpError(bytes: Uint8Array): SyncError {
  const [line = ""] = new TextDecoder().decode(bytes).split(/[\r\n]/).map((one) => one.trim()).filter((one) =>
    one !== ""
  );
  const message = `The server prints text ahead of SFTP: "${escapeForDisplay(line.slice(0, 200))}"; ` +
    "make the account's login script (~/.bashrc, ForceCommand, Subsystem) print it for interactive sessions alone.";
  return new SyncError("connection", message, { operation: "open SFTP" });
}
