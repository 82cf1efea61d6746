import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { isIP } from "node:net";
import tls from "node:tls";
import { badInput, SyncError } from "../core/errors.ts";
import { escapeForDisplay } from "../core/path.ts";
import type { ClientCertificate } from "./client_certificate.ts";
import { withoutZone } from "./host.ts";
import { certificateHosts } from "./tls_names.ts";
import type { ConnectContext } from "../core/protocol.ts";

/**
 * The trust settings of a TLS server. If there are `pins`, only they decide; otherwise the certificate's chain and name
 * do.
 */
export interface TlsTrust {
  readonly host: string;
  /** Lower-case hex over the certificate: 64 digits of SHA-256, or 40 of SHA-1. Absent if this host cannot have any. */
  readonly pins?: readonly string[];
  /** The client certificate. */
  readonly client?: ClientCertificate;
}

/**
 * Parses fingerprints, several in one text with ";": hex digits, bare or in pairs with ":" or "-", and base64, with or without "SHA256:"
 * and padding. Throws badInput naming the malformed one.
 */
export function parseTlsPins(texts: readonly string[]): readonly string[] {
  return texts.flatMap((text) => text.split(";")).map((text) => text.trim()).filter((text) => text !== "").map(
    parsePin,
  );
}

/**
 * Reads the fingerprints of a target, from its address and from its parameter. Warns of SHA-1, which is no longer safe
 * against forgery.
 */
export function readTlsPins({ address, options, warn }: ConnectContext): readonly string[] {
  const pins = parseTlsPins([...address.pins, options["TlsHostCertificateFingerprint"] ?? ""]);
  const isOld = pins.some((pin) => pin.length === SHA1_DIGITS);
  if (isOld) warn("A SHA-1 fingerprint can be forged: write -TlsHostCertificateFingerprint with the SHA-256 one.");
  return pins;
}

/** Throws badInput if there are fingerprints but the endpoint has no certificate. */
export function assertTlsForPins({ protocol }: URL, pins: readonly string[] = []): void {
  if (pins.length === 0 || protocol === "https:") return;
  throw badInput(
    "Only a server over TLS has a certificate: write https:// in -Endpoint, or leave its fingerprint out.",
  );
}

/**
 * Returns the options of tls.connect() for these trust settings. The runtime then accepts any certificate: verifyPeer()
 * must be called before anything is sent.
 */
export function tlsConnectionOptions({ host, client }: TlsTrust): tls.ConnectionOptions {
  return {
    host,
    ...client,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    minVersion: "TLSv1.2",
    // The runtime would accept the subject's common name, and its error lacks the fingerprint that the message needs.
    rejectUnauthorized: false,
  };
}

/** Throws kind "hostKey" unless the certificate of this connection, whose handshake is over, is trusted. */
export function verifyPeer(socket: tls.TLSSocket, trust: TlsTrust): void {
  const { host, pins = [] } = trust;
  const certificate = socket.getPeerCertificate();
  const raw = certificate?.raw;
  if (raw === undefined) throw untrustedError(trust, "it shows no certificate");
  const fingerprint = createHash("sha256").update(raw).digest("hex");
  if (pins.length > 0) {
    if (pins.includes(fingerprint) || pins.includes(createHash("sha1").update(raw).digest("hex"))) return;
    throw untrustedError(trust, "its certificate is not the pinned one", fingerprint);
  }
  // The name is checked first: the certificate of another host is not worth pinning.
  const why = explainWrongName(host, certificate) ?? explainInvalidDates(certificate) ?? explainUntrustedChain(socket);
  if (why !== undefined) throw untrustedError(trust, `its certificate is not trusted (${why})`, fingerprint);
}

/** Returns the certificate's SHA-256 in hex; undefined if the server has none. */
export function fingerprintOf(socket: tls.TLSSocket): string | undefined {
  const raw = socket.getPeerCertificate()?.raw;
  return raw === undefined ? undefined : createHash("sha256").update(raw).digest("hex");
}

/**
 * Returns why the certificate does not name the host. The subject's common name does not count (RFC 9525, section 2).
 */
function explainWrongName(host: string, { raw }: tls.PeerCertificate): string | undefined {
  const names = certificateHosts(raw).join(", ");
  const named = { subject: {}, subjectaltname: names } as tls.PeerCertificate;
  if (names !== "" && tls.checkServerIdentity(withoutZone(host), named) === undefined) return undefined;
  return `it is not for "${host}": ${names === "" ? "it names no host" : `it names ${names.slice(0, 200)}`}`;
}

function explainInvalidDates({ valid_from: from, valid_to: to }: tls.PeerCertificate): string | undefined {
  if (Date.parse(to) < Date.now()) return `it expired on ${dayOf(to)}`;
  return Date.parse(from) > Date.now() ? `it is not valid before ${dayOf(from)}` : undefined;
}

function dayOf(time: string): string {
  return new Date(time).toISOString().slice(0, 10);
}

function explainUntrustedChain({ authorized, authorizationError: error }: tls.TLSSocket): string | undefined {
  if (authorized) return undefined;
  return /SELF_SIGNED/.test(String(error))
    ? "it is self-signed"
    : `no authority that this machine trusts issued it (${error})`;
}

function untrustedError({ host, pins }: TlsTrust, why: string, fingerprint?: string): SyncError {
  const advice = fingerprint === undefined || pins === undefined
    ? ""
    : `; if it is right, add -TlsHostCertificateFingerprint ${fingerprint}`;
  return new SyncError("hostKey", `Cannot trust "${host}": ${why}${advice}`, { operation: "connect" });
}

const SHA1_DIGITS = 40;
const SHA256_DIGITS = 64;

function parsePin(text: string): string {
  const bare = text.replace(/^sha-?(?:1|256)(?: fingerprint)?[:= -]/i, "");
  const hex = bare.replace(/[: -]/g, "").toLowerCase();
  const isHex = /^[0-9a-f]{2}(?:[: -]?[0-9a-f]{2})*$/i.test(bare);
  if (isHex && (hex.length === SHA256_DIGITS || hex.length === SHA1_DIGITS)) return hex;
  if (/^[A-Za-z0-9+/_-]{43}=?$/.test(bare)) return Buffer.from(bare, "base64url").toString("hex");
  throw badInput(
    `"${
      escapeForDisplay(text)
    }" is no certificate fingerprint: write -TlsHostCertificateFingerprint with the 64 hex digits that openssl x509 -noout -fingerprint -sha256 shows.`,
  );
}
