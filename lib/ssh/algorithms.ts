import { createCipheriv, createDecipheriv, getCiphers } from "node:crypto";
import { Buffer } from "node:buffer";

/**
 * The criteria for the algorithms to offer. `strict`: the server supports strict key exchange, or that is not known
 * yet.
 */
export interface AlgorithmCriteria {
  readonly legacy: boolean;
  readonly strict: boolean;
}

/**
 * Returns the algorithms to offer, in the client library's format. P-521 key exchange is omitted: Deno rejects its
 * curve, which breaks the connection.
 */
export function offeredAlgorithms(wishes: AlgorithmCriteria & { readonly hostKeyTypes: readonly string[] }): unknown {
  const { legacy, hostKeyTypes } = wishes;
  return {
    kex: { remove: ["ecdh-sha2-nistp521"], append: legacy ? OLD_KEX : [] },
    serverHostKey: hostKeyAlgorithms(legacy, hostKeyTypes),
    cipher: usableCiphers(wishes),
    hmac: usableMacs(wishes),
    compress: ["none"],
  };
}

/** Returns the host key algorithms in the order to offer them: those of `first` come first. */
export function hostKeyAlgorithms(legacy: boolean, first: readonly string[] = []): readonly string[] {
  const known = first.filter((type) => HOST_KEYS.includes(type));
  const types = [...new Set([...known, ...HOST_KEYS, ...(legacy ? ["ssh-dss"] : [])])];
  return types.flatMap((type) => {
    if (type !== "ssh-rsa") return [type];
    return ["rsa-sha2-512", "rsa-sha2-256", ...(legacy ? ["ssh-rsa"] : [])];
  });
}

/** Returns the key exchanges that are offered: the client library's own, as offeredAlgorithms() changes them. */
export function keyExchanges(legacy: boolean): readonly string[] {
  return [...KEX, ...(legacy ? OLD_KEX : [])];
}

/**
 * Returns the SSH cipher names in the order to offer them: only those that this runtime encrypts and decrypts correctly
 * (Deno 2.6 lacks some). Without strict key exchange, chacha20-poly1305 is omitted: packets could be removed undetected
 * (CVE-2023-48795).
 */
export function usableCiphers(wishes: AlgorithmCriteria): string[] {
  const known = new Set(getCiphers());
  return CANDIDATES
    .filter((c) => (wishes.strict || !c.terrapin) && (wishes.legacy || !c.legacy))
    .filter((c) => known.has(c.ssl) && roundTrips(c))
    .map((c) => c.ssh);
}

/**
 * Returns the MAC names to offer, for ciphers without an integrated MAC. Encrypt-then-MAC only if strict key exchange
 * protects it or no CBC cipher is offered.
 */
export function usableMacs(wishes: AlgorithmCriteria): string[] {
  const etm = ["hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com"];
  const plain = ["hmac-sha2-256", "hmac-sha2-512"];
  if (!wishes.legacy) return [...etm, ...plain];
  return wishes.strict ? [...etm, ...plain, "hmac-sha1-etm@openssh.com", "hmac-sha1"] : [...plain, "hmac-sha1"];
}

/** Whether a connection with this cipher and MAC is vulnerable to CVE-2023-48795 without strict key exchange. */
export function needsStrict(cipher: string, mac: string): boolean {
  return cipher === "chacha20-poly1305@openssh.com" || (cipher.endsWith("-cbc") && mac.includes("-etm@"));
}

const HOST_KEYS = ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa"];
const KEX = [
  "curve25519-sha256@libssh.org",
  "curve25519-sha256",
  "ecdh-sha2-nistp256",
  "ecdh-sha2-nistp384",
  "diffie-hellman-group-exchange-sha256",
  ...["14-sha256", "15-sha512", "16-sha512", "17-sha512", "18-sha512"].map((group) => `diffie-hellman-group${group}`),
];
const OLD_KEX = ["diffie-hellman-group14-sha1", "diffie-hellman-group-exchange-sha1", "diffie-hellman-group1-sha1"];

interface CipherCandidate {
  readonly ssh: string;
  readonly ssl: string;
  readonly key: number;
  readonly iv: number;
  readonly aead?: boolean;
  readonly terrapin?: boolean;
  readonly legacy?: boolean;
}

// Deno encrypts chacha20 seven times as fast as AES-GCM; in Node it is the reverse.
const CANDIDATES: readonly CipherCandidate[] = [
  { ssh: "chacha20-poly1305@openssh.com", ssl: "chacha20", key: 32, iv: 16, terrapin: true },
  { ssh: "aes128-ctr", ssl: "aes-128-ctr", key: 16, iv: 16 },
  { ssh: "aes128-gcm@openssh.com", ssl: "aes-128-gcm", key: 16, iv: 12, aead: true },
  { ssh: "aes256-gcm@openssh.com", ssl: "aes-256-gcm", key: 32, iv: 12, aead: true },
  { ssh: "aes192-ctr", ssl: "aes-192-ctr", key: 24, iv: 16 },
  { ssh: "aes256-ctr", ssl: "aes-256-ctr", key: 32, iv: 16 },
  { ssh: "aes256-cbc", ssl: "aes-256-cbc", key: 32, iv: 16, legacy: true },
  { ssh: "aes128-cbc", ssl: "aes-128-cbc", key: 16, iv: 16, legacy: true },
  { ssh: "3des-cbc", ssl: "des-ede3-cbc", key: 24, iv: 8, legacy: true },
];

/** Whether one block survives encryption and decryption, with the same calls that the client library makes. */
function roundTrips(candidate: CipherCandidate): boolean {
  const key = Buffer.alloc(candidate.key, 7);
  const iv = Buffer.alloc(candidate.iv, 3);
  const block = Buffer.alloc(32, 5);
  try {
    if (candidate.aead) return aeadRoundTrips(candidate.ssl, { key, iv, block });
    const cipher = createCipheriv(candidate.ssl, key, iv);
    const decipher = createDecipheriv(candidate.ssl, key, iv);
    if (candidate.ssl.endsWith("-cbc")) decipher.setAutoPadding(false);
    if (candidate.ssl.endsWith("-cbc")) cipher.setAutoPadding(false);
    const there = Buffer.concat([cipher.update(block), cipher.final()]);
    const back = Buffer.concat([decipher.update(there), decipher.final()]);
    return !there.equals(block) && back.equals(block);
  } catch {
    // A runtime without the cipher throws: then the cipher is not offered.
    return false;
  }
}

function aeadRoundTrips(ssl: string, sample: { key: Buffer; iv: Buffer; block: Buffer }): boolean {
  const name = ssl as "aes-128-gcm";
  const aad = Buffer.alloc(4, 1);
  const cipher = createCipheriv(name, sample.key, sample.iv);
  cipher.setAutoPadding(false);
  cipher.setAAD(aad);
  const there = Buffer.concat([cipher.update(sample.block), cipher.final()]);
  const decipher = createDecipheriv(name, sample.key, sample.iv);
  decipher.setAutoPadding(false);
  decipher.setAAD(aad);
  decipher.setAuthTag(cipher.getAuthTag());
  return Buffer.concat([decipher.update(there), decipher.final()]).equals(sample.block);
}
