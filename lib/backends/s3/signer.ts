import { Buffer } from "node:buffer";
import { createHash, createHmac } from "node:crypto";
import type { Credentials } from "./types.ts";

/**
 * The signed fields of a request, in the form sent: the path percent-encoded, the query as encodeQuery() returns it, header
 * names in lower case.
 */
export interface SignableRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  /** All headers to be signed, "host" included. */
  readonly headers: Readonly<Record<string, string>>;
  /** The SHA-256 of the body in hex, or UNSIGNED. */
  readonly payload: string;
}

/** The payload hash of a body that the signature does not cover. */
export const UNSIGNED = "UNSIGNED-PAYLOAD";

/** The SHA-256 of an empty body. */
export const EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/**
 * Signs requests to one service in one region: AWS Signature Version 4, in a header ("Amazon S3 API Reference,
 * Authenticating requests").
 */
export class Signer {
  readonly #scope: string;
  readonly #names: readonly string[];
  /** The derived key, and the values it was derived from: it is the same for a day. */
  #key: { readonly secret: string; readonly day: string; readonly bytes: Uint8Array } | undefined;

  constructor(region: string, service = "s3") {
    this.#names = [region, service, "aws4_request"];
    this.#scope = this.#names.join("/");
  }

  /** Returns the headers that a request needs in addition to its own. `now`: ms since the epoch. */
  sign(request: SignableRequest, credentials: Credentials, now: number): Record<string, string> {
    const { accessKeyId, sessionToken } = credentials;
    const time = new Date(now).toISOString().replace(/[-:]|\.\d+/g, "");
    const day = time.slice(0, 8);
    const added: Record<string, string> = {
      "x-amz-content-sha256": request.payload,
      "x-amz-date": time,
      ...(sessionToken === undefined ? {} : { "x-amz-security-token": sessionToken }),
    };
    const headers: Readonly<Record<string, string>> = { ...request.headers, ...added };
    const names = Object.keys(headers).toSorted();
    const signedHeaders = names.join(";");
    const lines = [
      request.method,
      request.path,
      request.query,
      ...names.map((name) => `${name}:${normalizeBlanks(headers[name] ?? "")}`),
      "",
      signedHeaders,
      request.payload,
    ];
    const text = `AWS4-HMAC-SHA256\n${time}\n${day}/${this.#scope}\n${sha256(lines.join("\n"))}`;
    const signature = createHmac("sha256", this.#signingKey(credentials.secretAccessKey, day)).update(text).digest(
      "hex",
    );
    const credential = `Credential=${accessKeyId}/${day}/${this.#scope}`;
    added["authorization"] = `AWS4-HMAC-SHA256 ${credential}, SignedHeaders=${signedHeaders}, Signature=${signature}`;
    return added;
  }

  #signingKey(secret: string, day: string): Uint8Array {
    if (this.#key?.secret !== secret || this.#key.day !== day) {
      const first: string | Uint8Array = `AWS4${secret}`;
      const bytes = [day, ...this.#names].reduce<string | Uint8Array>((key, name) => hmac(key, name), first);
      this.#key = { secret, day, bytes: bytes as Uint8Array };
    }
    return this.#key.bytes;
  }
}

/** Encodes a key for a path: percent-encoded except "/" and the unreserved characters of RFC 3986. */
export function encodePath(key: string): string {
  return key.split("/").map(percentEncode).join("/");
}

/** Returns parameters as a query, in the order of the signature; undefined values are omitted. */
export function encodeQuery(parameters: Readonly<Record<string, string | number | undefined>>): string {
  const pairs: (readonly [string, string])[] = [];
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined) pairs.push([percentEncode(name), percentEncode(String(value))]);
  }
  // Encoded text is ASCII, so the order of its UTF-16 units is that of its bytes.
  return pairs.sort(([a], [b]) => a < b ? -1 : 1).map(([name, value]) => `${name}=${value}`).join("&");
}

/** Returns the SHA-256 of bytes, or of text as it is sent, in hex. */
export function sha256(body: string | Uint8Array): string {
  const hash = createHash("sha256");
  // The characters of a header are bytes there. Pure ASCII is hashed much faster as UTF-8, which is the same then.
  const encoded = typeof body === "string" && NON_ASCII.test(body) ? Buffer.from(body, "latin1") : body;
  return hash.update(encoded).digest("hex");
}

function hmac(key: string | Uint8Array, text: string): Uint8Array {
  return createHmac("sha256", key).update(text).digest();
}

function percentEncode(text: string): string {
  return UNRESERVED.test(text) ? text : encodeURIComponent(text).replace(/[!'()*]/g, escapeChar);
}

function escapeChar(char: string): string {
  return `%${char.charCodeAt(0).toString(16).toUpperCase()}`;
}

/**
 * Returns a header's value as it is signed: trimmed, and with runs of blanks reduced to one. Other scripts have bytes
 * that look like blanks.
 */
function normalizeBlanks(value: string): string {
  return BLANKS.test(value) ? value.replace(/[ \t]+/g, " ").replace(/^ | $/g, "") : value;
}

const UNRESERVED = /^[\w.~-]*$/;
const NON_ASCII = /[\u0080-\uffff]/;
const BLANKS = /^ | $|\t| {2}/;
