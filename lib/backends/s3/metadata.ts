import { createHash } from "node:crypto";

/** Returns an mtime in the format that rclone writes to x-amz-meta-mtime: seconds since the epoch, with nanoseconds. */
export function formatMtime(ms: number): string {
  const seconds = Math.floor(Math.abs(ms) / 1000);
  const nanos = Math.min(999_999_999, Math.round((Math.abs(ms) - seconds * 1000) * 1e6));
  const text = `${seconds}.${String(nanos).padStart(9, "0")}`.replace(/\.?0+$/, "");
  return ms < 0 ? `-${text}` : text;
}

/**
 * Returns the mtime in ms that a tool stored in an object's metadata: "mtime" of rclone and s3fs in seconds, s3cmd's
 * attributes, gcloud's reserved name. Undefined if none can be parsed.
 */
export function parseMtime(metadata: Readonly<Record<string, string>>): number | undefined {
  const s3cmd = /(?:^|\/)mtime:(-?\d+(?:\.\d+)?)(?:\/|$)/.exec(metadata["s3cmd-attrs"] ?? "")?.[1];
  for (const text of [metadata["mtime"], s3cmd, metadata["goog-reserved-file-mtime"]]) {
    const [, sign, seconds, fraction = ""] = /^(-?)(\d{1,12})(?:\.(\d+))?$/.exec(text ?? "") ?? [];
    if (seconds === undefined) continue;
    const ms = Number(seconds) * 1000 + Number(fraction.padEnd(9, "0").slice(0, 9)) / 1e6;
    return sign === "-" ? -ms : ms;
  }
  return undefined;
}

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
