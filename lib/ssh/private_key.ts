import { Buffer } from "node:buffer";
import { createHash, createPrivateKey } from "node:crypto";
import { fieldsOf, keyType } from "./known_hosts.ts";
import { parseKeyByLibrary } from "./connection.ts";

/** A usable private key: unencrypted text that the client library reads, and the raw public key. */
export interface UsableKey {
  readonly type: string;
  readonly publicKey: Uint8Array;
  readonly privateKey: string;
}

/**
 * The result of reading a private key file. `needsPassphrase`: its passphrase is missing or wrong; `why` continues "the key
 * cannot be used: ".
 */
export type KeyResult =
  | { readonly key: UsableKey }
  | { readonly key: undefined; readonly needsPassphrase: boolean; readonly why: string };

/** Reads the text of a private key file: OpenSSH, PEM (PKCS#1, SEC1) and PKCS#8, encrypted or not. */
export function parsePrivateKey(text: string, passphrase?: string): KeyResult {
  const header = headerOf(text);
  const whyUnusable = explainUnusable(text, header);
  if (whyUnusable !== undefined) return unusable(whyUnusable);
  const encrypted = header === undefined ? ENCRYPTED_PEM.test(text) : header.cipher !== "none";
  if (encrypted && passphrase === undefined) return passphraseNeeded(passphrase);
  try {
    const plain = header === undefined ? fromPem(text, passphrase) : fromOpenSsh(text, passphrase);
    const parsed = parseKeyByLibrary(plain);
    if (!parsed.ok) return unusable(parsed.why);
    return { key: { type: parsed.type, publicKey: parsed.publicKey, privateKey: plain } };
  } catch (error) {
    return encrypted ? passphraseNeeded(passphrase) : unusable(error instanceof Error ? error.message : String(error));
  }
}

/**
 * Returns the public key of an OpenSSH private key, which is readable even if the rest is encrypted; undefined for
 * other formats.
 */
export function publicKeyOf(text: string): Uint8Array | undefined {
  return headerOf(text)?.publicKey;
}

/** The cipher that encrypts an OpenSSH private key: "none", "aes256-ctr"; undefined for other formats. */
export function cipherOf(text: string): string | undefined {
  return headerOf(text)?.cipher;
}

const MAGIC = "openssh-key-v1\0";
const ENCRYPTED_PEM = /^Proc-Type: 4,ENCRYPTED|-----BEGIN ENCRYPTED PRIVATE KEY-----/m;

interface Header {
  readonly cipher: string;
  readonly publicKey: Uint8Array;
}

/**
 * Parses the unencrypted part of an OpenSSH private key (PROTOCOL.key): cipher, key derivation, its options, the number
 * of keys, the public key.
 */
function headerOf(text: string): Header | undefined {
  const body = /-----BEGIN OPENSSH PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END/.exec(text)?.[1];
  const bytes = Buffer.from(body ?? "", "base64");
  if (bytes.subarray(0, MAGIC.length).toString("latin1") !== MAGIC) return undefined;
  let offset = MAGIC.length;
  const next = () => {
    if (offset + 4 > bytes.length) return undefined;
    const start = offset + 4;
    offset = start + bytes.readUInt32BE(offset);
    return offset > bytes.length ? undefined : bytes.subarray(start, offset);
  };
  const [cipher] = [next(), next(), next()];
  offset += 4;
  const publicKey = next();
  if (cipher === undefined || publicKey === undefined) return undefined;
  return { cipher: cipher.toString("latin1"), publicKey: new Uint8Array(publicKey) };
}

/** Returns why a key of this format cannot be used with any passphrase; undefined if it can. */
function explainUnusable(text: string, header: Header | undefined): string | undefined {
  if (text.startsWith("PuTTY-User-Key-File-")) {
    return "it is a PuTTY key; convert it with: puttygen key.ppk -O private-openssh -o key";
  }
  if (/^(sk-)?(ssh|ecdsa)-[a-z0-9@.-]+-cert-v01@openssh\.com /.test(text)) {
    return "it is a certificate; name the private key that it belongs to, and keep it beside that key";
  }
  if (/^(ssh|ecdsa|sk)-[a-z0-9@.-]+ AAAA/.test(text) || /^-----BEGIN (SSH2 |RSA )?PUBLIC KEY-----/.test(text)) {
    return "it is a public key, and the agent does not hold the private one; name the file that does";
  }
  const type = header === undefined ? "" : keyType(header.publicKey);
  if (type.startsWith("sk-")) {
    return `a security key holds it (${type}), which only the system's ssh can use (-SshClient System)`;
  }
  if (header?.cipher.startsWith("chacha20") === true) {
    return `it is encrypted with ${header.cipher}, which only the system's ssh can read (-SshClient System); change that with: ssh-keygen -p -Z aes256-ctr -f key`;
  }
  return /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----/.test(text) ? undefined : "it holds no private key";
}

