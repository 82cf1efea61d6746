import { createHash } from "node:crypto";
import { looksLikeMd5 } from "./metadata.ts";

/** One stored part. */
export interface StoredPart {
  readonly number: number;
  readonly etag: string;
}

/**
 * Returns the bytes of each part but the last: the requested size, or more if a file would otherwise have more parts
 * than a store accepts.
 */
export function partSizeFor(size: number, wanted: number): number {
  return Math.max(wanted, Math.ceil(size / MAX_PARTS / MIB) * MIB);
}

/**
 * Returns the ETag of a multipart object at Amazon and compatible stores: the MD5 of the parts' MD5s, and the number of
 * parts. Undefined if the parts' ETags are no MD5s.
 */
export function multipartEtag(parts: readonly StoredPart[]): string | undefined {
  if (parts.length === 0 || !parts.every(({ etag }) => looksLikeMd5(etag))) return undefined;
  const hash = createHash("md5");
  for (const { etag } of parts) hash.update(etag, "hex");
  return `${hash.digest("hex")}-${parts.length}`;
}

/** The limit of parts: at most 10,000 ("Amazon S3 multipart upload limits"). */
const MAX_PARTS = 10_000;
const MIB = 1 << 20;
