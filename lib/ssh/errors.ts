import { SyncError } from "../core/errors.ts";
import { printable } from "../core/path.ts";
import type { DialOptions } from "./types.ts";

const OPERATION = "connect";

/** The server took longer than it may. */
export function tooLate({ user, host, timeout }: DialOptions): SyncError {
  const message = `Cannot log in to ${user}@${host}: no answer in ${timeout / 1000} s (-Timeout)`;
  return new SyncError("timeout", message, { operation: OPERATION, transient: true });
}

/** No login is left, or the server wants what cannot be given. */
export function authError({ user, host }: DialOptions, why: string): SyncError {
  return new SyncError("auth", `The server refuses the login of ${user}@${host}: ${why}`, { operation: OPERATION });
}

/** The link failed. The one place where the client library's words are read. */
export function linkError({ host, port }: Pick<DialOptions, "host" | "port">, cause: Error | string): SyncError {
  const why = typeof cause === "string" ? cause : cause.message;
  const negotiation = why.startsWith("Handshake failed: no matching");
  const hint = negotiation ? "; an old server needs -AllowLegacyAlgorithms" : "";
  return new SyncError("connection", `The connection to ${host}:${port} failed: ${printable(why)}${hint}`, {
    operation: OPERATION,
    transient: !negotiation,
    cause,
  });
}

/** Another server than one for SSH answered, or one that must not be talked to: to try again does not help. */
export function wrongServer(options: Pick<DialOptions, "host" | "port">, why: string): SyncError {
  return new SyncError("connection", linkError(options, why).message, { operation: OPERATION });
}
