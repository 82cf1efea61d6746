/**
 * Returns the hosts that a certificate in DER is for, as tls.checkServerIdentity() reads them: "DNS:a.test", "IP
 * Address:127.0.0.1" (RFC 5280, section 4.2.1.6). The runtime joins the alternative names of a certificate into one
 * text without quoting them, so that a URI or a name that holds ", DNS:a.test" would count as the name of a host, so
 * they are read from the certificate itself. Names that cannot be a host are left out.
 */
export function certificateHosts(certificate: Uint8Array): readonly string[] {
  const [body] = parseDer(contentOf(certificate, SEQUENCE));
  const extensions = parseDer(body?.content).find(({ tag }) => tag === EXTENSIONS);
  for (const extension of parseDer(contentOf(extensions?.content, SEQUENCE))) {
    const [id, ...rest] = parseDer(extension.content);
    if (!isSubjectAltName(id?.content)) continue;
    return parseDer(contentOf(rest.at(-1)?.content, SEQUENCE)).flatMap(formatHost);
  }
  return [];
}

/** One value in DER (X.690, section 8.1): its first byte and its content. */
interface DerValue {
  readonly tag: number;
  readonly content: Uint8Array;
}

const SEQUENCE = 0x30;
/** `[3]` of a certificate's body. */
const EXTENSIONS = 0xa3;
/** 2.5.29.17. */
const SUBJECT_ALT_NAME = [0x55, 0x1d, 0x11];
/** `[2]` and `[7]` of a general name. */
const DNS_NAME = 0x82;
const IP_ADDRESS = 0x87;
const HOST = /^[a-z0-9*_-]+(?:\.[a-z0-9*_-]+)*$/i;

function formatHost({ tag, content }: DerValue): readonly string[] {
  if (tag === DNS_NAME) {
    const name = new TextDecoder("latin1").decode(content);
    return HOST.test(name) ? [`DNS:${name}`] : [];
  }
  if (tag !== IP_ADDRESS) return [];
  if (content.length === 4) return [`IP Address:${content.join(".")}`];
  if (content.length !== 16) return [];
  const groups = Array.from({ length: 8 }, (_, at) => (content[2 * at] ?? 0) * 256 + (content[2 * at + 1] ?? 0));
  return [`IP Address:${groups.map((group) => group.toString(16)).join(":")}`];
}

function isSubjectAltName(id: Uint8Array | undefined): boolean {
  return id?.length === SUBJECT_ALT_NAME.length && SUBJECT_ALT_NAME.every((byte, at) => id[at] === byte);
}

/** Returns the content of the first item; undefined if that has another tag. */
function contentOf(bytes: Uint8Array | undefined, wanted: number): Uint8Array | undefined {
  const [first] = parseDer(bytes);
  return first?.tag === wanted ? first.content : undefined;
}

/** Returns the items of a sequence in order, up to the first malformed one. */
function parseDer(bytes: Uint8Array = new Uint8Array()): readonly DerValue[] {
  const values: DerValue[] = [];
  for (let at = 0; at + 1 < bytes.length;) {
    const tag = bytes[at] ?? 0;
    let size = bytes[at + 1] ?? 0;
    let start = at + 2;
    if (size >= 0x80) {
      const digits = size - 0x80;
      if (digits === 0 || digits > 4) break;
      size = 0;
      for (let count = 0; count < digits; count++) size = size * 256 + (bytes[start + count] ?? 0);
      start += digits;
    }
    if (start + size > bytes.length) break;
    values.push({ tag, content: bytes.subarray(start, start + size) });
    at = start + size;
  }
  return values;
}
