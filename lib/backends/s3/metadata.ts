import { createHash } from "node:crypto";

/** The mtime of a file as rclone writes it to x-amz-meta-mtime: seconds since the epoch, with nanoseconds. */
export function formatTime(ms: number): string {
  const seconds = Math.floor(Math.abs(ms) / 1000);
  const nanos = Math.min(999_999_999, Math.round((Math.abs(ms) - seconds * 1000) * 1e6));
  const text = `${seconds}.${String(nanos).padStart(9, "0")}`.replace(/\.?0+$/, "");
  return ms < 0 ? `-${text}` : text;
}

/**
 * The time that a tool left in an object's metadata, in ms: rclone's and s3fs' "mtime" in seconds, s3cmd's attributes,
 * gcloud's reserved name. Undefined where there is none that can be read.
 */
export function parseTime(metadata: Readonly<Record<string, string>>): number | undefined {
  const s3cmd = /(?:^|\/)mtime:(-?\d+(?:\.\d+)?)(?:\/|$)/.exec(metadata["s3cmd-attrs"] ?? "")?.[1];
  for (const text of [metadata["mtime"], s3cmd, metadata["goog-reserved-file-mtime"]]) {
    const [, sign, seconds, fraction = ""] = /^(-?)(\d{1,12})(?:\.(\d+))?$/.exec(text ?? "") ?? [];
    if (seconds === undefined) continue;
    const ms = Number(seconds) * 1000 + Number(fraction.padEnd(9, "0").slice(0, 9)) / 1e6;
    return sign === "-" ? -ms : ms;
  }
  return undefined;
}

/** The MD5 of these bytes in hex, as the ETag of an object of one part shows it. */
export function md5(bytes: Uint8Array): string {
  return createHash("md5").update(bytes).digest("hex");
}

/** Is this the ETag of one part, and the content's MD5 unless it is encrypted with a key of the user's? */
export function looksLikeMd5(etag: string | undefined): etag is string {
  return etag !== undefined && /^[0-9a-f]{32}$/i.test(etag);
}
