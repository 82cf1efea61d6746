import { createHash, type Hash } from "node:crypto";
import type { FileEntry } from "../../core/entry.ts";
import type { EqualityProof } from "../../core/backend.ts";
import { looksLikeMd5 } from "./metadata.ts";
import { partSizeFor } from "./multipart_parts.ts";

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
