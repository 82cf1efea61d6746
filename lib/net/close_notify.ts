/**
 * A parser of the record headers of one TLS stream. It detects whether the peer ended the stream with close_notify (RFC
 * 8446, section 6.1) or the connection was cut. The runtime reports the same end for both.
 */
export class Records {
  #head: number[] = [];
  #left = 0;
  #type = 0;
  #length = 0;

  /** Whether the last record was a whole alert. TLS 1.3 hides its type, but no other record of content is as short as one of two bytes. */
  get sawEnd(): boolean {
    const isAlert = this.#type === ALERT || (this.#type === DATA && this.#length === HIDDEN_ALERT);
    return isAlert && this.#left === 0 && this.#head.length === 0;
  }

  look(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      if (this.#left > 0) {
        const skipped = Math.min(this.#left, bytes.length - at);
        this.#left -= skipped;
        at += skipped;
        continue;
      }
      this.#head.push(bytes[at++] ?? 0);
      if (this.#head.length < HEAD) continue;
      const [type = 0, , , high = 0, low = 0] = this.#head;
      this.#type = type;
      this.#length = this.#left = high * 256 + low;
      this.#head = [];
    }
  }
}

const HEAD = 5;
const ALERT = 21;
const DATA = 23;
const HIDDEN_ALERT = 19;
