import type { Answer } from "../../http/errors.ts";
import type { Refused } from "./errors.ts";
import type { Listed } from "./keys.ts";
import type { Condition, ObjectFacts, Page, PageOptions, Part, Stored, Upload } from "./types.ts";
import { type Element, escapeXml, parseXml, textOf } from "./xml.ts";

/** Returns the headers of a precondition. */
export function toConditions({ ifMatch, bare, ifNoneMatch }: Condition): Readonly<Record<string, string>> {
  const match = bare === true ? ifMatch : quoted(ifMatch);
  return {
    ...(match === undefined ? {} : { "if-match": match }),
    ...(ifNoneMatch === true ? { "if-none-match": "*" } : {}),
  };
}

/** Returns metadata as headers. */
export function toMetadata(metadata: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(metadata).map(([name, value]) => [META + name, value]));
}

/**
 * Returns why this page of a listing cannot be trusted, or undefined if it can. A reply that is no listing would look
 * like an empty folder.
 */
export function pageTrouble(found: Element, { token, most }: PageOptions): string | undefined {
  const isTruncated = textOf(found, "IsTruncated") ?? "";
  if (!/^(?:true|false)$/.test(isTruncated)) return "the store's answer is no listing";
  if (isTruncated === "false" || (most !== undefined && token === undefined)) return undefined;
  const next = textOf(found, "NextContinuationToken") || token;
  return next === token ? "the store broke off its listing" : undefined;
}

/**
 * Whether the page contains only keys below the prefix. A key from elsewhere, cut at the prefix's length, would become
 * another name.
 */
export function isBelow(prefix: string, { objects, prefixes }: Page): boolean {
  return objects.every(({ key }) => key.startsWith(prefix)) &&
    prefixes.every((folder) => folder.startsWith(prefix) && folder.length > prefix.length && folder.endsWith("/"));
}

/** Parses a page of a listing. */
export function toPage(found: Element): Page {
  const decoded = textOf(found, "EncodingType") === "url" ? decode : (text: string) => text;
  const objects: Listed[] = [];
  const prefixes: string[] = [];
  for (const one of found.below) {
    if (one.name === "Contents") objects.push(toListed(one, decoded));
    else if (one.name === "CommonPrefixes") prefixes.push(decoded(textOf(one, "Prefix") ?? ""));
  }
  const isTruncated = textOf(found, "IsTruncated") === "true";
  return { objects, prefixes, next: isTruncated ? textOf(found, "NextContinuationToken") || undefined : undefined };
}

/** Parses a list of unfinished uploads and returns those of exactly this key. */
export function toUploads(found: Element, key: string): readonly Upload[] {
  return found.below.flatMap((one) => {
    const id = one.name === "Upload" && textOf(one, "Key") === key ? textOf(one, "UploadId") : undefined;
    if (id === undefined) return [];
    const initiator = one.below.find(({ name }) => name === "Initiator");
    const begun = timeOf(textOf(one, "Initiated")) ?? 0;
    return [{ id, begun, by: initiator && textOf(initiator, "ID"), storageClass: textOf(one, "StorageClass") }];
  });
}

/** Parses a page of an upload's parts. */
export function toParts(found: Element): { readonly parts: readonly Part[]; readonly next: string | undefined } {
  const parts = found.below.filter(({ name }) => name === "Part").map((one) => ({
    number: countOf(textOf(one, "PartNumber")),
    size: countOf(textOf(one, "Size")),
    etag: unquoted(textOf(one, "ETag")) ?? "",
    stored: timeOf(textOf(one, "LastModified")) ?? 0,
  }));
  const isTruncated = textOf(found, "IsTruncated") === "true";
  return { parts, next: isTruncated ? textOf(found, "NextPartNumberMarker") : undefined };
}

/** Returns the XML body of CompleteMultipartUpload. */
export function finishing(parts: readonly Pick<Part, "number" | "etag">[]): string {
  const told = parts.map(({ number, etag }) =>
    `<Part><PartNumber>${number}</PartNumber><ETag>${escapeXml(`"${etag}"`)}</ETag></Part>`
  );
  const name = "CompleteMultipartUpload";
  return `<${name} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${told.join("")}</${name}>`;
}

