import { createHash, type Hash } from "node:crypto";
import type { FileEntry } from "../../core/entry.ts";
import type { EqualityProof } from "../../core/backend.ts";

/** Returns the MD5 of these bytes in hex, which is the ETag of an object of one part. */
export function md5(bytes: Uint8Array): string {
  return createHash("md5").update(bytes).digest("hex");
}

/**
 * Whether this is the ETag of an object of one part; it is the content's MD5 unless encrypted with a key of the user's.
 */
export function looksLikeMd5(etag: string | undefined): etag is string {
  return etag !== undefined && /^[0-9a-f]{32}$/i.test(etag);
}

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

/**
 * Returns a comparison of content with an object's listed ETag: the MD5 of the content, or the MD5 of its parts' MD5s
 * if parts of a common size could have produced it. Under a key of the user's (KMS, SSE-C) an ETag is neither, and then
 * equals none. `partSize`: the session's own, in bytes. Undefined if nothing could prove equality.
 */
export function etagProof({ revision, size }: FileEntry, partSize: number): EqualityProof | undefined {
  const etag = revision?.toLowerCase();
  if (looksLikeMd5(etag)) return wholeProof(etag);
  const count = Number(/^[0-9a-f]{32}-(\d{1,5})$/.exec(etag ?? "")?.[1]);
  if (etag === undefined || !(count > 0)) return undefined;
  const wanted = [partSize, ...COMMON_PART_MIB.map((mib) => mib * MIB)];
  const sizes = new Set(wanted.map((bytes) => Math.min(size, partSizeFor(size, bytes))));
  const fitting = [...sizes].filter((bytes) => Math.ceil(size / bytes) === count);
  return fitting.length === 0 ? undefined : multipartProof(etag, fitting);
}

const MIB = 1 << 20;
/** Part sizes of this program and of aws, rclone, s3cmd, and MinIO's clients. */
const COMMON_PART_MIB = [8, 5, 15, 16];

function wholeProof(etag: string): EqualityProof {
  const hash = createHash("md5");
  return {
    take: (bytes) => void hash.update(bytes),
    result: () => {
      const sum = hash.digest("hex");
      return { checksum: `md5:${sum}`, isEqual: sum === etag };
    },
  };
}

/** Computes the ETags of parts of each of these sizes in one pass. */
function multipartProof(etag: string, sizes: readonly number[]): EqualityProof {
  const cuts = sizes.map((size) => new PartHasher(size));
  return {
    take(bytes) {
      for (const cut of cuts) cut.take(bytes);
    },
    result() {
      const sums = cuts.map((cut) => ({ size: cut.size, sum: cut.sum() }));
      const equal = sums.find(({ sum }) => sum === etag);
      const { size, sum } = equal ?? sums[0] ?? { size: 0, sum: "" };
      // Other part sizes would yield other sums, so the algorithm's name includes the size.
      return { checksum: `md5-of-${size}:${sum}`, isEqual: equal !== undefined };
    },
  };
}

/** The MD5 of the MD5s of parts of one size, and the number of parts. */
class PartHasher {
  readonly size: number;
  readonly #digests = createHash("md5");
  #part: Hash | undefined;
  #left = 0;
  #count = 0;

  constructor(size: number) {
    this.size = size;
  }

  take(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      if (this.#part === undefined) [this.#part, this.#left] = [createHash("md5"), this.size];
      const piece = bytes.subarray(at, at + this.#left);
      this.#part.update(piece);
      at += piece.length;
      this.#left -= piece.length;
      if (this.#left === 0) this.#close();
    }
  }

  sum(): string {
    this.#close();
    return `${this.#digests.digest("hex")}-${this.#count}`;
  }

  #close(): void {
    if (this.#part === undefined) return;
    this.#digests.update(this.#part.digest());
    this.#part = undefined;
    this.#count++;
  }
}
