import type { ResponseHead } from "../../http/errors.ts";
import type { ErrorReply } from "./errors.ts";
import type { ListedObject } from "./keys.ts";
import type { Condition, ListedPart, ObjectFacts, Page, PageOptions, UnfinishedUpload, WriteReply } from "./types.ts";
import { childText, escapeXml, parseXml, type XmlElement } from "./xml.ts";

/** Returns the headers of a precondition. */
export function toConditionHeaders({ ifMatch, bare, ifNoneMatch }: Condition): Readonly<Record<string, string>> {
  const match = bare === true ? ifMatch : quoteEtag(ifMatch);
  return {
    ...(match === undefined ? {} : { "if-match": match }),
    ...(ifNoneMatch === true ? { "if-none-match": "*" } : {}),
  };
}

/**
 * Returns an mtime in the format that rclone writes to x-amz-meta-mtime: seconds since the epoch, with nanoseconds.
 * `nanoseconds`: those beyond the ms, by default the fraction of `ms`, which holds some 200 of them exactly.
 */
export function formatMtime(ms: number, nanoseconds?: number): string {
  const whole = Math.floor(ms);
  const all = BigInt(whole) * NS_PER_MS + BigInt(nanoseconds ?? Math.round((ms - whole) * 1e6));
  const digits = String(all < 0n ? -all : all).padStart(10, "0");
  const text = `${digits.slice(0, -9)}.${digits.slice(-9)}`.replace(/\.?0+$/, "");
  return all < 0n ? `-${text}` : text;
}

const NS_PER_MS = 1_000_000n;

/**
 * Returns the mtime in ms that a tool stored in an object's metadata: "mtime" of rclone and s3fs in seconds, s3cmd's and
 * minio's attributes, a number with its unit of DataSync and gateways, gcloud's reserved name. Undefined if none can be
 * parsed.
 */
export function parseMtime(metadata: Readonly<Record<string, string>>): number | undefined {
  for (const [name, pattern, unitMs] of MTIME_FORMS) {
    const [, sign, whole, fraction = ""] = pattern.exec(metadata[name] ?? "") ?? [];
    if (whole === undefined) continue;
    // minio writes a number of nanoseconds, the others decimals.
    const nanos = name === "mc-attrs" ? fraction : fraction.padEnd(9, "0").slice(0, 9);
    const ms = Number(whole) * unitMs + Number(nanos) / 1e6;
    return sign === "-" ? -ms : ms;
  }
  return undefined;
}

/** Returns metadata as headers. */
export function toMetadataHeaders(metadata: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(metadata).map(([name, value]) => [METADATA_PREFIX + name, value]));
}

/**
 * Returns why this page of a listing cannot be trusted, or undefined if it can. A reply that is no listing would look
 * like an empty folder.
 */
export function explainBadPage(found: XmlElement, { token, most }: PageOptions): string | undefined {
  const isTruncated = childText(found, "IsTruncated") ?? "";
  if (!/^(?:true|false)$/.test(isTruncated)) return "the store's reply is no listing";
  if (isTruncated === "false" || (most !== undefined && token === undefined)) return undefined;
  const next = childText(found, "NextContinuationToken") || token;
  return next === token ? "the store ended its listing early" : undefined;
}

/**
 * Whether the page contains only keys below the prefix. A key from elsewhere, cut at the prefix's length, would become
 * another name.
 */
export function isWithinPrefix(prefix: string, { objects, prefixes }: Page): boolean {
  return objects.every(({ key }) => key.startsWith(prefix)) &&
    prefixes.every((folder) => folder.startsWith(prefix) && folder.length > prefix.length && folder.endsWith("/"));
}

/** Parses a page of a listing. */
export function toPage(found: XmlElement): Page {
  const decoded = keyDecoder(found);
  const objects: ListedObject[] = [];
  const prefixes: string[] = [];
  for (const one of found.children) {
    if (one.name === "Contents") objects.push(toListedObject(one, decoded));
    else if (one.name === "CommonPrefixes") prefixes.push(decoded(childText(one, "Prefix") ?? ""));
  }
  const isTruncated = childText(found, "IsTruncated") === "true";
  return { objects, prefixes, next: isTruncated ? childText(found, "NextContinuationToken") || undefined : undefined };
}