/** Parses the headers of a reply to HEAD or GET. */
export function toFacts(answer: Answer): ObjectFacts {
  const headers: Record<string, string> = {};
  const metadata: Record<string, string> = {};
  for (const name in answer.headers) {
    if (name.startsWith(META)) metadata[name.slice(META.length)] = header(answer, name) ?? "";
    else if (RESTATED.has(name)) headers[name] = header(answer, name) ?? "";
  }
  const { etag, isSealed } = toStored(answer);
  return {
    size: Number(header(answer, "content-length") ?? 0),
    etag,
    arrived: timeOf(header(answer, "last-modified")),
    metadata,
    isSealed,
    headers,
  };
}

/**
 * Parses the headers of a reply to a write. If the object is encrypted with a key of the user's, its ETag is no MD5.
 */
export function toStored(answer: Answer): Stored {
  const isSealed = header(answer, "x-amz-server-side-encryption")?.startsWith("aws:kms") === true ||
    header(answer, "x-amz-server-side-encryption-customer-algorithm") !== undefined;
  return { etag: unquoted(header(answer, "etag")), isSealed };
}

/** Parses an error reply. `xml`: its body, empty if it has none; a body that cannot be parsed counts as empty. */
export function toRefused(answer: Answer, xml: string): Refused {
  const error = said(xml);
  const seconds = Number(header(answer, "retry-after") ?? NaN);
  return {
    code: error && textOf(error, "Code"),
    status: answer.status,
    message: (error && textOf(error, "Message")) ?? "",
    region: (error && textOf(error, "Region")) ?? header(answer, "x-amz-bucket-region"),
    retryAfter: Number.isFinite(seconds) ? Math.min(MOST_WAIT, seconds * 1000) : undefined,
  };
}

/** Returns a header of a reply; the first value if it has several. */
export function header({ headers }: Answer, name: string): string | undefined {
  const value = headers[name];
  return typeof value === "object" ? value[0] : value;
}

/** Returns an ETag in quotes, as requests send it. */
export function quoted(etag: string | undefined): string | undefined {
  return etag === undefined ? undefined : `"${etag}"`;
}

/** Returns an ETag without its quotes, or undefined if it is empty. */
export function unquoted(etag: string | undefined): string | undefined {
  const bare = etag?.replace(/^W\//, "").replace(/^"|"$/g, "");
  return bare === "" ? undefined : bare;
}

/** Amazon's keys have at most 1,024 bytes. */
const LONGEST_KEY = 4096;
const META = "x-amz-meta-";
const MOST_WAIT = 300_000;

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

function toListed({ below }: Element, decoded: (text: string) => string): Listed {
  let key = "";
  let size: number | undefined;
  let etag: string | undefined;
  for (const { name, text } of below) {
    if (name === "Key") key = decoded(text);
    else if (name === "Size") size = countOf(text);
    else if (name === "ETag") etag = unquoted(text);
  }
  if (key === "" || size === undefined) throw new RangeError("an object in it has no name or no size");
  if (key.length > LONGEST_KEY) {
    throw new RangeError(`an object in it has a name of more than ${LONGEST_KEY} characters`);
  }
  return { key, size, etag };
}

function said(xml: string): Element | undefined {
  try {
    return parseXml(xml);
  } catch {
    // The status alone explains the error.
    return undefined;
  }
}

/**
 * Decodes a key of a listing with EncodingType=url. A key that is not UTF-8 is marked, so that every name check rejects
 * it.
 */
function decode(text: string): string {
  if (!/[%+]/.test(text)) return text;
  try {
    return decodeURIComponent(text.replaceAll("+", "%20"));
  } catch {
    return `${text}\ufffd`;
  }
}

function countOf(text = "0"): number {
  const count = /^\d+$/.test(text) ? Number(text) : NaN;
  if (Number.isSafeInteger(count)) return count;
  throw new RangeError("what should be a number in it is none");
}

function timeOf(text: string | undefined): number | undefined {
  const time = Date.parse(text ?? "");
  return Number.isNaN(time) ? undefined : time;
}
