import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { isIP } from "node:net";
import type { TLSSocket } from "node:tls";
import { badInput, SyncError } from "../errors.ts";
import { type Ask, failure } from "./ftp_reply.ts";
import type { Securing } from "./ftp_socket.ts";
import { isUntrusted, untrusted as whyUntrusted } from "./http_status.ts";
import type { ClientCertificate } from "./tls_client.ts";

/** Whom to trust: certificates as their SHA-256 in lower-case hex; none: whoever an authority of this machine vouches for. */
export interface Trust {
  readonly host: string;
  readonly pins: readonly string[];
  /** What this side shows of itself. */
  readonly client?: ClientCertificate;
}

/** Reads fingerprints: "SHA256:" and 43 base64 characters, or 64 hex digits, also in pairs. Throws badInput naming the malformed one. */
export function parseTlsPins(texts: readonly string[]): readonly string[] {
  return texts.flatMap((text) => text.split(";")).map((text) => text.trim()).filter((text) => text !== "").map(
    (text) => {
      const hex = text.replace(/^(?:sha-?256[:= ])/i, "").replace(/[:-]/g, "").toLowerCase();
      if (/^[0-9a-f]{64}$/.test(hex)) return hex;
      const [, base64] = /^(?:SHA256:)?([A-Za-z0-9+/]{43})=?$/.exec(text) ?? [];
      if (base64 !== undefined) return Buffer.from(base64, "base64").toString("hex");
      throw badInput(
        `"${text}" is no certificate fingerprint: write -TlsHostCertificateFingerprint with the 64 hex digits that openssl x509 -fingerprint -sha256 shows`,
      );
    },
  );
}

/**
 * How the connections to one host are secured, data connections with the session of their control connection. With pins the
 * certificate is compared here, else the runtime checks chain and name. `newest`: TLS 1.3 too; without, servers that insist on a
 * resumed session are served best.
 */
export function securing(trust: Trust, { newest, session }: { newest: boolean; session?: Uint8Array }): Securing {
  const { host, pins, client } = trust;
  return {
    options: {
      host,
      ...client,
      ...(isIP(host) === 0 ? { servername: host } : {}),
      minVersion: "TLSv1.2",
      maxVersion: newest ? "TLSv1.3" : "TLSv1.2",
      rejectUnauthorized: pins.length === 0,
      ...(session === undefined ? {} : { session: Buffer.from(session) }),
    },
    check: (socket) => check(socket, trust),
  };
}

function check(socket: TLSSocket, { host, pins }: Trust): void {
  if (pins.length === 0) {
    if (socket.authorized) return;
    throw untrusted(host, `nobody vouches for its certificate (${socket.authorizationError})`, socket);
  }
  const shown = fingerprintOf(socket);
  if (shown !== undefined && pins.includes(shown)) return;
  throw untrusted(host, "its certificate is not the pinned one", socket);
}

/** The error of a data connection as that of its call where a certificate was refused: the server's own word for it would mislead. */
export function foreignCertificate(error: unknown, ask: Ask): SyncError | undefined {
  if (error instanceof SyncError ? error.kind !== "hostKey" : !isUntrusted(error)) return undefined;
  const why = error instanceof SyncError ? error.message : whyUntrusted(error instanceof Error ? error.message : "");
  return failure(ask, "hostKey", { why: `on the data connection, ${why}`, cause: error });
}

/** "SHA256:…" of the peer's certificate as hex; undefined when it shows none. */
export function fingerprintOf(socket: TLSSocket): string | undefined {
  const raw = socket.getPeerCertificate()?.raw;
  return raw === undefined ? undefined : createHash("sha256").update(raw).digest("hex");
}

function untrusted(host: string, why: string, socket: TLSSocket): SyncError {
  const shown = fingerprintOf(socket);
  const how = shown === undefined ? "" : `; if it is right, add -TlsHostCertificateFingerprint ${shown}`;
  return new SyncError("hostKey", `Cannot trust "${host}": ${why}${how}`, { operation: "connect" });
}
