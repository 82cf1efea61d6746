import { badInput } from "../core/errors.ts";
import { toLatin1 } from "../net/latin1.ts";

/** The head of a reply, names of headers in lower case; repeated headers are joined with ", ". RFC 9112. */
export interface ParsedHead {
  readonly version: string;
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
}

/** The framing of a reply's content: none, a length, chunked, or until the connection closes. RFC 9112, section 6.3. */
export type Framing =
  | { readonly by: "none" }
  | { readonly by: "length"; readonly length: number }
  | { readonly by: "chunks" }
  | { readonly by: "close" };

/** Formats the head of a request. Throws badInput for values that contain a line break or are not plain text. */
export function formatRequest(
  { method, uri, headers }: {
    readonly method: string;
    readonly uri: string;
    readonly headers: Readonly<Record<string, string>>;
  },
): Uint8Array<ArrayBuffer> {
  let text = `${method} ${uri} HTTP/1.1\r\n`;
  let isPlain = VISIBLE_ASCII.test(method) && VISIBLE_ASCII.test(uri);
  for (const name in headers) {
    const value = headers[name] ?? "";
    isPlain &&= TOKEN.test(name) && !FORBIDDEN_IN_VALUE.test(value);
    text += `${name}: ${value}\r\n`;
  }
  if (!isPlain) throw badInput("A request over HTTP cannot contain control characters, or a space in its address");
  return toLatin1(`${text}\r\n`);
}

/** Parses the head of a reply, without the empty line after it. Throws an Error for text that is not HTTP/1. */
export function parseHead(text: string): ParsedHead {
  const [first = "", ...lines] = text.split("\r\n");
  const [, version, status] = /^HTTP\/(1\.[01]) (\d{3})(?: .*)?$/.exec(first) ?? [];
  if (version === undefined) throw new Error("the server did not answer in HTTP");
  const headers: Record<string, string | undefined> = Object.create(null);
  for (const line of lines) {
    const at = line.indexOf(":");
    const name = line.slice(0, at).toLowerCase();
    if (at < 1 || !TOKEN.test(name)) throw new Error("the server's reply has a malformed header");
    // Only blanks and tabs: another character that trim() removes may be the last byte of a letter.
    const value = line.slice(at + 1).replace(/^[ \t]+|[ \t]+$/g, "");
    const before = headers[name];
    headers[name] = before === undefined ? value : `${before}, ${value}`;
  }
  return { version, status: Number(status), headers };
}

/**
 * Returns the framing of a reply's content. Throws an Error if the headers contradict each other, which would leave the
 * end of the content ambiguous.
 */
export function framingOf(method: string, { status, headers }: ParsedHead): Framing {
  if (method === "HEAD" || status < 200 || status === 204 || status === 304) return { by: "none" };
  const coding = headers["transfer-encoding"]?.toLowerCase();
  const length = headers["content-length"];
  if (coding !== undefined) {
    if (coding !== "chunked" || length !== undefined) {
      throw new Error("the server's reply contradicts itself about its end");
    }
    return { by: "chunks" };
  }
  if (length === undefined) return { by: "close" };
  const [one, ...others] = length.split(/ *, */);
  if (one === undefined || !/^\d{1,15}$/.test(one) || others.some((other) => other !== one)) {
    throw new Error("the server's reply contradicts itself about its length");
  }
  return { by: "length", length: Number(one) };
}

/** Whether the connection can be reused for another request once this reply was read to its end. */
export function keepsAlive({ version, headers }: ParsedHead, framing: Framing): boolean {
  const options = headers.connection?.toLowerCase().split(/ *, */) ?? [];
  if (framing.by === "close" || options.includes("close")) return false;
  return version === "1.1" || options.includes("keep-alive");
}

/** Returns both in one array, for one write. */
export function concat(head: Uint8Array, content: Uint8Array): Uint8Array {
  const all = new Uint8Array(head.length + content.length);
  all.set(head);
  all.set(content, head.length);
  return all;
}

/** Returns memory of twice the size with the same beginning. */
export function doubled(memory: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(2 * memory.length);
  larger.set(memory);
  return larger;
}

const VISIBLE_ASCII = /^[!-~]+$/;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const FORBIDDEN_IN_VALUE = /[^\t\x20-\x7e\x80-\xff]/;