/**
 * Returns the same key unencrypted. To derive the cipher key from the passphrase takes a good part of a second, so it
 * is done only once.
 */
function fromOpenSsh(text: string, passphrase: string | undefined): string {
  const parsed = parseKeyByLibrary(text, passphrase);
  if (!parsed.ok) throw new Error(parsed.why);
  const curve = /^ecdsa-sha2-(nistp\d+)$/.exec(parsed.type)?.[1];
  if (curve === undefined) return passphrase === undefined ? text : fromPem(parsed.pem, undefined);
  const [, , point] = fieldsOf(parsed.publicKey, 3);
  return formatEcdsa(curve, point ?? new Uint8Array(), scalarOf(parsed.pem));
}

/**
 * Converts a PEM key to a format that the client library reads and Deno signs with: RSA as PKCS#1, others in OpenSSH's
 * format.
 */
function fromPem(text: string, passphrase: string | undefined): string {
  const key = createPrivateKey({ key: text, format: "pem", ...(passphrase === undefined ? {} : { passphrase }) });
  if (key.asymmetricKeyType === "rsa") return String(key.export({ type: "pkcs1", format: "pem" }));
  const { crv, x, y, d } = ["ec", "ed25519"].includes(key.asymmetricKeyType ?? "") ? key.export({ format: "jwk" }) : {};
  const bytes = (value: string | undefined) => Buffer.from(value ?? "", "base64url");
  if (crv === "Ed25519") return formatOpenSsh("ssh-ed25519", [bytes(x)], Buffer.concat([bytes(d), bytes(x)]));
  const curve = /^P-(256|384|521)$/.exec(crv ?? "")?.[1];
  if (curve === undefined) throw new Error(`SSH servers take no keys of type ${crv ?? key.asymmetricKeyType}`);
  return formatEcdsa(`nistp${curve}`, Buffer.concat([Buffer.from([4]), bytes(x), bytes(y)]), bytes(d));
}

/**
 * Returns an ECDSA key with the private number padded to the size of its curve. OpenSSH writes it with a leading zero
 * byte for one key in two and the client library passes that on, but Deno refuses to sign with such a key ("invalid
 * SEC1 private key").
 */
function formatEcdsa(curve: string, point: Uint8Array, scalar: Uint8Array): string {
  const size = Math.ceil(Number(curve.slice(5)) / 8);
  const padded = Buffer.concat([Buffer.alloc(size), scalar]).subarray(-size);
  return formatOpenSsh(`ecdsa-sha2-${curve}`, [Buffer.from(curve), point], padded);
}

/** Returns the private number of a SEC1 key (RFC 5915): a sequence of the number 1, then these bytes. */
function scalarOf(pem: string): Uint8Array {
  const der = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ""), "base64");
  const start = der.indexOf(Buffer.from([2, 1, 1, 4]));
  const length = der[start + 4];
  if (start < 0 || length === undefined || start + 5 + length > der.length) {
    throw new Error("its private number is missing");
  }
  return der.subarray(start + 5, start + 5 + length);
}

/** Formats an unencrypted key in OpenSSH's own format, from the fields after its type (PROTOCOL.key of OpenSSH). */
function formatOpenSsh(type: string, open: readonly Uint8Array[], secret: Uint8Array): string {
  const blob = Buffer.concat([Buffer.from(type), ...open].map(field));
  // The two equal numbers let a reader verify the decryption; here any value will do.
  const check = createHash("sha256").update(blob).digest().subarray(0, 4);
  const plain = Buffer.concat([check, check, blob, field(secret), field(Buffer.alloc(0))]);
  const padding = Buffer.from(Array.from({ length: (8 - plain.length % 8) % 8 }, (_, index) => index + 1));
  const none = field(Buffer.from("none"));
  const head = Buffer.concat([Buffer.from(MAGIC), none, none, field(Buffer.alloc(0)), uint32(1), field(blob)]);
  const body = Buffer.concat([head, field(Buffer.concat([plain, padding]))]).toString("base64");
  const lines = body.match(/.{1,70}/g) ?? [];
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines.join("\n")}\n-----END OPENSSH PRIVATE KEY-----\n`;
}

function field(bytes: Uint8Array): Buffer {
  return Buffer.concat([uint32(bytes.length), bytes]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function passphraseNeeded(given: string | undefined): KeyResult {
  const why = given === undefined ? "it is encrypted, and no passphrase was given" : "its passphrase is wrong";
  return { key: undefined, needsPassphrase: true, why };
}

function unusable(why: string): KeyResult {
  return { key: undefined, needsPassphrase: false, why };
}
