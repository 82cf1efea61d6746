import { Buffer } from "node:buffer";
import { Readable } from "node:stream";
import type { Patience } from "./s3_patience.ts";
import type { Condition, ObjectFacts, Page, PageOptions, Sent } from "./s3_types.ts";

const noWord = () => {};
/** A logger that says nothing. */
export const silent = { debug: noWord, info: noWord, warn: noWord, error: noWord };

/** Small bodies as they are, larger ones in steps that show how far they are. */
export function toBody(bytes: Uint8Array<ArrayBuffer>, { onBytes }: Sent, patience: Patience): Uint8Array | Readable {
  if (bytes.length <= STEP) {
    onBytes?.(bytes.length);
    return bytes;
  }
  let at = 0;
  return new Readable({
    highWaterMark: STEP,
    read() {
      patience.moved();
      const step = bytes.subarray(at, at + STEP);
      at += step.length;
      onBytes?.(step.length);
      this.push(step.length === 0 ? null : Buffer.from(step.buffer, step.byteOffset, step.length));
    },
  });
}

/** The headers of a condition. */
export function toConditions({ ifMatch, bare, ifNoneMatch }: Condition): { IfMatch?: string; IfNoneMatch?: string } {
  const match = bare === true ? ifMatch : quoted(ifMatch);
  return {
    ...(match === undefined ? {} : { IfMatch: match }),
    ...(ifNoneMatch === true ? { IfNoneMatch: "*" } : {}),
  };
}

/** What a listing tells, as far as it matters here. */
interface ToldPage {
  readonly EncodingType?: string | undefined;
  readonly Contents?:
    | readonly {
      readonly Key?: string | undefined;
      readonly Size?: number | undefined;
      readonly ETag?: string | undefined;
    }[]
    | undefined;
  readonly CommonPrefixes?: readonly { readonly Prefix?: string | undefined }[] | undefined;
  readonly IsTruncated?: boolean | undefined;
  readonly NextContinuationToken?: string | undefined;
}

/** Why this is no page to believe: what is no listing at all would look like an empty folder. */
export function pageTrouble(found: ToldPage, { token, most }: PageOptions): string | undefined {
  if (found.IsTruncated === undefined) return "the store's answer is no listing";
  const next = found.NextContinuationToken || token;
  return found.IsTruncated && most === undefined && next === token ? "the store broke off its listing" : undefined;
}

/** A page of a listing, in our words. */
export function toPage(found: ToldPage): Page {
  const decoded = found.EncodingType === "url" ? decode : (text: string) => text;
  return {
    objects: (found.Contents ?? []).map(({ Key = "", Size = 0, ETag }) => ({
      key: decoded(Key),
      size: Size,
      etag: unquoted(ETag),
    })),
    prefixes: (found.CommonPrefixes ?? []).map(({ Prefix = "" }) => decoded(Prefix)),
    next: found.IsTruncated === true ? found.NextContinuationToken || undefined : undefined,
  };
}

/** What HEAD and GET tell, as far as it matters here. */
interface Told {
  readonly ContentLength?: number | undefined;
  readonly ETag?: string | undefined;
  readonly LastModified?: Date | undefined;
  readonly Metadata?: Record<string, string> | undefined;
  readonly ServerSideEncryption?: string | undefined;
  readonly SSECustomerAlgorithm?: string | undefined;
}

/** The facts of an object, in our words. */
export function toFacts(found: Told & object): ObjectFacts {
  const headers: Record<string, string | Date> = {};
  for (const [name, value] of Object.entries(found)) {
    if (RESTATED.has(name) && (typeof value === "string" || value instanceof Date)) headers[name] = value;
  }
  return {
    size: found.ContentLength ?? 0,
    etag: unquoted(found.ETag),
    arrived: found.LastModified?.getTime(),
    metadata: found.Metadata ?? {},
    isSealed: isSealed(found),
    headers,
  };
}

/** A copy that replaces the metadata keeps none of these by itself. */
const RESTATED = new Set([
  "CacheControl",
  "ContentDisposition",
  "ContentEncoding",
  "ContentLanguage",
  "ContentType",
  "ExpiresString",
  "ServerSideEncryption",
  "SSEKMSKeyId",
  "StorageClass",
  "WebsiteRedirectLocation",
]);

/** Is it encrypted with a key of the user's, so that its ETag is no MD5? */
export function isSealed({ ServerSideEncryption = "", SSECustomerAlgorithm }: Told): boolean {
  return ServerSideEncryption.startsWith("aws:kms") || SSECustomerAlgorithm !== undefined;
}

/** An ETag as requests carry it. */
export function quoted(etag: string | undefined): string | undefined {
  return etag === undefined ? undefined : `"${etag}"`;
}

/** An ETag without its quotes; an empty one is none. */
export function unquoted(etag: string | undefined): string | undefined {
  const bare = etag?.replace(/^W\//, "").replace(/^"|"$/g, "");
  return bare === "" ? undefined : bare;
}

/** A key as EncodingType=url carries it. One that is no UTF-8 is marked so that no gate lets it through. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", "%20"));
  } catch {
    return `${text}\ufffd`;
  }
}

/** Bytes that are handed over at once, and told. */
const STEP = 256 * 1024;
