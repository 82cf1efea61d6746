/**
 * A parser of the record headers of one TLS stream. It detects whether the peer ended the stream with close_notify (RFC
 * 8446, section 6.1) or the connection was cut. The runtime reports the same end for both.
 */
export class CloseNotifyDetector {
  #header: number[] = [];
  #remaining = 0;
  #type = 0;
  #length = 0;

  /** Whether the last record was a whole alert. TLS 1.3 hides its type, but no other record of content is as short as one of two bytes. */
  get endedCleanly(): boolean {
    const isAlert = this.#type === ALERT_RECORD ||
      (this.#type === APPLICATION_DATA_RECORD && this.#length === ENCRYPTED_ALERT_BYTES);
    return isAlert && this.#remaining === 0 && this.#header.length === 0;
  }

  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      if (this.#remaining > 0) {
        const skipped = Math.min(this.#remaining, bytes.length - at);
        this.#remaining -= skipped;
        at += skipped;
        continue;
      }
      this.#header.push(bytes[at++] ?? 0);
      if (this.#header.length < HEADER_BYTES) continue;
      const [type = 0, , , high = 0, low = 0] = this.#header;
      this.#type = type;
      this.#length = this.#remaining = high * 256 + low;
      this.#header = [];
    }
  }
}

const HEADER_BYTES = 5;
const ALERT_RECORD = 21;
const APPLICATION_DATA_RECORD = 23;
const ENCRYPTED_ALERT_BYTES = 19;
