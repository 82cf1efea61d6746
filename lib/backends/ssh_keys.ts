import { Buffer } from "node:buffer";
import { createHash, createPrivateKey, type KeyObject } from "node:crypto";
import { keyType } from "./known_hosts.ts";
import { type KeyReading, readPrivateKey } from "./ssh_link.ts";

/** A private key as it can be offered: unencrypted text that the client library reads, and the raw public key. */
export interface UsableKey {
  readonly type: string;
  readonly publicKey: Uint8Array;
  readonly privateKey: string;
}

/** What a private key file turned out to be. `wanted`: its passphrase is missing or wrong; `why` continues "the key cannot be used: ". */
export type KeyOutcome =
  | { readonly key: UsableKey }
  | { readonly key: undefined; readonly wanted: boolean; readonly why: string };

/** Reads the text of a private key file: OpenSSH, PEM (PKCS#1, SEC1) and PKCS#8, encrypted or not. */
export function readKey(text: string, passphrase?: string): KeyOutcome {
  const header = headerOf(text);
  const unusable = findUnusable(text, header);
  if (unusable !== undefined) return refuse(unusable);
  if (/-----BEGIN (ENCRYPTED )?PRIVATE KEY-----/.test(text)) return readPkcs8(text, passphrase);
  const encrypted = header === undefined ? /^Proc-Type: 4,ENCRYPTED/m.test(text) : header.cipher !== "none";
  if (encrypted && passphrase === undefined) return wantPassphrase(passphrase);
  if (!encrypted && text.includes("-----BEGIN EC PRIVATE KEY-----")) return readPkcs8(text, undefined);
  const reading = parse(text, passphrase);
  if (!reading.ok) return encrypted ? wantPassphrase(passphrase) : refuse(reading.why);
  // Deriving the key from its passphrase takes a good part of a second: once is enough.
  if (encrypted) return readKey(reading.pem);
  return { key: { type: reading.type, publicKey: reading.publicKey, privateKey: text } };
}

/** The public key of an OpenSSH private key, which is readable though the rest is encrypted; undefined for other formats. */
export function publicKeyOf(text: string): Uint8Array | undefined {
  return headerOf(text)?.publicKey;
}

const MAGIC = "openssh-key-v1\0";

interface Header {
  readonly cipher: string;
  readonly publicKey: Uint8Array;
}

/** The open part of an OpenSSH private key (PROTOCOL.key): cipher, key derivation, its options, the number of keys, the public key. */
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

/** Why a key of this format cannot be used, whatever its passphrase. */
function findUnusable(text: string, header: Header | undefined): string | undefined {
  if (text.startsWith("PuTTY-User-Key-File-")) {
    return "it is a PuTTY key; convert it with: puttygen key.ppk -O private-openssh -o key";
  }
  if (/^(sk-)?(ssh|ecdsa)-[a-z0-9@.-]+-cert-v01@openssh\.com /.test(text)) {
    return "it is a certificate, which is not supported; name the private key, and let the server know its public key";
  }
  if (/^(ssh|ecdsa|sk)-[a-z0-9@.-]+ AAAA/.test(text) || /^-----BEGIN (SSH2 |RSA )?PUBLIC KEY-----/.test(text)) {
    return "it is a public key; name the file that holds the private one";
  }
  const type = header === undefined ? "" : keyType(header.publicKey);
  if (type.startsWith("sk-")) return `a security key holds it (${type}), which is not supported; use a key file`;
  if (header?.cipher.startsWith("chacha20") === true) {
    return `it is encrypted with ${header.cipher}, which is not supported; change that with: ssh-keygen -p -Z aes256-ctr -f key`;
  }
  return /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----/.test(text) ? undefined : "it holds no private key";
}

function parse(text: string, passphrase: string | undefined): KeyReading {
  try {
    return readPrivateKey(text, passphrase);
  } catch (error) {
    return { ok: false, why: error instanceof Error ? error.message : String(error) };
  }
}