/** Parses a list of unfinished uploads and returns those of exactly this key. */
export function toUploads(found: XmlElement, key: string): readonly UnfinishedUpload[] {
  const decoded = keyDecoder(found);
  return found.children.flatMap((one) => {
    const id = one.name === "Upload" && decoded(childText(one, "Key") ?? "") === key
      ? childText(one, "UploadId")
      : undefined;
    if (id === undefined) return [];
    const initiator = one.children.find(({ name }) => name === "Initiator");
    const begun = parseDate(childText(one, "Initiated")) ?? 0;
    return [{ id, begun, by: initiator && childText(initiator, "ID"), storageClass: childText(one, "StorageClass") }];
  });
}

/** Parses a page of an upload's parts. */
export function toParts(
  found: XmlElement,
): { readonly parts: readonly ListedPart[]; readonly next: string | undefined } {
  const parts = found.children.filter(({ name }) => name === "Part").map((one) => ({
    number: parseCount(childText(one, "PartNumber")),
    size: parseCount(childText(one, "Size")),
    etag: unquoteEtag(childText(one, "ETag")) ?? "",
    stored: parseDate(childText(one, "LastModified")) ?? 0,
  }));
  const isTruncated = childText(found, "IsTruncated") === "true";
  return { parts, next: isTruncated ? childText(found, "NextPartNumberMarker") : undefined };
}

/** Returns the XML body of CompleteMultipartUpload. */
export function completeUploadXml(parts: readonly Pick<ListedPart, "number" | "etag">[]): string {
  const items = parts.map(({ number, etag }) =>
    `<Part><PartNumber>${number}</PartNumber><ETag>${escapeXml(`"${etag}"`)}</ETag></Part>`
  );
  const name = "CompleteMultipartUpload";
  return `<${name} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${items.join("")}</${name}>`;
}

/** Parses the headers of a reply to HEAD or GET. */
export function toFacts(answer: ResponseHead): ObjectFacts {
  const headers: Record<string, string> = {};
  const metadata: Record<string, string> = {};
  for (const name in answer.headers) {
    if (name.startsWith(METADATA_PREFIX)) metadata[name.slice(METADATA_PREFIX.length)] = headerOf(answer, name) ?? "";
    else if (RESTATED.has(name)) headers[name] = headerOf(answer, name) ?? "";
  }
  const { etag, isEtagOpaque } = toWriteReply(answer);
  return {
    size: Number(headerOf(answer, "content-length") ?? 0),
    etag,
    arrived: parseDate(headerOf(answer, "last-modified")),
    metadata,
    isEtagOpaque,
    headers,
  };
}

/**
 * Parses the headers of a reply to a write. If the object is encrypted with a key of the user's, its ETag is no MD5.
 */
export function toWriteReply(answer: ResponseHead): WriteReply {
  const isEtagOpaque = headerOf(answer, "x-amz-server-side-encryption")?.startsWith("aws:kms") === true ||
    headerOf(answer, "x-amz-server-side-encryption-customer-algorithm") !== undefined;
  return { etag: unquoteEtag(headerOf(answer, "etag")), isEtagOpaque };
}

/** Parses an error reply. `xml`: its body, empty if it has none; a body that cannot be parsed counts as empty. */
export function toErrorReply(answer: ResponseHead, xml: string): ErrorReply {
  const error = parseErrorBody(xml);
  const seconds = Number(headerOf(answer, "retry-after") ?? NaN);
  return {
    code: error && childText(error, "Code"),
    status: answer.status,
    message: (error && childText(error, "Message")) ?? "",
    region: (error && childText(error, "Region")) ?? headerOf(answer, "x-amz-bucket-region"),
    retryAfter: Number.isFinite(seconds) ? Math.min(MAX_RETRY_AFTER_MS, seconds * 1000) : undefined,
  };
}

