/**
 * CRC-32C (Castagnoli; RFC 3720, appendix B.4) of a sequence of chunks: the checksum that Cloud Storage stores for
 * every object.
 */
export class Crc32c {
  #state = 0xffffffff;

  update(bytes: Uint8Array): void {
    let crc = this.#state;
    let at = 0;
    // Four bytes at a time by four tables: three times as fast as byte by byte.
    for (const end = bytes.length - 3; at < end; at += 4) {
      crc ^= (bytes[at] ?? 0) | (bytes[at + 1] ?? 0) << 8 | (bytes[at + 2] ?? 0) << 16 | (bytes[at + 3] ?? 0) << 24;
      crc = (tables[768 + (crc & 255)] ?? 0) ^ (tables[512 + (crc >>> 8 & 255)] ?? 0) ^
        (tables[256 + (crc >>> 16 & 255)] ?? 0) ^ (tables[crc >>> 24] ?? 0);
    }
    for (; at < bytes.length; at++) crc = (crc >>> 8) ^ (tables[(crc ^ (bytes[at] ?? 0)) & 255] ?? 0);
    this.#state = crc;
  }

  /** Returns the CRC of all bytes so far, as an unsigned number. */
  digest(): number {
    return (this.#state ^ 0xffffffff) >>> 0;
  }
}

const POLYNOMIAL = 0x82f63b78;
const tables = toTables();

/** Computes four consecutive tables of 256 values: of a byte, and of a byte followed by one, two and three zeros. */
function toTables(): Int32Array {
  const made = new Int32Array(1024);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (POLYNOMIAL & -(crc & 1));
    made[byte] = crc;
  }
  for (let at = 256; at < 1024; at++) {
    const crc = made[at - 256] ?? 0;
    made[at] = (crc >>> 8) ^ (made[crc & 255] ?? 0);
  }
  return made;
}
