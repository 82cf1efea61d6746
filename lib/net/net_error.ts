import { SyncError } from "../core/errors.ts";
import { escapeForDisplay } from "../core/path.ts";

/**
 * Returns why a connection failed, by the system's error code, as the end of a sentence that names what to check;
 * undefined for any other error.
 */
export function describeNetError(error: unknown): string | undefined {
  return error instanceof Error && "code" in error ? DESCRIPTIONS[String(error.code)] : undefined;
}

const DESCRIPTIONS: Readonly<Record<string, string>> = {
  ENOTFOUND: "no such host is known; check the name",
  EAI_AGAIN: "the name cannot be looked up right now",
  ECONNREFUSED: "nothing listens there; check host and port, and whether the server runs",
  ECONNRESET: "the server closed the connection",
  EPIPE: "the server closed the connection",
  ETIMEDOUT: "no answer",
  EHOSTUNREACH: "no route to the host",
  ENETUNREACH: "no route to the network",
};

/** Returns why an untrusted certificate is refused, and the option that accepts it nevertheless. */
export function explainUntrusted(message: string): string {
  const advice = "if you know it to be right, name its SHA-256 fingerprint with -TlsHostCertificateFingerprint";
  return `the server's certificate is not trusted (${escapeForDisplay(message).slice(0, 200)}); ${advice}`;
}

/** Whether the error is an untrusted certificate. The runtime reports that in a code, or only in the message. */
export function isUntrustedCertificate(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return CERTIFICATE_ERROR.test("code" in error ? String(error.code) : "") || CERTIFICATE_ERROR.test(error.message);
}

const CERTIFICATE_ERROR = /CERT|SELF_SIGNED|UNABLE_TO_(?:GET|VERIFY)|certificate|HostnameMismatch|NotValidForName/;

/** The operation of errors that belong to no call yet: the caller replaces it. */
export const NETWORK_OPERATION = "use the network";

/** The id of an error whose message names the proxy that caused it. */
export const PROXY_FAILED = "ProxyFailed";

/**
 * Returns the error of a connection with the proxy that it goes through, which may be the cause of it: it changes what
 * passes, or leads to another server. An error that names the proxy already is returned unchanged.
 */
export function namingProxy(
  error: unknown,
  proxy: { readonly label: string; readonly source: string } | undefined,
): unknown {
  if (proxy === undefined || !(error instanceof SyncError) || !PROXIED.has(error.kind)) return error;
  if (error.message.includes(`the proxy ${proxy.label}`)) return error;
  const { kind, message, facts } = error;
  return new SyncError(
    kind,
    `${message}; the connection goes through the proxy ${proxy.label} (${proxy.source})`,
    facts,
  );
}

/** The kinds of errors that a proxy may cause. */
const PROXIED: ReadonlySet<string> = new Set(["connection", "timeout", "hostKey"]);

/** Returns a transient network error. */
export function networkError(kind: "connection" | "timeout" | "busy", why: string, cause?: unknown): SyncError {
  const facts = { operation: NETWORK_OPERATION, transient: true, ...(cause === undefined ? {} : { cause }) };
  return new SyncError(kind, why, facts);
}

/** Returns the error of a peer that takes longer than -Timeout. */
export function timeoutError(what: string, timeout: number): SyncError {
  return networkError("timeout", `${what} in ${timeout / 1000} s; -Timeout waits longer`);
}

/** Returns the error of a peer with another protocol, which is not transient. */
export function wrongProtocolError(why: string): SyncError {
  return new SyncError("connection", why, { operation: NETWORK_OPERATION });
}

/** Returns what a failure of the network means, or the error's own message. */
export function netMessageOf(error: unknown): string {
  return describeNetError(error) ?? (error instanceof Error ? error.message : String(error));
}