/** Returns a header of a reply; the first value if it has several. */
export function headerOf({ headers }: ResponseHead, name: string): string | undefined {
  const value = headers[name];
  return typeof value === "object" ? value[0] : value;
}

/** Returns an ETag in quotes, as requests send it. */
export function quoteEtag(etag: string | undefined): string | undefined {
  return etag === undefined ? undefined : `"${etag}"`;
}

/** Returns an ETag without its quotes, or undefined if it is empty. */
export function unquoteEtag(etag: string | undefined): string | undefined {
  const bare = etag?.replace(/^W\//, "").replace(/^"|"$/g, "");
  return bare === "" ? undefined : bare;
}

/** Amazon's keys have at most 1,024 bytes. */
const MAX_KEY_LENGTH = 4096;
const METADATA_PREFIX = "x-amz-meta-";
/**
 * The names and forms of mtimes: sign, whole units, fraction; and the unit in ms. Thirteen digits are ms, since as
 * seconds they would be a year beyond 33,000.
 */
const MTIME_FORMS: readonly (readonly [name: string, pattern: RegExp, unitMs: number])[] = [
  ["mtime", /^(-?)(\d{1,12})(?:\.(\d+))?$/, 1000],
  ["mtime", /^(-?)(\d{13})$/, 1],
  ["s3cmd-attrs", /(?:^|\/)mtime:(-?)(\d{1,12})(?:\.(\d+))?(?:\/|$)/, 1000],
  ["mc-attrs", /(?:^|\/)mtime:(-?)(\d{1,12})(?:#(\d{1,9}))?(?:\/|$)/, 1000],
  ["file-mtime", /^(-?)(\d{1,15})ms$/, 1],
  ["file-mtime", /^(-?)(\d{1,21})ns$/, 1e-6],
  ["goog-reserved-file-mtime", /^(-?)(\d{1,12})(?:\.(\d+))?$/, 1000],
];
const MAX_RETRY_AFTER_MS = 300_000;

/** Headers that a copy loses if it replaces the metadata, unless the request states them again. */
const RESTATED = new Set([
  "cache-control",
  "content-disposition",
  "content-encoding",
  "content-language",
  "content-type",
  "expires",
  "x-amz-server-side-encryption",
  "x-amz-server-side-encryption-aws-kms-key-id",
  "x-amz-storage-class",
  "x-amz-website-redirect-location",
]);

function toListedObject({ children }: XmlElement, decoded: (text: string) => string): ListedObject {
  let key = "";
  let size: number | undefined;
  let etag: string | undefined;
  for (const { name, text } of children) {
    if (name === "Key") key = decoded(text);
    else if (name === "Size") size = parseCount(text);
    else if (name === "ETag") etag = unquoteEtag(text);
  }
  if (key === "" || size === undefined) throw new RangeError("an object in it has no name or no size");
  if (key.length > MAX_KEY_LENGTH) {
    throw new RangeError(`an object in it has a name of more than ${MAX_KEY_LENGTH} characters`);
  }
  return { key, size, etag };
}

function parseErrorBody(xml: string): XmlElement | undefined {
  try {
    return parseXml(xml);
  } catch {
    // The status alone explains the error.
    return undefined;
  }
}

/** Returns the function that reads the keys of this reply. A store may ignore the encoding that it was asked for. */
function keyDecoder(found: XmlElement): (text: string) => string {
  return childText(found, "EncodingType") === "url" ? decodeKey : (text) => text;
}

/**
 * Decodes a key of a listing with EncodingType=url. A key that is not UTF-8 is marked, so that every name check rejects
 * it.
 */
function decodeKey(text: string): string {
  if (!/[%+]/.test(text)) return text;
  try {
    return decodeURIComponent(text.replaceAll("+", "%20"));
  } catch {
    return `${text}\ufffd`;
  }
}

function parseCount(text = "0"): number {
  const count = /^\d+$/.test(text) ? Number(text) : NaN;
  if (Number.isSafeInteger(count)) return count;
  throw new RangeError("a number in it is malformed");
}

function parseDate(text: string | undefined): number | undefined {
  const time = Date.parse(text ?? "");
  return Number.isNaN(time) ? undefined : time;
}
