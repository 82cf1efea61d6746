import { Buffer } from "node:buffer";
import crypto, { createCipheriv } from "node:crypto";

/** The part of a cipher object that the SSH library uses for chacha20: one update() each. */
export interface SingleUpdateCipher {
  update(data: Uint8Array): Buffer;
}

/**
 * ChaCha20 (RFC 8439; `iv`: block counter and nonce, as OpenSSL takes them) for exactly one update(). Encryption and
 * decryption are the same operation. The runtime's own cipher takes 6 µs to set up, three times per packet, and keeps
 * its memory until final() is called, which the SSH library never does: a terabyte would cost gigabytes. So this class
 * processes short inputs itself and passes long ones to the runtime, with final().
 */
export class ChaCha20 {
  readonly #keys = new WeakMap<Uint8Array, Int32Array>();
  readonly #nonce = new Int32Array(4);
  readonly #stream = new Uint8Array(BLOCK_BYTES);
  readonly #words = new DataView(this.#stream.buffer);

  cipher(key: Uint8Array, iv: Uint8Array): SingleUpdateCipher {
    return {
      update: (data) => data.length > SHORT_BYTES ? encryptByRuntime(key, iv, data) : this.#encryptShort(key, iv, data),
    };
  }

  #encryptShort(key: Uint8Array, iv: Uint8Array, data: Uint8Array): Buffer {
    let words = this.#keys.get(key);
    if (words === undefined) this.#keys.set(key, words = readWords(key, new Int32Array(8)));
    const nonce = readWords(iv, this.#nonce);
    const stream = this.#stream;
    const result = Buffer.allocUnsafe(data.length);
    for (let at = 0; at < data.length; at += BLOCK_BYTES) {
      fillBlock(this.#words, words, nonce);
      nonce[0] = (nonce[0] ?? 0) + 1;
      const end = Math.min(data.length, at + BLOCK_BYTES);
      for (let i = at; i < end; i++) result[i] = (data[i] ?? 0) ^ (stream[i - at] ?? 0);
    }
    return result;
  }
}

/**
 * Loads the SSH library with the ChaCha20 of this file. The library reads createCipheriv() from node:crypto once, while
 * it loads, and has no other way to replace it; for all other code node:crypto stays unchanged.
 */
export async function withOwnChaCha20<T>(load: () => Promise<T>): Promise<T> {
  const { createCipheriv, createDecipheriv } = crypto;
  const chacha20 = new ChaCha20();
  type Make = typeof createCipheriv | typeof createDecipheriv;
  const replace = (make: Make) => (...given: Parameters<typeof createCipheriv>) => {
    const [name, key, iv] = given as readonly unknown[];
    if (name !== "chacha20") return make(...given);
    return chacha20.cipher(key as Uint8Array, iv as Uint8Array);
  };
  Object.assign(crypto, { createCipheriv: replace(createCipheriv), createDecipheriv: replace(createDecipheriv) });
  try {
    return await load();
  } finally {
    Object.assign(crypto, { createCipheriv, createDecipheriv });
  }
}

/** The input size in bytes up to which this code is faster than the setup of the runtime's cipher. */
const SHORT_BYTES = 256;
const BLOCK_BYTES = 64;

function encryptByRuntime(key: Uint8Array, iv: Uint8Array, data: Uint8Array): Buffer {
  const cipher = createCipheriv("chacha20", key, iv);
  const result = cipher.update(data);
  cipher.final();
  return result;
}

function readWords(bytes: Uint8Array, into: Int32Array): Int32Array {
  for (let i = 0, at = 0; i < into.length; i++, at += 4) {
    into[i] = (bytes[at] ?? 0) | (bytes[at + 1] ?? 0) << 8 | (bytes[at + 2] ?? 0) << 16 | (bytes[at + 3] ?? 0) << 24;
  }
  return into;
}

/**
 * Computes one block of key stream (RFC 8439, section 2.3): ten double rounds over sixteen words, added to their
 * initial values.
 */
function fillBlock(out: DataView, key: Int32Array, nonce: Int32Array): void {
  const k0 = key[0] ?? 0, k1 = key[1] ?? 0, k2 = key[2] ?? 0, k3 = key[3] ?? 0;
  const k4 = key[4] ?? 0, k5 = key[5] ?? 0, k6 = key[6] ?? 0, k7 = key[7] ?? 0;
  const n0 = nonce[0] ?? 0, n1 = nonce[1] ?? 0, n2 = nonce[2] ?? 0, n3 = nonce[3] ?? 0;
  let a0: number = C0, a1: number = C1, a2: number = C2, a3: number = C3;
  let b0 = k0, b1 = k1, b2 = k2, b3 = k3;
  let c0 = k4, c1 = k5, c2 = k6, c3 = k7;
  let d0 = n0, d1 = n1, d2 = n2, d3 = n3;
  for (let round = 0; round < 10; round++) {
    // deno-fmt-ignore
    {
      a0 = (a0 + b0) | 0; d0 ^= a0; d0 = d0 << 16 | d0 >>> 16; c0 = (c0 + d0) | 0; b0 ^= c0; b0 = b0 << 12 | b0 >>> 20;
      a0 = (a0 + b0) | 0; d0 ^= a0; d0 = d0 << 8 | d0 >>> 24; c0 = (c0 + d0) | 0; b0 ^= c0; b0 = b0 << 7 | b0 >>> 25;
      a1 = (a1 + b1) | 0; d1 ^= a1; d1 = d1 << 16 | d1 >>> 16; c1 = (c1 + d1) | 0; b1 ^= c1; b1 = b1 << 12 | b1 >>> 20;
      a1 = (a1 + b1) | 0; d1 ^= a1; d1 = d1 << 8 | d1 >>> 24; c1 = (c1 + d1) | 0; b1 ^= c1; b1 = b1 << 7 | b1 >>> 25;
      a2 = (a2 + b2) | 0; d2 ^= a2; d2 = d2 << 16 | d2 >>> 16; c2 = (c2 + d2) | 0; b2 ^= c2; b2 = b2 << 12 | b2 >>> 20;
      a2 = (a2 + b2) | 0; d2 ^= a2; d2 = d2 << 8 | d2 >>> 24; c2 = (c2 + d2) | 0; b2 ^= c2; b2 = b2 << 7 | b2 >>> 25;
      a3 = (a3 + b3) | 0; d3 ^= a3; d3 = d3 << 16 | d3 >>> 16; c3 = (c3 + d3) | 0; b3 ^= c3; b3 = b3 << 12 | b3 >>> 20;
      a3 = (a3 + b3) | 0; d3 ^= a3; d3 = d3 << 8 | d3 >>> 24; c3 = (c3 + d3) | 0; b3 ^= c3; b3 = b3 << 7 | b3 >>> 25;
      a0 = (a0 + b1) | 0; d3 ^= a0; d3 = d3 << 16 | d3 >>> 16; c2 = (c2 + d3) | 0; b1 ^= c2; b1 = b1 << 12 | b1 >>> 20;
      a0 = (a0 + b1) | 0; d3 ^= a0; d3 = d3 << 8 | d3 >>> 24; c2 = (c2 + d3) | 0; b1 ^= c2; b1 = b1 << 7 | b1 >>> 25;
      a1 = (a1 + b2) | 0; d0 ^= a1; d0 = d0 << 16 | d0 >>> 16; c3 = (c3 + d0) | 0; b2 ^= c3; b2 = b2 << 12 | b2 >>> 20;
      a1 = (a1 + b2) | 0; d0 ^= a1; d0 = d0 << 8 | d0 >>> 24; c3 = (c3 + d0) | 0; b2 ^= c3; b2 = b2 << 7 | b2 >>> 25;
      a2 = (a2 + b3) | 0; d1 ^= a2; d1 = d1 << 16 | d1 >>> 16; c0 = (c0 + d1) | 0; b3 ^= c0; b3 = b3 << 12 | b3 >>> 20;
      a2 = (a2 + b3) | 0; d1 ^= a2; d1 = d1 << 8 | d1 >>> 24; c0 = (c0 + d1) | 0; b3 ^= c0; b3 = b3 << 7 | b3 >>> 25;
      a3 = (a3 + b0) | 0; d2 ^= a3; d2 = d2 << 16 | d2 >>> 16; c1 = (c1 + d2) | 0; b0 ^= c1; b0 = b0 << 12 | b0 >>> 20;
      a3 = (a3 + b0) | 0; d2 ^= a3; d2 = d2 << 8 | d2 >>> 24; c1 = (c1 + d2) | 0; b0 ^= c1; b0 = b0 << 7 | b0 >>> 25;
    }
  }
  const words = [a0 + C0, a1 + C1, a2 + C2, a3 + C3, b0 + k0, b1 + k1, b2 + k2, b3 + k3];
  for (let i = 0; i < 8; i++) out.setInt32(4 * i, words[i] ?? 0, true);
  const rest = [c0 + k4, c1 + k5, c2 + k6, c3 + k7, d0 + n0, d1 + n1, d2 + n2, d3 + n3];
  for (let i = 0; i < 8; i++) out.setInt32(32 + 4 * i, rest[i] ?? 0, true);
}

/** "expand 32-byte k". */
const C0 = 0x61707865;
const C1 = 0x3320646e;
const C2 = 0x79622d32;
const C3 = 0x6b206574;
