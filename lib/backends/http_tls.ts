import { createHash, X509Certificate } from "node:crypto";
import net from "node:net";
import tls from "node:tls";
import { badInput, SyncError } from "../errors.ts";
import type { ClientCertificate } from "./tls_client.ts";

/** Where to connect, and whom to trust there. `pins`: lower-case hex of SHA-256 over the certificate; without any the system's authorities decide. */
export interface TlsPlace {
  readonly host: string;
  readonly port: number;
  readonly pins: readonly string[];
  /** ms. */
  readonly timeout: number;
  /** What this side shows of itself. */
  readonly client?: ClientCertificate;
}

/** Reads fingerprints: 64 hex digits, with or without ":" and "SHA256:". Throws badInput naming the malformed one. */
export function parseTlsPins(texts: readonly string[]): readonly string[] {
  return texts.flatMap((text) => text.split(";")).map((text) => text.trim()).filter((text) => text !== "").map(
    (text) => {
      const hex = text.replace(/^sha-?256[: ]/i, "").replace(/[:\s-]/g, "").toLowerCase();
      if (/^[0-9a-f]{64}$/.test(hex)) return hex;
      throw badInput(
        `"${text}" is no certificate fingerprint: write -TlsHostCertificateFingerprint with the 64 hex digits of SHA-256, as openssl x509 -noout -fingerprint -sha256 shows them.`,
      );
    },
  );
}

/** A socket whose peer is proven. `whyBroken`: what broke it since, if anything did. */
export interface Secured {
  readonly socket: tls.TLSSocket;
  whyBroken(): unknown;
}

/**
 * Connects with TLS 1.2 or later; the socket is handed over only when the certificate is proven: by a pin, else by the authorities
 * and the host's name. Rejects with hostKey for a pin that does not match, else with what the net or TLS said.
 */
export function connectTls(place: TlsPlace): Promise<Secured> {
  const { host, port, pins, timeout } = place;
  const { promise, resolve, reject } = Promise.withResolvers<Secured>();
  const isPinned = pins.length > 0;
  const socket = tls.connect({
    host,
    port,
    ...place.client,
    ...(net.isIP(host) === 0 ? { servername: host } : {}),
    rejectUnauthorized: !isPinned,
    minVersion: "TLSv1.2",
    ALPNProtocols: ["http/1.1"],
  });
  const timer = setTimeout(() => fail(new TimedOut()), timeout);
  let broken: unknown;
  const fail = (error: unknown) => {
    clearTimeout(timer);
    broken ??= error;
    socket.destroy();
    reject(error);
  };
  socket.once("error", fail);
  socket.once("close", () => fail(new Error("the server closed the connection")));
  socket.once("secureConnect", () => {
    try {
      mustBeTrusted(socket, place);
    } catch (error) {
      return fail(error);
    }
    clearTimeout(timer);
    socket.setNoDelay(true);
    resolve({ socket, whyBroken: () => broken });
  });
  return promise;
}

/** The net's own word for a connection that takes too long. */
export class TimedOut extends Error {
  readonly code = "ETIMEDOUT";

  constructor() {
    super("the connection timed out");
  }
}

function mustBeTrusted(socket: tls.TLSSocket, { host, pins }: TlsPlace): void {
  const { raw } = socket.getPeerCertificate();
  if (pins.length === 0) {
    // The runtime may leave the name of an address unchecked.
    const certificate = new X509Certificate(raw);
    const name = net.isIP(host) === 0 ? certificate.checkHost(host) : certificate.checkIP(host);
    if (name !== undefined) return;
    throw notTrusted(host, `its certificate is not for ${host}`);
  }
  const found = createHash("sha256").update(raw).digest("hex");
  if (pins.includes(found)) return;
  throw notTrusted(
    host,
    `its certificate is not the pinned one; if it is right, add -TlsHostCertificateFingerprint ${found}`,
  );
}

function notTrusted(host: string, why: string): SyncError {
  return new SyncError("hostKey", `Cannot trust ${host}: ${why}`, { operation: "connect" });
}
