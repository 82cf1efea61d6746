import { isIP } from "node:net";

/** A bucket, its endpoint and region, and the style of its URL. */
export interface BucketUrlOptions {
  /** "https://host[:port][/path]"; undefined: Amazon's endpoint. */
  readonly endpoint: string | undefined;
  readonly region: string;
  readonly bucket: string;
  readonly pathStyle: boolean;
}

/**
 * Returns the URL of a bucket, to which keys are appended. The bucket is part of the host name if possible, otherwise
 * of the path ("Amazon S3 User Guide, Virtual hosting of general purpose buckets"). Undefined if its name or region
 * needs rules that are not implemented here.
 */
export function toBucketUrl({ endpoint, region, bucket, pathStyle }: BucketUrlOptions): URL | undefined {
  const base = endpoint ?? amazonEndpoint(region);
  if (base === undefined || SPECIAL_BUCKET.test(bucket)) return undefined;
  const url = new URL(base);
  const isAddress = isIP(url.hostname.replace(/^\[|\]$/g, "")) !== 0 || url.hostname === "localhost";
  // A certificate for *.host matches one label below it, not two.
  const hostable = url.protocol === "https:" ? HOST_LABEL : HOST_NAME;
  const isInHost = !pathStyle && !isAddress && hostable.test(bucket);
  if (isInHost) url.hostname = `${bucket}.${url.hostname}`;
  const path = url.pathname.replace(/\/$/, "");
  url.pathname = isInHost ? `${path}/` : `${path}/${encodeURIComponent(bucket)}/`;
  return url;
}

/** Returns a bucket's endpoint: its URL without the bucket. */
export function toEndpoint(url: URL, bucket: string): URL {
  const host = url.hostname.startsWith(`${bucket}.`) ? url.hostname.slice(bucket.length + 1) : url.hostname;
  return new URL(`${url.protocol}//${host}${url.port === "" ? "" : `:${url.port}`}`);
}

/** Returns Amazon's endpoint in a region of the standard partitions, or undefined for another region. */
function amazonEndpoint(region: string): string | undefined {
  if (!STANDARD_REGION.test(region)) return undefined;
  return `https://s3.${region}.amazonaws.com${region.startsWith("cn-") ? ".cn" : ""}`;
}

const STANDARD_REGION = /^(?:us|us-gov|eu|ap|sa|ca|me|af|il|mx|cn)-[a-z]+-\d{1,2}$/;
/** Directory buckets authenticate differently; a name with a colon is an access point. */
const SPECIAL_BUCKET = /--x-s3$|--xa-s3$|:/;
const HOST_LABEL = /^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/;
const HOST_NAME = /^[a-z0-9][a-z0-9-]*(?:\.[a-z0-9][a-z0-9-]*)*$/;
