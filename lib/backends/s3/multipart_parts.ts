import { createHash } from "node:crypto";
import { looksLikeMd5 } from "./metadata.ts";

/** One part as it was stored. */
export interface StoredPart {
  readonly number: number;
  readonly etag: string;
}

/** The bytes of each part but the last: what the user asks for, more where a file would have more parts than a store takes. */
export function partSizeOf(size: number, wanted: number): number {
  return Math.max(wanted, Math.ceil(size / MOST_PARTS / MIB) * MIB);
}

/** What Amazon and its like call an object in parts: the MD5 of the parts' MD5s, and how many there are; undefined where these are none. */
export function wholeEtag(parts: readonly StoredPart[]): string | undefined {
  if (parts.length === 0 || !parts.every(({ etag }) => looksLikeMd5(etag))) return undefined;
  const hash = createHash("md5");
  for (const { etag } of parts) hash.update(etag, "hex");
  return `${hash.digest("hex")}-${parts.length}`;
}

/** As a store has it: 10,000 parts at most ("Amazon S3 multipart upload limits"). */
const MOST_PARTS = 10_000;
const MIB = 1 << 20;
