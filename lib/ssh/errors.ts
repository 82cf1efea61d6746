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

/**
 * Returns the error of a failed connection. Only this function interprets the client library's messages. `mismatch`: why
 * no algorithm matched, if that is the reason.
 */
export function connectionError(
  { host, port }: Pick<DialOptions, "host" | "port">,
  cause: Error | string,
  mismatch?: string,
): SyncError {
  const why = typeof cause === "string" ? cause : cause.message;
  const negotiation = why.startsWith("Handshake failed: no matching");
  const hint = negotiation && mismatch !== undefined ? `; ${mismatch}` : "";
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
 * Returns the error of a server whose first bytes on the SFTP channel are text, which a login script prints ahead of
 * SFTP; undefined for SFTP, and while that is not known. `isAll`: nothing more will follow.
 */
export function explainFirstBytes(bytes: Uint8Array, isAll = false): SyncError | undefined {
  const { length } = bytes;
  if (length === 0 || (length < VERSION_HEADER && !isAll)) return undefined;
  const packetLength = length < VERSION_HEADER ? Infinity : new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
  if (packetLength <= MAX_PACKET && bytes[4] === VERSION) return undefined;
  const lines = new TextDecoder().decode(bytes).split(/[\r\n\0]/).map((one) => one.trim());
  const line = escapeForDisplay((lines.find((one) => one !== "") ?? "").slice(0, MAX_TEXT)).slice(0, MAX_TEXT);
  const message = `The server sends text instead of SFTP: "${line}"; the account's login scripts (~/.bashrc, ` +
    "/etc/profile, ForceCommand) must print nothing unless the session is interactive.";
  return new SyncError("connection", message, { operation: "open SFTP" });
}

/** SSH_FXP_VERSION and the header of a packet (draft-ietf-secsh-filexfer-02, section 4). */
const VERSION = 2;
const VERSION_HEADER = 5;
const MAX_PACKET = 262_144;
/** The most characters of a server's text in a message. */
const MAX_TEXT = 200;