/** PKCS#8 is what openssl and the clouds write and the client library does not read: the same key in a format that it reads. */
function readPkcs8(text: string, passphrase: string | undefined): KeyOutcome {
  const encrypted = text.includes("BEGIN ENCRYPTED PRIVATE KEY");
  if (encrypted && passphrase === undefined) return wantPassphrase(passphrase);
  try {
    const key = createPrivateKey({ key: text, format: "pem", ...(passphrase === undefined ? {} : { passphrase }) });
    const plain = toReadable(key);
    return plain === undefined ? refuse(`SSH knows no keys of type ${key.asymmetricKeyType}`) : readKey(plain);
  } catch (error) {
    return encrypted ? wantPassphrase(passphrase) : refuse(error instanceof Error ? error.message : String(error));
  }
}

/** The key unencrypted: RSA as PKCS#1, the others in OpenSSH's own format (the client library asks Deno for P-521 in vain). */
function toReadable(key: KeyObject): string | undefined {
  if (key.asymmetricKeyType === "rsa") return String(key.export({ type: "pkcs1", format: "pem" }));
  if (key.asymmetricKeyType !== "ed25519" && key.asymmetricKeyType !== "ec") return undefined;
  const { crv, x, y, d } = key.export({ format: "jwk" });
  const bytes = (text: string | undefined) => Buffer.from(text ?? "", "base64url");
  if (crv === "Ed25519") return openSshText("ssh-ed25519", [bytes(x)], [Buffer.concat([bytes(d), bytes(x)])]);
  const curve = crv === undefined ? undefined : CURVES[crv];
  if (curve === undefined) return undefined;
  const point = Buffer.concat([Buffer.from([4]), bytes(x), bytes(y)]);
  return openSshText(`ecdsa-sha2-${curve}`, [Buffer.from(curve), point], [mpint(bytes(d))]);
}

const CURVES: Readonly<Record<string, string>> = { "P-256": "nistp256", "P-384": "nistp384", "P-521": "nistp521" };

/** An unencrypted key in OpenSSH's own format, from the fields that follow its type (PROTOCOL.key of OpenSSH). */
function openSshText(type: string, open: readonly Uint8Array[], secret: readonly Uint8Array[]): string {
  const blob = Buffer.concat([Buffer.from(type), ...open].map(field));
  // Two equal numbers let a reader see that it decrypted rightly; here they may be any.
  const check = createHash("sha256").update(blob).digest().subarray(0, 4);
  const plain = Buffer.concat([check, check, blob, ...secret.map(field), field(Buffer.alloc(0))]);
  const padding = Buffer.from(Array.from({ length: (8 - plain.length % 8) % 8 }, (_, index) => index + 1));
  const none = field(Buffer.from("none"));
  const head = Buffer.concat([Buffer.from(MAGIC), none, none, field(Buffer.alloc(0)), uint32(1), field(blob)]);
  const body = Buffer.concat([head, field(Buffer.concat([plain, padding]))]).toString("base64");
  const lines = body.match(/.{1,70}/g) ?? [];
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines.join("\n")}\n-----END OPENSSH PRIVATE KEY-----\n`;
}

/** A positive number as SSH writes it: no leading zeros but one where the first bit is set (RFC 4251 section 5). */
function mpint(bytes: Buffer): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0);
  const digits = first < 0 ? Buffer.alloc(0) : bytes.subarray(first);
  return ((digits[0] ?? 0) & 0x80) === 0 ? digits : Buffer.concat([Buffer.alloc(1), digits]);
}

function field(bytes: Uint8Array): Buffer {
  return Buffer.concat([uint32(bytes.length), bytes]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function wantPassphrase(given: string | undefined): KeyOutcome {
  const why = given === undefined ? "it is encrypted, and no passphrase was given" : "its passphrase is wrong";
  return { key: undefined, wanted: true, why };
}

function refuse(why: string): KeyOutcome {
  return { key: undefined, wanted: false, why };
}
